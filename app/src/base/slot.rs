//! A channel of one slot in which the newest replaces the oldest. It knows nothing of what it
//! carries.
//!
//! Frames go through one, so that the model always looks at the newest picture; so do orders of
//! which only the last one counts, so that giving an order never waits for a thread that is busy.

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};

/// One slot. Clones share it.
#[derive(Debug)]
pub struct Slot<T> {
    sender: Sender<T>,
    receiver: Receiver<T>,
}

impl<T> Clone for Slot<T> {
    fn clone(&self) -> Self {
        Self { sender: self.sender.clone(), receiver: self.receiver.clone() }
    }
}

impl<T> Default for Slot<T> {
    fn default() -> Self {
        let (sender, receiver) = bounded(1);
        Self { sender, receiver }
    }
}

impl<T> Slot<T> {
    /// Puts `newest` in the slot without waiting, and gives back what it replaced.
    ///
    /// With several threads putting at once each value is either taken, or given back to one of
    /// them.
    pub fn put(&self, newest: T) -> Option<T> {
        let mut newest = newest;
        let mut replaced = None;
        loop {
            match self.sender.try_send(newest) {
                // The slot holds a receiver itself, so that the channel can't be disconnected.
                Ok(()) | Err(TrySendError::Disconnected(_)) => return replaced,
                Err(TrySendError::Full(unsent)) => {
                    newest = unsent;
                    // Empty when the other side took the old value just now: then there is room.
                    if let Ok(old) = self.receiver.try_recv() {
                        replaced = Some(old);
                    }
                }
            }
        }
    }

    /// Takes what is in the slot, without waiting.
    pub fn take(&self) -> Option<T> {
        self.receiver.try_recv().ok()
    }

    /// Whether there is nothing to take.
    pub fn is_empty(&self) -> bool {
        self.receiver.is_empty()
    }

    /// What becomes ready when there is something to take.
    pub fn receiver(&self) -> &Receiver<T> {
        &self.receiver
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn the_newest_wins_and_the_replaced_is_given_back() {
        let slot = Slot::default();
        assert_eq!(slot.put(1), None);
        assert_eq!(slot.put(2), Some(1));
        assert_eq!(slot.put(3), Some(2));
        assert_eq!(slot.take(), Some(3));
        assert_eq!(slot.take(), None);
        assert!(slot.is_empty());
    }

    #[test]
    fn every_value_is_taken_or_replaced_and_the_last_one_is_taken() {
        const LAST: u32 = 20_000;
        let slot = Slot::default();
        let put = slot.clone();
        let producer = thread::spawn(move || (1..=LAST).filter_map(|value| put.put(value)).count());
        let mut taken = Vec::new();
        while taken.last() != Some(&LAST) {
            if let Ok(value) = slot.receiver().recv_timeout(std::time::Duration::from_secs(20)) {
                taken.push(value);
            }
        }
        let replaced = producer.join().expect("the producer ends");
        assert_eq!(taken.len() + replaced, LAST as usize);
        assert!(taken.is_sorted());
    }
}

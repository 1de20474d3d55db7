//! Words read aloud: the thread that owns a voice. Knows no window and no
//! caption.
//!
//! A sentence that has begun is said to its end; of those that came meanwhile only the newest is
//! said next, so that the voice never falls behind. Nobody waits for a voice.

#[cfg(feature = "speech")]
mod system;
mod voice;

use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TrySendError, bounded};

pub use crate::actions::speech::voice::{OpenVoice, RATES, Voice};
use crate::base::message::Message;
use crate::base::thread::Thread;

/// How often it is asked whether the voice has come to its end, while something waits.
const LOOK_UP: Duration = Duration::from_millis(100);
/// A voice that is still at it after this long is interrupted.
const MOST_SPEAKING: Duration = Duration::from_secs(20);
/// Orders that may wait. The newest decides, so that more would say nothing.
const MOST_ORDERS: usize = 16;
/// How long the end of the program waits for a voice.
const PATIENCE: Duration = Duration::from_secs(1);

/// How to open the system's voice. None where this program was built without.
#[must_use]
pub fn of_system() -> Option<OpenVoice> {
    #[cfg(feature = "speech")]
    return Some(Box::new(system::open));
    #[cfg(not(feature = "speech"))]
    None
}

/// What the voice is to do.
enum Order {
    /// Says this when it has come to the end of what it says.
    Next(String, f32),
    /// Says this at once.
    Now(String, f32),
    Silence,
}

/// A voice on a thread of its own. Dropping it silences the voice and ends the thread.
pub struct Speaker {
    orders: Option<Sender<Order>>,
    trouble: Receiver<Message>,
    thread: Thread,
}

impl Speaker {
    /// Opens the voice. `wake` is called when there is trouble.
    ///
    /// # Errors
    /// When the system starts no more threads.
    pub fn start(open: OpenVoice, wake: impl Fn() + Send + 'static) -> std::io::Result<Self> {
        let (orders, taken) = bounded(MOST_ORDERS);
        let (told, trouble) = bounded(1);
        let thread = Thread::start("voice", move || {
            if let Err(message) = speak(open, &taken) {
                tracing::warn!("no voice: {message}");
                // Nobody has taken what was told before: then that is told.
                let _ = told.try_send(message);
                wake();
            }
        })?;
        Ok(Self { orders: Some(orders), trouble, thread })
    }

    /// Says this after what is being said, in place of what waits.
    pub fn say(&self, words: &str, rate: f32) {
        self.order(Order::Next(words.to_owned(), rate));
    }

    /// Says this at once.
    pub fn say_now(&self, words: &str, rate: f32) {
        self.order(Order::Now(words.to_owned(), rate));
    }

    /// Says nothing more of what it was told.
    pub fn silence(&self) {
        self.order(Order::Silence);
    }

    /// Why it speaks no more, once.
    #[must_use]
    pub fn trouble(&self) -> Option<Message> {
        self.trouble.try_recv().ok()
    }

    fn order(&self, order: Order) {
        let Some(orders) = &self.orders else { return };
        if let Err(TrySendError::Full(_)) = orders.try_send(order) {
            tracing::debug!("the voice hangs: something is not said");
        }
    }
}

impl Drop for Speaker {
    fn drop(&mut self) {
        self.orders = None;
        self.thread.join_until(Instant::now() + PATIENCE);
    }
}

/// Does as it is told until nobody tells anything any more.
fn speak(open: OpenVoice, orders: &Receiver<Order>) -> Result<(), Message> {
    let mut voice = open()?;
    let mut next: Option<(String, f32)> = None;
    let mut began = None;
    loop {
        let order = if next.is_some() {
            match orders.recv_timeout(LOOK_UP) {
                Ok(order) => Some(order),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return voice.silence(),
            }
        } else {
            let Ok(order) = orders.recv() else { return voice.silence() };
            Some(order)
        };
        match order {
            Some(Order::Next(words, rate)) => next = Some((words, rate)),
            Some(Order::Now(words, rate)) => {
                voice.silence()?;
                (next, began) = (Some((words, rate)), None);
            }
            Some(Order::Silence) => {
                voice.silence()?;
                (next, began) = (None, None);
            }
            None => {}
        }
        let is_busy = began
            .is_some_and(|began: Instant| began.elapsed() < MOST_SPEAKING && voice.is_speaking().unwrap_or_default());
        if orders.is_empty()
            && !is_busy
            && let Some((words, rate)) = next.take()
        {
            voice.say(&words, rate)?;
            began = Some(Instant::now());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::voice::{Deed, VoiceScript};

    const USUAL: f32 = RATES[1];

    fn started(script: &VoiceScript) -> Speaker {
        Speaker::start(script.open(), || {}).expect("a thread")
    }

    fn said(words: &str) -> Deed {
        Deed::Say(words.to_owned(), USUAL)
    }

    #[test]
    fn a_sentence_is_said_to_its_end_and_then_the_newest() {
        let script = VoiceScript::default();
        let speaker = started(&script);
        speaker.say("one", USUAL);
        script.wait_for(&[said("one")]);
        for words in ["two", "three", "four"] {
            speaker.say(words, USUAL);
        }
        // An order that was still under way when the voice came to its end may be said before.
        script.wait_until(|deeds| {
            script.ends();
            deeds.last() == Some(&said("four"))
        });
        assert!(script.deeds().len() <= 4 && !script.deeds().contains(&Deed::Silence), "{:?}", script.deeds());
    }

    #[test]
    fn what_is_said_again_interrupts_and_silence_drops_what_waits() {
        let script = VoiceScript::default();
        let speaker = started(&script);
        speaker.say("one", USUAL);
        script.wait_for(&[said("one")]);
        speaker.say_now("one", 2.0);
        let again = Deed::Say("one".to_owned(), 2.0);
        script.wait_for(&[said("one"), Deed::Silence, again.clone()]);
        speaker.say("two", USUAL);
        speaker.silence();
        script.wait_for(&[said("one"), Deed::Silence, again.clone(), Deed::Silence]);
        script.ends();
        speaker.say("three", USUAL);
        script.wait_for(&[said("one"), Deed::Silence, again.clone(), Deed::Silence, said("three")]);
        drop(speaker);
        script.wait_for(&[said("one"), Deed::Silence, again, Deed::Silence, said("three"), Deed::Silence]);
    }

    #[test]
    fn a_voice_that_fails_is_told_once() {
        let script = VoiceScript::default();
        script.refuse(Message::new("There is no voice."));
        let (woken, wakes) = bounded(1);
        let wake = move || {
            let _ = woken.try_send(());
        };
        let speaker = Speaker::start(script.open(), wake).expect("a thread");
        wakes.recv().expect("woken");
        assert_eq!(speaker.trouble().expect("told").what(), "There is no voice.");
        assert!(speaker.trouble().is_none());
        // Nobody listens any more, and nobody waits.
        for _ in 0..3 * MOST_ORDERS {
            speaker.say("one", USUAL);
        }
        assert!(script.deeds().is_empty());
    }
}

//! The capture thread: reads the source, numbers its pictures, and opens it again when it fails.
//! Knows no model.
//!
//! Frames of a live source go into the slot as they come, each replacing one that nobody took. A
//! patient source is asked for its next picture when the inference thread has finished with the
//! last one, so that the picture on show is always the one being told about.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Select, Sender};
use image::RgbImage;

use crate::base::backoff::Backoff;
use crate::base::message::Message;
use crate::base::panic::panic_message;
use crate::capture::{Next, Source, SourceError};
use crate::live::events::{Event, Worker};
use crate::live::frame::Frame;
use crate::live::outbox::Outbox;
use crate::live::pulse::{Lease, Pulse};
use crate::live::shared::{Shared, SharedSource, SharedView, lock};

/// How long a source may take to be opened: cameras take some seconds, streams have limits of their
/// own below this.
const MOST_OPENING: Duration = Duration::from_mins(1);
/// How long it may take for a picture, or to be closed, before it hangs. It promises a tenth of a
/// second; on a machine that is starved by others that was seen to become ten.
const MOST_READING: Duration = Duration::from_mins(1);

/// Everything that the capture thread shares with the others.
#[derive(Clone)]
pub struct Links {
    pub shared: Arc<Shared>,
    pub view: Arc<SharedView>,
    /// The view's number.
    pub number: usize,
    /// Rings on the inference thread.
    pub bell: Sender<()>,
    /// Rung by the inference thread when it has finished with a frame, and by the front end when
    /// the source is to rest or to go on.
    pub dealt_with: Receiver<()>,
    /// Disconnected when the pipeline stops.
    pub stop: Receiver<Infallible>,
    /// Over when another thread has taken its place.
    pub lease: Lease,
    pub pulse: Arc<Pulse>,
}

/// The state of the capture thread.
pub struct Capture {
    links: Links,
    outbox: Outbox,
    open: Option<SharedSource>,
    state: State,
    backoff: Backoff,
    rate: FrameRate,
}

enum State {
    /// No source, or one that ended or failed for good: waiting for another one.
    Idle,
    /// Opening the source at this instant.
    Due(Instant),
    Running(Box<dyn Source>),
}

impl Capture {
    pub fn new(links: Links, outbox: Outbox) -> Self {
        let (backoff, rate) = (Backoff::default(), FrameRate::default());
        Self { links, outbox, open: None, state: State::Idle, backoff, rate }
    }

    /// Works until the pipeline stops.
    pub fn run(mut self) {
        while self.goes_on() {
            if let Some(open) = self.links.view.sources.take() {
                self.replace(open);
            }
            // Before the number below is read: a bell that rings later ends the wait.
            while self.links.dealt_with.try_recv().is_ok() {}
            if self.links.view.resting.load(Ordering::SeqCst) {
                self.rest();
                continue;
            }
            match &mut self.state {
                State::Idle => self.wait(None),
                State::Due(at) if *at > Instant::now() => {
                    let at = *at;
                    self.wait(Some(at));
                }
                State::Due(_) => self.open(),
                State::Running(_) if !self.links.view.orders.is_empty() => self.pass_order_on(),
                State::Running(source) => {
                    let dealt_with = self.links.view.dealt_with.load(Ordering::Acquire);
                    if source.is_live() || dealt_with >= self.links.view.last_id.load(Ordering::Acquire) {
                        self.read();
                    } else {
                        self.wait(None);
                    }
                }
            }
        }
        self.close();
    }

    /// Takes no pictures. A source that would go on by itself is closed, and due again afterwards.
    fn rest(&mut self) {
        match &mut self.state {
            State::Running(source) if source.waits() => {
                let rested =
                    self.links.pulse.watch(MOST_READING, None, || catch_unwind(AssertUnwindSafe(|| source.rest())));
                if !self.links.lease.is_valid() {
                    return;
                }
                if let Err(panic) = rested {
                    self.recover(panic_message(&*panic));
                }
            }
            State::Running(_) => {
                self.close();
                self.state = State::Due(Instant::now());
            }
            State::Idle | State::Due(_) => {}
        }
        self.rate = FrameRate::default();
        self.show_rate();
        self.wait(None);
    }

    /// Whether it is still wanted.
    fn goes_on(&self) -> bool {
        !self.links.shared.is_stopped() && self.links.lease.is_valid()
    }

    /// Waits for another source, a frame that is finished with, the end of the pipeline, or
    /// `until`.
    fn wait(&self, until: Option<Instant>) {
        let mut select = Select::new();
        select.recv(self.links.view.sources.receiver());
        // Also rung for orders.
        select.recv(&self.links.dealt_with);
        select.recv(&self.links.stop);
        match until {
            // A time-out is one of the things waited for.
            Some(until) => drop(select.ready_deadline(until)),
            None => drop(select.ready()),
        }
    }

    /// Takes leave of the source in hand and of its frames.
    fn replace(&mut self, open: Option<SharedSource>) {
        self.close();
        let view = &self.links.view;
        view.ended.store(false, Ordering::Release);
        // Meant for the source before.
        let _ = view.orders.take();
        self.outdate_frames();
        *lock(&self.links.view.latest) = None;
        self.open = open;
        self.backoff.reset();
        self.state = State::Due(Instant::now());
        self.outbox.wake();
    }

    /// The frames up to now are of no interest any more.
    fn outdate_frames(&self) {
        let view = &self.links.view;
        let last_id = view.last_id.load(Ordering::Acquire);
        view.first_of_source.store(last_id + 1, Ordering::Release);
        view.dealt_with.store(last_id, Ordering::Release);
        if view.frames.take().is_some() {
            view.dropped.fetch_add(1, Ordering::Relaxed);
        }
        self.links.shared.interrupt_caption_of(self.links.number);
    }

    /// Tells the source what it was told.
    fn pass_order_on(&mut self) {
        let State::Running(source) = &mut self.state else { return };
        let Some(order) = self.links.view.orders.take() else { return };
        let obeyed =
            self.links.pulse.watch(MOST_READING, None, || catch_unwind(AssertUnwindSafe(|| source.obey(order))));
        if !self.links.lease.is_valid() {
            return;
        }
        match obeyed {
            Ok(Ok(true)) => self.outdate_frames(),
            Ok(Ok(false)) => {}
            Ok(Err(error)) => self.lose(error),
            Err(panic) => self.recover(panic_message(&*panic)),
        }
    }

    fn open(&mut self) {
        let Some(open) = self.open.clone() else { return self.state = State::Idle };
        let opened = {
            let Ok(mut open) = open.try_lock() else {
                let message = Message::new("The source does not open.").hint("Choose another one.");
                return self.lose(SourceError::passing(message));
            };
            let opened = self.links.pulse.watch(MOST_OPENING, None, || {
                catch_unwind(AssertUnwindSafe(|| open().map(|source| (source.name(), source))))
            });
            drop(open);
            opened
        };
        if !self.links.lease.is_valid() {
            return;
        }
        match opened {
            Ok(Ok((name, source))) => {
                tracing::info!(source = name, "source opened");
                self.links.view.is_live.store(source.is_live(), Ordering::Relaxed);
                self.state = State::Running(source);
                self.outbox.send(Some(self.links.number), Event::SourceOpened { name });
            }
            Ok(Err(error)) => self.lose(error),
            Err(panic) => self.recover(panic_message(&*panic)),
        }
    }

    fn read(&mut self) {
        let State::Running(source) = &mut self.state else { return };
        let next = self.links.pulse.watch(MOST_READING, None, || catch_unwind(AssertUnwindSafe(|| source.next())));
        if !self.links.lease.is_valid() {
            return;
        }
        match next {
            Ok(Ok(Next::Picture(picture))) => {
                *lock(&self.links.view.position) = source.position();
                self.publish(picture);
            }
            Ok(Ok(Next::Nothing)) => self.show_rate(),
            Ok(Ok(Next::Ended)) => {
                let position = source.position();
                self.close();
                // There it stays, until another source takes its place.
                *lock(&self.links.view.position) = position;
                self.outbox.send(Some(self.links.number), Event::SourceEnded);
                // After the last frame was put, so that who sees the flag finds the frame.
                self.links.view.ended.store(true, Ordering::Release);
                // A bell that rings already will do.
                let _ = self.links.bell.try_send(());
            }
            Ok(Err(error)) => self.lose(error),
            Err(panic) => self.recover(panic_message(&*panic)),
        }
    }

    /// Numbers a picture and hands it on.
    fn publish(&mut self, picture: RgbImage) {
        self.backoff.reset();
        let id = self.links.view.last_id.fetch_add(1, Ordering::AcqRel) + 1;
        let frame = Arc::new(Frame::now(id, picture));
        self.rate.tick(frame.captured_at);
        self.show_rate();
        let view = &self.links.view;
        view.captured.fetch_add(1, Ordering::Relaxed);
        *lock(&view.latest) = Some(Arc::clone(&frame));
        if self.links.view.frames.put(frame).is_some() {
            view.dropped.fetch_add(1, Ordering::Relaxed);
        }
        self.outbox.wake();
    }

    fn show_rate(&mut self) {
        self.links.view.set_fps(self.rate.per_second(Instant::now()));
    }

    /// The source failed in a way that it reports itself.
    fn lose(&mut self, error: SourceError) {
        self.close();
        let SourceError { message, may_pass } = error;
        tracing::warn!(may_pass, "source lost: {message}");
        if may_pass {
            let retry_in = self.try_again();
            self.outbox.send(Some(self.links.number), Event::SourceLost { message, retry_in });
        } else {
            self.outbox
                .send(Some(self.links.number), Event::Failed { worker: Worker::Capture, message, retry_in: None });
        }
    }

    /// The source panicked: a fault in it or in a library under it.
    fn recover(&mut self, panic: &str) {
        self.close();
        let retry_in = Some(self.try_again());
        let message = Message::new(format!("The source broke down ({panic}).")).hint("It will be opened again.");
        self.outbox.send(Some(self.links.number), Event::Failed { worker: Worker::Capture, message, retry_in });
    }

    fn try_again(&mut self) -> Duration {
        let wait = self.backoff.next();
        self.state = State::Due(Instant::now() + wait);
        wait
    }

    /// Drops the source, if one is open.
    fn close(&mut self) {
        let state = std::mem::replace(&mut self.state, State::Idle);
        let closed = self.links.pulse.watch(MOST_READING, None, || catch_unwind(AssertUnwindSafe(|| drop(state))));
        if closed.is_err() {
            tracing::error!("the source panicked while it was being closed");
        }
        *lock(&self.links.view.position) = None;
        self.rate = FrameRate::default();
        self.show_rate();
    }
}

/// Measures frames a second over the last [`FrameRate::WINDOW`].
#[derive(Default)]
struct FrameRate {
    instants: VecDeque<Instant>,
}

impl FrameRate {
    /// Long enough for a steady number, short enough to follow a camera that slows down in the
    /// dark.
    const WINDOW: Duration = Duration::from_secs(2);

    /// A frame came.
    fn tick(&mut self, now: Instant) {
        self.instants.push_back(now);
    }

    /// Frames a second; zero with fewer than two frames in the window.
    fn per_second(&mut self, now: Instant) -> f32 {
        while self.instants.front().is_some_and(|&first| now.saturating_duration_since(first) > Self::WINDOW) {
            self.instants.pop_front();
        }
        match (self.instants.front(), self.instants.back()) {
            (Some(&first), Some(&last)) if last > first => {
                (self.instants.len() - 1) as f32 / (last - first).as_secs_f32()
            }
            _ => 0.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_frame_rate_follows_the_camera_and_falls_to_zero() {
        let start = Instant::now();
        let at = |milliseconds| start + Duration::from_millis(milliseconds);
        let mut rate = FrameRate::default();
        assert!(rate.per_second(at(0)).abs() < f32::EPSILON);
        for frame in 0..90 {
            rate.tick(at(frame * 40));
        }
        assert!((rate.per_second(at(3600)) - 25.0).abs() < 0.01);
        assert!(rate.per_second(at(9000)).abs() < f32::EPSILON);
    }
}

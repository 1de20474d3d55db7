//! The last half minute as small JPEGs, with what was said of it, for whoever then wants to keep
//! it. A thread makes them; the window only hands pictures on, and never waits. Memory is bounded.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crossbeam_channel::{Sender, TrySendError, bounded};

use crate::base::message::Message;
use crate::base::thread::Thread;
use crate::base::{jpeg, text};
use crate::capture::ffmpeg::clip::{self, Clip};
use crate::live::frame::Frame;
use crate::ui::keep;

/// How far back it goes.
pub const LENGTH: Duration = Duration::from_secs(30);
/// Pictures come no faster than this.
const STEP: Duration = Duration::from_millis(200);
/// The most bytes of pictures: 30 seconds of 960 pixels across take some 10 MB.
const MOST_BYTES: usize = 48 << 20;
/// The widest picture, in pixels.
const WIDEST: u32 = 960;
const QUALITY: u8 = 80;
/// The most captions: a second one each.
const MOST_CAPTIONS: usize = 60;

/// Pictures and captions of the last half minute.
#[derive(Default)]
struct Past {
    pictures: VecDeque<(Instant, Arc<[u8]>)>,
    bytes: usize,
    /// Of the pictures they were made of.
    size: (u32, u32),
    /// What was said of the picture that was captured then.
    captions: VecDeque<(Instant, String)>,
}

/// See the module. Dropping it ends the thread.
#[derive(Default)]
pub struct ClipRing {
    past: Arc<Mutex<Past>>,
    pictures: Option<Sender<Arc<Frame>>>,
    thread: Option<Thread>,
    last: Option<Instant>,
}

impl Past {
    fn add(&mut self, at: Instant, size: (u32, u32), jpeg: Arc<[u8]>) {
        if self.size != size {
            // A video has one size.
            *self = Self { size, captions: std::mem::take(&mut self.captions), ..Self::default() };
        }
        self.bytes += jpeg.len();
        self.pictures.push_back((at, jpeg));
        while self.bytes > MOST_BYTES || self.pictures.front().is_some_and(|(old, _)| at.duration_since(*old) > LENGTH)
        {
            let Some((_, gone)) = self.pictures.pop_front() else { break };
            self.bytes -= gone.len();
        }
    }

    fn clip(&self) -> Option<Clip> {
        let (first, last) = (self.pictures.front()?.0, self.pictures.back()?.0);
        let since = |at: Instant| at.saturating_duration_since(first);
        let length = since(last) + STEP;
        let mut captions = Vec::new();
        for (number, (at, words)) in self.captions.iter().enumerate() {
            let until = self.captions.get(number + 1).map_or(length, |(next, _)| since(*next)).min(length);
            // One that began before the first picture holds until the next one.
            if until > since(*at) {
                captions.push((since(*at), until, words.clone()));
            }
        }
        let pictures = self.pictures.iter().map(|(at, jpeg)| (since(*at), Arc::clone(jpeg))).collect();
        Some(Clip { pictures, length, captions })
    }
}

fn lock(past: &Mutex<Past>) -> MutexGuard<'_, Past> {
    past.lock().unwrap_or_else(PoisonError::into_inner)
}

impl ClipRing {
    /// A picture is on screen. Left out where one was there just before, or the thread is behind.
    pub fn offer(&mut self, frame: &Arc<Frame>) {
        let is_soon = |last: Instant| frame.captured_at.saturating_duration_since(last) < STEP;
        if self.last.is_some_and(is_soon) {
            return;
        }
        if self.thread.is_none() {
            self.start();
        }
        let Some(pictures) = &self.pictures else { return };
        match pictures.try_send(Arc::clone(frame)) {
            Ok(()) => self.last = Some(frame.captured_at),
            Err(TrySendError::Full(_)) => {}
            Err(TrySendError::Disconnected(_)) => self.pictures = None,
        }
    }

    fn start(&mut self) {
        let (sender, pictures) = bounded::<Arc<Frame>>(1);
        let past = Arc::clone(&self.past);
        let work = move || {
            for frame in pictures {
                if let Some(jpeg) = jpeg::encode(&frame.image, WIDEST, QUALITY) {
                    lock(&past).add(frame.captured_at, frame.image.dimensions(), jpeg.into());
                }
            }
        };
        match Thread::start("clip", work) {
            Ok(thread) => (self.thread, self.pictures) = (Some(thread), Some(sender)),
            Err(error) => tracing::warn!(%error, "no thread for clips"),
        }
    }

    /// This was said of a picture.
    pub fn say(&self, frame: &Frame, words: &str) {
        let mut past = lock(&self.past);
        if past.captions.back().is_some_and(|(_, last)| last == words) {
            return;
        }
        if past.captions.len() == MOST_CAPTIONS {
            past.captions.pop_front();
        }
        past.captions.push_back((frame.captured_at, words.to_owned()));
    }

    /// Forgets everything: there is another source, or nothing is to be kept.
    pub fn clear(&mut self) {
        *lock(&self.past) = Past::default();
        self.last = None;
    }

    /// What there is.
    pub fn clip(&self) -> Option<Clip> {
        lock(&self.past).clip()
    }
}

impl Drop for ClipRing {
    fn drop(&mut self) {
        self.pictures = None;
        if let Some(thread) = &mut self.thread {
            thread.join_until(Instant::now() + Duration::from_secs(1));
        }
    }
}

/// Writes a clip, under another name where there is one of this name. Gives the name. Blocks.
///
/// # Errors
/// Why, when it can't be written.
pub fn save(path: &Path, clip: &Clip) -> Result<PathBuf, Message> {
    let path = if path.extension().is_none() { path.with_extension("mp4") } else { path.to_owned() };
    for path in keep::names(&path) {
        if !path.exists() {
            return clip::write(clip, &path).map(|()| path);
        }
    }
    let what = format!("There are too many clips of the name {} already.", text::path(&path));
    Err(Message::new(what).hint("Choose another name."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn past(pictures: u64, bytes: usize) -> (Past, Instant) {
        let (mut past, start) = (Past::default(), Instant::now());
        for number in 0..pictures {
            past.add(start + STEP * number as u32, (4, 3), vec![0; bytes].into());
        }
        (past, start)
    }

    #[test]
    fn it_goes_back_half_a_minute_and_no_further_and_takes_only_so_many_bytes() {
        let (long, _) = past(1000, 10);
        assert_eq!((long.pictures.len(), long.bytes), (151, 1510));
        let (large, _) = past(100, 1 << 20);
        assert_eq!((large.pictures.len(), large.bytes), (48, MOST_BYTES));
        assert!(Past::default().clip().is_none());
        let (mut other, start) = past(3, 10);
        other.add(start, (8, 6), vec![0; 7].into());
        assert_eq!((other.pictures.len(), other.bytes), (1, 7), "a picture of another size begins anew");
    }

    #[test]
    fn captions_last_from_their_picture_to_that_of_the_next() {
        let (mut past, start) = past(11, 10);
        let said = [(0, "A cat."), (1000, "A dog.")];
        past.captions.extend(said.map(|(ms, words)| (start + Duration::from_millis(ms), words.to_owned())));
        let clip = past.clip().expect("a clip");
        let ms = Duration::from_millis;
        assert_eq!((clip.pictures.len(), clip.length), (11, ms(2200)));
        let want = [(ms(0), ms(1000), "A cat.".to_owned()), (ms(1000), ms(2200), "A dog.".to_owned())];
        assert_eq!(clip.captions, want);
        // What was over before the first picture is left out.
        past.pictures.drain(..6);
        assert_eq!(past.clip().expect("a clip").captions, [(ms(0), ms(1000), "A dog.".to_owned())]);
    }
}

//! The camera's own thread, and the source that watches it from outside.
//!
//! Reading a camera may block for ever, so it happens in a thread that can be left behind. That thread reads continuously
//! and keeps the newest frame only: otherwise the driver's buffers would queue, and pictures would be seconds old. Frames
//! are decoded by whoever asks for them, so that those nobody asked for cost nothing.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Sender, bounded};

use super::super::latest::{Latest, Taken, Taker, latest};
use super::super::{Next, Source, SourceError};
use super::device::{Opener, RawFrame};
use super::fault::Fault;
use super::frame::decode;

/// As long as [`Source::next`] may wait.
const WAIT: Duration = Duration::from_millis(100);

/// This many broken frames in a row are too many: two seconds of them.
const TOO_MANY_BROKEN: u32 = 60;

/// How long a camera may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// To open. Webcams take up to two seconds.
    pub(super) to_open: Duration,
    /// Between two frames. In the dark, exposures of a second are common, and the first frame takes the longest.
    pub(super) for_a_frame: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { to_open: Duration::from_secs(10), for_a_frame: Duration::from_secs(5) }
    }
}

/// Cameras whose readers were left behind and still wait for a frame. The library shares one handle of a camera within
/// the process, so that opening it again would fail until they end, as if another program had it.
static LEFT_BEHIND: Mutex<BTreeSet<u32>> = Mutex::new(BTreeSet::new());

fn left_behind() -> MutexGuard<'static, BTreeSet<u32>> {
    LEFT_BEHIND.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A camera, read in a thread of its own.
pub(super) struct CameraSource {
    number: u32,
    /// `camera 0 (HD Webcam)`, for sentences.
    called: String,
    /// The camera's own name.
    name: String,
    frames: Taker<RawFrame, Fault>,
    patience: Patience,
    last_frame: Instant,
    broken_in_a_row: u32,
    /// Whether the thread said that it ended, or was given up.
    over: bool,
}

impl CameraSource {
    /// Opens a camera in a new thread and waits until it is open.
    pub(super) fn open(number: u32, name: &str, opener: Opener, patience: Patience) -> Result<Self, Fault> {
        if left_behind().contains(&number) {
            return Err(Fault::StillSilent);
        }
        let (latest, frames) = latest();
        let (tell, opened) = bounded(1);
        thread::Builder::new()
            .name(format!("camera {number}"))
            .spawn(move || {
                // Closing a camera panics as well when the driver refuses.
                if catch_unwind(AssertUnwindSafe(|| read(opener, &tell, latest))).is_err() {
                    tracing::warn!("The reader of camera {number} died");
                }
                left_behind().remove(&number);
            })
            .map_err(|error| Fault::Other(error.to_string()))?;
        match opened.recv_timeout(patience.to_open) {
            Ok(result) => result?,
            Err(error) if error.is_timeout() => {
                left_behind().insert(number);
                return Err(Fault::NoAnswer);
            }
            Err(_) => return Err(Fault::Died),
        }
        Ok(Self {
            number,
            called: called(number, name),
            name: name.to_owned(),
            frames,
            patience,
            last_frame: Instant::now(),
            broken_in_a_row: 0,
            over: false,
        })
    }

    fn fail(&mut self, fault: &Fault) -> SourceError {
        self.over = true;
        fault.about(&self.called)
    }
}

/// `camera 0 (HD Webcam)`.
pub(super) fn called(number: u32, name: &str) -> String {
    if name.is_empty() { format!("camera {number}") } else { format!("camera {number} ({name})") }
}

/// The thread: opens, tells so, and reads until nobody wants frames or the camera fails.
fn read(opener: Opener, tell: &Sender<Result<(), Fault>>, latest: Latest<RawFrame, Fault>) {
    let mut device = match opener() {
        Ok(device) => device,
        Err(fault) => {
            // Nobody listens when it took too long.
            let _ = tell.try_send(Err(fault));
            return;
        }
    };
    let _ = tell.try_send(Ok(()));
    let fault = loop {
        match device.read() {
            Ok(frame) if latest.put(frame) => {}
            Ok(_) => return,
            Err(fault) => break fault,
        }
    };
    // Closed first: whoever hears of the end may open it again at once.
    drop(device);
    latest.end(fault);
}

impl Source for CameraSource {
    fn name(&self) -> String {
        if self.name.is_empty() { self.called.clone() } else { self.name.clone() }
    }

    fn is_live(&self) -> bool {
        true
    }

    fn next(&mut self) -> Result<Next, SourceError> {
        if self.over {
            return Err(Fault::Gone.about(&self.called));
        }
        match self.frames.take(WAIT) {
            Taken::Thing(frame) => {
                self.last_frame = Instant::now();
                match decode(&frame) {
                    Ok(image) => {
                        self.broken_in_a_row = 0;
                        Ok(Next::Picture(image))
                    }
                    Err(why) => {
                        self.broken_in_a_row += 1;
                        tracing::warn!(in_a_row = self.broken_in_a_row, "Passed over a broken frame: {why}");
                        if self.broken_in_a_row == TOO_MANY_BROKEN {
                            return Err(self.fail(&Fault::Junk { frames: TOO_MANY_BROKEN }));
                        }
                        Ok(Next::Nothing)
                    }
                }
            }
            Taken::Nothing if self.last_frame.elapsed() > self.patience.for_a_frame => {
                left_behind().insert(self.number);
                Err(self.fail(&Fault::Silent))
            }
            Taken::Nothing => Ok(Next::Nothing),
            Taken::End(fault) => Err(self.fail(&fault.unwrap_or(Fault::Died))),
        }
    }
}

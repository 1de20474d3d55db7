//! The camera's own thread, and the source that watches it from outside.
//!
//! Reading a camera may block for ever, so it happens in a thread that can be left behind. That
//! thread reads continuously and keeps the newest frame only: otherwise the driver's buffers would
//! queue, and pictures would be seconds old. Frames are decoded by whoever asks for them, so that
//! those nobody asked for cost nothing.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{RecvTimeoutError, Sender, bounded};

use crate::capture::camera::device::{Opener, RawFrame};
use crate::capture::camera::fault::Fault;
use crate::capture::camera::frame::decode;
use crate::capture::latest::{Latest, Taken, Taker, latest};
use crate::capture::{Next, Source, SourceError};

/// As long as [`Source::next`] may wait.
const WAIT: Duration = Duration::from_millis(100);

/// This many broken frames in a row are too many: two seconds of them.
const TOO_MANY_BROKEN: u32 = 60;

/// How long a camera may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// To open. Webcams take up to two seconds.
    pub(super) to_open: Duration,
    /// Between two frames. In the dark, exposures of a second are common, and the first frame takes
    /// the longest.
    pub(super) for_a_frame: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { to_open: Duration::from_secs(10), for_a_frame: Duration::from_secs(5) }
    }
}

/// How long the last reader of a camera may take to let go of it: a frame or two.
const TO_CLOSE: Duration = Duration::from_secs(1);

/// Cameras that have a reader. The library shares one handle of a camera within the process, so
/// that opening it again would fail until its reader ends, as if another program had it.
static READ: (Mutex<BTreeSet<u32>>, Condvar) = (Mutex::new(BTreeSet::new()), Condvar::new());

/// The right to read a camera.
struct Reading(u32);

impl Reading {
    /// Waits a moment for the last reader to end. One that was left behind may never do so.
    fn begin(number: u32) -> Result<Self, Fault> {
        let read = READ.0.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = READ.1.wait_timeout_while(read, TO_CLOSE, |read| read.contains(&number));
        let (mut read, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if read.insert(number) { Ok(Self(number)) } else { Err(Fault::StillSilent) }
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        READ.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.0);
        READ.1.notify_all();
    }
}

/// A camera, read in a thread of its own.
pub(super) struct CameraSource {
    /// `camera 0 (HD Webcam)`, for sentences.
    called: String,
    /// The camera's own name.
    name: String,
    frames: Taker<RawFrame, Fault>,
    patience: Patience,
    last_frame: Instant,
    broken_in_a_row: u32,
    /// Whether the thread ended, or was left behind.
    over: bool,
}

impl CameraSource {
    /// Opens a camera in a new thread and waits until it is open.
    pub(super) fn open(number: u32, name: &str, opener: Opener, patience: Patience) -> Result<Self, Fault> {
        let reading = Reading::begin(number)?;
        let (latest, frames) = latest();
        let (tell, opened) = bounded(1);
        thread::Builder::new()
            .name(format!("camera {number}"))
            .spawn(move || {
                let _reading = reading;
                // Closing a camera panics as well when the driver refuses.
                if catch_unwind(AssertUnwindSafe(|| read(opener, &tell, latest))).is_err() {
                    tracing::warn!("The reader of camera {number} died");
                }
            })
            .map_err(|error| Fault::Other(error.to_string()))?;
        opened.recv_timeout(patience.to_open).map_err(|error| match error {
            RecvTimeoutError::Timeout => Fault::NoAnswer,
            RecvTimeoutError::Disconnected => Fault::Died,
        })??;
        Ok(Self {
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
            Ok(frame) => {
                if !latest.put(frame) {
                    return;
                }
            }
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
            Taken::Nothing if self.last_frame.elapsed() > self.patience.for_a_frame => Err(self.fail(&Fault::Silent)),
            Taken::Nothing => Ok(Next::Nothing),
            Taken::End(fault) => Err(self.fail(&fault.unwrap_or(Fault::Died))),
        }
    }
}

#[cfg(test)]
mod tests {
    use crossbeam_channel::Receiver;

    use super::*;
    use crate::capture::camera::device::{Device, Format, Pixels};

    /// Long enough for a loaded machine: tests wait for something to happen, and fail after this.
    const LONG: Duration = Duration::from_mins(1);

    const PATIENT: Patience = Patience { to_open: LONG, for_a_frame: LONG };

    /// A camera that does what it is told: the next frame or fault, or panicking, or blocking while
    /// it is told nothing.
    struct Fake(Receiver<Told>);

    enum Told {
        Send(Vec<u8>),
        Fail(Fault),
        Panic,
    }

    impl Device for Fake {
        fn read(&mut self) -> Result<RawFrame, Fault> {
            let format = Format { width: 2, height: 2, fps: 30, pixels: Pixels::Grey };
            match self.0.recv() {
                Ok(Told::Send(bytes)) => Ok(RawFrame { format, bytes }),
                Ok(Told::Fail(fault)) => Err(fault),
                Ok(Told::Panic) => std::panic::resume_unwind(Box::new("the driver refuses")),
                Err(_) => Err(Fault::Gone),
            }
        }
    }

    fn fake() -> (Sender<Told>, Opener) {
        let (tell, told) = bounded(200);
        (tell, Box::new(move || Ok(Box::new(Fake(told)) as Box<dyn Device>)))
    }

    fn grey(value: u8) -> Told {
        Told::Send(vec![value; 4])
    }

    /// The next that is not nothing.
    fn next(source: &mut CameraSource) -> Result<u8, SourceError> {
        let begun = Instant::now();
        while begun.elapsed() < LONG {
            if let Next::Picture(image) = source.next()? {
                return Ok(image.get_pixel(0, 0).0[0]);
            }
        }
        panic!("neither a picture nor an error came");
    }

    #[test]
    fn frames_flow_and_the_newest_wins() {
        let (tell, opener) = fake();
        let mut source = CameraSource::open(100, "Fake", opener, PATIENT).expect("opened");
        assert_eq!(source.name(), "Fake");
        assert!(source.is_live());
        tell.send(grey(1)).expect("read");
        assert_eq!(next(&mut source).expect("a picture"), 1);
        for value in 2..=9 {
            tell.send(grey(value)).expect("read");
        }
        // Whichever it begins with, pictures come in order, and the last one always comes.
        let mut last = 1;
        while last != 9 {
            let value = next(&mut source).expect("a picture");
            assert!(value > last);
            last = value;
        }
    }

    #[test]
    fn a_camera_that_blocks_for_ever_is_left_behind_and_found_again() {
        let (tell, opener) = fake();
        let patience = Patience { for_a_frame: Duration::from_millis(50), ..PATIENT };
        let mut source = CameraSource::open(101, "Fake", opener, patience).expect("opened");
        let error = next(&mut source).expect_err("no frame comes");
        assert!(error.message.what().starts_with("No more pictures come from camera 101 (Fake)"), "{error}");
        assert!(error.may_pass);
        drop(source);
        let again = CameraSource::open(101, "Fake", fake().1, PATIENT).err();
        assert_eq!(again, Some(Fault::StillSilent), "its reader still has the camera");
        tell.send(grey(1)).expect("frames come again, and the reader lets go");
        let begun = Instant::now();
        while CameraSource::open(101, "Fake", fake().1, PATIENT).is_err() {
            assert!(begun.elapsed() < LONG, "the camera stays taken");
        }
    }

    #[test]
    fn a_pulled_cable_is_an_error_that_may_pass() {
        let (tell, opener) = fake();
        let mut source = CameraSource::open(102, "Fake", opener, PATIENT).expect("opened");
        tell.send(Told::Fail(Fault::Gone)).expect("read");
        let error = next(&mut source).expect_err("gone");
        assert!(error.message.what().contains("lost") && error.may_pass, "{error}");
        assert!(source.next().is_err(), "and it stays gone");
        drop(source);
        assert!(CameraSource::open(102, "Fake", fake().1, PATIENT).is_ok(), "it can be opened again");
    }

    #[test]
    fn a_camera_that_does_not_open_says_why() {
        let busy = CameraSource::open(103, "", Box::new(|| Err(Fault::Busy)), PATIENT).err();
        assert_eq!(busy, Some(Fault::Busy));
        let dies = CameraSource::open(103, "", Box::new(|| std::panic::resume_unwind(Box::new("dies"))), PATIENT).err();
        assert_eq!(dies, Some(Fault::Died));
        let (release, released) = bounded::<()>(1);
        let hangs: Opener = Box::new(move || {
            let _ = released.recv();
            Err(Fault::Gone)
        });
        let patience = Patience { to_open: Duration::from_millis(50), ..PATIENT };
        assert_eq!(CameraSource::open(103, "", hangs, patience).err(), Some(Fault::NoAnswer));
        drop(release);
    }

    #[test]
    fn a_reader_that_dies_is_an_error() {
        let (tell, opener) = fake();
        let mut source = CameraSource::open(104, "Fake", opener, PATIENT).expect("opened");
        tell.send(Told::Panic).expect("read");
        assert_eq!(next(&mut source).expect_err("died"), Fault::Died.about("camera 104 (Fake)"));
    }

    #[test]
    fn a_broken_frame_is_passed_over_and_many_are_an_error() {
        let (tell, opener) = fake();
        let mut source = CameraSource::open(105, "Fake", opener, PATIENT).expect("opened");
        tell.send(Told::Send(vec![1])).expect("read");
        let begun = Instant::now();
        while source.broken_in_a_row == 0 {
            assert!(matches!(source.next(), Ok(Next::Nothing)));
            assert!(begun.elapsed() < LONG);
        }
        tell.send(grey(5)).expect("read");
        assert_eq!(next(&mut source).expect("a picture"), 5);
        assert_eq!(source.broken_in_a_row, 0);
        let error = loop {
            // Each is taken before the next is sent: none is replaced.
            tell.send(Told::Send(vec![1])).expect("read");
            if let Err(error) = source.next() {
                break error;
            }
            assert!(begun.elapsed() < LONG);
        };
        assert!(error.message.what().contains("60 pictures") && error.may_pass, "{error}");
    }
}

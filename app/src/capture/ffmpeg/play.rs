//! Videos at their own pace, and streams as they come: one thread reads what ffmpeg decodes, and
//! keeps the newest picture.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use vlm::Cancel;

use crate::capture::address::Address;
use crate::capture::ffmpeg::failure::{failed, no_encryption, silent, unverified, without_video};
use crate::capture::ffmpeg::input::{Input, InputKind, Receiving};
use crate::capture::ffmpeg::layout::Layout;
use crate::capture::ffmpeg::probe::{Facts, is_version, probe};
use crate::capture::ffmpeg::process::{Ending, Process, Tool, not_started};
use crate::capture::ffmpeg::relay::Relay;
use crate::capture::latest::{Latest, Taken, Taker, latest};
use crate::capture::{Next, PlayOrder, Position, Source, SourceError};

/// As long as [`Source::next`] may wait.
const WAIT: Duration = Duration::from_millis(100);

/// How long ffmpeg may give nothing: it decodes in a moment, from a disk that may have to wake up.
const SILENCE: Duration = Duration::from_secs(30);

/// Slow videos may be silent for as long as so many of their frames take.
const SILENT_FRAMES: f64 = 4.0;

/// How long a stream may give nothing before it counts as frozen. Cameras send a picture a second
/// at least.
const STREAM_SILENCE: Duration = Duration::from_secs(10);

/// How long ffmpeg may look at a stream to know what it is. It would take five seconds, and most
/// streams say it at once.
const ANALYSIS: Duration = Duration::from_secs(1);

/// The first version of ffmpeg whose lists take options for what they name.
const OPTIONS_IN_LISTS: u32 = 5;
/// The port of encrypted RTSP where an address has none (RFC 7826, 19.1).
const RTSPS_PORT: u16 = 322;

/// A video file.
struct Film {
    path: PathBuf,
    repeat: bool,
    /// Where it was begun.
    begin: Duration,
    length: Option<Duration>,
    /// Pictures a second, as they are asked for.
    fps: f64,
}

impl Film {
    /// Where it is after so many pictures.
    fn at(&self, pictures: u64) -> Duration {
        let at = self.begin + Duration::from_secs_f64(pictures as f64 / self.fps);
        match self.length {
            Some(length) if self.repeat => Duration::from_secs_f64(at.as_secs_f64() % length.as_secs_f64()),
            Some(length) => at.min(length),
            None => at,
        }
    }
}

/// What encrypts a stream for ffmpeg, which would do it for whoever answers: its RTSP has no way to
/// have a certificate verified.
fn relay_to(address: &Address, authority: Option<&Path>) -> Result<Option<Relay>, SourceError> {
    if address.scheme() != "rtsps" {
        return Ok(None);
    }
    let (host, port) = address.host_and_port(RTSPS_PORT);
    Relay::start(host, port, authority).map(Some).map_err(|error| no_encryption(address, authority, &error))
}

/// A video that is playing, or a stream that is received.
pub(crate) struct Video {
    input: Input,
    /// What it is that plays, if it has a beginning and an end.
    film: Option<Film>,
    /// Pictures that ffmpeg gave so far.
    read: Arc<AtomicU64>,
    format: String,
    process: Process,
    /// Encrypts what ffmpeg does not.
    relay: Option<Relay>,
    frames: Taker<Vec<u8>, ()>,
    reader: Option<JoinHandle<()>>,
    layout: Layout,
    size: (u32, u32),
    patience: Duration,
    last_frame: Instant,
    given: bool,
    /// It stands still, and goes on from where its film begins then.
    rests: bool,
    over: Option<Result<(), SourceError>>,
}

impl Video {
    /// Begins to play a video file.
    ///
    /// # Errors
    /// When ffmpeg is not installed or can't read the file.
    pub(crate) fn open(path: &Path, repeat: bool) -> Result<Self, SourceError> {
        Self::open_at(path, repeat, Duration::ZERO)
    }

    /// Begins to play a video file from there.
    fn open_at(path: &Path, repeat: bool, begin: Duration) -> Result<Self, SourceError> {
        let input = Input::file(path);
        let facts = probe(&input, false, &Cancel::default())?;
        let (length, seconds) = (facts.length(), begin.as_secs_f64().to_string());
        let mut before = vec!["-re"];
        if !begin.is_zero() {
            before.extend(["-ss", &seconds]);
        }
        if repeat {
            before.extend(["-stream_loop", "-1"]);
        }
        let (width, height) = facts.fitted();
        let (scale, fps) = (format!("scale={width}:{height}"), facts.fps().to_string());
        let slow = Duration::from_secs_f64((SILENT_FRAMES / facts.true_fps()).min(86_400.0));
        let size = (width, height);
        let mut video = Self::start(input, &facts, size, &before, &["-vf", &scale, "-r", &fps], SILENCE.max(slow))?;
        let film = Film { path: path.to_owned(), repeat, begin, length, fps: facts.fps() };
        video.film = Some(film);
        Ok(video)
    }

    /// Begins to receive a stream.
    ///
    /// # Errors
    /// When ffmpeg is not installed, or what is wrong with the stream.
    pub(crate) fn receive(address: &Address, authority: Option<&Path>, cancel: &Cancel) -> Result<Self, SourceError> {
        let takes_options = is_version(OPTIONS_IN_LISTS);
        if address.scheme() == "https" && !takes_options {
            return Err(unverified(address));
        }
        let relay = relay_to(address, authority)?;
        let receiving = Receiving {
            authority: authority.map(Path::to_owned),
            analysis: Some(ANALYSIS),
            relay: relay.as_ref().map(Relay::port),
            takes_options,
        };
        let input = Input::stream(address, &receiving);
        let facts = match probe(&input, false, cancel) {
            // A stream may send its first whole picture later than most do.
            Err(error) if error == without_video(&input) => {
                let patient = Input::stream(address, &Receiving { analysis: None, ..receiving });
                probe(&patient, false, cancel)
            }
            facts => facts,
        };
        let trouble = || relay.as_ref().and_then(Relay::trouble);
        // What ffmpeg says of a relay that leads nowhere means nothing.
        let facts = facts
            .map_err(|error| trouble().map_or(error, |trouble| failed(&input, &Ending::Failed(trouble.to_owned()))))?;
        let (width, height) = facts.fitted();
        // A camera may change its size while it sends. What has another shape then gets black bars.
        let fit = if facts.is_square() {
            format!(":force_original_aspect_ratio=decrease,pad={width}:{height}:(ow-iw)/2:(oh-ih)/2")
        } else {
            String::new()
        };
        // Each picture gets the time of its place, so that ffmpeg neither waits for one nor repeats
        // it to keep a rate.
        let filter = format!("settb=1/30,setpts=N,scale={width}:{height}{fit}");
        let mut video =
            Self::start(input, &facts, (width, height), &[], &["-vf", &filter, "-r", "30"], STREAM_SILENCE)?;
        video.relay = relay;
        Ok(video)
    }

    /// Begins to look at a screen or window, of this size where that is known.
    ///
    /// # Errors
    /// When ffmpeg is not installed, or can't look at it.
    pub(crate) fn grab(input: Input, size: Option<(u32, u32)>, cancel: &Cancel) -> Result<Self, SourceError> {
        let facts = match size {
            Some(size) => Facts::of_pixels(size),
            None => probe(&input, false, cancel)?,
        };
        let (width, height) = facts.fitted_for_tiles();
        let filter = format!("settb=1/30,setpts=N,scale={width}:{height}");
        Self::start(input, &facts, (width, height), &[], &["-vf", &filter, "-r", "30"], STREAM_SILENCE)
    }

    /// Begins to read an input at this size, with these of ffmpeg's options before and behind it.
    fn start(
        input: Input,
        facts: &Facts,
        size: (u32, u32),
        before: &[&str],
        behind: &[&str],
        patience: Duration,
    ) -> Result<Self, SourceError> {
        let layout = facts.layout();
        let mut command = Tool::Ffmpeg.command();
        command.args(before);
        if let Some(decoder) = facts.decoder() {
            command.args(["-c:v", decoder]);
        }
        input.add_to(&mut command);
        command.args(["-map", "0:V:0", "-an", "-sn"]).args(behind);
        command.args(["-pix_fmt", layout.pix_fmt(), "-f", "rawvideo", "pipe:1"]);
        let (process, output) = Process::start(Tool::Ffmpeg, command, input.feed())?;
        let (latest, frames) = latest();
        let length = layout.length(size);
        let read = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&read);
        let reader =
            thread::Builder::new().name("video".into()).spawn(move || read_frames(output, length, latest, &counted));
        let reader = reader.map_err(|error| not_started(Tool::Ffmpeg, &error))?;
        Ok(Self {
            input,
            film: None,
            read,
            format: facts.described(),
            process,
            relay: None,
            frames,
            reader: Some(reader),
            layout,
            size,
            patience,
            last_frame: Instant::now(),
            given: false,
            rests: false,
            over: None,
        })
    }

    /// What is to be said when ffmpeg gives no more.
    fn end(&mut self) -> Result<(), SourceError> {
        match self.process.end() {
            Ending::Done if self.given || self.is_begun_late() => Ok(()),
            // It could be played until then.
            Ending::Failed(_) if self.given && self.input.kind == InputKind::Stream => Err(self.ended()),
            ending => Err(failed(&self.input, &ending)),
        }
    }

    /// Pictures since its film was begun. What ffmpeg still gave when it was stopped counts for
    /// nothing.
    fn played(&self) -> u64 {
        if self.rests { 0 } else { self.read.load(Ordering::Relaxed) }
    }

    /// Whether it was begun behind its beginning: at its very end there is nothing to give.
    fn is_begun_late(&self) -> bool {
        self.film.as_ref().is_some_and(|film| !film.begin.is_zero())
    }

    /// How long it may be silent, for tests.
    #[cfg(test)]
    pub(crate) fn be_patient_for(&mut self, patience: Duration) {
        self.patience = patience;
    }

    /// What is to be said of a stream that ended.
    pub(crate) fn ended(&self) -> SourceError {
        failed(&self.input, &Ending::Done)
    }
}

impl Source for Video {
    fn name(&self) -> String {
        self.input.name.clone()
    }

    fn format(&self) -> Option<String> {
        Some(self.format.clone())
    }

    /// A file would begin anew; a stream's own type says otherwise.
    fn waits(&self) -> bool {
        true
    }

    fn is_live(&self) -> bool {
        true
    }

    /// ffmpeg would play on, and decode for nobody.
    fn rest(&mut self) {
        if let (Some(film), false, None) = (&mut self.film, self.rests, &self.over) {
            film.begin = film.at(self.read.swap(0, Ordering::Relaxed));
            self.process.kill();
            self.rests = true;
        }
    }

    fn position(&self) -> Option<Position> {
        let film = self.film.as_ref()?;
        Some(Position::Time { at: film.at(self.played()), length: film.length })
    }

    fn obey(&mut self, order: PlayOrder) -> Result<bool, SourceError> {
        let Some(film) = &self.film else { return Ok(false) };
        let (begin, repeat) = match order {
            PlayOrder::SeekTo(at) => (film.length.map_or(at, |length| at.min(length)), film.repeat),
            PlayOrder::Repeat(repeat) if repeat != film.repeat => (film.at(self.played()), repeat),
            _ => return Ok(false),
        };
        *self = Self::open_at(&film.path, repeat, begin)?;
        Ok(true)
    }

    fn next(&mut self) -> Result<Next, SourceError> {
        if let (Some(film), true) = (&self.film, self.rests) {
            *self = Self::open_at(&film.path, film.repeat, film.begin)?;
        }
        if self.over.is_none() {
            match self.frames.take(WAIT) {
                Taken::Thing(bytes) => {
                    (self.given, self.last_frame) = (true, Instant::now());
                    return Ok(self.layout.picture(self.size, bytes).map_or(Next::Nothing, Next::Picture));
                }
                Taken::Nothing if self.last_frame.elapsed() < self.patience => return Ok(Next::Nothing),
                Taken::Nothing => {
                    self.process.kill();
                    self.over = Some(Err(silent(&self.input)));
                }
                Taken::End(_) => self.over = Some(self.end()),
            }
        }
        self.over.clone().unwrap_or(Ok(())).map(|()| Next::Ended)
    }
}

impl Drop for Video {
    fn drop(&mut self) {
        self.process.kill();
        // Its pipe is closed now, so that the thread ends.
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}

/// The thread: pictures of so many bytes from the pipe into the slot, where a late one is replaced.
fn read_frames(mut output: impl Read, length: usize, latest: Latest<Vec<u8>, ()>, read: &AtomicU64) {
    loop {
        let mut frame = vec![0; length];
        if output.read_exact(&mut frame).is_err() || !latest.put(frame) {
            return latest.end(());
        }
        read.fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;

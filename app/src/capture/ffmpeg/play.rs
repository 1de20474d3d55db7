//! Video files, through an `ffmpeg` child process that decodes them at their own pace. Knows no codec.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use image::RgbImage;
use serde::Deserialize;

use crate::capture::latest::{Latest, Taken, Taker, latest};
use crate::capture::{Next, Source, SourceError};

/// As long as [`Source::next`] may wait.
const WAIT: Duration = Duration::from_millis(100);

/// Larger videos are scaled down to fit, so that the pipe carries no more than anybody looks at.
const MAX_LONG_SIDE: f64 = 1280.0;
const MAX_SHORT_SIDE: f64 = 720.0;

/// Faster videos give every second picture or fewer.
const MAX_FPS: f64 = 30.0;

/// For videos that do not say how fast they are.
const USUAL_FPS: f64 = 25.0;

/// The longest part of ffmpeg's messages that is kept.
const MAX_MESSAGE: u64 = 64 << 10;

/// A video that is playing.
pub(crate) struct Video {
    name: String,
    child: Child,
    frames: Taker<RgbImage, ()>,
    reader: Option<JoinHandle<()>>,
    messages: Option<JoinHandle<String>>,
    given: bool,
    ended: bool,
}

impl Video {
    /// Begins to play a video file.
    ///
    /// # Errors
    /// When ffmpeg is not installed or can't read the file.
    pub(crate) fn open(path: &Path, repeat: bool) -> Result<Self, SourceError> {
        let facts = probe(path, false)?;
        let (width, height) = facts.fitted();
        let mut command = Command::new("ffmpeg");
        command.args(["-v", "error", "-nostdin"]);
        if repeat {
            command.args(["-stream_loop", "-1"]);
        }
        // -re: at its own pace. Files alone: a playlist that names an address would reach out to it.
        command.args(["-re", "-protocol_whitelist", "file", "-i"]).arg(file_address(path));
        command.args(["-map", "0:V:0", "-an", "-sn", "-vf", &format!("scale={width}:{height}"), "-r"]);
        command.arg(facts.fps().to_string()).args(["-pix_fmt", "rgb24", "-f", "rawvideo", "pipe:1"]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // Ctrl-C in a terminal reaches the whole group: ffmpeg is stopped by us, not beside us.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut child = command.spawn().map_err(|error| not_started(&error))?;
        let (latest, frames) = latest();
        let (output, errors) = (child.stdout.take(), child.stderr.take());
        let mut video = Self {
            name: path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned(),
            child,
            frames,
            reader: None,
            messages: None,
            given: false,
            ended: false,
        };
        let failed = |error: std::io::Error| SourceError::lasting(format!("The video can't be played ({error})."));
        let reader = thread::Builder::new().name("video".into()).spawn(move || {
            if let Some(output) = output {
                read_frames(output, width, height, latest);
            }
        });
        video.reader = Some(reader.map_err(failed)?);
        let messages = thread::Builder::new()
            .name("video messages".into())
            .spawn(move || errors.map(last_line).unwrap_or_default());
        video.messages = Some(messages.map_err(failed)?);
        Ok(video)
    }

    /// What is to be said when ffmpeg gives no more.
    fn end(&mut self) -> Result<Next, SourceError> {
        let failed = !self.child.wait().is_ok_and(|status| status.success());
        let last_line = self.messages.take().and_then(|thread| thread.join().ok()).unwrap_or_default();
        if failed || !self.given {
            return Err(unreadable(&self.name, &last_line));
        }
        self.ended = true;
        Ok(Next::Ended)
    }
}

impl Source for Video {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn is_live(&self) -> bool {
        true
    }

    fn next(&mut self) -> Result<Next, SourceError> {
        if self.ended {
            return Ok(Next::Ended);
        }
        match self.frames.take(WAIT) {
            Taken::Thing(image) => {
                self.given = true;
                Ok(Next::Picture(image))
            }
            Taken::Nothing => Ok(Next::Nothing),
            Taken::End(_) => self.end(),
        }
    }
}

impl Drop for Video {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
        // Its pipes are closed now, so that both threads end.
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
        if let Some(messages) = self.messages.take() {
            let _ = messages.join();
        }
    }
}

/// The thread: pictures from the pipe into the slot, where a late one is replaced.
fn read_frames(mut output: impl Read, width: u32, height: u32, latest: Latest<RgbImage, ()>) {
    loop {
        let mut image = RgbImage::new(width, height);
        if output.read_exact(&mut image).is_err() || !latest.put(image) {
            return latest.end(());
        }
    }
}

/// The last line that is not empty, reading all so that the writer never waits.
pub(crate) fn last_line(errors: impl Read) -> String {
    let mut last = String::new();
    let mut errors = BufReader::new(errors);
    let mut line = Vec::new();
    while errors.by_ref().take(MAX_MESSAGE).read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
        let text = String::from_utf8_lossy(&line);
        if !text.trim().is_empty() {
            text.trim().clone_into(&mut last);
        }
        line.clear();
    }
    last
}

/// A path such that ffmpeg takes it for a path, whatever it begins with.
pub(crate) fn file_address(path: &Path) -> OsString {
    let mut address = OsString::from("file:");
    address.push(path);
    address
}

pub(crate) fn not_started(error: &std::io::Error) -> SourceError {
    SourceError::lasting(if error.kind() == ErrorKind::NotFound {
        "Videos are played by ffmpeg, which is not installed. Install it (Debian and Ubuntu: sudo apt install ffmpeg)."
            .to_owned()
    } else {
        format!("Videos are played by ffmpeg, which does not start ({error}). Install it anew.")
    })
}

/// ffmpeg's own last line, without the path that it begins with.
pub(crate) fn unreadable(name: &str, last_line: &str) -> SourceError {
    let why = match last_line.rsplit_once(": ") {
        Some((_, why)) if last_line.starts_with("file:") => why,
        _ => last_line,
    };
    SourceError::lasting(if why.is_empty() {
        format!("{name} has no pictures to play. Use another video.")
    } else {
        format!("{name} can't be played; ffmpeg says: {why}. Use another video.")
    })
}

/// What ffprobe says of a video.
#[derive(Debug, Deserialize)]
struct Probe {
    #[serde(default)]
    streams: Vec<Facts>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Facts {
    width: u32,
    height: u32,
    #[serde(default)]
    sample_aspect_ratio: String,
    #[serde(default)]
    avg_frame_rate: String,
    /// Counted when asked for, as digits.
    #[serde(default)]
    nb_read_packets: String,
    #[serde(default)]
    side_data_list: Vec<SideData>,
}

#[derive(Debug, Deserialize)]
struct SideData {
    #[serde(default)]
    rotation: f64,
}

impl Facts {
    /// The size to ask for: upright, with square pixels, no larger than it takes.
    pub(crate) fn fitted(&self) -> (u32, u32) {
        let aspect = ratio(&self.sample_aspect_ratio, ':').unwrap_or(1.0);
        let (mut width, mut height) = (f64::from(self.width) * aspect, f64::from(self.height));
        let turns = self.side_data_list.iter().map(|data| data.rotation).sum::<f64>() / 90.0;
        if turns.round() as i64 % 2 != 0 {
            (width, height) = (height, width);
        }
        let scale = (MAX_LONG_SIDE / width.max(height)).min(MAX_SHORT_SIDE / width.min(height)).min(1.0);
        let side = |length: f64| ((length * scale).round() as u32).clamp(1, MAX_LONG_SIDE as u32);
        (side(width), side(height))
    }

    fn fps(&self) -> f64 {
        self.true_fps().min(MAX_FPS)
    }

    /// However fast it is.
    pub(crate) fn true_fps(&self) -> f64 {
        ratio(&self.avg_frame_rate, '/').unwrap_or(USUAL_FPS)
    }

    /// How many frames there are; none unless they were counted.
    pub(crate) fn frames(&self) -> usize {
        self.nb_read_packets.parse().unwrap_or_default()
    }
}

/// A positive fraction such as `30000/1001`.
fn ratio(text: &str, separator: char) -> Option<f64> {
    let (above, below) = text.split_once(separator)?;
    let ratio = above.parse::<f64>().ok()? / below.parse::<f64>().ok()?;
    (ratio.is_finite() && ratio > 0.0).then_some(ratio)
}

/// Asks ffprobe. Counting takes a pass over the whole file, without decoding it.
pub(crate) fn probe(path: &Path, count: bool) -> Result<Facts, SourceError> {
    let mut command = Command::new("ffprobe");
    if count {
        command.arg("-count_packets");
    }
    command.args(["-v", "error", "-protocol_whitelist", "file", "-select_streams", "V:0", "-of", "json"]);
    command.arg("-show_entries");
    command.arg("stream=width,height,sample_aspect_ratio,avg_frame_rate,nb_read_packets:stream_side_data=rotation");
    let output = command.arg(file_address(path)).stdin(Stdio::null()).output().map_err(|error| not_started(&error))?;
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
    if !output.status.success() {
        return Err(unreadable(&name, &last_line(output.stderr.as_slice())));
    }
    let probe =
        serde_json::from_slice::<Probe>(&output.stdout).map_err(|error| unreadable(&name, &error.to_string()))?;
    let facts = probe.streams.into_iter().next().filter(|facts| facts.width > 0 && facts.height > 0);
    facts.ok_or_else(|| unreadable(&name, ""))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;
    use std::time::Instant;

    use tempfile::TempDir;

    use super::*;

    /// Long enough for a loaded machine.
    const LONG: Duration = Duration::from_mins(1);

    /// A clip made by ffmpeg with these arguments for its output.
    fn clip(name: &str, source: &str, arguments: &[&str]) -> (TempDir, PathBuf) {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join(name);
        let status = Command::new("ffmpeg")
            .args(["-v", "error", "-f", "lavfi", "-i", source])
            .args(arguments)
            .arg(&path)
            .status()
            .expect("these tests need ffmpeg: install it (Debian and Ubuntu: sudo apt install ffmpeg)");
        assert!(status.success());
        (dir, path)
    }

    /// Red above, blue below, two seconds of ten pictures each.
    fn two_colours(name: &str, arguments: &[&str]) -> (TempDir, PathBuf) {
        let source = "color=red:s=64x24:r=10:d=2[a];color=blue:s=64x24:r=10:d=2[b];[a][b]vstack";
        clip(name, source, arguments)
    }

    /// All pictures up to the end, or to the first error.
    fn play(video: &mut Video) -> Result<Vec<RgbImage>, SourceError> {
        let begun = Instant::now();
        let mut images = Vec::new();
        loop {
            match video.next()? {
                Next::Picture(image) => images.push(image),
                Next::Nothing => assert!(begun.elapsed() < LONG, "the video does not end"),
                Next::Ended => return Ok(images),
            }
        }
    }

    #[test]
    fn a_clip_plays_at_its_own_pace_and_ends() {
        let (_dir, path) = two_colours("clip.mp4", &[]);
        let begun = Instant::now();
        let mut video = Video::open(&path, false).expect("opened");
        assert_eq!(video.name(), "clip.mp4");
        assert!(video.is_live());
        let images = play(&mut video).expect("played");
        assert!(begun.elapsed() > Duration::from_millis(1500), "two seconds of film take two seconds");
        // A slow machine drops some, and never all.
        assert!((2..=20).contains(&images.len()), "{} pictures", images.len());
        let image = &images[0];
        assert_eq!(image.dimensions(), (64, 48));
        let (above, below) = (image.get_pixel(32, 6).0, image.get_pixel(32, 42).0);
        assert!(above[0] > 200 && above[2] < 60, "{above:?}");
        assert!(below[2] > 200 && below[0] < 60, "{below:?}");
        assert!(matches!(video.next(), Ok(Next::Ended)), "and stays ended");
    }

    #[test]
    fn a_repeated_clip_goes_on() {
        let (_dir, path) = clip("short.mp4", "color=green:s=32x32:r=10:d=0.4", &[]);
        let mut video = Video::open(&path, true).expect("opened");
        let begun = Instant::now();
        let mut pictures = 0;
        while pictures < 10 {
            assert!(begun.elapsed() < LONG);
            match video.next().expect("no error") {
                Next::Picture(_) => pictures += 1,
                Next::Nothing => {}
                Next::Ended => panic!("it ended after {pictures} pictures; the clip has four"),
            }
        }
    }

    #[test]
    fn a_turned_clip_is_upright() {
        let (dir, path) = two_colours("level.mp4", &[]);
        let turned = dir.path().join("turned.mp4");
        let status = Command::new("ffmpeg")
            .args(["-v", "error", "-i"])
            .arg(&path)
            .args(["-c", "copy", "-metadata:s:v:0", "rotate=90"])
            .arg(&turned)
            .status()
            .expect("ffmpeg");
        assert!(status.success());
        let mut video = Video::open(&turned, false).expect("opened");
        let images = play(&mut video).expect("played");
        assert_eq!(images[0].dimensions(), (48, 64));
    }

    #[test]
    fn a_path_that_looks_like_an_option_is_a_path() {
        let (_dir, path) = clip("-i 100%d: x.mkv", "color=green:s=32x32:r=10:d=0.4", &[]);
        assert!(!play(&mut Video::open(&path, false).expect("opened")).expect("played").is_empty());
    }

    #[test]
    fn broken_files_are_told_in_ffmpegs_words() {
        let dir = tempfile::tempdir().expect("a folder");
        let junk = dir.path().join("junk.mp4");
        fs::write(&junk, vec![7; 5000]).expect("written");
        let error = Video::open(&junk, false).err().expect("refused");
        assert_eq!(
            error.message,
            "junk.mp4 can't be played; ffmpeg says: Invalid data found when processing input. Use another video."
        );
        let (_dir, sound) = clip("sound.mkv", "sine=d=0.2", &[]);
        let error = Video::open(&sound, false).err().expect("refused");
        assert!(error.message.contains("has no pictures"), "{error}");
    }

    #[test]
    fn dropping_a_video_ends_its_child() {
        let (_dir, path) = clip("long.mkv", "color=green:s=32x32:r=10:d=60", &["-preset", "ultrafast"]);
        let mut video = Video::open(&path, true).expect("opened");
        assert!(matches!(video.child.try_wait(), Ok(None)), "it plays for a minute");
        let process = PathBuf::from(format!("/proc/{}", video.child.id()));
        drop(video);
        assert!(!process.exists(), "ended and reaped");
    }

    #[test]
    fn a_missing_ffmpeg_says_what_to_install() {
        let error = Command::new("no-such-ffmpeg").spawn().expect_err("not there");
        assert!(not_started(&error).message.contains("apt install ffmpeg"));
    }

    fn facts(width: u32, height: u32, aspect: &str, rotation: f64) -> Facts {
        Facts {
            width,
            height,
            sample_aspect_ratio: aspect.into(),
            avg_frame_rate: "30000/1001".into(),
            nb_read_packets: String::new(),
            side_data_list: vec![SideData { rotation }],
        }
    }

    #[test]
    fn large_videos_are_scaled_to_fit() {
        assert_eq!(facts(640, 480, "1:1", 0.0).fitted(), (640, 480));
        assert_eq!(facts(1920, 1080, "1:1", 0.0).fitted(), (1280, 720));
        assert_eq!(facts(3840, 2160, "N/A", -90.0).fitted(), (720, 1280));
        assert_eq!(facts(720, 576, "64:45", 0.0).fitted(), (1024, 576));
        assert_eq!(facts(4000, 2, "1:1", 0.0).fitted(), (1280, 1));
    }

    #[test]
    fn rates_are_read_and_bounded() {
        let rate = |text: &str| Facts { avg_frame_rate: text.into(), ..facts(2, 2, "", 0.0) }.fps();
        assert!((rate("30000/1001") - 29.97).abs() < 0.01);
        assert!((rate("120/1") - 30.0).abs() < f64::EPSILON);
        assert!((rate("0/0") - 25.0).abs() < f64::EPSILON);
    }
}

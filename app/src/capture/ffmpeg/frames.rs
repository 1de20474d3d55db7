//! Single frames out of a video file, for a model that looks at all of it at once. As fast as
//! ffmpeg decodes.

use std::io::Read as _;
use std::path::Path;
use std::process::ChildStdout;
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, bounded};
use image::RgbImage;
use vlm::{Cancel, Footage, VideoSampling};

use crate::capture::SourceError;
use crate::capture::ffmpeg::failure::failed;
use crate::capture::ffmpeg::input::Input;
use crate::capture::ffmpeg::probe::{Facts, probe};
use crate::capture::ffmpeg::process::{Ending, Process, Tool, not_started};

/// How often the flag is looked at.
const LOOK_UP: Duration = Duration::from_millis(100);

/// Frames of a video, each with its number.
pub type Frames = Vec<(usize, RgbImage)>;

/// The frames of a video that `sampling` wants, until `cancel` is raised: then those that there are
/// by then.
///
/// # Errors
/// When ffmpeg is not installed or can't read the file.
pub fn read_footage(path: &Path, sampling: VideoSampling, cancel: &Cancel) -> Result<(Footage, Frames), SourceError> {
    let input = Input::file(path);
    let none = Footage { frames: 0, fps: 0.0 };
    let facts = match probe(&input, true, cancel) {
        Err(_) if cancel.is_cancelled() => return Ok((none, Frames::new())),
        facts => facts?,
    };
    let footage = Footage { frames: facts.frames(), fps: facts.true_fps() };
    let numbers = sampling.frames(footage);
    if numbers.is_empty() {
        return Err(failed(&input, &Ending::Done));
    }
    let (mut process, output) = start(&input, &facts, &numbers)?;
    let pictures = pictures(output, &facts)?;
    let mut frames = Frames::new();
    let ended = loop {
        match pictures.recv_timeout(LOOK_UP) {
            Ok(picture) => frames.extend(numbers.get(frames.len()).map(|number| (*number, picture))),
            Err(RecvTimeoutError::Timeout) if !cancel.is_cancelled() => {}
            Err(RecvTimeoutError::Timeout) => break false,
            Err(RecvTimeoutError::Disconnected) => break true,
        }
    };
    if ended && frames.is_empty() && !cancel.is_cancelled() {
        return Err(failed(&input, &process.end()));
    }
    Ok((footage, frames))
}

/// Begins to decode.
fn start(input: &Input, facts: &Facts, numbers: &[usize]) -> Result<(Process, ChildStdout), SourceError> {
    let (width, height) = facts.fitted();
    let wanted: Vec<String> = numbers.iter().map(|number| format!("eq(n\\,{number})")).collect();
    // Each frame that is left gets the time of its place, so that ffmpeg neither repeats nor drops
    // one to keep a rate. (The option for that changed its name.)
    let filter = format!("select={},settb=1/25,setpts=N,scale={width}:{height}", wanted.join("+"));
    let mut command = Tool::Ffmpeg.command();
    if let Some(decoder) = facts.decoder() {
        command.args(["-c:v", decoder]);
    }
    input.add_to(&mut command);
    command.args(["-map", "0:V:0", "-an", "-sn", "-vf", &filter, "-r", "25", "-frames:v", &numbers.len().to_string()]);
    command.args(["-pix_fmt", facts.layout().pix_fmt(), "-f", "rawvideo", "pipe:1"]);
    Process::start(Tool::Ffmpeg, command, input.feed())
}

/// The pictures come one by one, and end with the channel.
fn pictures(mut output: ChildStdout, facts: &Facts) -> Result<Receiver<RgbImage>, SourceError> {
    let (layout, size) = (facts.layout(), facts.fitted());
    let (sender, receiver) = bounded(1);
    let reader = thread::Builder::new().name("video".into()).spawn(move || {
        loop {
            let mut bytes = vec![0; layout.length(size)];
            if output.read_exact(&mut bytes).is_err() {
                return;
            }
            let Some(picture) = layout.picture(size, bytes) else { return };
            if sender.send(picture).is_err() {
                return;
            }
        }
    });
    reader.map_err(|error| not_started(Tool::Ffmpeg, &error))?;
    Ok(receiver)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::process::Command;

    use super::*;

    const SAMPLING: VideoSampling = VideoSampling { fps: 1.0, max_frames: 64 };

    /// Three seconds that get brighter by the second, ten frames each.
    fn clip(name: &str, arguments: &[&str]) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(name);
        let source = "color=black:s=64x48:r=10:d=3,geq=lum='40+70*floor(N/10)':cb=128:cr=128";
        let mut command = Command::new("ffmpeg");
        let made = command.args(["-v", "error", "-f", "lavfi", "-i", source]).args(arguments).arg(&path).status();
        assert!(made.expect("these tests need ffmpeg").success());
        (folder, path)
    }

    #[test]
    fn the_frames_asked_for_come_with_their_numbers() {
        // With a clock of tenths, of thousandths and of none.
        for (name, arguments) in [
            ("clip.mp4", &[][..]),
            ("clip.mkv", &[]),
            ("clip.y4m", &["-pix_fmt", "yuv420p"]),
            ("clip.nut", &["-c:v", "ffv1"]),
        ] {
            let (_folder, path) = clip(name, arguments);
            let (footage, frames) = read_footage(&path, SAMPLING, &Cancel::default()).expect(name);
            assert_eq!(footage, Footage { frames: 30, fps: 10.0 }, "{name}");
            assert_eq!(frames.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [0, 14, 29], "{name}");
            let brightness: Vec<_> = frames.iter().map(|(_, picture)| picture.get_pixel(30, 20).0[0]).collect();
            assert!(brightness.windows(2).all(|two| two[1] > two[0] + 40), "{name}: {brightness:?}");
        }
    }

    #[test]
    fn what_can_not_be_played_and_what_is_not_wanted_end_well() {
        let folder = tempfile::tempdir().expect("a folder");
        let junk = folder.path().join("junk.mp4");
        std::fs::write(&junk, vec![7; 5000]).expect("written");
        let error = read_footage(&junk, SAMPLING, &Cancel::default()).expect_err("refused");
        assert!(error.message.what().contains("can't be played"), "{error}");
        let (_folder, path) = clip("clip.mp4", &[]);
        let raised = Cancel::default();
        raised.cancel();
        assert!(read_footage(&path, SAMPLING, &raised).is_ok());
    }
}

//! Single frames out of a video file, for a model that looks at all of it at once. Through ffmpeg, as fast as that decodes.

use std::io::Read as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, bounded};
use image::RgbImage;
use vlm::{Cancel, Footage, VideoSampling};

use crate::capture::SourceError;
use crate::capture::ffmpeg::play;
use crate::capture::ffmpeg::play::{Facts, file_address, last_line, not_started, unreadable};

/// How often the flag is looked at.
const LOOK_UP: Duration = Duration::from_millis(100);

/// Frames of a video, each with its number.
pub type Frames = Vec<(usize, RgbImage)>;

/// The frames of a video that `sampling` wants, until `cancel` is raised: then those that there are by then.
///
/// # Errors
/// When ffmpeg is not installed or can't read the file.
pub fn read_footage(path: &Path, sampling: VideoSampling, cancel: &Cancel) -> Result<(Footage, Frames), SourceError> {
    let facts = play::probe(path, true)?;
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    let footage = Footage { frames: facts.frames(), fps: facts.true_fps() };
    let numbers = sampling.frames(footage);
    if numbers.is_empty() {
        return Err(unreadable(&name, ""));
    }
    let (mut child, pictures) = start(path, &facts, &numbers)?;
    let errors = child.stderr.take();
    let messages = thread::Builder::new()
        .name("video messages".into())
        .spawn(move || errors.map(last_line).unwrap_or_default())
        .map_err(|error| not_started(&error))?;
    let mut frames = Frames::new();
    loop {
        match pictures.recv_timeout(LOOK_UP) {
            Ok(picture) => frames.extend(numbers.get(frames.len()).map(|number| (*number, picture))),
            Err(RecvTimeoutError::Timeout) if !cancel.is_cancelled() => {}
            Err(_) => break,
        }
    }
    // It has ended, or nobody wants it any more.
    let _ = child.kill();
    let _ = child.wait();
    let last_line = messages.join().unwrap_or_default();
    if frames.is_empty() && !cancel.is_cancelled() {
        return Err(unreadable(&name, &last_line));
    }
    Ok((footage, frames))
}

/// Begins to decode. The pictures come one by one, and end with the channel.
fn start(path: &Path, facts: &Facts, numbers: &[usize]) -> Result<(Child, Receiver<RgbImage>), SourceError> {
    let (width, height) = facts.fitted();
    let wanted: Vec<String> = numbers.iter().map(|number| format!("eq(n\\,{number})")).collect();
    let filter = format!("select={},scale={width}:{height}", wanted.join("+"));
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "error", "-nostdin", "-protocol_whitelist", "file", "-i"]).arg(file_address(path));
    command.args(["-map", "0:V:0", "-an", "-sn", "-vf", &filter, "-fps_mode", "passthrough", "-frames:v"]);
    command.arg(numbers.len().to_string()).args(["-pix_fmt", "rgb24", "-f", "rawvideo", "pipe:1"]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // Ctrl-C in a terminal reaches the whole group: ffmpeg is stopped by us, not beside us.
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    let mut child = command.spawn().map_err(|error| not_started(&error))?;
    let (sender, receiver) = bounded(1);
    let output = child.stdout.take();
    let reader = thread::Builder::new().name("video".into()).spawn(move || {
        let Some(mut output) = output else { return };
        loop {
            let mut picture = RgbImage::new(width, height);
            if output.read_exact(&mut picture).is_err() || sender.send(picture).is_err() {
                return;
            }
        }
    });
    match reader {
        Ok(_) => Ok((child, receiver)),
        Err(error) => {
            let _ = child.kill();
            let _ = child.wait();
            Err(not_started(&error))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    const SAMPLING: VideoSampling = VideoSampling { fps: 1.0, max_frames: 64 };

    /// Three seconds that get brighter by the second, ten frames each.
    fn clip() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("clip.mp4");
        let source = "color=black:s=64x48:r=10:d=3,geq=lum='40+70*floor(N/10)':cb=128:cr=128";
        let made = Command::new("ffmpeg").args(["-v", "error", "-f", "lavfi", "-i", source]).arg(&path).status();
        assert!(made.expect("these tests need ffmpeg").success());
        (folder, path)
    }

    #[test]
    fn the_frames_asked_for_come_with_their_numbers() {
        let (_folder, path) = clip();
        let (footage, frames) = read_footage(&path, SAMPLING, &Cancel::default()).expect("read");
        assert_eq!(footage, Footage { frames: 30, fps: 10.0 });
        assert_eq!(frames.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [0, 14, 29]);
        let brightness: Vec<_> = frames.iter().map(|(_, picture)| picture.get_pixel(30, 20).0[0]).collect();
        assert!(brightness.windows(2).all(|two| two[1] > two[0] + 40), "{brightness:?}");
    }

    #[test]
    fn what_is_no_video_and_what_is_not_wanted_end_well() {
        let folder = tempfile::tempdir().expect("a folder");
        let junk = folder.path().join("junk.mp4");
        std::fs::write(&junk, vec![7; 5000]).expect("written");
        let error = read_footage(&junk, SAMPLING, &Cancel::default()).expect_err("refused");
        assert!(error.message.contains("can't be played"), "{error}");
        let (_folder, path) = clip();
        let raised = Cancel::default();
        raised.cancel();
        assert!(read_footage(&path, SAMPLING, &raised).is_ok());
    }
}

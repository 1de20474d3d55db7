//! From what the user asked for to a source that gives it.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::base::message::Message;
use crate::base::text;
use crate::capture::camera::WantedFormat;
use crate::capture::ffmpeg;
use crate::capture::ffmpeg::play::Video;
use crate::capture::kind::{self, FileKind};
use crate::capture::picture::files::{Pictures, is_picture_name};
use crate::capture::scene::SceneSource;
use crate::capture::stream::Stream;
use crate::capture::{Login, Source, SourceError, SourceSpec, camera, screen};

/// Which scene the demo shows: the same one every time, so that what people report can be seen
/// again.
const DEMO_SEED: u64 = 1;

/// How a source is opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceOptions {
    /// Begin again at the end of a video or folder; hold a picture. (`--loop`)
    pub repeat: bool,
    /// How a camera is to send its pictures; none where it is chosen for them.
    pub camera_format: Option<WantedFormat>,
    /// Who asks for a network stream whose address does not say so.
    pub login: Option<Login>,
    /// A file in PEM with the certificates to trust of a network stream, in place of the system's.
    pub authority: Option<PathBuf>,
}

/// Opens a source. Takes some seconds at most, with a camera that does not answer.
///
/// # Errors
/// What is wrong with it, as a sentence for people, and whether it may pass.
pub fn open(spec: &SourceSpec, options: &SourceOptions) -> Result<Box<dyn Source>, SourceError> {
    match spec {
        SourceSpec::Camera(choice) => camera::open(choice, options.camera_format),
        SourceSpec::Demo => Ok(Box::new(SceneSource::new(DEMO_SEED))),
        SourceSpec::Screen(choice) => screen::open(choice),
        SourceSpec::Stream(address) => {
            Ok(Box::new(Stream::open(address, options.login.as_ref(), options.authority.as_deref())?))
        }
        SourceSpec::Path(path) => open_path(path, options.repeat),
    }
}

fn open_path(path: &Path, repeat: bool) -> Result<Box<dyn Source>, SourceError> {
    let shown = text::path(path);
    let unreadable = |error: &std::io::Error| {
        let message = Message::new(format!("{shown} can't be read ({error})."));
        SourceError::lasting(message.hint("Check its permissions."))
    };
    let metadata = path.metadata().map_err(|error| match error.kind() {
        ErrorKind::NotFound => SourceError::lasting(
            Message::new(format!("There is no file or folder {shown}."))
                .hint("Check the path, or use camera or demo as the source."),
        ),
        _ => unreadable(&error),
    })?;
    if metadata.is_dir() {
        return Ok(Box::new(Pictures::folder(path, repeat)?));
    }
    if !metadata.is_file() {
        return Err(SourceError::lasting(
            Message::new(format!("{shown} is neither a file nor a folder."))
                .hint("Cameras are used by their number, as in camera:0."),
        ));
    }
    match kind_of(path).map_err(|error| unreadable(&error))? {
        Some(Kind::Picture) => Ok(Box::new(Pictures::single(path, repeat)?)),
        Some(Kind::Video) => Ok(Box::new(Video::open(path, repeat)?)),
        None => Err(SourceError::lasting(
            Message::new(format!("{shown} is neither a picture nor a video that can be played."))
                .hint("Use a PNG, JPEG, WebP, MP4, WebM or MKV file."),
        )),
    }
}

/// Whether a file is a video, as far as its first bytes, its name and ffmpeg tell.
#[must_use]
pub fn is_video(path: &Path) -> bool {
    path.is_file() && kind_of(path).is_ok_and(|kind| kind == Some(Kind::Video))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Picture,
    Video,
}

/// What a file is: by its content where that is known, then by its name, and then by whether ffmpeg
/// plays it.
fn kind_of(path: &Path) -> std::io::Result<Option<Kind>> {
    Ok(match kind::of_file(path)? {
        FileKind::Video => Some(Kind::Video),
        // Pictures of another kind are named as such where they are read. A row of JPEGs is a video
        // by its name alone.
        FileKind::Picture | FileKind::OtherPicture(_) => {
            Some(if is_named(path, &ROWS_OF_PICTURES) { Kind::Video } else { Kind::Picture })
        }
        FileKind::Unknown if is_picture_name(path) => Some(Kind::Picture),
        FileKind::Unknown if is_named(path, &VIDEOS) || ffmpeg::plays(path) => Some(Kind::Video),
        FileKind::Unknown => None,
    })
}

/// Names of videos of which each frame is a JPEG end so.
const ROWS_OF_PICTURES: [&str; 2] = ["mjpeg", "mjpg"];

/// Names of videos end so.
const VIDEOS: [&str; 14] =
    ["3gp", "avi", "flv", "m2ts", "m4v", "mkv", "mov", "mp4", "mpeg", "mpg", "mts", "ogv", "ts", "webm"];

/// Whether the name says that this is a video.
pub(crate) fn is_video_name(path: &Path) -> bool {
    is_named(path, &VIDEOS) || is_named(path, &ROWS_OF_PICTURES)
}

fn is_named(path: &Path, endings: &[&str]) -> bool {
    path.extension().and_then(|e| e.to_str()).is_some_and(|e| endings.iter().any(|x| e.eq_ignore_ascii_case(x)))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use image::{Rgb, RgbImage};

    use super::*;

    fn error(spec: &str) -> SourceError {
        let spec = spec.parse::<SourceSpec>().expect("a spec");
        open(&spec, &SourceOptions::default()).err().expect("refused")
    }

    #[test]
    fn what_is_not_there_is_told() {
        let error = error("/nonexistent/film.mp4");
        assert!(error.to_string().contains("There is no file or folder /nonexistent/film.mp4"), "{error}");
        assert!(!error.may_pass);
    }

    #[test]
    fn what_is_neither_picture_nor_video_is_told() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("notes.txt");
        fs::write(&path, "hello").expect("written");
        let error = error(&path.to_string_lossy());
        assert!(error.to_string().contains("neither a picture nor a video"), "{error}");
    }

    #[test]
    fn junk_with_a_pictures_name_is_told() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("a.jpg");
        fs::write(&path, "hello").expect("written");
        assert!(error(&path.to_string_lossy()).to_string().contains("is not a picture"));
    }

    #[cfg(unix)]
    #[test]
    fn a_device_file_points_at_cameras() {
        assert!(error("/dev/null").to_string().contains("camera:0"));
    }

    #[test]
    fn an_empty_folder_is_told() {
        let dir = tempfile::tempdir().expect("a folder");
        assert!(error(&dir.path().to_string_lossy()).to_string().contains("is empty"));
    }

    #[test]
    fn content_goes_before_the_name() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("a.png");
        RgbImage::from_pixel(2, 2, Rgb([0; 3])).save(&path).expect("written");
        let renamed = dir.path().join("a.mp4");
        fs::rename(&path, &renamed).expect("renamed");
        assert_eq!(kind_of(&renamed).expect("read"), Some(Kind::Picture));
        fs::write(&renamed, b"\0\0\0\x18ftypisom").expect("written");
        assert_eq!(kind_of(&renamed).expect("read"), Some(Kind::Video));
        fs::write(&renamed, b"???").expect("written");
        assert_eq!(kind_of(&renamed).expect("read"), Some(Kind::Video), "by its name");
    }

    #[test]
    fn whatever_ffmpeg_plays_is_a_video() {
        let dir = tempfile::tempdir().expect("a folder");
        for (format, codec) in [
            ("h264", "libx264"),
            ("yuv4mpegpipe", "wrapped_avframe"),
            ("nut", "ffv1"),
            ("mpegts", "mpeg2video"),
            ("ivf", "libvpx"),
        ] {
            let path = dir.path().join(format);
            let source = "testsrc=s=64x48:r=10:d=0.5,format=yuv420p";
            let mut command = std::process::Command::new("ffmpeg");
            command.args(["-v", "error", "-f", "lavfi", "-i", source, "-c:v", codec, "-f", format]);
            assert!(command.arg(&path).status().expect("these tests need ffmpeg").success());
            assert!(is_video(&path), "{format}");
        }
        let notes = dir.path().join("notes");
        fs::write(&notes, "Text is a film of a terminal to ffmpeg.").expect("written");
        assert!(!is_video(&notes));
    }
}

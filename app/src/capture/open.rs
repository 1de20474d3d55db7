//! From what the user asked for to a source that gives it.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::capture::ffmpeg::play::Video;
use crate::capture::picture::files::{Pictures, is_picture_name};
use crate::capture::scene::SceneSource;
use crate::capture::{Source, SourceError, SourceSpec, camera};

/// Which scene the demo shows: the same one every time, so that what people report can be seen again.
const DEMO_SEED: u64 = 1;

/// How a source is opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SourceOptions {
    /// Begin again at the end of a video or folder; hold a picture. (`--loop`)
    pub repeat: bool,
}

/// Opens a source. Takes some seconds at most, with a camera that does not answer.
///
/// # Errors
/// What is wrong with it, as a sentence for people, and whether it may pass.
pub fn open(spec: &SourceSpec, options: &SourceOptions) -> Result<Box<dyn Source>, SourceError> {
    match spec {
        SourceSpec::Camera(choice) => camera::open(choice),
        SourceSpec::Demo => Ok(Box::new(SceneSource::new(DEMO_SEED))),
        SourceSpec::Screen => {
            Err(SourceError::lasting("Looking at the screen is not built in yet. Use a camera, picture or video."))
        }
        SourceSpec::Stream(_) => {
            Err(SourceError::lasting("Network streams are not built in yet. Use a camera, picture or video."))
        }
        SourceSpec::Path(path) => open_path(path, options.repeat),
    }
}

fn open_path(path: &Path, repeat: bool) -> Result<Box<dyn Source>, SourceError> {
    let shown = path.display();
    let metadata = path.metadata().map_err(|error| {
        SourceError::lasting(match error.kind() {
            std::io::ErrorKind::NotFound => {
                format!("There is no file or folder {shown}. Check the path, or use camera or demo as the source.")
            }
            _ => format!("{shown} can't be read ({error}). Check its permissions."),
        })
    })?;
    if metadata.is_dir() {
        return Ok(Box::new(Pictures::folder(path, repeat)?));
    }
    if !metadata.is_file() {
        return Err(SourceError::lasting(format!(
            "{shown} is neither a file nor a folder. Cameras are used by their number, as in camera:0."
        )));
    }
    match kind_of(path)
        .map_err(|error| SourceError::lasting(format!("{shown} can't be read ({error}). Check its permissions.")))?
    {
        Some(Kind::Picture) => Ok(Box::new(Pictures::single(path, repeat)?)),
        Some(Kind::Video) => Ok(Box::new(Video::open(path, repeat)?)),
        None => Err(SourceError::lasting(format!(
            "{shown} is neither a picture nor a video that is known here. Use a PNG, JPEG, WebP, MP4, WebM or MKV file."
        ))),
    }
}

/// Whether a file is a video, as far as its first bytes and its name tell.
#[must_use]
pub fn is_video(path: &Path) -> bool {
    path.is_file() && kind_of(path).is_ok_and(|kind| kind == Some(Kind::Video))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Picture,
    Video,
}

/// What a file is, by its content where that is known, and otherwise by its name.
fn kind_of(path: &Path) -> std::io::Result<Option<Kind>> {
    let mut head = Vec::new();
    File::open(path)?.take(64).read_to_end(&mut head)?;
    let is = |at: usize, magic: &[u8]| head.get(at..).is_some_and(|rest| rest.starts_with(magic));
    // MP4 and QuickTime, Matroska and WebM, AVI, Ogg, Flash, Windows Media, MPEG program and transport streams.
    let video = (is(4, b"ftyp") && !is(8, b"avif") && !is(8, b"heic"))
        || is(0, b"\x1A\x45\xDF\xA3")
        || (is(0, b"RIFF") && is(8, b"AVI "))
        || is(0, b"OggS")
        || is(0, b"FLV\x01")
        || is(0, b"\x30\x26\xB2\x75\x8E\x66\xCF\x11")
        || is(0, b"\x00\x00\x01\xBA");
    Ok(if video {
        Some(Kind::Video)
    } else if image::guess_format(&head).is_ok() || is_picture_name(path) {
        Some(Kind::Picture)
    } else {
        is_video_name(path).then_some(Kind::Video)
    })
}

/// Whether the name says that this is a video.
fn is_video_name(path: &Path) -> bool {
    const EXTENSIONS: [&str; 16] = [
        "3gp", "avi", "flv", "m2ts", "m4v", "mjpeg", "mjpg", "mkv", "mov", "mp4", "mpeg", "mpg", "mts", "ogv", "ts",
        "webm",
    ];
    path.extension().and_then(|e| e.to_str()).is_some_and(|e| EXTENSIONS.iter().any(|x| e.eq_ignore_ascii_case(x)))
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
        assert!(error.message.contains("There is no file or folder /nonexistent/film.mp4"), "{error}");
        assert!(!error.may_pass);
    }

    #[test]
    fn what_is_neither_picture_nor_video_is_told() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("notes.txt");
        fs::write(&path, "hello").expect("written");
        let error = error(&path.to_string_lossy());
        assert!(error.message.contains("neither a picture nor a video"), "{error}");
    }

    #[test]
    fn junk_with_a_pictures_name_is_told() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("a.jpg");
        fs::write(&path, "hello").expect("written");
        assert!(error(&path.to_string_lossy()).message.contains("is not a picture"));
    }

    #[cfg(unix)]
    #[test]
    fn a_device_file_points_at_cameras() {
        assert!(error("/dev/null").message.contains("camera:0"));
    }

    #[test]
    fn an_empty_folder_is_told() {
        let dir = tempfile::tempdir().expect("a folder");
        assert!(error(&dir.path().to_string_lossy()).message.contains("is empty"));
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
}

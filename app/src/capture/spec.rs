//! What the user asked to look at, as text: `camera:1`, `demo`, `holiday.mp4`. Knows no device and touches no file.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// Beginnings of addresses that are network streams.
const STREAM_SCHEMES: [&str; 4] = ["http://", "https://", "rtsp://", "rtsps://"];

/// Where pictures shall come from. Written and read as on the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceSpec {
    /// `camera`, `camera:N` or `camera:NAME`.
    Camera(CameraChoice),
    /// `demo`: a drawn scene, for trying the program without a camera.
    Demo,
    /// `screen`: what the screen shows.
    Screen,
    /// A picture, a folder of pictures or a video. Which of them shows when it is opened.
    Path(PathBuf),
    /// An http, https or rtsp address.
    Stream(String),
}

/// Which camera.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CameraChoice {
    /// The one with the lowest number.
    First,
    /// The one with this number, as the system counts them (`/dev/video2` is 2).
    Number(u32),
    /// The first one with this name, or with this in its name; upper and lower case are the same.
    Name(String),
}

/// Why a text names no source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpecError {
    /// A sentence: what is wrong and what can be written.
    pub message: String,
}

impl fmt::Display for SpecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for SpecError {}

impl fmt::Display for CameraChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::First => f.write_str("camera"),
            Self::Number(number) => write!(f, "camera:{number}"),
            Self::Name(name) => write!(f, "camera:{name}"),
        }
    }
}

impl fmt::Display for SourceSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Camera(choice) => choice.fmt(f),
            Self::Demo => f.write_str("demo"),
            Self::Screen => f.write_str("screen"),
            Self::Path(path) => path.display().fmt(f),
            Self::Stream(address) => f.write_str(address),
        }
    }
}

impl FromStr for SourceSpec {
    type Err = SpecError;

    fn from_str(text: &str) -> Result<Self, SpecError> {
        let error = |message: &str| Err(SpecError { message: message.to_owned() });
        match text {
            "" => error("The source is empty. Write camera, demo, a file, a folder or an address."),
            "camera" => Ok(Self::Camera(CameraChoice::First)),
            "demo" => Ok(Self::Demo),
            "screen" => Ok(Self::Screen),
            _ => {
                if let Some(which) = text.strip_prefix("camera:") {
                    return match which.trim() {
                        "" => {
                            error("After `camera:` comes a camera's number or name, as `sightline cameras` lists them.")
                        }
                        which => Ok(Self::Camera(match which.parse() {
                            Ok(number) => CameraChoice::Number(number),
                            Err(_) => CameraChoice::Name(which.to_owned()),
                        })),
                    };
                }
                let lower = text.to_ascii_lowercase();
                if STREAM_SCHEMES.iter().any(|scheme| lower.starts_with(scheme)) {
                    Ok(Self::Stream(text.to_owned()))
                } else if let Some((scheme, _)) = text.split_once("://") {
                    error(&format!("Addresses that begin with {scheme}:// are not supported: use http, https or rtsp."))
                } else {
                    Ok(Self::Path(PathBuf::from(text)))
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> SourceSpec {
        text.parse().expect(text)
    }

    #[test]
    fn each_kind_is_told_from_its_text() {
        assert_eq!(parsed("camera"), SourceSpec::Camera(CameraChoice::First));
        assert_eq!(parsed("camera:3"), SourceSpec::Camera(CameraChoice::Number(3)));
        assert_eq!(parsed("camera:HD Webcam"), SourceSpec::Camera(CameraChoice::Name("HD Webcam".into())));
        assert_eq!(parsed("camera:UVC: two"), SourceSpec::Camera(CameraChoice::Name("UVC: two".into())));
        assert_eq!(parsed("demo"), SourceSpec::Demo);
        assert_eq!(parsed("screen"), SourceSpec::Screen);
        assert_eq!(parsed("./camera"), SourceSpec::Path("./camera".into()));
        assert_eq!(parsed("a b.png"), SourceSpec::Path("a b.png".into()));
        assert_eq!(parsed("RTSP://door/1"), SourceSpec::Stream("RTSP://door/1".into()));
    }

    #[test]
    fn a_spec_is_written_as_it_is_read() {
        for text in ["camera", "camera:2", "camera:Logitech C920", "demo", "screen", "/tmp/x.mp4", "https://a/b.m3u8"] {
            assert_eq!(parsed(text).to_string(), text);
        }
    }

    #[test]
    fn what_names_nothing_is_refused_with_what_to_write() {
        for (text, word) in
            [("", "empty"), ("camera:", "number or name"), ("camera: ", "number"), ("ftp://x", "ftp://")]
        {
            let error = text.parse::<SourceSpec>().expect_err(text);
            assert!(error.message.contains(word), "{text}: {error}");
        }
    }
}

//! What the user asked to look at, as text: `camera:1`, `demo`, `holiday.mp4`. Knows no device and
//! touches no file.

use std::ffi::OsStr;
use std::fmt;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::str::FromStr;

use reqwest::Url;
use serde::Deserialize;

use crate::base::message::Message;
use crate::base::text;
use crate::capture::address::Address;

/// What stands before `://` in addresses that are network streams.
const STREAM_SCHEMES: [&str; 6] = ["http", "https", "rtsp", "rtsps", "srt", "udp"];

/// Where pictures shall come from. Displays as it is written on the command line, but for what is
/// secret and what no terminal should be sent.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum SourceSpec {
    /// `camera`, `camera:N` or `camera:NAME`.
    Camera(CameraChoice),
    /// `demo`: a drawn scene, for trying the program without a camera.
    Demo,
    /// `screen`, `screen:N` or `window:TITLE`: what a screen or a window shows.
    Screen(ScreenChoice),
    /// A picture, a folder of pictures or a video. Which of them shows when it is opened.
    Path(PathBuf),
    /// A network stream: an rtsp, rtsps, http, https, udp or srt address.
    Stream(Address),
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

/// Which screen or window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScreenChoice {
    /// The main screen.
    Main,
    /// The screen with this number; 1 is the main one.
    Number(NonZeroU32),
    /// The window with this title, or with this in its title; upper and lower case are the same.
    Window(String),
}

impl fmt::Display for ScreenChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Main => f.write_str("screen"),
            Self::Number(number) => write!(f, "screen:{number}"),
            Self::Window(title) => write!(f, "window:{}", text::one_line(title)),
        }
    }
}

/// Why a text names no source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpecError {
    /// What is wrong and what can be written.
    pub message: Message,
}

impl SpecError {
    fn new(what: impl Into<String>, hint: &str) -> Self {
        Self { message: Message::new(what).hint(hint) }
    }
}

impl fmt::Display for SpecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.message.fmt(f)
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
            Self::Screen(choice) => choice.fmt(f),
            Self::Path(path) => f.write_str(&text::path(path)),
            Self::Stream(address) => address.fmt(f),
        }
    }
}

impl SourceSpec {
    /// Whether its pictures are mostly text, which a model reads in tiles alone.
    #[must_use]
    pub fn is_mostly_text(&self) -> bool {
        matches!(self, Self::Screen(_))
    }

    /// Reads what the system gave: any name of a file that it allows.
    ///
    /// # Errors
    /// When it names no source.
    pub fn from_os(text: &OsStr) -> Result<Self, SpecError> {
        // What is written otherwise is a file's name.
        text.to_str().map_or_else(|| Ok(Self::Path(text.into())), str::parse)
    }
}

impl FromStr for SourceSpec {
    type Err = SpecError;

    fn from_str(text: &str) -> Result<Self, SpecError> {
        match text {
            "" => {
                let hint = "Write camera, demo, or the name of a picture, a folder or a video.";
                return Err(SpecError::new("The source is empty.", hint));
            }
            "camera" => return Ok(Self::Camera(CameraChoice::First)),
            "demo" => return Ok(Self::Demo),
            "screen" => return Ok(Self::Screen(ScreenChoice::Main)),
            _ => {}
        }
        if let Some(which) = text.strip_prefix("camera:") {
            return match which.trim() {
                "" => Err(SpecError::new(
                    "After `camera:` comes a camera's number or name.",
                    "`sightline cameras` lists them.",
                )),
                which => Ok(Self::Camera(match which.parse() {
                    Ok(number) => CameraChoice::Number(number),
                    Err(_) => CameraChoice::Name(which.to_owned()),
                })),
            };
        }
        if let Some(number) = text.strip_prefix("screen:") {
            let number = number.trim().parse().map_err(|_| {
                SpecError::new("After `screen:` comes a screen's number.", "Write screen:1 for the main one.")
            })?;
            return Ok(Self::Screen(ScreenChoice::Number(number)));
        }
        if let Some(title) = text.strip_prefix("window:") {
            let title = title.trim();
            if title.is_empty() {
                return Err(SpecError::new(
                    "After `window:` comes a part of a window's title.",
                    "Write window:Editor, say.",
                ));
            }
            return Ok(Self::Screen(ScreenChoice::Window(title.to_owned())));
        }
        let Some((scheme, _)) = text.split_once("://").filter(|(scheme, _)| is_scheme(scheme)) else {
            return Ok(Self::Path(PathBuf::from(text)));
        };
        let scheme = scheme.to_ascii_lowercase();
        if scheme == "file" {
            let path = Url::parse(text).ok().and_then(|url| url.to_file_path().ok());
            return path.map(Self::Path).ok_or_else(|| {
                SpecError::new("This file:// address names no file of this machine.", "Write the file's path.")
            });
        }
        if STREAM_SCHEMES.contains(&scheme.as_str()) {
            // Not quoted: it may have a password.
            return Address::parse(text).map(Self::Stream).ok_or_else(|| {
                SpecError::new("The address of the stream names no host.", "Write it as in rtsp://HOST/PATH.")
            });
        }
        Err(SpecError::new(
            format!("Addresses that begin with {scheme}:// can't be looked at."),
            "Streams begin with rtsp, rtsps, http, https, udp or srt. Of anything else, name the downloaded file.",
        ))
    }
}

impl TryFrom<String> for SourceSpec {
    type Error = SpecError;

    fn try_from(text: String) -> Result<Self, SpecError> {
        text.parse()
    }
}

/// Whether a text can stand before `://` in an address (RFC 3986, 3.1): a path such as `./a://b` is
/// a path.
fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
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
        assert_eq!(parsed("screen"), SourceSpec::Screen(ScreenChoice::Main));
        assert_eq!(parsed("screen:2"), SourceSpec::Screen(ScreenChoice::Number(NonZeroU32::new(2).expect("two"))));
        assert_eq!(parsed("window: a: b"), SourceSpec::Screen(ScreenChoice::Window("a: b".into())));
        assert_eq!(parsed("./camera"), SourceSpec::Path("./camera".into()));
        assert_eq!(parsed("a b.png"), SourceSpec::Path("a b.png".into()));
        assert_eq!(parsed("./a://b"), SourceSpec::Path("./a://b".into()));
        assert_eq!(parsed("file:///a%20b.mp4"), SourceSpec::Path("/a b.mp4".into()));
        assert_eq!(
            parsed("RTSP://door.invalid/1"),
            SourceSpec::Stream(Address::parse("RTSP://door.invalid/1").expect("an address"))
        );
    }

    #[cfg(unix)]
    #[test]
    fn a_file_may_have_any_name() {
        let name: &OsStr = std::os::unix::ffi::OsStrExt::from_bytes(b"caf\xe9.png");
        assert_eq!(SourceSpec::from_os(name), Ok(SourceSpec::Path(name.into())));
        assert_eq!(SourceSpec::from_os(OsStr::new("demo")), Ok(SourceSpec::Demo));
    }

    #[test]
    fn a_spec_is_written_as_it_is_read() {
        for text in [
            "camera",
            "camera:2",
            "camera:Logitech C920",
            "demo",
            "screen",
            "screen:2",
            "window:Editor",
            "/tmp/x.mp4",
            "https://a.invalid/b.m3u8",
        ] {
            assert_eq!(parsed(text).to_string(), text);
        }
    }

    #[test]
    fn what_names_nothing_is_refused_with_what_to_write() {
        for (text, word) in [
            ("", "empty"),
            ("camera:", "number or name"),
            ("camera: ", "number"),
            ("screen:0", "number"),
            ("screen:left", "number"),
            ("window: ", "title"),
            ("ftp://x", "ftp://"),
        ] {
            let error = text.parse::<SourceSpec>().expect_err(text);
            assert!(error.to_string().contains(word), "{text}: {error}");
        }
    }
}

//! Why a picture can't be read, and the limits of what is. Knows no format's library.

use std::path::{Path, PathBuf};

use crate::base::message::Message;
use crate::base::text;

/// The largest picture that is read, in pixels: more than any camera's, and few enough to decode in
/// a second or two.
pub const MAX_PIXELS: u64 = 100_000_000;

/// Why a picture can't be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PictureError {
    /// There is no such file.
    Missing(PathBuf),
    /// The system does not let us read it.
    Unreadable(PathBuf, String),
    /// It has no content.
    Empty(PathBuf),
    /// It is something else.
    NotAPicture(PathBuf),
    /// It is a picture of a kind that can't be read, such as `a HEIF picture`.
    Unsupported(PathBuf, String),
    /// It has more pixels than [`MAX_PIXELS`], or says so.
    TooLarge(PathBuf),
    /// It is damaged.
    Broken(PathBuf, String),
}

impl PictureError {
    /// The same for people.
    #[must_use]
    pub fn message(&self) -> Message {
        let named = |path: &Path| text::path(path);
        match self {
            Self::Missing(path) => Message::new(format!("There is no file {}.", named(path))).hint("Check the path."),
            Self::Unreadable(path, why) => {
                Message::new(format!("{} can't be read ({why}).", named(path))).hint("Check its permissions.")
            }
            Self::Empty(path) => {
                Message::new(format!("{} is empty.", named(path))).hint("Use another copy of the picture.")
            }
            Self::NotAPicture(path) => Message::new(format!("{} is not a picture that can be read.", named(path)))
                .hint("Use a PNG, JPEG, WebP, GIF, TIFF or BMP file."),
            Self::Unsupported(path, kind) => Message::new(format!("{} is {kind}, which can't be read.", named(path)))
                .hint("Save it as a PNG or JPEG first."),
            Self::TooLarge(path) => Message::new(format!(
                "{} is larger than {} megapixels, or says so.",
                named(path),
                MAX_PIXELS / 1_000_000
            ))
            .hint("Make it smaller first."),
            Self::Broken(path, why) => {
                Message::new(format!("{} is damaged ({why}).", named(path))).hint("Use another copy of the picture.")
            }
        }
    }
}

/// Both sentences of its message.
impl std::fmt::Display for PictureError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.message().fmt(f)
    }
}

impl std::error::Error for PictureError {}

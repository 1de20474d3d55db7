//! What a source with a beginning and an end may be told, and where it is. Plain values.

use std::time::Duration;

/// Where a source is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Position {
    /// In a video.
    Time {
        /// From its beginning to the newest picture.
        at: Duration,
        /// All of it, if it says.
        length: Option<Duration>,
    },
    /// In a folder of pictures.
    Picture {
        /// The newest one, counted from 1.
        number: usize,
        /// All of them.
        count: usize,
        /// The file's name. Fit to be shown.
        name: String,
    },
}

/// What a source is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlayOrder {
    /// Go on from there, in a video.
    SeekTo(Duration),
    /// Go on with the next picture of a folder.
    NextPicture,
    /// Go back to the picture before, in a folder.
    PreviousPicture,
    /// Begin again at the end, or no longer.
    Repeat(bool),
}

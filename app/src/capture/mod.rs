//! Where pictures come from: cameras, pictures, folders and videos behind one trait.
//!
//! A source only makes pictures. It knows no frame ids, no pipeline and no model; the capture
//! thread (`live::capture`) numbers what it gives, and opens it again when it fails.

mod address;
mod alpha;
pub mod camera;
pub mod ffmpeg;
mod folder;
mod kind;
mod latest;
mod open;
pub mod picture;
mod player;
pub mod scene;
mod screen;
mod spec;
mod stream;
pub mod web;

use image::RgbImage;

use crate::base::message::Message;

pub use crate::capture::address::{Address, Login, PASSWORD_VARIABLE};
pub use crate::capture::ffmpeg::frames::{Frames, read_footage};
pub use crate::capture::folder::{Neighbours, neighbours};
pub use crate::capture::open::{SourceOptions, is_video, open};
pub use crate::capture::picture::load::picture_named;
pub use crate::capture::player::{PlayOrder, Position};
pub use crate::capture::spec::{CameraChoice, ScreenChoice, SourceSpec, SpecError};

/// A stream of pictures.
pub trait Source: Send {
    /// What people call it, such as `Logitech C920` or `coffee.png`.
    fn name(&self) -> String;

    /// How its pictures are sent, for people, where that is known: `1920x1080, h264`.
    fn format(&self) -> Option<String> {
        None
    }

    /// Whether time passes on the other side, as with a camera or a video: then pictures that
    /// nobody had time for are dropped. Pictures and folders are patient: they wait until the last
    /// picture was taken.
    fn is_live(&self) -> bool;

    /// Whether it costs nothing while nobody asks for its pictures, and then goes on where it was.
    /// Others are closed while the user has stopped the picture, and opened again: a camera's light
    /// goes off.
    fn waits(&self) -> bool {
        !self.is_live()
    }

    /// Nobody asks for its pictures for a while: what it would go on with by itself stands still.
    /// Called where [`Source::waits`].
    fn rest(&mut self) {}

    /// Where it is, if it has a beginning and an end.
    fn position(&self) -> Option<Position> {
        None
    }

    /// Does what it is told, if it can. `true`: another picture comes than would have come, so that
    /// those given before are out of date. Takes a moment at most.
    ///
    /// # Errors
    /// As [`Source::next`].
    fn obey(&mut self, _order: PlayOrder) -> Result<bool, SourceError> {
        Ok(false)
    }

    /// The next picture as soon as there is one. Returns [`Next::Nothing`] after about 100 ms
    /// without one, so that the caller can look at its stop flag; never blocks for longer, whatever
    /// the device does. (A picture file takes as long as its decoding, which [`picture::decode`]
    /// bounds.)
    ///
    /// # Errors
    /// What went wrong, as a sentence for people, and whether opening the source again may help.
    fn next(&mut self) -> Result<Next, SourceError>;
}

/// What [`Source::next`] found.
#[derive(Debug)]
pub enum Next {
    /// A new picture, RGB, upright.
    Picture(RgbImage),
    /// Nothing new yet.
    Nothing,
    /// There will be no more pictures.
    Ended,
}

/// Why a source gives no pictures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceError {
    /// What happened and what to do.
    pub message: Message,
    /// Whether it may pass by itself (a pulled cable, a camera in use): then the capture thread
    /// keeps trying.
    pub may_pass: bool,
}

impl SourceError {
    /// An error that stays until somebody does something about it.
    pub(crate) fn lasting(message: Message) -> Self {
        Self { message, may_pass: false }
    }

    /// An error after which trying again may help.
    pub(crate) fn passing(message: Message) -> Self {
        Self { message, may_pass: true }
    }
}

impl std::fmt::Display for SourceError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.message.fmt(f)
    }
}

impl std::error::Error for SourceError {}

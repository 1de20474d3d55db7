//! The demo scene: a small animated world of coloured shapes, whose truth is known at every
//! instant.
//!
//! It is a source like any other: the engine sees its pictures and nothing else. The truth is for
//! those who check what the engine said. The demo model's training draws the same world
//! (ui-assets/demo-model/train).

pub(crate) mod camera;
pub(crate) mod draw;
pub(crate) mod film;
pub mod model;
pub(crate) mod random;
pub(crate) mod words;
pub(crate) mod world;

pub use crate::demo::camera::{Camera, Trouble};
pub use crate::demo::draw::{HEIGHT, WIDTH, paint};
pub use crate::demo::film::Film;
pub use crate::demo::random::Random;
pub use crate::demo::words::{ONLY, Question, caption, place, questions};
pub use crate::demo::world::{Color, Object, Shape, Size, World};

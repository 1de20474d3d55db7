//! The demo scene: a small animated world of coloured shapes, whose truth is known at every instant.
//!
//! It is a source like any other: the engine sees its pictures and nothing else. The truth is for those who check what
//! the engine said. The demo model's training draws the same world (ui-assets/demo-model/train).

mod draw;
mod random;
mod source;
mod words;
mod world;

pub use draw::{HEIGHT, WIDTH, paint};
pub use random::Random;
pub use source::SceneSource;
pub use words::{ONLY, Question, caption, questions};
pub use world::{Color, Object, Shape, Size, World};

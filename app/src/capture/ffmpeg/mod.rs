//! Videos and streams through ffmpeg: started, asked what there is, and read, in one place. Knows
//! no codec.

pub(crate) mod clip;
mod failure;
pub(crate) mod frames;
pub(crate) mod input;
mod layout;
pub(crate) mod play;
mod probe;
mod process;
mod relay;

pub(crate) use crate::capture::ffmpeg::probe::plays;

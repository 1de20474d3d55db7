//! Videos through an `ffmpeg` child process: played at their own pace, or single frames of them. Knows no codec.

pub(crate) mod frames;
pub(crate) mod play;

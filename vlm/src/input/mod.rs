//! What goes into the network: pixels become tiles, and text becomes token ids.
//!
//! Knows no weights and no tensors.

pub(crate) mod format;
pub(crate) mod image;
pub(crate) mod prompt;
pub(crate) mod resample;
pub(crate) mod video;

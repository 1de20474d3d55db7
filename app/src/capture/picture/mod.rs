//! Picture files: decoding them, and loading one or a folder of them. Knows no device.

pub mod decode;
pub(crate) mod files;
pub(crate) mod load;

//! Products in bytes, for processors whose fastest multiplications are of 8 bits.
//!
//! Weights become signed bytes with a scale for each output when they are loaded ([`packed`]); activations become unsigned
//! bytes with a scale and a zero point for each row as they come ([`rows`]); the sums of their products are exact ([`dot`]), and what
//! lies between products (norms, softmax, GELU, residuals) stays in f32. Knows nothing of checkpoints.

mod affine;
mod attention;
mod decoder;
mod dot;
mod layer;
mod linear;
mod packed;
mod patches;
mod rows;
#[cfg(test)]
mod tests;
mod tokens;

pub(crate) use affine::{Affine, Mended};
pub(crate) use decoder::{Decoder, Room, Tokens};
pub(crate) use layer::{Buffers, Layer, Norm};
pub(crate) use linear::{linear, multiply_bytes};
pub(crate) use packed::{Bytes, Packed, Planes};
pub(crate) use patches::{Tile, embed};

/// The instructions that the products run on, in words.
pub(crate) fn instructions() -> &'static str {
    dot::Dot::best().name()
}

/// Whether the processor has instructions that multiply and add bytes at once.
pub(crate) fn is_fast() -> bool {
    dot::Dot::best().is_fast()
}

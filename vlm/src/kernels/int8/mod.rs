//! Products in bytes, for processors whose fastest multiplications are of 8 bits.
//!
//! Weights become signed bytes with a scale for each output when they are loaded ([`packed`]);
//! activations become unsigned bytes with a scale and a zero point for each row as they come
//! ([`rows`]); the sums of their products are exact ([`dot`]), and what lies between products
//! (norms, softmax, GELU, residuals) stays in f32. Knows nothing of checkpoints.

pub(crate) mod affine;
pub(crate) mod attention;
pub(crate) mod dot;
pub(crate) mod gemm;
mod kv;
pub(crate) mod packed;
mod patches;
pub(crate) mod rows;
#[cfg(test)]
pub(crate) mod tests;

pub(crate) use crate::kernels::int8::affine::{Affine, BiasCorrected};
pub(crate) use crate::kernels::int8::gemm::{linear, multiply_bytes};
pub(crate) use crate::kernels::int8::packed::{Bytes, Levels, Packed};
pub(crate) use crate::kernels::int8::patches::{Tile, embed};

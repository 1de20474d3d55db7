//! Products in f32, with weights that were laid out for them when they were loaded.
//!
//! Decoding is as fast as weights are read. Most checkpoints store them in bf16, and such numbers
//! stay in their 16 bits here: they are widened in registers, where nothing is lost, so the
//! products are those of f32 at half the memory ([`packed`]). What is multiplied, and by how many
//! threads, is in [`gemm`]. Knows nothing of checkpoints.

mod gemm;
mod packed;
#[cfg(test)]
mod tests;

pub(crate) use crate::kernels::fp32::packed::Packed;

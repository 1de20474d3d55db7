//! What benches and comparisons ask of a model: quality in fewer bits, the machine's best, kernels
//! beside their references.

#[doc(hidden)]
pub mod bench;
pub mod quality;
pub(crate) mod roofline;

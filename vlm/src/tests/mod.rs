//! Tests of the crate as a whole: equal to transformers, the session's law, broken checkpoints,
//! models in GGUF files, int8 and GPUs.

mod broken;
pub(crate) mod fixtures;
mod gguf;
mod golden;
mod golden_bf16;
mod gpu;
mod int8;
mod score;
mod seam;
mod session;
mod steady;

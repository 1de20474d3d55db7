//! The number formats that a model can be loaded in, and which of them is fastest where. Knows no
//! layer.

use candle_core::DType;

use crate::kernels::cpu::{CpuFeatures, InstructionSet};
use crate::network::device::OpenDevice;

/// How numbers are held and multiplied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// In f32, as the reference computes.
    #[default]
    F32,
    /// All of them in bf16, but for sums, exponentials, angles and logits. Made for GPUs; the CPU
    /// does it right, and slowly.
    Bf16,
    /// Of the large matrices, weights as bytes with a scale for each output, activations as bytes
    /// with a scale and a zero point for each row; all else in f32. On the CPU only.
    Int8,
}

impl Precision {
    /// The fastest there: on a GPU bf16 if it computes in it, on the processor int8 if there is a
    /// kernel for its products of bytes (AVX2 or more, NEON with dot products), otherwise f32.
    /// Under a cap, what is fastest with those instruction sets.
    #[must_use]
    pub fn fastest(device: &OpenDevice, max_isa: Option<InstructionSet>) -> Self {
        if device.device().is_gpu() {
            if device.computes_in_bf16() { Self::Bf16 } else { Self::F32 }
        } else if features(max_isa).multiplies_bytes_fast() {
            Self::Int8
        } else {
            Self::F32
        }
    }

    /// What its products run on, with these features of the processor, in words.
    pub(crate) fn instructions(self, features: CpuFeatures) -> &'static str {
        match self {
            Self::F32 => features.vectors().name(),
            Self::Bf16 => "candle",
            Self::Int8 => features.byte_products().name(),
        }
    }

    /// What is not held as bytes.
    pub(crate) fn dtype(self) -> DType {
        if self == Self::Bf16 { DType::BF16 } else { DType::F32 }
    }
}

/// Under the given cap, or else under the environment's.
fn features(max_isa: Option<InstructionSet>) -> CpuFeatures {
    max_isa.map_or_else(CpuFeatures::here, |cap| CpuFeatures::capped(Some(cap)))
}

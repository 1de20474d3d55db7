//! What the benches compare: every kernel beside its twin in plain candle. Not part of the
//! interface.

use candle_core::{Result, Tensor};

use crate::kernels;

macro_rules! pairs {
    ($($name:ident($($arg:ident: $kind:ty),*);)*) => {
        /// The kernels as the model calls them.
        pub mod fused {
            use super::{Result, Tensor, kernels};
            $(
                /// See the kernel of this name.
                ///
                /// # Errors
                /// The kernel's.
                pub fn $name($($arg: $kind),*) -> Result<Tensor> {
                    kernels::$name($($arg),*)
                }
            )*
        }

        /// Their definitions in candle's own operations.
        pub mod reference {
            use super::{Result, Tensor, kernels};
            $(
                /// See the kernel of this name.
                ///
                /// # Errors
                /// Candle's.
                pub fn $name($($arg: $kind),*) -> Result<Tensor> {
                    kernels::reference::$name($($arg),*)
                }
            )*
        }
    };
}

pairs! {
    attention(q: &Tensor, k: &Tensor, v: &Tensor, scale: f32, causal: bool);
    gelu_tanh(x: &Tensor);
    silu_mul(gate: &Tensor, up: &Tensor);
    layer_norm(x: &Tensor, weight: &Tensor, bias: &Tensor, eps: f64);
    rms_norm(x: &Tensor, weight: &Tensor, eps: f64);
    rotary(x: &Tensor, cos: &Tensor, sin: &Tensor);
}

/// What it takes to know how likely a chosen token was: a pass over one row of logits whose largest
/// is `max`.
///
/// # Errors
/// The kernel's.
pub fn log_sum_exp(row: &Tensor, max: f32) -> Result<f32> {
    kernels::log_sum_exp(row, max)
}

/// `x weight^T + bias` in candle's own operations.
///
/// # Errors
/// Candle's.
pub fn reference_linear(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
    kernels::reference::linear(x, weight, bias)
}

/// A matrix as f32 holds it.
pub struct Float(kernels::fp32::Packed);

impl Float {
    /// Of `[outputs, inputs]`.
    ///
    /// # Errors
    /// When it is no matrix of f32.
    pub fn new(weight: &Tensor) -> Result<Self> {
        Ok(Self(kernels::fp32::Packed::new(std::slice::from_ref(weight))?))
    }

    /// A product with rows of activations.
    ///
    /// # Errors
    /// When the shapes do not fit.
    pub fn linear(&self, x: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
        self.0.multiply(x, bias)
    }
}

/// A matrix as int8 holds it: a byte a weight.
pub struct Int8(kernels::int8::Packed);

impl Int8 {
    /// Of `[outputs, inputs]`.
    ///
    /// # Errors
    /// When it is no matrix of f32.
    pub fn quantise(weight: &Tensor) -> Result<Self> {
        let (_, inputs) = weight.dims2()?;
        let weight = weight.flatten_all()?.to_vec1::<f32>()?;
        Ok(Self(kernels::int8::Packed::quantise(&[&weight], inputs, kernels::int8::Levels::One)))
    }

    /// A product with rows of activations, each in two bytes a value, as the decoder has it.
    ///
    /// # Errors
    /// When the shapes do not fit.
    pub fn linear(&self, x: &Tensor) -> Result<Tensor> {
        kernels::int8::linear(x, &[], &self.0)
    }

    /// A product with rows of bytes, as the vision encoder has it once they are quantised.
    #[must_use]
    pub fn multiply(&self, x: &[u8]) -> Vec<f32> {
        kernels::int8::multiply_bytes(x, &self.0)
    }
}

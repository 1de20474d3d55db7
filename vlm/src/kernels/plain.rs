//! Each kernel written out in candle's own operations.
//!
//! These define the answer: the fused kernels are tested against them, and they are what runs on a GPU and for types
//! other than f32. They know nothing of instruction sets or threads.

use candle_core::{D, DType, Result, Tensor};
use candle_nn::{ops, rotary_emb};

/// `softmax(scale * q k^T) v` with grouped queries; see [`super::attention()`] for shapes.
pub(crate) fn attention(q: &Tensor, k: &Tensor, v: &Tensor, scale: f32, causal: bool) -> Result<Tensor> {
    let (heads, tq, d) = q.dims3()?;
    let (kv_heads, tk, _) = k.dims3()?;
    // All queries of a group against their shared keys in one product.
    let grouped = q.contiguous()?.reshape((kv_heads, heads / kv_heads * tq, d))?;
    let scores = (grouped.matmul(&k.t()?)? * f64::from(scale))?.reshape((heads, tq, tk))?;
    let scores = if causal { scores.broadcast_add(&causal_mask(tq, tk, &scores)?)? } else { scores };
    let weights = ops::softmax_last_dim(&scores)?.reshape((kv_heads, heads / kv_heads * tq, tk))?;
    weights.matmul(&v.contiguous()?)?.reshape((heads, tq, d))?.transpose(0, 1)?.reshape((tq, heads * d))
}

/// `[tq, tk]`: zero where query `i` may look, at keys `0..=tk - tq + i`, and minus infinity elsewhere.
fn causal_mask(tq: usize, tk: usize, like: &Tensor) -> Result<Tensor> {
    let first = tk - tq;
    let mask: Vec<f32> =
        (0..tq).flat_map(|i| (0..tk).map(move |j| if j > first + i { f32::NEG_INFINITY } else { 0.0 })).collect();
    Tensor::from_vec(mask, (tq, tk), like.device())?.to_dtype(like.dtype())
}

/// `0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))`, transformers' `gelu_pytorch_tanh`.
pub(crate) fn gelu_tanh(x: &Tensor) -> Result<Tensor> {
    x.gelu()
}

/// `ln(sum of e^x)` over a row.
pub(crate) fn log_sum_exp(row: &Tensor) -> Result<f32> {
    row.to_dtype(DType::F32)?.log_sum_exp(D::Minus1)?.to_scalar()
}

/// `silu(gate) * up`.
pub(crate) fn silu_mul(gate: &Tensor, up: &Tensor) -> Result<Tensor> {
    gate.silu()? * up
}

/// LayerNorm over the last dimension, with the biased variance.
pub(crate) fn layer_norm(x: &Tensor, weight: &Tensor, bias: &Tensor, eps: f64) -> Result<Tensor> {
    ops::layer_norm_slow(x, weight, bias, eps as f32)
}

/// RMSNorm over the last dimension.
pub(crate) fn rms_norm(x: &Tensor, weight: &Tensor, eps: f64) -> Result<Tensor> {
    ops::rms_norm_slow(x, weight, eps as f32)
}

/// Rotates the two halves of every head; see [`super::rotary()`].
pub(crate) fn rotary(x: &Tensor, cos: &Tensor, sin: &Tensor) -> Result<Tensor> {
    rotary_emb::rope_thd(&x.contiguous()?.unsqueeze(0)?, &cos.contiguous()?, &sin.contiguous()?)?.squeeze(0)
}

/// `x weight^T + bias`.
pub(crate) fn linear(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
    let y = x.matmul(&weight.t()?)?;
    match bias {
        Some(bias) => y.broadcast_add(bias),
        None => Ok(y),
    }
}

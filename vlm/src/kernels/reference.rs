//! Each kernel written out in candle's own operations.
//!
//! These define the answer: the fused kernels are tested against them, and they are what runs on a
//! GPU and for types other than f32. Where a type of 16 bits would lose what matters (sums,
//! exponentials) they compute in 32. They know nothing of instruction sets or threads, and what
//! GPUs ask for only where it is said: products of rows without gaps, say.

use candle_core::{D, DType, Device, Result, Tensor};
use candle_nn::{ops, rotary_emb};

/// The most scores that attention holds at a time: 256 MB of them in f32. A picture's 12 x 1024 x
/// 1024 are a fifth of it.
const MOST_SCORES: usize = 1 << 26;

/// `softmax(scale * q k^T) v` with grouped queries; see [`crate::kernels::attention()`] for shapes.
pub(crate) fn attention(q: &Tensor, k: &Tensor, v: &Tensor, scale: f32, causal: bool) -> Result<Tensor> {
    attention_in_parts(q, k, v, scale, causal, MOST_SCORES)
}

/// The same for as many queries at a time as make no more than `most` scores.
fn attention_in_parts(q: &Tensor, k: &Tensor, v: &Tensor, scale: f32, causal: bool, most: usize) -> Result<Tensor> {
    let (heads, tq, _) = q.dims3()?;
    let tk = k.dim(1)?;
    // The rows of a cache have gaps between them, which CUDA and Metal take in no product.
    let (k, v) = (k.contiguous()?, v.contiguous()?);
    let at_once = (most / (heads * tk)).clamp(1, tq.max(1));
    let mut parts = Vec::new();
    for first in (0..tq).step_by(at_once) {
        let queries = at_once.min(tq - first);
        // What no query of this part may see is not looked at.
        let seen = if causal { tk - tq + first + queries } else { tk };
        let (k, v) = (k.narrow(1, 0, seen)?, v.narrow(1, 0, seen)?);
        parts.push(attend(&q.narrow(1, first, queries)?, &k, &v, scale, causal)?);
    }
    if parts.len() == 1 { Ok(parts.remove(0)) } else { Tensor::cat(&parts, 0) }
}

fn attend(q: &Tensor, k: &Tensor, v: &Tensor, scale: f32, causal: bool) -> Result<Tensor> {
    let (heads, tq, d) = q.dims3()?;
    let (kv_heads, tk, _) = k.dims3()?;
    // All queries of a group against their shared keys in one product.
    let grouped = q.contiguous()?.reshape((kv_heads, heads / kv_heads * tq, d))?;
    let scores = (grouped.matmul(&k.t()?)?.to_dtype(wide(q))? * f64::from(scale))?;
    // A single query comes last and sees every key.
    let scores = if causal && tq > 1 {
        scores.reshape((heads, tq, tk))?.broadcast_add(&causal_mask(tq, tk, &scores)?)?
    } else {
        scores
    };
    let weights = ops::softmax_last_dim(&scores)?.to_dtype(v.dtype())?;
    let weights = weights.reshape((kv_heads, heads / kv_heads * tq, tk))?;
    weights.matmul(v)?.reshape((heads, tq, d))?.transpose(0, 1)?.reshape((tq, heads * d))
}

/// `[tq, tk]`: zero where query `i` may look, at keys `0..=tk - tq + i`, and elsewhere so low that
/// nothing is left of a score. Made where it is used, of two rows of numbers: the whole of it would
/// be long on its way to a GPU.
fn causal_mask(tq: usize, tk: usize, like: &Tensor) -> Result<Tensor> {
    let places = |from: usize, to: usize| Tensor::arange(from as f32, to as f32, like.device());
    let (last, keys) = (places(tk - tq, tk)?.unsqueeze(1)?, places(0, tk)?.unsqueeze(0)?);
    keys.broadcast_gt(&last)?.to_dtype(like.dtype())? * f64::from(f32::MIN)
}

/// `0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))`, transformers' `gelu_pytorch_tanh`.
pub(crate) fn gelu_tanh(x: &Tensor) -> Result<Tensor> {
    x.to_dtype(wide(x))?.gelu()?.to_dtype(x.dtype())
}

/// `ln(sum of e^x)` over a row.
pub(crate) fn log_sum_exp(row: &Tensor) -> Result<f32> {
    row.to_dtype(DType::F32)?.log_sum_exp(D::Minus1)?.to_scalar()
}

/// `silu(gate) * up`.
pub(crate) fn silu_mul(gate: &Tensor, up: &Tensor) -> Result<Tensor> {
    if on_gpu(gate) {
        // Candle's own kernel is in f32 within.
        return gate.silu()? * up;
    }
    gate.to_dtype(wide(gate))?.silu()?.to_dtype(up.dtype())? * up
}

/// LayerNorm over the last dimension, with the biased variance.
pub(crate) fn layer_norm(x: &Tensor, weight: &Tensor, bias: &Tensor, eps: f64) -> Result<Tensor> {
    if on_gpu(x) || x.dtype() == DType::BF16 {
        return ops::layer_norm(&x.contiguous()?, weight, bias, eps as f32);
    }
    ops::layer_norm_slow(x, weight, bias, eps as f32)
}

/// RMSNorm over the last dimension.
pub(crate) fn rms_norm(x: &Tensor, weight: &Tensor, eps: f64) -> Result<Tensor> {
    if on_gpu(x) {
        return ops::rms_norm(&x.contiguous()?, weight, eps as f32);
    }
    ops::rms_norm_slow(x, weight, eps as f32)
}

/// Rotates the two halves of every head; see [`crate::kernels::rotary()`].
pub(crate) fn rotary(x: &Tensor, cos: &Tensor, sin: &Tensor) -> Result<Tensor> {
    rotary_emb::rope_thd(&x.contiguous()?.unsqueeze(0)?, &cos.contiguous()?, &sin.contiguous()?)?.squeeze(0)
}

/// `x weight^T + bias`.
pub(crate) fn linear(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
    let y = x.contiguous()?.matmul(&weight.t()?)?;
    match bias {
        Some(bias) => y.broadcast_add(bias),
        None => Ok(y),
    }
}

/// The type for sums and exponentials of numbers like these: 32 bits at least.
fn wide(x: &Tensor) -> DType {
    if x.dtype() == DType::F64 { DType::F64 } else { DType::F32 }
}

/// Whether it is on a GPU, where candle's kernels of whole norms and of `SiLU` compute in f32
/// within, whatever the type of their numbers, and eight operations take eight times as long to
/// begin as one. Of those for the CPU only LayerNorm's does.
fn on_gpu(x: &Tensor) -> bool {
    !matches!(x.device(), Device::Cpu)
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Tensor};
    use candle_nn::ops;

    use super::attention_in_parts;
    use crate::kernels::testing::{assert_close, random};

    #[test]
    fn attention_in_parts_is_attention() {
        let (q, k, v) = (random((6, 11, 8), 1), random((3, 17, 8), 2), random((3, 17, 8), 3));
        for causal in [true, false] {
            let attend = |most| attention_in_parts(&q, &k, &v, 0.35, causal, most).unwrap();
            let whole = attend(usize::MAX);
            // One query at a time, a few, and all but one.
            for most in [1, 4 * 6 * 17, 10 * 6 * 17] {
                assert_close(&attend(most), &whole, 1e-5);
            }
        }
    }

    #[test]
    fn sixteen_bits_lose_nothing_but_their_last_place() {
        let bf16 = |x: &Tensor| x.to_dtype(DType::BF16).unwrap();
        // Of 3000 keys that are all alike, each has a weight that bf16 could not add up to one.
        let (q, k) = (random((2, 3, 16), 4), random((1, 1, 16), 5).broadcast_as((1, 3000, 16)).unwrap());
        let v = random((1, 3000, 16), 6);
        let (q, k, v) = (bf16(&q), bf16(&k), bf16(&v));
        let exact = [&q, &k, &v].map(|x| x.to_dtype(DType::F64).unwrap());
        let exact = super::attention(&exact[0], &exact[1], &exact[2], 0.25, false).unwrap();
        let got = super::attention(&q, &k, &v, 0.25, false).unwrap();
        let far = (got.to_dtype(DType::F64).unwrap() - exact).unwrap().abs().unwrap().max_all().unwrap();
        assert!(far.to_scalar::<f64>().unwrap() < 4e-3, "{far}");

        let x = bf16(&random((5, 300), 7));
        for exact_and_got in [
            (super::gelu_tanh(&x.to_dtype(DType::F64).unwrap()).unwrap(), super::gelu_tanh(&x).unwrap()),
            (
                super::silu_mul(&x.to_dtype(DType::F64).unwrap(), &x.to_dtype(DType::F64).unwrap()).unwrap(),
                super::silu_mul(&x, &x).unwrap(),
            ),
        ] {
            assert_close(&exact_and_got.1, &exact_and_got.0, 8e-3);
        }
    }

    /// What a GPU runs in their place takes the same arguments and means the same.
    #[test]
    fn norms_in_one_operation_are_norms() {
        let (x, w, b) = (random((7, 48), 8), random(48, 9), random(48, 10));
        let one = ops::layer_norm(&x, &w, &b, 1e-6).unwrap();
        assert_close(&one, &super::layer_norm(&x, &w, &b, 1e-6).unwrap(), 1e-4);
        let one = ops::rms_norm(&x, &w, 1e-5).unwrap();
        assert_close(&one, &super::rms_norm(&x, &w, 1e-5).unwrap(), 1e-5);
    }
}

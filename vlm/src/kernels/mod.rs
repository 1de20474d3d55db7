//! The operations in which a pass through SmolVLM spends its time.
//!
//! Every function takes and returns candle tensors and knows nothing of layers, checkpoints or
//! caches. For f32 on the CPU each is a fused kernel on the current rayon pool; elsewhere, and as
//! the definition that tests compare with, the same in candle's own operations ([`mod@reference`]).

#![allow(
    clippy::inline_always,
    reason = "an instruction set reaches only what is inlined into the function that enables it"
)]

pub(crate) mod activation;
mod add;
pub(crate) mod attention;
pub(crate) mod cpu;
pub(crate) mod fp32;
pub(crate) mod int8;
mod log_sum;
pub(crate) mod norm;
pub(crate) mod parallel;
pub(crate) mod reference;
pub(crate) mod rope;
pub(crate) mod simd;
#[cfg(test)]
pub(crate) mod testing;

use crate::kernels::simd::Dispatch as _;
use candle_core::{D, DType, Device, Result, Storage, Tensor, bail};

/// Scaled dot-product attention, one query group a key head.
///
/// `q` is `[heads, tq, d]`, `k` and `v` are `[kv_heads, tk, d]`, where `kv_heads` divides `heads`.
/// The first two dimensions may have any strides: `k` and `v` are narrowed views of a cache, `q` a
/// transposed view of `[tq, heads * d]`. With `causal`, query `i` sees keys `0..=tk - tq + i`,
/// otherwise all. Returns contiguous `[tq, heads * d]`.
///
/// # Errors
/// When the shapes do not fit each other, or candle fails.
pub(crate) fn attention(q: &Tensor, k: &Tensor, v: &Tensor, scale: f32, causal: bool) -> Result<Tensor> {
    let (heads, tq, d) = q.dims3()?;
    let (kv_heads, tk, _) = k.dims3()?;
    if k.dims() != v.dims() || k.dim(2)? != d || kv_heads == 0 || !heads.is_multiple_of(kv_heads) {
        bail!("attention: q {:?}, k {:?} and v {:?} do not fit", q.shape(), k.shape(), v.shape());
    }
    if tk == 0 || (causal && tq > tk) {
        bail!("attention: {tq} queries over {tk} keys leave a query with nothing to see");
    }
    if !fused(&[q, k, v]) {
        return reference::attention(q, k, v, scale, causal);
    }
    let op = attention::Attention { scale, causal };
    whole_rows(q)?.apply_op3_no_bwd(&whole_rows(k)?, &whole_rows(v)?, &op)
}

/// GELU in its tanh form, as `gelu_pytorch_tanh` in transformers.
///
/// # Errors
/// When candle fails.
pub(crate) fn gelu_tanh(x: &Tensor) -> Result<Tensor> {
    if !fused(&[x]) {
        return reference::gelu_tanh(x);
    }
    x.contiguous()?.apply_op1_no_bwd(&activation::GeluTanh)
}

/// `silu(gate) * up`, elementwise.
///
/// # Errors
/// When the shapes differ, or candle fails.
pub(crate) fn silu_mul(gate: &Tensor, up: &Tensor) -> Result<Tensor> {
    if !fused(&[gate, up]) || gate.dims() != up.dims() {
        return reference::silu_mul(gate, up);
    }
    gate.contiguous()?.apply_op2_no_bwd(&up.contiguous()?, &activation::SiluMul)
}

/// `x + y`, elementwise.
///
/// # Errors
/// When the shapes differ, or candle fails.
pub(crate) fn add(x: &Tensor, y: &Tensor) -> Result<Tensor> {
    if !fused(&[x, y]) || x.dims() != y.dims() {
        return x + y;
    }
    x.contiguous()?.apply_op2_no_bwd(&y.contiguous()?, &add::Add)
}

/// LayerNorm over the last dimension of `x`; `weight` and `bias` have its length.
///
/// # Errors
/// When the shapes do not fit, or candle fails.
pub(crate) fn layer_norm(x: &Tensor, weight: &Tensor, bias: &Tensor, eps: f64) -> Result<Tensor> {
    let width = [x.dim(D::Minus1)?];
    if !fused(&[x, weight, bias]) || weight.dims() != width || bias.dims() != width {
        return reference::layer_norm(x, weight, bias, eps);
    }
    let op = norm::LayerNorm { eps: eps as f32 };
    x.contiguous()?.apply_op3_no_bwd(&weight.contiguous()?, &bias.contiguous()?, &op)
}

/// RMSNorm over the last dimension of `x`; `weight` has its length.
///
/// # Errors
/// When the shapes do not fit, or candle fails.
pub(crate) fn rms_norm(x: &Tensor, weight: &Tensor, eps: f64) -> Result<Tensor> {
    if !fused(&[x, weight]) || weight.dims() != [x.dim(D::Minus1)?] {
        return reference::rms_norm(x, weight, eps);
    }
    x.contiguous()?.apply_op2_no_bwd(&weight.contiguous()?, &norm::RmsNorm { eps: eps as f32 })
}

/// Rotary embedding as Llama has it in transformers: the halves `(x1, x2)` of each head become
/// `(x1 cos - x2 sin, x2 cos + x1 sin)`. `x` is `[t, heads, d]`; `cos` and `sin` are `[t, d / 2]`.
///
/// # Errors
/// When the shapes do not fit, or candle fails.
pub(crate) fn rotary(x: &Tensor, cos: &Tensor, sin: &Tensor) -> Result<Tensor> {
    let (t, _, d) = x.dims3()?;
    let angles = [t, d / 2];
    if cos.dims() != angles || sin.dims() != angles || !d.is_multiple_of(2) {
        bail!("rotary: x {:?}, cos {:?} and sin {:?} do not fit", x.shape(), cos.shape(), sin.shape());
    }
    if !fused(&[x, cos, sin]) {
        return reference::rotary(x, cos, sin);
    }
    x.contiguous()?.apply_op3_no_bwd(&cos.contiguous()?, &sin.contiguous()?, &rope::Rotary)
}

/// `ln(sum of e^x)` over a row of logits whose largest is `max`: what a logit is less by to be a
/// log-probability.
///
/// # Errors
/// When candle fails.
pub(crate) fn log_sum_exp(row: &Tensor, max: f32) -> Result<f32> {
    if !fused(&[row]) {
        return reference::log_sum_exp(row);
    }
    let row = row.contiguous()?;
    let (storage, layout) = row.storage_and_layout();
    let Storage::Cpu(storage) = &*storage else { bail!("log_sum_exp: the row is not on the CPU") };
    Ok(max + log_sum::ExpSum { x: simd::values(storage, layout)?, max }.dispatch_here().ln())
}

/// Whether the fused kernels take these tensors: f32 on the CPU, and something to compute.
pub(crate) fn fused(tensors: &[&Tensor]) -> bool {
    #[cfg(test)]
    if REFERENCE_HERE.get() {
        return false;
    }
    tensors.iter().all(|x| x.dtype() == DType::F32 && matches!(x.device(), Device::Cpu) && x.elem_count() > 0)
}

#[cfg(test)]
std::thread_local! {
    static REFERENCE_HERE: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

/// From now on, this thread takes the plain kernels for everything, as on a GPU.
#[cfg(test)]
pub(crate) fn use_reference_here() {
    REFERENCE_HERE.set(true);
}

/// The tensor, copied only if its last dimension is not contiguous.
fn whole_rows(x: &Tensor) -> Result<Tensor> {
    if x.stride().last() == Some(&1) { Ok(x.clone()) } else { x.contiguous() }
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Tensor};

    use crate::kernels::attention;

    #[test]
    fn a_causal_query_sees_only_earlier_keys() {
        // One head of width 1, all scores equal: each query averages the values it sees.
        let device = Device::Cpu;
        let q = Tensor::zeros((1, 2, 1), candle_core::DType::F32, &device).unwrap();
        let k = Tensor::zeros((1, 3, 1), candle_core::DType::F32, &device).unwrap();
        let v = Tensor::new(&[[[1f32], [2.0], [6.0]]], &device).unwrap();
        let out = attention(&q, &k, &v, 1.0, true).unwrap();
        assert_eq!(out.to_vec2::<f32>().unwrap(), [[1.5], [3.0]]);
        assert!(attention(&q, &k.narrow(1, 0, 1).unwrap(), &v.narrow(1, 0, 1).unwrap(), 1.0, true).is_err());
    }
}

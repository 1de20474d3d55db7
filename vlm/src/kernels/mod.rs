//! The operations in which a pass through SmolVLM spends its time.
//!
//! Every function takes and returns candle tensors and knows nothing of layers, checkpoints or caches.

mod plain;

use candle_core::{Result, Tensor, bail};

/// Scaled dot-product attention, one query group a key head.
///
/// `q` is `[heads, tq, d]`, `k` and `v` are `[kv_heads, tk, d]`, where `kv_heads` divides `heads`. The first two
/// dimensions may have any strides: `k` and `v` are narrowed views of a cache, `q` a transposed view of `[tq, heads * d]`.
/// With `causal`, query `i` sees keys `0..=tk - tq + i`, otherwise all. Returns contiguous `[tq, heads * d]`.
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
    plain::attention(q, k, v, scale, causal)
}

/// GELU in its tanh form, as `gelu_pytorch_tanh` in transformers.
///
/// # Errors
/// When candle fails.
pub(crate) fn gelu_tanh(x: &Tensor) -> Result<Tensor> {
    plain::gelu_tanh(x)
}

/// `silu(gate) * up`, elementwise.
///
/// # Errors
/// When the shapes differ, or candle fails.
pub(crate) fn silu_mul(gate: &Tensor, up: &Tensor) -> Result<Tensor> {
    plain::silu_mul(gate, up)
}

/// LayerNorm over the last dimension of `x`; `weight` and `bias` have its length.
///
/// # Errors
/// When the shapes do not fit, or candle fails.
pub(crate) fn layer_norm(x: &Tensor, weight: &Tensor, bias: &Tensor, eps: f64) -> Result<Tensor> {
    plain::layer_norm(x, weight, bias, eps)
}

/// RMSNorm over the last dimension of `x`; `weight` has its length.
///
/// # Errors
/// When the shapes do not fit, or candle fails.
pub(crate) fn rms_norm(x: &Tensor, weight: &Tensor, eps: f64) -> Result<Tensor> {
    plain::rms_norm(x, weight, eps)
}

/// Rotary embedding as Llama has it in transformers: the halves `(x1, x2)` of each head become
/// `(x1 cos - x2 sin, x2 cos + x1 sin)`. `x` is `[t, heads, d]`; `cos` and `sin` are `[t, d / 2]`.
///
/// # Errors
/// When the shapes do not fit, or candle fails.
pub(crate) fn rotary(x: &Tensor, cos: &Tensor, sin: &Tensor) -> Result<Tensor> {
    plain::rotary(x, cos, sin)
}

/// `x weight^T + bias`: `x` is `[t, in]`, `weight` `[out, in]` as checkpoints store it, `bias` `[out]`. Returns `[t, out]`.
///
/// # Errors
/// When the shapes do not fit, or candle fails.
pub(crate) fn linear(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
    plain::linear(x, weight, bias)
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Tensor};

    #[test]
    fn a_causal_query_sees_only_earlier_keys() {
        // One head of width 1, all scores equal: each query averages the values it sees.
        let device = Device::Cpu;
        let q = Tensor::zeros((1, 2, 1), candle_core::DType::F32, &device).unwrap();
        let k = Tensor::zeros((1, 3, 1), candle_core::DType::F32, &device).unwrap();
        let v = Tensor::new(&[[[1f32], [2.0], [6.0]]], &device).unwrap();
        let out = super::attention(&q, &k, &v, 1.0, true).unwrap();
        assert_eq!(out.to_vec2::<f32>().unwrap(), [[1.5], [3.0]]);
        assert!(super::attention(&q, &k.narrow(1, 0, 1).unwrap(), &v.narrow(1, 0, 1).unwrap(), 1.0, true).is_err());
    }

    #[test]
    fn linear_multiplies_by_rows_of_the_weight() {
        let device = Device::Cpu;
        let x = Tensor::new(&[[1f32, 2.0]], &device).unwrap();
        let w = Tensor::new(&[[3f32, 4.0], [5.0, 6.0], [7.0, 8.0]], &device).unwrap();
        let b = Tensor::new(&[0.5f32, 0.0, -0.5], &device).unwrap();
        assert_eq!(super::linear(&x, &w, Some(&b)).unwrap().to_vec2::<f32>().unwrap(), [[11.5, 17.0, 22.5]]);
    }
}

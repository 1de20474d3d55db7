//! A layer of the decoder: how it is loaded in either kind of numbers, and its pass in tensors. The one in bytes is a kernel.

use candle_core::Tensor;

use crate::checkpoint::config::{Config, TextConfig};
use crate::error::Result;
use crate::kernels::int8::Planes;
use crate::kernels::{add, attention, rms_norm, rotary, silu_mul};
use crate::network::decoder::Shape;
use crate::network::decoder::int8;
use crate::network::kv_cache::KvCache;
use crate::network::linear::Matrices;
use crate::network::weights::Weights;

/// What a layer is told of the rows that it evaluates.
pub(super) struct Pass<'a> {
    /// How many of the last are wanted.
    pub(super) rows: usize,
    /// Which layer of the cache is its own.
    pub(super) number: usize,
    pub(super) cos: &'a Tensor,
    pub(super) sin: &'a Tensor,
}

/// A layer in tensors.
pub(super) struct Layer {
    input_layernorm: Tensor,
    /// `q_proj`, `k_proj` and `v_proj`.
    qkv: Matrices,
    o_proj: Matrices,
    post_attention_layernorm: Tensor,
    /// `gate_proj` and `up_proj`.
    gate_up: Matrices,
    down_proj: Matrices,
}

/// The matrices that stand under one another, each named with its outputs, and their inputs.
struct Parts {
    qkv: [(String, usize); 3],
    out: [(String, usize); 1],
    gate_up: [(String, usize); 2],
    down: [(String, usize); 1],
    width: usize,
    queries: usize,
    wide: usize,
}

impl Parts {
    fn new(name: &str, t: &TextConfig) -> Self {
        let (width, wide) = (t.hidden_size, t.intermediate_size);
        let (queries, keys) = (t.num_attention_heads * t.head_dim(), t.kv_heads() * t.head_dim());
        let part = |part: &str, outputs: usize| (format!("{name}.{part}.weight"), outputs);
        Self {
            qkv: [part("self_attn.q_proj", queries), part("self_attn.k_proj", keys), part("self_attn.v_proj", keys)],
            out: [part("self_attn.o_proj", width)],
            gate_up: [part("mlp.gate_proj", wide), part("mlp.up_proj", wide)],
            down: [part("mlp.down_proj", width)],
            width,
            queries,
            wide,
        }
    }
}

fn named(parts: &[(String, usize)]) -> Vec<(&str, usize)> {
    parts.iter().map(|(name, outputs)| (name.as_str(), *outputs)).collect()
}

fn norm(weights: &Weights<'_>, name: &str, part: &str, width: usize) -> Result<Tensor> {
    weights.checkpoint.tensor(&format!("{name}.{part}.weight"), &[width])
}

/// The layer in bytes.
///
/// # Errors
/// As [`Checkpoint::tensor`](crate::checkpoint::tensors::Checkpoint::tensor).
pub(super) fn in_bytes(weights: &Weights<'_>, name: &str, config: &Config) -> Result<int8::Decoder> {
    let t = &config.text;
    let parts = Parts::new(name, t);
    let norm = |part: &str| Ok::<_, crate::Error>(norm(weights, name, part, parts.width)?.to_vec1::<f32>()?);
    let packed = |names, inputs, planes| weights.packed(&named(names), inputs, planes);
    Ok(int8::Decoder {
        norm1: norm("input_layernorm")?,
        // Finer than the rest, and small.
        qkv: packed(&parts.qkv, parts.width, Planes::Two)?,
        out: packed(&parts.out, parts.queries, Planes::One)?,
        norm2: norm("post_attention_layernorm")?,
        gate_up: packed(&parts.gate_up, parts.width, Planes::One)?,
        down: packed(&parts.down, parts.wide, Planes::One)?,
        heads: (t.num_attention_heads, t.kv_heads()),
        eps: t.rms_norm_eps as f32,
    })
}

impl Layer {
    /// Loads it in any other precision.
    ///
    /// # Errors
    /// As [`Checkpoint::tensor`](crate::checkpoint::tensors::Checkpoint::tensor).
    pub(super) fn load(weights: &Weights<'_>, name: &str, config: &Config) -> Result<Self> {
        let parts = Parts::new(name, &config.text);
        let norm = |part: &str| norm(weights, name, part, parts.width);
        let matrices = |names, inputs| Matrices::wide(weights, &named(names), inputs);
        Ok(Self {
            input_layernorm: norm("input_layernorm")?,
            qkv: matrices(&parts.qkv, parts.width)?,
            o_proj: matrices(&parts.out, parts.queries)?,
            post_attention_layernorm: norm("post_attention_layernorm")?,
            gate_up: matrices(&parts.gate_up, parts.width)?,
            down_proj: matrices(&parts.down, parts.wide)?,
        })
    }

    /// Bytes of the matrices.
    pub(super) fn bytes(&self) -> usize {
        [&self.qkv, &self.o_proj, &self.gate_up, &self.down_proj].map(Matrices::bytes).iter().sum()
    }

    /// Evaluates `x` (`[t, width]`) after the tokens in `cache`, and writes its keys and values there. Returns the rows that are wanted.
    ///
    /// # Errors
    /// [`Error::Backend`](crate::Error::Backend).
    pub(super) fn forward(
        &self,
        x: &Tensor,
        pass: &Pass<'_>,
        cache: &mut KvCache,
        shape: Shape,
        eps: f64,
    ) -> Result<Tensor> {
        let Shape { heads, kv_heads, head_dim, .. } = shape;
        let Pass { rows, number, cos, sin } = *pass;
        let t = x.dim(0)?;
        let [q, k, v] = self.qkv.multiply(&rms_norm(x, &self.input_layernorm, eps)?)?;
        let turned = |x: &Tensor, heads: usize| rotary(&x.reshape((t, heads, head_dim))?, cos, sin);
        let q = turned(&q, heads)?.transpose(0, 1)?;
        let k = turned(&k, kv_heads)?.reshape((t, kv_heads * head_dim))?;
        let (keys, values) = cache.append(number, &k, &v.contiguous()?)?;
        let (x, q) = (x.narrow(0, t - rows, rows)?, q.narrow(1, t - rows, rows)?);
        let y = attention(&q, &keys, &values, 1.0 / (head_dim as f32).sqrt(), true)?;
        let [y] = self.o_proj.multiply(&y)?;
        let x = add(&x, &y)?;
        let [gate, up] = self.gate_up.multiply(&rms_norm(&x, &self.post_attention_layernorm, eps)?)?;
        let [y] = self.down_proj.multiply(&silu_mul(&gate, &up)?)?;
        Ok(add(&x, &y)?)
    }
}

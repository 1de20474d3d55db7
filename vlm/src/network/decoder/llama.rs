//! What a Llama decoder is in any number format: its sizes, its tensors' names, its embeddings, and
//! the angles of its rotary embedding.
//!
//! Names and order of operations are those of `LlamaModel` in transformers.

use std::sync::Arc;

use candle_core::{DType, Device, Tensor};

use crate::checkpoint::config::{Config, TextConfig};
use crate::checkpoint::tensors::{Checkpoint, Rows};
use crate::error::Result;
use crate::kernels::rms_norm;
use crate::network::decoder::Branch;
use crate::network::kv_cache::KvCache;
use crate::network::linear::Matrices;

/// Where its tensors are in a checkpoint.
const MODEL: &str = "model.text_model";

/// All of a Llama but its layers.
pub(super) struct Llama {
    embed_tokens: Embeddings,
    norm: Tensor,
    lm_head: Arc<Matrices>,
    /// RMSNorm's.
    pub(super) eps: f64,
    pub(super) heads: usize,
    pub(super) kv_heads: usize,
    pub(super) head_dim: usize,
    pub(super) context: usize,
    /// `1 / theta^(2i / head_dim)` for each of the `head_dim / 2` planes of rotation.
    inverse_frequencies: Vec<f32>,
    pub(super) device: Device,
    pub(super) dtype: DType,
}

/// A row of numbers for each token.
enum Embeddings {
    /// Where the checkpoint has them: a reply touches few.
    Table(Rows),
    /// The head's own matrix.
    Head(Arc<Matrices>),
}

impl Llama {
    /// Loads the weights beside the layers. `matrix` loads one that is named with its outputs and
    /// inputs; where one of head and embeddings is absent, the other serves for both.
    ///
    /// # Errors
    /// As [`Checkpoint::tensor`].
    pub(super) fn load(
        checkpoint: &Checkpoint,
        config: &Config,
        matrix: impl FnOnce(&str, usize, usize) -> Result<Matrices>,
        dtype: DType,
        device: &Device,
    ) -> Result<Self> {
        let t = &config.text;
        let table = format!("{MODEL}.embed_tokens.weight");
        let matrix = |name: &str| Ok::<_, crate::Error>(Arc::new(matrix(name, t.vocab_size, t.hidden_size)?));
        let (embed_tokens, lm_head) = if checkpoint.has("lm_head.weight") && checkpoint.has(&table) {
            let embeddings = checkpoint.rows(&table, t.vocab_size, t.hidden_size)?;
            (Embeddings::Table(embeddings), matrix("lm_head.weight")?)
        } else {
            let head = matrix(if checkpoint.has(&table) { &table } else { "lm_head.weight" })?;
            (Embeddings::Head(Arc::clone(&head)), head)
        };
        let head_dim = t.head_dim();
        let frequency = |i: usize| t.rope_theta().powf(-((2 * i) as f64) / head_dim as f64) as f32;
        Ok(Self {
            embed_tokens,
            norm: checkpoint.tensor(&format!("{MODEL}.norm.weight"), &[t.hidden_size])?,
            lm_head,
            eps: t.rms_norm_eps,
            heads: t.num_attention_heads,
            kv_heads: t.kv_heads(),
            head_dim,
            context: t.max_position_embeddings,
            inverse_frequencies: (0..head_dim / 2).map(frequency).collect(),
            device: device.clone(),
            dtype,
        })
    }

    /// Bytes of the head's matrix.
    pub(super) fn bytes(&self) -> usize {
        self.lm_head.bytes()
    }

    /// An empty cache for so many layers.
    ///
    /// # Errors
    /// [`Error::Backend`](crate::Error::Backend) when memory runs out.
    pub(super) fn new_cache(&self, layers: usize) -> Result<KvCache> {
        KvCache::new(layers, self.kv_heads, self.head_dim, self.context, self.dtype, &self.device)
    }

    /// The embeddings of `ids`, `[ids, width]`.
    ///
    /// # Errors
    /// As [`Decoder::embed`](super::Decoder::embed).
    pub(super) fn embed(&self, ids: &[u32]) -> Result<Tensor> {
        match &self.embed_tokens {
            Embeddings::Table(table) => table.of(ids),
            Embeddings::Head(head) => Ok(head.outputs(ids)?),
        }
    }

    /// The logits of each row of `hidden`, `[rows, vocabulary]`, in f32.
    ///
    /// # Errors
    /// [`Error::Backend`](crate::Error::Backend).
    pub(super) fn logits(&self, hidden: &Tensor) -> Result<Tensor> {
        let [logits] = self.lm_head.multiply(&rms_norm(hidden, &self.norm, self.eps)?)?;
        Ok(logits.to_dtype(DType::F32)?)
    }

    /// Cosines and sines of all tokens' angles, `[tokens, head_dim / 2]`, behind `past` tokens of a
    /// cache; angles in f32, as transformers has them.
    pub(super) fn rotation(&self, branches: &[Branch], past: usize) -> [Vec<f32>; 2] {
        let position = |branch: &Branch| (past + branch.offset..).take(branch.rows.len());
        let angle = |p: usize| self.inverse_frequencies.iter().map(move |f| p as f32 * f);
        let angles = || branches.iter().flat_map(position).flat_map(angle);
        [angles().map(f32::cos).collect(), angles().map(f32::sin).collect()]
    }
}

/// A layer's matrices that stand under one another, each named with its outputs, and their inputs.
pub(super) struct Parts {
    name: String,
    pub(super) qkv: [(String, usize); 3],
    pub(super) out: [(String, usize); 1],
    pub(super) gate_up: [(String, usize); 2],
    pub(super) down: [(String, usize); 1],
    pub(super) width: usize,
    pub(super) queries: usize,
    pub(super) wide: usize,
}

impl Parts {
    /// Of all layers, in order.
    pub(super) fn of(t: &TextConfig) -> impl Iterator<Item = Self> {
        (0..t.num_hidden_layers).map(|number| Self::new(format!("{MODEL}.layers.{number}"), t))
    }

    fn new(name: String, t: &TextConfig) -> Self {
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
            name,
        }
    }

    /// The weight of the norm before attention.
    ///
    /// # Errors
    /// As [`Checkpoint::tensor`].
    pub(super) fn norm1(&self, checkpoint: &Checkpoint) -> Result<Tensor> {
        checkpoint.tensor(&format!("{}.input_layernorm.weight", self.name), &[self.width])
    }

    /// The weight of the norm before the MLP.
    ///
    /// # Errors
    /// As [`Checkpoint::tensor`].
    pub(super) fn norm2(&self, checkpoint: &Checkpoint) -> Result<Tensor> {
        checkpoint.tensor(&format!("{}.post_attention_layernorm.weight", self.name), &[self.width])
    }
}

/// The parts as their loaders take them.
pub(super) fn named(parts: &[(String, usize)]) -> Vec<(&str, usize)> {
    parts.iter().map(|(name, outputs)| (name.as_str(), *outputs)).collect()
}

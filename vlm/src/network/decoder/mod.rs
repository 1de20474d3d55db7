//! The Llama decoder: rows of embeddings in, logits out, keys and values kept in the cache it is given.
//!
//! Tensor names and order of operations are those of `LlamaModel` in transformers. Knows no pictures, prompts or turns.

mod int8;
mod tensors;

use std::sync::{Arc, Mutex, PoisonError};

use candle_core::{DType, Device, Tensor};

use crate::cancel::Cancel;
use crate::checkpoint::config::Config;
use crate::checkpoint::tensors::Rows;
use crate::error::{Error, Result};
use crate::kernels::int8::Planes;
use crate::kernels::rms_norm;
use crate::network::kv_cache::KvCache;
use crate::network::linear::Matrices;
use crate::network::precision::Precision;
use crate::network::weights::Weights;

use crate::network::decoder::tensors::{Layer, Pass};

/// The decoder with its embeddings and its head.
pub(crate) struct Text {
    embed_tokens: Embeddings,
    layers: Layers,
    norm: Tensor,
    lm_head: Arc<Matrices>,
    eps: f64,
    shape: Shape,
    /// `1 / theta^(2i / head_dim)` for each of the `head_dim / 2` planes.
    inverse_frequencies: Vec<f32>,
    device: Device,
    dtype: DType,
}

enum Layers {
    Wide(Vec<Layer>),
    /// With what the last pass left behind for the next, whichever cache it is of.
    Int8(Vec<int8::Decoder>, Mutex<Box<int8::Room>>),
}

/// A row of numbers for each token.
enum Embeddings {
    /// Where the checkpoint has them: a reply touches few.
    Table(Rows),
    /// The head's own matrix.
    Head(Arc<Matrices>),
}

#[derive(Clone, Copy)]
struct Shape {
    heads: usize,
    kv_heads: usize,
    head_dim: usize,
    context: usize,
}

impl Text {
    /// Loads the weights under `model.text_model`, and `lm_head`; where that is absent, the embeddings serve for it.
    ///
    /// # Errors
    /// As [`Checkpoint::tensor`](crate::checkpoint::tensors::Checkpoint::tensor).
    pub fn load(weights: &Weights<'_>, config: &Config, dtype: DType, device: &Device) -> Result<Self> {
        let t = &config.text;
        let model = "model.text_model";
        let shape = Shape {
            heads: t.num_attention_heads,
            kv_heads: t.kv_heads(),
            head_dim: t.head_dim(),
            context: t.max_position_embeddings,
        };
        let table = format!("{model}.embed_tokens.weight");
        let checkpoint = weights.checkpoint;
        let matrix = |name| {
            let head = Matrices::load(weights, &[(name, t.vocab_size)], t.hidden_size, Planes::One)?;
            Ok::<_, Error>(Arc::new(head))
        };
        let (embed_tokens, lm_head) = if checkpoint.has("lm_head.weight") {
            let embeddings = checkpoint.rows(&table, t.vocab_size, t.hidden_size)?;
            (Embeddings::Table(embeddings), matrix("lm_head.weight")?)
        } else {
            let head = matrix(&table)?;
            (Embeddings::Head(Arc::clone(&head)), head)
        };
        let half = shape.head_dim / 2;
        let frequency = |i: usize| t.rope_theta().powf(-((2 * i) as f64) / shape.head_dim as f64) as f32;
        let names = (0..t.num_hidden_layers).map(|n| format!("{model}.layers.{n}"));
        let layers = if weights.precision == Precision::Int8 {
            let layers = names.map(|name| tensors::in_bytes(weights, &name, config)).collect::<Result<_>>()?;
            Layers::Int8(layers, Mutex::default())
        } else {
            Layers::Wide(names.map(|name| Layer::load(weights, &name, config)).collect::<Result<_>>()?)
        };
        Ok(Self {
            embed_tokens,
            layers,
            norm: checkpoint.tensor(&format!("{model}.norm.weight"), &[t.hidden_size])?,
            lm_head,
            eps: t.rms_norm_eps,
            shape,
            inverse_frequencies: (0..half).map(frequency).collect(),
            device: device.clone(),
            dtype,
        })
    }

    /// Tokens that the model can attend to.
    pub fn context(&self) -> usize {
        self.shape.context
    }

    /// Bytes of the matrices that are read for every pass, the head included.
    pub fn bytes(&self) -> usize {
        let layers = match &self.layers {
            Layers::Wide(layers) => layers.iter().map(Layer::bytes).sum::<usize>(),
            Layers::Int8(layers, _) => layers.iter().map(int8::Decoder::bytes).sum(),
        };
        layers + self.lm_head.bytes()
    }

    /// An empty cache of this model's shape.
    ///
    /// # Errors
    /// [`Error::Backend`] when memory runs out.
    pub fn new_cache(&self) -> Result<KvCache> {
        let s = self.shape;
        let layers = match &self.layers {
            Layers::Wide(layers) => layers.len(),
            Layers::Int8(layers, _) => layers.len(),
        };
        KvCache::new(layers, s.kv_heads, s.head_dim, s.context, self.dtype, &self.device)
    }

    /// The embeddings of `ids`, `[ids, width]`.
    ///
    /// # Errors
    /// [`Error::Backend`], or [`Error::Read`] when the checkpoint's file is gone.
    pub fn embed(&self, ids: &[u32]) -> Result<Tensor> {
        match &self.embed_tokens {
            Embeddings::Table(table) => table.of(ids),
            Embeddings::Head(head) => Ok(head.outputs(ids)?),
        }
    }

    /// Evaluates `x` (`[t, width]`) after the tokens in `cache`, and appends its keys and values there. Returns the last
    /// hidden state of the last `rows` of them, `[rows, width]`, before the final norm. Of `x`, those rows that are `pictures` stand for
    /// pictures.
    ///
    /// # Errors
    /// [`Error::Cancelled`] between layers once `cancel` is raised; the cache's length is then what it was.
    pub fn forward(
        &self,
        x: &Tensor,
        pictures: &[bool],
        rows: usize,
        cache: &mut KvCache,
        cancel: &Cancel,
    ) -> Result<Tensor> {
        let (t, width) = x.dims2()?;
        cache.reserve(t)?;
        let angles = self.rotation(cache.len(), t);
        // Of the last layer nothing is needed but these rows, and everybody's keys and values.
        let wanted = |number: usize, layers: usize| if number + 1 == layers { rows } else { t };
        let hidden = match &self.layers {
            Layers::Wide(layers) => {
                let table = |values: Vec<f32>| {
                    let shape = (t, self.inverse_frequencies.len());
                    Tensor::from_vec(values, shape, &Device::Cpu)?.to_dtype(self.dtype)?.to_device(&self.device)
                };
                let [cos, sin] = angles.map(table);
                let (cos, sin) = (cos?, sin?);
                let mut x = x.clone();
                for (number, layer) in layers.iter().enumerate() {
                    cancel.check()?;
                    let pass = Pass { rows: wanted(number, layers.len()), number, cos: &cos, sin: &sin };
                    x = layer.forward(&x, &pass, cache, self.shape, self.eps)?;
                }
                x
            }
            Layers::Int8(layers, room) => {
                // Taken, not held: a thread that waits for another's part of a layer may begin a pass of another session.
                let mut own = std::mem::take(&mut *room.lock().unwrap_or_else(PoisonError::into_inner));
                let mut x = x.flatten_all()?.to_vec1::<f32>()?;
                let [cos, sin] = &angles;
                let mut tokens = int8::Tokens { past: cache.len(), angles: (cos, sin), once: pictures, wanted: t };
                for (number, layer) in layers.iter().enumerate() {
                    cancel.check()?;
                    tokens.wanted = wanted(number, layers.len());
                    cache.with_rows(number, |keys, values| layer.forward(&mut x, tokens, keys, values, &mut own))?;
                }
                *room.lock().unwrap_or_else(PoisonError::into_inner) = own;
                Tensor::from_vec(x, (rows, width), &self.device)?
            }
        };
        cache.advance(t);
        Ok(hidden)
    }

    /// The logits of each row of `hidden`, `[rows, vocabulary]`, in f32.
    ///
    /// # Errors
    /// [`Error::Backend`].
    pub fn logits(&self, hidden: &Tensor) -> Result<Tensor> {
        let [logits] = self.lm_head.multiply(&rms_norm(hidden, &self.norm, self.eps)?)?;
        Ok(logits.to_dtype(DType::F32)?)
    }

    /// Cosines and sines for positions `first..first + t`, `[t, head_dim / 2]`; angles in f32, as transformers has them.
    fn rotation(&self, first: usize, t: usize) -> [Vec<f32>; 2] {
        let angles = || (first..first + t).flat_map(|p| self.inverse_frequencies.iter().map(move |f| p as f32 * f));
        [angles().map(f32::cos).collect(), angles().map(f32::sin).collect()]
    }
}

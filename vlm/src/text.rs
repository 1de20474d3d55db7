//! The Llama decoder: rows of embeddings in, logits out, keys and values kept in the cache it is given.
//!
//! Tensor names and order of operations are those of `LlamaModel` in transformers. Knows no pictures, prompts or turns.

use std::sync::Arc;

use candle_core::{DType, Device, Tensor};

use crate::cancel::Cancel;
use crate::checkpoint::Rows;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::kernels::int8::{self, Planes};
use crate::kernels::{add, attention, rms_norm, rotary, silu_mul};
use crate::kv_cache::KvCache;
use crate::matrix::Matrices;
use crate::weights::Weights;

/// The decoder with its embeddings and its head.
pub(crate) struct Text {
    embed_tokens: Embeddings,
    layers: Vec<Layer>,
    /// The same layers in bytes, for few tokens; empty in any other precision.
    few: Vec<int8::Decoder>,
    norm: Tensor,
    lm_head: Arc<Matrices>,
    eps: f64,
    shape: Shape,
    /// `1 / theta^(2i / head_dim)` for each of the `head_dim / 2` planes.
    inverse_frequencies: Vec<f32>,
    device: Device,
    dtype: DType,
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

/// What a layer is told of the rows that it evaluates.
struct Pass<'a> {
    /// Those that stand for pictures, by their number.
    pictures: &'a [bool],
    /// How many of the last are wanted.
    rows: usize,
    cos: &'a Tensor,
    sin: &'a Tensor,
}

struct Layer {
    input_layernorm: Tensor,
    /// `q_proj`, `k_proj` and `v_proj`.
    qkv: Matrices,
    o_proj: Matrices,
    post_attention_layernorm: Tensor,
    /// `gate_proj` and `up_proj`.
    gate_up: Matrices,
    down_proj: Matrices,
}

impl Text {
    /// Loads the weights under `model.text_model`, and `lm_head`; where that is absent, the embeddings serve for it.
    ///
    /// # Errors
    /// As [`Checkpoint::tensor`](crate::checkpoint::Checkpoint::tensor).
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
        let layers = (0..t.num_hidden_layers)
            .map(|n| Layer::load(weights, &format!("{model}.layers.{n}"), config))
            .collect::<Result<Vec<_>>>()?;
        Ok(Self {
            embed_tokens,
            few: layers
                .iter()
                .map_while(|layer| layer.of_few(shape, t.rms_norm_eps).transpose())
                .collect::<Result<_>>()?,
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
        let layer =
            |l: &Layer| [&l.qkv, &l.o_proj, &l.gate_up, &l.down_proj].map(Matrices::bytes).iter().sum::<usize>();
        self.layers.iter().map(layer).sum::<usize>() + self.lm_head.bytes()
    }

    /// An empty cache of this model's shape.
    ///
    /// # Errors
    /// [`Error::Backend`] when memory runs out.
    pub fn new_cache(&self) -> Result<KvCache> {
        let s = self.shape;
        KvCache::new(self.layers.len(), s.kv_heads, s.head_dim, s.context, self.dtype, &self.device)
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
        let t = x.dim(0)?;
        cache.reserve(t)?;
        if t <= int8::FEW_TOKENS && !self.few.is_empty() {
            return self.forward_few(x, pictures, rows, cache, cancel);
        }
        let table = |values: Vec<f32>| {
            let shape = (t, self.inverse_frequencies.len());
            Tensor::from_vec(values, shape, &Device::Cpu)?.to_dtype(self.dtype)?.to_device(&self.device)
        };
        let [cos, sin] = self.rotation(cache.len(), t).map(table);
        let (cos, sin) = (cos?, sin?);
        let mut x = x.clone();
        for (number, layer) in self.layers.iter().enumerate() {
            if cancel.is_cancelled() {
                return Err(Error::Cancelled);
            }
            // Of the last layer nothing is needed but these rows, and everybody's keys and values.
            let rows = if number + 1 == self.layers.len() { rows } else { t };
            let pass = Pass { pictures, rows, cos: &cos, sin: &sin };
            x = layer.forward(&x, &pass, number, cache, self.shape, self.eps)?;
        }
        cache.advance(t);
        Ok(x)
    }

    /// The same of few tokens in bytes.
    fn forward_few(
        &self,
        x: &Tensor,
        pictures: &[bool],
        rows: usize,
        cache: &mut KvCache,
        cancel: &Cancel,
    ) -> Result<Tensor> {
        let (t, width) = x.dims2()?;
        let [cos, sin] = self.rotation(cache.len(), t);
        let mut tokens = int8::Tokens::new(cache.len(), (&cos, &sin), pictures);
        let mut x = x.flatten_all()?.to_vec1::<f32>()?;
        for (number, layer) in self.few.iter().enumerate() {
            if cancel.is_cancelled() {
                return Err(Error::Cancelled);
            }
            cache.with_rows(number, |keys, values| layer.forward(&mut x, &mut tokens, keys, values))?;
        }
        cache.advance(t);
        Ok(Tensor::from_vec(x.split_off((t - rows) * width), (rows, width), &self.device)?)
    }

    /// The logits of each row of `hidden`, `[rows, vocabulary]`, in f32.
    ///
    /// # Errors
    /// [`Error::Backend`].
    pub fn logits(&self, hidden: &Tensor) -> Result<Tensor> {
        let [logits] = self.lm_head.multiply(&rms_norm(hidden, &self.norm, self.eps)?, &[])?;
        Ok(logits.to_dtype(DType::F32)?)
    }

    /// Cosines and sines for positions `first..first + t`, `[t, head_dim / 2]`; angles in f32, as transformers has them.
    fn rotation(&self, first: usize, t: usize) -> [Vec<f32>; 2] {
        let angles = || (first..first + t).flat_map(|p| self.inverse_frequencies.iter().map(move |f| p as f32 * f));
        [angles().map(f32::cos).collect(), angles().map(f32::sin).collect()]
    }
}

impl Layer {
    fn load(weights: &Weights<'_>, name: &str, config: &Config) -> Result<Self> {
        let t = &config.text;
        let width = t.hidden_size;
        let (queries, keys) = (t.num_attention_heads * t.head_dim(), t.kv_heads() * t.head_dim());
        let matrices = |parts: &[(&str, usize)], inputs, planes| {
            let names: Vec<_> = parts.iter().map(|(part, n)| (format!("{name}.{part}.weight"), *n)).collect();
            let names: Vec<_> = names.iter().map(|(name, n)| (name.as_str(), *n)).collect();
            Matrices::load(weights, &names, inputs, planes)
        };
        let norm = |part: &str| weights.checkpoint.tensor(&format!("{name}.{part}.weight"), &[width]);
        let qkv = [("self_attn.q_proj", queries), ("self_attn.k_proj", keys), ("self_attn.v_proj", keys)];
        Ok(Self {
            input_layernorm: norm("input_layernorm")?,
            // Finer than the rest, and small.
            qkv: matrices(&qkv, width, Planes::Two)?,
            o_proj: matrices(&[("self_attn.o_proj", width)], queries, Planes::One)?,
            post_attention_layernorm: norm("post_attention_layernorm")?,
            gate_up: matrices(
                &[("mlp.gate_proj", t.intermediate_size), ("mlp.up_proj", t.intermediate_size)],
                width,
                Planes::One,
            )?,
            down_proj: matrices(&[("mlp.down_proj", width)], t.intermediate_size, Planes::One)?,
        })
    }

    /// The layer for few tokens, if its weights are bytes.
    fn of_few(&self, shape: Shape, eps: f64) -> Result<Option<int8::Decoder>> {
        let matrices = [&self.qkv, &self.o_proj, &self.gate_up, &self.down_proj];
        let [Some(qkv), Some(out), Some(gate_up), Some(down)] = matrices.map(Matrices::bytewise) else {
            return Ok(None);
        };
        Ok(Some(int8::Decoder {
            norm1: self.input_layernorm.to_vec1()?,
            qkv: Arc::clone(qkv),
            out: Arc::clone(out),
            norm2: self.post_attention_layernorm.to_vec1()?,
            gate_up: Arc::clone(gate_up),
            down: Arc::clone(down),
            heads: (shape.heads, shape.kv_heads),
            eps: eps as f32,
        }))
    }

    fn forward(
        &self,
        x: &Tensor,
        pass: &Pass<'_>,
        number: usize,
        cache: &mut KvCache,
        shape: Shape,
        eps: f64,
    ) -> Result<Tensor> {
        let Shape { heads, kv_heads, head_dim, .. } = shape;
        let Pass { pictures, rows, cos, sin } = *pass;
        let t = x.dim(0)?;
        // Of these, nothing is rounded further: scores decide what is read at all.
        let [q, k, v] = self.qkv.multiply(&rms_norm(x, &self.input_layernorm, eps)?, &[])?;
        let turned = |x: &Tensor, heads: usize| rotary(&x.reshape((t, heads, head_dim))?, cos, sin);
        let q = turned(&q, heads)?.transpose(0, 1)?;
        let k = turned(&k, kv_heads)?.reshape((t, kv_heads * head_dim))?;
        let (keys, values) = cache.append(number, &k, &v.contiguous()?)?;
        let (x, q, pictures) = (x.narrow(0, t - rows, rows)?, q.narrow(1, t - rows, rows)?, &pictures[t - rows..]);
        let y = attention(&q, &keys, &values, 1.0 / (head_dim as f32).sqrt(), true)?;
        let [y] = self.o_proj.multiply(&y, pictures)?;
        let x = add(&x, &y)?;
        let [gate, up] = self.gate_up.multiply(&rms_norm(&x, &self.post_attention_layernorm, eps)?, pictures)?;
        let [y] = self.down_proj.multiply(&silu_mul(&gate, &up)?, pictures)?;
        Ok(add(&x, &y)?)
    }
}

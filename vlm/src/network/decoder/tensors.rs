//! A Llama decoder in tensors: f32 or bf16, on the processor or a GPU.

use candle_core::{DType, Device, Tensor};

use crate::cancel::Cancel;
use crate::checkpoint::config::Config;
use crate::checkpoint::tensors::Checkpoint;
use crate::error::Result;
use crate::kernels::{add, attention, parallel, rms_norm, rotary, silu_mul};
use crate::network::decoder::llama::{Llama, Parts, named};
use crate::network::decoder::{Branch, Decoder, Pass};
use crate::network::kv_cache::KvCache;
use crate::network::linear::Matrices;

/// The decoder.
pub(crate) struct LlamaInTensors {
    llama: Llama,
    layers: Vec<LlamaLayer>,
}

struct LlamaLayer {
    input_layernorm: Tensor,
    /// `q_proj`, `k_proj` and `v_proj`.
    qkv: Matrices,
    o_proj: Matrices,
    post_attention_layernorm: Tensor,
    /// `gate_proj` and `up_proj`.
    gate_up: Matrices,
    down_proj: Matrices,
}

/// What a layer is told of the tokens that it evaluates.
struct Told<'a> {
    branches: &'a [Branch],
    /// Which layer of the cache is its own.
    number: usize,
    is_last: bool,
    cos: &'a Tensor,
    sin: &'a Tensor,
}

impl LlamaInTensors {
    /// Loads the weights under `model.text_model`, and `lm_head`.
    ///
    /// # Errors
    /// As [`Checkpoint::tensor`].
    pub(crate) fn load(checkpoint: &Checkpoint, config: &Config, dtype: DType, device: &Device) -> Result<Self> {
        let head = |name: &str, outputs, inputs| Matrices::in_tensors(checkpoint, &[(name, outputs)], inputs);
        let llama = Llama::load(checkpoint, config, head, dtype, device)?;
        let layers = Parts::of(&config.text).map(|parts| LlamaLayer::load(checkpoint, &parts));
        Ok(Self { llama, layers: layers.collect::<Result<_>>()? })
    }

    fn pass(&self, x: &Tensor, pass: &Pass<'_>, cache: &mut KvCache, cancel: &Cancel) -> Result<Tensor> {
        let branches = pass.branches();
        let table = |values: Vec<f32>| {
            let shape = (x.dim(0)?, self.llama.head_dim / 2);
            Tensor::from_vec(values, shape, &Device::Cpu)?.to_dtype(self.llama.dtype)?.to_device(&self.llama.device)
        };
        let [cos, sin] = self.llama.rotation(&branches, cache.len()).map(table);
        let (cos, sin) = (cos?, sin?);
        let mut x = x.clone();
        for (number, layer) in self.layers.iter().enumerate() {
            cancel.check()?;
            let is_last = number + 1 == self.layers.len();
            let told = Told { branches: &branches, number, is_last, cos: &cos, sin: &sin };
            x = layer.forward(&x, &told, cache, &self.llama)?;
        }
        self.llama.logits(&x)
    }
}

impl Decoder for LlamaInTensors {
    fn context(&self) -> usize {
        self.llama.context
    }

    fn bytes(&self) -> usize {
        self.layers.iter().map(LlamaLayer::bytes).sum::<usize>() + self.llama.bytes()
    }

    fn new_cache(&self) -> Result<KvCache> {
        self.llama.new_cache(self.layers.len())
    }

    fn embed(&self, ids: &[u32]) -> Result<Tensor> {
        self.llama.embed(ids)
    }

    fn forward(&self, x: &Tensor, pass: &Pass<'_>, cache: &mut KvCache, cancel: &Cancel) -> Result<Tensor> {
        cache.reserve(pass.depth())?;
        let mut evaluate = || self.pass(x, pass, cache, cancel);
        // Candle's loops, which bf16 runs in, want the pool's threads for themselves.
        let logits = if self.llama.dtype == DType::BF16 { evaluate() } else { parallel::scope(evaluate) }?;
        cache.advance(pass.kept());
        Ok(logits)
    }
}

impl LlamaLayer {
    fn load(checkpoint: &Checkpoint, parts: &Parts) -> Result<Self> {
        let matrices = |names, inputs| Matrices::in_tensors(checkpoint, &named(names), inputs);
        Ok(Self {
            input_layernorm: parts.norm1(checkpoint)?,
            qkv: matrices(&parts.qkv, parts.width)?,
            o_proj: matrices(&parts.out, parts.queries)?,
            post_attention_layernorm: parts.norm2(checkpoint)?,
            gate_up: matrices(&parts.gate_up, parts.width)?,
            down_proj: matrices(&parts.down, parts.wide)?,
        })
    }

    /// Bytes of the matrices.
    fn bytes(&self) -> usize {
        [&self.qkv, &self.o_proj, &self.gate_up, &self.down_proj].map(Matrices::bytes).iter().sum()
    }

    /// Evaluates `x` (`[tokens, width]`) behind the tokens in `cache`, and writes its keys and
    /// values there. Returns the rows that are needed.
    fn forward(&self, x: &Tensor, told: &Told<'_>, cache: &mut KvCache, llama: &Llama) -> Result<Tensor> {
        let &Llama { heads, kv_heads, head_dim, eps, .. } = llama;
        let t = x.dim(0)?;
        let [q, k, v] = self.qkv.multiply(&rms_norm(x, &self.input_layernorm, eps)?)?;
        let turned = |x: &Tensor, heads: usize| rotary(&x.reshape((t, heads, head_dim))?, told.cos, told.sin);
        let q = turned(&q, heads)?.transpose(0, 1)?;
        let k = turned(&k, kv_heads)?.reshape((t, kv_heads * head_dim))?;
        let v = v.contiguous()?;
        let scale = 1.0 / (head_dim as f32).sqrt();
        let (mut needed, mut attended) = (Vec::new(), Vec::new());
        for branch in told.branches {
            let own = (branch.rows.clone(), branch.offset);
            for (rows, offset) in branch.above.iter().chain([&own]) {
                let of = |x: &Tensor| x.narrow(0, rows.start, rows.len());
                cache.write(told.number, *offset, &of(&k)?, &of(&v)?)?;
            }
            let rows = branch.needed(told.is_last);
            if rows.is_empty() {
                continue;
            }
            let (keys, values) = cache.read(told.number, branch.offset + branch.rows.len())?;
            attended.push(attention(&q.narrow(1, rows.start, rows.len())?, &keys, &values, scale, true)?);
            needed.push(x.narrow(0, rows.start, rows.len())?);
        }
        let (x, y) = (all(needed)?, all(attended)?);
        let [y] = self.o_proj.multiply(&y)?;
        let x = add(&x, &y)?;
        let [gate, up] = self.gate_up.multiply(&rms_norm(&x, &self.post_attention_layernorm, eps)?)?;
        let [y] = self.down_proj.multiply(&silu_mul(&gate, &up)?)?;
        Ok(add(&x, &y)?)
    }
}

/// Rows under one another. A single tensor is not copied.
fn all(mut parts: Vec<Tensor>) -> candle_core::Result<Tensor> {
    if parts.len() == 1 { Ok(parts.swap_remove(0)) } else { Tensor::cat(&parts, 0) }
}

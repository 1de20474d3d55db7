//! A Llama decoder in bytes.
//!
//! The same operations in the same order as with tensors, on plain rows in a workspace that is used
//! again: a token's products take some microseconds each, and making tensors for what lies between
//! them took as long as a sixth of the pass.

#![allow(unsafe_code, reason = "results written before they are read")]

use std::sync::{Arc, Mutex, PoisonError};

use candle_core::{DType, Tensor};

use crate::cancel::Cancel;
use crate::checkpoint::config::{Config, TextConfig};
use crate::error::Result;
use crate::kernels::activation::Silu;
use crate::kernels::attention::{Attention, Heads};
use crate::kernels::int8::gemm::{add_product, product};
use crate::kernels::int8::packed::{Levels, Packed};
use crate::kernels::int8::rows::Rows;
use crate::kernels::norm::normalise;
use crate::kernels::parallel;
use crate::kernels::rope::turn;
use crate::kernels::simd::{Dispatch as _, for_rows, rewritten};
use crate::network::decoder::llama::{Llama, Parts, named};
use crate::network::decoder::{Branch, Decoder, Pass};
use crate::network::kv_cache::KvCache;
use crate::network::weights::Weights;

/// The decoder.
pub(crate) struct LlamaInBytes {
    llama: Llama,
    layers: Vec<ByteLayer>,
    /// Left behind by the last pass for the next, whichever cache it is of.
    workspace: Mutex<Box<Workspace>>,
}

/// A layer's weights.
struct ByteLayer {
    norm1: Vec<f32>,
    /// `q_proj`, `k_proj` and `v_proj` under one another.
    qkv: Arc<Packed>,
    out: Arc<Packed>,
    norm2: Vec<f32>,
    /// `gate_proj` and `up_proj`.
    gate_up: Arc<Packed>,
    down: Arc<Packed>,
    /// Heads of queries, and those of keys and values.
    heads: (usize, usize),
    /// RMSNorm's.
    eps: f32,
}

/// Where tokens are, and what they stand for.
#[derive(Clone, Copy)]
struct Tokens<'a> {
    branches: &'a [Branch],
    /// Tokens before these.
    past: usize,
    /// Cosines and sines of the positions' angles, `[tokens, head width / 2]`.
    angles: (&'a [f32], &'a [f32]),
    /// Those that are multiplied in a single pass of a byte a value outside of `qkv`, by their
    /// number. All others have the residual rows, too.
    single_pass: &'a [bool],
    is_last: bool,
}

/// Memory that layers share and passes use again.
#[derive(Default)]
struct Workspace {
    rows: Rows,
    normed: Vec<f32>,
    qkv: Vec<f32>,
    queries: Vec<f32>,
    keys: Vec<f32>,
    branch: Vec<f32>,
    attended: Vec<f32>,
    single_pass: Vec<bool>,
    gate_up: Vec<f32>,
    gated: Vec<f32>,
}

impl LlamaInBytes {
    /// Loads the weights under `model.text_model`, and `lm_head`.
    ///
    /// # Errors
    /// As [`Checkpoint::tensor`](crate::checkpoint::tensors::Checkpoint::tensor).
    pub(crate) fn load(weights: &Weights<'_>, config: &Config, device: &candle_core::Device) -> Result<Self> {
        let head = |name: &str, outputs, inputs| weights.matrices(&[(name, outputs)], inputs, Levels::One);
        let llama = Llama::load(weights.checkpoint, config, head, DType::F32, device)?;
        let layers = Parts::of(&config.text).map(|parts| ByteLayer::load(weights, &parts, &config.text));
        Ok(Self { llama, layers: layers.collect::<Result<_>>()?, workspace: Mutex::default() })
    }

    fn pass(&self, x: &Tensor, pass: &Pass<'_>, cache: &mut KvCache, cancel: &Cancel) -> Result<Tensor> {
        let width = x.dim(1)?;
        let branches = pass.branches();
        let [cos, sin] = self.llama.rotation(&branches, cache.len());
        // Taken, not held: a thread that waits for another's part of a layer may begin a pass of
        // another session.
        let mut own = std::mem::take(&mut *self.workspace.lock().unwrap_or_else(PoisonError::into_inner));
        let mut x = x.flatten_all()?.to_vec1::<f32>()?;
        for (number, layer) in self.layers.iter().enumerate() {
            cancel.check()?;
            let tokens = Tokens {
                branches: &branches,
                past: cache.len(),
                angles: (&cos, &sin),
                single_pass: pass.pictures,
                is_last: number + 1 == self.layers.len(),
            };
            cache.with_rows(number, |keys, values| layer.forward(&mut x, tokens, keys, values, &mut own))?;
        }
        *self.workspace.lock().unwrap_or_else(PoisonError::into_inner) = own;
        let rows = x.len() / width;
        self.llama.logits(&Tensor::from_vec(x, (rows, width), &self.llama.device)?)
    }
}

impl Decoder for LlamaInBytes {
    fn context(&self) -> usize {
        self.llama.context
    }

    fn bytes(&self) -> usize {
        self.layers.iter().map(ByteLayer::bytes).sum::<usize>() + self.llama.bytes()
    }

    fn new_cache(&self) -> Result<KvCache> {
        self.llama.new_cache(self.layers.len())
    }

    fn embed(&self, ids: &[u32]) -> Result<Tensor> {
        self.llama.embed(ids)
    }

    fn forward(&self, x: &Tensor, pass: &Pass<'_>, cache: &mut KvCache, cancel: &Cancel) -> Result<Tensor> {
        cache.reserve(pass.depth())?;
        let logits = parallel::scope(|| self.pass(x, pass, cache, cancel))?;
        cache.advance(pass.kept());
        Ok(logits)
    }
}

impl ByteLayer {
    fn load(weights: &Weights<'_>, parts: &Parts, t: &TextConfig) -> Result<Self> {
        let packed = |names, inputs, levels| weights.packed(&named(names), inputs, levels);
        Ok(Self {
            norm1: parts.norm1(weights.checkpoint)?.to_vec1()?,
            // Finer than the rest, and small.
            qkv: packed(&parts.qkv, parts.width, Levels::Two)?,
            out: packed(&parts.out, parts.queries, Levels::One)?,
            norm2: parts.norm2(weights.checkpoint)?.to_vec1()?,
            gate_up: packed(&parts.gate_up, parts.width, Levels::One)?,
            down: packed(&parts.down, parts.wide, Levels::One)?,
            heads: (t.num_attention_heads, t.kv_heads()),
            eps: t.rms_norm_eps as f32,
        })
    }

    /// Bytes of the matrices.
    fn bytes(&self) -> usize {
        [&self.qkv, &self.out, &self.gate_up, &self.down].iter().map(|matrix| matrix.bytes()).sum()
    }

    /// Replaces `x`, rows of the layer's width, by the layer's result for those that are needed.
    /// `keys` and `values` are rows of all tokens in the cache, with room for these.
    fn forward(
        &self,
        x: &mut Vec<f32>,
        tokens: Tokens<'_>,
        keys: &mut [f32],
        values: &mut [f32],
        workspace: &mut Workspace,
    ) {
        let Workspace { rows, normed, qkv, queries, keys: new_keys, branch, attended, single_pass, gate_up, gated } =
            workspace;
        let Tokens { branches, past, angles, is_last, .. } = tokens;
        let (heads, kv_heads) = self.heads;
        let width = self.norm1.len();
        let count = x.len() / width;
        let half = angles.0.len() / count;
        let (query, key) = (heads * 2 * half, kv_heads * 2 * half);
        let wide = self.down.inputs();
        assert!(self.qkv.outputs() == query + 2 * key && self.gate_up.outputs() == 2 * wide);

        normalise(x, &self.norm1, None, self.eps, normed);
        // Of these, nothing is rounded further: scores decide what is read at all.
        product(rows, normed, &[], &self.qkv, qkv);
        let stride = query + 2 * key;
        turn((qkv, stride), angles, heads, half, queries);
        turn((&qkv[query..], stride), angles, kv_heads, half, new_keys);

        let attention = Attention { scale: 1.0 / ((2 * half) as f32).sqrt(), causal: true };
        let is_one = branches.len() == 1;
        attended.clear();
        for place in branches {
            let own = (place.rows.clone(), place.offset);
            for (of, offset) in place.above.iter().chain([&own]) {
                let at = (past + offset) * key..(past + offset + of.len()) * key;
                keys[at.clone()].copy_from_slice(&new_keys[of.start * key..of.end * key]);
                let new = qkv[of.start * stride..of.end * stride].chunks_exact(stride);
                for (to, row) in values[at].chunks_exact_mut(key).zip(new) {
                    to.copy_from_slice(&row[query + key..]);
                }
            }
            let needed = place.needed(is_last);
            if needed.is_empty() {
                continue;
            }
            let seen = (past + place.offset + place.rows.len()) * key;
            let q = Heads::rows(&queries[needed.start * query..needed.end * query], heads, 2 * half);
            let [k, v] = [&keys[..seen], &values[..seen]].map(|rows| Heads::rows(rows, kv_heads, 2 * half));
            if is_one {
                attention.attend(q, k, v, attended);
            } else {
                attention.attend(q, k, v, branch);
                attended.extend_from_slice(branch);
            }
        }
        single_pass.clear();
        let mut end = 0;
        for needed in branches.iter().map(|place| place.needed(is_last)) {
            single_pass.extend(tokens.single_pass.get(needed.clone()).unwrap_or_default());
            x.copy_within(needed.start * width..needed.end * width, end * width);
            end += needed.len();
        }
        x.truncate(end * width);
        add_product(rows, attended, single_pass, &self.out, x);

        normalise(x, &self.norm2, None, self.eps, normed);
        product(rows, normed, single_pass, &self.gate_up, gate_up);
        // SAFETY: `gate_up` has a row for each that is needed, `for_rows` covers the output, and
        // the kernel writes all of each row.
        unsafe {
            rewritten(gated, end * wide, |out| {
                for_rows(out, wide, |first, out| {
                    for (out, row) in out.chunks_exact_mut(wide).zip(gate_up.chunks_exact(2 * wide).skip(first)) {
                        let (gate, up) = row.split_at(wide);
                        Silu { gate, up, out }.dispatch_here();
                    }
                });
            });
        }
        add_product(rows, gated, single_pass, &self.down, x);
    }
}

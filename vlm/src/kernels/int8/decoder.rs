//! A layer of the decoder in bytes, of few tokens such as the one with which a reply goes on.
//!
//! The same operations in the same order as with tensors, on plain rows: a token's products take some microseconds each, and
//! making tensors for what lies between them took as long as a sixth of the pass.

#![allow(unsafe_code, reason = "results written before they are read")]

use std::sync::Arc;

use rten_simd::SimdOp as _;

use super::linear::{add_product, product};
use super::packed::Packed;
use super::rows::Rows;
use crate::kernels::activation::Silu;
use crate::kernels::attention::{Attention, Heads};
use crate::kernels::attention_few::{FEW_ROWS, Few};
use crate::kernels::norm::normalise;
use crate::kernels::rotary::turn;
use crate::kernels::simd::{Shared, lanes, rewritten};

/// Most tokens for which there is attention of few queries.
pub(crate) const FEW_TOKENS: usize = FEW_ROWS;

/// The layer's weights.
pub(crate) struct Decoder {
    pub(crate) norm1: Vec<f32>,
    /// `q_proj`, `k_proj` and `v_proj` under one another.
    pub(crate) qkv: Arc<Packed>,
    pub(crate) out: Arc<Packed>,
    pub(crate) norm2: Vec<f32>,
    /// `gate_proj` and `up_proj`.
    pub(crate) gate_up: Arc<Packed>,
    pub(crate) down: Arc<Packed>,
    /// Of queries, and of keys and values.
    pub(crate) heads: (usize, usize),
    /// RMSNorm's.
    pub(crate) eps: f32,
}

/// Where the tokens are, which all layers share, and what the layers leave to each other.
pub(crate) struct Tokens<'a> {
    /// Tokens before these.
    past: usize,
    /// Cosines and sines of the positions' angles, `[tokens, head width / 2]`.
    cos: &'a [f32],
    sin: &'a [f32],
    /// Those that may be rounded to a byte a value outside of `qkv`, by their number.
    once: &'a [bool],
    rows: Rows,
    normed: Vec<f32>,
    qkv: Vec<f32>,
    parts: [Vec<f32>; 3],
    turned: [Vec<f32>; 2],
    attended: Vec<f32>,
    wide: Vec<f32>,
    gated: Vec<f32>,
}

impl<'a> Tokens<'a> {
    /// Tokens that follow `past` others.
    pub(crate) fn new(past: usize, (cos, sin): (&'a [f32], &'a [f32]), once: &'a [bool]) -> Self {
        Self {
            past,
            cos,
            sin,
            once,
            rows: Rows::default(),
            normed: Vec::new(),
            qkv: Vec::new(),
            parts: Default::default(),
            turned: Default::default(),
            attended: Vec::new(),
            wide: Vec::new(),
            gated: Vec::new(),
        }
    }
}

impl Decoder {
    /// Replaces `x`, at most [`FEW_TOKENS`] rows of the layer's width, by the layer's result. `keys` and `values` are rows of all
    /// tokens' and have room for these.
    pub(crate) fn forward(&self, x: &mut [f32], tokens: &mut Tokens<'_>, keys: &mut [f32], values: &mut [f32]) {
        let Tokens { past, cos, sin, once, rows, normed, qkv, parts, turned, attended, wide, gated } = tokens;
        let (heads, kv_heads) = self.heads;
        let count = x.len() / self.norm1.len();
        let half = cos.len() / count;
        let head = 2 * half;

        normalise(x, &self.norm1, None, self.eps, normed);
        product(rows, normed, &[], &self.qkv, qkv);
        let widths = [heads * head, kv_heads * head, kv_heads * head];
        parts.iter_mut().for_each(Vec::clear);
        for mut row in qkv.chunks_exact(self.qkv.outputs()) {
            for (part, width) in parts.iter_mut().zip(widths) {
                let (own, rest) = row.split_at(width);
                part.extend_from_slice(own);
                row = rest;
            }
        }
        let [q, k, v] = parts;
        let [turned_q, turned_k] = turned;
        turn(q, (cos, sin), heads, half, turned_q);
        turn(k, (cos, sin), kv_heads, half, turned_k);
        let new = *past * kv_heads * head..(*past + count) * kv_heads * head;
        keys[new.clone()].copy_from_slice(turned_k);
        values[new.clone()].copy_from_slice(v);

        let (keys, values) = (&keys[..new.end], &values[..new.end]);
        let [k, v] = [keys, values].map(|rows| Heads::rows(rows, kv_heads, head));
        let op = Attention { scale: 1.0 / (head as f32).sqrt(), causal: true };
        // SAFETY: every query of every head is written by one task.
        unsafe {
            rewritten(attended, count * heads * head, |out| {
                let out = Shared(out.as_mut_ptr().cast());
                Few::new(Heads::rows(turned_q, heads, head), k, v, &op, out, lanes()).run(|task| task.dispatch());
            });
        }
        add_product(rows, attended, once, &self.out, x);

        normalise(x, &self.norm2, None, self.eps, normed);
        product(rows, normed, once, &self.gate_up, wide);
        let width = self.down.inputs();
        // SAFETY: the kernel writes all of each row.
        unsafe {
            rewritten(gated, count * width, |out| {
                for (out, row) in out.chunks_exact_mut(width).zip(wide.chunks_exact(2 * width)) {
                    let (gate, up) = row.split_at(width);
                    Silu { gate, up, out }.dispatch();
                }
            });
        }
        add_product(rows, gated, once, &self.down, x);
    }
}

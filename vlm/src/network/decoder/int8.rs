//! A layer of the decoder in bytes.
//!
//! The same operations in the same order as with tensors, on plain rows in room that is used again: a token's products take some
//! microseconds each, and making tensors for what lies between them took as long as a sixth of the pass.

#![allow(unsafe_code, reason = "results written before they are read")]

use std::sync::Arc;

use rten_simd::SimdOp as _;

use crate::kernels::activation::Silu;
use crate::kernels::attention::full::{Attention, Heads};
use crate::kernels::int8::gemm::{add_product, product};
use crate::kernels::int8::packed::Packed;
use crate::kernels::int8::rows::Rows;
use crate::kernels::norm::normalise;
use crate::kernels::rope::turn;
use crate::kernels::simd::{for_rows, rewritten};

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
    /// Heads of queries, and those of keys and values.
    pub(crate) heads: (usize, usize),
    /// RMSNorm's.
    pub(crate) eps: f32,
}

/// Where tokens are, and what they stand for.
#[derive(Clone, Copy)]
pub(crate) struct Tokens<'a> {
    /// Tokens before these.
    pub(crate) past: usize,
    /// Cosines and sines of the positions' angles, `[tokens, head width / 2]`.
    pub(crate) angles: (&'a [f32], &'a [f32]),
    /// Those that may be rounded to a byte a value outside of `qkv`, by their number.
    pub(crate) once: &'a [bool],
    /// How many of the last are wanted.
    pub(crate) wanted: usize,
}

/// Room that layers share and passes use again.
#[derive(Default)]
pub(crate) struct Room {
    rows: Rows,
    normed: Vec<f32>,
    qkv: Vec<f32>,
    queries: Vec<f32>,
    keys: Vec<f32>,
    attended: Vec<f32>,
    gate_up: Vec<f32>,
    gated: Vec<f32>,
}

impl Decoder {
    /// Bytes of the matrices.
    pub(crate) fn bytes(&self) -> usize {
        [&self.qkv, &self.out, &self.gate_up, &self.down].iter().map(|matrix| matrix.bytes()).sum()
    }

    /// Replaces `x`, rows of the layer's width, by the layer's result for those that are wanted. `keys` and `values` are rows of all
    /// tokens' and have room for these.
    pub(crate) fn forward(
        &self,
        x: &mut Vec<f32>,
        tokens: Tokens<'_>,
        keys: &mut [f32],
        values: &mut [f32],
        room: &mut Room,
    ) {
        let Room { rows, normed, qkv, queries, keys: new_keys, attended, gate_up, gated } = room;
        let Tokens { past, angles, once, wanted } = tokens;
        let (heads, kv_heads) = self.heads;
        let width = self.norm1.len();
        let count = x.len() / width;
        let half = angles.0.len() / count;
        let (query, key) = (heads * 2 * half, kv_heads * 2 * half);
        let wide = self.down.inputs();
        assert!(wanted <= count && self.qkv.outputs() == query + 2 * key && self.gate_up.outputs() == 2 * wide);

        normalise(x, &self.norm1, None, self.eps, normed);
        // Of these, nothing is rounded further: scores decide what is read at all.
        product(rows, normed, &[], &self.qkv, qkv);
        let stride = query + 2 * key;
        turn((qkv, stride), angles, heads, half, queries);
        turn((&qkv[query..], stride), angles, kv_heads, half, new_keys);
        let new = past * key..(past + count) * key;
        keys[new.clone()].copy_from_slice(new_keys);
        for (to, row) in values[new.clone()].chunks_exact_mut(key).zip(qkv.chunks_exact(stride)) {
            to.copy_from_slice(&row[query + key..]);
        }

        let unwanted = count - wanted;
        x.drain(..unwanted * width);
        let once = once.get(unwanted..).unwrap_or_default();
        let q = Heads::rows(&queries[unwanted * query..], heads, 2 * half);
        let [k, v] = [&keys[..new.end], &values[..new.end]].map(|rows| Heads::rows(rows, kv_heads, 2 * half));
        Attention { scale: 1.0 / ((2 * half) as f32).sqrt(), causal: true }.attend(q, k, v, attended);
        add_product(rows, attended, once, &self.out, x);

        normalise(x, &self.norm2, None, self.eps, normed);
        product(rows, normed, once, &self.gate_up, gate_up);
        // SAFETY: `gate_up` has a row for each that is wanted, `for_rows` covers the output, and the kernel writes all of each row.
        unsafe {
            rewritten(gated, wanted * wide, |out| {
                for_rows(out, wide, |first, out| {
                    for (out, row) in out.chunks_exact_mut(wide).zip(gate_up.chunks_exact(2 * wide).skip(first)) {
                        let (gate, up) = row.split_at(wide);
                        Silu { gate, up, out }.dispatch();
                    }
                });
            });
        }
        add_product(rows, gated, once, &self.down, x);
    }
}

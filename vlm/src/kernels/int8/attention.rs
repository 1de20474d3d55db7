//! Attention of a whole picture in bytes: every query sees every key.
//!
//! A few queries at a time: their scores over all keys, in f32, fit the first cache; the softmax's shares become bytes and
//! are multiplied with the values. No matrix of all scores exists. Shares are rounded to 255ths of the query's largest one
//! and divided by the sum of what they were rounded to.

#![allow(unsafe_code, reason = "vector loads and stores through pointers")]

use rten_simd::ops::{BitOps, NumOps};
use rten_simd::{Isa, Simd};

use super::dot::ROWS;
use super::packed::{Packed, Planes};
use super::rows::{MOST, Rows, store_bytes};
use super::tokens::{set_columns, set_key};
use crate::kernels::simd::{exp, load, store, vectors};

/// Keys and values of one head.
pub(super) struct Head {
    keys: Packed,
    values: Packed,
    /// A key's bytes before they are packed.
    bytes: Vec<u8>,
}

/// What a thread needs to attend.
#[derive(Default)]
pub(super) struct Scratch {
    queries: Rows,
    shares: Rows,
    scores: Vec<f32>,
}

impl Head {
    pub(super) fn new() -> Self {
        Self { keys: Packed::zeros(0, 0, Planes::One), values: Packed::zeros(0, 0, Planes::One), bytes: Vec::new() }
    }

    /// Takes the keys and values of `count` tokens: rows of `width` values, each with the distance from one to the next.
    #[inline(always)]
    pub(super) fn set<I: Isa>(&mut self, isa: I, k: (&[f32], usize), v: (&[f32], usize), count: usize, width: usize) {
        self.keys.reset(count, width);
        for (token, k) in k.0.chunks(k.1).take(count).enumerate() {
            set_key(isa, &mut self.keys, token, &k[..width], &mut self.bytes);
        }
        self.values.reset(width, count);
        set_columns(isa, &mut self.values, v.0, count, width, v.1);
    }

    /// Attends with `count` queries, rows of the head's width `stride` apart, and writes as many rows to `out`, `out_stride` apart.
    #[inline(always)]
    pub(super) fn attend<I: Isa>(
        &self,
        isa: I,
        (q, stride, count): (&[f32], usize, usize),
        scale: f32,
        scratch: &mut Scratch,
        out: &mut [f32],
        out_stride: usize,
    ) {
        let (width, keys) = (self.keys.inputs(), self.keys.outputs());
        assert!(out.len() >= (count - 1) * out_stride + width);
        let Scratch { queries, shares, scores } = scratch;
        queries.reset(count, width);
        for (row, q) in q.chunks(stride).take(count).enumerate() {
            queries.set(isa, row, &q[..width]);
            queries.scale[row] *= scale;
        }
        scores.resize(ROWS * keys, 0.0);
        shares.reset(ROWS, keys);
        for first in (0..count).step_by(ROWS) {
            let rows = ROWS.min(count - first);
            let to = scores.as_mut_ptr();
            for panel in 0..self.keys.panels() {
                self.keys.multiply(
                    isa,
                    queries,
                    (first, rows),
                    panel,
                    None,
                    #[inline(always)]
                    |row, key, n, y| {
                        // SAFETY: `scores` has a value for each row and key.
                        unsafe { store(isa, y, to.add(row * keys + key), n) };
                    },
                );
            }
            for (row, scores) in scores.chunks_exact(keys).enumerate().take(rows) {
                softmax(isa, scores, shares, row);
            }
            let to = out[first * out_stride..].as_mut_ptr();
            for panel in 0..self.values.panels() {
                self.values.multiply(
                    isa,
                    shares,
                    (0, rows),
                    panel,
                    None,
                    #[inline(always)]
                    |row, column, n, y| {
                        // SAFETY: `out` has `width` values for each row.
                        unsafe { store(isa, y, to.add(row * out_stride + column), n) };
                    },
                );
            }
        }
    }
}

/// Sets a row of `shares` to the softmax of `scores`.
#[inline(always)]
fn softmax<I: Isa>(isa: I, scores: &[f32], shares: &mut Rows, row: usize) {
    let f = isa.f32();
    let input = scores.as_ptr();
    let lanes = f.len();
    let mut most = f.splat(f32::NEG_INFINITY);
    vectors(
        scores.len() / lanes * lanes,
        lanes,
        #[inline(always)]
        // SAFETY: `vectors` stays within the scores.
        |at, n| most = f.max(most, unsafe { load(isa, input.add(at), n) }),
    );
    let rest = &scores[scores.len() / lanes * lanes..];
    let most = most.to_array().into_iter().chain(rest.iter().copied()).fold(f32::NEG_INFINITY, f32::max);
    let (most, steps) = (f.splat(most), f.splat(MOST));
    let stride = shares.stride;
    let bytes = &mut shares.bytes[row * stride..][..stride];
    let out = bytes.as_mut_ptr();
    let mut finite = f.zero();
    vectors(
        scores.len(),
        lanes,
        #[inline(always)]
        |at, n| {
            // SAFETY: `vectors` stays within the scores, and there is a byte for each.
            unsafe {
                let share = exp(isa, f.sub(load(isa, input.add(at), n), most));
                finite = f.mul_add(share, f.zero(), finite);
                store_bytes(isa, f.mul(share, steps), out.add(at), n);
            }
        },
    );
    let total: u32 = bytes[..scores.len()].iter().map(|x| u32::from(*x)).sum();
    bytes[scores.len()..].fill(0);
    // The largest share is 255, so the total is not zero, unless a score was no number: then this sum is none either.
    shares.scale[row] = 1.0 / total as f32 + f.sum(finite);
    shares.zero[row] = 0.0;
}

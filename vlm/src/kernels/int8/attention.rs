//! Attention of a whole picture in bytes: every query sees every key.
//!
//! A few queries at a time: their scores over all keys, in f32, fit the first cache; the softmax's
//! shares become bytes and are multiplied with the values. No matrix of all scores exists. Shares
//! are rounded to 255ths of the query's largest one and divided by the sum of what they were
//! rounded to.

#![allow(unsafe_code, reason = "vector loads and stores through pointers")]

use rten_simd::ops::{BitOps, FloatOps, IntOps, NumOps, ToFloat};
use rten_simd::{Isa, Simd};

use crate::kernels::int8::dot::MR;
use crate::kernels::int8::kv::{set_columns, set_key};
use crate::kernels::int8::packed::{Levels, NO_SUMS, Packed};
use crate::kernels::int8::rows::{MOST, Rows, store_low_bytes};
use crate::kernels::simd::{fold, larger, load, vectors};

/// Keys and values of one head.
pub(crate) struct Head {
    keys: Packed,
    values: Packed,
    /// A key's bytes before they are packed.
    bytes: Vec<u8>,
}

/// What a thread needs to attend.
#[derive(Default)]
pub(crate) struct Scratch {
    queries: Rows,
    shares: Rows,
    scores: Vec<f32>,
}

impl Head {
    pub(crate) fn new() -> Self {
        Self { keys: Packed::zeros(0, 0, Levels::One), values: Packed::zeros(0, 0, Levels::One), bytes: Vec::new() }
    }

    /// Takes the keys and values of `count` tokens: rows of `width` values, each with the distance
    /// from one to the next.
    #[inline(always)]
    pub(crate) fn set<I: Isa>(&mut self, isa: I, k: (&[f32], usize), v: (&[f32], usize), count: usize, width: usize) {
        self.keys.reset(count, width);
        for (token, k) in k.0.chunks(k.1).take(count).enumerate() {
            set_key(isa, &mut self.keys, token, &k[..width], &mut self.bytes);
        }
        self.values.reset(width, count);
        set_columns(isa, &mut self.values, v.0, count, width, v.1);
    }

    /// Attends with `count` queries, rows of the head's width `stride` apart, and writes as many
    /// rows to `out`, `out_stride` apart.
    #[inline(always)]
    pub(crate) fn attend<I: Isa>(
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
            // Scores to the base of two, as the softmax wants them.
            queries.scale[row] *= scale * std::f32::consts::LOG2_E;
        }
        scores.resize(MR * keys, 0.0);
        shares.reset(MR, keys);
        let f = isa.f32();
        let least = f.splat(f32::NEG_INFINITY);
        let mut sums = NO_SUMS;
        for first in (0..count).step_by(MR) {
            let rows = MR.min(count - first);
            let mut most = [least; MR];
            for number in 0..self.keys.tiles() {
                let tile = self.keys.tile(number);
                tile.multiply(queries, first..first + rows, &mut sums);
                for (row, (sums, most)) in sums.iter().zip(&mut most).enumerate().take(rows) {
                    let to = scores[row * keys + tile.first..][..tile.outputs].as_mut_ptr();
                    let row = first + row;
                    // SAFETY: as many scores as the tile has outputs.
                    unsafe {
                        tile.put(
                            isa,
                            (queries, row..row + 1),
                            std::slice::from_ref(sums),
                            None,
                            to,
                            #[inline(always)]
                            |_, n, y| {
                                let seen = if n == f.len() { y } else { f.select(y, least, f.first_n_mask(n)) };
                                *most = f.max(*most, seen);
                                y
                            },
                        );
                    }
                }
            }
            for ((row, scores), most) in scores.chunks_exact(keys).enumerate().zip(most).take(rows) {
                let most = fold(isa, most, larger);
                softmax(isa, scores, most, shares, row);
            }
            for number in 0..self.values.tiles() {
                let tile = self.values.tile(number);
                tile.multiply(shares, 0..rows, &mut sums);
                for (row, sums) in sums.iter().enumerate().take(rows) {
                    let to = out[(first + row) * out_stride + tile.first..][..tile.outputs].as_mut_ptr();
                    // SAFETY: as many values as the tile has outputs.
                    unsafe {
                        tile.put(
                            isa,
                            (shares, row..row + 1),
                            std::slice::from_ref(sums),
                            None,
                            to,
                            #[inline(always)]
                            |_, _, y| y,
                        );
                    }
                }
            }
        }
    }
}

/// Sets a row of `shares` to the softmax of `scores`, of which `most` is the largest, to the base
/// of two.
#[inline(always)]
fn softmax<I: Isa>(isa: I, scores: &[f32], most: f32, shares: &mut Rows, row: usize) {
    let (f, int) = (isa.f32(), isa.i32());
    let input = scores.as_ptr();
    // The largest share is 255: the exponent that makes it so goes into what is taken away.
    let most = f.splat(most - MOST.log2());
    let stride = shares.stride;
    let bytes = &mut shares.bytes[row * stride..][..stride];
    let out = bytes.as_mut_ptr();
    let (mut finite, mut total) = (f.zero(), int.zero());
    vectors(
        scores.len(),
        f.len(),
        #[inline(always)]
        |at, n| {
            // SAFETY: `vectors` stays within the scores, and there is a byte for each.
            unsafe {
                let below = f.sub(load(isa, input.add(at), n), most);
                finite = f.mul_add(below, f.zero(), finite);
                // None is more than a byte holds, if the scores are numbers.
                let share = f.to_int_round(power_of_two(isa, below));
                total = int
                    .add(total, if n == f.len() { share } else { int.select(share, int.zero(), int.first_n_mask(n)) });
                store_low_bytes(isa, share, out.add(at), n);
            }
        },
    );
    bytes[scores.len()..].fill(0);
    // The largest share is 255, so the total is not zero, unless a score was NaN: then this sum is,
    // too.
    shares.scale[row] = 1.0 / f.sum(int.to_float(total)) + f.sum(finite);
    shares.zero[row] = 0.0;
}

// 2^r = 1 + r (C1 + C2 r + C3 r^2) for |r| <= 1/2, fitted for the least relative error: 1e-4, a
// fortieth of one of 255 steps.
const C1: f32 = 0.693_282_9;
const C2: f32 = 0.226_171_2;
const C3: f32 = 0.078_024_6;
/// Below this, next to nothing is left of a byte.
const LEAST_EXPONENT: f32 = -100.0;

/// `2^x` for `x` up to 8, as exactly as a byte can tell, and next to zero for what is far below
/// zero.
#[inline(always)]
fn power_of_two<I: Isa>(isa: I, x: I::F32) -> I::F32 {
    let (f, int) = (isa.f32(), isa.i32());
    let x = f.max(x, f.splat(LEAST_EXPONENT));
    let whole = f.to_int_round(x);
    let rest = f.sub(x, int.to_float(whole));
    let p = f.mul_add(f.splat(C3), rest, f.splat(C2));
    let p = f.mul_add(p, rest, f.splat(C1));
    let p = f.mul_add(p, rest, f.one());
    // Multiplied with a power of two by adding to the exponent's bits.
    let bits: I::I32 = p.reinterpret_cast();
    int.add(bits, int.shift_left::<23>(whole)).reinterpret_cast()
}

//! Dot products of a few input rows with each row of a weight: the passes of one token, or of a short draft.

#![allow(unsafe_code, reason = "vector loads through pointers and disjoint writes by parallel tasks")]

use std::ops::Range;

use rten_simd::Isa;
use rten_simd::ops::{BitOps, NumOps};

use super::simd::{Shared, load, vectors};

/// Some outputs, for few rows.
pub(super) struct Dots<'a> {
    pub(super) x: &'a [f32],
    /// The weights of these outputs.
    pub(super) weight: &'a [f32],
    pub(super) bias: Option<&'a [f32]>,
    pub(super) range: Range<usize>,
    pub(super) t: usize,
    pub(super) outputs: usize,
    pub(super) out: Shared,
}

impl Dots<'_> {
    #[inline(always)]
    pub(super) fn eval<I: Isa>(&self, isa: I) {
        // Input rows by weight rows, so that the sums fit the registers: AVX-512 has 32, AVX2 16.
        match self.t {
            1 => self.one_row(isa),
            2 => self.multiply::<I, 2, 4>(isa),
            3 => self.multiply::<I, 3, 2>(isa),
            4 => self.multiply::<I, 4, 2>(isa),
            5 => self.multiply::<I, 5, 2>(isa),
            6 => self.multiply::<I, 6, 2>(isa),
            7 => self.multiply::<I, 7, 1>(isa),
            _ => self.multiply::<I, 8, 1>(isa),
        }
    }

    #[inline(always)]
    fn multiply<I: Isa, const T: usize, const W: usize>(&self, isa: I) {
        let inputs = self.x.len() / T;
        let count = self.range.len();
        assert!(self.t == T && self.x.len() == T * inputs && self.weight.len() == count * inputs);
        let mut at = 0;
        while at < count {
            let sums = if at + W <= count {
                self.dots::<I, T, W>(isa, at, inputs)
            } else {
                let mut sums = [[0.0; W]; T];
                for w in 0..count - at {
                    let one = self.dots::<I, T, 1>(isa, at + w, inputs);
                    for (sums, [one]) in sums.iter_mut().zip(one) {
                        sums[w] = one;
                    }
                }
                sums
            };
            for w in 0..W.min(count - at) {
                let output = self.range.start + at + w;
                let bias = self.bias.map_or(0.0, |bias| bias[output]);
                for (row, sums) in sums.iter().enumerate() {
                    // SAFETY: `row < t` and `output < outputs`, and this output is this task's.
                    unsafe { self.out.at(row * self.outputs + output).write(sums[w] + bias) };
                }
            }
            at += W;
        }
    }

    /// One input row: the weights are read as the single stream that they are, in four running sums.
    #[inline(always)]
    fn one_row<I: Isa>(&self, isa: I) {
        let f = isa.f32();
        let (inputs, step) = (self.x.len(), 4 * f.len());
        let whole = inputs - inputs % step;
        let x = self.x.as_ptr();
        for (output, weight) in self.range.clone().zip(self.weight.chunks_exact(inputs)) {
            let weight = weight.as_ptr();
            let mut sums = [f.zero(); 4];
            // SAFETY: up to `inputs` values of both are read.
            unsafe {
                for at in (0..whole).step_by(step) {
                    for (i, sum) in sums.iter_mut().enumerate() {
                        let at = at + i * f.len();
                        *sum = f.mul_add(f.load_ptr(x.add(at)), f.load_ptr(weight.add(at)), *sum);
                    }
                }
                vectors(
                    inputs - whole,
                    f.len(),
                    #[inline(always)]
                    |at, n| {
                        let (x, weight) = (load(isa, x.add(whole + at), n), load(isa, weight.add(whole + at), n));
                        sums[0] = f.mul_add(x, weight, sums[0]);
                    },
                );
            }
            let [a, b, c, d] = sums;
            let sum = f.sum(f.add(f.add(a, b), f.add(c, d))) + self.bias.map_or(0.0, |bias| bias[output]);
            // SAFETY: `output < outputs`, and this output is this task's.
            unsafe { self.out.at(output).write(sum) };
        }
    }

    /// Every input row times `W` weight rows from `first` on.
    #[inline(always)]
    fn dots<I: Isa, const T: usize, const W: usize>(&self, isa: I, first: usize, inputs: usize) -> [[f32; W]; T] {
        let f = isa.f32();
        let weight = self.weight[first * inputs..][..W * inputs].as_ptr();
        let x = self.x.as_ptr();
        let mut sums = [[f.zero(); W]; T];
        vectors(
            inputs,
            f.len(),
            #[inline(always)]
            |at, n| {
                // SAFETY: `at + n <= inputs`, of which `weight` has W rows and `x` T.
                unsafe {
                    let mut weights = [f.zero(); W];
                    for (w, values) in weights.iter_mut().enumerate() {
                        let at = weight.add(w * inputs + at);
                        // The next rows: several short streams at once are more than processors foresee.
                        f.prefetch(at.wrapping_add(W * inputs));
                        *values = load(isa, at, n);
                    }
                    for (row, sums) in sums.iter_mut().enumerate() {
                        let x = load(isa, x.add(row * inputs + at), n);
                        for (sum, &weight) in sums.iter_mut().zip(&weights) {
                            *sum = f.mul_add(x, weight, *sum);
                        }
                    }
                }
            },
        );
        let mut totals = [[0.0; W]; T];
        for (totals, sums) in totals.iter_mut().zip(sums) {
            for (total, sum) in totals.iter_mut().zip(sums) {
                *total = f.sum(sum);
            }
        }
        totals
    }
}

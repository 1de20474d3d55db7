//! Rows of activations as unsigned bytes, each row with its own scale and zero point.
//!
//! A value is `scale * (byte - zero)`. The range of a row always holds zero, so that zero is exact. A row whose values span less than
//! the smallest normal number counts as zeros; one that holds an infinity or no number has the scale NaN, and all that is
//! computed from it is NaN.

#![allow(unsafe_code, reason = "vector loads and stores through pointers")]

use rten_simd::ops::{BitOps, FloatOps, NumOps};
use rten_simd::{Isa, Simd};

use super::dot::GROUP;
use crate::kernels::simd::{load, vectors};

/// The largest byte.
pub(super) const MOST: f32 = 255.0;
/// Lanes of the widest vectors.
const LANES: usize = 16;

/// Some rows. Used again for the next ones: [`Rows::reset`] only grows it.
#[derive(Default)]
pub(super) struct Rows {
    pub(super) bytes: Vec<u8>,
    /// Bytes from one row to the next: the width in whole groups.
    pub(super) stride: usize,
    pub(super) scale: Vec<f32>,
    pub(super) zero: Vec<f32>,
}

impl Rows {
    /// Makes room for `count` rows of `width` values. What the rows hold until they are set is undefined.
    pub(super) fn reset(&mut self, count: usize, width: usize) {
        self.stride = width.next_multiple_of(GROUP);
        self.bytes.resize(count * self.stride, 0);
        self.scale.resize(count, 0.0);
        self.zero.resize(count, 0.0);
    }

    /// How many rows there are.
    pub(super) fn count(&self) -> usize {
        self.scale.len()
    }

    /// Sets a row.
    #[inline(always)]
    pub(super) fn set<I: Isa>(&mut self, isa: I, row: usize, x: &[f32]) {
        let bytes = &mut self.bytes[row * self.stride..][..self.stride];
        assert!(x.len() <= bytes.len());
        let (scale, zero) = range(isa, x);
        (self.scale[row], self.zero[row]) = (scale, zero);
        let per = if scale > 0.0 { 1.0 / scale } else { 0.0 };
        let f = isa.f32();
        let (input, at_bytes) = (x.as_ptr(), bytes.as_mut_ptr());
        let (per, zeros) = (f.splat(per), f.splat(zero));
        vectors(
            x.len(),
            f.len(),
            #[inline(always)]
            |at, n| {
                // SAFETY: `vectors` stays within `x`, and `bytes` is as long.
                unsafe { store_bytes(isa, f.mul_add(load(isa, input.add(at), n), per, zeros), at_bytes.add(at), n) };
            },
        );
        bytes[x.len()..].fill(0);
    }

    /// Sets a row and, in the next one, what its bytes missed: together they are as good as 16 bits.
    #[inline(always)]
    pub(super) fn set_twice<I: Isa>(&mut self, isa: I, row: usize, x: &[f32], missed: &mut [f32]) {
        self.set(isa, row, x);
        let (scale, zero) = (self.scale[row], self.zero[row]);
        let bytes = &self.bytes[row * self.stride..][..x.len()];
        for ((missed, x), byte) in missed.iter_mut().zip(x).zip(bytes) {
            *missed = x - scale * (f32::from(*byte) - zero);
        }
        self.set(isa, row + 1, &missed[..x.len()]);
    }
}

/// The scale and zero point of some values.
#[inline(always)]
fn range<I: Isa>(isa: I, x: &[f32]) -> (f32, f32) {
    let f = isa.f32();
    let (mut low, mut high, mut finite) = (f.zero(), f.zero(), f.zero());
    let input = x.as_ptr();
    vectors(
        x.len(),
        f.len(),
        #[inline(always)]
        |at, n| {
            // SAFETY: `vectors` stays within `x`.
            let x = unsafe { load(isa, input.add(at), n) };
            (low, high) = (f.min(low, x), f.max(high, x));
            // What is not finite makes this sum NaN; what min and max make of NaN differs between processors.
            finite = f.mul_add(x, f.zero(), finite);
        },
    );
    let low = low.to_array().into_iter().fold(0.0, f32::min);
    let high = high.to_array().into_iter().fold(0.0, f32::max);
    if f.sum(finite) != 0.0 || !(high - low).is_finite() {
        return (f32::NAN, 0.0);
    }
    if high - low < MOST * f32::MIN_POSITIVE {
        return (0.0, 0.0);
    }
    let scale = (high - low) / MOST;
    (scale, (-low / scale).round_ties_even())
}

/// Stores the first `n` lanes as bytes: rounded to the nearest, ties to even, and kept between 0 and 255.
///
/// # Safety
/// `n` is at most the number of lanes, and `at..at + n` is writable.
#[inline(always)]
pub(super) unsafe fn store_bytes<I: Isa>(isa: I, x: I::F32, at: *mut u8, n: usize) {
    let f = isa.f32();
    let int = f.to_int_round(f.min(f.max(x, f.zero()), f.splat(MOST)));
    let mut lanes = [0i32; LANES];
    // SAFETY: no vector has more than 16 lanes; the caller says where to write.
    unsafe {
        isa.i32().store_ptr(int, lanes.as_mut_ptr());
        for (i, x) in lanes.into_iter().enumerate().take(n) {
            at.add(i).write(x as u8);
        }
    }
}

//! Rows of activations as unsigned bytes, each row with its own scale and zero point.
//!
//! A value is `scale * (byte - zero)`. The range of a row always holds zero, so that zero is exact.
//! A row whose values span less than the smallest normal number counts as zeros; one that holds an
//! infinity or NaN has the scale NaN, and all that is computed from it is NaN.

#![allow(unsafe_code, reason = "vector loads and stores through pointers")]

use std::iter::repeat_n;

use rten_simd::ops::{BitOps, FloatOps, NumOps};
use rten_simd::{Isa, SimdOp};

use crate::kernels::int8::dot::{GROUP, MR};
use crate::kernels::parallel;
use crate::kernels::simd::{Dispatch as _, SERIAL_VALUES, fold, larger, load, smaller, vectors};

/// The largest byte.
pub(crate) const MOST: f32 = 255.0;
/// Lanes of the widest vectors.
const LANES: usize = 16;

/// Some rows. Used again for the next ones: [`Rows::reset`] only grows it.
#[derive(Default)]
pub(crate) struct Rows {
    pub(crate) bytes: Vec<u8>,
    /// Bytes from one row to the next: the width in whole groups.
    pub(crate) stride: usize,
    pub(crate) scale: Vec<f32>,
    pub(crate) zero: Vec<f32>,
}

impl Rows {
    /// Makes room for `count` rows of `width` values. What the rows hold until they are set is
    /// undefined.
    pub(crate) fn reset(&mut self, count: usize, width: usize) {
        self.stride = width.next_multiple_of(GROUP);
        self.bytes.resize(count * self.stride, 0);
        self.scale.resize(count, 0.0);
        self.zero.resize(count, 0.0);
    }

    /// How many rows there are.
    pub(crate) fn count(&self) -> usize {
        self.scale.len()
    }

    /// Sets a row.
    #[inline(always)]
    pub(crate) fn set<I: Isa>(&mut self, isa: I, row: usize, x: &[f32]) {
        let bytes = &mut self.bytes[row * self.stride..][..self.stride];
        (self.scale[row], self.zero[row]) = fill(isa, bytes, x);
    }

    /// Sets a row to numbers that are bytes already.
    #[inline(always)]
    pub(crate) fn set_bytes(&mut self, row: usize, x: impl Iterator<Item = u8>) {
        let bytes = &mut self.bytes[row * self.stride..][..self.stride];
        // What is left over of a whole group is zero in the weights.
        bytes.iter_mut().zip(x).for_each(|(byte, x)| *byte = x);
        (self.scale[row], self.zero[row]) = (1.0, 0.0);
    }

    /// Takes whole rows of `width` values, two rows for each: its bytes, and the residual that they
    /// leave, in bytes. Together they are as good as 16 bits. A row of a single pass, by its
    /// number, has no residual. Returns which row each of these belongs to.
    pub(crate) fn set_with_residuals(&mut self, x: &[f32], width: usize, single_pass: &[bool]) -> Vec<usize> {
        let passes = |row: usize| if single_pass.get(row) == Some(&true) { 1 } else { 2 };
        let of: Vec<usize> = (0..x.len() / width).flat_map(|row| repeat_n(row, passes(row))).collect();
        self.reset(of.len(), width);
        let (mut bytes, mut scale, mut zero) = (&mut self.bytes[..], &mut self.scale[..], &mut self.zero[..]);
        let rows = of.chunk_by(|a, b| a == b).zip(x.chunks(width)).map(|(passes, x)| RowAndResidual {
            bytes: bytes.split_off_mut(..passes.len() * self.stride).unwrap_or_default(),
            scale: scale.split_off_mut(..passes.len()).unwrap_or_default(),
            zero: zero.split_off_mut(..passes.len()).unwrap_or_default(),
            x,
        });
        if x.len() <= SERIAL_VALUES / 4 {
            // Waking other threads would cost more.
            rows.for_each(|mut row| (&mut row).dispatch_here());
        } else {
            let mut rows: Vec<_> = rows.collect();
            parallel::for_each_mut(&mut rows, |_, row| row.dispatch_here());
        }
        of
    }
}

/// A row and, where there is room for it, its residual.
struct RowAndResidual<'a> {
    bytes: &'a mut [u8],
    scale: &'a mut [f32],
    zero: &'a mut [f32],
    x: &'a [f32],
}

impl SimdOp for &mut RowAndResidual<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        let RowAndResidual { bytes, scale, zero, x } = self;
        let (first, second) = bytes.split_at_mut(bytes.len() / scale.len());
        (scale[0], zero[0]) = fill(isa, first, x);
        if second.is_empty() {
            return;
        }
        let (step, zeros) = (scale[0], zero[0]);
        let residual = |(x, byte): (&f32, &u8)| x - step * (f32::from(*byte) - zeros);
        let residual: Vec<f32> = x.iter().zip(&*first).map(residual).collect();
        (scale[1], zero[1]) = fill(isa, second, &residual);
    }
}

/// Writes a row's bytes. Returns its scale and zero point.
#[inline(always)]
fn fill<I: Isa>(isa: I, bytes: &mut [u8], x: &[f32]) -> (f32, f32) {
    assert!(x.len() <= bytes.len());
    let (scale, zero) = range(isa, x);
    let per = if scale > 0.0 { 1.0 / scale } else { 0.0 };
    let f = isa.f32();
    let (input, out) = (x.as_ptr(), bytes.as_mut_ptr());
    let (per, zeros) = (f.splat(per), f.splat(zero));
    vectors(
        x.len(),
        f.len(),
        #[inline(always)]
        |at, n| {
            // SAFETY: `vectors` stays within `x`, and `bytes` is as long.
            unsafe { store_bytes(isa, f.mul_add(load(isa, input.add(at), n), per, zeros), out.add(at), n) };
        },
    );
    bytes[x.len()..].fill(0);
    (scale, zero)
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
            // What is not finite makes this sum NaN; what min and max make of NaN differs between
            // processors.
            finite = f.mul_add(x, f.zero(), finite);
        },
    );
    let low = fold(isa, low, smaller);
    let high = fold(isa, high, larger);
    if f.sum(finite) != 0.0 || !(high - low).is_finite() {
        return (f32::NAN, 0.0);
    }
    if high - low < MOST * f32::MIN_POSITIVE {
        return (0.0, 0.0);
    }
    let scale = (high - low) / MOST;
    (scale, (-low / scale).round_ties_even())
}

/// Stores the first `n` lanes as bytes: rounded to the nearest, ties to even, and kept between 0
/// and 255.
///
/// # Safety
/// `n` is at most the number of lanes, and `at..at + n` is writable.
#[inline(always)]
pub(crate) unsafe fn store_bytes<I: Isa>(isa: I, x: I::F32, at: *mut u8, n: usize) {
    let f = isa.f32();
    // SAFETY: the caller's.
    unsafe { store_low_bytes(isa, f.to_int_round(f.min(f.max(x, f.zero()), f.splat(MOST))), at, n) };
}

/// Stores the lowest bytes of the first `n` lanes.
///
/// # Safety
/// `n` is at most the number of lanes, and `at..at + n` is writable.
#[inline(always)]
pub(crate) unsafe fn store_low_bytes<I: Isa>(isa: I, x: I::I32, at: *mut u8, n: usize) {
    let mut lanes = [0i32; LANES];
    // SAFETY: no vector has more than 16 lanes; the caller says where to write.
    unsafe {
        isa.i32().store_ptr(x, lanes.as_mut_ptr());
        // Whole vectors are an instruction or two, of whatever width; a copy of any length is a
        // call.
        match (n, isa.i32().len()) {
            (16, 16) => at.cast::<[u8; 16]>().write_unaligned(lanes.map(|x| x as u8)),
            (8, 8) => at.cast::<[u8; 8]>().write_unaligned(std::array::from_fn(|i| lanes[i] as u8)),
            (4, 4) => at.cast::<[u8; 4]>().write_unaligned(std::array::from_fn(|i| lanes[i] as u8)),
            _ => at.copy_from_nonoverlapping(lanes.map(|x| x as u8).as_ptr(), n),
        }
    }
}
/// Rows of a task: several batches of the microkernel, few enough that what is made of them stays
/// in the second cache. Of those sizes the one with which the thread that gets most of `rows` gets
/// fewest.
pub(crate) fn block(rows: usize) -> usize {
    let threads = rayon::current_num_threads();
    let most = |block: &usize| {
        let (blocks, last) = (rows.div_ceil(*block), rows - (rows.div_ceil(*block) - 1) * block);
        // The last block may be short: where only one thread has a block more than others, that is
        // the one.
        let whole = blocks.div_ceil(threads) * block;
        if (blocks - 1).is_multiple_of(threads) { whole - block + last } else { whole }
    };
    (4..=8).rev().map(|batches| batches * MR).min_by_key(most).unwrap_or(MR)
}

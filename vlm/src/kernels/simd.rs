//! What the fused kernels share: vectors, an exponential, uninitialised results and work split over
//! the current pool.
//!
//! A kernel is a [`rten_simd::SimdOp`], generic over instruction sets, whose inner functions are
//! all inlined into it. [`Dispatch::dispatch_here`] runs it with the set that this thread is to use
//! ([`crate::kernels::cpu`]). It takes the place of rten-simd's own `dispatch`, which knows no cap:
//! the types of the instruction sets are public, so their values, which prove that the processor
//! has them, are made once, and a kernel is evaluated inside of a function that enables what the
//! type stands for. Nothing here knows what is computed.

#![allow(unsafe_code, reason = "vector loads and stores through pointers, and results written before they are read")]

use std::mem::MaybeUninit;

use candle_core::{CpuStorage, Layout, Result, Shape, bail};
use rten_simd::ops::{BitOps, FloatOps, IntOps, NumOps, ToFloat};
use rten_simd::{Isa, Simd, SimdOp};

use crate::kernels::cpu::{CpuFeatures, Vectors};
use crate::kernels::parallel;

/// Elementwise work below this many values costs less than waking other threads.
pub(crate) const SERIAL_VALUES: usize = 64 * 1024;

/// What every kernel is run by.
pub(crate) trait Dispatch: SimdOp + Sized {
    /// Evaluates the kernel with the instruction set that this thread is to use.
    fn dispatch_here(self) -> Self::Output;
}

impl<Op: SimdOp> Dispatch for Op {
    #[inline]
    fn dispatch_here(self) -> Self::Output {
        match CpuFeatures::here().vectors() {
            Vectors::Generic(isa) => self.eval(isa),
            // SAFETY: there is a value of this type only where the processor has what the function
            // enables.
            #[cfg(target_arch = "x86_64")]
            Vectors::Avx2(isa) => unsafe { with_avx2(self, isa) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Vectors::Avx512(isa) => unsafe { with_avx512(self, isa) },
            #[cfg(target_arch = "aarch64")]
            Vectors::Neon(isa) => self.eval(isa),
        }
    }
}

/// What `Avx2Isa::new` asks for is enabled.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx,avx2,fma,f16c")]
fn with_avx2<Op: SimdOp>(op: Op, isa: rten_simd::isa::Avx2Isa) -> Op::Output {
    op.eval(isa)
}

/// What `Avx512Isa::new` asks for is enabled.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,f16c")]
fn with_avx512<Op: SimdOp>(op: Op, isa: rten_simd::isa::Avx512Isa) -> Op::Output {
    op.eval(isa)
}

/// Runs plain loops in the vectors that kernels are dispatched to on this thread: whatever is
/// inlined into `work` is compiled for each instruction set.
#[inline]
pub fn in_vectors<T>(work: impl FnOnce() -> T) -> T {
    struct Plain<F>(F);
    impl<T, F: FnOnce() -> T> SimdOp for Plain<F> {
        type Output = T;

        #[inline(always)]
        fn eval<I: Isa>(self, _: I) -> T {
            (self.0)()
        }
    }
    Plain(work).dispatch_here()
}

/// f32 lanes of the vectors that kernels are dispatched to on this thread.
pub(crate) fn lanes() -> usize {
    struct Lanes;
    impl SimdOp for Lanes {
        type Output = usize;

        fn eval<I: Isa>(self, isa: I) -> usize {
            isa.f32().len()
        }
    }
    Lanes.dispatch_here()
}

/// The values of a contiguous f32 tensor on the CPU.
pub(crate) fn values<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(&storage.as_slice::<f32>()?[start..end]),
        None => bail!("a fused kernel was given a strided tensor of shape {:?}", layout.shape()),
    }
}

/// A vector of `len` values that `fill` writes.
///
/// # Safety
/// `fill` must write every element.
pub(crate) unsafe fn written(len: usize, fill: impl FnOnce(&mut [MaybeUninit<f32>])) -> Vec<f32> {
    let mut out = Vec::new();
    // SAFETY: the caller's.
    unsafe { rewritten(&mut out, len, fill) };
    out
}

/// The same in a vector that is used again, in the place of what it holds.
///
/// # Safety
/// `fill` must write every element.
pub(crate) unsafe fn rewritten(out: &mut Vec<f32>, len: usize, fill: impl FnOnce(&mut [MaybeUninit<f32>])) {
    out.clear();
    out.reserve_exact(len);
    fill(&mut out.spare_capacity_mut()[..len]);
    // SAFETY: the capacity is at least `len`, and the caller says that all of it is written.
    unsafe { out.set_len(len) };
}

/// Calls `work` on pieces of `out` of whole rows, with the index of the piece's first row; on the
/// current pool when it pays.
pub(crate) fn for_rows(
    out: &mut [MaybeUninit<f32>],
    width: usize,
    work: impl Fn(usize, &mut [MaybeUninit<f32>]) + Sync + Send,
) {
    if out.len() <= SERIAL_VALUES {
        return work(0, out);
    }
    let rows = (SERIAL_VALUES / 4).div_ceil(width);
    let mut pieces: Vec<_> = out.chunks_mut(rows * width).collect();
    parallel::for_each_mut(&mut pieces, |i, piece| work(i * rows, piece));
}

/// What an operation of two contiguous tensors of one shape makes of each pair of values: `piece`
/// gets as many of either and as much room for results.
///
/// # Safety
/// `piece` must write every element of its room.
pub(crate) unsafe fn pairwise(
    (x, l1): (&CpuStorage, &Layout),
    (y, l2): (&CpuStorage, &Layout),
    piece: impl Fn(&[f32], &[f32], &mut [MaybeUninit<f32>]) + Sync + Send,
) -> Result<(CpuStorage, Shape)> {
    let (x, y) = (values(x, l1)?, values(y, l2)?);
    // SAFETY: `for_rows` covers the output, and the caller says that each piece is written.
    let out = unsafe {
        written(x.len(), |out| {
            for_rows(out, 1, |at, out| {
                let range = at..at + out.len();
                piece(&x[range.clone()], &y[range], out);
            });
        })
    };
    Ok((CpuStorage::F32(out), l1.shape().clone()))
}

/// A pointer to results of which every task writes its own part.
#[derive(Clone, Copy)]
pub(crate) struct Shared(pub(crate) *mut f32);
// SAFETY: whoever shares it makes the parts disjoint and joins the tasks before reading.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

impl Shared {
    /// The pointer `offset` values further on.
    ///
    /// # Safety
    /// `offset` must lie within the allocation.
    pub(crate) unsafe fn at(self, offset: usize) -> *mut f32 {
        // SAFETY: the caller's.
        unsafe { self.0.add(offset) }
    }
}

/// Calls `body(vector, mask)` for every vector of `0..len`: its offset, and how many lanes count.
#[inline(always)]
pub(crate) fn vectors(len: usize, lanes: usize, mut body: impl FnMut(usize, usize)) {
    let mut at = 0;
    while at + lanes <= len {
        body(at, lanes);
        at += lanes;
    }
    if at < len {
        body(at, len - at);
    }
}

/// Loads `n` values at `at`, padding with zeros.
///
/// # Safety
/// `n` is at most the number of lanes, and `at..at + n` is readable.
#[inline(always)]
pub(crate) unsafe fn load<I: Isa>(isa: I, at: *const f32, n: usize) -> I::F32 {
    let f = isa.f32();
    // SAFETY: the caller's.
    unsafe { if n == f.len() { f.load_ptr(at) } else { f.load_ptr_mask(at, f.first_n_mask(n)) } }
}

/// Stores the first `n` lanes at `at`.
///
/// # Safety
/// `n` is at most the number of lanes, and `at..at + n` is writable.
#[inline(always)]
pub(crate) unsafe fn store<I: Isa>(isa: I, x: I::F32, at: *mut f32, n: usize) {
    let f = isa.f32();
    // SAFETY: the caller's.
    unsafe { if n == f.len() { f.store_ptr(x, at) } else { f.store_ptr_mask(x, at, f.first_n_mask(n)) } }
}

/// Folds the lanes of a vector, halves first: as few steps as there are, which is what a row of few
/// vectors mostly costs.
#[inline(always)]
pub(crate) fn fold<I: Isa>(isa: I, x: I::F32, fold: impl Fn(f32, f32) -> f32) -> f32 {
    let mut lanes = x.to_array();
    let mut n = isa.f32().len();
    while n > 1 {
        n /= 2;
        for i in 0..n {
            lanes[i] = fold(lanes[i], lanes[n + i]);
        }
    }
    lanes[0]
}

/// The larger one; of NaN and a number, the second.
#[inline(always)]
pub(crate) fn larger(a: f32, b: f32) -> f32 {
    if a > b { a } else { b }
}

/// The smaller one; of NaN and a number, the second.
#[inline(always)]
pub(crate) fn smaller(a: f32, b: f32) -> f32 {
    if a < b { a } else { b }
}

// e^r = 1 + r + r^2 (C2 + C3 r + C4 r^2 + C5 r^3) for |r| <= ln 2 / 2, fitted for the least
// relative error: 1.05e-7.
const C2: f32 = 0.499_992_3;
const C3: f32 = 0.166_671_16;
const C4: f32 = 0.041_890_33;
const C5: f32 = 0.008_312_501;
/// ln 2 in two parts, of which the first times a small integer is exact.
const LN_2_HIGH: f32 = 0.693_359_4;
const LN_2_LOW: f32 = -2.121_944_4e-4;
/// Below this the result is zero, above [`EXP_MAX`] infinite: both a little before f32's own
/// limits.
const EXP_MIN: f32 = -88.0;
const EXP_MAX: f32 = 88.8;

/// `e^x`, within 3e-7 relative; results under 1.2e-38 are zero and over 2.4e38 infinite, NaN stays
/// NaN.
#[inline(always)]
pub(crate) fn exp<I: Isa>(isa: I, x: I::F32) -> I::F32 {
    let (f, int) = (isa.f32(), isa.i32());
    // Comparisons with NaN are false, so it passes; what min and max make of it differs between
    // processors.
    let x = f.select(f.splat(EXP_MIN), x, f.lt(x, f.splat(EXP_MIN)));
    let x = f.select(f.splat(EXP_MAX), x, f.gt(x, f.splat(EXP_MAX)));
    let exponent = f.to_int_round(f.mul(x, f.splat(std::f32::consts::LOG2_E)));
    let n = int.to_float(exponent);
    let r = f.mul_sub_from(n, f.splat(LN_2_HIGH), x);
    let r = f.mul_sub_from(n, f.splat(LN_2_LOW), r);
    let p = f.mul_add(f.splat(C5), r, f.splat(C4));
    let p = f.mul_add(p, r, f.splat(C3));
    let p = f.mul_add(p, r, f.splat(C2));
    let p = f.mul_add(f.mul(r, r), p, f.add(f.one(), r));
    // 2^n by its bits: n = -127 gives zero and 128 infinity.
    let power: I::F32 = Simd::reinterpret_cast(int.shift_left::<23>(int.add(exponent, int.splat(127))));
    f.mul(p, power)
}

#[cfg(test)]
mod tests {
    use rten_simd::{Isa, SimdOp};

    use super::*;
    use crate::kernels::testing::on_every_instruction_set;

    /// Exponentials of a slice, in place.
    struct Exp<'a>(&'a mut [f32]);

    impl SimdOp for Exp<'_> {
        type Output = ();

        #[inline(always)]
        fn eval<I: Isa>(self, isa: I) {
            let at = self.0.as_mut_ptr();
            vectors(
                self.0.len(),
                isa.f32().len(),
                #[inline(always)]
                |i, n| {
                    // SAFETY: `vectors` stays within the slice.
                    unsafe { store(isa, exp(isa, load(isa, at.add(i), n)), at.add(i), n) };
                },
            );
        }
    }

    fn check(eval: impl Fn(&mut [f32])) {
        let x: Vec<f32> = (-8_700..8_830).map(|i| i as f32 * 0.01 + 0.001).collect();
        let mut y = x.clone();
        eval(&mut y);
        for (x, y) in x.iter().zip(&y) {
            let exact = f64::from(*x).exp();
            assert!((f64::from(*y) - exact).abs() <= 3e-7 * exact, "exp({x}) = {y}, not {exact}");
        }
        let mut limits = [0.0, -0.0, f32::NEG_INFINITY, f32::INFINITY, f32::NAN, 1e30, -1e30, 1e-40];
        eval(&mut limits);
        assert_eq!(limits[..4], [1.0, 1.0, 0.0, f32::INFINITY]);
        assert!(limits[4].is_nan());
        assert_eq!(limits[5..], [f32::INFINITY, 0.0, 1.0]);
    }

    #[test]
    fn exp_is_exact_to_a_few_units_on_every_instruction_set() {
        on_every_instruction_set(|| check(|x| Exp(x).dispatch_here()));
    }
}

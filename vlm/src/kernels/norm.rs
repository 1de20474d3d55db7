//! LayerNorm and RMSNorm, a row at a time while it is in the first cache.

#![allow(unsafe_code, reason = "vector loads and stores through pointers")]

use std::mem::MaybeUninit;

use candle_core::{CpuStorage, CustomOp2, CustomOp3, Layout, Result, Shape};
use rten_simd::ops::{BitOps, NumOps};
use rten_simd::{Isa, SimdOp};

use crate::kernels::simd::{Dispatch as _, for_rows, load, rewritten, store, values, vectors};

/// `(x - mean) / sqrt(variance + eps) * weight + bias`.
pub(crate) struct LayerNorm {
    pub(crate) eps: f32,
}

/// `x / sqrt(mean of squares + eps) * weight`.
pub(crate) struct RmsNorm {
    pub(crate) eps: f32,
}

impl CustomOp3 for LayerNorm {
    fn name(&self) -> &'static str {
        "fused-layer-norm"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        layout: &Layout,
        weight: &CpuStorage,
        l2: &Layout,
        bias: &CpuStorage,
        l3: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (x, weight, bias) = (values(x, layout)?, values(weight, l2)?, values(bias, l3)?);
        let mut out = Vec::new();
        normalise(x, weight, Some(bias), self.eps, &mut out);
        Ok((CpuStorage::F32(out), layout.shape().clone()))
    }
}

impl CustomOp2 for RmsNorm {
    fn name(&self) -> &'static str {
        "fused-rms-norm"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        layout: &Layout,
        weight: &CpuStorage,
        l2: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (x, weight) = (values(x, layout)?, values(weight, l2)?);
        let mut out = Vec::new();
        normalise(x, weight, None, self.eps, &mut out);
        Ok((CpuStorage::F32(out), layout.shape().clone()))
    }
}

/// Whole rows as wide as the weight, into `out` in the place of what it holds: LayerNorm when there
/// is a bias, else RMSNorm.
pub(crate) fn normalise(x: &[f32], weight: &[f32], bias: Option<&[f32]>, eps: f32, out: &mut Vec<f32>) {
    let width = weight.len();
    // SAFETY: `for_rows` covers the output, and the kernel writes all of its piece.
    unsafe {
        rewritten(out, x.len(), |out| {
            for_rows(out, width, |row, out| {
                let x = &x[row * width..row * width + out.len()];
                Rows { x, weight, bias, eps, out }.dispatch_here();
            });
        });
    }
}

/// Whole rows of either norm: LayerNorm when there is a bias.
struct Rows<'a> {
    x: &'a [f32],
    weight: &'a [f32],
    bias: Option<&'a [f32]>,
    eps: f32,
    out: &'a mut [MaybeUninit<f32>],
}

impl SimdOp for Rows<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        let width = self.weight.len();
        assert!(self.x.len() == self.out.len() && self.bias.is_none_or(|bias| bias.len() == width));
        let weight = self.weight.as_ptr();
        let bias = self.bias.map(<[f32]>::as_ptr);
        for (x, out) in self.x.chunks_exact(width).zip(self.out.chunks_exact_mut(width)) {
            // SAFETY: `x`, the weight, the bias and `out` are rows of `width` values.
            unsafe { row(isa, x.as_ptr(), weight, bias, width, self.eps, out.as_mut_ptr().cast()) };
        }
    }
}

/// One row: LayerNorm when there is a bias, else RMSNorm.
///
/// # Safety
/// `x`, `weight` and `bias` have `width` readable values, `out` as many writable ones.
#[inline(always)]
pub(crate) unsafe fn row<I: Isa>(
    isa: I,
    x: *const f32,
    weight: *const f32,
    bias: Option<*const f32>,
    width: usize,
    eps: f32,
    out: *mut f32,
) {
    let f = isa.f32();
    let mean = if bias.is_some() { sum(isa, x, width) / width as f32 } else { 0.0 };
    let variance = sum_of_squares(isa, x, width, mean) / width as f32;
    let scale = f.splat(1.0 / (variance + eps).sqrt());
    let mean = f.splat(mean);
    vectors(
        width,
        f.len(),
        #[inline(always)]
        |at, n| {
            // SAFETY: `vectors` stays within `width`, which the caller's rows have.
            unsafe {
                let centred = f.sub(load(isa, x.add(at), n), mean);
                let scaled = f.mul(f.mul(centred, scale), load(isa, weight.add(at), n));
                let y = match bias {
                    Some(bias) => f.add(scaled, load(isa, bias.add(at), n)),
                    None => scaled,
                };
                store(isa, y, out.add(at), n);
            }
        },
    );
}

/// The sum of `x[..width]`, in as many running sums as there are lanes.
#[inline(always)]
fn sum<I: Isa>(isa: I, x: *const f32, width: usize) -> f32 {
    let f = isa.f32();
    let mut total = f.zero();
    vectors(
        width,
        f.len(),
        #[inline(always)]
        |at, n| {
            // SAFETY: the caller passes a row of `width` values.
            total = f.add(total, unsafe { load(isa, x.add(at), n) });
        },
    );
    f.sum(total)
}

/// The sum of `(x - mean)^2` over `x[..width]`.
#[inline(always)]
fn sum_of_squares<I: Isa>(isa: I, x: *const f32, width: usize, mean: f32) -> f32 {
    let f = isa.f32();
    let centre = f.splat(mean);
    let mut total = f.zero();
    vectors(
        width,
        f.len(),
        #[inline(always)]
        |at, n| {
            // SAFETY: the caller passes a row of `width` values.
            let centred = f.sub(unsafe { load(isa, x.add(at), n) }, centre);
            // Lanes that pad the last vector hold minus the mean: they do not count.
            let centred = if n == f.len() { centred } else { f.select(centred, f.zero(), f.first_n_mask(n)) };
            total = f.mul_add(centred, centred, total);
        },
    );
    f.sum(total)
}

#[cfg(test)]
mod tests {
    use crate::kernels::testing::{assert_close, double, on_every_instruction_set, random, with};
    use crate::kernels::{layer_norm, reference, rms_norm};

    const EPS: f64 = 1e-5;

    #[test]
    fn norms_equal_the_reference() {
        on_every_instruction_set(norms_equal_the_reference_here);
    }

    fn norms_equal_the_reference_here() {
        for (rows, width) in [(1, 1), (3, 7), (7, 17), (65, 64), (2, 65), (150, 576)] {
            let (w, b) = (random(width, 2), random(width, 3));
            // Off centre, so that the mean matters.
            let x = (random((rows, width), 1) + 10.0).unwrap();
            let exact = reference::layer_norm(&double(&x), &double(&w), &double(&b), EPS).unwrap();
            let tolerance = if width == 1 { 1e-3 } else { 1e-5 };
            assert_close(&layer_norm(&x, &w, &b, EPS).unwrap(), &exact, tolerance);
            let exact = reference::rms_norm(&double(&x), &double(&w), EPS).unwrap();
            assert_close(&rms_norm(&x, &w, EPS).unwrap(), &exact, 1e-6);
        }
        let x = random((9, 5), 4).t().unwrap();
        let w = random(9, 5);
        assert_close(
            &rms_norm(&x, &w, EPS).unwrap(),
            &reference::rms_norm(&double(&x), &double(&w), EPS).unwrap(),
            1e-6,
        );
    }

    #[test]
    fn a_row_with_nan_or_infinity_spoils_itself_alone() {
        on_every_instruction_set(a_row_with_nan_or_infinity_spoils_itself_alone_here);
    }

    fn a_row_with_nan_or_infinity_spoils_itself_alone_here() {
        let (w, b) = (random(17, 2), random(17, 3));
        let x = with(&random((4, 17), 1), &[(20, f32::NAN), (40, f32::INFINITY), (52, 1e-42)]);
        assert_close(&layer_norm(&x, &w, &b, EPS).unwrap(), &reference::layer_norm(&x, &w, &b, EPS).unwrap(), 1e-5);
        assert_close(&rms_norm(&x, &w, EPS).unwrap(), &reference::rms_norm(&x, &w, EPS).unwrap(), 1e-5);
    }

    #[test]
    fn other_shapes_are_errors() {
        let x = random((4, 17), 1);
        assert!(rms_norm(&x, &random(16, 2), EPS).is_err());
        assert!(layer_norm(&x, &random(17, 2), &random(16, 2), EPS).is_err());
    }
}

//! Rotary position embedding: every head's two halves turned by the position's angles.

#![allow(unsafe_code, reason = "vector loads and stores through pointers")]

use std::mem::MaybeUninit;

use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape};
use rten_simd::ops::{BitOps, FloatOps, NumOps};
use rten_simd::{Isa, SimdOp};

use crate::kernels::simd::{Dispatch as _, for_rows, load, rewritten, store, values, vectors};

/// `x` is `[t, heads, d]`, `cos` and `sin` are `[t, d / 2]`.
pub(crate) struct Rotary;

impl CustomOp3 for Rotary {
    fn name(&self) -> &'static str {
        "fused-rotary"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        layout: &Layout,
        cos: &CpuStorage,
        l2: &Layout,
        sin: &CpuStorage,
        l3: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (x, cos, sin) = (values(x, layout)?, values(cos, l2)?, values(sin, l3)?);
        let (_, heads, d) = layout.shape().dims3()?;
        let mut out = Vec::new();
        turn((x, heads * d), (cos, sin), heads, d / 2, &mut out);
        Ok((CpuStorage::F32(out), layout.shape().clone()))
    }
}

/// Turns rows of `heads` heads of `2 * half` values each, `stride` from one to the next, into `out`
/// in the place of what it holds. There are as many rows as angles.
pub(crate) fn turn(
    (x, stride): (&[f32], usize),
    (cos, sin): (&[f32], &[f32]),
    heads: usize,
    half: usize,
    out: &mut Vec<f32>,
) {
    let width = heads * 2 * half;
    let positions = cos.len() / half;
    // SAFETY: `for_rows` covers the output, and the kernel writes all of its piece.
    unsafe {
        rewritten(out, positions * width, |out| {
            for_rows(out, width, |row, out| {
                let rows = row..row + out.len() / width;
                let x = &x[rows.start * stride..(rows.end - 1) * stride + width];
                let angles = rows.start * half..rows.end * half;
                Positions { x, stride, cos: &cos[angles.clone()], sin: &sin[angles], heads, half, out }.dispatch_here();
            });
        });
    }
}

/// All heads of some positions.
struct Positions<'a> {
    x: &'a [f32],
    /// Values from one position to the next.
    stride: usize,
    cos: &'a [f32],
    sin: &'a [f32],
    heads: usize,
    half: usize,
    out: &'a mut [MaybeUninit<f32>],
}

impl SimdOp for Positions<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        let f = isa.f32();
        let (half, width) = (self.half, self.heads * self.half * 2);
        let positions = self.out.len() / width;
        assert!(self.out.len() == positions * width && self.x.len() >= (positions - 1) * self.stride + width);
        assert!(self.cos.len() == positions * half && self.sin.len() == positions * half);
        let (x, cos, sin) = (self.x.as_ptr(), self.cos.as_ptr(), self.sin.as_ptr());
        let out = self.out.as_mut_ptr().cast::<f32>();
        for position in 0..positions {
            vectors(
                half,
                f.len(),
                #[inline(always)]
                |at, n| {
                    // SAFETY: `at + n <= half`, so angles and both halves of each head lie within
                    // the lengths checked above.
                    unsafe {
                        let cos = load(isa, cos.add(position * half + at), n);
                        let sin = load(isa, sin.add(position * half + at), n);
                        for head in 0..self.heads {
                            let first = head * 2 * half + at;
                            let x = x.add(position * self.stride + first);
                            let (x1, x2) = (load(isa, x, n), load(isa, x.add(half), n));
                            let out = out.add(position * width + first);
                            store(isa, f.mul_sub_from(x2, sin, f.mul(x1, cos)), out, n);
                            store(isa, f.mul_add(x1, sin, f.mul(x2, cos)), out.add(half), n);
                        }
                    }
                },
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::kernels::testing::{assert_close, double, on_every_instruction_set, random};
    use crate::kernels::{reference, rotary};

    #[test]
    fn rotary_equals_the_reference() {
        on_every_instruction_set(rotary_equals_the_reference_here);
    }

    fn rotary_equals_the_reference_here() {
        for (t, heads, d) in [(1, 9, 64), (3, 1, 2), (7, 3, 16), (130, 9, 64), (17, 3, 72), (5, 2, 80), (2, 3, 6)] {
            let (x, cos, sin) = (random((t, heads, d), 1), random((t, d / 2), 2), random((t, d / 2), 3));
            let exact = reference::rotary(&double(&x), &double(&cos), &double(&sin)).unwrap();
            assert_close(&rotary(&x, &cos, &sin).unwrap(), &exact, 1e-6);
        }
        let (x, angles) = (random((4, 3, 16), 1), random((5, 8), 2));
        assert!(rotary(&x, &angles, &angles).is_err());
    }
}

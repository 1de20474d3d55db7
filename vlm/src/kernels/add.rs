//! The sum of two tensors of one shape, on the pool that all kernels share: candle adds on threads
//! of its own.

#![allow(unsafe_code, reason = "a result that is written before it is read")]

use std::mem::MaybeUninit;

use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape};
use rten_simd::{Isa, SimdOp};

use crate::kernels::simd::{Dispatch as _, pairwise};

/// `x + y`, elementwise.
pub(crate) struct Add;

impl CustomOp2 for Add {
    fn name(&self) -> &'static str {
        "fused-add"
    }

    fn cpu_fwd(&self, x: &CpuStorage, l1: &Layout, y: &CpuStorage, l2: &Layout) -> Result<(CpuStorage, Shape)> {
        // SAFETY: the kernel writes all of its piece.
        unsafe { pairwise((x, l1), (y, l2), |x, y, out| Sum { x, y, out }.dispatch_here()) }
    }
}

/// A piece of [`Add`].
struct Sum<'a> {
    x: &'a [f32],
    y: &'a [f32],
    out: &'a mut [MaybeUninit<f32>],
}

impl SimdOp for Sum<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, _: I) {
        for ((x, y), out) in self.x.iter().zip(self.y).zip(self.out) {
            out.write(x + y);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::kernels::add;
    use crate::kernels::testing::{assert_close, random};

    #[test]
    fn sums_are_those_of_candle() {
        for shape in [(1, 1), (3, 5), (82, 576), (300, 1000)] {
            let (x, y) = (random(shape, 1), random(shape, 2));
            assert_close(&add(&x, &y).unwrap(), &(&x + &y).unwrap(), 0.0);
        }
        assert!(add(&random((2, 3), 1), &random((3, 2), 1)).is_err());
    }
}

//! The logarithm of a sum of exponentials over a row of logits, in one pass and without a copy.

#![allow(unsafe_code, reason = "vector loads through pointers")]

use rten_simd::ops::{BitOps as _, NumOps as _};
use rten_simd::{Isa, SimdOp};

use crate::kernels::simd::{exp, load};

/// `sum of e^(x - max)`; no `x` is over `max`, so that nothing overflows.
pub(crate) struct ExpSum<'a> {
    pub x: &'a [f32],
    pub max: f32,
}

impl SimdOp for ExpSum<'_> {
    type Output = f32;

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) -> f32 {
        let f = isa.f32();
        let max = f.splat(self.max);
        let mut sums = f.zero();
        let vectors = self.x.chunks_exact(f.len());
        // What is left of the row is less than a vector.
        let rest: f32 = vectors.remainder().iter().map(|x| (x - self.max).exp()).sum();
        for vector in vectors {
            // SAFETY: the chunk has as many values as a vector has lanes.
            let x = unsafe { load(isa, vector.as_ptr(), f.len()) };
            sums = f.add(sums, exp(isa, f.sub(x, max)));
        }
        f.sum(sums) + rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::simd::Dispatch as _;
    use crate::kernels::testing::on_every_instruction_set;

    fn check() {
        // A whole vocabulary, and lengths around a vector's.
        for len in [1, 3, 15, 16, 17, 31, 49_280] {
            let x: Vec<f32> = (0..len).map(|i| ((i * 7919) % 1013) as f32 * 0.03 - 20.0).collect();
            let max = x.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let exact: f64 = x.iter().map(|x| f64::from(x - max).exp()).sum();
            let got = f64::from(ExpSum { x: &x, max }.dispatch_here());
            assert!((got - exact).abs() < 1e-5 * exact, "{len}: {got} for {exact}");
        }
    }

    #[test]
    fn the_sum_is_exact_on_every_instruction_set() {
        on_every_instruction_set(check);
    }

    #[test]
    fn damaged_numbers_stay_damaged() {
        let x = [0.0, f32::NAN, 1.0];
        on_every_instruction_set(|| assert!(ExpSum { x: &x, max: 1.0 }.dispatch_here().is_nan()));
    }
}

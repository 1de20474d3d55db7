//! Tanh GELU and the gated `SiLU` in one pass over memory, through one exponential and one division
//! a value.

#![allow(unsafe_code, reason = "vector loads and stores through pointers")]

use std::mem::MaybeUninit;

use candle_core::{CpuStorage, CustomOp1, CustomOp2, Layout, Result, Shape};
use rten_simd::ops::{BitOps, FloatOps, NumOps};
use rten_simd::{Isa, SimdOp};

use crate::kernels::simd::{Dispatch as _, exp, for_rows, load, pairwise, store, values, vectors, written};

/// `2 sqrt(2 / pi)`.
const TWICE_SQRT_2_OVER_PI: f32 = 1.595_769;
/// The cubic term in GELU's tanh form.
const CUBIC: f32 = 0.044_715;

/// GELU in its tanh form.
pub(crate) struct GeluTanh;

/// `silu(gate) * up`.
pub(crate) struct SiluMul;

impl CustomOp1 for GeluTanh {
    fn name(&self) -> &'static str {
        "gelu-tanh"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let x = values(x, layout)?;
        // SAFETY: `for_rows` covers the output, and the kernel writes all of its piece.
        let out = unsafe {
            written(x.len(), |out| {
                for_rows(out, 1, |at, out| Gelu { x: &x[at..at + out.len()], out }.dispatch_here());
            })
        };
        Ok((CpuStorage::F32(out), layout.shape().clone()))
    }
}

impl CustomOp2 for SiluMul {
    fn name(&self) -> &'static str {
        "silu-mul"
    }

    fn cpu_fwd(&self, gate: &CpuStorage, l1: &Layout, up: &CpuStorage, l2: &Layout) -> Result<(CpuStorage, Shape)> {
        // SAFETY: the kernel writes all of its piece.
        unsafe { pairwise((gate, l1), (up, l2), |gate, up, out| Silu { gate, up, out }.dispatch_here()) }
    }
}

/// One piece of [`GeluTanh`].
struct Gelu<'a> {
    x: &'a [f32],
    out: &'a mut [MaybeUninit<f32>],
}

impl SimdOp for Gelu<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        assert_eq!(self.x.len(), self.out.len());
        let f = isa.f32();
        let (input, out) = (self.x.as_ptr(), self.out.as_mut_ptr().cast::<f32>());
        vectors(
            self.x.len(),
            f.len(),
            #[inline(always)]
            |at, n| {
                // SAFETY: `vectors` stays within the two slices, which are equally long.
                unsafe {
                    store(isa, gelu(isa, load(isa, input.add(at), n)), out.add(at), n);
                }
            },
        );
    }
}

/// GELU of a vector.
#[inline(always)]
pub(crate) fn gelu<I: Isa>(isa: I, x: I::F32) -> I::F32 {
    let f = isa.f32();
    let (linear, cubic) = (f.splat(-TWICE_SQRT_2_OVER_PI), f.splat(-TWICE_SQRT_2_OVER_PI * CUBIC));
    // 0.5 (1 + tanh u) = 1 / (1 + e^-2u): nothing cancels where u is very negative.
    let minus_2u = f.mul(x, f.mul_add(f.mul(x, x), cubic, linear));
    f.div(x, f.add(f.one(), exp(isa, minus_2u)))
}

/// One piece of [`SiluMul`].
pub(crate) struct Silu<'a> {
    pub(crate) gate: &'a [f32],
    pub(crate) up: &'a [f32],
    pub(crate) out: &'a mut [MaybeUninit<f32>],
}

impl SimdOp for Silu<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        assert!(self.gate.len() == self.out.len() && self.up.len() == self.out.len());
        let f = isa.f32();
        let (gate, up, out) = (self.gate.as_ptr(), self.up.as_ptr(), self.out.as_mut_ptr().cast::<f32>());
        vectors(
            self.gate.len(),
            f.len(),
            #[inline(always)]
            |at, n| {
                // SAFETY: `vectors` stays within the three slices, which are equally long.
                unsafe {
                    let x = load(isa, gate.add(at), n);
                    let silu = f.div(x, f.add(f.one(), exp(isa, f.neg(x))));
                    store(isa, f.mul(silu, load(isa, up.add(at), n)), out.add(at), n);
                }
            },
        );
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Tensor};

    use crate::kernels::testing::{assert_close, double, on_every_instruction_set, random, same_special};
    use crate::kernels::{gelu_tanh, reference, silu_mul};

    /// All magnitudes of both signs, and what is not a number.
    fn extremes() -> Tensor {
        let mut x: Vec<f32> = (-45..39).flat_map(|e| [10f32.powi(e), -(10f32.powi(e))]).collect();
        x.extend([0.0, -0.0, f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, f32::MIN]);
        Tensor::new(x, &Device::Cpu).unwrap()
    }

    #[test]
    fn activations_equal_the_reference() {
        on_every_instruction_set(activations_equal_the_reference_here);
    }

    fn activations_equal_the_reference_here() {
        for len in [1, 3, 7, 17, 65, 1024, 100_000] {
            let (x, up) = ((random(len, 1) * 4.0).unwrap(), random(len, 2));
            assert_close(&gelu_tanh(&x).unwrap(), &reference::gelu_tanh(&double(&x)).unwrap(), 1e-6);
            let exact = reference::silu_mul(&double(&x), &double(&up)).unwrap();
            assert_close(&silu_mul(&x, &up).unwrap(), &exact, 1e-6);
        }
        let both = random((5, 34), 3);
        let (gate, up) = (both.narrow(1, 0, 17).unwrap(), both.narrow(1, 17, 17).unwrap());
        assert_close(&silu_mul(&gate, &up).unwrap(), &reference::silu_mul(&double(&gate), &double(&up)).unwrap(), 1e-6);
    }

    #[test]
    fn activations_treat_extremes_as_the_reference_does() {
        on_every_instruction_set(activations_treat_extremes_as_the_reference_does_here);
    }

    fn activations_treat_extremes_as_the_reference_does_here() {
        let x = extremes();
        let one = x.ones_like().unwrap();
        for (fused, exact) in [
            (gelu_tanh(&x).unwrap(), reference::gelu_tanh(&x).unwrap()),
            (silu_mul(&x, &one).unwrap(), reference::silu_mul(&x, &one).unwrap()),
        ] {
            let (fused, exact) = (fused.to_vec1::<f32>().unwrap(), exact.to_vec1::<f32>().unwrap());
            for (a, b) in fused.into_iter().zip(exact) {
                assert!(same_special(a.into(), b.into()) || (a - b).abs() <= 2e-6 * b.abs() + 2e-7, "{a}, not {b}");
            }
        }
    }
}

//! The microkernel for NEON with its dot product.

use std::arch::aarch64::{
    int8x16_t, int32x4_t, vaddq_s32, vdupq_n_s8, vdupq_n_s32, veorq_s8, vld1q_s8, vreinterpretq_s8_s32, vshlq_n_s32,
    vst1q_s32,
};
use std::arch::asm;

use crate::kernels::int8::dot::shape::{GROUP, NR, Sums};

/// Sums of a vector: each is an output's.
const LANES: usize = 4;

microkernel!(dot_product, dot_product_rows);

/// To each of four sums the products of four signed bytes. The intrinsic for it is not stable yet.
#[inline]
#[target_feature(enable = "neon,dotprod")]
fn sdot(mut sums: int32x4_t, a: int8x16_t, b: int8x16_t) -> int32x4_t {
    // SAFETY: one instruction, on registers alone, of a set that is enabled here.
    unsafe {
        asm!("sdot {0:v}.4s, {1:v}.16b, {2:v}.16b", inout(vreg) sums, in(vreg) a, in(vreg) b,
            options(pure, nomem, nostack, preserves_flags));
    }
    sums
}

/// Few rows take many outputs at a time, so that the tile is read in order; more have no registers
/// for that.
#[target_feature(enable = "neon,dotprod")]
unsafe fn dot_product_rows<const R: usize>(
    a: *const u8,
    stride: usize,
    tile: *const i8,
    groups: usize,
    out: &mut Sums,
) {
    // SAFETY: the caller's.
    unsafe {
        match R {
            1 | 2 => vectors::<R, 8>(a, stride, tile, groups, out),
            3 | 4 => vectors::<R, 4>(a, stride, tile, groups, out),
            _ => vectors::<R, 2>(a, stride, tile, groups, out),
        }
    }
}

/// `V` vectors of outputs at a time. The instruction takes signed bytes: inputs are lowered by 128,
/// and 128 times the weights' sum is added in the end.
#[inline]
#[target_feature(enable = "neon,dotprod")]
unsafe fn vectors<const R: usize, const V: usize>(
    a: *const u8,
    stride: usize,
    tile: *const i8,
    groups: usize,
    out: &mut Sums,
) {
    let (middle, ones) = (vdupq_n_s8(i8::MIN), vdupq_n_s8(1));
    for first in (0..NR / LANES).step_by(V) {
        let mut sums = [[vdupq_n_s32(0); V]; R];
        let mut weighed = [vdupq_n_s32(0); V];
        for group in 0..groups {
            // SAFETY: the tile has `groups` groups of `NR` times four bytes, each row `groups` of
            // four.
            unsafe {
                let tile = tile.add(group * GROUP * NR + first * LANES * GROUP);
                let weights: [int8x16_t; V] = std::array::from_fn(|v| vld1q_s8(tile.add(16 * v)));
                for (sum, weights) in weighed.iter_mut().zip(weights) {
                    *sum = sdot(*sum, weights, ones);
                }
                for (row, sums) in sums.iter_mut().enumerate() {
                    let inputs = a.add(row * stride + group * GROUP).cast::<i32>().read_unaligned();
                    let inputs = veorq_s8(vreinterpretq_s8_s32(vdupq_n_s32(inputs)), middle);
                    for (sum, weights) in sums.iter_mut().zip(weights) {
                        *sum = sdot(*sum, weights, inputs);
                    }
                }
            }
        }
        for (sums, out) in sums.iter().zip(out.iter_mut()) {
            let out = out[first * LANES..][..V * LANES].as_chunks_mut::<LANES>().0;
            for ((sum, weighed), out) in sums.iter().zip(weighed).zip(out) {
                // SAFETY: four sums.
                unsafe { vst1q_s32(out.as_mut_ptr(), vaddq_s32(*sum, vshlq_n_s32::<7>(weighed))) };
            }
        }
    }
}

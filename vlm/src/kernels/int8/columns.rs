//! The values of attention as a matrix of which the tokens are the inputs: quantised by columns while they are packed.

#![allow(unsafe_code, reason = "vector loads and stores through pointers")]

use rten_simd::ops::{BitOps, FloatOps, IntOps, NumOps, ToFloat};
use rten_simd::{Isa, Simd};

use super::dot::{GROUP, PANEL};
use super::packed::Packed;
use crate::kernels::simd::load;

const MOST: f32 = 127.0;

/// Fills `packed` (one plane, as many outputs as `width`, as many inputs as `rows`) from `rows` rows of `width` values,
/// `stride` apart: output `c` has the weights `x[0 * stride + c]`, `x[1 * stride + c]`, and so on.
///
/// A column with a value that is no number or infinite has the scale NaN.
#[inline(always)]
pub(super) fn set_columns<I: Isa>(isa: I, packed: &mut Packed, x: &[f32], rows: usize, width: usize, stride: usize) {
    assert!(packed.outputs() == width && packed.inputs() == rows && x.len() >= (rows - 1) * stride + width);
    let (f, int) = (isa.f32(), isa.i32());
    let lanes = f.len();
    let panel_len = rows.next_multiple_of(GROUP) * PANEL;
    let (panels, scales, sums) = packed.parts();
    for at in (0..width).step_by(lanes) {
        let n = lanes.min(width - at);
        // SAFETY: the columns `at..at + n` lie within a row.
        let column = |row: usize| unsafe { load(isa, x.as_ptr().add(row * stride + at), n) };
        let (mut most, mut finite) = (f.zero(), f.zero());
        for row in 0..rows {
            most = f.max(most, f.abs(column(row)));
            finite = f.mul_add(column(row), f.zero(), finite);
        }
        // A sum that is not zero is NaN, and makes the scale so.
        let scale = f.add(f.mul(most, f.splat(1.0 / MOST)), finite);
        // A column of zeros, or nearly, keeps them: its scale is then what it is, and its bytes are zero.
        let per = f.select(f.div(f.one(), scale), f.zero(), f.gt(scale, f.splat(f32::MIN_POSITIVE)));
        let mut total = int.zero();
        let panel = &mut panels[at / PANEL * panel_len..][..panel_len];
        for (group, bytes) in panel.chunks_exact_mut(GROUP * PANEL).enumerate() {
            let mut four = int.zero();
            for i in 0..GROUP.min(rows - group * GROUP) {
                let step = f.mul(column(group * GROUP + i), per);
                let step = f.to_int_round(f.min(f.max(step, f.splat(-MOST)), f.splat(MOST)));
                total = int.add(total, step);
                let byte = int.and(step, int.splat(0xff));
                let byte = match i {
                    0 => byte,
                    1 => int.shift_left::<8>(byte),
                    2 => int.shift_left::<16>(byte),
                    _ => int.shift_left::<24>(byte),
                };
                four = int.or(four, byte);
            }
            let bytes = &mut bytes[at % PANEL * GROUP..][..lanes * GROUP];
            // SAFETY: a vector of lanes of four bytes; lanes divide a panel's outputs.
            unsafe { int.store_ptr(four, bytes.as_mut_ptr().cast()) };
        }
        scales[at..at + n].copy_from_slice(&scale.to_array().as_ref()[..n]);
        sums[at..at + n].copy_from_slice(&int.to_float(total).to_array().as_ref()[..n]);
    }
}

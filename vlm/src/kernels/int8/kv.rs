//! Keys and values of attention as matrices, quantised while they are packed: of the keys' the
//! tokens are the outputs, of the values' the inputs. What [`Packed::quantise`] does for weights
//! once, this does for every picture.

#![allow(unsafe_code, reason = "vector loads and stores through pointers")]

use rten_simd::ops::{BitOps, FloatOps, IntOps, NumOps, ToFloat};
use rten_simd::{Isa, Simd};

use crate::kernels::int8::dot::{GROUP, NR};
use crate::kernels::int8::packed::{MOST, Packed};
use crate::kernels::int8::rows::store_bytes;
use crate::kernels::simd::{fold, larger, load, vectors};

/// What is added to a signed byte to make an unsigned one.
const MIDDLE: u8 = 128;

/// Sets output `token` of `packed` (one level) to the weights `key`.
///
/// A key with a NaN or an infinity has the scale NaN.
#[inline(always)]
pub(crate) fn set_key<I: Isa>(isa: I, packed: &mut Packed, token: usize, key: &[f32], bytes: &mut Vec<u8>) {
    let f = isa.f32();
    let depth = packed.inputs().next_multiple_of(GROUP);
    assert!(key.len() == packed.inputs() && token < packed.outputs());
    let input = key.as_ptr();
    let (mut most, mut finite) = (f.zero(), f.zero());
    vectors(
        key.len(),
        f.len(),
        #[inline(always)]
        |at, n| {
            // SAFETY: `vectors` stays within the key.
            let x = unsafe { load(isa, input.add(at), n) };
            most = f.max(most, f.abs(x));
            finite = f.mul_add(x, f.zero(), finite);
        },
    );
    let scale = fold(isa, most, larger) / MOST;
    let per = if scale > f32::MIN_POSITIVE { 1.0 / scale } else { 0.0 };
    bytes.clear();
    bytes.resize(depth, MIDDLE);
    let (out, per, middle) = (bytes.as_mut_ptr(), f.splat(per), f.splat(f32::from(MIDDLE)));
    vectors(
        key.len(),
        f.len(),
        #[inline(always)]
        // SAFETY: `vectors` stays within the key, and there is a byte for each of its values.
        |at, n| unsafe { store_bytes(isa, f.mul_add(load(isa, input.add(at), n), per, middle), out.add(at), n) },
    );
    let (tiles, scales, sums) = packed.parts();
    let tile = &mut tiles[token / NR * depth * NR..][..depth * NR];
    let column = token % NR * GROUP;
    for (four, group) in bytes.as_chunks::<GROUP>().0.iter().zip(tile.chunks_exact_mut(GROUP * NR)) {
        group[column..column + GROUP].copy_from_slice(&four.map(|byte| byte.wrapping_sub(MIDDLE)));
    }
    let sum: u32 = bytes.iter().map(|byte| u32::from(*byte)).sum();
    sums[token] = sum as f32 - (depth * usize::from(MIDDLE)) as f32;
    scales[token] = scale + f.sum(finite);
}

/// Fills `packed` (one level, as many outputs as `width`, as many inputs as `rows`) from `rows`
/// rows of `width` values, `stride` apart: output `c` has the weights `x[0 * stride + c]`, `x[1 *
/// stride + c]`, and so on.
///
/// A column with a NaN or an infinity has the scale NaN.
#[inline(always)]
pub(crate) fn set_columns<I: Isa>(isa: I, packed: &mut Packed, x: &[f32], rows: usize, width: usize, stride: usize) {
    assert!(packed.outputs() == width && packed.inputs() == rows && x.len() >= (rows - 1) * stride + width);
    let (f, int) = (isa.f32(), isa.i32());
    let lanes = f.len();
    let tile_len = rows.next_multiple_of(GROUP) * NR;
    let (tiles, scales, sums) = packed.parts();
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
        // A column of zeros, or nearly, keeps them: its scale is then what it is, and its bytes are
        // zero.
        let per = f.select(f.div(f.one(), scale), f.zero(), f.gt(scale, f.splat(f32::MIN_POSITIVE)));
        let mut total = int.zero();
        let tile = &mut tiles[at / NR * tile_len..][..tile_len];
        for (group, bytes) in tile.chunks_exact_mut(GROUP * NR).enumerate() {
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
            let bytes = &mut bytes[at % NR * GROUP..][..lanes * GROUP];
            // SAFETY: a vector of lanes of four bytes; lanes divide a tile's outputs.
            unsafe { int.store_ptr(four, bytes.as_mut_ptr().cast()) };
        }
        scales[at..at + n].copy_from_slice(&scale.to_array().as_ref()[..n]);
        sums[at..at + n].copy_from_slice(&int.to_float(total).to_array().as_ref()[..n]);
    }
}

//! Products of unsigned bytes with signed bytes, summed in 32 bits: the one thing that int8 asks of
//! the processor.
//!
//! A *packed tile* (the microkernel panel of the GEMM literature, NR = 64) holds 64 outputs'
//! weights in the order in which they are multiplied: for each group of four inputs, those of
//! output 0, then of output 1, and so on. A *microkernel* multiplies up to MR = 6 rows with one
//! packed tile and keeps the sums in registers. There is one for each instruction set, and a
//! generic one that defines the answer and that compilers turn into vectors elsewhere. All
//! are exact, so they agree to the last bit. Nothing here knows scales, biases or layers.

#![allow(unsafe_code, reason = "vector loads and stores through pointers, and instruction sets chosen at run time")]

use crate::kernels::cpu::{ByteProducts, CpuFeatures};
pub(crate) use crate::kernels::int8::dot::shape::{GROUP, MR, NR, Sums};

/// Computes `out[r][n]`: the sum over `i` of `a[r * stride + i]` times input `i`'s weight of output
/// `n`.
///
/// # Safety
/// `rows` is 1 to [`MR`]; each of the `rows` rows `stride` apart has `groups * GROUP` readable
/// bytes, and `tile` has `groups * GROUP * NR`.
type Microkernel = unsafe fn(rows: usize, a: *const u8, stride: usize, tile: *const i8, groups: usize, out: &mut Sums);

/// A microkernel that calls the one of exactly `rows` rows, so that its sums stay in registers.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
macro_rules! microkernel {
    ($name:ident, $rows:ident) => {
        pub(super) unsafe fn $name(
            rows: usize,
            a: *const u8,
            stride: usize,
            tile: *const i8,
            groups: usize,
            out: &mut Sums,
        ) {
            // SAFETY: the caller's, who saw that the processor has the instructions.
            unsafe {
                match rows {
                    1 => $rows::<1>(a, stride, tile, groups, out),
                    2 => $rows::<2>(a, stride, tile, groups, out),
                    3 => $rows::<3>(a, stride, tile, groups, out),
                    4 => $rows::<4>(a, stride, tile, groups, out),
                    5 => $rows::<5>(a, stride, tile, groups, out),
                    _ => $rows::<6>(a, stride, tile, groups, out),
                }
            }
        }
    };
}

#[cfg(target_arch = "aarch64")]
mod aarch64;
pub(crate) mod shape;
#[cfg(target_arch = "x86_64")]
mod x86;

/// The microkernel of some instruction set that this processor has.
#[derive(Clone, Copy)]
pub(crate) struct Dot(ByteProducts);

impl Dot {
    /// The one that this thread is to use.
    #[inline(always)]
    pub(crate) fn here() -> Self {
        Self(CpuFeatures::here().byte_products())
    }

    /// All that this processor runs, the generic one first.
    #[cfg(test)]
    pub(crate) fn all_here() -> Vec<Self> {
        let sets = crate::kernels::cpu::InstructionSet::all_here();
        sets.into_iter().map(|set| Self(CpuFeatures::capped(Some(set)).byte_products())).collect()
    }

    #[cfg(test)]
    fn name(self) -> &'static str {
        self.0.name()
    }

    fn microkernel(self) -> Microkernel {
        match self.0 {
            ByteProducts::Generic => generic,
            #[cfg(target_arch = "x86_64")]
            ByteProducts::Avx2 => x86::avx2,
            #[cfg(target_arch = "x86_64")]
            ByteProducts::AvxVnni => x86::avx_vnni,
            #[cfg(target_arch = "x86_64")]
            ByteProducts::Avx512Vnni => x86::avx512_vnni,
            #[cfg(target_arch = "aarch64")]
            ByteProducts::DotProduct => aarch64::dot_product,
        }
    }

    /// `rows` rows of `a`, `stride` apart, times a packed tile, whose bytes are signed numbers; the
    /// sums of other rows are left as they were.
    #[inline(always)]
    pub(crate) fn multiply(self, rows: usize, a: &[u8], stride: usize, tile: &[u8], out: &mut Sums) {
        let inputs = tile.len() / NR;
        assert!((1..=MR).contains(&rows) && inputs.is_multiple_of(GROUP) && a.len() >= (rows - 1) * stride + inputs);
        // SAFETY: as asserted; `CpuFeatures` names only what was detected.
        unsafe { (self.microkernel())(rows, a.as_ptr(), stride, tile.as_ptr().cast(), inputs / GROUP, out) }
    }
}

/// The definition.
unsafe fn generic(rows: usize, a: *const u8, stride: usize, tile: *const i8, groups: usize, out: &mut Sums) {
    for (row, sums) in out.iter_mut().enumerate().take(rows) {
        // SAFETY: the caller's.
        let (a, tile) = unsafe {
            (
                std::slice::from_raw_parts(a.add(row * stride), groups * GROUP),
                std::slice::from_raw_parts(tile, groups * GROUP * NR),
            )
        };
        *sums = [0; NR];
        for (a, tile) in a.as_chunks::<GROUP>().0.iter().zip(tile.as_chunks::<{ GROUP * NR }>().0) {
            for (sum, w) in sums.iter_mut().zip(tile.as_chunks::<GROUP>().0) {
                *sum += a.iter().zip(w).map(|(a, w)| i32::from(*a) * i32::from(*w)).sum::<i32>();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes that look random and reach both ends.
    fn bytes(n: usize, seed: u32) -> Vec<u8> {
        let mut x = seed;
        let step = |_| {
            x = x.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            match x >> 28 {
                0 => 255,
                1 => 128,
                _ => (x >> 16) as u8,
            }
        };
        (0..n).map(step).collect()
    }

    #[test]
    fn a_product_is_the_sum_of_products() {
        let mut tile = vec![0u8; 2 * GROUP * NR];
        // Output 3 has the weights 1, 2, 3, 4 and -5, 6, -7, -128.
        for (input, weight) in [1i8, 2, 3, 4, -5, 6, -7, -128].into_iter().enumerate() {
            tile[input / GROUP * GROUP * NR + 3 * GROUP + input % GROUP] = weight.cast_unsigned();
        }
        let mut out = [[7; NR]; MR];
        for dot in Dot::all_here() {
            dot.multiply(1, &[255, 0, 2, 1, 1, 1, 1, 255], 8, &tile, &mut out);
            assert_eq!(out[0][3], 255 + 6 + 4 - 5 + 6 - 7 - 128 * 255, "{}", dot.name());
            assert_eq!((out[0][2], out[1][0]), (0, 7), "{}", dot.name());
        }
    }

    #[test]
    fn all_instruction_sets_agree_exactly() {
        for groups in [1, 2, 5, 16, 192, 256, 259, 768] {
            let tile = bytes(groups * GROUP * NR, 3);
            let stride = groups * GROUP + 3;
            let a = bytes(MR * stride, groups as u32);
            for rows in 1..=MR {
                let results = Dot::all_here().into_iter().map(|dot| {
                    let mut out = [[0; NR]; MR];
                    dot.multiply(rows, &a, stride, &tile, &mut out);
                    (dot.name(), out)
                });
                let results: Vec<_> = results.collect();
                let (_, generic) = &results[0];
                for (name, out) in &results {
                    assert!(out == generic, "{name}: {rows} rows, {groups} groups");
                }
            }
        }
    }
}

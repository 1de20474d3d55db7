//! Products of unsigned bytes with signed bytes, summed in 32 bits: the one thing that int8 asks of the processor.
//!
//! A *panel* holds 64 outputs' weights in the order in which they are multiplied: for each group of four inputs, those of
//! output 0, then of output 1, and so on. A *tile* is a few rows of input against one panel. There is a tile for AVX-512
//! with VNNI, one for AVX2, one for NEON with its dot product, and a plain one that defines the answer and that compilers turn into
//! vectors elsewhere; all are exact, so they agree to the last bit. Nothing here knows scales, biases or layers.

#![allow(unsafe_code, reason = "vector loads and stores through pointers, and instruction sets chosen at run time")]

use std::sync::OnceLock;

/// Outputs of a panel.
pub(crate) const PANEL: usize = 64;
/// Inputs that are multiplied at once.
pub(crate) const GROUP: usize = 4;
/// Most rows of a tile.
pub(crate) const ROWS: usize = 6;

/// The sums of a tile: a row of [`PANEL`] for each row of input.
pub(crate) type Sums = [[i32; PANEL]; ROWS];

/// Computes a tile: `out[r][n]` is the sum over `i` of `a[r * stride + i]` times input `i`'s weight of output `n`.
///
/// # Safety
/// `rows` is 1 to [`ROWS`]; each of the `rows` rows `stride` apart has `groups * GROUP` readable bytes, and `panel` has
/// `groups * GROUP * PANEL`.
type Tile = unsafe fn(rows: usize, a: *const u8, stride: usize, panel: *const i8, groups: usize, out: &mut Sums);

/// The tile for this processor.
#[derive(Clone, Copy)]
pub(crate) struct Dot {
    tile: Tile,
    name: &'static str,
    /// Whether it is made for this: products and sums of bytes in one instruction.
    fast: bool,
}

impl Dot {
    /// The fastest that this processor runs.
    pub(crate) fn best() -> Self {
        static BEST: OnceLock<Dot> = OnceLock::new();
        *BEST.get_or_init(|| Self::all().swap_remove(0))
    }

    /// All that this processor runs, the fastest first and the plain one last.
    pub(crate) fn all() -> Vec<Self> {
        let mut all = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vnni") {
                all.push(Self { tile: x86::vnni, name: "AVX-512 VNNI", fast: true });
            }
            if is_x86_feature_detected!("avx2") {
                all.push(Self { tile: x86::avx2, name: "AVX2", fast: false });
            }
        }
        #[cfg(target_arch = "aarch64")]
        if std::arch::is_aarch64_feature_detected!("dotprod") {
            all.push(Self { tile: arm::dot, name: "NEON dot product", fast: false });
        }
        all.push(Self { tile: plain, name: "plain", fast: false });
        all
    }

    /// Whether it is faster than products in f32.
    pub(crate) fn is_fast(self) -> bool {
        self.fast
    }

    /// The instructions, in words.
    pub(crate) fn name(self) -> &'static str {
        self.name
    }

    /// `rows` rows of `a`, `stride` apart, times a panel, whose bytes are signed numbers; the sums of other rows are left as they were.
    #[inline(always)]
    pub(crate) fn tile(self, rows: usize, a: &[u8], stride: usize, panel: &[u8], out: &mut Sums) {
        let inputs = panel.len() / PANEL;
        assert!((1..=ROWS).contains(&rows) && inputs.is_multiple_of(GROUP) && a.len() >= (rows - 1) * stride + inputs);
        // SAFETY: as asserted; the instruction set was detected when the tile was chosen.
        unsafe { (self.tile)(rows, a.as_ptr(), stride, panel.as_ptr().cast(), inputs / GROUP, out) }
    }
}

/// The definition.
unsafe fn plain(rows: usize, a: *const u8, stride: usize, panel: *const i8, groups: usize, out: &mut Sums) {
    for (row, sums) in out.iter_mut().enumerate().take(rows) {
        // SAFETY: the caller's.
        let (a, panel) = unsafe {
            (
                std::slice::from_raw_parts(a.add(row * stride), groups * GROUP),
                std::slice::from_raw_parts(panel, groups * GROUP * PANEL),
            )
        };
        *sums = [0; PANEL];
        for (a, panel) in a.as_chunks::<GROUP>().0.iter().zip(panel.as_chunks::<{ GROUP * PANEL }>().0) {
            for (sum, w) in sums.iter_mut().zip(panel.as_chunks::<GROUP>().0) {
                *sum += a.iter().zip(w).map(|(a, w)| i32::from(*a) * i32::from(*w)).sum::<i32>();
            }
        }
    }
}

/// A tile that calls the one of exactly `rows` rows, so that its sums stay in registers.
macro_rules! tile {
    ($name:ident, $rows:ident) => {
        pub(crate) unsafe fn $name(
            rows: usize,
            a: *const u8,
            stride: usize,
            panel: *const i8,
            groups: usize,
            out: &mut Sums,
        ) {
            // SAFETY: the caller's, who saw that the processor has the instructions.
            unsafe {
                match rows {
                    1 => $rows::<1>(a, stride, panel, groups, out),
                    2 => $rows::<2>(a, stride, panel, groups, out),
                    3 => $rows::<3>(a, stride, panel, groups, out),
                    4 => $rows::<4>(a, stride, panel, groups, out),
                    5 => $rows::<5>(a, stride, panel, groups, out),
                    _ => $rows::<6>(a, stride, panel, groups, out),
                }
            }
        }
    };
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{
        __m256i, __m512i, _mm_loadu_si128, _mm_set1_epi32, _mm256_add_epi32, _mm256_cvtepi8_epi16,
        _mm256_cvtepu8_epi16, _mm256_hadd_epi32, _mm256_madd_epi16, _mm256_permute4x64_epi64, _mm256_setzero_si256,
        _mm256_storeu_si256, _mm512_dpbusd_epi32, _mm512_loadu_si512, _mm512_set1_epi32, _mm512_setzero_si512,
        _mm512_storeu_si512,
    };

    use super::{GROUP, PANEL, Sums};

    tile!(vnni, vnni_rows);
    tile!(avx2, avx2_rows);

    /// Four inputs of a row, as one number to be spread over a vector.
    ///
    /// # Safety
    /// Four bytes at `at` are readable.
    #[inline(always)]
    unsafe fn four(at: *const u8) -> i32 {
        // SAFETY: the caller's; no alignment is asked for.
        unsafe { at.cast::<i32>().read_unaligned() }
    }

    /// 6 rows times 4 vectors are 24 sums; with the panel's vectors and a row's inputs they fill the 32 registers.
    #[target_feature(enable = "avx512f,avx512vnni")]
    unsafe fn vnni_rows<const R: usize>(a: *const u8, stride: usize, panel: *const i8, groups: usize, out: &mut Sums) {
        let mut sums = [[_mm512_setzero_si512(); 4]; R];
        for group in 0..groups {
            // SAFETY: the panel has `groups` groups of four vectors, each row `groups` of four bytes.
            unsafe {
                let panel = panel.add(group * GROUP * PANEL);
                let weights: [__m512i; 4] = std::array::from_fn(|v| _mm512_loadu_si512(panel.add(64 * v).cast()));
                for (row, sums) in sums.iter_mut().enumerate() {
                    let inputs = _mm512_set1_epi32(four(a.add(row * stride + group * GROUP)));
                    for (sum, weights) in sums.iter_mut().zip(weights) {
                        *sum = _mm512_dpbusd_epi32(*sum, inputs, weights);
                    }
                }
            }
        }
        for (sums, out) in sums.iter().zip(out) {
            for (sum, out) in sums.iter().zip(out.as_chunks_mut::<16>().0) {
                // SAFETY: sixteen sums.
                unsafe { _mm512_storeu_si512(out.as_mut_ptr().cast(), *sum) };
            }
        }
    }

    /// Bytes widened to 16 bits and multiplied in pairs: nothing saturates. Eight outputs at a time, each in two sums.
    #[target_feature(enable = "avx2")]
    unsafe fn avx2_rows<const R: usize>(a: *const u8, stride: usize, panel: *const i8, groups: usize, out: &mut Sums) {
        for eight in 0..PANEL / 8 {
            let mut sums = [[_mm256_setzero_si256(); 2]; R];
            for group in 0..groups {
                // SAFETY: the panel has `groups` groups of `PANEL` times four bytes, each row `groups` of four.
                unsafe {
                    let panel = panel.add(group * GROUP * PANEL + eight * 8 * GROUP);
                    let weights: [__m256i; 2] =
                        std::array::from_fn(|v| _mm256_cvtepi8_epi16(_mm_loadu_si128(panel.add(16 * v).cast())));
                    for (row, sums) in sums.iter_mut().enumerate() {
                        let inputs = _mm_set1_epi32(four(a.add(row * stride + group * GROUP)));
                        let inputs = _mm256_cvtepu8_epi16(inputs);
                        for (sum, weights) in sums.iter_mut().zip(weights) {
                            *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(inputs, weights));
                        }
                    }
                }
            }
            for (sums, out) in sums.iter().zip(out.iter_mut()) {
                // Each output's two sums are neighbours; adding them puts the halves of the vectors in turn.
                let both = _mm256_permute4x64_epi64::<0b11_01_10_00>(_mm256_hadd_epi32(sums[0], sums[1]));
                // SAFETY: eight sums.
                unsafe { _mm256_storeu_si256(out[eight * 8..][..8].as_mut_ptr().cast(), both) };
            }
        }
    }
}

#[cfg(target_arch = "aarch64")]
mod arm {
    use std::arch::aarch64::{
        int8x16_t, int32x4_t, vaddq_s32, vdupq_n_s8, vdupq_n_s32, veorq_s8, vld1q_s8, vreinterpretq_s8_s32,
        vshlq_n_s32, vst1q_s32,
    };
    use std::arch::asm;

    use super::{GROUP, PANEL, Sums};

    /// Sums of a vector: each is an output's.
    const LANES: usize = 4;

    tile!(dot, dot_rows);

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

    /// Few rows take many outputs at a time, so that the panel is read in order; more have no registers for that.
    #[target_feature(enable = "neon,dotprod")]
    unsafe fn dot_rows<const R: usize>(a: *const u8, stride: usize, panel: *const i8, groups: usize, out: &mut Sums) {
        // SAFETY: the caller's.
        unsafe {
            match R {
                1 | 2 => vectors::<R, 8>(a, stride, panel, groups, out),
                3 | 4 => vectors::<R, 4>(a, stride, panel, groups, out),
                _ => vectors::<R, 2>(a, stride, panel, groups, out),
            }
        }
    }

    /// `V` vectors of outputs at a time. The instruction takes signed bytes: inputs are lowered by 128, and 128 times the weights' sum is
    /// added in the end.
    #[inline]
    #[target_feature(enable = "neon,dotprod")]
    unsafe fn vectors<const R: usize, const V: usize>(
        a: *const u8,
        stride: usize,
        panel: *const i8,
        groups: usize,
        out: &mut Sums,
    ) {
        let (middle, ones) = (vdupq_n_s8(i8::MIN), vdupq_n_s8(1));
        for first in (0..PANEL / LANES).step_by(V) {
            let mut sums = [[vdupq_n_s32(0); V]; R];
            let mut weighed = [vdupq_n_s32(0); V];
            for group in 0..groups {
                // SAFETY: the panel has `groups` groups of `PANEL` times four bytes, each row `groups` of four.
                unsafe {
                    let panel = panel.add(group * GROUP * PANEL + first * LANES * GROUP);
                    let weights: [int8x16_t; V] = std::array::from_fn(|v| vld1q_s8(panel.add(16 * v)));
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
    fn a_tile_is_the_sum_of_products() {
        let mut panel = vec![0u8; 2 * GROUP * PANEL];
        // Output 3 has the weights 1, 2, 3, 4 and -5, 6, -7, -128.
        for (input, weight) in [1i8, 2, 3, 4, -5, 6, -7, -128].into_iter().enumerate() {
            panel[input / GROUP * GROUP * PANEL + 3 * GROUP + input % GROUP] = weight.cast_unsigned();
        }
        let mut out = [[7; PANEL]; ROWS];
        for dot in Dot::all() {
            dot.tile(1, &[255, 0, 2, 1, 1, 1, 1, 255], 8, &panel, &mut out);
            assert_eq!(out[0][3], 255 + 6 + 4 - 5 + 6 - 7 - 128 * 255, "{}", dot.name());
            assert_eq!((out[0][2], out[1][0]), (0, 7), "{}", dot.name());
        }
    }

    #[test]
    fn all_instruction_sets_agree_exactly() {
        for groups in [1, 2, 5, 16, 192, 768] {
            let panel = bytes(groups * GROUP * PANEL, 3);
            let stride = groups * GROUP + 3;
            let a = bytes(ROWS * stride, groups as u32);
            for rows in 1..=ROWS {
                let results = Dot::all().into_iter().map(|dot| {
                    let mut out = [[0; PANEL]; ROWS];
                    dot.tile(rows, &a, stride, &panel, &mut out);
                    (dot.name(), out)
                });
                let results: Vec<_> = results.collect();
                let (_, plain) = results.last().unwrap();
                for (name, out) in &results {
                    assert!(out == plain, "{name}: {rows} rows, {groups} groups");
                }
            }
        }
    }
}

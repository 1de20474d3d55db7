//! The microkernels for AVX-512 with VNNI, for AVX-VNNI and for AVX2.
//!
//! Each keeps as many sums in registers as there are: 24 of 32 with AVX-512, 12 of 16 with 256
//! bits. The VNNI ones multiply four bytes in a lane at once. AVX2 has no such instruction that is
//! exact for bytes, so there bytes become 16 bits and are multiplied in pairs.

use std::arch::x86_64::{
    __m256i, __m512i, _mm_loadu_si128, _mm256_add_epi32, _mm256_cvtepi8_epi16, _mm256_cvtepu8_epi16,
    _mm256_dpbusd_avx_epi32, _mm256_hadd_epi32, _mm256_loadu_si256, _mm256_madd_epi16, _mm256_permute4x64_epi64,
    _mm256_set1_epi32, _mm256_set1_epi64x, _mm256_setzero_si256, _mm256_storeu_si256, _mm512_dpbusd_epi32,
    _mm512_loadu_si512, _mm512_set1_epi32, _mm512_setzero_si512, _mm512_storeu_si512,
};
use std::mem::MaybeUninit;

use crate::kernels::int8::dot::shape::{GROUP, MR, NR, Sums};

microkernel!(avx512_vnni, avx512_vnni_rows);
microkernel!(avx_vnni, avx_vnni_rows);
microkernel!(avx2, avx2_rows);

/// Sums of a vector of 256 bits.
const LANES: usize = 8;
/// Groups of inputs whose activations are widened at a time: 12 KiB for all rows, which stay in the
/// first cache.
const WIDENED: usize = 256;

/// Four inputs of a row, as one number to be spread over a vector.
///
/// # Safety
/// Four bytes at `at` are readable.
#[inline(always)]
unsafe fn four(at: *const u8) -> i32 {
    // SAFETY: the caller's; no alignment is asked for.
    unsafe { at.cast::<i32>().read_unaligned() }
}

/// 6 rows times 4 vectors are 24 sums; with the tile's vectors and a row's inputs they fill the 32
/// registers.
#[target_feature(enable = "avx512f,avx512vnni")]
unsafe fn avx512_vnni_rows<const R: usize>(
    a: *const u8,
    stride: usize,
    tile: *const i8,
    groups: usize,
    out: &mut Sums,
) {
    let mut sums = [[_mm512_setzero_si512(); 4]; R];
    for group in 0..groups {
        // SAFETY: the tile has `groups` groups of four vectors, each row `groups` of four bytes.
        unsafe {
            let tile = tile.add(group * GROUP * NR);
            let weights: [__m512i; 4] = std::array::from_fn(|v| _mm512_loadu_si512(tile.add(64 * v).cast()));
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

/// Few rows take many outputs at a time, so that the tile is read in order; more have no registers
/// for that.
#[target_feature(enable = "avx2,avxvnni")]
unsafe fn avx_vnni_rows<const R: usize>(a: *const u8, stride: usize, tile: *const i8, groups: usize, out: &mut Sums) {
    // SAFETY: the caller's.
    unsafe {
        match R {
            1 => avx_vnni_vectors::<R, 8>(a, stride, tile, groups, out),
            2 | 3 => avx_vnni_vectors::<R, 4>(a, stride, tile, groups, out),
            _ => avx_vnni_vectors::<R, 2>(a, stride, tile, groups, out),
        }
    }
}

/// `V` vectors of outputs at a time.
#[inline]
#[target_feature(enable = "avx2,avxvnni")]
unsafe fn avx_vnni_vectors<const R: usize, const V: usize>(
    a: *const u8,
    stride: usize,
    tile: *const i8,
    groups: usize,
    out: &mut Sums,
) {
    for first in (0..NR).step_by(V * LANES) {
        let mut sums = [[_mm256_setzero_si256(); V]; R];
        for group in 0..groups {
            // SAFETY: the tile has `groups` groups of `NR` times four bytes, each row `groups` of
            // four.
            unsafe {
                let tile = tile.add((group * NR + first) * GROUP);
                let weights: [__m256i; V] = std::array::from_fn(|v| _mm256_loadu_si256(tile.add(32 * v).cast()));
                for (row, sums) in sums.iter_mut().enumerate() {
                    let inputs = _mm256_set1_epi32(four(a.add(row * stride + group * GROUP)));
                    for (sum, weights) in sums.iter_mut().zip(weights) {
                        *sum = _mm256_dpbusd_avx_epi32(*sum, inputs, weights);
                    }
                }
            }
        }
        for (sums, out) in sums.iter().zip(out.iter_mut()) {
            for (sum, out) in sums.iter().zip(out[first..].as_chunks_mut::<LANES>().0) {
                // SAFETY: eight sums.
                unsafe { _mm256_storeu_si256(out.as_mut_ptr().cast(), *sum) };
            }
        }
    }
}

/// Bytes widened to 16 bits and multiplied in pairs: nothing saturates, so this is as exact as the
/// others. (`vpmaddubsw` would multiply more at once, but its sums of 16 bits saturate unless
/// activations have 7 bits.) Activations are widened ahead of the products, which need each of them
/// for all outputs; weights as they are loaded.
#[target_feature(enable = "avx2")]
unsafe fn avx2_rows<const R: usize>(a: *const u8, stride: usize, tile: *const i8, groups: usize, out: &mut Sums) {
    let mut wide = MaybeUninit::<[u64; MR * WIDENED]>::uninit();
    let wide = wide.as_mut_ptr().cast::<u64>();
    for from in (0..groups).step_by(WIDENED) {
        let count = WIDENED.min(groups - from);
        // SAFETY: the rows have as many groups, and there is room for those of `MR` rows, four
        // numbers of 16 bits each. The tile is the caller's.
        unsafe {
            for row in 0..R {
                widen(a.add(row * stride + from * GROUP), count, wide.add(row * WIDENED));
            }
            let (tile, add) = (tile.add(from * GROUP * NR), from > 0);
            match R {
                1 => avx2_vectors::<R, 8>(wide, tile, count, add, out),
                2 => avx2_vectors::<R, 4>(wide, tile, count, add, out),
                _ => avx2_vectors::<R, 2>(wide, tile, count, add, out),
            }
        }
    }
}

/// Widens groups of unsigned bytes to 16 bits.
///
/// # Safety
/// `groups` groups are readable at `a`, and there is room for as many at `wide`.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn widen(a: *const u8, groups: usize, wide: *mut u64) {
    // SAFETY: the caller's.
    unsafe {
        let whole = groups - groups % 4;
        for group in (0..whole).step_by(4) {
            let bytes = _mm_loadu_si128(a.add(group * GROUP).cast());
            _mm256_storeu_si256(wide.add(group).cast(), _mm256_cvtepu8_epi16(bytes));
        }
        for group in whole..groups {
            let bytes = a.add(group * GROUP).cast::<[u8; GROUP]>().read();
            wide.add(group).cast::<[u16; GROUP]>().write(bytes.map(u16::from));
        }
    }
}

/// `V` vectors of four outputs' weights at a time. Each output has two sums, which are neighbours.
///
/// # Safety
/// `wide` has `R` rows of `groups` groups, [`WIDENED`] apart, and `tile` has as many groups.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn avx2_vectors<const R: usize, const V: usize>(
    wide: *const u64,
    tile: *const i8,
    groups: usize,
    add: bool,
    out: &mut Sums,
) {
    for first in (0..NR).step_by(V * LANES / 2) {
        let mut sums = [[_mm256_setzero_si256(); V]; R];
        for group in 0..groups {
            // SAFETY: the tile has `groups` groups of `NR` times four bytes, each row `groups` of
            // four numbers.
            unsafe {
                let tile = tile.add((group * NR + first) * GROUP);
                let weights: [__m256i; V] =
                    std::array::from_fn(|v| _mm256_cvtepi8_epi16(_mm_loadu_si128(tile.add(16 * v).cast())));
                for (row, sums) in sums.iter_mut().enumerate() {
                    let inputs = _mm256_set1_epi64x(wide.add(row * WIDENED + group).read().cast_signed());
                    for (sum, weights) in sums.iter_mut().zip(weights) {
                        *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(inputs, weights));
                    }
                }
            }
        }
        for (sums, out) in sums.iter().zip(out.iter_mut()) {
            for (two, out) in sums.as_chunks::<2>().0.iter().zip(out[first..].as_chunks_mut::<LANES>().0) {
                // Adding neighbours puts the halves of the two vectors in turn.
                let both = _mm256_permute4x64_epi64::<0b11_01_10_00>(_mm256_hadd_epi32(two[0], two[1]));
                // SAFETY: eight sums.
                unsafe {
                    let before = if add { _mm256_loadu_si256(out.as_ptr().cast()) } else { _mm256_setzero_si256() };
                    _mm256_storeu_si256(out.as_mut_ptr().cast(), _mm256_add_epi32(both, before));
                }
            }
        }
    }
}

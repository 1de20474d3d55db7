//! Prefetch of keys and values from the KV cache while earlier ones are multiplied. Knows addresses
//! and lengths, and reads nothing itself.

use std::ops::Range;

use rten_simd::Isa;
use rten_simd::ops::BitOps;

use crate::kernels::attention::heads::Heads;

/// Rows that are asked of memory while others are multiplied: the order of the products is none
/// that processors foresee.
#[derive(Clone, Copy)]
pub(super) struct Fetch {
    at: *const f32,
    len: usize,
}

impl Fetch {
    pub(super) const NONE: Self = Self { at: std::ptr::null(), len: 0 };

    /// All heads' rows of some keys, if they lie in one piece as they do in the cache.
    pub(super) fn rows(heads: &Heads<'_>, keys: Range<usize>) -> Self {
        if keys.is_empty() || heads.head_stride != heads.d || heads.row_stride != heads.count * heads.d {
            return Self::NONE;
        }
        Self { at: heads.row(0, keys.start).as_ptr(), len: keys.len() * heads.row_stride }
    }

    /// Without its first numbers.
    pub(super) fn from(self, offset: usize) -> Self {
        Self { at: self.at.wrapping_add(offset), len: self.len.saturating_sub(offset) }
    }

    /// Asks for the cache line at an offset. Rising offsets are fastest.
    #[inline(always)]
    pub(super) fn line<I: Isa>(self, isa: I, offset: usize) {
        if offset < self.len {
            isa.f32().prefetch(self.at.wrapping_add(offset));
        }
    }
}

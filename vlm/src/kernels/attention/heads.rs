//! What attention reads: heads of queries, keys and values where they lie, and how they are to be
//! scored. Computes nothing.

use candle_core::{CpuStorage, Layout, Result, bail};

/// `softmax(scale * q k^T) v`; shapes as in [`crate::kernels::attention()`].
pub(crate) struct Attention {
    pub(crate) scale: f32,
    pub(crate) causal: bool,
}

/// A `[heads, rows, d]` view of which only the last dimension is contiguous.
#[derive(Clone, Copy)]
pub(crate) struct Heads<'a> {
    data: &'a [f32],
    pub(crate) count: usize,
    pub(crate) rows: usize,
    pub(crate) d: usize,
    pub(crate) head_stride: usize,
    pub(crate) row_stride: usize,
}

impl<'a> Heads<'a> {
    pub(crate) fn new(storage: &'a CpuStorage, layout: &Layout) -> Result<Self> {
        let (heads, rows, d) = layout.shape().dims3()?;
        let &[head_stride, row_stride, 1] = layout.stride() else {
            bail!("attention needs heads that are contiguous in their width, not strides {:?}", layout.stride())
        };
        let data = storage.as_slice::<f32>()?.get(layout.start_offset()..).unwrap_or_default();
        if heads == 0 || rows == 0 || (heads - 1) * head_stride + (rows - 1) * row_stride + d > data.len() {
            bail!("attention over a view of shape {:?} that leaves its storage", layout.shape());
        }
        Ok(Self { data, count: heads, rows, d, head_stride, row_stride })
    }

    /// All of `data`: rows of `count` heads of `d` values each, side by side.
    pub(crate) fn rows(data: &'a [f32], count: usize, d: usize) -> Self {
        assert!(!data.is_empty() && data.len().is_multiple_of(count * d));
        Self { data, count, rows: data.len() / (count * d), d, head_stride: d, row_stride: count * d }
    }

    /// A row's values, in bounds as checked when this was made.
    pub(crate) fn row(&self, head: usize, row: usize) -> &'a [f32] {
        &self.data[head * self.head_stride + row * self.row_stride..][..self.d]
    }
}

//! Keys and values of every token evaluated so far, for all layers, with a length that can be set
//! back.
//!
//! Rows are written in place and rewinding only sets a length: nothing is copied, freed or
//! reallocated, so a frame and a reply cost no memory traffic beyond their own rows. Knows nothing
//! of what the tokens mean.

use std::cell::Cell;

use candle_core::{CpuStorage, DType, Device, InplaceOp1, Layout, Tensor};

use crate::error::Result;

/// Rows are allocated in blocks of so many: a live view of 82 tokens and its caption of 60 holds
/// three, so that many views cost what they use and no context is reserved.
const BLOCK: usize = 64;

/// The cache. Layout of each layer's keys and values: `[capacity, kv_heads * head_dim]`, so that
/// writing is one copy.
pub(crate) struct KvCache {
    layers: Vec<CachedLayer>,
    len: usize,
    capacity: usize,
    most: usize,
    kv_heads: usize,
}

struct CachedLayer {
    keys: Tensor,
    values: Tensor,
}

impl KvCache {
    /// An empty cache for `layers` layers that can grow to `most` tokens.
    pub fn new(
        layers: usize,
        kv_heads: usize,
        head_dim: usize,
        most: usize,
        dtype: DType,
        device: &Device,
    ) -> Result<Self> {
        let capacity = BLOCK.min(most);
        let zeros = || Tensor::zeros((capacity, kv_heads * head_dim), dtype, device);
        let layers =
            (0..layers).map(|_| Ok(CachedLayer { keys: zeros()?, values: zeros()? })).collect::<Result<Vec<_>>>()?;
        Ok(Self { layers, len: 0, capacity, most, kv_heads })
    }

    /// Tokens held, which is also the position of the next one.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Forgets every token from `len` on. Rewinding to more than there is keeps what there is.
    pub fn rewind(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    /// Another cache with the first `len` tokens of this one, which both go on from.
    pub fn fork(&self, len: usize) -> Result<Self> {
        let len = len.min(self.len);
        let capacity = (len.div_ceil(BLOCK).max(1) * BLOCK).min(self.most.max(len));
        let copy = |rows: &Tensor| -> Result<Tensor> {
            let copied = Tensor::zeros((capacity, rows.dim(1)?), rows.dtype(), rows.device())?;
            if len > 0 {
                copied.slice_set(&rows.narrow(0, 0, len)?, 0, 0)?;
            }
            Ok(copied)
        };
        let copied = |layer: &CachedLayer| Ok(CachedLayer { keys: copy(&layer.keys)?, values: copy(&layer.values)? });
        let layers = self.layers.iter().map(copied).collect::<Result<Vec<_>>>()?;
        Ok(Self { layers, len, capacity, most: self.most, kv_heads: self.kv_heads })
    }

    /// Makes room for `more` tokens after the present ones. When it must grow, it grows by a
    /// quarter at least, so that a long conversation is not copied too often.
    pub fn reserve(&mut self, more: usize) -> Result<()> {
        let need = self.len + more;
        if need <= self.capacity {
            return Ok(());
        }
        let wanted = need.max(self.capacity + self.capacity / 4);
        let capacity = (wanted.div_ceil(BLOCK) * BLOCK).min(self.most.max(need));
        for layer in &mut self.layers {
            for rows in [&mut layer.keys, &mut layer.values] {
                let grown = Tensor::zeros((capacity, rows.dim(1)?), rows.dtype(), rows.device())?;
                if self.len > 0 {
                    grown.slice_set(&rows.narrow(0, 0, self.len)?, 0, 0)?;
                }
                *rows = grown;
            }
        }
        self.capacity = capacity;
        Ok(())
    }

    /// Writes rows of one layer (`keys`, `values`: `[t, kv_heads * head_dim]`, contiguous),
    /// `offset` rows behind the present ones. The length moves only at [`Self::advance`].
    pub fn write(&mut self, layer: usize, offset: usize, keys: &Tensor, values: &Tensor) -> Result<()> {
        let layer = &self.layers[layer];
        layer.keys.slice_set(keys, 0, self.len + offset)?;
        layer.values.slice_set(values, 0, self.len + offset)?;
        Ok(())
    }

    /// Views of one layer's present keys and values and of `more` that were written behind them,
    /// `[kv_heads, len + more, head_dim]`.
    pub fn read(&self, layer: usize, more: usize) -> Result<(Tensor, Tensor)> {
        let total = self.len + more;
        let layer = &self.layers[layer];
        let view = |rows: &Tensor| -> candle_core::Result<Tensor> {
            let width = rows.dim(1)?;
            rows.narrow(0, 0, total)?.reshape((total, self.kv_heads, width / self.kv_heads))?.transpose(0, 1)
        };
        Ok((view(&layer.keys)?, view(&layer.values)?))
    }

    /// Hands `work` all rows of one layer's keys and values, room for more included, to write
    /// behind the present ones. They are f32 on the CPU, or this fails.
    pub fn with_rows(&mut self, layer: usize, work: impl FnOnce(&mut [f32], &mut [f32])) -> Result<()> {
        let CachedLayer { keys, values } = &self.layers[layer];
        let mut all = Ok(());
        keys.inplace_op1(&Plain::new(|keys| {
            all = values.inplace_op1(&Plain::new(|values| work(keys, values)));
        }))?;
        Ok(all?)
    }

    /// Counts `t` tokens that every layer has appended.
    pub fn advance(&mut self, t: usize) {
        self.len += t;
    }
}

/// Hands a tensor's numbers out, once.
struct Plain<F>(Cell<Option<F>>);

impl<F: FnOnce(&mut [f32])> Plain<F> {
    fn new(work: F) -> Self {
        Self(Cell::new(Some(work)))
    }
}

impl<F: FnOnce(&mut [f32])> InplaceOp1 for Plain<F> {
    fn name(&self) -> &'static str {
        "plain-rows"
    }

    fn cpu_fwd(&self, storage: &mut CpuStorage, layout: &Layout) -> candle_core::Result<()> {
        let (CpuStorage::F32(all), Some((from, to))) = (storage, layout.contiguous_offsets()) else {
            candle_core::bail!("the cache is not of plain rows in f32")
        };
        if let Some(work) = self.0.take() {
            work(&mut all[from..to]);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(first: f32, n: usize) -> Tensor {
        let values: Vec<f32> = (0..n * 4).map(|i| first + i as f32).collect();
        Tensor::from_vec(values, (n, 4), &Device::Cpu).unwrap()
    }

    fn cache(most: usize) -> KvCache {
        KvCache::new(1, 2, 2, most, DType::F32, &Device::Cpu).unwrap()
    }

    fn append(c: &mut KvCache, first: f32, n: usize) -> Vec<f32> {
        c.reserve(n).unwrap();
        c.write(0, 0, &rows(first, n), &rows(-first, n)).unwrap();
        let (k, v) = c.read(0, n).unwrap();
        assert_eq!((k.dims(), v.dims()), (&[2, c.len() + n, 2][..], &[2, c.len() + n, 2][..]));
        c.advance(n);
        k.transpose(0, 1).unwrap().flatten_all().unwrap().to_vec1().unwrap()
    }

    #[test]
    fn rewinding_overwrites_what_was_forgotten_and_keeps_the_rest() {
        let mut c = cache(64);
        append(&mut c, 0.0, 3);
        append(&mut c, 100.0, 2);
        c.rewind(3);
        assert_eq!(c.len(), 3);
        let keys = append(&mut c, 50.0, 1);
        assert_eq!(keys.len(), 16);
        assert_eq!(&keys[..12], &rows(0.0, 3).flatten_all().unwrap().to_vec1::<f32>().unwrap()[..]);
        assert_eq!(&keys[12..], &[50.0, 51.0, 52.0, 53.0]);
    }

    #[test]
    fn rewinding_forwards_changes_nothing() {
        let mut c = cache(64);
        append(&mut c, 0.0, 3);
        c.rewind(9);
        assert_eq!(c.len(), 3);
    }

    #[test]
    fn it_grows_in_blocks_of_what_is_used_and_never_beyond_the_most() {
        let mut c = cache(300);
        assert_eq!(c.capacity, BLOCK);
        append(&mut c, 0.0, 142);
        assert_eq!(c.capacity, 3 * BLOCK);
        append(&mut c, 0.0, 3 * BLOCK - 142 + 1);
        assert_eq!(c.capacity, 4 * BLOCK, "a quarter more is less than a block");
        let rest = 300 - c.len();
        append(&mut c, 0.0, rest);
        assert_eq!(c.capacity, 300);
    }

    #[test]
    fn growing_keeps_every_row() {
        let mut c = cache(4096);
        append(&mut c, 0.0, BLOCK);
        let keys = append(&mut c, 9000.0, 1);
        assert_eq!(&keys[..4], &[0.0, 1.0, 2.0, 3.0]);
        assert_eq!(&keys[BLOCK * 4..], &[9000.0, 9001.0, 9002.0, 9003.0]);
    }
}

//! Matrices of numbers in tiles.

use candle_core::{Result, Storage, Tensor, bail};
use rayon::prelude::*;

use crate::kernels::simd::values;

/// Outputs of a tile.
pub(crate) const NR: usize = 64;
/// Pairs of them.
pub(crate) const PAIRS: usize = NR / 2;
/// Inputs that are laid out together: a cache line of each output's weights.
const STRIP: usize = 16;
/// The half of a number's bits that bf16 leaves out.
pub(crate) const LOW: u32 = 0xffff;

/// A matrix of `[outputs, inputs]`.
///
/// A tile holds the weights of 64 outputs, input by input; what is missing of the last tile is
/// zero. Of each input's 64 weights those of outputs `j` and `j + 32` are a pair, which bf16 has in
/// one word, so that a vector of words is two vectors of numbers.
pub(crate) struct Packed {
    outputs: usize,
    inputs: usize,
    pub(crate) tiles: PackedTiles,
}

/// The weights.
pub(crate) enum PackedTiles {
    /// Numbers that bf16 holds exactly: `j` in the lower half of word `j`, `j + 32` in the upper.
    Bf16(Vec<u32>),
    F32(Vec<f32>),
}

impl Packed {
    /// Some matrices under one another, each `[its outputs, inputs]`, f32, on the CPU; in 16 bits a
    /// weight if that loses nothing.
    ///
    /// # Errors
    /// When they are not of one width, or of another kind.
    pub(crate) fn new(matrices: &[Tensor]) -> Result<Self> {
        let inputs = matrices.first().map_or(Ok(0), |matrix| matrix.dim(1))?;
        let whole = matrices.iter().map(Tensor::contiguous).collect::<Result<Vec<_>>>()?;
        let stored: Vec<_> = whole.iter().map(Tensor::storage_and_layout).collect();
        let mut rows = Vec::new();
        for (storage, layout) in &stored {
            match &**storage {
                Storage::Cpu(storage) if layout.shape().dims2()?.1 == inputs => {
                    rows.extend(values(storage, layout)?.chunks_exact(inputs.max(1)));
                }
                _ => bail!("a matrix of shape {:?} can't be packed with one of {inputs} inputs", layout.shape()),
            }
        }
        let halves = rows.par_iter().all(|row| row.iter().fold(0, |bits, x| bits | x.to_bits()) & LOW == 0);
        let tiles = if halves {
            PackedTiles::Bf16(laid_out(&rows, inputs, |low, high| [(low.to_bits() >> 16) | high.to_bits()]))
        } else {
            PackedTiles::F32(laid_out(&rows, inputs, |low, high| [low, high]))
        };
        Ok(Self { outputs: rows.len(), inputs, tiles })
    }

    /// Rows that the product has.
    pub(crate) fn outputs(&self) -> usize {
        self.outputs
    }

    /// Values of a row that it takes.
    pub(crate) fn inputs(&self) -> usize {
        self.inputs
    }

    /// Bytes held.
    pub(crate) fn bytes(&self) -> usize {
        match &self.tiles {
            PackedTiles::Bf16(words) => size_of_val(&words[..]),
            PackedTiles::F32(numbers) => size_of_val(&numbers[..]),
        }
    }

    /// An output's weights.
    pub(crate) fn output(&self, output: usize) -> Vec<f32> {
        let (tile, column) = (output / NR, output % NR);
        let weight = |i: usize| match &self.tiles {
            PackedTiles::Bf16(words) => {
                let word = words[(tile * self.inputs + i) * PAIRS + column % PAIRS];
                f32::from_bits(if column < PAIRS { word << 16 } else { word & !LOW })
            }
            PackedTiles::F32(numbers) => numbers[(tile * self.inputs + i) * NR + column],
        };
        (0..self.inputs).map(weight).collect()
    }
}

/// Packed tiles of `N` items for each pair of an input's weights: the first of all pairs, then the
/// second.
fn laid_out<T: Copy + Default + Send, const N: usize>(
    rows: &[&[f32]],
    inputs: usize,
    items: impl Fn(f32, f32) -> [T; N] + Sync,
) -> Vec<T> {
    let width = N * PAIRS;
    let absent = vec![0.0; inputs];
    let mut tiles = vec![T::default(); rows.len().div_ceil(NR) * inputs * width];
    tiles.par_chunks_mut((inputs * width).max(1)).zip(rows.par_chunks(NR)).for_each(|(tile, rows)| {
        for (strip, tile) in tile.chunks_mut(STRIP * width).enumerate() {
            let columns = strip * STRIP..inputs.min((strip + 1) * STRIP);
            let weights = |output: usize| &rows.get(output).copied().unwrap_or(&absent)[columns.clone()];
            for j in 0..PAIRS {
                let pairs = weights(j).iter().zip(weights(j + PAIRS));
                for ((low, high), step) in pairs.zip(tile.chunks_exact_mut(width)) {
                    for (n, item) in items(*low, *high).into_iter().enumerate() {
                        step[n * PAIRS + j] = item;
                    }
                }
            }
        }
    });
    tiles
}

//! The embedding of a picture's patches, straight from its pixels: they are bytes already, so
//! nothing is rounded but weights.

use rayon::prelude::*;
use rten_simd::{Isa, SimdOp};

use crate::kernels::int8::affine::Affine;
use crate::kernels::int8::rows::{Rows, block};
use crate::kernels::simd::Dispatch as _;

/// Bytes of a pixel.
const CHANNELS: usize = 3;

/// A tile's pixels, and how it is cut into patches.
#[derive(Clone, Copy)]
pub(crate) struct Tile<'a> {
    /// Red, green and blue, row by row.
    pub(crate) pixels: &'a [u8],
    /// Pixels of a row. What lies right of and below the last whole patch is left out.
    pub(crate) width: usize,
    /// Pixels along a patch's edge.
    pub(crate) patch: usize,
    /// Patches along the tile's edge.
    pub(crate) grid: usize,
}

/// Adds the embeddings of all patches to the rows of `out`: `weights` times `(channel, row,
/// column)` of a patch, and its bias.
pub(crate) fn embed(tile: Tile<'_>, weights: &Affine, out: &mut [f32]) {
    let width = weights.outputs();
    assert!(out.len() == tile.grid * tile.grid * width);
    let block = block(tile.grid * tile.grid);
    out.par_chunks_mut(block * width)
        .enumerate()
        .for_each(|(number, out)| Embed { tile, first: number * block, weights, out }.dispatch_here());
}

/// Some patches.
struct Embed<'a> {
    tile: Tile<'a>,
    first: usize,
    weights: &'a Affine,
    out: &'a mut [f32],
}

impl SimdOp for Embed<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        let Self { tile, first, weights, out } = self;
        let mut rows = Rows::default();
        rows.reset(out.len() / weights.outputs(), CHANNELS * tile.patch * tile.patch);
        for row in 0..rows.count() {
            rows.set_bytes(row, tile.of_patch(first + row));
        }
        weights.rows(isa, &rows, true, out);
    }
}

impl Tile<'_> {
    /// The bytes of a patch.
    #[inline(always)]
    fn of_patch(&self, number: usize) -> impl Iterator<Item = u8> {
        let (side, stride) = (self.patch, self.width * CHANNELS);
        let corner = number / self.grid * side * stride + number % self.grid * side * CHANNELS;
        (0..CHANNELS).flat_map(move |channel| {
            (0..side).flat_map(move |y| {
                let row = &self.pixels[corner + y * stride..][..side * CHANNELS];
                row.iter().skip(channel).step_by(CHANNELS).copied()
            })
        })
    }
}

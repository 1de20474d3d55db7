//! Matrices of signed bytes in packed tiles, a scale for each output, and the product of rows with
//! them.
//!
//! A weight is `scale[output] * byte`, or `scale[output] * (byte + second / 254)` with
//! [`Levels::Two`], for layers whose errors every token shares. So an output is
//! `row_scale * scale * (sum of byte products - zero * sum of weights) + bias`, of which the sums
//! are exact.

#![allow(unsafe_code, reason = "vector loads and stores through pointers, in the innermost loops")]

use std::ops::Range;
use std::sync::Arc;

use memmap2::Mmap;
use rayon::prelude::*;
use rten_simd::Isa;
use rten_simd::ops::{BitOps, FloatOps, NumOps, ToFloat};

use crate::kernels::int8::dot::{Dot, GROUP, MR, NR, Sums};
use crate::kernels::int8::rows::Rows;
use crate::kernels::simd::{load, store, vectors};

/// The largest magnitude of a weight's byte.
pub(crate) const MOST: f32 = 127.0;
/// Steps of the second quantisation level in one of the first: its bytes reach half a step.
const FINE: f32 = 254.0;

/// Quantisation levels of a weight: a byte, or a second one for the residual of the first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Levels {
    /// One: an error of up to half a 127th of the output's largest weight.
    One,
    /// Two, at twice the work: half a 32,000th.
    Two,
}

/// Signed bytes, made here or a part of what was read from a file.
pub(crate) enum Bytes {
    Made(Vec<u8>),
    Mapped(Arc<Mmap>, Range<usize>),
}

impl Bytes {
    #[inline(always)]
    fn all(&self) -> &[u8] {
        match self {
            Self::Made(bytes) => bytes,
            Self::Mapped(map, range) => &map[range.clone()],
        }
    }
}

/// A matrix.
pub(crate) struct Packed {
    outputs: usize,
    inputs: usize,
    levels: Levels,
    /// Packed tiles of `depth * NR`; with two levels each has half as many outputs, first their
    /// first bytes, then their second.
    tiles: Bytes,
    /// A scale and a sum of weights, in steps, for each output, and zeros up to whole tiles.
    scale: Vec<f32>,
    sums: Vec<f32>,
}

impl Packed {
    /// A matrix of zeros, to be filled through [`Packed::parts`].
    pub(crate) fn zeros(outputs: usize, inputs: usize, levels: Levels) -> Self {
        let mut packed =
            Self { outputs: 0, inputs: 0, levels, tiles: Bytes::Made(Vec::new()), scale: Vec::new(), sums: Vec::new() };
        packed.reset(outputs, inputs);
        packed
    }

    /// Makes room for a matrix of another size, all zeros.
    pub(crate) fn reset(&mut self, outputs: usize, inputs: usize) {
        (self.outputs, self.inputs) = (outputs, inputs);
        let tiles = outputs.div_ceil(self.width());
        let len = tiles * self.tile_len();
        match &mut self.tiles {
            Bytes::Made(bytes) => {
                bytes.clear();
                bytes.resize(len, 0);
            }
            Bytes::Mapped(..) => self.tiles = Bytes::Made(vec![0; len]),
        }
        for per_output in [&mut self.scale, &mut self.sums] {
            per_output.clear();
            per_output.resize(tiles * self.levels.width(), 0.0);
        }
    }

    /// Quantises the rows of some matrices under one another: `[outputs, inputs]` each, as
    /// checkpoints store them.
    pub(crate) fn quantise(matrices: &[&[f32]], inputs: usize, levels: Levels) -> Self {
        let rows: Vec<&[f32]> = matrices.iter().flat_map(|m| m.chunks_exact(inputs)).collect();
        let mut packed = Self::zeros(rows.len(), inputs, levels);
        let (width, len) = (packed.width(), packed.tile_len());
        let (tiles, scale, sums) = packed.parts();
        tiles
            .par_chunks_mut(len)
            .zip(scale.par_chunks_mut(width))
            .zip(sums.par_chunks_mut(width))
            .zip(rows.par_chunks(width))
            .for_each(|(((tile, scale), sums), rows)| {
                for (column, row) in rows.iter().enumerate() {
                    (scale[column], sums[column]) = fill(tile, column, levels, row);
                }
            });
        packed
    }

    /// The matrix of these parts, as [`Packed::tile_bytes`] and the others gave them, if they fit
    /// each other.
    pub(crate) fn from_parts(
        outputs: usize,
        inputs: usize,
        levels: Levels,
        tiles: Bytes,
        scale: Vec<f32>,
        sums: Vec<f32>,
    ) -> Option<Self> {
        let packed = Self { outputs, inputs, levels, tiles, scale, sums };
        let tiles = outputs.div_ceil(packed.width());
        let fits = packed.scale.len() == tiles * packed.width()
            && packed.sums.len() == packed.scale.len()
            && packed.tile_bytes().len() == tiles * packed.tile_len();
        fits.then_some(packed)
    }

    /// The weights, tile by tile.
    pub(crate) fn tile_bytes(&self) -> &[u8] {
        self.tiles.all()
    }

    /// The outputs' scales, up to whole tiles.
    pub(crate) fn scale(&self) -> &[f32] {
        &self.scale
    }

    /// The sums of the outputs' weights in steps, up to whole tiles.
    pub(crate) fn sums(&self) -> &[f32] {
        &self.sums
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
        self.tile_bytes().len() + size_of_val(&self.scale[..]) + size_of_val(&self.sums[..])
    }

    /// Outputs of a tile.
    fn width(&self) -> usize {
        self.levels.width()
    }

    fn tile_len(&self) -> usize {
        self.inputs.next_multiple_of(GROUP) * NR
    }

    /// How many tiles there are.
    pub(crate) fn tiles(&self) -> usize {
        self.scale.len() / self.width()
    }

    /// An output's weights as numbers, as they were rounded.
    pub(crate) fn output(&self, output: usize) -> Vec<f32> {
        let width = self.width();
        let (tile, column) = (output / width, output % width);
        let bytes = &self.tile_bytes()[tile * self.tile_len()..];
        let weight = |i: usize| {
            let at = i / GROUP * GROUP * NR + column * GROUP + i % GROUP;
            let fine = if self.levels == Levels::Two {
                f32::from(bytes[at + width * GROUP].cast_signed()) / FINE
            } else {
                0.0
            };
            (f32::from(bytes[at].cast_signed()) + fine) * self.scale[output]
        };
        (0..self.inputs).map(weight).collect()
    }

    /// Tiles, scales and sums, to be written. A mapped matrix is never written to, and gives no
    /// tiles.
    pub(crate) fn parts(&mut self) -> (&mut [u8], &mut [f32], &mut [f32]) {
        let tiles = match &mut self.tiles {
            Bytes::Made(bytes) => &mut bytes[..],
            Bytes::Mapped(..) => &mut [],
        };
        (tiles, &mut self.scale, &mut self.sums)
    }

    /// One of the tiles.
    #[inline(always)]
    pub(crate) fn tile(&self, number: usize) -> PackedTile<'_> {
        let (width, len) = (self.width(), self.tile_len());
        let columns = number * width..(number + 1) * width;
        PackedTile {
            bytes: &self.tile_bytes()[number * len..][..len],
            scale: &self.scale[columns.clone()],
            weights: &self.sums[columns.clone()],
            levels: self.levels,
            first: columns.start,
            outputs: columns.end.min(self.outputs) - columns.start,
        }
    }

    /// All rows times all tiles: `map` is applied to each vector, and `out` gets rows of
    /// [`Packed::outputs`] values. With `add` they are added to what is there.
    ///
    /// `start` is what products are added to: a value for each output, the same for all rows, or
    /// such a row for every [`MR`] rows.
    #[inline(always)]
    pub(crate) fn rows<I: Isa>(
        &self,
        isa: I,
        a: &Rows,
        start: Option<&[f32]>,
        add: bool,
        out: &mut [f32],
        map: impl Fn(I::F32) -> I::F32,
    ) {
        let f = isa.f32();
        let (count, outputs) = (a.count(), self.outputs);
        assert!(out.len() == count * outputs && a.stride == self.inputs.next_multiple_of(GROUP));
        let mut sums = NO_SUMS;
        for number in 0..self.tiles() {
            let tile = self.tile(number);
            for first in (0..count).step_by(MR) {
                let rows = first..(first + MR).min(count);
                let start = start.map(|start| {
                    let row = if start.len() == outputs { 0 } else { first / MR };
                    &start[row * outputs + tile.first..][..tile.outputs]
                });
                tile.multiply(a, rows.clone(), &mut sums);
                for (row, sums) in rows.zip(&sums) {
                    let to = out[row * outputs + tile.first..][..tile.outputs].as_mut_ptr();
                    // SAFETY: as many values as the tile has outputs.
                    unsafe {
                        tile.put(
                            isa,
                            (a, row..row + 1),
                            std::slice::from_ref(sums),
                            start,
                            to,
                            #[inline(always)]
                            |at, n, y| {
                                let y = map(y);
                                if add { f.add(y, load(isa, to.add(at), n)) } else { y }
                            },
                        );
                    }
                }
            }
        }
    }
}

/// Room for the sums of a tile.
pub(crate) const NO_SUMS: Sums = [[0; NR]; MR];

/// The weights of some neighbouring outputs.
#[derive(Clone, Copy)]
pub(crate) struct PackedTile<'a> {
    bytes: &'a [u8],
    scale: &'a [f32],
    /// Sums of weights, in steps.
    weights: &'a [f32],
    levels: Levels,
    /// The first of its outputs, and how many of them are the matrix's.
    pub(crate) first: usize,
    pub(crate) outputs: usize,
}

impl PackedTile<'_> {
    /// Asks memory for what [`PackedTile::value`] will need, which is read long after weights were
    /// asked for.
    #[inline(always)]
    pub(crate) fn prefetch<I: Isa>(&self, isa: I) {
        let f = isa.f32();
        for at in (0..self.scale.len()).step_by(f.len()) {
            f.prefetch(self.scale[at..].as_ptr());
            f.prefetch(self.weights[at..].as_ptr());
        }
    }

    /// The sums of a few rows of `a`, at most [`MR`], from which [`PackedTile::value`] makes
    /// values.
    #[inline(always)]
    pub(crate) fn multiply(&self, a: &Rows, rows: Range<usize>, sums: &mut Sums) {
        Dot::here().multiply(rows.len(), &a.bytes[rows.start * a.stride..], a.stride, self.bytes, sums);
    }

    /// Writes the tile's outputs to `to`: those of some rows of `a`, whose sums these are,
    /// together, and of `start`, a value for each output. `map` makes what is written of a
    /// vector's place, how many of its lanes count, and its values.
    ///
    /// # Safety
    /// `to` has room for the tile's outputs.
    #[inline(always)]
    pub(crate) unsafe fn put<I: Isa>(
        &self,
        isa: I,
        (a, rows): (&Rows, Range<usize>),
        sums: &[[i32; NR]],
        start: Option<&[f32]>,
        to: *mut f32,
        mut map: impl FnMut(usize, usize, I::F32) -> I::F32,
    ) {
        let f = isa.f32();
        assert!(start.is_none_or(|start| start.len() == self.outputs));
        let start = start.map(<[f32]>::as_ptr);
        vectors(
            self.outputs,
            f.len(),
            #[inline(always)]
            |at, n| {
                // SAFETY: `vectors` stays within the tile's outputs, of which there are as many at
                // `to` and `start`.
                unsafe {
                    let mut y = match start {
                        Some(start) => load(isa, start.add(at), n),
                        None => f.zero(),
                    };
                    for (row, sums) in rows.clone().zip(sums) {
                        y = self.value(isa, a, row, sums, at, y);
                    }
                    store(isa, map(at, n, y), to.add(at), n);
                }
            },
        );
    }

    /// The vector of outputs from the tile's `at` on for a row of `a`, whose sums these are, added
    /// to `to`.
    ///
    /// # Safety
    /// `at` is less than the tile's outputs, and a multiple of the lanes.
    #[inline(always)]
    unsafe fn value<I: Isa>(&self, isa: I, a: &Rows, row: usize, sums: &[i32; NR], at: usize, to: I::F32) -> I::F32 {
        let (f, int) = (isa.f32(), isa.i32());
        // SAFETY: tiles are whole, and lanes divide their outputs.
        unsafe {
            let mut steps = int.to_float(int.load_ptr(sums.as_ptr().add(at)));
            if self.levels == Levels::Two {
                let second = int.to_float(int.load_ptr(sums.as_ptr().add(self.levels.width() + at)));
                steps = f.mul_add(second, f.splat(1.0 / FINE), steps);
            }
            let steps = f.mul_sub_from(f.splat(a.zero[row]), f.load_ptr(self.weights.as_ptr().add(at)), steps);
            let scale = f.mul(f.splat(a.scale[row]), f.load_ptr(self.scale.as_ptr().add(at)));
            f.mul_add(steps, scale, to)
        }
    }
}

/// Puts an output's weights into its column of a tile. Returns their scale and their sum in steps.
fn fill(tile: &mut [u8], column: usize, levels: Levels, weights: &[f32]) -> (f32, f32) {
    let most = weights.iter().fold(0f32, |most, w| most.max(w.abs()));
    let scale = most / MOST;
    let per = if scale > 0.0 { 1.0 / scale } else { 0.0 };
    let (mut sum, mut fine_sum) = (0i32, 0i32);
    for (i, w) in weights.iter().enumerate() {
        let steps = w * per;
        let coarse = steps.round_ties_even().clamp(-MOST, MOST);
        let at = i / GROUP * GROUP * NR + column * GROUP + i % GROUP;
        let byte = coarse as i8;
        tile[at] = byte.cast_unsigned();
        sum += i32::from(byte);
        if levels == Levels::Two {
            let byte = ((steps - coarse) * FINE).round_ties_even().clamp(-MOST, MOST) as i8;
            tile[at + levels.width() * GROUP] = byte.cast_unsigned();
            fine_sum += i32::from(byte);
        }
    }
    let scale = if weights.iter().all(|w| w.is_finite()) { scale } else { f32::NAN };
    (scale, sum as f32 + fine_sum as f32 / FINE)
}

impl Levels {
    /// Outputs of a tile.
    fn width(self) -> usize {
        match self {
            Self::One => NR,
            Self::Two => NR / 2,
        }
    }
}

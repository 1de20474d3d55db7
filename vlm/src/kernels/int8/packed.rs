//! Matrices of signed bytes in panels, a scale for each output, and the product of rows with them.
//!
//! A weight is `scale[output] * byte`, or `scale[output] * (byte + second / 254)` with [`Planes::Two`], for layers whose
//! errors every token shares. So an output is
//! `row_scale * scale * (sum of byte products - zero * sum of weights) + bias`, of which the sums are exact.

#![allow(unsafe_code, reason = "vector loads and stores through pointers, in the innermost loops")]

use std::ops::Range;
use std::sync::Arc;

use memmap2::Mmap;
use rayon::prelude::*;
use rten_simd::Isa;
use rten_simd::ops::{BitOps, FloatOps, NumOps, ToFloat};

use crate::kernels::int8::dot::{Dot, GROUP, PANEL, ROWS, Sums};
use crate::kernels::int8::rows::Rows;
use crate::kernels::simd::{load, store, vectors};

/// The largest magnitude of a weight's byte.
pub(crate) const MOST: f32 = 127.0;
/// Steps of the second plane in one of the first: its bytes reach half a step.
const FINE: f32 = 254.0;

/// Bytes of a weight.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Planes {
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
    planes: Planes,
    /// Panels of `depth * PANEL`; with two planes each has half as many outputs, first their first bytes, then their second.
    panels: Bytes,
    /// A scale and a sum of weights, in steps, for each output, and zeros up to whole panels.
    scale: Vec<f32>,
    sums: Vec<f32>,
}

impl Packed {
    /// A matrix of zeros, to be filled through [`Packed::parts`].
    pub(crate) fn zeros(outputs: usize, inputs: usize, planes: Planes) -> Self {
        let mut packed = Self {
            outputs: 0,
            inputs: 0,
            planes,
            panels: Bytes::Made(Vec::new()),
            scale: Vec::new(),
            sums: Vec::new(),
        };
        packed.reset(outputs, inputs);
        packed
    }

    /// Makes room for a matrix of another size, all zeros.
    pub(crate) fn reset(&mut self, outputs: usize, inputs: usize) {
        (self.outputs, self.inputs) = (outputs, inputs);
        let panels = outputs.div_ceil(self.width());
        let len = panels * self.panel_len();
        match &mut self.panels {
            Bytes::Made(bytes) => {
                bytes.clear();
                bytes.resize(len, 0);
            }
            Bytes::Mapped(..) => self.panels = Bytes::Made(vec![0; len]),
        }
        for per_output in [&mut self.scale, &mut self.sums] {
            per_output.clear();
            per_output.resize(panels * self.planes.width(), 0.0);
        }
    }

    /// Quantises the rows of some matrices under one another: `[outputs, inputs]` each, as checkpoints store them.
    pub(crate) fn quantise(matrices: &[&[f32]], inputs: usize, planes: Planes) -> Self {
        let rows: Vec<&[f32]> = matrices.iter().flat_map(|m| m.chunks_exact(inputs)).collect();
        let mut packed = Self::zeros(rows.len(), inputs, planes);
        let (width, len) = (packed.width(), packed.panel_len());
        let (panels, scale, sums) = packed.parts();
        panels
            .par_chunks_mut(len)
            .zip(scale.par_chunks_mut(width))
            .zip(sums.par_chunks_mut(width))
            .zip(rows.par_chunks(width))
            .for_each(|(((panel, scale), sums), rows)| {
                for (column, row) in rows.iter().enumerate() {
                    (scale[column], sums[column]) = fill(panel, column, planes, row);
                }
            });
        packed
    }

    /// The matrix of these parts, as [`Packed::panel_bytes`] and the others gave them, if they fit each other.
    pub(crate) fn from_parts(
        outputs: usize,
        inputs: usize,
        planes: Planes,
        panels: Bytes,
        scale: Vec<f32>,
        sums: Vec<f32>,
    ) -> Option<Self> {
        let packed = Self { outputs, inputs, planes, panels, scale, sums };
        let panels = outputs.div_ceil(packed.width());
        let fits = packed.scale.len() == panels * packed.width()
            && packed.sums.len() == packed.scale.len()
            && packed.panel_bytes().len() == panels * packed.panel_len();
        fits.then_some(packed)
    }

    /// The weights, panel by panel.
    pub(crate) fn panel_bytes(&self) -> &[u8] {
        self.panels.all()
    }

    /// The outputs' scales, up to whole panels.
    pub(crate) fn scale(&self) -> &[f32] {
        &self.scale
    }

    /// The sums of the outputs' weights in steps, up to whole panels.
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
        self.panel_bytes().len() + size_of_val(&self.scale[..]) + size_of_val(&self.sums[..])
    }

    /// Outputs of a panel.
    fn width(&self) -> usize {
        self.planes.width()
    }

    fn panel_len(&self) -> usize {
        self.inputs.next_multiple_of(GROUP) * PANEL
    }

    /// How many panels there are.
    pub(crate) fn panels(&self) -> usize {
        self.scale.len() / self.width()
    }

    /// An output's weights as numbers, as they were rounded.
    pub(crate) fn output(&self, output: usize) -> Vec<f32> {
        let width = self.width();
        let (panel, column) = (output / width, output % width);
        let bytes = &self.panel_bytes()[panel * self.panel_len()..];
        let weight = |i: usize| {
            let at = i / GROUP * GROUP * PANEL + column * GROUP + i % GROUP;
            let fine = if self.planes == Planes::Two {
                f32::from(bytes[at + width * GROUP].cast_signed()) / FINE
            } else {
                0.0
            };
            (f32::from(bytes[at].cast_signed()) + fine) * self.scale[output]
        };
        (0..self.inputs).map(weight).collect()
    }

    /// Panels, scales and sums, to be written. A mapped matrix is never written to, and gives no panels.
    pub(crate) fn parts(&mut self) -> (&mut [u8], &mut [f32], &mut [f32]) {
        let panels = match &mut self.panels {
            Bytes::Made(bytes) => &mut bytes[..],
            Bytes::Mapped(..) => &mut [],
        };
        (panels, &mut self.scale, &mut self.sums)
    }

    /// One of the panels.
    #[inline(always)]
    pub(crate) fn panel(&self, number: usize) -> Panel<'_> {
        let (width, len) = (self.width(), self.panel_len());
        let columns = number * width..(number + 1) * width;
        Panel {
            bytes: &self.panel_bytes()[number * len..][..len],
            scale: &self.scale[columns.clone()],
            weights: &self.sums[columns.clone()],
            planes: self.planes,
            first: columns.start,
            outputs: columns.end.min(self.outputs) - columns.start,
        }
    }

    /// All rows times all panels: `map` is applied to each vector, and `out` gets rows of [`Packed::outputs`] values. With `add` they
    /// are added to what is there.
    ///
    /// `start` is what products are added to: a value for each output, the same for all rows, or such a row for every [`ROWS`] rows.
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
        for number in 0..self.panels() {
            let panel = self.panel(number);
            for first in (0..count).step_by(ROWS) {
                let rows = first..(first + ROWS).min(count);
                let start = start.map(|start| {
                    let row = if start.len() == outputs { 0 } else { first / ROWS };
                    &start[row * outputs + panel.first..][..panel.outputs]
                });
                panel.multiply(a, rows.clone(), &mut sums);
                for (row, sums) in rows.zip(&sums) {
                    let to = out[row * outputs + panel.first..][..panel.outputs].as_mut_ptr();
                    // SAFETY: as many values as the panel has outputs.
                    unsafe {
                        panel.put(
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
pub(crate) const NO_SUMS: Sums = [[0; PANEL]; ROWS];

/// The weights of some neighbouring outputs.
#[derive(Clone, Copy)]
pub(crate) struct Panel<'a> {
    bytes: &'a [u8],
    scale: &'a [f32],
    /// Sums of weights, in steps.
    weights: &'a [f32],
    planes: Planes,
    /// The first of its outputs, and how many of them are the matrix's.
    pub(crate) first: usize,
    pub(crate) outputs: usize,
}

impl Panel<'_> {
    /// Asks memory for what [`Panel::value`] will need, which is read long after weights were asked for.
    #[inline(always)]
    pub(crate) fn prefetch<I: Isa>(&self, isa: I) {
        let f = isa.f32();
        for at in (0..self.scale.len()).step_by(f.len()) {
            f.prefetch(self.scale[at..].as_ptr());
            f.prefetch(self.weights[at..].as_ptr());
        }
    }

    /// The sums of a few rows of `a`, at most [`ROWS`], from which [`Panel::value`] makes values.
    #[inline(always)]
    pub(crate) fn multiply(&self, a: &Rows, rows: Range<usize>, sums: &mut Sums) {
        Dot::best().tile(rows.len(), &a.bytes[rows.start * a.stride..], a.stride, self.bytes, sums);
    }

    /// Writes the panel's outputs to `to`: those of some rows of `a`, whose sums these are, together, and of `start`, a value for each
    /// output. `map` makes what is written of a vector's place, how many of its lanes count, and its values.
    ///
    /// # Safety
    /// `to` has room for the panel's outputs.
    #[inline(always)]
    pub(crate) unsafe fn put<I: Isa>(
        &self,
        isa: I,
        (a, rows): (&Rows, Range<usize>),
        sums: &[[i32; PANEL]],
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
                // SAFETY: `vectors` stays within the panel's outputs, of which there are as many at `to` and `start`.
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

    /// The vector of outputs from the panel's `at` on for a row of `a`, whose sums these are, added to `to`.
    ///
    /// # Safety
    /// `at` is less than the panel's outputs, and a multiple of the lanes.
    #[inline(always)]
    unsafe fn value<I: Isa>(&self, isa: I, a: &Rows, row: usize, sums: &[i32; PANEL], at: usize, to: I::F32) -> I::F32 {
        let (f, int) = (isa.f32(), isa.i32());
        // SAFETY: panels are whole, and lanes divide their outputs.
        unsafe {
            let mut steps = int.to_float(int.load_ptr(sums.as_ptr().add(at)));
            if self.planes == Planes::Two {
                let second = int.to_float(int.load_ptr(sums.as_ptr().add(self.planes.width() + at)));
                steps = f.mul_add(second, f.splat(1.0 / FINE), steps);
            }
            let steps = f.mul_sub_from(f.splat(a.zero[row]), f.load_ptr(self.weights.as_ptr().add(at)), steps);
            let scale = f.mul(f.splat(a.scale[row]), f.load_ptr(self.scale.as_ptr().add(at)));
            f.mul_add(steps, scale, to)
        }
    }
}

/// Puts an output's weights into its column of a panel. Returns their scale and their sum in steps.
fn fill(panel: &mut [u8], column: usize, planes: Planes, weights: &[f32]) -> (f32, f32) {
    let most = weights.iter().fold(0f32, |most, w| most.max(w.abs()));
    let scale = most / MOST;
    let per = if scale > 0.0 { 1.0 / scale } else { 0.0 };
    let (mut sum, mut fine_sum) = (0i32, 0i32);
    for (i, w) in weights.iter().enumerate() {
        let steps = w * per;
        let coarse = steps.round_ties_even().clamp(-MOST, MOST);
        let at = i / GROUP * GROUP * PANEL + column * GROUP + i % GROUP;
        let byte = coarse as i8;
        panel[at] = byte.cast_unsigned();
        sum += i32::from(byte);
        if planes == Planes::Two {
            let byte = ((steps - coarse) * FINE).round_ties_even().clamp(-MOST, MOST) as i8;
            panel[at + planes.width() * GROUP] = byte.cast_unsigned();
            fine_sum += i32::from(byte);
        }
    }
    let scale = if weights.iter().all(|w| w.is_finite()) { scale } else { f32::NAN };
    (scale, sum as f32 + fine_sum as f32 / FINE)
}

impl Planes {
    /// Outputs of a panel.
    fn width(self) -> usize {
        match self {
            Self::One => PANEL,
            Self::Two => PANEL / 2,
        }
    }
}

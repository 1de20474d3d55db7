//! The product of rows with a packed matrix.
//!
//! The microkernel multiplies up to MR = 6 rows with one packed tile (NR = 64 outputs): the tile's
//! weights are read as they lie, each row's values singly, and the sums stay in registers. One row,
//! as in decoding, is a single pass over the weights in order. Of more rows all pass, with
//! vectors of 8 lanes, a part of the tile that stays in the first cache, then the next part.

#![allow(unsafe_code, reason = "vector loads through pointers and disjoint writes by parallel tasks")]

use std::ops::Range;

use candle_core::{Device, Result, Storage, Tensor, bail};
use rten_simd::ops::{BitOps, IntOps, NumOps};
use rten_simd::{Isa, Simd, SimdOp};

use crate::kernels::fp32::packed::{LOW, NR, PAIRS, Packed, PackedTiles};
use crate::kernels::parallel;
use crate::kernels::simd::{Dispatch as _, Shared, load, store, values, written};

/// Most rows of a microkernel.
const MR: usize = 6;
/// Bytes of a packed tile that all rows are multiplied with before the next ones are read: they
/// stay in the first cache.
const BLOCK_BYTES: usize = 32 * 1024;
/// Lanes of the vectors with which that pays, as measured: those of AVX2.
const BLOCKED_LANES: usize = 8;
/// Products under which waking other threads costs more than it saves.
const SERIAL_PRODUCTS: usize = 64 * 1024;

impl Packed {
    /// `x` (`[t, inputs]`, f32, on the CPU) times the matrix, plus a bias for each output if there
    /// is one: `[t, outputs]`.
    ///
    /// # Errors
    /// When the shapes or the tensor's kind don't fit.
    pub(crate) fn multiply(&self, x: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
        let (t, inputs) = x.dims2()?;
        if inputs != self.inputs() || bias.is_some_and(|bias| bias.dims() != [self.outputs()]) {
            let bias = bias.map(Tensor::shape);
            bail!(
                "x {:?}, bias {bias:?} and a matrix of {} by {} do not fit",
                x.shape(),
                self.outputs(),
                self.inputs()
            );
        }
        let x = x.contiguous()?;
        let (x, layout) = x.storage_and_layout();
        let Storage::Cpu(x) = &*x else { bail!("a packed matrix takes rows on the CPU") };
        let x = values(x, layout)?;
        let out = match bias {
            None => self.product(x, None, t),
            Some(bias) => {
                let bias = bias.contiguous()?;
                let (bias, layout) = bias.storage_and_layout();
                let Storage::Cpu(bias) = &*bias else { bail!("a packed matrix takes a bias on the CPU") };
                self.product(x, Some(values(bias, layout)?), t)
            }
        };
        Tensor::from_vec(out, (t, self.outputs()), &Device::Cpu)
    }

    /// The same of `t` rows, on the current pool.
    fn product(&self, x: &[f32], bias: Option<&[f32]>, t: usize) -> Vec<f32> {
        let tiles = self.outputs().div_ceil(NR);
        // A few tasks a thread even out what else the machine does.
        let blocks = (4 * rayon::current_num_threads()).div_ceil(tiles.max(1));
        let rows = t.div_ceil(blocks).next_multiple_of(MR);
        let blocks = t.div_ceil(rows.max(1));
        // SAFETY: the tasks cover all tiles and rows, and each writes its outputs of its rows.
        unsafe {
            written(t * self.outputs(), |out| {
                let out = Shared(out.as_mut_ptr().cast());
                let work = |task: usize| {
                    let first = task % blocks * rows;
                    let rows = first..t.min(first + rows);
                    Part { matrix: self, x, bias, tile: task / blocks, rows, out }.dispatch_here();
                };
                let tasks = tiles * blocks;
                if t * self.outputs() * self.inputs() <= SERIAL_PRODUCTS {
                    (0..tasks).for_each(work);
                } else {
                    parallel::for_each(tasks, work);
                }
            })
        }
    }
}

/// The outputs of one tile, for some rows.
struct Part<'a> {
    matrix: &'a Packed,
    x: &'a [f32],
    bias: Option<&'a [f32]>,
    tile: usize,
    rows: Range<usize>,
    out: Shared,
}

impl SimdOp for Part<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        match &self.matrix.tiles {
            PackedTiles::Bf16(words) => self.all_rows(isa, Halves(words)),
            PackedTiles::F32(numbers) => self.all_rows(isa, Whole(numbers)),
        }
    }
}

/// Weights as they are stored.
trait Pairs: Copy {
    /// How many weights there are.
    fn len(self) -> usize;

    /// Bytes that a tile has for each input.
    fn bytes_per_input(self) -> usize;

    /// The weights of outputs `j..` and of outputs `j + 32..`, of a step: an input of a tile.
    ///
    /// # Safety
    /// The step is one of this matrix, and `j` and a vector's lanes are within 32.
    unsafe fn pair<I: Isa>(self, isa: I, step: usize, j: usize) -> [I::F32; 2];
}

#[derive(Clone, Copy)]
struct Halves<'a>(&'a [u32]);

impl Pairs for Halves<'_> {
    fn len(self) -> usize {
        2 * self.0.len()
    }

    fn bytes_per_input(self) -> usize {
        PAIRS * size_of::<u32>()
    }

    #[inline(always)]
    unsafe fn pair<I: Isa>(self, isa: I, step: usize, j: usize) -> [I::F32; 2] {
        let int = isa.i32();
        // SAFETY: the caller's: a step has 32 words.
        let words = unsafe { int.load_ptr(self.0.as_ptr().add(step * PAIRS + j).cast()) };
        // bf16 is the upper half of a number in f32.
        let upper = int.splat((!LOW).cast_signed());
        [int.shift_left::<16>(words).reinterpret_cast(), int.and(words, upper).reinterpret_cast()]
    }
}

#[derive(Clone, Copy)]
struct Whole<'a>(&'a [f32]);

impl Pairs for Whole<'_> {
    fn len(self) -> usize {
        self.0.len()
    }

    fn bytes_per_input(self) -> usize {
        NR * size_of::<f32>()
    }

    #[inline(always)]
    unsafe fn pair<I: Isa>(self, isa: I, step: usize, j: usize) -> [I::F32; 2] {
        let f = isa.f32();
        // SAFETY: the caller's: a step has 64 numbers.
        unsafe {
            let at = self.0.as_ptr().add(step * NR + j);
            [f.load_ptr(at), f.load_ptr(at.add(PAIRS))]
        }
    }
}

impl Part<'_> {
    #[inline(always)]
    fn all_rows<I: Isa>(&self, isa: I, weights: impl Pairs) {
        let inputs = self.matrix.inputs();
        // A single row reads the tile once, in order. Vectors of 16 lanes take a whole step of the
        // tile at a time, so that the second cache keeps up with them; those of 8 pass it several
        // times.
        let in_blocks = isa.f32().len() == BLOCKED_LANES && self.rows.len() > 1;
        let depth = if in_blocks { BLOCK_BYTES / weights.bytes_per_input() } else { inputs.max(1) };
        // Without inputs there is one pass all the same, which writes the bias.
        for from in (0..inputs.max(1)).step_by(depth) {
            let steps = from..inputs.min(from + depth);
            let mut first = self.rows.start;
            while first < self.rows.end {
                let rows = MR.min(self.rows.end - first);
                // Rows, vectors of pairs at a time, and sums of each: what the registers hold.
                // AVX-512 and NEON have 32, AVX2 16.
                match (isa.f32().len(), rows) {
                    (16, 1) => self.microkernel::<I, 1, 2, 2>(isa, weights, first, steps.clone()),
                    (16, 2) => self.microkernel::<I, 2, 2, 2>(isa, weights, first, steps.clone()),
                    (8, 1) => self.microkernel::<I, 1, 4, 1>(isa, weights, first, steps.clone()),
                    (8, 2) => self.microkernel::<I, 2, 2, 1>(isa, weights, first, steps.clone()),
                    (8 | 16, 3) => self.microkernel::<I, 3, 2, 1>(isa, weights, first, steps.clone()),
                    (8, 4) => self.microkernel::<I, 4, 1, 1>(isa, weights, first, steps.clone()),
                    (8, 5) => self.microkernel::<I, 5, 1, 1>(isa, weights, first, steps.clone()),
                    (8, _) => self.microkernel::<I, 6, 1, 1>(isa, weights, first, steps.clone()),
                    (_, 1) => self.microkernel::<I, 1, 8, 1>(isa, weights, first, steps.clone()),
                    (_, 2) => self.microkernel::<I, 2, 4, 1>(isa, weights, first, steps.clone()),
                    (_, 3) => self.microkernel::<I, 3, 4, 1>(isa, weights, first, steps.clone()),
                    (_, 4) => self.microkernel::<I, 4, 2, 1>(isa, weights, first, steps.clone()),
                    (_, 5) => self.microkernel::<I, 5, 2, 1>(isa, weights, first, steps.clone()),
                    _ => self.microkernel::<I, 6, 2, 1>(isa, weights, first, steps.clone()),
                }
                first += rows;
            }
        }
    }

    /// `R` rows times the packed tile, over some inputs: `P` vectors of pairs at a time, every
    /// `S`-th input into a sum of its own.
    #[inline(always)]
    fn microkernel<I: Isa, const R: usize, const P: usize, const S: usize>(
        &self,
        isa: I,
        weights: impl Pairs,
        first: usize,
        steps: Range<usize>,
    ) {
        let f = isa.f32();
        let (lanes, inputs) = (f.len(), self.matrix.inputs());
        let x = &self.x[first * inputs..][..R * inputs];
        let step = self.tile * inputs;
        assert!(PAIRS.is_multiple_of(P * lanes) && steps.end <= inputs && (step + inputs) * NR <= weights.len());
        for j in (0..PAIRS).step_by(P * lanes) {
            let mut sums = [[[[f.zero(); 2]; P]; R]; S];
            let whole = steps.end - steps.len() % S;
            // SAFETY: as asserted, `step + i` is a step of the matrix and `j` leaves room for P
            // vectors; `x` has R rows.
            unsafe {
                for i in (steps.start..whole).step_by(S) {
                    for (s, sums) in sums.iter_mut().enumerate() {
                        add(isa, sums, (x.as_ptr().add(i + s), inputs), weights, step + i + s, j);
                    }
                }
                for i in whole..steps.end {
                    add(isa, &mut sums[0], (x.as_ptr().add(i), inputs), weights, step + i, j);
                }
            }
            for row in 0..R {
                for p in 0..P {
                    for half in 0..2 {
                        let mut y = sums[0][row][p][half];
                        for more in &sums[1..] {
                            y = f.add(y, more[row][p][half]);
                        }
                        self.put(isa, first + row, half * PAIRS + j + p * lanes, y, steps.start > 0);
                    }
                }
            }
        }
    }

    /// Writes a vector of results: of a row, from an output of this tile on. With `more` they are
    /// added to what the inputs before came to.
    #[inline(always)]
    fn put<I: Isa>(&self, isa: I, row: usize, column: usize, y: I::F32, more: bool) {
        let (f, outputs) = (isa.f32(), self.matrix.outputs());
        let output = self.tile * NR + column;
        if output >= outputs {
            return;
        }
        let n = f.len().min(outputs - output);
        let bias = self.bias.map(|bias| bias[output..output + n].as_ptr());
        // SAFETY: the row is one of `t`, and these outputs of it are this task's alone, which wrote
        // them before if there are `more`; the bias has as many.
        unsafe {
            let out = self.out.at(row * outputs + output);
            let y = match bias {
                _ if more => f.add(y, load(isa, out, n)),
                Some(bias) => f.add(y, load(isa, bias, n)),
                None => y,
            };
            store(isa, y, out, n);
        }
    }
}

/// Adds the products of one input: of `R` rows, `stride` values apart, with `P` vectors of pairs
/// from `j` on.
///
/// # Safety
/// `x` is readable for the rows, and `step` one of the matrix; `j` leaves room for the vectors.
#[inline(always)]
unsafe fn add<I: Isa, const R: usize, const P: usize>(
    isa: I,
    sums: &mut [[[I::F32; 2]; P]; R],
    (x, stride): (*const f32, usize),
    weights: impl Pairs,
    step: usize,
    j: usize,
) {
    let f = isa.f32();
    let mut columns = [[f.zero(); 2]; P];
    for (p, pair) in columns.iter_mut().enumerate() {
        // SAFETY: the caller's.
        *pair = unsafe { weights.pair(isa, step, j + p * f.len()) };
    }
    for (row, sums) in sums.iter_mut().enumerate() {
        // SAFETY: the caller's.
        let single = f.splat(unsafe { *x.add(row * stride) });
        for (sums, [low, high]) in sums.iter_mut().zip(&columns) {
            sums[0] = f.mul_add(single, *low, sums[0]);
            sums[1] = f.mul_add(single, *high, sums[1]);
        }
    }
}

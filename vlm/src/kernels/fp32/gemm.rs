//! The product of rows with a packed matrix.
//!
//! A tile is a few rows against one panel: the panel's weights are read as they lie, each row's values singly, and the sums stay in
//! registers. One row, as in decoding, is a single pass over the weights in order; many pass a panel that stays in the second cache.

#![allow(unsafe_code, reason = "vector loads through pointers and disjoint writes by parallel tasks")]

use candle_core::{Device, Result, Storage, Tensor, bail};
use rten_simd::ops::{BitOps, IntOps, NumOps};
use rten_simd::{Isa, Simd, SimdOp};

use crate::kernels::fp32::packed::{LOW, PAIRS, PANEL, Packed, Panels};
use crate::kernels::parallel;
use crate::kernels::simd::{Shared, load, store, values, written};

/// Most rows of a tile.
const ROWS: usize = 6;
/// Products under which waking other threads costs more than it saves.
const SERIAL_PRODUCTS: usize = 64 * 1024;

impl Packed {
    /// `x` (`[t, inputs]`, f32, on the CPU) times the matrix, plus a bias for each output if there is one: `[t, outputs]`.
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
            None => self.product(x, None, t, |part| part.dispatch()),
            Some(bias) => {
                let bias = bias.contiguous()?;
                let (bias, layout) = bias.storage_and_layout();
                let Storage::Cpu(bias) = &*bias else { bail!("a packed matrix takes a bias on the CPU") };
                self.product(x, Some(values(bias, layout)?), t, |part| part.dispatch())
            }
        };
        Tensor::from_vec(out, (t, self.outputs()), &Device::Cpu)
    }

    /// The same of `t` rows, in parts that `eval` evaluates, on the current pool.
    pub(crate) fn product(
        &self,
        x: &[f32],
        bias: Option<&[f32]>,
        t: usize,
        eval: impl Fn(Part<'_>) + Sync,
    ) -> Vec<f32> {
        let panels = self.outputs().div_ceil(PANEL);
        // A few tasks a thread even out what else the machine does.
        let blocks = (4 * rayon::current_num_threads()).div_ceil(panels.max(1));
        let rows = t.div_ceil(blocks).next_multiple_of(ROWS);
        let blocks = t.div_ceil(rows.max(1));
        // SAFETY: the tasks cover all panels and rows, and each writes its outputs of its rows.
        unsafe {
            written(t * self.outputs(), |out| {
                let out = Shared(out.as_mut_ptr().cast());
                let work = |task: usize| {
                    let first = task % blocks * rows;
                    let rows = first..t.min(first + rows);
                    eval(Part { matrix: self, x, bias, panel: task / blocks, rows, out });
                };
                let tasks = panels * blocks;
                if t * self.outputs() * self.inputs() <= SERIAL_PRODUCTS {
                    (0..tasks).for_each(work);
                } else {
                    parallel::for_each(tasks, work);
                }
            })
        }
    }
}

/// The outputs of one panel, for some rows.
pub(crate) struct Part<'a> {
    matrix: &'a Packed,
    x: &'a [f32],
    bias: Option<&'a [f32]>,
    panel: usize,
    rows: std::ops::Range<usize>,
    out: Shared,
}

impl SimdOp for Part<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        match &self.matrix.panels {
            Panels::Bf16(words) => self.all_rows(isa, Halves(words)),
            Panels::F32(numbers) => self.all_rows(isa, Whole(numbers)),
        }
    }
}

/// Weights as they are stored.
trait Pairs: Copy {
    /// How many weights there are.
    fn len(self) -> usize;

    /// The weights of outputs `j..` and of outputs `j + 32..`, of a step: an input of a panel.
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

    #[inline(always)]
    unsafe fn pair<I: Isa>(self, isa: I, step: usize, j: usize) -> [I::F32; 2] {
        let f = isa.f32();
        // SAFETY: the caller's: a step has 64 numbers.
        unsafe {
            let at = self.0.as_ptr().add(step * PANEL + j);
            [f.load_ptr(at), f.load_ptr(at.add(PAIRS))]
        }
    }
}

impl Part<'_> {
    #[inline(always)]
    fn all_rows<I: Isa>(&self, isa: I, weights: impl Pairs) {
        let mut first = self.rows.start;
        while first < self.rows.end {
            let rows = ROWS.min(self.rows.end - first);
            // Rows, vectors of pairs at a time, and sums of each: what the registers hold. AVX-512 and NEON have 32, AVX2 16.
            match (isa.f32().len(), rows) {
                (16, 1) => self.tiles::<I, 1, 2, 2>(isa, weights, first),
                (16, 2) => self.tiles::<I, 2, 2, 2>(isa, weights, first),
                (8, 1) => self.tiles::<I, 1, 4, 1>(isa, weights, first),
                (8, 2) => self.tiles::<I, 2, 2, 1>(isa, weights, first),
                (8 | 16, 3) => self.tiles::<I, 3, 2, 1>(isa, weights, first),
                (8, 4) => self.tiles::<I, 4, 1, 1>(isa, weights, first),
                (8, 5) => self.tiles::<I, 5, 1, 1>(isa, weights, first),
                (8, _) => self.tiles::<I, 6, 1, 1>(isa, weights, first),
                (_, 1) => self.tiles::<I, 1, 8, 1>(isa, weights, first),
                (_, 2) => self.tiles::<I, 2, 4, 1>(isa, weights, first),
                (_, 3) => self.tiles::<I, 3, 4, 1>(isa, weights, first),
                (_, 4) => self.tiles::<I, 4, 2, 1>(isa, weights, first),
                (_, 5) => self.tiles::<I, 5, 2, 1>(isa, weights, first),
                _ => self.tiles::<I, 6, 2, 1>(isa, weights, first),
            }
            first += rows;
        }
    }

    /// `R` rows times the panel: `P` vectors of pairs at a time, every `S`-th input into a sum of its own.
    #[inline(always)]
    fn tiles<I: Isa, const R: usize, const P: usize, const S: usize>(&self, isa: I, weights: impl Pairs, first: usize) {
        let f = isa.f32();
        let (lanes, inputs) = (f.len(), self.matrix.inputs());
        let x = &self.x[first * inputs..][..R * inputs];
        let step = self.panel * inputs;
        assert!(PAIRS.is_multiple_of(P * lanes) && (step + inputs) * PANEL <= weights.len());
        for j in (0..PAIRS).step_by(P * lanes) {
            let mut sums = [[[[f.zero(); 2]; P]; R]; S];
            let whole = inputs - inputs % S;
            // SAFETY: as asserted, `step + i` is a step of the matrix and `j` leaves room for P vectors; `x` has R rows.
            unsafe {
                for i in (0..whole).step_by(S) {
                    for (s, sums) in sums.iter_mut().enumerate() {
                        add(isa, sums, (x.as_ptr().add(i + s), inputs), weights, step + i + s, j);
                    }
                }
                for i in whole..inputs {
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
                        self.put(isa, first + row, half * PAIRS + j + p * lanes, y);
                    }
                }
            }
        }
    }

    /// Writes a vector of results: of a row, from an output of this panel on.
    #[inline(always)]
    fn put<I: Isa>(&self, isa: I, row: usize, column: usize, y: I::F32) {
        let (f, outputs) = (isa.f32(), self.matrix.outputs());
        let output = self.panel * PANEL + column;
        if output >= outputs {
            return;
        }
        let n = f.len().min(outputs - output);
        let bias = self.bias.map(|bias| bias[output..output + n].as_ptr());
        // SAFETY: the row is one of `t`, and these outputs of it are this task's alone; the bias has as many.
        unsafe {
            let y = bias.map_or(y, |bias| f.add(y, load(isa, bias, n)));
            store(isa, y, self.out.at(row * outputs + output), n);
        }
    }
}

/// Adds the products of one input: of `R` rows, `stride` values apart, with `P` vectors of pairs from `j` on.
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

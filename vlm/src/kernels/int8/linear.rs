//! The product of a tensor's rows with a matrix of bytes.
//!
//! Few rows, such as a token's or a prompt's: the matrix is read once, each task some panels of it for all rows, which is
//! all that the product costs. So a row may as well be two: its bytes, and what they missed. A decoder's activations need
//! that: a few of them are many times larger than all others, and leave those few steps of a byte. A picture's rows do without: they
//! come from an encoder that is no more exact, and are most of a prompt.

#![allow(unsafe_code, reason = "parallel tasks write disjoint outputs through one pointer")]

use candle_core::{Device, Result, Storage, Tensor, bail};
use rayon::prelude::*;
use rten_simd::ops::NumOps;
use rten_simd::{Isa, SimdOp};

use super::dot::ROWS;
use super::layer::BLOCK;
use super::packed::Packed;
use super::rows::Rows;
use crate::kernels::simd::{Shared, load, store, values, written};
use crate::kernels::team;

/// Bytes of a matrix under which waking other threads costs more than it saves.
const SERIAL_BYTES: usize = 64 * 1024;

/// `x` (`[t, inputs]`, f32, on the CPU) times the matrix: `[t, outputs]`. Rows that are `once`, by their number, have one byte a value,
/// and all others two.
///
/// # Errors
/// When the shapes or the tensor's kind don't fit.
pub(crate) fn linear(x: &Tensor, once: &[bool], weights: &Packed) -> Result<Tensor> {
    let (t, inputs) = x.dims2()?;
    if inputs != weights.inputs() {
        bail!("int8 linear: x {:?} and a matrix of {} inputs do not fit", x.shape(), weights.inputs());
    }
    let x = x.contiguous()?;
    let (storage, layout) = x.storage_and_layout();
    let Storage::Cpu(storage) = &*storage else { bail!("int8 linear: the rows are not on the CPU") };
    let out = multiply(values(storage, layout)?, once, weights, t);
    Tensor::from_vec(out, (t, weights.outputs()), &Device::Cpu)
}

fn multiply(x: &[f32], once: &[bool], weights: &Packed, t: usize) -> Vec<f32> {
    let mut rows = Rows::default();
    let of = rows.set_twice(x, weights.inputs(), once);
    // SAFETY: the tasks cover all panels, and each writes its outputs of all rows.
    unsafe {
        written(t * weights.outputs(), |out| {
            let out = Shared(out.as_mut_ptr().cast());
            let panels = weights.panels();
            let work =
                |first: usize, last: usize| Panels { rows: &rows, of: &of, weights, first, last, out }.dispatch();
            if weights.bytes() <= SERIAL_BYTES {
                work(0, panels);
            } else {
                team::for_each(panels, |panel| work(panel, panel + 1));
            }
        })
    }
}

/// Rows of bytes as they are times the matrix, `[rows, outputs]`: a product and nothing else, of many rows.
pub(crate) fn multiply_bytes(x: &[u8], weights: &Packed) -> Vec<f32> {
    struct Block<'a>(&'a [u8], &'a Packed, &'a mut [f32]);
    impl SimdOp for Block<'_> {
        type Output = ();

        #[inline(always)]
        fn eval<I: Isa>(self, isa: I) {
            let Self(x, weights, out) = self;
            let mut rows = Rows::default();
            rows.reset(x.len() / weights.inputs(), weights.inputs());
            for (row, x) in x.chunks_exact(weights.inputs()).enumerate() {
                rows.set_bytes(row, x.iter().copied());
            }
            weights.rows(isa, &rows, None, false, out, |y| y);
        }
    }
    let mut out = vec![0.0; x.len() / weights.inputs() * weights.outputs()];
    x.par_chunks(BLOCK * weights.inputs())
        .zip(out.par_chunks_mut(BLOCK * weights.outputs()))
        .for_each(|(x, out)| Block(x, weights, out).dispatch());
    out
}

/// Some panels of a product.
struct Panels<'a> {
    rows: &'a Rows,
    /// The row of the product that each belongs to.
    of: &'a [usize],
    weights: &'a Packed,
    first: usize,
    last: usize,
    out: Shared,
}

impl SimdOp for Panels<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        let f = isa.f32();
        let (count, outputs) = (self.rows.count(), self.weights.outputs());
        for panel in self.first..self.last {
            for first in (0..count).step_by(ROWS) {
                let tile = (first, ROWS.min(count - first));
                self.weights.multiply(
                    isa,
                    self.rows,
                    tile,
                    panel,
                    None,
                    #[inline(always)]
                    |row, output, n, y| {
                        let twin = first + row;
                        // SAFETY: the row is one of `t`, these outputs are this task's, and the first twin comes first.
                        unsafe {
                            let to = self.out.at(self.of[twin] * outputs + output);
                            let is_first = twin == 0 || self.of[twin - 1] != self.of[twin];
                            let y = if is_first { y } else { f.add(load(isa, to, n), y) };
                            store(isa, y, to, n);
                        }
                    },
                );
            }
        }
    }
}

//! The product of a tensor's rows with a matrix of bytes.
//!
//! This GEMM is for a small batch of rows, a token's or a prompt's. The matrix is read once: each
//! task takes some packed tiles of it and multiplies them with all rows. Reading is the whole cost,
//! so a row may as well take two passes: its bytes, and the residual that they leave, in bytes of
//! its own. A decoder's activations need that, since a few of them are many times larger than all
//! others and leave those few steps of a byte. A picture's rows take a single pass: they
//! come from an encoder that is no more exact, and are most of a prompt.

#![allow(unsafe_code, reason = "parallel tasks write disjoint outputs through one pointer")]

use std::cell::RefCell;
use std::ops::Range;

use candle_core::{Device, Result, Storage, Tensor, bail};
use rayon::prelude::*;
use rten_simd::ops::NumOps;
use rten_simd::{Isa, SimdOp};

use crate::kernels::int8::dot::{MR, Sums};
use crate::kernels::int8::packed::{NO_SUMS, Packed};
use crate::kernels::int8::rows::{Rows, block};
use crate::kernels::parallel;
use crate::kernels::simd::{Dispatch as _, Shared, load, rewritten, values};

/// Bytes of a matrix under which waking other threads costs more than it saves.
const SERIAL_BYTES: usize = 64 * 1024;
/// Tasks for each thread that large matrices are cut into: the longer one reads on, the better.
const TASKS: usize = 32;

thread_local! {
    /// Left behind by one task for the next.
    static SUMS: RefCell<Sums> = const { RefCell::new(NO_SUMS) };
}

/// `x` (`[t, inputs]`, f32, on the CPU) times the matrix: `[t, outputs]`. `single_pass` says by a
/// row's number whether it has one byte a value; all others have a residual in a second one.
///
/// # Errors
/// When the shapes or the tensor's kind don't fit.
pub(crate) fn linear(x: &Tensor, single_pass: &[bool], weights: &Packed) -> Result<Tensor> {
    let (t, inputs) = x.dims2()?;
    if inputs != weights.inputs() {
        bail!("int8 linear: x {:?} and a matrix of {} inputs do not fit", x.shape(), weights.inputs());
    }
    let x = x.contiguous()?;
    let (storage, layout) = x.storage_and_layout();
    let Storage::Cpu(storage) = &*storage else { bail!("int8 linear: the rows are not on the CPU") };
    let mut out = Vec::new();
    product(&mut Rows::default(), values(storage, layout)?, single_pass, weights, &mut out);
    Tensor::from_vec(out, (t, weights.outputs()), &Device::Cpu)
}

/// The same of plain rows, into `out` in the place of what it holds. `rows` is room for their
/// bytes.
pub(crate) fn product(rows: &mut Rows, x: &[f32], single_pass: &[bool], weights: &Packed, out: &mut Vec<f32>) {
    let of = rows.set_with_residuals(x, weights.inputs(), single_pass);
    // SAFETY: the tasks cover all tiles, and each writes its outputs of all rows.
    unsafe {
        rewritten(out, x.len() / weights.inputs() * weights.outputs(), |out| {
            multiply(rows, &of, weights, false, Shared(out.as_mut_ptr().cast()));
        });
    }
}

/// The same, added to `to`.
pub(crate) fn add_product(rows: &mut Rows, x: &[f32], single_pass: &[bool], weights: &Packed, to: &mut [f32]) {
    let of = rows.set_with_residuals(x, weights.inputs(), single_pass);
    assert_eq!(to.len(), x.len() / weights.inputs() * weights.outputs());
    multiply(rows, &of, weights, true, Shared(to.as_mut_ptr()));
}

fn multiply(rows: &Rows, of: &[usize], weights: &Packed, add: bool, out: Shared) {
    let tiles = weights.tiles();
    let work = |tiles: Range<usize>| {
        SUMS.with_borrow_mut(|sums| PackedTiles { rows, of, weights, numbers: tiles, add, out, sums }.dispatch_here());
    };
    if weights.bytes() <= SERIAL_BYTES {
        work(0..tiles);
    } else {
        let together = (tiles / (TASKS * rayon::current_num_threads())).max(1);
        parallel::for_each(tiles.div_ceil(together), |task| {
            work(task * together..((task + 1) * together).min(tiles));
        });
    }
}

/// Rows of bytes as they are times the matrix, `[rows, outputs]`: a product and nothing else, of
/// many rows.
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
    let rows = x.len() / weights.inputs();
    let block = block(rows);
    let mut out = vec![0.0; rows * weights.outputs()];
    x.par_chunks(block * weights.inputs())
        .zip(out.par_chunks_mut(block * weights.outputs()))
        .for_each(|(x, out)| Block(x, weights, out).dispatch_here());
    out
}

/// Some tiles of a product.
struct PackedTiles<'a> {
    rows: &'a Rows,
    /// The row of the product that each belongs to.
    of: &'a [usize],
    weights: &'a Packed,
    numbers: Range<usize>,
    /// Whether results are added to what is in `out`.
    add: bool,
    out: Shared,
    sums: &'a mut Sums,
}

impl SimdOp for PackedTiles<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        let f = isa.f32();
        let Self { rows, of, weights, numbers, add, out, sums } = self;
        for number in numbers {
            let tile = weights.tile(number);
            tile.prefetch(isa);
            let mut first = 0;
            while first < of.len() {
                let mut batch = first..(first + MR).min(of.len());
                // A row and its residual stay together.
                if batch.end < of.len() && of[batch.end] == of[batch.end - 1] {
                    batch.end -= 1;
                }
                tile.multiply(rows, batch.clone(), sums);
                let mut done = 0;
                for row in of[batch.clone()].chunk_by(|a, b| a == b) {
                    let (from, sums) = (first + done, &sums[done..][..row.len()]);
                    done += row.len();
                    // SAFETY: the row is one of `t`, and these outputs are this task's.
                    unsafe {
                        let to = out.at(row[0] * weights.outputs() + tile.first);
                        tile.put(
                            isa,
                            (rows, from..from + row.len()),
                            sums,
                            None,
                            to,
                            #[inline(always)]
                            |at, n, y| if add { f.add(load(isa, to.add(at), n), y) } else { y },
                        );
                    }
                }
                first = batch.end;
            }
        }
    }
}

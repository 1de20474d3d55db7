//! Linear layers that read the weights where the checkpoint was mapped: nothing of them is copied or packed.
//!
//! Up to [`DOT_ROWS`] rows of input, for which reading the weights is the whole cost, are dot products with each row of the
//! weight, all rows at once. More are packed side by side, so that each weight, read once, multiplies vectors of them.

#![allow(unsafe_code, reason = "vector loads through pointers and disjoint writes by parallel tasks")]

use std::ops::Range;

use candle_core::{CpuStorage, CustomOp2, CustomOp3, Layout, Result, Shape};
use rten_simd::ops::BitOps;
use rten_simd::{Isa, SimdOp};

use super::dots::Dots;
use super::simd::{Shared, lanes, values, written};
use super::team;
use super::tile::{Singles, rows};

/// Most rows taken as dot products.
const DOT_ROWS: usize = 8;
/// Most outputs of a task of many rows: their weights stay in the second cache while all rows pass.
const MOST_OUTPUTS: usize = 64;
/// Outputs that are gathered before they are written, a cache line of each row.
const STRIP: usize = 16;
/// Components of each row that are packed together: a cache line.
const PACK_INPUTS: usize = 16;
/// Products under which waking other threads costs more than it saves.
const SERIAL_PRODUCTS: usize = 64 * 1024;

/// `x weight^T`, plus a bias when there is one.
pub(super) struct Linear;

impl CustomOp2 for Linear {
    fn name(&self) -> &'static str {
        "fused-linear"
    }

    fn cpu_fwd(&self, x: &CpuStorage, l1: &Layout, weight: &CpuStorage, l2: &Layout) -> Result<(CpuStorage, Shape)> {
        let t = l1.shape().dims2()?.0;
        let out = multiply(values(x, l1)?, values(weight, l2)?, None, t, lanes(), |part| part.dispatch());
        Ok((CpuStorage::F32(out), Shape::from((t, l2.shape().dims2()?.0))))
    }
}

impl CustomOp3 for Linear {
    fn name(&self) -> &'static str {
        "fused-linear"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        l1: &Layout,
        weight: &CpuStorage,
        l2: &Layout,
        bias: &CpuStorage,
        l3: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let t = l1.shape().dims2()?.0;
        let out =
            multiply(values(x, l1)?, values(weight, l2)?, Some(values(bias, l3)?), t, lanes(), |part| part.dispatch());
        Ok((CpuStorage::F32(out), Shape::from((t, l2.shape().dims2()?.0))))
    }
}

/// The whole product, cut into parts that `eval` evaluates with vectors of `lanes`, on the current pool.
fn multiply(
    x: &[f32],
    weight: &[f32],
    bias: Option<&[f32]>,
    t: usize,
    lanes: usize,
    eval: impl Fn(Part<'_>) + Sync,
) -> Vec<f32> {
    let inputs = x.len() / t;
    let outputs = weight.len() / inputs;
    // SAFETY: the tasks' ranges cover all outputs, and each writes its range for all rows.
    unsafe {
        written(t * outputs, |out| {
            let out = Shared(out.as_mut_ptr().cast());
            let packed = if t > DOT_ROWS { Some(Packed::new(x, t, inputs, lanes)) } else { None };
            let range = if outputs * inputs * t <= SERIAL_PRODUCTS {
                outputs
            } else {
                // A few tasks a thread even out what else the machine does.
                let share = outputs.div_ceil(4 * rayon::current_num_threads()).next_multiple_of(STRIP);
                if packed.is_some() { share.min(MOST_OUTPUTS) } else { share }
            };
            let work = |i: usize| {
                let range = i * range..((i + 1) * range).min(outputs);
                let weight = &weight[range.start * inputs..range.end * inputs];
                eval(match &packed {
                    Some(x) => Part::Tiles(Tiles { x, weight, bias, range, outputs, out }),
                    None => Part::Dots(Dots { x, weight, bias, range, t, outputs, out }),
                });
            };
            let tasks = outputs.div_ceil(range);
            team::for_each(tasks, work);
        })
    }
}

/// Some outputs of a product.
enum Part<'a> {
    Dots(Dots<'a>),
    Tiles(Tiles<'a>),
}

impl SimdOp for Part<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        match self {
            Part::Dots(dots) => dots.eval(isa),
            Part::Tiles(tiles) => tiles.eval(isa),
        }
    }
}

/// Input rows packed side by side in panels of whole vectors: component `i` of all of a panel's rows, then `i + 1`.
struct Packed {
    values: Vec<f32>,
    t: usize,
    inputs: usize,
    /// Vectors of rows in a panel.
    vectors: usize,
    /// Rows in a panel.
    width: usize,
}

impl Packed {
    fn new(x: &[f32], t: usize, inputs: usize, lanes: usize) -> Self {
        // As in attention: what the registers hold beside the sums.
        let widest = if lanes >= 16 { 4 } else { 3 };
        let needed = t.div_ceil(lanes);
        let vectors = needed.div_ceil(needed.div_ceil(widest));
        let width = vectors * lanes;
        let mut values = vec![0f32; t.div_ceil(width) * width * inputs];
        let pack = |panel: &mut [f32], x: &[f32]| {
            // A cache line of each row at a time, so that what is written stays in the first cache until it is full.
            for (i, panel) in panel.chunks_mut(PACK_INPUTS * width).enumerate() {
                for (column, x) in x.chunks_exact(inputs).enumerate() {
                    for (row, &x) in panel.chunks_exact_mut(width).zip(&x[i * PACK_INPUTS..]) {
                        row[column] = x;
                    }
                }
            }
        };
        let mut panels: Vec<_> = values.chunks_mut(width * inputs).zip(x.chunks(width * inputs)).collect();
        team::for_each_mut(&mut panels, |_, (panel, x)| pack(panel, x));
        Self { values, t, inputs, vectors, width }
    }
}

/// Some outputs, for many rows.
struct Tiles<'a> {
    x: &'a Packed,
    /// The weights of these outputs.
    weight: &'a [f32],
    bias: Option<&'a [f32]>,
    range: Range<usize>,
    outputs: usize,
    out: Shared,
}

impl Tiles<'_> {
    #[inline(always)]
    fn eval<I: Isa>(&self, isa: I) {
        match self.x.vectors {
            1 => self.multiply::<I, 8, 1>(isa),
            2 => self.multiply::<I, 4, 2>(isa),
            3 => self.multiply::<I, 4, 3>(isa),
            _ => self.multiply::<I, 4, 4>(isa),
        }
    }

    #[inline(always)]
    fn multiply<I: Isa, const R: usize, const V: usize>(&self, isa: I) {
        let f = isa.f32();
        let (lanes, inputs) = (f.len(), self.x.inputs);
        let width = V * lanes;
        assert!(self.x.width == width && self.weight.len() == self.range.len() * inputs);
        let mut strip = vec![0f32; STRIP * width];
        for (panel, x) in self.x.values.chunks_exact(width * inputs).enumerate() {
            let columns = width.min(self.x.t - panel * width);
            for first in self.range.clone().step_by(STRIP) {
                let count = STRIP.min(self.range.end - first);
                let weight = self.weight[(first - self.range.start) * inputs..][..count * inputs].as_ptr();
                let weight = Singles { at: weight, row_stride: inputs, step_stride: 1 };
                let to = strip.as_mut_ptr();
                // SAFETY: `weight` has `count` rows of `inputs`, the panel `inputs` rows of V vectors, the strip STRIP of them.
                unsafe {
                    rows::<I, R, V>(
                        isa,
                        weight,
                        count,
                        x.as_ptr(),
                        inputs,
                        #[inline(always)]
                        |row, v, sum| {
                            f.store_ptr(sum, to.add(row * width + v * lanes));
                        },
                    );
                }
                for column in 0..columns {
                    // SAFETY: the row is one of `t`, and these outputs are this task's.
                    let out = unsafe { self.out.at((panel * width + column) * self.outputs + first) };
                    for i in 0..count {
                        let bias = self.bias.map_or(0.0, |bias| bias[first + i]);
                        // SAFETY: as above.
                        unsafe { out.add(i).write(strip[i * width + column] + bias) };
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Tensor};
    use rten_simd::Isa;
    use rten_simd::isa::GenericIsa;
    use rten_simd::ops::BitOps as _;

    use super::{Part, multiply};
    use crate::kernels::testing::{assert_close, double, random, with};
    use crate::kernels::{linear, plain};

    #[test]
    fn linear_equals_its_twin() {
        for t in [1, 2, 3, 4, 5, 6, 7, 8, 9, 16, 17, 33, 50, 65, 84, 200] {
            for (inputs, outputs) in [(1, 1), (7, 3), (17, 65), (64, 16), (96, 700)] {
                let (x, w, b) = (random((t, inputs), 1), random((outputs, inputs), 2), random(outputs, 3));
                let twin = plain::linear(&double(&x), &double(&w), Some(&double(&b))).unwrap();
                assert_close(&linear(&x, &w, Some(&b)).unwrap(), &twin, 1e-5);
                let twin = plain::linear(&double(&x), &double(&w), None).unwrap();
                assert_close(&linear(&x, &w, None).unwrap(), &twin, 1e-5);
            }
        }
        // Views: rows of a longer tensor, and a transposed weight.
        let (x, w) = (random((9, 17), 1).narrow(0, 2, 5).unwrap(), random((17, 33), 2).t().unwrap());
        assert_close(&linear(&x, &w, None).unwrap(), &plain::linear(&double(&x), &double(&w), None).unwrap(), 1e-5);
    }

    fn check_on(isa: impl Isa + Sync, t: usize) {
        let (x, w) = (random((t, 37), 1), random((130, 37), 2));
        let twin = plain::linear(&double(&x), &double(&w), None).unwrap();
        let [x, w] = [x, w].map(|x| x.flatten_all().unwrap().to_vec1::<f32>().unwrap());
        let eval = |part: Part<'_>| rten_simd::SimdOp::eval(part, isa);
        let out = multiply(&x, &w, None, t, isa.f32().len(), eval);
        assert_close(&Tensor::from_vec(out, (t, 130), &Device::Cpu).unwrap(), &twin, 1e-5);
    }

    #[test]
    fn other_instruction_sets_agree() {
        for t in [1, 4, 7, 9, 12, 20, 50] {
            check_on(GenericIsa::new(), t);
            #[cfg(target_arch = "x86_64")]
            if let Some(isa) = rten_simd::isa::Avx2Isa::new() {
                check_on(isa, t);
            }
        }
    }

    #[test]
    fn nan_and_infinity_reach_the_outputs_that_read_them() {
        for t in [3, 12] {
            let x = with(&random((t, 17), 1), &[(3, f32::NAN), (20, f32::INFINITY), (40, 1e-42)]);
            let w = random((9, 17), 2);
            assert_close(&linear(&x, &w, None).unwrap(), &plain::linear(&x, &w, None).unwrap(), 1e-5);
        }
    }

    #[test]
    fn other_shapes_are_errors() {
        let x = random((3, 17), 1);
        assert!(linear(&x, &random((5, 16), 2), None).is_err());
        assert!(linear(&x, &random((5, 17), 2), Some(&random(4, 3))).is_err());
    }
}

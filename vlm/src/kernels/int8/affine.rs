//! A matrix of bytes with a bias, for many rows at a time; and one whose rounding is mended for the mean of rows.

use std::sync::Arc;

use rten_simd::Isa;

use crate::kernels::int8::dot::ROWS;
use crate::kernels::int8::packed::Packed;
use crate::kernels::int8::rows::Rows;

/// A matrix and a bias for each output.
pub(crate) struct Affine {
    weights: Arc<Packed>,
    bias: Vec<f32>,
}

impl Affine {
    /// `bias` has as many values as the matrix has outputs.
    pub(crate) fn new(weights: Arc<Packed>, bias: &[f32]) -> Self {
        assert_eq!(weights.outputs(), bias.len());
        Self { weights, bias: bias.to_vec() }
    }

    pub(crate) fn outputs(&self) -> usize {
        self.weights.outputs()
    }

    /// The matrix.
    pub(crate) fn weights(&self) -> &Packed {
        &self.weights
    }

    /// The products of some rows, with the bias, each vector through `map`.
    #[inline(always)]
    pub(crate) fn mapped<I: Isa>(&self, isa: I, rows: &Rows, out: &mut [f32], map: impl Fn(I::F32) -> I::F32) {
        self.weights.rows(isa, rows, Some(&self.bias), false, out, map);
    }

    /// The products of some rows, with the bias, into `out`; with `add` they are added to what is there.
    #[inline(always)]
    pub(crate) fn rows<I: Isa>(&self, isa: I, rows: &Rows, add: bool, out: &mut [f32]) {
        self.weights.rows(
            isa,
            rows,
            Some(&self.bias),
            add,
            out,
            #[inline(always)]
            |x| x,
        );
    }
}

/// The same with what the weights' bytes missed of them. That is multiplied not with each row but with the mean of some rows: what
/// rounding moves all rows by is mended, at a sixth of the cost of mending every row.
pub(crate) struct Mended {
    affine: Affine,
    rest: Arc<Packed>,
}

/// Room for the means of rows, and what they come to.
#[derive(Default)]
pub(crate) struct Means {
    mean: Vec<f32>,
    rows: Rows,
    products: Vec<f32>,
}

impl Mended {
    /// `rest` is of the same outputs and inputs.
    pub(crate) fn new(affine: Affine, rest: Arc<Packed>) -> Self {
        assert!(affine.outputs() == rest.outputs() && affine.weights.inputs() == rest.inputs());
        Self { affine, rest }
    }

    /// As [`Affine::rows`]; `x` is what `rows` was made of.
    #[inline(always)]
    pub(crate) fn rows<I: Isa>(&self, isa: I, x: &[f32], rows: &Rows, means: &mut Means, add: bool, out: &mut [f32]) {
        let Means { mean, rows: of_means, products } = means;
        let width = self.rest.inputs();
        of_means.reset(rows.count().div_ceil(ROWS), width);
        for (number, x) in x.chunks(ROWS * width).enumerate() {
            mean.clear();
            mean.resize(width, 0.0);
            let share = (width as f32) / (x.len() as f32);
            for x in x.chunks_exact(width) {
                mean.iter_mut().zip(x).for_each(|(mean, x)| *mean += x * share);
            }
            of_means.set(isa, number, mean);
        }
        products.resize(of_means.count() * self.rest.outputs(), 0.0);
        self.rest.rows(
            isa,
            of_means,
            Some(&self.affine.bias),
            false,
            products,
            #[inline(always)]
            |y| y,
        );
        self.affine.weights.rows(
            isa,
            rows,
            Some(products),
            add,
            out,
            #[inline(always)]
            |y| y,
        );
    }
}

//! A matrix of bytes with a bias, for many rows at a time; and the same with bias correction.

use std::sync::Arc;

use rten_simd::Isa;

use crate::kernels::int8::dot::MR;
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

    /// The products of some rows, with the bias, into `out`; with `add` they are added to what is
    /// there.
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

/// An affine layer with bias correction. Rounded weights shift the mean of what a layer puts out.
/// The residual of the weights (what their bytes missed) is multiplied with the mean of every
/// [`MR`] rows and added to the bias of those rows: the shift is gone at a sixth of what a second
/// level would cost. The idea is that of Nagel et al., "Data-Free Quantization Through Weight
/// Equalization and Bias Correction" (2019), with means of the rows at hand in place of expected
/// ones.
pub(crate) struct BiasCorrected {
    affine: Affine,
    residual: Arc<Packed>,
}

/// Room for the means of rows, and what they come to.
#[derive(Default)]
pub(crate) struct Means {
    mean: Vec<f32>,
    rows: Rows,
    products: Vec<f32>,
}

impl BiasCorrected {
    /// `residual` is of the same outputs and inputs.
    pub(crate) fn new(affine: Affine, residual: Arc<Packed>) -> Self {
        assert!(affine.outputs() == residual.outputs() && affine.weights.inputs() == residual.inputs());
        Self { affine, residual }
    }

    /// As [`Affine::rows`]; `x` is what `rows` was made of.
    #[inline(always)]
    pub(crate) fn rows<I: Isa>(&self, isa: I, x: &[f32], rows: &Rows, means: &mut Means, add: bool, out: &mut [f32]) {
        let Means { mean, rows: means_rows, products } = means;
        let width = self.residual.inputs();
        means_rows.reset(rows.count().div_ceil(MR), width);
        for (number, x) in x.chunks(MR * width).enumerate() {
            mean.clear();
            mean.resize(width, 0.0);
            let share = (width as f32) / (x.len() as f32);
            for x in x.chunks_exact(width) {
                mean.iter_mut().zip(x).for_each(|(mean, x)| *mean += x * share);
            }
            means_rows.set(isa, number, mean);
        }
        products.resize(means_rows.count() * self.residual.outputs(), 0.0);
        self.residual.rows(
            isa,
            means_rows,
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

//! Weight matrices in the number format a model is loaded in: what a layer multiplies with, and
//! need not ask how. The products are the GEMMs of `kernels`.

use std::sync::Arc;

use candle_core::{Device, Tensor};

use crate::checkpoint::tensors::Checkpoint;
use crate::error::Result;
use crate::kernels;
use crate::kernels::{fp32, int8, reference};

/// Some matrices of the same inputs, `[outputs, inputs]` each.
pub(crate) enum Matrices {
    /// As candle multiplies them.
    Tensors(Vec<Tensor>),
    /// All in one, and the outputs of each.
    F32(fp32::Packed, Vec<usize>),
    /// The same in bytes.
    Int8(Arc<int8::Packed>, Vec<usize>),
}

impl Matrices {
    /// Loads the tensors, each named with its outputs, in the checkpoint's number format.
    ///
    /// # Errors
    /// As [`Checkpoint::tensor`].
    pub(crate) fn in_tensors(checkpoint: &Checkpoint, tensors: &[(&str, usize)], inputs: usize) -> Result<Self> {
        let tensor = |(name, outputs): &(&str, usize)| checkpoint.tensor(name, &[*outputs, inputs]);
        let tensors = tensors.iter().map(tensor).collect::<Result<Vec<_>>>()?;
        Ok(Self::new(tensors)?)
    }

    /// These tensors as they are, or laid out for the kernels that multiply with them.
    pub(crate) fn new(tensors: Vec<Tensor>) -> candle_core::Result<Self> {
        if !kernels::fused(&tensors.iter().collect::<Vec<_>>()) {
            return Ok(Self::Tensors(tensors));
        }
        let outputs = tensors.iter().map(|x| x.dim(0)).collect::<candle_core::Result<_>>()?;
        Ok(Self::F32(fp32::Packed::new(&tensors)?, outputs))
    }

    /// The weights of some outputs, as rows: `[ids, inputs]`. Of several matrices only the first is
    /// read.
    pub(crate) fn outputs(&self, ids: &[u32]) -> candle_core::Result<Tensor> {
        let ids_of_rows = || ids.iter().map(|id| *id as usize);
        let (rows, inputs): (Vec<f32>, _) = match self {
            Self::Tensors(all) => return all[0].index_select(&Tensor::new(ids, all[0].device())?, 0),
            Self::F32(packed, _) => (ids_of_rows().flat_map(|id| packed.output(id)).collect(), packed.inputs()),
            Self::Int8(packed, _) => (ids_of_rows().flat_map(|id| packed.output(id)).collect(), packed.inputs()),
        };
        Tensor::from_vec(rows, (ids.len(), inputs), &Device::Cpu)
    }

    /// Bytes that a product reads.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Tensors(all) => all.iter().map(|x| x.elem_count() * x.dtype().size_in_bytes()).sum(),
            Self::F32(packed, _) => packed.bytes(),
            Self::Int8(packed, _) => packed.bytes(),
        }
    }

    /// `x` (`[t, inputs]`) times each matrix: `[t, outputs]` each.
    pub(crate) fn multiply<const N: usize>(&self, x: &Tensor) -> candle_core::Result<[Tensor; N]> {
        let (product, outputs) = match self {
            Self::Tensors(all) => {
                let products = all.iter().map(|weight| reference::linear(x, weight, None));
                return these(products.collect::<candle_core::Result<Vec<_>>>()?);
            }
            Self::F32(packed, outputs) => (packed.multiply(x, None)?, outputs),
            Self::Int8(packed, outputs) => (int8::linear(x, &[], packed)?, outputs),
        };
        let mut first = 0;
        let mut part = |outputs: &usize| {
            first += outputs;
            product.narrow(1, first - outputs, *outputs)
        };
        these(outputs.iter().map(&mut part).collect::<candle_core::Result<Vec<_>>>()?)
    }

    /// `x` times the only matrix, plus a bias for each of its outputs.
    pub(crate) fn affine(&self, x: &Tensor, bias: &Tensor) -> candle_core::Result<Tensor> {
        if let Self::F32(packed, _) = self {
            return packed.multiply(x, Some(bias));
        }
        let [y] = self.multiply(x)?;
        y.broadcast_add(bias)
    }
}

fn these<const N: usize>(products: Vec<Tensor>) -> candle_core::Result<[Tensor; N]> {
    products.try_into().map_err(|all: Vec<_>| candle_core::Error::Msg(format!("{} products, not {N}", all.len())))
}

//! A tensor as a file of weights holds it: its place, its shape, its number format, and how it
//! becomes a tensor of ours.

use std::borrow::Cow;
use std::ops::Range;

use candle_core::quantized::{GgmlDType, QStorage, QTensor};
use candle_core::{DType, Device, Tensor};

/// A tensor in a file.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    /// Its dimensions, outermost first.
    pub shape: Vec<usize>,
    /// Its bytes, counted from the file's beginning.
    pub range: Range<usize>,
    /// How its numbers are stored.
    pub format: Format,
    /// The heads of a query or key matrix whose rows lie in llama.cpp's order: the two halves of a
    /// head, which the rotary embedding turns together, lie row by row beside each other.
    pub interleaved: Option<usize>,
}

/// A format of numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// One after the other.
    Plain(DType),
    /// Quantised, in blocks that share a scale.
    Blocks(GgmlDType),
    /// Another, by its name, which is not read.
    Unread(String),
}

impl Format {
    /// Bytes of so many numbers, of which the rows are whole blocks; nothing for a number of them
    /// that there can't be.
    pub fn bytes(&self, numbers: usize) -> Option<usize> {
        match self {
            Self::Plain(dtype) => numbers.checked_mul(dtype.size_in_bytes()),
            Self::Blocks(blocks) if numbers.is_multiple_of(blocks.block_size()) => {
                (numbers / blocks.block_size()).checked_mul(blocks.type_size())
            }
            Self::Blocks(_) | Self::Unread(_) => None,
        }
    }

    /// A tensor of stored bytes. It is converted before it goes to a GPU, so that what a card can't
    /// convert it need not.
    ///
    /// # Errors
    /// When memory runs out, or the bytes are not of this shape.
    pub fn tensor(&self, bytes: &[u8], dims: &[usize], dtype: DType, device: &Device) -> candle_core::Result<Tensor> {
        let tensor = match self {
            Self::Plain(stored) => Tensor::from_raw_buffer(bytes, *stored, dims, &Device::Cpu)?,
            Self::Blocks(blocks) => {
                if self.bytes(dims.iter().product()) != Some(bytes.len()) {
                    candle_core::bail!("{} bytes of {blocks:?} are not a tensor of {dims:?}", bytes.len());
                }
                let storage = QStorage::from_data(Cow::Borrowed(bytes), &Device::Cpu, *blocks)?;
                QTensor::new(storage, dims)?.dequantize(&Device::Cpu)?
            }
            Self::Unread(name) => candle_core::bail!("{name} is not read"),
        };
        tensor.to_dtype(dtype)?.to_device(device)
    }
}

impl Stored {
    /// The rows of a matrix in the order of checkpoints: the first halves of a head, then the
    /// second.
    ///
    /// # Errors
    /// When the rows are not those of the heads.
    pub fn in_order(&self, matrix: Tensor) -> candle_core::Result<Tensor> {
        let Some(heads) = self.interleaved else { return Ok(matrix) };
        let (rows, columns) = matrix.dims2()?;
        let half = rows.checked_div(heads).unwrap_or(0) / 2;
        matrix.reshape((heads, half, 2, columns))?.transpose(1, 2)?.reshape((rows, columns))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interleaved_rows_come_back_as_halves() {
        // Two heads of four rows: what llama.cpp's converter makes of rows 0 to 7.
        let rows = Tensor::new(&[[0f32], [2.], [1.], [3.], [4.], [6.], [5.], [7.]], &Device::Cpu).unwrap();
        let range = 0..32;
        let stored = Stored { shape: vec![8, 1], range, format: Format::Plain(DType::F32), interleaved: Some(2) };
        let ordered = stored.in_order(rows).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
        assert_eq!(ordered, [0., 1., 2., 3., 4., 5., 6., 7.]);
    }

    #[test]
    fn only_whole_blocks_have_a_length() {
        let q8 = Format::Blocks(GgmlDType::Q8_0);
        assert_eq!((q8.bytes(64), q8.bytes(40), q8.bytes(0)), (Some(68), None, Some(0)));
        assert_eq!(Format::Plain(DType::F32).bytes(usize::MAX), None);
        assert_eq!(Format::Unread("IQ1_S".into()).bytes(256), None);
    }
}

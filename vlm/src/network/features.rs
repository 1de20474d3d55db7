//! What stands for a view's pictures, small enough to be kept: the connector's output in bytes,
//! with a scale a row.
//!
//! At 256M a picture is 64 rows of 576 bytes, 36 KiB. From them the text model alone evaluates the
//! view again, at any time. They mean something to the model that made them, and to no other.

use candle_core::{Device, Tensor};

use crate::error::{Error, Result};

/// The largest byte: rows are scaled to reach it, with either sign.
const MOST: f32 = 127.0;
/// Rows and columns of the coarse grid on which two views are compared.
const COARSE: usize = 4;

/// A view's features.
#[derive(Clone, Debug, PartialEq)]
pub struct Features {
    /// Numbers a row: the text model's width.
    pub width: usize,
    /// For each row, which stands for one image token, what its bytes are multiplied by.
    pub scales: Vec<f32>,
    /// Row by row.
    pub bytes: Vec<i8>,
}

impl Features {
    /// Rounds features, `[rows, width]`. A value is off by half of its row's scale at most.
    pub(crate) fn of(features: &Tensor) -> Result<Self> {
        let (rows, width) = features.dims2()?;
        let values =
            features.to_device(&Device::Cpu)?.to_dtype(candle_core::DType::F32)?.flatten_all()?.to_vec1::<f32>()?;
        let (mut scales, mut bytes) = (Vec::with_capacity(rows), Vec::with_capacity(values.len()));
        for row in values.chunks_exact(width.max(1)) {
            let largest = row.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
            if !row.iter().all(|value| value.is_finite()) {
                return Err(Error::NotFinite);
            }
            let scale = if largest > 0.0 { largest / MOST } else { 1.0 };
            scales.push(scale);
            bytes.extend(row.iter().map(|value| (value / scale).round() as i8));
        }
        Ok(Self { width, scales, bytes })
    }

    /// The values again, `[rows, width]` in f32.
    pub(crate) fn tensor(&self, device: &Device) -> Result<Tensor> {
        if self.width == 0 || self.bytes.len() != self.width * self.scales.len() {
            let why = format!("{} bytes for {} rows of {}", self.bytes.len(), self.scales.len(), self.width);
            return Err(Error::Picture { why });
        }
        let row = |(bytes, scale): (&[i8], &f32)| bytes.iter().map(|byte| f32::from(*byte) * scale).collect::<Vec<_>>();
        let values: Vec<f32> = self.bytes.chunks_exact(self.width).zip(&self.scales).flat_map(row).collect();
        Ok(Tensor::from_vec(values, (self.scales.len(), self.width), device)?)
    }

    /// How far another view is from this one: the largest distance between the same cells of a
    /// coarse grid, as a share of the cell's length. Rows are taken as a square, as those of one
    /// tile are; 0 is the same, 1 as far as from nothing at all. Infinite for another shape.
    #[must_use]
    pub fn distance(&self, other: &Self) -> f32 {
        if (self.width, self.scales.len()) != (other.width, other.scales.len()) {
            return f32::INFINITY;
        }
        let (ours, theirs) = (self.cells(), other.cells());
        let length = |cell: &[f32]| cell.iter().map(|value| value * value).sum::<f32>().sqrt();
        ours.iter()
            .zip(&theirs)
            .map(|(a, b)| {
                let apart: Vec<f32> = a.iter().zip(b).map(|(a, b)| a - b).collect();
                length(&apart) / length(a).max(f32::MIN_POSITIVE)
            })
            .fold(0.0, f32::max)
    }

    /// The mean over all rows, of length 1: what pictures are compared by that need not be alike
    /// place by place.
    #[must_use]
    pub fn mean(&self) -> Vec<f32> {
        let mut mean = vec![0.0; self.width];
        for (row, scale) in self.bytes.chunks_exact(self.width.max(1)).zip(&self.scales) {
            mean.iter_mut().zip(row).for_each(|(sum, byte)| *sum += f32::from(*byte) * scale);
        }
        let length = mean.iter().map(|value| value * value).sum::<f32>().sqrt();
        for value in &mut mean {
            *value /= length.max(f32::MIN_POSITIVE);
        }
        mean
    }

    /// The means of the cells of the coarse grid.
    fn cells(&self) -> Vec<Vec<f32>> {
        let side = self.scales.len().isqrt().max(1);
        let cells = COARSE.min(side);
        let mut sums = vec![vec![0.0; self.width]; cells * cells];
        let mut counts = vec![0.0_f32; cells * cells];
        for (place, (row, scale)) in self.bytes.chunks_exact(self.width.max(1)).zip(&self.scales).enumerate() {
            let (down, across) = ((place / side).min(side - 1), place % side);
            let cell = down * cells / side * cells + across * cells / side;
            sums[cell].iter_mut().zip(row).for_each(|(sum, byte)| *sum += f32::from(*byte) * scale);
            counts[cell] += 1.0;
        }
        for (sum, count) in sums.iter_mut().zip(counts) {
            for value in sum {
                *value /= count.max(1.0);
            }
        }
        sums
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn features(rows: usize, width: usize, value: impl Fn(usize, usize) -> f32) -> Features {
        let values: Vec<f32> = (0..rows * width).map(|i| value(i / width, i % width)).collect();
        Features::of(&Tensor::from_vec(values, (rows, width), &Device::Cpu).unwrap()).unwrap()
    }

    #[test]
    fn values_come_back_within_half_a_step() {
        let value = |row: usize, column: usize| (row as f32 + 1.0) * ((row * 7 + column) as f32).sin();
        let kept = features(16, 12, value);
        let back = kept.tensor(&Device::Cpu).unwrap().to_vec2::<f32>().unwrap();
        for (row, (values, scale)) in back.iter().zip(&kept.scales).enumerate() {
            for (column, got) in values.iter().enumerate() {
                assert!((got - value(row, column)).abs() <= 0.5 * scale + 1e-6);
            }
        }
        assert_eq!(features(4, 3, |_, _| 0.0).bytes, [0; 12]);
        let broken = Features { bytes: vec![0; 5], ..kept };
        assert!(matches!(broken.tensor(&Device::Cpu), Err(Error::Picture { .. })));
        assert!(matches!(
            Features::of(&Tensor::from_vec(vec![f32::NAN], (1, 1), &Device::Cpu).unwrap()),
            Err(Error::NotFinite)
        ));
    }

    #[test]
    fn a_small_thing_moves_its_cell_and_noise_moves_none() {
        let still = |row: usize, column: usize| ((row * 31 + column * 17) as f32).sin();
        let before = features(64, 48, still);
        let noisy = features(64, 48, |row, column| still(row, column) + 0.02 * ((row * 97 + column * 13) as f32).cos());
        let moved =
            features(64, 48, |row, column| if row == 27 { -2.0 * still(row, column) } else { still(row, column) });
        assert!(before.distance(&before) < 1e-6);
        assert!(before.distance(&noisy) < 0.05, "{}", before.distance(&noisy));
        assert!(before.distance(&moved) > 0.5, "{}", before.distance(&moved));
        assert!(before.distance(&features(16, 48, still)).is_infinite());
    }

    #[test]
    fn a_mean_has_length_one_and_tells_views_apart() {
        let dot = |a: &Features, b: &Features| a.mean().iter().zip(b.mean()).map(|(a, b)| a * b).sum::<f32>();
        let one = features(64, 48, |_, column| (column as f32).sin());
        let other = features(64, 48, |_, column| (column as f32).cos());
        assert!((dot(&one, &one) - 1.0).abs() < 1e-5 && dot(&one, &other) < 0.5);
    }
}

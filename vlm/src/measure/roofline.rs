//! What this machine can do at its best, and how much of it a model's stages ask for: what benches
//! hold times against.
//!
//! Work is counted as the model is written down, two operations a multiplication, whatever
//! precision it runs in: levels that int8 multiplies twice count once. Formulas: a product of `[m,
//! k]` with `[k, n]` has `2mkn` operations; attention of `q` queries over `k` keys has `4 q k`
//! times the heads' width in all.

use std::hint::black_box;
use std::time::{Duration, Instant};

use candle_core::{Device, Tensor};
use rayon::prelude::*;

use crate::error::Result;
use crate::kernels::fp32;
use crate::kernels::int8;
use crate::kernels::int8::Levels;
use crate::network::Model;

/// Rows, inputs and outputs of the product that stands for all: one of the vision encoder's at
/// 256M.
const PRODUCT: (usize, usize, usize) = (1024, 768, 3072);
/// Bytes that the read of memory goes through: several times the last cache.
const READ: usize = 192 << 20;
/// The best of so many counts.
const TRIES: usize = 3;

/// The machine's best.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Peaks {
    /// Operations a second in a product of 1024 x 768 x 3072 in f32.
    pub f32_ops: f64,
    /// The same of bytes.
    pub int8_ops: f64,
    /// Bytes a second that all threads together read from memory.
    pub read: f64,
}

/// What a model's stages ask of a machine.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Work {
    /// Operations of products to encode a tile.
    pub vision_products: f64,
    /// Operations of attention to encode a tile.
    pub vision_attention: f64,
    /// Operations of products for each token that the decoder evaluates, without its head.
    pub token_products: f64,
    /// Bytes of weights that are read to decode a token.
    pub token_bytes: f64,
}

impl Peaks {
    /// Measures on the model's threads, for a tenth of a second or so.
    ///
    /// # Errors
    /// [`Error::Backend`](crate::Error::Backend) when memory runs out.
    pub fn measure(model: &Model) -> Result<Self> {
        model.install(Self::measure_here)
    }

    /// The same on the current pool.
    fn measure_here() -> Result<Self> {
        let (rows, inputs, outputs) = PRODUCT;
        let operations = (2 * rows * inputs * outputs) as f64;
        let values = |n: usize| (0..n).map(|i| ((i * 7919) % 1000) as f32 * 2e-3 - 1.0).collect::<Vec<_>>();
        let (x, w) = (values(rows * inputs), values(outputs * inputs));
        let packed = int8::Packed::quantise(&[&w], inputs, Levels::One);
        let bytes: Vec<u8> = x.iter().map(|x| (x * 100.0 + 128.0) as u8).collect();
        let int8 = fastest(|| drop(black_box(int8::multiply_bytes(black_box(&bytes), &packed))));
        let x = Tensor::from_vec(x, (rows, inputs), &Device::Cpu)?;
        let w = fp32::Packed::new(&[Tensor::from_vec(w, (outputs, inputs), &Device::Cpu)?])?;
        w.multiply(&x, None)?;
        let wide = fastest(|| drop(black_box(w.multiply(&x, None))));
        let memory = vec![1u64; READ / size_of::<u64>()];
        let share = memory.len().div_ceil(4 * rayon::current_num_threads());
        let read = fastest(|| {
            let sum = memory
                .par_chunks(share)
                .map(|part| part.iter().fold(0, |sum: u64, x| sum.wrapping_add(*x)))
                .reduce(|| 0, u64::wrapping_add);
            black_box(sum);
        });
        let a_second = |amount: f64, time: Duration| amount / time.as_secs_f64();
        Ok(Self {
            f32_ops: a_second(operations, wide),
            int8_ops: a_second(operations, int8),
            read: a_second(READ as f64, read),
        })
    }
}

fn fastest(mut work: impl FnMut()) -> Duration {
    let timed = (0..TRIES).map(|_| {
        let start = Instant::now();
        work();
        start.elapsed()
    });
    timed.min().unwrap_or_default()
}

impl Work {
    /// Of a model as it was loaded.
    #[must_use]
    pub fn of(model: &Model) -> Self {
        let config = model.config();
        let (v, t) = (&config.vision, &config.text);
        let patches = v.grid().pow(2) as f64;
        let (width, wide, patch) = (v.hidden_size as f64, v.intermediate_size as f64, v.patch_size as f64);
        let layers = v.num_hidden_layers as f64;
        let connector = width * (config.scale_factor.pow(2) * config.tokens_per_tile() * t.hidden_size) as f64;
        let weights = layers * (4.0 * width * width + 2.0 * width * wide) + width * 3.0 * patch * patch;
        let heads = (t.num_attention_heads + t.kv_heads()) * t.head_dim();
        let text = 2 * t.hidden_size * heads + 3 * t.hidden_size * t.intermediate_size;
        Self {
            vision_products: 2.0 * (patches * weights + connector),
            vision_attention: 4.0 * layers * patches * patches * width,
            token_products: 2.0 * (t.num_hidden_layers * text) as f64,
            token_bytes: model.text_bytes() as f64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_does_something() {
        let peaks = Peaks::measure_here().unwrap();
        assert!([peaks.f32_ops, peaks.int8_ops, peaks.read].iter().all(|x| x.is_finite() && *x > 0.0), "{peaks:?}");
    }
}

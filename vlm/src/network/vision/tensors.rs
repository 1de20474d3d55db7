//! A SigLIP encoder in tensors: f32 or bf16, on the processor or a GPU.

use candle_core::{DType, Device, Tensor};
use image::RgbImage;

use crate::cancel::Cancel;
use crate::checkpoint::config::Config;
use crate::checkpoint::processor::PreprocessorConfig;
use crate::checkpoint::tensors::Checkpoint;
use crate::error::Result;
use crate::kernels::{add, attention, gelu_tanh};
use crate::network::linear::Matrices;
use crate::network::vision::Encoder;
use crate::network::vision::siglip::{Norm, layers, patch_embedding, position_embedding};

/// The encoder.
pub(crate) struct SiglipInTensors {
    /// What each byte of each channel becomes.
    normalise: Box<[[f32; 256]; 3]>,
    patch_embedding: Linear,
    position_embedding: Tensor,
    layers: Vec<SiglipLayer>,
    grid: usize,
    patch: usize,
    heads: usize,
    device: Device,
    dtype: DType,
}

struct SiglipLayer {
    layer_norm1: Norm,
    q_proj: Linear,
    k_proj: Linear,
    v_proj: Linear,
    out_proj: Linear,
    layer_norm2: Norm,
    fc1: Linear,
    fc2: Linear,
}

struct Linear {
    matrix: Matrices,
    bias: Tensor,
}

impl Linear {
    fn new(weight: Tensor, bias: Tensor) -> Result<Self> {
        Ok(Self { matrix: Matrices::new(vec![weight])?, bias })
    }

    fn load(checkpoint: &Checkpoint, name: &str, inputs: usize, outputs: usize) -> Result<Self> {
        let weight = checkpoint.tensor(&format!("{name}.weight"), &[outputs, inputs])?;
        Self::new(weight, checkpoint.tensor(&format!("{name}.bias"), &[outputs])?)
    }

    fn forward(&self, x: &Tensor) -> candle_core::Result<Tensor> {
        self.matrix.affine(x, &self.bias)
    }
}

impl SiglipInTensors {
    /// Loads the weights under `model.vision_model`.
    ///
    /// # Errors
    /// As [`Checkpoint::tensor`].
    pub(crate) fn load(
        checkpoint: &Checkpoint,
        config: &Config,
        preprocessor: &PreprocessorConfig,
        dtype: DType,
        device: &Device,
    ) -> Result<Self> {
        let v = &config.vision;
        let (weight, bias) = patch_embedding(checkpoint, v)?;
        Ok(Self {
            normalise: Box::new(normalising_table(preprocessor)),
            patch_embedding: Linear::new(weight, bias)?,
            position_embedding: position_embedding(checkpoint, config)?,
            layers: layers(v).map(|name| SiglipLayer::load(checkpoint, &name, config)).collect::<Result<_>>()?,
            grid: v.grid(),
            patch: v.patch_size,
            heads: v.num_attention_heads,
            device: device.clone(),
            dtype,
        })
    }

    /// The pixels of a tile as rows of `(channel, row, column)`, one a patch, normalised:
    /// `(x / 255 - mean) / std`.
    fn patches(&self, tile: &RgbImage) -> Vec<f32> {
        let side = self.patch;
        let stride = tile.width() as usize * 3;
        let pixels = tile.as_raw();
        let mut out = Vec::with_capacity(self.grid * self.grid * 3 * side * side);
        for patch_row in 0..self.grid {
            for patch_column in 0..self.grid {
                for (channel, normalise) in self.normalise.iter().enumerate() {
                    for y in patch_row * side..(patch_row + 1) * side {
                        let row = &pixels[y * stride + patch_column * side * 3..][..side * 3];
                        out.extend(row.iter().skip(channel).step_by(3).map(|x| normalise[*x as usize]));
                    }
                }
            }
        }
        out
    }
}

impl Encoder for SiglipInTensors {
    fn encode(&self, tile: &RgbImage, cancel: &Cancel) -> Result<Tensor> {
        let shape = (self.grid * self.grid, 3 * self.patch * self.patch);
        let patches = Tensor::from_vec(self.patches(tile), shape, &self.device)?;
        let patches = self.patch_embedding.forward(&patches.to_dtype(self.dtype)?)?;
        let mut x = add(&patches, &self.position_embedding)?;
        for layer in &self.layers {
            cancel.check()?;
            x = layer.forward(&x, self.heads)?;
        }
        Ok(x)
    }
}

impl SiglipLayer {
    fn load(checkpoint: &Checkpoint, name: &str, config: &Config) -> Result<Self> {
        let v = &config.vision;
        let (width, eps) = (v.hidden_size, v.layer_norm_eps);
        let projection = |part: &str| Linear::load(checkpoint, &format!("{name}.self_attn.{part}"), width, width);
        Ok(Self {
            layer_norm1: Norm::load(checkpoint, &format!("{name}.layer_norm1"), width, eps)?,
            q_proj: projection("q_proj")?,
            k_proj: projection("k_proj")?,
            v_proj: projection("v_proj")?,
            out_proj: projection("out_proj")?,
            layer_norm2: Norm::load(checkpoint, &format!("{name}.layer_norm2"), width, eps)?,
            fc1: Linear::load(checkpoint, &format!("{name}.mlp.fc1"), width, v.intermediate_size)?,
            fc2: Linear::load(checkpoint, &format!("{name}.mlp.fc2"), v.intermediate_size, width)?,
        })
    }

    fn forward(&self, x: &Tensor, heads: usize) -> candle_core::Result<Tensor> {
        let (n, width) = x.dims2()?;
        let head_dim = width / heads;
        let by_head = |t: Tensor| t.reshape((n, heads, head_dim))?.transpose(0, 1);
        let y = self.layer_norm1.forward(x)?;
        let (q, k, v) = (self.q_proj.forward(&y)?, self.k_proj.forward(&y)?, self.v_proj.forward(&y)?);
        let scale = 1.0 / (head_dim as f32).sqrt();
        let y = attention(&by_head(q)?, &by_head(k)?, &by_head(v)?, scale, false)?;
        let x = add(x, &self.out_proj.forward(&y)?)?;
        let y = gelu_tanh(&self.fc1.forward(&self.layer_norm2.forward(&x)?)?)?;
        add(&x, &self.fc2.forward(&y)?)
    }
}

/// What each byte of each channel becomes.
fn normalising_table(config: &PreprocessorConfig) -> [[f32; 256]; 3] {
    std::array::from_fn(|channel| {
        std::array::from_fn(|value| {
            let scaled = (value as f64 * config.rescale_factor) as f32;
            (scaled - config.image_mean[channel]) / config.image_std[channel]
        })
    })
}

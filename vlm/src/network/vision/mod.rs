//! The SigLIP encoder, the pixel shuffle and the connector: a tile becomes a few rows in the text model's space.
//!
//! Tensor names and order of operations are those of `Idefics3VisionTransformer` and `Idefics3Connector` in transformers.

pub(crate) mod int8;
#[cfg(test)]
mod tests;

use std::sync::{Mutex, PoisonError};

use candle_core::{DType, Device, Tensor};
use image::RgbImage;

use crate::cancel::Cancel;
use crate::checkpoint::config::{Config, PreprocessorConfig};
use crate::checkpoint::tensors::Checkpoint;
use crate::error::Result;
use crate::kernels::int8::{Affine, Mended, Planes, Tile, embed};
use crate::kernels::{add, attention, gelu_tanh, layer_norm};
use crate::network::linear::Matrices;
use crate::network::precision::Precision;
use crate::network::weights::Weights;

/// Encoder and connector.
pub(crate) struct Vision {
    encoder: Encoder,
    position_embedding: Tensor,
    post_layernorm: Norm,
    /// The connector's only matrix, `[text width, vision width * scale_factor^2]`.
    projection: Matrices,
    grid: usize,
    patch: usize,
    heads: usize,
    scale_factor: usize,
    device: Device,
    dtype: DType,
}

/// Patch embedding and layers.
enum Encoder {
    Wide {
        /// What each byte of each channel becomes.
        normalise: Box<[[f32; 256]; 3]>,
        patch_embedding: Linear,
        layers: Vec<Layer>,
    },
    Int8 {
        /// Of bytes as they are: normalising them is part of its weights and bias.
        patch_embedding: Affine,
        layers: Vec<int8::Layer>,
        /// Left behind by the last tile for the next, whichever session it is of.
        buffers: Mutex<int8::Buffers>,
    },
}

#[expect(clippy::struct_field_names, reason = "named as the checkpoint names its tensors")]
struct Layer {
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

struct Norm {
    weight: Tensor,
    bias: Tensor,
    eps: f64,
}

impl Norm {
    fn load(checkpoint: &Checkpoint, name: &str, width: usize, eps: f64) -> Result<Self> {
        let weight = checkpoint.tensor(&format!("{name}.weight"), &[width])?;
        Ok(Self { weight, bias: checkpoint.tensor(&format!("{name}.bias"), &[width])?, eps })
    }

    fn forward(&self, x: &Tensor) -> candle_core::Result<Tensor> {
        layer_norm(x, &self.weight, &self.bias, self.eps)
    }
}

impl Vision {
    /// Loads the weights under `model.vision_model` and `model.connector`.
    ///
    /// # Errors
    /// As [`Checkpoint::tensor`].
    pub fn load(
        weights: &Weights<'_>,
        config: &Config,
        preprocessor: &PreprocessorConfig,
        dtype: DType,
        device: &Device,
    ) -> Result<Self> {
        let checkpoint = weights.checkpoint;
        let v = &config.vision;
        let (width, patch, grid) = (v.hidden_size, v.patch_size, v.grid());
        let model = "model.vision_model";
        let embeddings = format!("{model}.embeddings");
        let names = (0..v.num_hidden_layers).map(|n| format!("{model}.encoder.layers.{n}"));
        let encoder = match weights.precision {
            Precision::F32 | Precision::Bf16 => Encoder::Wide {
                normalise: Box::new(normalising_table(preprocessor)),
                patch_embedding: {
                    let (weight, bias) = patch_embedding(checkpoint, &embeddings, width, patch)?;
                    Linear::new(weight, bias)?
                },
                layers: names.map(|name| Layer::load(checkpoint, &name, config)).collect::<Result<_>>()?,
            },
            Precision::Int8 => Encoder::Int8 {
                patch_embedding: quantised_patch_embedding(weights, &embeddings, (width, patch), preprocessor)?,
                layers: names.map(|name| quantised_layer(weights, &name, config)).collect::<Result<_>>()?,
                buffers: Mutex::default(),
            },
        };
        let positions = format!("{embeddings}.position_embedding.weight");
        let projection = [("model.connector.modality_projection.proj.weight", config.text.hidden_size)];
        Ok(Self {
            encoder,
            // A full tile's position ids are 0..grid*grid, so the table is added as it is.
            position_embedding: checkpoint.tensor(&positions, &[grid * grid, width])?,
            post_layernorm: Norm::load(checkpoint, &format!("{model}.post_layernorm"), width, v.layer_norm_eps)?,
            projection: Matrices::load(weights, &projection, width * config.scale_factor.pow(2), Planes::Two)?,
            grid,
            patch,
            heads: v.num_attention_heads,
            scale_factor: config.scale_factor,
            device: device.clone(),
            dtype,
        })
    }

    /// Encodes one tile into `[tokens per tile, text width]`.
    ///
    /// # Errors
    /// [`Error::Cancelled`](crate::Error::Cancelled) between layers once `cancel` is raised, or
    /// [`Error::Backend`](crate::Error::Backend).
    pub fn encode(&self, tile: &RgbImage, cancel: &Cancel) -> Result<Tensor> {
        let x = match &self.encoder {
            Encoder::Wide { normalise, patch_embedding, layers } => {
                let shape = (self.grid * self.grid, 3 * self.patch * self.patch);
                let patches = Tensor::from_vec(self.patches(tile, normalise), shape, &self.device)?;
                let patches = patch_embedding.forward(&patches.to_dtype(self.dtype)?)?;
                let mut x = add(&patches, &self.position_embedding)?;
                for layer in layers {
                    cancel.check()?;
                    x = layer.forward(&x, self.heads)?;
                }
                x
            }
            Encoder::Int8 { patch_embedding, layers, buffers } => {
                let mut rows = self.position_embedding.flatten_all()?.to_vec1::<f32>()?;
                let (pixels, width) = (tile.as_raw().as_slice(), tile.width() as usize);
                let tile = Tile { pixels, width, patch: self.patch, grid: self.grid };
                embed(tile, patch_embedding, &mut rows);
                // Taken, not held: a thread that waits for another's part of a layer may begin a tile of another session.
                let mut own = std::mem::take(&mut *buffers.lock().unwrap_or_else(PoisonError::into_inner));
                for layer in layers {
                    cancel.check()?;
                    layer.forward(&mut rows, &mut own);
                }
                *buffers.lock().unwrap_or_else(PoisonError::into_inner) = own;
                Tensor::from_vec(rows, self.position_embedding.shape(), &self.device)?
            }
        };
        let x = self.post_layernorm.forward(&x)?;
        let [x] = self.projection.multiply(&self.pixel_shuffle(&x)?)?;
        Ok(x)
    }

    /// The pixels of a tile as rows of `(channel, row, column)`, one a patch, normalised: `(x / 255 - mean) / std`.
    fn patches(&self, tile: &RgbImage, normalise: &[[f32; 256]; 3]) -> Vec<f32> {
        let side = self.patch;
        let stride = tile.width() as usize * 3;
        let pixels = tile.as_raw();
        let mut out = Vec::with_capacity(self.grid * self.grid * 3 * side * side);
        for patch_row in 0..self.grid {
            for patch_column in 0..self.grid {
                for (channel, normalise) in normalise.iter().enumerate() {
                    for y in patch_row * side..(patch_row + 1) * side {
                        let row = &pixels[y * stride + patch_column * side * 3..][..side * 3];
                        out.extend(row.iter().skip(channel).step_by(3).map(|x| normalise[*x as usize]));
                    }
                }
            }
        }
        out
    }

    /// Folds each block of `s` x `s` neighbouring patches into one row, channels ordered (row in block, column in block,
    /// channel), as `Idefics3Connector.pixel_shuffle`.
    fn pixel_shuffle(&self, x: &Tensor) -> candle_core::Result<Tensor> {
        let (s, width) = (self.scale_factor, x.dim(1)?);
        let few = self.grid / s;
        x.reshape((few, s, few, s, width))?.permute((0, 2, 1, 3, 4))?.reshape((few * few, s * s * width))
    }
}

impl Layer {
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

/// The convolution whose stride is its kernel, as a product with flattened patches: its matrix and its bias.
fn patch_embedding(checkpoint: &Checkpoint, embeddings: &str, width: usize, patch: usize) -> Result<(Tensor, Tensor)> {
    let kernel = checkpoint.tensor(&format!("{embeddings}.patch_embedding.weight"), &[width, 3, patch, patch])?;
    let bias = checkpoint.tensor(&format!("{embeddings}.patch_embedding.bias"), &[width])?;
    Ok((kernel.reshape((width, 3 * patch * patch))?, bias))
}

/// The same as bytes, of pixels that are not normalised: `w (x / 255 - mean) / std + b` is `w / (255 std) x + (b - w mean / std)`.
fn quantised_patch_embedding(
    weights: &Weights<'_>,
    embeddings: &str,
    (width, patch): (usize, usize),
    preprocessor: &PreprocessorConfig,
) -> Result<Affine> {
    let (weight, bias) = patch_embedding(weights.checkpoint, embeddings, width, patch)?;
    let of_channel = |values: [f64; 3]| Tensor::new(&values, &Device::Cpu)?.to_dtype(DType::F32)?.reshape((1, 3, 1));
    let deviation = preprocessor.image_std.map(f64::from);
    let mean: [f64; 3] = std::array::from_fn(|c| f64::from(preprocessor.image_mean[c]) / deviation[c]);
    let kernel = weight.reshape((width, 3, patch * patch))?;
    let bias = (bias - kernel.broadcast_mul(&of_channel(mean)?)?.sum((1, 2))?)?;
    let name = format!("{embeddings}.patch_embedding.weight");
    let packed = weights.packed_from(&name, (width, 3 * patch * patch), Planes::Two, || {
        let scaled = kernel.broadcast_mul(&of_channel(deviation.map(|d| preprocessor.rescale_factor / d))?)?;
        Ok(vec![scaled.flatten_all()?.to_vec1::<f32>()?])
    })?;
    Ok(Affine::new(packed, &bias.to_vec1::<f32>()?))
}

/// A layer as bytes.
fn quantised_layer(weights: &Weights<'_>, name: &str, config: &Config) -> Result<int8::Layer> {
    use Planes::One;

    let v = &config.vision;
    let (width, wide) = (v.hidden_size, v.intermediate_size);
    let vector = |name: String, len: usize| Ok(weights.checkpoint.tensor(&name, &[len])?.to_vec1::<f32>()?);
    let norm = |part: &str| -> Result<int8::Norm> {
        Ok(int8::Norm {
            weight: vector(format!("{name}.{part}.weight"), width)?,
            bias: vector(format!("{name}.{part}.bias"), width)?,
            eps: v.layer_norm_eps as f32,
        })
    };
    let affine = |parts: &[&str], outputs: usize, inputs: usize| -> Result<Affine> {
        let names: Vec<_> = parts.iter().map(|part| format!("{name}.{part}.weight")).collect();
        let tensors: Vec<_> = names.iter().map(|name| (name.as_str(), outputs)).collect();
        let bias =
            parts.iter().map(|part| vector(format!("{name}.{part}.bias"), outputs)).collect::<Result<Vec<_>>>()?;
        Ok(Affine::new(weights.packed(&tensors, inputs, One)?, &bias.concat()))
    };
    let mended = |part: &str| -> Result<Mended> {
        let affine = affine(&[part], width, width)?;
        let rest = weights.rest(&format!("{name}.{part}.weight"), affine.weights())?;
        Ok(Mended::new(affine, rest))
    };
    Ok(int8::Layer {
        norm1: norm("layer_norm1")?,
        queries_keys: affine(&["self_attn.q_proj", "self_attn.k_proj"], width, width)?,
        values: mended("self_attn.v_proj")?,
        out: mended("self_attn.out_proj")?,
        norm2: norm("layer_norm2")?,
        fc1: affine(&["mlp.fc1"], wide, width)?,
        fc2: affine(&["mlp.fc2"], width, wide)?,
        heads: v.num_attention_heads,
    })
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

//! A SigLIP encoder in bytes: norms, products, attention and GELU of a block of rows while they are
//! in cache.
//!
//! A layer is three passes over the picture's rows, each cut into tasks: norm, queries, keys and
//! values; packing keys and values, a head at a time; and for each block of rows its attention,
//! projection and MLP. `v_proj` and `out_proj` have a bias correction: attention averages over
//! tokens, which lessens every error but what their rounded weights move all tokens by.

#![allow(unsafe_code, reason = "the norm of a row is given pointers")]
#![allow(
    clippy::inline_always,
    reason = "an instruction set reaches only what is inlined into the function that enables it"
)]

use std::cell::RefCell;
use std::sync::{Mutex, PoisonError};

use candle_core::{DType, Device, Tensor};
use image::RgbImage;
use rayon::prelude::*;
use rten_simd::{Isa, SimdOp};

use crate::cancel::Cancel;
use crate::checkpoint::config::Config;
use crate::checkpoint::processor::PreprocessorConfig;
use crate::error::Result;
use crate::kernels::activation::gelu;
use crate::kernels::int8::affine::Means;
use crate::kernels::int8::attention::{Head, Scratch as Attend};
use crate::kernels::int8::rows::{Rows, block};
use crate::kernels::int8::{Affine, BiasCorrected, Levels, Tile, embed};
use crate::kernels::norm;
use crate::kernels::simd::Dispatch as _;
use crate::network::vision::Encoder;
use crate::network::vision::siglip::{layers, patch_embedding, patch_embedding_name, position_embedding};
use crate::network::weights::Weights;

/// The encoder.
pub(crate) struct SiglipInBytes {
    /// Of bytes as they are: normalising them is part of its weights and bias.
    patch_embedding: Affine,
    position_embedding: Tensor,
    layers: Vec<ByteLayer>,
    grid: usize,
    patch: usize,
    /// Left behind by the last tile for the next, whichever session it is of.
    workspace: Mutex<Workspace>,
}

impl SiglipInBytes {
    /// Loads the weights under `model.vision_model`.
    ///
    /// # Errors
    /// As [`Checkpoint::tensor`](crate::checkpoint::tensors::Checkpoint::tensor).
    pub(crate) fn load(weights: &Weights<'_>, config: &Config, preprocessor: &PreprocessorConfig) -> Result<Self> {
        let v = &config.vision;
        Ok(Self {
            patch_embedding: quantised_patch_embedding(weights, config, preprocessor)?,
            position_embedding: position_embedding(weights.checkpoint, config)?,
            layers: layers(v).map(|name| quantised_layer(weights, &name, config)).collect::<Result<_>>()?,
            grid: v.grid(),
            patch: v.patch_size,
            workspace: Mutex::default(),
        })
    }
}

impl Encoder for SiglipInBytes {
    fn encode(&self, tile: &RgbImage, cancel: &Cancel) -> Result<Tensor> {
        let mut rows = self.position_embedding.flatten_all()?.to_vec1::<f32>()?;
        let (pixels, width) = (tile.as_raw().as_slice(), tile.width() as usize);
        embed(Tile { pixels, width, patch: self.patch, grid: self.grid }, &self.patch_embedding, &mut rows);
        // Taken, not held: a thread that waits for another's part of a layer may begin a tile of
        // another session.
        let mut own = std::mem::take(&mut *self.workspace.lock().unwrap_or_else(PoisonError::into_inner));
        for layer in &self.layers {
            cancel.check()?;
            layer.forward(&mut rows, &mut own);
        }
        *self.workspace.lock().unwrap_or_else(PoisonError::into_inner) = own;
        Ok(Tensor::from_vec(rows, self.position_embedding.shape(), &Device::Cpu)?)
    }
}

/// LayerNorm's parameters.
pub(crate) struct Norm {
    pub(crate) weight: Vec<f32>,
    pub(crate) bias: Vec<f32>,
    pub(crate) eps: f32,
}

impl Norm {
    /// Normalises whole rows into `out`.
    #[inline(always)]
    fn rows<I: Isa>(&self, isa: I, x: &[f32], out: &mut [f32]) {
        let width = self.weight.len();
        for (x, out) in x.chunks_exact(width).zip(out.chunks_exact_mut(width)) {
            let (weight, bias) = (self.weight.as_ptr(), self.bias.as_ptr());
            // SAFETY: all are `width` long.
            unsafe { norm::row(isa, x.as_ptr(), weight, Some(bias), width, self.eps, out.as_mut_ptr()) };
        }
    }
}

/// The layer's weights.
pub(crate) struct ByteLayer {
    pub(crate) norm1: Norm,
    /// `q_proj` and `k_proj`, one over the other.
    pub(crate) queries_keys: Affine,
    pub(crate) values: BiasCorrected,
    pub(crate) out: BiasCorrected,
    pub(crate) norm2: Norm,
    pub(crate) fc1: Affine,
    pub(crate) fc2: Affine,
    pub(crate) heads: usize,
}

/// What all layers share while a picture passes.
#[derive(Default)]
pub(crate) struct Workspace {
    queries_keys: Vec<f32>,
    values: Vec<f32>,
    heads: Vec<Head>,
}

/// What a thread needs for a block of rows.
#[derive(Default)]
struct Scratch {
    rows: Rows,
    block: Vec<f32>,
    wide: Vec<f32>,
    means: Means,
    attend: Attend,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

impl ByteLayer {
    /// Replaces `x`, rows of the layer's width, by the layer's result, on the current pool.
    pub(crate) fn forward(&self, x: &mut [f32], workspace: &mut Workspace) {
        let width = self.norm1.weight.len();
        let count = x.len() / width;
        let Workspace { queries_keys, values, heads } = workspace;
        queries_keys.resize(count * 2 * width, 0.0);
        values.resize(count * width, 0.0);
        heads.resize_with(self.heads, Head::new);

        let block = block(count);
        x.par_chunks(block * width)
            .zip(queries_keys.par_chunks_mut(block * 2 * width))
            .zip(values.par_chunks_mut(block * width))
            .for_each(|((x, queries_keys), values)| {
                SCRATCH.with_borrow_mut(|scratch| {
                    Project { layer: self, x, queries_keys, values, scratch }.dispatch_here();
                });
            });
        let head_width = width / self.heads;
        heads.par_iter_mut().enumerate().for_each(|(number, head)| {
            let at = number * head_width;
            let (k, v) = (&queries_keys[width + at..], &values[at..]);
            Pack { head, k, v, count, head_width, width }.dispatch_here();
        });
        x.par_chunks_mut(block * width).zip(queries_keys.par_chunks(block * 2 * width)).for_each(|(x, queries)| {
            SCRATCH.with_borrow_mut(|scratch| Attended { layer: self, x, queries, heads, scratch }.dispatch_here());
        });
    }
}

/// Queries, keys and values of a block of rows.
struct Project<'a> {
    layer: &'a ByteLayer,
    x: &'a [f32],
    queries_keys: &'a mut [f32],
    values: &'a mut [f32],
    scratch: &'a mut Scratch,
}

impl SimdOp for Project<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        let Self { layer, x, queries_keys, values, scratch } = self;
        let Scratch { rows, block, means, .. } = scratch;
        normed(isa, &layer.norm1, x, block, rows);
        layer.queries_keys.rows(isa, rows, false, queries_keys);
        layer.values.rows(isa, block, rows, means, false, values);
    }
}

/// Keys and values of a head.
struct Pack<'a> {
    head: &'a mut Head,
    k: &'a [f32],
    v: &'a [f32],
    count: usize,
    head_width: usize,
    width: usize,
}

impl SimdOp for Pack<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        let Self { head, k, v, count, head_width, width } = self;
        head.set(isa, (k, 2 * width), (v, width), count, head_width);
    }
}

/// All that follows for a block of rows.
struct Attended<'a> {
    layer: &'a ByteLayer,
    x: &'a mut [f32],
    /// Rows of queries and keys.
    queries: &'a [f32],
    heads: &'a [Head],
    scratch: &'a mut Scratch,
}

impl SimdOp for Attended<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        let Self { layer, x, queries, heads, scratch } = self;
        let Scratch { rows, block, wide, means, attend } = scratch;
        let width = layer.norm1.weight.len();
        let count = x.len() / width;
        let head_width = width / layer.heads;
        let scale = 1.0 / (head_width as f32).sqrt();
        block.resize(x.len(), 0.0);
        for (number, head) in heads.iter().enumerate() {
            let at = number * head_width;
            head.attend(isa, (&queries[at..], 2 * width, count), scale, attend, &mut block[at..], width);
        }
        quantised(isa, block, width, rows);
        layer.out.rows(isa, block, rows, means, true, x);
        normed(isa, &layer.norm2, x, block, rows);
        wide.resize(count * layer.fc1.outputs(), 0.0);
        layer.fc1.mapped(
            isa,
            rows,
            wide,
            #[inline(always)]
            |x| gelu(isa, x),
        );
        quantised(isa, wide, layer.fc1.outputs(), rows);
        layer.fc2.rows(isa, rows, true, x);
    }
}

/// The norm of the rows `x`, as bytes; `block` is for what lies between.
#[inline(always)]
fn normed<I: Isa>(isa: I, norm: &Norm, x: &[f32], block: &mut Vec<f32>, rows: &mut Rows) {
    block.resize(x.len(), 0.0);
    norm.rows(isa, x, block);
    quantised(isa, block, norm.weight.len(), rows);
}

#[inline(always)]
fn quantised<I: Isa>(isa: I, x: &[f32], width: usize, rows: &mut Rows) {
    rows.reset(x.len() / width, width);
    for (row, x) in x.chunks_exact(width).enumerate() {
        rows.set(isa, row, x);
    }
}

/// The patch embedding as bytes, of pixels that are not normalised: `w (x / 255 - mean) / std + b`
/// is `w / (255 std) x + (b - w mean / std)`.
fn quantised_patch_embedding(
    weights: &Weights<'_>,
    config: &Config,
    preprocessor: &PreprocessorConfig,
) -> Result<Affine> {
    let (weight, bias) = patch_embedding(weights.checkpoint, &config.vision)?;
    let (width, patch) = (config.vision.hidden_size, config.vision.patch_size);
    let of_channel = |values: [f64; 3]| Tensor::new(&values, &Device::Cpu)?.to_dtype(DType::F32)?.reshape((1, 3, 1));
    let deviation = preprocessor.image_std.map(f64::from);
    let mean: [f64; 3] = std::array::from_fn(|c| f64::from(preprocessor.image_mean[c]) / deviation[c]);
    let kernel = weight.reshape((width, 3, patch * patch))?;
    let bias = (bias - kernel.broadcast_mul(&of_channel(mean)?)?.sum((1, 2))?)?;
    let packed = weights.packed_from(&patch_embedding_name(), (width, 3 * patch * patch), Levels::Two, || {
        let scaled = kernel.broadcast_mul(&of_channel(deviation.map(|d| preprocessor.rescale_factor / d))?)?;
        Ok(vec![scaled.flatten_all()?.to_vec1::<f32>()?])
    })?;
    Ok(Affine::new(packed, &bias.to_vec1::<f32>()?))
}

/// A layer as bytes.
fn quantised_layer(weights: &Weights<'_>, name: &str, config: &Config) -> Result<ByteLayer> {
    let v = &config.vision;
    let (width, wide) = (v.hidden_size, v.intermediate_size);
    let vector = |name: String, len: usize| Ok(weights.checkpoint.tensor(&name, &[len])?.to_vec1::<f32>()?);
    let norm = |part: &str| -> Result<Norm> {
        Ok(Norm {
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
        Ok(Affine::new(weights.packed(&tensors, inputs, Levels::One)?, &bias.concat()))
    };
    let corrected = |part: &str| -> Result<BiasCorrected> {
        let affine = affine(&[part], width, width)?;
        let rest = weights.rest(&format!("{name}.{part}.weight"), affine.weights())?;
        Ok(BiasCorrected::new(affine, rest))
    };
    Ok(ByteLayer {
        norm1: norm("layer_norm1")?,
        queries_keys: affine(&["self_attn.q_proj", "self_attn.k_proj"], width, width)?,
        values: corrected("self_attn.v_proj")?,
        out: corrected("self_attn.out_proj")?,
        norm2: norm("layer_norm2")?,
        fc1: affine(&["mlp.fc1"], wide, width)?,
        fc2: affine(&["mlp.fc2"], width, wide)?,
        heads: v.num_attention_heads,
    })
}

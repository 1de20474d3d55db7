//! What a SigLIP encoder is in any number format: its tensors' names, its norm, and how patches are
//! embedded.
//!
//! Names and order of operations are those of `Idefics3VisionTransformer` in transformers.

use candle_core::Tensor;

use crate::checkpoint::config::{Config, VisionConfig};
use crate::checkpoint::tensors::Checkpoint;
use crate::error::Result;
use crate::kernels::layer_norm;

/// Where its tensors are in a checkpoint.
pub(super) const MODEL: &str = "model.vision_model";

/// The names of all layers, in order.
pub(super) fn layers(v: &VisionConfig) -> impl Iterator<Item = String> {
    (0..v.num_hidden_layers).map(|number| format!("{MODEL}.encoder.layers.{number}"))
}

/// What is added to the embedded patches, `[patches, width]`. A full tile's position ids are
/// `0..patches`, so the table is added as it is.
///
/// # Errors
/// As [`Checkpoint::tensor`].
pub(super) fn position_embedding(checkpoint: &Checkpoint, config: &Config) -> Result<Tensor> {
    let v = &config.vision;
    let name = format!("{MODEL}.embeddings.position_embedding.weight");
    checkpoint.tensor(&name, &[v.grid() * v.grid(), v.hidden_size])
}

/// The name of the patch embedding's kernel.
pub(super) fn patch_embedding_name() -> String {
    format!("{MODEL}.embeddings.patch_embedding.weight")
}

/// The convolution whose stride is its kernel, as a product with flattened patches: its matrix
/// `[width, 3 * patch * patch]` and its bias.
///
/// # Errors
/// As [`Checkpoint::tensor`].
pub(super) fn patch_embedding(checkpoint: &Checkpoint, v: &VisionConfig) -> Result<(Tensor, Tensor)> {
    let (width, patch) = (v.hidden_size, v.patch_size);
    let kernel = checkpoint.tensor(&patch_embedding_name(), &[width, 3, patch, patch])?;
    let bias = checkpoint.tensor(&format!("{MODEL}.embeddings.patch_embedding.bias"), &[width])?;
    Ok((kernel.reshape((width, 3 * patch * patch))?, bias))
}

/// LayerNorm.
pub(super) struct Norm {
    weight: Tensor,
    bias: Tensor,
    eps: f64,
}

impl Norm {
    /// Loads the weight and the bias under `name`.
    ///
    /// # Errors
    /// As [`Checkpoint::tensor`].
    pub(super) fn load(checkpoint: &Checkpoint, name: &str, width: usize, eps: f64) -> Result<Self> {
        let weight = checkpoint.tensor(&format!("{name}.weight"), &[width])?;
        Ok(Self { weight, bias: checkpoint.tensor(&format!("{name}.bias"), &[width])?, eps })
    }

    /// Normalises rows.
    ///
    /// # Errors
    /// When candle fails.
    pub(super) fn forward(&self, x: &Tensor) -> candle_core::Result<Tensor> {
        layer_norm(x, &self.weight, &self.bias, self.eps)
    }
}

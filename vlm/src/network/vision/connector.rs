//! From the vision encoder to the text model: the final norm, the pixel shuffle and the projection.
//!
//! Tensor names and order of operations are those of `Idefics3Connector` in transformers.

use candle_core::Tensor;

use crate::checkpoint::config::Config;
use crate::checkpoint::tensors::Checkpoint;
use crate::error::Result;
use crate::network::linear::Matrices;
use crate::network::vision::siglip::{MODEL, Norm};

/// The connector.
pub(crate) struct Connector {
    post_layernorm: Norm,
    /// Its only matrix, `[text width, vision width * scale_factor^2]`.
    projection: Matrices,
    grid: usize,
    scale_factor: usize,
}

impl Connector {
    /// Loads the weights under `model.connector`. `matrix` loads one that is named with its outputs
    /// and inputs.
    ///
    /// # Errors
    /// As [`Checkpoint::tensor`].
    pub(crate) fn load(
        checkpoint: &Checkpoint,
        config: &Config,
        matrix: impl FnOnce(&str, usize, usize) -> Result<Matrices>,
    ) -> Result<Self> {
        let v = &config.vision;
        let inputs = v.hidden_size * config.scale_factor.pow(2);
        let norm = format!("{MODEL}.post_layernorm");
        Ok(Self {
            post_layernorm: Norm::load(checkpoint, &norm, v.hidden_size, v.layer_norm_eps)?,
            projection: matrix("model.connector.modality_projection.proj.weight", config.text.hidden_size, inputs)?,
            grid: v.grid(),
            scale_factor: config.scale_factor,
        })
    }

    /// The features of a tile, `[tokens per tile, text width]`, of its encoded patches, `[patches,
    /// width]`.
    ///
    /// # Errors
    /// [`Error::Backend`](crate::Error::Backend).
    pub(super) fn connect(&self, patches: &Tensor) -> Result<Tensor> {
        let x = self.post_layernorm.forward(patches)?;
        let [x] = self.projection.multiply(&self.pixel_shuffle(&x)?)?;
        Ok(x)
    }

    /// Folds each block of `s` x `s` neighbouring patches into one row, channels ordered (row in
    /// block, column in block, channel), as `Idefics3Connector.pixel_shuffle`.
    fn pixel_shuffle(&self, x: &Tensor) -> candle_core::Result<Tensor> {
        let (s, width) = (self.scale_factor, x.dim(1)?);
        let few = self.grid / s;
        x.reshape((few, s, few, s, width))?.permute((0, 2, 1, 3, 4))?.reshape((few * few, s * s * width))
    }
}

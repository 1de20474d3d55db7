//! What sees: a tile of pixels becomes a few rows in the text model's space.
//!
//! The trait of an encoder, and the encoder with its connector. Each architecture and number format
//! implements the trait in a file of its own; [`Model::load`](crate::Model::load) chooses one.

pub(crate) mod connector;
pub(crate) mod int8;
mod siglip;
pub(crate) mod tensors;
#[cfg(test)]
mod tests;

use candle_core::Tensor;
use image::RgbImage;

use crate::cancel::Cancel;
use crate::error::Result;
use crate::network::vision::connector::Connector;

/// A vision encoder, patch embedding included.
pub(crate) trait Encoder: Send + Sync {
    /// Encodes one tile into the last hidden state of its patches, row by row: `[patches, width]`,
    /// before the final norm.
    ///
    /// # Errors
    /// [`Error::Cancelled`](crate::Error::Cancelled) between layers once `cancel` is raised, or
    /// [`Error::Backend`](crate::Error::Backend).
    fn encode(&self, tile: &RgbImage, cancel: &Cancel) -> Result<Tensor>;
}

/// Encoder and connector.
pub(crate) struct Vision {
    pub(crate) encoder: Box<dyn Encoder>,
    pub(crate) connector: Connector,
}

impl Vision {
    /// Encodes one tile into its features, `[tokens per tile, text width]`.
    ///
    /// # Errors
    /// As [`Encoder::encode`].
    pub(crate) fn encode(&self, tile: &RgbImage, cancel: &Cancel) -> Result<Tensor> {
        self.connector.connect(&self.encoder.encode(tile, cancel)?)
    }
}

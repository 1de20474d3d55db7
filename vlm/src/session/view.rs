//! The pictures that a session has in view, and what of them is still to be evaluated. Knows no
//! prompt and no reply.

use std::sync::Arc;
use std::time::Duration;

use candle_core::Tensor;
use image::RgbImage;

use crate::error::Result;
use crate::network::decoder::Segment;
use crate::network::features::Features;

/// The pictures in view.
pub(super) struct View {
    pub tiles: Vec<RgbImage>,
    pub ids: Vec<u32>,
    /// What stands for the pictures.
    pub features: Option<Tensor>,
    /// The same in bytes, once somebody asked for it.
    pub kept: Option<Arc<Features>>,
    /// The text model has not evaluated it; from then on the view is in the cache.
    pub is_pending: bool,
    /// Spent on the pictures and not yet reported by a reply.
    pub preprocess: Duration,
    pub vision: Duration,
}

impl View {
    /// Makes the view the first segment of a pass, unless the cache holds it. Gives its number.
    pub fn trunk(&self, ids: &mut Vec<u32>, segments: &mut Vec<Segment>) -> Option<usize> {
        if !self.is_pending {
            return None;
        }
        ids.extend(&self.ids);
        segments.push(Segment { len: self.ids.len(), after: None, wanted: 0 });
        Some(segments.len() - 1)
    }

    /// The features in bytes.
    pub fn in_bytes(&mut self) -> Result<Option<Arc<Features>>> {
        if self.kept.is_none() {
            self.kept = self.features.as_ref().map(Features::of).transpose()?.map(Arc::new);
        }
        Ok(self.kept.clone())
    }

    /// What the next pass has to evaluate of the pictures.
    pub fn pending(&self) -> Option<&Tensor> {
        self.features.as_ref().filter(|_| self.is_pending)
    }
}

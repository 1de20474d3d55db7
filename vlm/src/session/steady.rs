//! Whether the last caption still holds of a new view, so that nobody reads other words for the
//! same thing.
//!
//! It is replaced when the view changed **and** it lost likelihood. What changed is measured on a
//! coarse grid of the features, which a camera's noise, a lamp or a swaying curtain hardly move.
//! What is lost is read from the pass that evaluates the last caption as a draft: at each of its
//! tokens, how much likelier the likeliest token is. Two ways to say the same are near each other
//! there; a word that is no longer true is not.

use std::sync::Arc;

use candle_core::Tensor;

use crate::error::Result;
use crate::network::features::Features;
use crate::session::reply::Reply;
use crate::session::sampling::log_probs;

/// How much has to change for a caption to be replaced.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Steadiness {
    /// From which distance on a view counts as changed: see [`Features::distance`].
    pub change: f32,
    /// From which loss on a caption counts as no longer likely, in nats: at one of its tokens, by
    /// how much the likeliest one is likelier.
    pub loss: f32,
}

/// A caption that was written, and what it was written of.
pub(super) struct Said {
    pub prompt: String,
    pub features: Arc<Features>,
    pub reply: Reply,
}

impl Said {
    /// The mean log-probability of the caption's tokens (`draft`) under the new view, if it may
    /// stay. Row `i` of `logits` follows `i` of them.
    pub fn holds(
        &self,
        steadiness: Steadiness,
        prompt: &str,
        features: &Features,
        draft: &[u32],
        logits: &Tensor,
    ) -> Result<Option<f32>> {
        let words = &self.reply.token_ids;
        if self.prompt != prompt || words.is_empty() || !draft.starts_with(words) {
            return Ok(None);
        }
        let (mut loss, mut sum) = (0.0_f32, 0.0);
        for (row, id) in draft.iter().enumerate() {
            let row = logits.get(row)?;
            let best = row.argmax(0)?.to_scalar::<u32>()?;
            let told = log_probs(&row, [*id, best].into_iter())?;
            loss = loss.max(told[1] - told[0]);
            sum += told[0];
        }
        let holds = loss < steadiness.loss || self.features.distance(features) < steadiness.change;
        Ok(holds.then(|| sum / draft.len() as f32))
    }
}

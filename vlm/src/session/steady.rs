//! Whether the last caption still holds of a new view, so that nobody reads other words for the
//! same thing.
//!
//! It is replaced when the view changed **and** it lost likelihood. What changed is measured on a
//! coarse grid of the features, which a camera's noise, a lamp or a swaying curtain hardly move.
//! What is lost is read from the pass that evaluates the last caption as a draft: at each of its
//! tokens, how much likelier the likeliest token is. Two ways to say the same are near each other
//! there; a word that is no longer true is not. One view may mislead, as a noisy one does, so that
//! the caption is doubted first, and replaced once as many views in a row as were asked for speak
//! against it.

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
    /// So many views in a row have to speak against a caption. From 1.
    pub views: u32,
}

/// What a view says of the last caption.
pub(super) enum Verdict {
    /// It holds; this is the mean log-probability of its tokens.
    Holds(f32),
    /// It holds for now, though the view speaks against it; the same.
    Doubted(f32),
    /// It has to be replaced, or there is nothing to compare.
    Replaced,
}

/// A caption that was written, and what it was written of.
pub(super) struct Said {
    pub prompt: String,
    pub features: Arc<Features>,
    pub reply: Reply,
    /// Views in a row that spoke against it.
    pub against: u32,
}

impl Said {
    /// Whether the caption, whose tokens are `draft`, may stay under the new view. Row `i` of
    /// `logits` follows `i` of them.
    pub fn compare(
        &mut self,
        steadiness: Steadiness,
        prompt: &str,
        features: &Features,
        draft: &[u32],
        logits: &Tensor,
    ) -> Result<Verdict> {
        let words = &self.reply.token_ids;
        if self.prompt != prompt || words.is_empty() || !draft.starts_with(words) {
            return Ok(Verdict::Replaced);
        }
        let (mut loss, mut sum) = (0.0_f32, 0.0);
        for (row, id) in draft.iter().enumerate() {
            let row = logits.get(row)?;
            let best = row.argmax(0)?.to_scalar::<u32>()?;
            let told = log_probs(&row, [*id, best].into_iter())?;
            loss = loss.max(told[1] - told[0]);
            sum += told[0];
        }
        let mean = sum / draft.len() as f32;
        if loss < steadiness.loss || self.features.distance(features) < steadiness.change {
            self.against = 0;
            return Ok(Verdict::Holds(mean));
        }
        self.against += 1;
        Ok(if self.against < steadiness.views { Verdict::Doubted(mean) } else { Verdict::Replaced })
    }
}

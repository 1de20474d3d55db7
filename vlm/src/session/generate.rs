//! Decoding of one reply, from the logits of its prompt to its end. Knows no turn, view or mark:
//! whoever calls it sets the cache back or keeps what was written.

use std::time::Instant;

use candle_core::Tensor;

use crate::cancel::Cancel;
use crate::error::{Error, Result};
use crate::network::Model;
use crate::network::kv_cache::KvCache;
use crate::session::reply::Stop;
use crate::session::sampling::{Sampler, Sampling};
use crate::session::writer::Writer;

/// How a reply was decoded.
pub(crate) struct Decoded {
    /// Why it is over.
    pub stop: Stop,
    /// Tokens of the draft that decoding agreed with, the end of the reply included.
    pub accepted: usize,
    /// The last choice: the token that ended the reply, if the model did.
    pub last: u32,
    /// When the first token was chosen.
    pub first_token: Instant,
}

/// Writes a reply. `cache` holds the prompt and `draft`; row `i` of `logits` follows the prompt and
/// `i` tokens of the draft.
///
/// Afterwards the cache holds the prompt and, but for the last, the tokens that were written.
///
/// # Errors
/// [`Error::NotFinite`], [`Error::Tokenizer`] or what failed in computing.
/// Cancellation is not an error.
pub(crate) fn decode(
    model: &Model,
    cache: &mut KvCache,
    logits: &Tensor,
    draft: &[u32],
    sampling: Sampling,
    writer: &mut Writer<'_>,
    cancel: &Cancel,
) -> Result<Decoded> {
    let prompt = cache.len() - draft.len();
    let mut sampler = Sampler::new(sampling);
    // A choice counts as long as the draft agreed so far.
    let mut accepted = 0;
    let mut next = sampler.choose(&logits.get(0)?)?;
    let first_token = Instant::now();
    let mut stop = writer.write(next)?;
    while stop.is_none() && draft.get(accepted) == Some(&next.id) {
        accepted += 1;
        next = sampler.choose(&logits.get(accepted)?)?;
        stop = writer.write(next)?;
    }
    // A reply that is over at a token that the draft had right, too, needed no further pass.
    let over = usize::from(stop.is_some() && draft.get(accepted) == Some(&next.id));
    cache.rewind(prompt + accepted);
    let stop = loop {
        if let Some(stop) = stop {
            break stop;
        }
        let logits = match model.forward(&[next.id], None, cache, 1, cancel) {
            Err(Error::Cancelled) => break Stop::Cancelled,
            other => other?,
        };
        next = sampler.choose(&logits.get(0)?)?;
        stop = writer.write(next)?;
    };
    Ok(Decoded { stop, accepted: accepted + over, last: next.id, first_token })
}

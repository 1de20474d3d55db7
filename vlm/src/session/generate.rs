//! Decoding of one reply, from the logits of its prompt to its end. Knows no turn, view or mark:
//! whoever calls it sets the cache back or keeps what was written.

use std::time::Instant;

use candle_core::Tensor;

use crate::cancel::Cancel;
use crate::error::{Error, Result};
use crate::network::Model;
use crate::network::kv_cache::KvCache;
use crate::session::ngram::{DraftLength, History};
use crate::session::reply::{Draft, Stop};
use crate::session::sampling::{Sampler, Sampling};
use crate::session::writer::Writer;

/// How a reply was decoded.
pub(crate) struct Decoded {
    /// Why it is over.
    pub stop: Stop,
    /// How the drafts fared. The end of a reply counts as a token of its draft.
    pub draft: Draft,
    /// The last choice: the token that ended the reply, if the model did.
    pub last: u32,
    /// When the first token was chosen.
    pub first_token: Instant,
}

/// Where drafts come from.
pub(crate) struct Drafts<'a> {
    /// Tokens that ride in the pass of the prompt.
    pub first: &'a [u32],
    /// What later drafts are looked up in; without it there are none.
    pub history: Option<&'a History>,
}

/// Writes a reply by speculative decoding: drafts are checked in one pass, and what decoding one by
/// one would have chosen is kept. `cache` holds the prompt and the first draft; row `i` of `logits`
/// follows the prompt and `i` tokens of that draft.
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
    drafts: &Drafts<'_>,
    sampling: Sampling,
    writer: &mut Writer<'_>,
    cancel: &Cancel,
) -> Result<Decoded> {
    let mut end = cache.len() - drafts.first.len();
    let mut sampler = Sampler::new(sampling);
    let mut length = DraftLength::default();
    let mut draft = drafts.first.to_vec();
    let mut logits = logits.clone();
    let mut told = Draft { passes: 1, ..Draft::default() };
    let mut first_token = None;
    loop {
        // A choice counts as long as the draft agreed so far.
        let mut accepted = 0;
        let (next, stop) = loop {
            let next = sampler.choose(&logits.get(accepted)?)?;
            first_token.get_or_insert_with(Instant::now);
            let stop = writer.write(next)?;
            if draft.get(accepted) != Some(&next.id) {
                break (next, stop);
            }
            // A reply that is over at a token that the draft had right, too, needs no further pass.
            told.accepted += 1;
            if stop.is_some() {
                break (next, stop);
            }
            accepted += 1;
        };
        told.offered += draft.len();
        end += accepted;
        cache.rewind(end);
        let over =
            |stop| Decoded { stop, draft: told, last: next.id, first_token: first_token.unwrap_or_else(Instant::now) };
        if let Some(stop) = stop {
            return Ok(over(stop));
        }
        if told.passes > 1 && !draft.is_empty() {
            length.learn(draft.len(), accepted);
        }
        // The token after the last of a draft needs a place, too.
        let most = length.get().min(writer.remaining().saturating_sub(1));
        draft.clear();
        draft.extend(drafts.history.map_or(&[][..], |history| history.after(writer.ids(), most)));
        let ids = [&[next.id], &draft[..]].concat();
        logits = match model.forward(&ids, None, cache, ids.len(), cancel) {
            Err(Error::Cancelled) => return Ok(over(Stop::Cancelled)),
            other => other?,
        };
        end += 1;
        told.passes += 1;
    }
}

//! A reply from its first pass to its last: the view where it is not evaluated yet, branches that
//! are scored, the instruction and the draft go through the decoder together; then tokens follow.

use std::sync::Arc;
use std::time::Instant;

use crate::cancel::Cancel;
use crate::error::{Error, Result};
use crate::network::decoder::Segment;
use crate::session::Session;
use crate::session::ask::{Ask, Piece};
use crate::session::branches::Branches;
use crate::session::generate::{Decoded, Drafts, decode};
use crate::session::reply::{Draft, Reply, Stop, Timings};
use crate::session::steady::{Steadiness, Verdict};
use crate::session::writer::{Writer, Written};

impl Session {
    /// One reply, and the id that ended it if the model did. What rides along is scored in its
    /// first pass, after which a steady caption may stay.
    pub(super) fn reply(
        &mut self,
        ask: Ask<'_>,
        draft: &[u32],
        (riding, steady): (&Branches, Option<Steadiness>),
        cancel: &Cancel,
        on_piece: &mut dyn FnMut(Piece<'_>),
    ) -> Result<(Reply, Option<u32>)> {
        let model = Arc::clone(&self.model);
        let instruction = model.prompter.instruction(ask.prompt)?;
        let view_ids = self.view.as_ref().ok_or(Error::NoView)?.ids.len();
        let base = self.prefix.len() + view_ids + instruction.len();
        self.model.check_length(base + 1)?;
        let max_tokens = ask.max_tokens.min(model.context() - base);
        let draft = &draft[..draft.len().min(max_tokens)];
        let Some(view) = self.view.as_mut() else { return Err(Error::NoView) };

        let prompt_ids = [&self.prefix[..], &view.ids, &instruction].concat();
        let mut timings = Timings {
            preprocess: std::mem::take(&mut view.preprocess),
            vision: std::mem::take(&mut view.vision),
            ..Timings::default()
        };
        let start = Instant::now();
        let (mut ids, mut segments) = (Vec::new(), Vec::new());
        let trunk = view.trunk(&mut ids, &mut segments);
        riding.plant(trunk, &mut ids, &mut segments);
        let wanted = 1 + draft.len();
        let len = instruction.len() + draft.len();
        if riding.is_empty() {
            // Nothing else follows the view: it and the instruction are one.
            segments = vec![Segment { len: ids.len() + len, after: None, wanted }];
        } else {
            // The last one, so that it is what the cache keeps.
            segments.push(Segment { len, after: trunk, wanted });
        }
        ids.extend(instruction.iter().chain(draft));
        let view_end = base - instruction.len();
        self.cache.rewind(if trunk.is_some() { self.prefix.len() } else { view_end });
        let first = model.forward_segments(&ids, view.pending(), &mut self.cache, &segments, cancel);
        let logits = match first {
            Ok(logits) => logits,
            Err(Error::Cancelled) => {
                // The view is as it was, and so is what it cost.
                view.preprocess = timings.preprocess;
                view.vision = timings.vision;
                return Ok((Reply { prompt_ids, timings, ..Reply::cancelled() }, None));
            }
            Err(e) => return Err(e),
        };
        view.is_pending = false;
        let (scores, rows) = riding.read(&logits)?;
        let logits = logits.narrow(0, rows, wanted)?;
        if !riding.is_empty() {
            on_piece(Piece::Scores(scores));
        }
        if let (Some(steadiness), Some(said)) = (steady, &mut self.said)
            && let Some(features) = view.in_bytes()?
            && let verdict = said.compare(steadiness, ask.prompt, &features, draft, &logits)?
            && let Verdict::Holds(mean) | Verdict::Doubted(mean) = verdict
        {
            self.cache.rewind(view_end);
            timings.prefill = start.elapsed();
            let draft = Draft { offered: draft.len(), accepted: draft.len(), passes: 1 };
            let (is_doubted, mean_log_prob) = (matches!(verdict, Verdict::Doubted(_)), Some(mean));
            let reply = said.reply.clone();
            return Ok((Reply { prompt_ids, draft, is_kept: true, is_doubted, mean_log_prob, timings, ..reply }, None));
        }
        let mut on_text = |text: &str| on_piece(Piece::Text(text));
        let mut writer = Writer::new(&model.prompter, ask.ignore_end, max_tokens, cancel, &mut on_text);

        let drafts = Drafts { first: draft, history: self.history.as_ref() };
        let decoded = decode(&model, &mut self.cache, &logits, &drafts, ask.sampling, &mut writer, cancel);
        self.cache.rewind(view_end);
        let Decoded { stop, draft, last, first_token } = decoded?;
        timings.prefill = first_token - start;
        timings.decode = first_token.elapsed();
        let Written { text, token_ids, mean_log_prob } = writer.finish(stop)?;
        let end = (stop == Stop::End).then_some(last);
        let reply = Reply { text, token_ids, prompt_ids, stop, draft, mean_log_prob, timings, ..Reply::cancelled() };
        Ok((reply, end))
    }
}

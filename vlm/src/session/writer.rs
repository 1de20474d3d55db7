//! Collects a reply token by token: streams its text, and decides when it is over. Knows no model
//! and no cache.

use crate::cancel::Cancel;
use crate::error::{Error, Result};
use crate::input::prompt::{Prompter, TextStream};
use crate::session::reply::Stop;
use crate::session::sampling::{Choice, circle};

/// A reply that is being written.
pub(crate) struct Writer<'a> {
    prompter: &'a Prompter,
    stream: TextStream<'a>,
    ids: Vec<u32>,
    log_probs: Vec<f32>,
    max_tokens: usize,
    ignore_end: bool,
    cancel: &'a Cancel,
    on_text: &'a mut dyn FnMut(&str),
    /// Nothing but white space was streamed so far.
    blank: bool,
}

/// A reply that is written.
pub(crate) struct Written {
    /// Without surrounding white space.
    pub text: String,
    pub token_ids: Vec<u32>,
    /// Over `token_ids`. None when there are none.
    pub mean_log_prob: Option<f32>,
}

impl<'a> Writer<'a> {
    /// A reply of at most `max_tokens`. With `ignore_end`, neither the model's end nor a circle is
    /// one.
    pub fn new(
        prompter: &'a Prompter,
        ignore_end: bool,
        max_tokens: usize,
        cancel: &'a Cancel,
        on_text: &'a mut dyn FnMut(&str),
    ) -> Self {
        let (stream, ids, log_probs) = (prompter.stream(), Vec::new(), Vec::new());
        Self { prompter, stream, ids, log_probs, max_tokens, ignore_end, cancel, on_text, blank: true }
    }

    /// Takes the next token. Says why the reply is over, if it is.
    ///
    /// # Errors
    /// [`Error::Tokenizer`] when the ids can't be turned into text.
    pub fn write(&mut self, choice: Choice) -> Result<Option<Stop>> {
        let Choice { id, log_prob } = choice;
        if self.max_tokens == 0 {
            return Ok(Some(Stop::Length));
        }
        if !self.ignore_end && self.prompter.is_end(id) {
            return Ok(Some(Stop::End));
        }
        self.ids.push(id);
        self.log_probs.push(log_prob);
        if let Some(piece) = self.stream.step(id).map_err(|e| Error::Tokenizer(e.to_string()))? {
            let piece = if self.blank { piece.trim_start() } else { &piece };
            if !piece.is_empty() {
                self.blank = false;
                (self.on_text)(piece);
            }
        }
        Ok(if self.cancel.is_cancelled() {
            Some(Stop::Cancelled)
        } else if self.ids.len() >= self.max_tokens {
            Some(Stop::Length)
        } else if !self.ignore_end && circle(&self.ids).is_some() {
            Some(Stop::Repetition)
        } else {
            None
        })
    }

    /// The tokens so far.
    pub fn ids(&self) -> &[u32] {
        &self.ids
    }

    /// How many more tokens there may be.
    pub fn remaining(&self) -> usize {
        self.max_tokens.saturating_sub(self.ids.len())
    }

    /// All that was written. What went round in a circle stands once.
    ///
    /// # Errors
    /// [`Error::Tokenizer`] when the ids can't be turned into text.
    pub fn finish(mut self, stop: Stop) -> Result<Written> {
        if stop == Stop::Repetition
            && let Some(length) = circle(&self.ids)
        {
            self.ids.truncate(length);
            self.log_probs.truncate(length);
        }
        let text = self.prompter.decode(&self.ids)?.trim().to_owned();
        let sum: f32 = self.log_probs.iter().sum();
        let mean_log_prob = (!self.log_probs.is_empty()).then(|| sum / self.log_probs.len() as f32);
        Ok(Written { text, token_ids: self.ids, mean_log_prob })
    }
}

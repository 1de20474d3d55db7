//! Collects a reply token by token: streams its text, and decides when it is over. Knows no model and no cache.

use crate::cancel::Cancel;
use crate::error::{Error, Result};
use crate::prompt::{Prompter, TextStream};
use crate::reply::Stop;
use crate::sampling::circle;

/// A reply that is being written.
pub(crate) struct Writer<'a> {
    prompter: &'a Prompter,
    stream: TextStream<'a>,
    ids: Vec<u32>,
    max_tokens: usize,
    ignore_end: bool,
    cancel: &'a Cancel,
    on_text: &'a mut dyn FnMut(&str),
    /// Nothing but white space was streamed so far.
    blank: bool,
}

impl<'a> Writer<'a> {
    /// A reply of at most `max_tokens`. With `ignore_end`, neither the model's end nor a circle is one.
    pub fn new(
        prompter: &'a Prompter,
        ignore_end: bool,
        max_tokens: usize,
        cancel: &'a Cancel,
        on_text: &'a mut dyn FnMut(&str),
    ) -> Self {
        let (stream, ids) = (prompter.stream(), Vec::new());
        Self { prompter, stream, ids, max_tokens, ignore_end, cancel, on_text, blank: true }
    }

    /// Takes the next token. Says why the reply is over, if it is.
    ///
    /// # Errors
    /// [`Error::Tokenizer`] when the ids can't be turned into text.
    pub fn write(&mut self, id: u32) -> Result<Option<Stop>> {
        if self.max_tokens == 0 {
            return Ok(Some(Stop::Length));
        }
        if !self.ignore_end && self.prompter.is_end(id) {
            return Ok(Some(Stop::End));
        }
        self.ids.push(id);
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

    /// The whole text, and the ids. What went round in a circle stands once.
    ///
    /// # Errors
    /// [`Error::Tokenizer`] when the ids can't be turned into text.
    pub fn finish(mut self, stop: Stop) -> Result<(String, Vec<u32>)> {
        if stop == Stop::Repetition
            && let Some(length) = circle(&self.ids)
        {
            self.ids.truncate(length);
        }
        Ok((self.prompter.decode(&self.ids)?.trim().to_owned(), self.ids))
    }
}

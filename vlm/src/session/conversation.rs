//! A conversation that remembers: each turn follows the ones before it in one KV cache, so that a
//! follow-up evaluates its own tokens only, and no picture twice.
//!
//! ```text
//! <|im_start|>User:{image}What is it?<end_of_utterance>\nAssistant: A cup.   first exchange, at 0
//! <end_of_utterance>\nUser: Whose?<end_of_utterance>\nAssistant: Yours.      second, and so on
//! ```
//! A reply's end belongs to the turn after it: whatever ended the reply, the layout is that of the
//! chat template. Marks lie between exchanges, so that going back to one never cuts an image. Knows
//! no view; that is [`Session`](crate::Session)'s.

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::{Duration, Instant};

use candle_core::Tensor;

use crate::cancel::Cancel;
use crate::error::Result;
use crate::input::image::Tiling;
use crate::input::prompt::{Part, Turn};
use crate::network::Model;
use crate::network::kv_cache::KvCache;
use crate::session::generate::{Decoded, Drafts, decode};
use crate::session::reply::{Reply, Timings};
use crate::session::sampling::Sampling;
use crate::session::writer::{Writer, Written};

/// What a person says in one turn, and how long the reply may be.
#[derive(Clone, Copy, Debug)]
pub struct Say<'a> {
    /// Words and pictures, in order.
    pub parts: &'a [Part],
    /// The most tokens to write.
    pub max_tokens: usize,
    /// Go on when the model ends its turn, and leave the repetition guard off: for comparisons with
    /// a reference.
    pub ignore_end: bool,
    /// How words are chosen.
    pub sampling: Sampling,
}

/// Turns of a person and a model, all of them in the model's memory.
pub struct Conversation {
    model: Arc<Model>,
    tiling: Tiling,
    cache: KvCache,
    /// The ids of everything said, up to the last token of the last reply. The cache holds all of
    /// them, or all but that token: nothing came after it that would have needed it. Or all but the
    /// view, before the first word.
    ids: Vec<u32>,
    /// Where in `ids` each exchange begins.
    marks: Vec<usize>,
    /// So many of `ids` are the prefix.
    prefix: usize,
    /// The view that stands at the end of the prefix, within a turn that the next words go on with.
    view: Option<Ahead>,
}

/// A view that a conversation begins with.
pub(crate) struct Ahead {
    /// What stands for its pictures, where the cache does not hold it yet.
    pub features: Option<Tensor>,
    /// Spent on the pictures and not yet reported by a reply.
    pub preprocess: Duration,
    pub vision: Duration,
}

impl Conversation {
    /// A conversation in which nothing was said yet. Its pictures are all shown with this `tiling`.
    ///
    /// ```
    /// # use std::{path::Path, sync::Arc};
    /// # use image::{Rgb, RgbImage};
    /// # use vlm::*;
    /// # fn main() -> Result<()> {
    /// # let files = ModelFiles::in_folder(Path::new("../ui-assets/demo-model"))?;
    /// # let model = Arc::new(Model::load(&files, LoadOptions::default())?);
    /// let talk = Conversation::new(model, Tiling::One)?;
    /// assert_eq!((talk.exchanges(), talk.tokens()), (0, 0));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Backend`](crate::Error::Backend) when memory runs out.
    pub fn new(model: Arc<Model>, tiling: Tiling) -> Result<Self> {
        let cache = model.new_cache()?;
        Ok(Self { model, tiling, cache, ids: Vec::new(), marks: Vec::new(), prefix: 0, view: None })
    }

    /// A conversation behind these ids, which end with a view and within a turn. The cache holds
    /// them, or all before the view.
    pub(crate) fn behind(model: Arc<Model>, tiling: Tiling, cache: KvCache, ids: Vec<u32>, view: Ahead) -> Self {
        let prefix = ids.len();
        Self { model, tiling, cache, ids, marks: Vec::new(), prefix, view: Some(view) }
    }

    /// The model that answers.
    #[must_use]
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// Evaluates whole turns once, to stand before everything said from now on. What was said
    /// before is forgotten. Pictures of the prefix are single tiles.
    ///
    /// # Errors
    /// [`Error::TooLong`](crate::Error::TooLong) before any work,
    /// [`Error::Cancelled`](crate::Error::Cancelled), or what is wrong with a picture. There is no
    /// prefix then.
    pub fn set_prefix(&mut self, turns: &[Turn], cancel: &Cancel) -> Result<()> {
        self.prefix = 0;
        self.view = None;
        self.reset();
        let model = &self.model;
        let ids = model.prompter.opening(turns)?;
        model.check_length(ids.len() + 1)?;
        let pictures = || turns.iter().flat_map(|turn| &turn.parts).filter_map(Part::picture);
        let grids = model.grids(pictures(), Tiling::One);
        let features = model.encode(&model.tiles(pictures(), Tiling::One, &grids)?, cancel)?;
        if !ids.is_empty()
            && let Err(error) = model.forward(&ids, features.as_ref(), &mut self.cache, 1, cancel)
        {
            self.cache.rewind(0);
            return Err(error);
        }
        (self.prefix, self.ids) = (ids.len(), ids);
        Ok(())
    }

    /// How many turns were answered and are remembered.
    #[must_use]
    pub fn exchanges(&self) -> usize {
        self.marks.len()
    }

    /// Tokens remembered, of [`Model::context`].
    #[must_use]
    pub fn tokens(&self) -> usize {
        self.ids.len()
    }

    /// Answers a turn, and remembers both. `on_text` gets each new piece of text.
    ///
    /// A reply that is cancelled once it has begun is remembered as far as it came.
    ///
    /// ```
    /// # use std::{path::Path, sync::Arc};
    /// # use image::{Rgb, RgbImage};
    /// # use vlm::*;
    /// # fn main() -> Result<()> {
    /// # let files = ModelFiles::in_folder(Path::new("../ui-assets/demo-model"))?;
    /// # let model = Arc::new(Model::load(&files, LoadOptions::default())?);
    /// # // A large red circle on grey.
    /// # let picture = RgbImage::from_fn(128, 128, |x, y| {
    /// #     let (x, y) = (x as i32 - 64, y as i32 - 64);
    /// #     if x * x + y * y < 32 * 32 { Rgb([220, 40, 40]) } else { Rgb([128, 128, 128]) }
    /// # });
    /// # let mut talk = Conversation::new(model, Tiling::One)?;
    /// # let parts = [Part::Picture(picture), Part::Text("How many shapes are there?".to_owned())];
    /// # let sampling = Sampling::Greedy;
    /// # let turn = Say { parts: &parts, max_tokens: 40, ignore_end: false, sampling };
    /// let reply = talk.say(turn, &Cancel::default(), &mut |piece| print!("{piece}"))?;
    /// assert_eq!(talk.exchanges(), 1);
    /// assert_eq!(talk.tokens(), reply.prompt_ids.len() + reply.token_ids.len());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::EmptyPrompt`](crate::Error::EmptyPrompt) or
    /// [`Error::TooLong`](crate::Error::TooLong) before any work,
    /// [`Error::Cancelled`](crate::Error::Cancelled) before the first token, what is wrong with a
    /// picture, or what failed in computing. The conversation is then as it was.
    pub fn say(&mut self, turn: Say<'_>, cancel: &Cancel, on_text: &mut dyn FnMut(&str)) -> Result<Reply> {
        let mark = self.ids.len();
        let reply = self.reply(turn, cancel, on_text);
        match &reply {
            Ok(reply) => {
                self.ids.clone_from(&reply.prompt_ids);
                self.ids.extend(&reply.token_ids);
                // Of what went round in a circle, the reply has one round only.
                self.cache.rewind(self.ids.len());
                self.marks.push(mark);
            }
            Err(_) => self.cache.rewind(mark),
        }
        reply
    }

    /// Answers a turn and forgets both: what comes after is the same as without it. For a question
    /// whose answer should not set the tone of the next.
    ///
    /// ```
    /// # use std::{path::Path, sync::Arc};
    /// # use image::{Rgb, RgbImage};
    /// # use vlm::*;
    /// # fn main() -> Result<()> {
    /// # let files = ModelFiles::in_folder(Path::new("../ui-assets/demo-model"))?;
    /// # let model = Arc::new(Model::load(&files, LoadOptions::default())?);
    /// # // A large red circle on grey.
    /// # let picture = RgbImage::from_fn(128, 128, |x, y| {
    /// #     let (x, y) = (x as i32 - 64, y as i32 - 64);
    /// #     if x * x + y * y < 32 * 32 { Rgb([220, 40, 40]) } else { Rgb([128, 128, 128]) }
    /// # });
    /// # let mut talk = Conversation::new(model, Tiling::One)?;
    /// # let parts = [Part::Picture(picture), Part::Text("How many shapes are there?".to_owned())];
    /// # let sampling = Sampling::Greedy;
    /// # let turn = Say { parts: &parts, max_tokens: 40, ignore_end: false, sampling };
    /// let reply = talk.once(turn, &Cancel::default(), &mut |_| {})?;
    /// assert!(!reply.text.is_empty());
    /// assert_eq!(talk.exchanges(), 0, "nothing is remembered");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Conversation::say`].
    pub fn once(&mut self, turn: Say<'_>, cancel: &Cancel, on_text: &mut dyn FnMut(&str)) -> Result<Reply> {
        let reply = self.reply(turn, cancel, on_text);
        self.cache.rewind(self.ids.len());
        reply
    }

    /// Forgets the last turn and its reply. Says whether there was one.
    ///
    /// ```
    /// # use std::{path::Path, sync::Arc};
    /// # use image::{Rgb, RgbImage};
    /// # use vlm::*;
    /// # fn main() -> Result<()> {
    /// # let files = ModelFiles::in_folder(Path::new("../ui-assets/demo-model"))?;
    /// # let model = Arc::new(Model::load(&files, LoadOptions::default())?);
    /// # // A large red circle on grey.
    /// # let picture = RgbImage::from_fn(128, 128, |x, y| {
    /// #     let (x, y) = (x as i32 - 64, y as i32 - 64);
    /// #     if x * x + y * y < 32 * 32 { Rgb([220, 40, 40]) } else { Rgb([128, 128, 128]) }
    /// # });
    /// # let mut talk = Conversation::new(model, Tiling::One)?;
    /// # let parts = [Part::Picture(picture), Part::Text("How many shapes are there?".to_owned())];
    /// # let sampling = Sampling::Greedy;
    /// # let turn = Say { parts: &parts, max_tokens: 40, ignore_end: false, sampling };
    /// talk.say(turn, &Cancel::default(), &mut |_| {})?;
    /// assert!(talk.undo());
    /// assert_eq!(talk.tokens(), 0);
    /// assert!(!talk.undo(), "there is nothing left");
    /// # Ok(())
    /// # }
    /// ```
    pub fn undo(&mut self) -> bool {
        let Some(mark) = self.marks.pop() else { return false };
        self.ids.truncate(mark);
        self.cache.rewind(mark);
        true
    }

    /// Forgets everything but the prefix.
    ///
    /// ```
    /// # use std::{path::Path, sync::Arc};
    /// # use image::{Rgb, RgbImage};
    /// # use vlm::*;
    /// # fn main() -> Result<()> {
    /// # let files = ModelFiles::in_folder(Path::new("../ui-assets/demo-model"))?;
    /// # let model = Arc::new(Model::load(&files, LoadOptions::default())?);
    /// # // A large red circle on grey.
    /// # let picture = RgbImage::from_fn(128, 128, |x, y| {
    /// #     let (x, y) = (x as i32 - 64, y as i32 - 64);
    /// #     if x * x + y * y < 32 * 32 { Rgb([220, 40, 40]) } else { Rgb([128, 128, 128]) }
    /// # });
    /// # let mut talk = Conversation::new(model, Tiling::One)?;
    /// # let parts = [Part::Picture(picture), Part::Text("How many shapes are there?".to_owned())];
    /// # let sampling = Sampling::Greedy;
    /// # let turn = Say { parts: &parts, max_tokens: 40, ignore_end: false, sampling };
    /// talk.say(turn, &Cancel::default(), &mut |_| {})?;
    /// talk.reset();
    /// assert_eq!(talk.exchanges(), 0);
    /// # Ok(())
    /// # }
    /// ```
    pub fn reset(&mut self) {
        self.marks.clear();
        self.ids.truncate(self.prefix);
        self.cache.rewind(self.prefix);
    }

    /// Evaluates a turn behind what is remembered, and writes its reply there.
    fn reply(&mut self, turn: Say<'_>, cancel: &Cancel, on_text: &mut dyn FnMut(&str)) -> Result<Reply> {
        let Say { parts, max_tokens, ignore_end, sampling } = turn;
        let model = &self.model;
        let pictures = || parts.iter().filter_map(Part::picture);
        let grids = model.grids(pictures(), self.tiling);
        // Right behind a view, the turn has begun.
        let view = self.view.as_mut().filter(|_| self.ids.len() == self.prefix);
        let said = if view.is_some() {
            model.prompter.rest_of_turn(parts, &grids)?
        } else {
            model.prompter.user_turn(parts, &grids, self.ids.is_empty())?
        };
        let prompt_ids = [&self.ids[..], &said].concat();
        model.check_length(prompt_ids.len() + 1)?;
        let max_tokens = max_tokens.min(model.context() - prompt_ids.len());

        let mut timings = Timings::default();
        let mut features = None;
        if !grids.is_empty() {
            let start = Instant::now();
            let tiles = model.tiles(pictures(), self.tiling, &grids)?;
            timings.preprocess = start.elapsed();
            let start = Instant::now();
            features = model.encode(&tiles, cancel)?;
            timings.vision = start.elapsed();
        }
        if let Some(ahead) = view.as_ref().and_then(|view| view.features.as_ref()) {
            features = Some(match features {
                Some(more) => Tensor::cat(&[ahead, &more], 0)?,
                None => ahead.clone(),
            });
        }
        let start = Instant::now();
        let pass = &prompt_ids[self.cache.len()..];
        let logits = model.forward(pass, features.as_ref(), &mut self.cache, 1, cancel)?;
        if let Some(view) = view {
            // The cache holds it from now on.
            view.features = None;
            timings.preprocess += std::mem::take(&mut view.preprocess);
            timings.vision += std::mem::take(&mut view.vision);
        }
        let mut writer = Writer::new(&model.prompter, ignore_end, max_tokens, cancel, on_text);
        let drafts = Drafts { first: &[], history: None };
        let Decoded { stop, draft, first_token, .. } =
            decode(model, &mut self.cache, &logits, &drafts, sampling, &mut writer, cancel)?;
        timings.prefill = first_token - start;
        timings.decode = first_token.elapsed();
        let Written { text, token_ids, mean_log_prob } = writer.finish(stop)?;
        Ok(Reply { text, token_ids, prompt_ids, stop, draft, mean_log_prob, timings, ..Reply::cancelled() })
    }
}

//! One conversation with a model over one KV cache with marks.
//!
//! ```text
//! [ prefix: standing instructions, examples, pinned pictures ]  evaluated once        to mark P
//! [ the view: image tokens ]                                    replaced every frame  to mark V
//! [ instruction and reply ]                                     rolled back after each reply
//! ```
//! Rewinding to a mark sets a length. So the prefix is a prefix cache that costs nothing a frame, a
//! second question on a view evaluates no picture, and no reply is left over for the next to
//! continue. Knows no frames, threads or windows.

pub(crate) mod ask;
pub(crate) mod branches;
pub(crate) mod conversation;
mod first_pass;
pub(crate) mod generate;
mod kept;
pub(crate) mod ngram;
pub(crate) mod reply;
pub(crate) mod reuse;
pub(crate) mod sampling;
pub(crate) mod score;
pub(crate) mod steady;
mod view;
pub(crate) mod writer;

use std::sync::Arc;
use std::time::Instant;

use image::RgbImage;

use crate::cancel::Cancel;
use crate::error::{Error, Result};
use crate::input::image::Tiling;
use crate::input::prompt::{Part, Turn};
use crate::network::Model;
use crate::network::features::Features;
use crate::network::kv_cache::KvCache;
pub use crate::session::ask::{Along, Ask, Piece};
use crate::session::branches::Branches;
use crate::session::conversation::{Ahead, Conversation};
use crate::session::ngram::History;
use crate::session::reply::{Reply, Stop};
use crate::session::reuse::Reuse;
use crate::session::steady::Said;
use crate::session::view::View;

/// A model with a prefix, a view and the draft of the next caption.
pub struct Session {
    model: Arc<Model>,
    cache: KvCache,
    /// The prefix's ids; as many are in the cache: mark P.
    prefix: Vec<u32>,
    view: Option<View>,
    /// The last caption's tokens, its end included.
    draft: Vec<u32>,
    /// Captions of this session, from which later drafts come; none where that was switched off.
    history: Option<History>,
    /// The last caption, where captions are to be steady.
    said: Option<Said>,
}

impl Session {
    /// A session with an empty prefix and no view.
    ///
    /// ```
    /// # use std::{path::Path, sync::Arc};
    /// # use image::{Rgb, RgbImage};
    /// # use vlm::*;
    /// # fn main() -> Result<()> {
    /// # let files = ModelFiles::in_folder(Path::new("../ui-assets/demo-model"))?;
    /// # let model = Arc::new(Model::load(&files, LoadOptions::default())?);
    /// let session = Session::new(Arc::clone(&model))?;
    /// assert_eq!(session.model().name(), "demo-model");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Backend`] when memory runs out.
    pub fn new(model: Arc<Model>) -> Result<Self> {
        let cache = model.new_cache()?;
        let history = Some(History::default());
        let mut session = Self { model, cache, prefix: Vec::new(), view: None, draft: Vec::new(), history, said: None };
        session.set_prefix(&[], &Cancel::default())?;
        Ok(session)
    }

    /// The model that answers.
    #[must_use]
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// Switches drafts from earlier captions on, as they are at first, or off. Words are the same
    /// either way.
    pub fn look_up_drafts(&mut self, on: bool) {
        self.history = on.then(History::default);
    }

    /// Tokens that stand before every view, the head of its turn included.
    #[must_use]
    pub fn prefix_tokens(&self) -> usize {
        self.prefix.len()
    }

    /// Evaluates whole turns once, to be there before every view from now on. The view in hand is
    /// forgotten.
    ///
    /// ```
    /// # use std::{path::Path, sync::Arc};
    /// # use image::{Rgb, RgbImage};
    /// # use vlm::*;
    /// # fn main() -> Result<()> {
    /// # let files = ModelFiles::in_folder(Path::new("../ui-assets/demo-model"))?;
    /// # let model = Arc::new(Model::load(&files, LoadOptions::default())?);
    /// # let mut session = Session::new(model)?;
    /// # let cancel = Cancel::default();
    /// let standing = Part::Text("You watch a workshop.".to_owned());
    /// session.set_prefix(&[Turn { role: Role::System, parts: vec![standing] }], &cancel)?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::TooLong`] before any work, [`Error::Cancelled`], or what is wrong with a picture.
    /// The session then has an empty prefix, whatever it had before.
    pub fn set_prefix(&mut self, turns: &[Turn], cancel: &Cancel) -> Result<()> {
        self.view = None;
        self.draft.clear();
        self.said = None;
        let done = self.evaluate_prefix(turns, cancel);
        if done.is_err() && !turns.is_empty() {
            // A view needs the head of a turn to stand in, so the session never stays without a
            // prefix.
            self.evaluate_prefix(&[], &Cancel::default())?;
        }
        done
    }

    fn evaluate_prefix(&mut self, turns: &[Turn], cancel: &Cancel) -> Result<()> {
        self.prefix = self.model.prompter.prefix(turns)?;
        self.cache.rewind(0);
        self.model.check_length(self.prefix.len())?;
        let pictures = || turns.iter().flat_map(|t| &t.parts).filter_map(Part::picture);
        let grids = self.model.grids(pictures(), Tiling::One);
        let features = self.model.encode(&self.model.tiles(pictures(), Tiling::One, &grids)?, cancel)?;
        self.model.forward(&self.prefix, features.as_ref(), &mut self.cache, 1, cancel)?;
        Ok(())
    }

    /// Takes pictures as the view that later calls are about, in place of the one before.
    ///
    /// The vision encoder runs now; the text model evaluates the view together with the first
    /// instruction. Where the view in hand may be used again, it stays, and nothing is evaluated.
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
    /// # let mut session = Session::new(model)?;
    /// # let cancel = Cancel::default();
    /// # let (prompt, sampling) = ("Describe this image.", Sampling::Greedy);
    /// # let describe = Ask { prompt, max_tokens: 40, ignore_end: false, sampling };
    /// session.set_images(&[&picture], Tiling::One, Reuse::IfIdentical, &cancel)?;
    /// session.caption(describe, &cancel, &mut |_| {})?;
    ///
    /// // The same pixels again: the vision encoder is not run.
    /// session.set_images(&[&picture], Tiling::One, Reuse::IfIdentical, &cancel)?;
    /// let again = session.caption(describe, &cancel, &mut |_| {})?;
    /// assert!(again.timings.vision.is_zero());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::TooLong`] before any work, [`Error::Cancelled`] within a vision layer, or what is
    /// wrong with a picture. There is no view then.
    pub fn set_images(&mut self, pictures: &[&RgbImage], tiling: Tiling, reuse: Reuse, cancel: &Cancel) -> Result<()> {
        let before = self.view.take();
        let grids = self.model.grids(pictures.iter().copied(), tiling);
        let ids = self.model.prompter.view(&grids)?;
        self.model.check_length(self.prefix.len() + ids.len())?;
        let start = Instant::now();
        let tiles = self.model.tiles(pictures.iter().copied(), tiling, &grids)?;
        let preprocess = start.elapsed();
        cancel.check()?;
        // A caption is doubted until another look: noise would show the same again.
        let is_doubted = self.said.as_ref().is_some_and(|said| said.against > 0);
        let reuse = if is_doubted { Reuse::IfIdentical } else { reuse };
        if let Some(before) = before.filter(|before| before.ids == ids && reuse.holds(&before.tiles, &tiles)) {
            self.view = Some(View { preprocess: before.preprocess + preprocess, ..before });
            return Ok(());
        }
        self.cache.rewind(self.prefix.len());
        let start = Instant::now();
        let features = self.model.encode(&tiles, cancel)?;
        let vision = start.elapsed();
        let is_pending = features.is_some();
        self.view = Some(View { tiles, ids, features, kept: None, is_pending, preprocess, vision });
        Ok(())
    }

    /// What stands for the view, in bytes; `None` without a view or pictures in it. The same view
    /// gives the same `Arc`.
    ///
    /// # Errors
    /// [`Error::NotFinite`], or what failed in computing.
    pub fn features(&mut self) -> Result<Option<Arc<Features>>> {
        self.view.as_mut().map(View::in_bytes).transpose().map(Option::flatten)
    }

    /// Describes the view. The last caption serves as the draft of speculative decoding: its tokens
    /// are evaluated in the pass of the instruction, and those that greedy decoding agrees with are
    /// kept. The words are the same as without it, but a caption that still holds costs a single
    /// pass. Where it no longer does, later drafts are what followed the same words in earlier
    /// captions of this session.
    ///
    /// `on_text` gets each new piece of text. A cancelled caption is a [`Reply`] whose `stop` says
    /// so.
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
    /// # let mut session = Session::new(model)?;
    /// # let cancel = Cancel::default();
    /// # let (prompt, sampling) = ("Describe this image.", Sampling::Greedy);
    /// # let describe = Ask { prompt, max_tokens: 40, ignore_end: false, sampling };
    /// # session.set_images(&[&picture], Tiling::One, Reuse::IfIdentical, &cancel)?;
    /// let first = session.caption(describe, &cancel, &mut |piece| print!("{piece}"))?;
    /// let second = session.caption(describe, &cancel, &mut |_| {})?;
    /// assert_eq!(first.text, second.text);
    /// assert_eq!(second.draft.accepted, second.draft.offered, "the draft held to its end");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::NoView`], [`Error::EmptyPrompt`], [`Error::TooLong`] before any work, or what
    /// failed in computing.
    pub fn caption(&mut self, ask: Ask<'_>, cancel: &Cancel, on_text: &mut dyn FnMut(&str)) -> Result<Reply> {
        self.caption_along(ask, Along::default(), cancel, &mut |piece| piece.text(on_text))
    }

    /// The same, with what goes along in the pass that evaluates the instruction: questions are
    /// branches of it, scored as [`Session::score`] does, and their scores given to `on_piece`
    /// before the first word; and the last caption may stay: then no word is given.
    ///
    /// # Errors
    /// As [`Session::caption`] and [`Session::score`].
    pub fn caption_along(
        &mut self,
        ask: Ask<'_>,
        along: Along<'_>,
        cancel: &Cancel,
        on_piece: &mut dyn FnMut(Piece<'_>),
    ) -> Result<Reply> {
        let mut branches = self.branches(along.questions)?;
        if !branches.fit_one_pass() {
            match self.score_branches(&branches, cancel) {
                Err(Error::Cancelled) => return Ok(Reply::cancelled()),
                scores => on_piece(Piece::Scores(scores?)),
            }
            branches = Branches::default();
        }
        let draft = std::mem::take(&mut self.draft);
        let (reply, end) = self.reply(ask, &draft, (&branches, along.steady), cancel, on_piece)?;
        if reply.stop == Stop::Cancelled || reply.is_kept {
            self.draft = draft;
            return Ok(reply);
        }
        self.draft = reply.token_ids.iter().copied().chain(end).collect();
        if let Some(history) = &mut self.history {
            history.push(&self.draft);
        }
        let features = if along.steady.is_some() { self.features()? } else { None };
        let said = |features| Said { prompt: ask.prompt.to_owned(), features, reply: reply.clone(), against: 0 };
        self.said = features.map(said);
        Ok(reply)
    }

    /// Answers a question about the view, and leaves no trace: the next caption is the same as
    /// without it.
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
    /// # let mut session = Session::new(model)?;
    /// # let cancel = Cancel::default();
    /// # session.set_images(&[&picture], Tiling::One, Reuse::IfIdentical, &cancel)?;
    /// let question = Ask {
    ///     prompt: "What colour is the circle?",
    ///     max_tokens: 40,
    ///     ignore_end: false,
    ///     sampling: Sampling::Greedy,
    /// };
    /// let answer = session.ask(question, &cancel, &mut |_| {})?;
    /// assert!(answer.text.to_lowercase().contains("red"));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Session::caption`].
    pub fn ask(&mut self, ask: Ask<'_>, cancel: &Cancel, on_text: &mut dyn FnMut(&str)) -> Result<Reply> {
        let nothing = (&Branches::default(), None);
        Ok(self.reply(ask, &[], nothing, cancel, &mut |piece| piece.text(on_text))?.0)
    }

    /// A conversation that begins with the view: prefix and view are copied from this session's
    /// cache, and nothing is evaluated again. It leaves no trace here.
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
    /// # let mut session = Session::new(model)?;
    /// # let cancel = Cancel::default();
    /// session.set_images(&[&picture], Tiling::One, Reuse::IfIdentical, &cancel)?;
    /// let mut talk = session.conversation(Tiling::One)?;
    /// let parts = [Part::Text("How many shapes are there?".to_owned())];
    /// let (max_tokens, sampling) = (40, Sampling::Greedy);
    /// let turn = Say { parts: &parts, max_tokens, ignore_end: false, sampling };
    /// let reply = talk.say(turn, &cancel, &mut |_| {})?;
    /// let prompt = "How many shapes are there?";
    /// let ask = Ask { prompt, max_tokens, ignore_end: false, sampling };
    /// assert_eq!(reply.text, session.ask(ask, &cancel, &mut |_| {})?.text);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::NoView`], or [`Error::Backend`] when memory runs out.
    pub fn conversation(&mut self, tiling: Tiling) -> Result<Conversation> {
        let view = self.view.as_mut().ok_or(Error::NoView)?;
        let ids = [&self.prefix[..], &view.ids].concat();
        let features = view.pending().cloned();
        let held = if view.is_pending { self.prefix.len() } else { ids.len() };
        let ahead = Ahead {
            features,
            preprocess: std::mem::take(&mut view.preprocess),
            vision: std::mem::take(&mut view.vision),
        };
        Ok(Conversation::behind(Arc::clone(&self.model), tiling, self.cache.fork(held)?, ids, ahead))
    }
}

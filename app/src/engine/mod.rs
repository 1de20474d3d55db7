//! Who turns pictures into words. Front ends and the live pipeline ask an [`Engine`] and know no
//! model; an engine knows no thread, source or log.

mod card;
mod error;
pub mod local;
mod open;
pub mod options;
pub mod place;
pub mod prefix;
pub mod remote;
pub mod speed;

use std::sync::Arc;

use image::RgbImage;
use vlm::{Along, Cancel, Features, Part, Piece, Reply, Reuse, Sampling, Scored, Scores, Tiling};

pub use crate::engine::card::{Capabilities, EngineCard};
pub use crate::engine::error::EngineError;
pub use crate::engine::open::open;

use crate::base::message::Message;
use crate::engine::prefix::PrefixCost;

/// A model that answers about pictures, in several views that know nothing of each other.
///
/// Calls block until they are done or `cancel` is raised. Cancellation is not an error: a cancelled
/// reply is a [`Reply`] whose `stop` says so, and the engine is ready for the next call. Everything
/// in these signatures is plain data, so that an engine may be another machine.
pub trait Engine: Send {
    /// Who answers, and what it can do.
    fn card(&self) -> EngineCard;

    /// Opens a view: a place with a picture in hand, the last caption and a conversation of its
    /// own. A prefix is evaluated with the view's first turn, and not again.
    ///
    /// # Errors
    /// When the engine fails.
    fn open_view(&mut self, options: ViewOptions<'_>) -> Result<ViewId, EngineError>;

    /// Opens a view whose conversation begins with a picture that another looks at: that one looks,
    /// unless it has the picture in hand, and what stands for it there is copied. So nothing is
    /// evaluated twice, and neither disturbs the other. `None` where the engine can't do that, or
    /// where it was cancelled: show the picture with the first turn instead.
    ///
    /// # Errors
    /// As [`Engine::reply`].
    fn open_beside(
        &mut self,
        _view: ViewId,
        _shown: Shown<'_>,
        _cancel: &Cancel,
    ) -> Result<Option<ViewId>, EngineError> {
        Ok(None)
    }

    /// Frees what a view holds. Does nothing if it was closed before.
    fn close_view(&mut self, view: ViewId);

    /// Does what `turn` asks. `on_text` gets each new piece of text as it is decoded.
    ///
    /// # Errors
    /// When the prompt is too long, a picture can't be used, or the engine fails.
    fn reply(&mut self, turn: Turn<'_>, cancel: &Cancel, on_text: &mut dyn FnMut(&str)) -> Result<Reply, EngineError>;

    /// What the view's prefix costs, once it was evaluated. `None` where there is none, or the
    /// engine does not know.
    fn prefix_cost(&self, _view: ViewId) -> Option<PrefixCost> {
        None
    }

    /// Another hand of the same engine, which may be asked while this one answers; it knows no view
    /// that was opened here. `None` where the engine does one thing at a time, or where there is no
    /// room for more.
    fn another(&self) -> Option<Box<dyn Engine>> {
        None
    }

    /// Takes back what was said in a view's conversation.
    fn forget(&mut self, view: ViewId, what: Forget);

    /// Tells how likely each question's choices are as the beginning of its answer about these
    /// pictures; `None` where it was cancelled. Leaves no trace. Ask [`Capabilities::scores`]
    /// first.
    ///
    /// # Errors
    /// As [`Engine::reply`]; and where the engine can't do it.
    fn score(
        &mut self,
        _view: ViewId,
        _shown: Shown<'_>,
        _questions: &[Scored<'_>],
        _cancel: &Cancel,
    ) -> Result<Option<Vec<Scores>>, EngineError> {
        let message = Message::new("This engine can't score answers.").hint("Use a model on this machine.");
        Err(EngineError::request(message))
    }

    /// What stands for the pictures that a view has in hand, small enough to be kept; `None` where
    /// it has none. The same pictures give the same `Arc`. Ask [`Capabilities::features`] first.
    ///
    /// # Errors
    /// When the engine fails.
    fn features(&mut self, _view: ViewId) -> Result<Option<Arc<Features>>, EngineError> {
        Ok(None)
    }

    /// As [`Engine::score`], about each of some pictures whose features were kept by an engine of
    /// the same model, device and precision: several in one pass, where the engine can do that.
    ///
    /// # Errors
    /// As [`Engine::score`]; and when they are another model's.
    fn score_kept(
        &mut self,
        _view: ViewId,
        _features: &[Arc<Features>],
        _questions: &[Scored<'_>],
        _cancel: &Cancel,
    ) -> Result<Option<Vec<Vec<Scores>>>, EngineError> {
        let message = Message::new("This engine keeps no views.").hint("Use a model on this machine.");
        Err(EngineError::request(message))
    }

    /// Does what `turn` asks, and scores questions about the same pictures: in the pass that they
    /// cost anyway, where the engine can do that. `on_piece` gets the scores before the first word.
    /// Captions are steady where the engine can make them so.
    ///
    /// # Errors
    /// As [`Engine::reply`] and [`Engine::score`].
    fn reply_along(
        &mut self,
        turn: Turn<'_>,
        along: Along<'_>,
        cancel: &Cancel,
        on_piece: &mut dyn FnMut(Piece<'_>),
    ) -> Result<Reply, EngineError> {
        if let (Some(shown), false) = (turn.task.shown(), along.questions.is_empty()) {
            match self.score(turn.view, shown, along.questions, cancel)? {
                Some(scores) => on_piece(Piece::Scores(scores)),
                None => return Ok(Reply::cancelled()),
            }
        }
        self.reply(turn, cancel, &mut |text| on_piece(Piece::Text(text)))
    }
}

/// A view of an engine. Numbers of one engine mean nothing to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ViewId(pub u32);

/// How a view is opened.
#[derive(Clone, Copy, Debug)]
pub struct ViewOptions<'a> {
    /// Whole turns that stand before everything else: standing instructions, examples. Evaluated
    /// once.
    pub prefix: &'a [vlm::Turn],
    /// How pictures are cut into tiles.
    pub tiling: Tiling,
}

impl Default for ViewOptions<'_> {
    /// No prefix, and one tile a picture: what live captions need.
    fn default() -> Self {
        Self { prefix: &[], tiling: Tiling::One }
    }
}

/// One thing asked of one view.
#[derive(Clone, Copy, Debug)]
pub struct Turn<'a> {
    /// Which view.
    pub view: ViewId,
    /// What.
    pub task: Task<'a>,
    /// How long the reply may be.
    pub limits: Limits,
}

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub enum Task<'a> {
    /// Describe pictures. The view's last caption serves as a draft (speculative decoding), which
    /// never changes a word.
    Caption {
        /// The pictures.
        shown: Shown<'a>,
        /// What to do with them.
        instruction: &'a str,
    },
    /// Answer a question about pictures. Leaves no trace: captions before and after are the same as
    /// without it.
    Answer {
        /// The pictures.
        shown: Shown<'a>,
        /// What is asked.
        question: &'a str,
    },
    /// Answer the next turn of the view's conversation. A reply that was cancelled before its first
    /// word is not remembered, nor is one that failed.
    Say {
        /// Words and pictures, in order.
        parts: &'a [Part],
        /// Whether turn and reply become part of the conversation.
        remember: bool,
    },
}

impl<'a> Task<'a> {
    /// The pictures that it is about; `None` for a turn of a conversation, which carries its own.
    #[must_use]
    pub fn shown(self) -> Option<Shown<'a>> {
        match self {
            Self::Caption { shown, .. } | Self::Answer { shown, .. } => Some(shown),
            Self::Say { .. } => None,
        }
    }
}

/// Pictures to look at.
#[derive(Clone, Copy, Debug)]
pub struct Shown<'a> {
    /// RGB, upright, of any size.
    pub pictures: &'a [&'a RgbImage],
    /// A number for what they show. Where it is that of the pictures in hand, those stay, whatever
    /// the pixels. `None` is never in hand.
    pub scene: Option<u64>,
    /// Otherwise, when those in hand stay in the place of these.
    pub reuse: Reuse,
}

/// How long a reply may be, and how its words are chosen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// The most tokens to write.
    pub max_tokens: usize,
    /// Go on to `max_tokens` even when the model ends its turn, and leave the repetition guard off:
    /// for comparisons.
    pub ignore_end: bool,
    /// Greedily, unless people want surprises.
    pub sampling: Sampling,
    /// Whether the request is still wanted after an engine that is busy has asked for a rest.
    /// Otherwise it is cancelled then: whoever watches a camera has a newer picture.
    pub keeps: bool,
}

impl Limits {
    /// As many tokens as these, and no more than the model wants; the likeliest ones.
    #[must_use]
    pub fn tokens(max_tokens: usize) -> Self {
        Self { max_tokens, ignore_end: false, sampling: Sampling::Greedy, keeps: true }
    }
}

/// What to take back of a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forget {
    /// The last turn that is remembered, and its reply.
    Last,
    /// Everything.
    All,
}

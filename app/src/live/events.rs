//! What a pipeline tells its front end. Plain data: a window or a command line shows it, a log
//! records it.

use std::sync::Arc;
use std::time::Duration;

use vlm::{Features, Reply, Tiling};

use crate::base::message::Message;
use crate::engine::EngineCard;
use crate::engine::prefix::PrefixCost;
use crate::live::asides::ScoredFrame;
use crate::live::frame::Frame;
use crate::models::spec::ModelSpec;

/// The number of a question, given out by `Pipeline::ask`.
pub type Asked = u64;

/// A question on its way to its answer. It carries its words and its picture, so that whoever sees
/// an event of it needs to remember nothing.
#[derive(Clone, Debug)]
pub struct Question {
    /// Its number.
    pub id: Asked,
    /// What is asked.
    pub text: Arc<str>,
    /// What it is about.
    pub frame: Arc<Frame>,
    /// What it follows.
    pub talk: Talk,
}

/// A conversation about one frame. The engine may keep what it knows of it between its questions.
#[derive(Clone, Debug)]
pub struct Talk {
    /// Its number, which is that of its first question.
    pub id: Asked,
    /// The number of the view whose frame it is about.
    pub view: usize,
    /// What was asked before and what the answers were, oldest first.
    pub before: Arc<[(Arc<str>, String)]>,
    /// How the picture is cut into tiles.
    pub tiling: Tiling,
}

/// One thing that happened, and to whom.
#[derive(Clone, Debug)]
pub struct Report {
    /// The number of the view; `None` where it concerns all of them.
    pub view: Option<usize>,
    /// What happened.
    pub event: Event,
}

/// One thing that happened, in the order in which it happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// A source was opened and gives pictures.
    SourceOpened {
        /// What people call it.
        name: String,
    },
    /// The source gives no pictures for now; the capture thread tries again.
    SourceLost {
        /// What happened and what to do.
        message: Message,
        /// How long until the next try.
        retry_in: Duration,
    },
    /// The source came to its end: the frames given so far are all there will be.
    SourceEnded,
    /// An engine is being opened.
    ModelLoading {
        /// Which one.
        model: ModelSpec,
    },
    /// The engine is ready.
    ModelReady(EngineCard),
    /// What stands before every picture was evaluated, for now and for later.
    PrefixRead(PrefixCost),
    /// A caption or an answer begins.
    Began(Told),
    /// New text of the caption or answer that began last.
    Text {
        /// What it belongs to.
        of: Told,
        /// The piece to append.
        piece: String,
    },
    /// The asides of the frame that is being captioned were scored.
    Scored(ScoredFrame),
    /// The asides can't be scored by this engine, and are left out.
    NotScored {
        /// What happened and what to do.
        message: Message,
    },
    /// What stands for the frame that was captioned, to be kept: where
    /// [`Settings::keep_views`](crate::live::Settings::keep_views) asks for it.
    Viewed {
        /// The picture.
        frame: Arc<Frame>,
        /// What stands for it. Those of a view that was captioned again are the same.
        features: Arc<Features>,
    },
    /// A caption is complete (or was cancelled: see its reply's `stop`; a cancelled one is shown
    /// but not kept).
    Captioned(Caption),
    /// A question was asked. Comes from whoever asked it, not from the pipeline.
    Asked(Question),
    /// An answer is complete or was cancelled.
    Answered {
        /// To which question.
        question: Question,
        /// The answer.
        reply: Reply,
    },
    /// The view did not change since the last caption, which therefore still holds.
    Unchanged {
        /// Frames passed over since that caption.
        skipped: u64,
    },
    /// One request failed; the worker goes on.
    RequestFailed {
        /// What was being told.
        of: Told,
        /// What happened and what to do.
        message: Message,
    },
    /// A worker failed. It starts again after `retry_in`, or waits for another source or model when
    /// that is `None`.
    Failed {
        /// Which one.
        worker: Worker,
        /// What happened and what to do.
        message: Message,
        /// How long until it starts again.
        retry_in: Option<Duration>,
    },
    /// No more events come for the source in hand: it ended, and its last frame was dealt with.
    Done,
}

impl Event {
    /// Whether it is about a question or its answer.
    #[must_use]
    pub fn is_of_question(&self) -> bool {
        match self {
            Self::Began(of) | Self::Text { of, .. } | Self::RequestFailed { of, .. } => matches!(of, Told::Answer(_)),
            Self::Asked(_) | Self::Answered { .. } => true,
            _ => false,
        }
    }
}

/// What a piece of text belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// The caption of this frame.
    Caption {
        /// Its id.
        frame: u64,
    },
    /// The answer to this question.
    Answer(Asked),
}

/// Which thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Worker {
    /// The one that reads the source.
    Capture,
    /// The one that runs the model.
    Inference,
}

/// A caption with its frame and what happened between it and the one before.
#[derive(Clone, Debug)]
pub struct Caption {
    /// What it describes.
    pub frame: Arc<Frame>,
    /// The words, tokens and timings.
    pub reply: Reply,
    /// From the capture of the frame to the end of the caption.
    pub age: Duration,
    /// Frames that the slot dropped since the last caption.
    pub dropped: u64,
    /// Frames that the gate passed over since the last caption.
    pub skipped: u64,
}

//! Questions and their answers, as conversations about the pictures that they began with.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use egui::ColorImage;
use jiff::ZonedDateTime;
use vlm::{Reply, Stop, Tiling};

use crate::base::message::Message;
use crate::live::frame::Frame;
use crate::live::{Asked, Question, Talk};
use crate::ui::pixels;

/// Questions kept in the window. Each holds a thumbnail and two texts.
const MOST_EXCHANGES: usize = 50;
/// Pictures kept whole, so that more can be asked about them: those asked about last. One of HD
/// takes 6 MB.
const MOST_PINNED: usize = 8;
/// Sides that a thumbnail fits in, in pixels.
const THUMBNAIL: [usize; 2] = [192, 144];

/// Questions and answers, oldest first.
#[derive(Debug, Default)]
pub struct Exchanges {
    all: VecDeque<Exchange>,
    /// Those that were cleared last, and can be put back.
    cleared: VecDeque<Exchange>,
    /// The pictures of the conversations that were gone on with last, the last one at the end.
    pinned: VecDeque<(Asked, Arc<Frame>)>,
    /// What it took to look at a picture the last time, which is what one in memory saves.
    looked: Option<Duration>,
}

/// A question and its answer.
#[derive(Debug)]
pub struct Exchange {
    /// The number of the question.
    pub id: Asked,
    /// What was asked.
    pub question: Arc<str>,
    /// The conversation about its picture.
    pub talk: Asked,
    /// The number of the view whose picture that is.
    pub view: usize,
    /// Whether its picture was cut into tiles.
    pub tiling: Tiling,
    /// The picture it was asked about, small.
    pub picture: Arc<ColorImage>,
    /// When that was captured.
    pub time: ZonedDateTime,
    /// The answer so far.
    pub answer: String,
    /// How it is doing.
    pub phase: Phase,
}

/// How an answer is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The question waits for the model.
    Waiting,
    /// The answer streams in.
    Answering,
    /// The answer is complete.
    Answered {
        /// It took so long.
        took: Duration,
        /// The picture was in memory, which saved about so long.
        saved: Option<Duration>,
    },
    /// The user stopped it.
    Stopped,
    /// There is no answer, for this reason.
    Failed(Message),
}

impl Exchange {
    /// Whether an answer may still come.
    #[must_use]
    pub fn is_open(&self) -> bool {
        matches!(self.phase, Phase::Waiting | Phase::Answering)
    }

    /// Whether it came to nothing or only to a part, so that it may be asked again.
    #[must_use]
    pub fn is_broken_off(&self) -> bool {
        matches!(self.phase, Phase::Stopped | Phase::Failed(_))
    }
}

impl Exchanges {
    /// A picture was looked at, which took so long. Nothing is said where it was in memory.
    pub(super) fn looked(&mut self, took: Duration) {
        if !took.is_zero() {
            self.looked = Some(took);
        }
    }

    /// Another model takes another time.
    pub(super) fn forget_cost(&mut self) {
        self.looked = None;
    }

    /// The picture of a conversation, while it is kept.
    #[must_use]
    pub fn pinned(&self, talk: Asked) -> Option<&Arc<Frame>> {
        self.pinned.iter().find(|(id, _)| *id == talk).map(|(_, frame)| frame)
    }

    /// What a question that goes on with this conversation follows: all that was answered in it.
    #[must_use]
    pub fn talk(&self, talk: Asked) -> Option<Talk> {
        let of_talk = || self.iter().filter(|exchange| exchange.talk == talk);
        let Exchange { view, tiling, .. } = *of_talk().next()?;
        let answered = of_talk().filter(|exchange| !exchange.is_open() && !exchange.answer.is_empty());
        let before = answered.map(|exchange| (Arc::clone(&exchange.question), exchange.answer.clone())).collect();
        Some(Talk { id: talk, view, before, tiling })
    }

    /// The exchange with this number.
    #[must_use]
    pub fn get(&self, id: Asked) -> Option<&Exchange> {
        self.iter().find(|exchange| exchange.id == id)
    }

    /// All of them, oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Exchange> {
        self.all.iter()
    }

    /// Whether nothing was asked.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Whether an answer may still come.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.iter().any(Exchange::is_open)
    }

    /// Puts those aside that are settled.
    pub fn clear(&mut self) {
        let (open, settled) = std::mem::take(&mut self.all).into_iter().partition(Exchange::is_open);
        self.all = open;
        self.cleared = settled;
    }

    /// How many were cleared and can be put back.
    #[must_use]
    pub fn cleared(&self) -> usize {
        self.cleared.len()
    }

    /// Puts back what was cleared last.
    pub fn undo_clear(&mut self) {
        let mut all = std::mem::take(&mut self.cleared);
        all.append(&mut self.all);
        self.all = all;
        let surplus = self.all.len().saturating_sub(MOST_EXCHANGES);
        self.all.drain(..surplus);
    }

    /// A question was asked.
    pub(super) fn push(&mut self, question: &Question) {
        if self.all.len() == MOST_EXCHANGES {
            self.all.pop_front();
        }
        let Question { id, text, frame, talk } = question;
        self.pinned.retain(|(pinned, _)| *pinned != talk.id);
        if self.pinned.len() == MOST_PINNED {
            self.pinned.pop_front();
        }
        self.pinned.push_back((talk.id, Arc::clone(frame)));
        let known = self.iter().find(|exchange| exchange.talk == talk.id).map(|exchange| Arc::clone(&exchange.picture));
        self.all.push_back(Exchange {
            id: *id,
            question: Arc::clone(text),
            talk: talk.id,
            view: talk.view,
            tiling: talk.tiling,
            picture: known.unwrap_or_else(|| Arc::new(pixels::thumbnail(&frame.image, THUMBNAIL))),
            time: frame.time.clone(),
            answer: String::new(),
            phase: Phase::Waiting,
        });
    }

    pub(super) fn begin(&mut self, id: Asked) {
        if let Some(exchange) = self.find(id) {
            exchange.answer.clear();
            exchange.phase = Phase::Answering;
        }
    }

    pub(super) fn append(&mut self, id: Asked, piece: &str) {
        if let Some(exchange) = self.find(id) {
            exchange.answer.push_str(if exchange.answer.is_empty() { piece.trim_start() } else { piece });
        }
    }

    pub(super) fn finish(&mut self, id: Asked, reply: Reply) {
        let look = reply.timings.preprocess + reply.timings.vision;
        let saved = self.looked.filter(|_| look.is_zero());
        if let Some(exchange) = self.find(id) {
            exchange.answer = reply.text;
            let took = reply.timings.total();
            // Tiles of small print cost what no caption's picture does.
            let saved = saved.filter(|_| exchange.tiling == Tiling::One);
            exchange.phase = match reply.stop {
                Stop::Cancelled => Phase::Stopped,
                Stop::End | Stop::Length | Stop::Repetition => Phase::Answered { took, saved },
            };
        }
        self.looked(look);
    }

    pub(super) fn fail(&mut self, id: Asked, message: Message) {
        if let Some(exchange) = self.find(id) {
            exchange.phase = Phase::Failed(message);
        }
    }

    fn find(&mut self, id: Asked) -> Option<&mut Exchange> {
        self.all.iter_mut().rev().find(|exchange| exchange.id == id)
    }
}

//! Questions and their answers.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use egui::ColorImage;
use vlm::{Reply, Stop};

use crate::base::message::Message;
use crate::live::{Asked, Question};
use crate::ui::pixels;

/// Questions kept in the window. Each holds a thumbnail and two texts, not its frame.
const MOST_EXCHANGES: usize = 50;
/// Sides that a thumbnail fits in, in pixels.
const THUMBNAIL: [usize; 2] = [192, 144];

/// Questions and answers, oldest first.
#[derive(Debug, Default)]
pub struct Exchanges {
    all: VecDeque<Exchange>,
    /// Those that were cleared last, and can be put back.
    cleared: VecDeque<Exchange>,
}

/// A question and its answer.
#[derive(Debug)]
pub struct Exchange {
    /// The number of the question.
    pub id: Asked,
    /// What was asked.
    pub question: Arc<str>,
    /// The picture it was asked about, small.
    pub picture: Arc<ColorImage>,
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
    /// The answer is complete; it took so long.
    Answered(Duration),
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
}

impl Exchanges {
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
        let Question { id, text, frame } = question;
        let picture = Arc::new(pixels::thumbnail(&frame.image, THUMBNAIL));
        let (question, answer, phase) = (Arc::clone(text), String::new(), Phase::Waiting);
        self.all.push_back(Exchange { id: *id, question, picture, answer, phase });
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
        if let Some(exchange) = self.find(id) {
            exchange.answer = reply.text;
            exchange.phase = match reply.stop {
                Stop::Cancelled => Phase::Stopped,
                Stop::End | Stop::Length | Stop::Repetition => Phase::Answered(reply.timings.total()),
            };
        }
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

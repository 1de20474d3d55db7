//! What is asked of each new view besides its caption: questions whose answers are scored in the
//! same pass. Knows no rule; whoever sets the questions makes something of their scores.
//!
//! A score says little by itself, since models lean to an answer whatever they see. So each
//! question is asked of a picture on which nothing is to be seen, too, once for every engine: the
//! baseline.

use std::sync::Arc;

use image::RgbImage;
use vlm::{Along, Cancel, Piece, Reply, Reuse, Scored, Scores, Steadiness};

use crate::base::message::Message;
use crate::engine::{Engine, EngineError, Shown, Task, Turn};
use crate::live::frame::Frame;

/// A question and the answers whose scores are wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aside {
    /// The question.
    pub question: String,
    /// The answers.
    pub choices: Vec<String>,
}

/// The questions of a view.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asides {
    /// In the order in which their scores are told.
    pub questions: Vec<Aside>,
    /// The picture of which nothing is true; without one there is no baseline.
    pub baseline: Option<RgbImage>,
}

/// The scores of a view's asides.
#[derive(Clone, Debug)]
pub struct ScoredFrame {
    /// The picture that they are about.
    pub frame: Arc<Frame>,
    /// What was asked.
    pub asides: Arc<Asides>,
    /// One for each question.
    pub scores: Vec<Scores>,
    /// The same of the picture on which nothing is to be seen; empty where there is none.
    pub baseline: Arc<[Scores]>,
}

/// The asides of a view, and what its engine says of the baseline.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    asides: Arc<Asides>,
    baseline: Option<Arc<[Scores]>>,
    /// They can't be scored: that was said, and they are left out until there are others, or
    /// another engine.
    is_refused: bool,
}

/// What comes of a turn while it is done.
pub enum Heard<'a> {
    /// The scores, before the first word.
    Scores(ScoredFrame),
    /// New text.
    Text(&'a str),
    /// The asides can't be scored, and why; the turn is done without them.
    Refused(Message),
}

impl Asked {
    /// Asks this from now on.
    pub fn set(&mut self, asides: &Arc<Asides>) {
        if !Arc::ptr_eq(&self.asides, asides) {
            *self = Self { asides: Arc::clone(asides), baseline: None, is_refused: false };
        }
    }

    /// Has the engine do what `turn` asks about `frame`. If that is a caption, it may be steady,
    /// and the asides are scored along with it.
    pub fn tell(
        &mut self,
        engine: &mut dyn Engine,
        turn: Turn<'_>,
        (frame, steady): (&Arc<Frame>, Option<Steadiness>),
        cancel: &Cancel,
        on_heard: &mut dyn FnMut(Heard<'_>),
    ) -> Result<Reply, EngineError> {
        if !matches!(turn.task, Task::Caption { .. }) {
            return engine.reply(turn, cancel, &mut |text| on_heard(Heard::Text(text)));
        }
        let asides = Arc::clone(&self.asides);
        let choices: Vec<Vec<&str>> =
            asides.questions.iter().map(|aside| aside.choices.iter().map(String::as_str).collect()).collect();
        let asked = asides.questions.iter().zip(&choices);
        let questions: Vec<Scored<'_>> =
            asked.map(|(aside, choices)| Scored { question: &aside.question, choices }).collect();
        let mut baseline = None;
        if !questions.is_empty() && !self.is_refused && engine.card().can.scores {
            baseline = match self.baseline_of(engine, &turn, &questions, cancel) {
                Ok(None) => return Ok(Reply::cancelled()),
                Err(error) if error.only_this_request => {
                    self.is_refused = true;
                    on_heard(Heard::Refused(error.message));
                    None
                }
                baseline => baseline?,
            };
        }
        let questions = if baseline.is_some() { &questions[..] } else { &[] };
        engine.reply_along(turn, Along { questions, steady }, cancel, &mut |piece| match (piece, &baseline) {
            (Piece::Text(text), _) => on_heard(Heard::Text(text)),
            (Piece::Scores(scores), Some(baseline)) => {
                let (frame, asides, baseline) = (Arc::clone(frame), Arc::clone(&asides), Arc::clone(baseline));
                on_heard(Heard::Scores(ScoredFrame { frame, asides, scores, baseline }));
            }
            (Piece::Scores(_), None) => {}
        })
    }

    /// `None` where it was cancelled.
    fn baseline_of(
        &mut self,
        engine: &mut dyn Engine,
        turn: &Turn<'_>,
        questions: &[Scored<'_>],
        cancel: &Cancel,
    ) -> Result<Option<Arc<[Scores]>>, EngineError> {
        if let Some(known) = &self.baseline {
            return Ok(Some(Arc::clone(known)));
        }
        let scores = match &self.asides.baseline {
            None => Some(Vec::new()),
            Some(blank) => {
                let shown = Shown { pictures: &[blank], scene: None, reuse: Reuse::IfIdentical };
                engine.score(turn.view, shown, questions, cancel)?
            }
        };
        Ok(scores.map(|scores| Arc::clone(self.baseline.insert(scores.into()))))
    }
}

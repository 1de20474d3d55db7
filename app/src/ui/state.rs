//! What the window shows, as plain data: events and the user's deeds go in, widgets draw what comes
//! out.
//!
//! It knows no widget, no pipeline and no clock of its own, so every rule here is tested without a
//! window.

mod caption;
mod caption_rate;
mod exchange;
mod notices;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::mem::swap;
use std::time::{Duration, Instant};

use vlm::{Draft, Reply, Stop, Timings};

use crate::base::message::Message;
use crate::capture::SourceSpec;
use crate::engine::EngineCard;
use crate::engine::prefix::PrefixCost;
use crate::live::frame::Frame;
use crate::live::{Event, Told, Worker};
use crate::models::spec::ModelSpec;

pub use crate::ui::state::caption::{CaptionView, Words};
pub use crate::ui::state::caption_rate::CaptionRate;
pub use crate::ui::state::exchange::{Exchange, Exchanges, Phase};
pub use crate::ui::state::notices::{Notices, Topic};

use crate::ui::wording;

/// Frames whose capture instants are remembered, so that the age of a caption is known from its
/// first word on: two seconds of a fast camera, longer than a caption waits for its first word.
const RECENT_FRAMES: usize = 128;
/// Captions whose cost is remembered.
const RECENT_CAPTIONS: usize = 100;

/// Everything the window shows.
#[derive(Debug, Default)]
pub struct State {
    /// Where pictures come from.
    pub source: SourceView,
    /// Who describes them.
    pub model: ModelView,
    /// The subtitle.
    pub caption: CaptionView,
    /// Questions and answers, oldest first.
    pub exchanges: Exchanges,
    /// What went wrong and what to do.
    pub notices: Notices,
    /// How often captions come.
    pub caption_rate: CaptionRate,
    /// Where the time of the last complete caption went.
    pub timings: Option<Timings>,
    /// What the last captions cost, oldest first.
    pub history: VecDeque<CaptionCost>,
    /// What stands before every picture costs this.
    pub prefix_cost: Option<PrefixCost>,
    /// Whether the user stopped the picture.
    pub paused: bool,
    recent: VecDeque<(u64, Instant)>,
}

/// What a caption cost.
#[derive(Clone, Copy, Debug)]
pub struct CaptionCost {
    /// Where the time went.
    pub timings: Timings,
    /// Tokens written.
    pub tokens: usize,
    /// How the draft fared.
    pub draft: Draft,
}

/// Where pictures come from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceView {
    /// Which source.
    pub spec: Option<SourceSpec>,
    /// What people call it, once it was opened.
    pub name: Option<String>,
    /// How it is doing.
    pub phase: SourcePhase,
    /// Whether it gave more than one picture.
    pub moved: bool,
}

/// How a source is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SourcePhase {
    /// None was chosen.
    #[default]
    None,
    /// It is being opened.
    Opening,
    /// It gives pictures.
    Live,
    /// It gives none for now.
    Lost,
    /// It came to its end.
    Ended,
}

/// Who describes the pictures.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ModelView {
    /// Which model.
    pub spec: Option<ModelSpec>,
    /// How it is doing.
    pub phase: ModelPhase,
}

impl ModelView {
    /// The model as it is written after `--model`.
    #[must_use]
    pub fn name(&self) -> String {
        self.spec.as_ref().map(ModelSpec::to_string).unwrap_or_default()
    }
}

/// How a model is doing.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum ModelPhase {
    /// None was chosen.
    #[default]
    None,
    /// It is being read from the disk, since this instant.
    Loading(Instant),
    /// It answers.
    Ready(EngineCard),
    /// It could not be opened, or failed.
    Failed,
}

impl State {
    /// The user chose a source, which is being opened.
    pub fn choose_source(&mut self, spec: SourceSpec) {
        self.source = SourceView { spec: Some(spec), phase: SourcePhase::Opening, ..SourceView::default() };
        self.caption = CaptionView::default();
        self.notices.clear(Topic::Source);
        self.notices.clear(Topic::Request);
    }

    /// The user chose a model, which is being opened.
    pub fn choose_model(&mut self, spec: ModelSpec, now: Instant) {
        self.model = ModelView { spec: Some(spec), phase: ModelPhase::Loading(now) };
        self.timings = None;
        self.exchanges.forget_cost();
        self.caption_rate = CaptionRate::default();
        self.notices.clear(Topic::Model);
        self.notices.clear(Topic::Request);
    }

    /// Changes places with another view's: all that belongs to a view, and nothing of the model or
    /// of what was asked.
    pub fn swap_view(&mut self, other: &mut Self) {
        swap(&mut self.source, &mut other.source);
        swap(&mut self.caption, &mut other.caption);
        swap(&mut self.caption_rate, &mut other.caption_rate);
        swap(&mut self.timings, &mut other.timings);
        swap(&mut self.history, &mut other.history);
        swap(&mut self.prefix_cost, &mut other.prefix_cost);
        swap(&mut self.paused, &mut other.paused);
        swap(&mut self.recent, &mut other.recent);
        self.notices.swap(&mut other.notices, &[Topic::Source, Topic::Request]);
    }

    /// A frame is on screen.
    pub fn show_frame(&mut self, frame: &Frame) {
        if self.recent.len() == RECENT_FRAMES {
            self.recent.pop_front();
        }
        self.recent.push_back((frame.id, frame.captured_at));
    }

    /// Takes in one event of the pipeline.
    pub fn apply(&mut self, event: Event, now: Instant) {
        match event {
            Event::SourceOpened { name } => {
                self.source.name = Some(name);
                self.source.phase = SourcePhase::Live;
                self.notices.clear(Topic::Source);
            }
            Event::SourceLost { message, retry_in } => {
                self.source.phase = SourcePhase::Lost;
                self.notices.post(Topic::Source, message, Some(now + retry_in));
            }
            Event::SourceEnded => self.source.phase = SourcePhase::Ended,
            Event::ModelLoading { model } => {
                self.model = ModelView { spec: Some(model), phase: ModelPhase::Loading(now) };
            }
            Event::ModelReady(card) => {
                self.model.phase = ModelPhase::Ready(card);
                self.notices.clear(Topic::Model);
            }
            Event::Began(Told::Caption { frame }) => {
                self.caption_rate.began(now);
                let captured_at = self.captured_at(frame).unwrap_or(now);
                self.caption.begin(captured_at);
            }
            Event::Began(Told::Answer(question)) => self.exchanges.begin(question),
            Event::Text { of: Told::Caption { .. }, piece } => self.caption.append(&piece),
            Event::Text { of: Told::Answer(question), piece } => self.exchanges.append(question, &piece),
            Event::Captioned(caption) => {
                if caption.reply.stop == Stop::Cancelled {
                    self.caption.cancel();
                } else {
                    self.caption_rate.finished(now);
                    self.timings = Some(caption.reply.timings);
                    self.exchanges.looked(caption.reply.timings.preprocess + caption.reply.timings.vision);
                    self.note_cost(&caption.reply);
                    self.notices.clear(Topic::Request);
                    let doubted = match &self.model.phase {
                        ModelPhase::Ready(card) => card.can.doubts(caption.reply.mean_log_prob),
                        _ => false,
                    };
                    if caption.reply.is_kept {
                        self.caption.keep(caption.reply.text, caption.frame.captured_at, now);
                    } else {
                        self.caption.finish(caption.reply.text, caption.frame.captured_at, doubted);
                    }
                }
            }
            Event::Asked(question) => {
                self.exchanges.push(&question);
                self.notices.clear(Topic::Question);
            }
            Event::Answered { question, reply } => self.exchanges.finish(question.id, reply),
            Event::Unchanged { .. } => self.caption.still_holds(now),
            Event::RequestFailed { of: Told::Caption { .. }, message } => {
                self.caption.cancel();
                self.notices.post(Topic::Request, message, None);
            }
            Event::RequestFailed { of: Told::Answer(question), message } => self.exchanges.fail(question, message),
            Event::Failed { worker, message, retry_in } => self.worker_failed(worker, message, retry_in, now),
            Event::PrefixRead(cost) => self.prefix_cost = Some(cost),
            // Rules and logs make something of these.
            Event::Scored(_) | Event::NotScored { .. } | Event::Viewed { .. } | Event::Done => {}
        }
    }

    /// How long until what is shown changes by the passing of time alone: an age, a countdown, the
    /// seconds that a model takes to load. `None` when nothing does, and then nothing needs to be
    /// drawn again.
    #[must_use]
    pub fn next_change(&self, now: Instant) -> Option<Duration> {
        let age = self.caption.captured_at().filter(|_| !self.paused);
        let age = age.map(|at| wording::until_older(now.saturating_duration_since(at)));
        let countdown =
            self.notices.iter().filter_map(|notice| notice.until_retry(now)).map(wording::until_shorter).min();
        let loading = match self.model.phase {
            ModelPhase::Loading(_) => Some(Duration::from_secs(1)),
            _ => None,
        };
        [age, countdown, loading].into_iter().flatten().min()
    }

    fn note_cost(&mut self, reply: &Reply) {
        if self.history.len() == RECENT_CAPTIONS {
            self.history.pop_front();
        }
        let Reply { timings, draft, token_ids, .. } = reply;
        self.history.push_back(CaptionCost { timings: *timings, tokens: token_ids.len(), draft: *draft });
    }

    fn worker_failed(&mut self, worker: Worker, message: Message, retry_in: Option<Duration>, now: Instant) {
        let topic = match worker {
            Worker::Capture => {
                self.source.phase = SourcePhase::Lost;
                Topic::Source
            }
            Worker::Inference => {
                self.model.phase = ModelPhase::Failed;
                self.caption.cancel();
                Topic::Model
            }
        };
        self.notices.post(topic, message, retry_in.map(|wait| now + wait));
    }

    /// When the frame was captured. The window does not see every frame, so the last one before it
    /// serves as well.
    fn captured_at(&self, frame: u64) -> Option<Instant> {
        self.recent.iter().rev().find(|(id, _)| *id <= frame).map(|(_, at)| *at)
    }
}

//! From frames to captions: a capture thread for each source, one inference thread for all of them,
//! and the events that both send.
//!
//! A view is a source with its state. All views share one engine; whose turn it is, is decided by a
//! pure function in `turns`. The pipeline knows sources and engines only by their traits, and no
//! window: it calls a waker when there is something to see. Channels are bounded; only the worker
//! threads ever wait for a source or a model.

mod asides;
mod capture;
mod events;
pub mod frame;
mod framing;
pub(crate) mod gate;
mod host;
mod inference;
mod lanes;
mod opened;
mod outbox;
mod pipeline;
mod pulse;
mod settings;
pub(crate) mod shared;
mod talks;
mod turns;
mod view;
mod watchdog;

pub use crate::live::asides::{Aside, Asides, ScoredFrame};
pub use crate::live::events::{Asked, Caption, Event, Question, Report, Talk, Told, Worker};
pub use crate::live::framing::{Framing, Region, Rotation, framed};
pub use crate::live::gate::GateSettings;
pub use crate::live::pipeline::{Busy, Pipeline, ViewHandle};
pub use crate::live::settings::{
    DEFAULT_INSTRUCTION, DEFAULT_MAX_TOKENS, OpenEngine, OpenSource, STEADY, STEADY_UNLESS_TOLD, Settings, Tuning,
    Waker,
};
pub use crate::live::shared::Statistics;

//! What a pipeline is started with, and what opens its sources and its engine. Plain data.

use std::sync::Arc;
use std::time::Duration;

use vlm::{Steadiness, Tiling};

use crate::capture::{Source, SourceError};
use crate::engine::prefix::Prefix;
use crate::engine::{Engine, EngineError};
use crate::live::asides::Asides;
use crate::live::gate::GateSettings;

/// Opens a source, on its capture thread; called again whenever the source has to be opened anew.
pub type OpenSource = Box<dyn FnMut() -> Result<Box<dyn Source>, SourceError> + Send>;
/// Opens an engine, on the inference thread, which keeps it; called again whenever it has to be
/// opened anew.
pub type OpenEngine = Box<dyn FnMut() -> Result<Box<dyn Engine>, EngineError> + Send>;
/// Called after every event and every new frame, from the worker threads. It must not block.
pub type Waker = Arc<dyn Fn() + Send + Sync>;

/// The instruction that people get who give none: one sentence is what fits under a video.
pub const DEFAULT_INSTRUCTION: &str = "Describe this image in one sentence.";
/// The most tokens of a reply unless told otherwise: room for a long sentence or two short ones
/// (some 45 words). A small model that has not come to an end by then repeats itself, while the
/// scene moves on.
pub const DEFAULT_MAX_TOKENS: usize = 60;

/// When a caption stays, where captions are to be steady: see docs/performance.md for what
/// `sightline bench steady` finds with these.
pub const STEADY: Steadiness = Steadiness { change: 0.1, loss: 4.0, views: 2 };
/// Whether captions are steady where nobody says anything.
pub const STEADY_UNLESS_TOLD: bool = true;

/// What a view is started with.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// What the model is told to do with each picture.
    pub instruction: String,
    /// What it is told and shown before every picture.
    pub prefix: Arc<Prefix>,
    /// The most tokens of a caption or an answer.
    pub max_tokens: usize,
    /// How pictures are cut into tiles.
    pub tiling: Tiling,
    /// Passes over unchanged frames; `None` captions every frame that there is time for.
    pub gate: Option<GateSettings>,
    /// The least time from the beginning of one caption to that of the next: a model that is faster
    /// than people read waits, a slow one does not.
    pub least_interval: Duration,
    /// What is asked of each new view besides.
    pub asides: Arc<Asides>,
    /// When the last caption of a live source stays in the place of a new one; `None` writes a new
    /// one whenever the gate lets a frame through.
    pub steady: Option<Steadiness>,
    /// Tells what stands for each captioned frame, where the engine knows.
    pub keep_views: bool,
}

/// What may be changed while a view runs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tuning {
    /// The most tokens of a caption or an answer.
    pub max_tokens: usize,
    /// See [`Settings::least_interval`].
    pub least_interval: Duration,
    /// How small a change is captioned: with 2, half of what usually counts.
    pub sensitivity: f32,
    /// See [`Settings::steady`].
    pub steady: Option<Steadiness>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            instruction: DEFAULT_INSTRUCTION.to_owned(),
            prefix: Arc::default(),
            max_tokens: DEFAULT_MAX_TOKENS,
            tiling: Tiling::One,
            gate: Some(GateSettings::default()),
            least_interval: Duration::ZERO,
            asides: Arc::default(),
            steady: STEADY_UNLESS_TOLD.then_some(STEADY),
            keep_views: false,
        }
    }
}

//! All that a run does, as one value: which model, which views of which sources, what is recorded.
//! The command line makes one, or reads it from a file. Starts nothing.

mod place;
mod read;
mod table;

use std::sync::Arc;

use crate::actions::ActionSpec;
use crate::capture::{self, SourceOptions, SourceSpec};
use crate::engine::remote::options::RemoteOptions;
use crate::live::{Framing, OpenSource, Settings, framed};
use crate::log::LogOptions;
use crate::models::spec::ModelSpec;
use crate::rules::spec::RuleSpec;

pub use crate::plan::read::{Defaults, read};

/// The most views of one plan: each takes a thread and a view of the model.
pub const MOST_VIEWS: usize = 64;

/// All that a run does.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// Who captions; none where the file leaves it to the command line.
    pub engine: Option<EnginePlan>,
    /// What is captioned: one at least, [`MOST_VIEWS`] at most.
    pub views: Vec<ViewPlan>,
    /// Where captions are recorded, if they are.
    pub log: Option<LogOptions>,
    /// What is told to others.
    pub actions: Vec<ActionSpec>,
}

/// Which model, and where it runs.
#[derive(Clone, Debug)]
pub struct EnginePlan {
    /// Which.
    pub model: ModelSpec,
    /// The server that runs it; none on this machine.
    pub remote: Option<RemoteOptions>,
}

/// A source with all that is asked of it.
#[derive(Clone, Debug)]
pub struct ViewPlan {
    /// What people and programs call it: the name that it was given, or the source as it was
    /// written. Fit to be shown.
    pub name: String,
    /// Where its pictures come from.
    pub source: SourceSpec,
    /// How the source is opened.
    pub options: SourceOptions,
    /// What is done to every picture before anything looks at it.
    pub framing: Framing,
    /// What is asked of the model, and how often.
    pub settings: Settings,
    /// What is watched for.
    pub rules: Vec<Arc<RuleSpec>>,
}

impl ViewPlan {
    /// What opens its source, for a pipeline.
    #[must_use]
    pub fn open(&self) -> OpenSource {
        let (source, options) = (self.source.clone(), self.options.clone());
        framed(Box::new(move || capture::open(&source, &options)), self.framing.clone())
    }
}

//! Arguments that several commands have in common, and what they become.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use clap::Args;
use vlm::Sampling;

use crate::capture;
use crate::capture::{SourceOptions, SourceSpec};
use crate::cli::parse::{seed, temperature, threads, top_p, whole};
use crate::engine;
use crate::engine::options::{DeviceChoice, EngineOptions, Precision};
use crate::engine::{Limits, local};
use crate::live::{DEFAULT_INSTRUCTION, DEFAULT_MAX_TOKENS, OpenEngine, OpenSource};
use crate::models::spec::ModelSpec;

/// Which model, and what it is asked.
#[derive(Args, Clone, Debug)]
pub struct ModelArgs {
    /// demo, 256m, 500m, 2.2b, smolvlm2-256m, smolvlm2-500m, smolvlm2-2.2b, a hub id or a folder [default: 256m if it
    /// is on this machine, otherwise demo]
    #[arg(long, value_name = "MODEL", default_value_t = local::preferred(), hide_default_value = true)]
    pub model: ModelSpec,

    /// Where the model runs: auto, cpu, cuda, cuda:N or metal
    #[arg(long, value_name = "DEVICE", default_value_t)]
    pub device: DeviceChoice,

    /// Numbers to calculate in
    #[arg(long, value_name = "PRECISION", default_value_t, ignore_case = true)]
    pub precision: Precision,

    /// What the model is told to do with a picture
    #[arg(long, value_name = "TEXT", default_value = DEFAULT_INSTRUCTION)]
    pub prompt: String,

    /// The most tokens of a reply; a token is about three quarters of a word
    #[arg(long, value_name = "N", default_value_t = most_tokens(), value_parser = whole::<NonZeroUsize, 1, 100_000>)]
    pub max_tokens: NonZeroUsize,

    /// Processor threads for the model [default: as many as there are cores]
    #[arg(long, value_name = "N", value_parser = threads)]
    pub threads: Option<NonZeroUsize>,
}

fn most_tokens() -> NonZeroUsize {
    NonZeroUsize::new(DEFAULT_MAX_TOKENS).unwrap_or(NonZeroUsize::MIN)
}

impl ModelArgs {
    /// How to run the model.
    pub fn engine_options(&self) -> EngineOptions {
        EngineOptions { device: self.device, precision: self.precision, threads: self.threads.map(NonZeroUsize::get) }
    }

    /// What opens the model, for a pipeline.
    pub fn open_engine(&self) -> OpenEngine {
        let (model, options) = (self.model.clone(), self.engine_options());
        Box::new(move || engine::open(&model, &options))
    }

    /// How long a reply may be.
    pub fn limits(&self, ignore_end: bool) -> Limits {
        Limits { ignore_end, ..Limits::tokens(self.max_tokens.get()) }
    }
}

/// How words are chosen, where people may want other ones the next time.
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct SamplingArgs {
    /// Choose words by chance: below 1 the likely ones more often than the model finds them likely, above 1 less often
    /// [default: 0, always the likeliest]
    #[arg(long, value_name = "T", value_parser = temperature)]
    pub temperature: Option<f64>,

    /// Choose among the likeliest words only, as many as together have this probability [default: 1, among all]
    #[arg(long, value_name = "P", value_parser = top_p, requires = "temperature")]
    pub top_p: Option<f64>,

    /// The same number chooses the same words again [default: another number for every reply]
    #[arg(long, value_name = "N", value_parser = seed, requires = "temperature")]
    pub seed: Option<u64>,
}

impl SamplingArgs {
    /// The same for one reply.
    pub fn sampling(self) -> Sampling {
        match self.temperature {
            None => Sampling::Greedy,
            Some(temperature) => Sampling::Random {
                temperature,
                top_p: self.top_p.unwrap_or(1.0),
                // The standard library's hashers are keyed by chance.
                seed: self.seed.unwrap_or_else(|| RandomState::new().build_hasher().finish()),
            },
        }
    }
}

/// How often a live view is captioned.
#[derive(Args, Clone, Copy, Debug)]
pub struct PaceArgs {
    /// The most captions a minute, to spare a battery; questions are answered at once all the same
    #[arg(long, value_name = "N", value_parser = whole::<NonZeroU32, 1, 6000>)]
    pub most_per_minute: Option<NonZeroU32>,
}

impl PaceArgs {
    /// The least time from one caption's beginning to the next one's.
    pub fn least_interval(self) -> Duration {
        self.most_per_minute.map_or(Duration::ZERO, |n| Duration::from_mins(1) / n.get())
    }
}

/// What opens a source, for a pipeline.
pub fn open_source(spec: SourceSpec, options: SourceOptions) -> OpenSource {
    Box::new(move || capture::open(&spec, &options))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn captions_a_minute_are_kept_apart() {
        let pace = |n| PaceArgs { most_per_minute: NonZeroU32::new(n) }.least_interval();
        assert_eq!(
            (pace(4), pace(120), pace(0)),
            (Duration::from_secs(15), Duration::from_millis(500), Duration::ZERO)
        );
    }
}

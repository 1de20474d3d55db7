//! Arguments that several commands have in common, and what they become.

use std::ffi::{OsStr, OsString};
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::builder::TypedValueParser;
use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{ArgMatches, Args, Command, FromArgMatches, ValueEnum};
use vlm::{Sampling, Steadiness, Tiling};

use crate::base::message::Message;
use crate::base::text;
use crate::capture;
use crate::capture::{SourceOptions, SourceSpec};
use crate::cli::parse::{seed, temperature, threads, top_p, whole};
use crate::cli::remote::RemoteArgs;
use crate::engine;
use crate::engine::options::{DeviceChoice, EngineOptions, Precision};
use crate::engine::remote::options::RemoteOptions;
use crate::engine::{Limits, local};
use crate::live::{
    DEFAULT_INSTRUCTION, DEFAULT_MAX_TOKENS, Framing, OpenEngine, OpenSource, Region, Rotation, STEADY, Settings,
};
use crate::models::spec::ModelSpec;
use crate::plan::{Defaults, EnginePlan, ViewPlan};

/// Which model, and what it is asked.
#[derive(Clone, Debug)]
pub struct ModelArgs {
    /// Which.
    pub model: ModelSpec,
    /// Where it runs on this machine.
    pub device: DeviceChoice,
    /// In which numbers.
    pub precision: Precision,
    /// What it is told to do with a picture.
    pub prompt: String,
    /// The most tokens of a reply.
    pub max_tokens: NonZeroUsize,
    /// Processor threads; `None` is as many as there are cores.
    pub threads: Option<NonZeroUsize>,
    /// The file of its vision part, where that is not found beside it.
    pub mmproj: Option<PathBuf>,
    /// The server that runs it, where it does not run on this machine.
    pub remote: Option<RemoteOptions>,
    /// Which of these were written.
    pub is_named: Named,
}

/// What of a command line was written rather than left to the program.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of its own")]
pub struct Named {
    /// `--model`.
    pub model: bool,
    /// `--prompt`.
    pub prompt: bool,
    /// `--max-tokens`.
    pub max_tokens: bool,
    /// `--device`.
    pub device: bool,
    /// `--precision`.
    pub precision: bool,
    /// `--threads`.
    pub threads: bool,
}

/// The arguments as they are written: what `--model` means depends on `--engine`.
#[derive(Args, Clone, Debug)]
struct WrittenModelArgs {
    /// demo, 256m, 500m, 2.2b, smolvlm2-256m, smolvlm2-500m, smolvlm2-2.2b, a hub id, a folder or a
    /// GGUF file [default: 256m if it is on this machine, otherwise demo]
    #[arg(long, value_name = "MODEL")]
    model: Option<OsString>,

    /// The GGUF file of the vision part, for a --model that is a GGUF file [default: the one beside
    /// it whose name has mmproj in it]
    #[arg(long, value_name = "FILE", requires = "model", conflicts_with = "engine")]
    mmproj: Option<PathBuf>,

    /// Where the model runs: auto, cpu, cuda, cuda:N or metal
    #[arg(long, value_name = "DEVICE", default_value_t)]
    device: DeviceChoice,

    /// Numbers to calculate in
    #[arg(long, value_name = "PRECISION", default_value_t, ignore_case = true)]
    precision: Precision,

    /// What the model is told to do with a picture
    #[arg(long, value_name = "TEXT", default_value = DEFAULT_INSTRUCTION)]
    prompt: String,

    /// The most tokens of a reply; a token is about three quarters of a word
    #[arg(long, value_name = "N", default_value_t = most_tokens(), value_parser = whole::<NonZeroUsize, 1, 100_000>)]
    max_tokens: NonZeroUsize,

    /// Processor threads for the model [default: as many as there are cores]
    #[arg(long, value_name = "N", value_parser = threads)]
    threads: Option<NonZeroUsize>,

    #[command(flatten)]
    remote: RemoteArgs,
}

impl WrittenModelArgs {
    /// What they mean.
    fn parsed(self, is_named: Named) -> Result<ModelArgs, clap::Error> {
        let remote = self.remote.options().map_err(|message| refused(&message))?;
        let model = match (self.model, &remote) {
            (Some(id), Some(_)) => ModelSpec::Served(id.to_string_lossy().into_owned()),
            (Some(text), None) => named_model(&text).map_err(|message| refused(&message))?,
            (None, _) => local::preferred(),
        };
        let Self { device, precision, prompt, max_tokens, threads, mmproj, .. } = self;
        if mmproj.is_some() && !matches!(&model, ModelSpec::Folder(path) if path.is_file()) {
            let message = Message::new(format!("--mmproj belongs to a GGUF file, which {model} is not."));
            return Err(refused(&message.hint("Name the file of the text model with --model.")));
        }
        Ok(ModelArgs { model, device, precision, prompt, max_tokens, threads, mmproj, remote, is_named })
    }
}

impl FromArgMatches for ModelArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let is_written = |name: &str| matches.value_source(name) == Some(ValueSource::CommandLine);
        let is_named = Named {
            model: is_written("model"),
            prompt: is_written("prompt"),
            max_tokens: is_written("max_tokens"),
            device: is_written("device"),
            precision: is_written("precision"),
            threads: is_written("threads"),
        };
        WrittenModelArgs::from_arg_matches(matches)?.parsed(is_named)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Args for ModelArgs {
    fn augment_args(command: Command) -> Command {
        WrittenModelArgs::augment_args(command)
    }

    fn augment_args_for_update(command: Command) -> Command {
        WrittenModelArgs::augment_args_for_update(command)
    }
}

fn most_tokens() -> NonZeroUsize {
    NonZeroUsize::new(DEFAULT_MAX_TOKENS).unwrap_or(NonZeroUsize::MIN)
}

impl ModelArgs {
    /// With the model of a plan, unless the line names one.
    pub fn or_planned(self, planned: Option<&EnginePlan>) -> Self {
        match planned {
            Some(planned) if !self.is_named.model => {
                Self { model: planned.model.clone(), remote: planned.remote.clone(), ..self }
            }
            _ => self,
        }
    }

    /// How to run the model.
    pub fn engine_options(&self) -> EngineOptions {
        EngineOptions {
            device: self.device,
            precision: self.precision,
            threads: self.threads.map(NonZeroUsize::get),
            max_isa: None,
            gives_way: false,
            vision_file: self.mmproj.clone(),
            remote: self.remote.clone(),
        }
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
    /// Choose words by chance: below 1 the likely ones more often than the model finds them likely,
    /// above 1 less often [default: 0, always the likeliest]
    #[arg(long, value_name = "T", value_parser = temperature)]
    pub temperature: Option<f64>,

    /// Choose among the likeliest words only, as many as together have this probability [default:
    /// 1, among all]
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

    /// Whether the caption of a live source stays until the view changed and it is no longer
    /// likely, rather than being reworded [default: on]
    #[arg(long, value_name = "ON|OFF")]
    pub steady: Option<Switch>,
}

/// Whether something is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Switch {
    /// It is.
    On,
    /// It is not.
    Off,
}

impl PaceArgs {
    /// When a caption stays; `unless_told` says whether it does where the line says nothing.
    pub fn steady(self, unless_told: bool) -> Option<Steadiness> {
        let is_steady = self.steady.map_or(unless_told, |switch| switch == Switch::On);
        is_steady.then_some(STEADY)
    }

    /// The least time from one caption's beginning to the next one's.
    pub fn least_interval(self) -> Duration {
        self.most_per_minute.map_or(Duration::ZERO, |n| Duration::from_mins(1) / n.get())
    }
}

/// Which part of a picture is looked at. Each may be given for one source alone, by its number:
/// `2:0,50,100,50`.
#[derive(Args, Clone, Debug, Default)]
pub struct FramingArgs {
    /// Look at this part alone: left, top, width and height in per cent of the picture
    #[arg(long, value_name = "X,Y,W,H")]
    pub region: Vec<OfSource<Region>>,

    /// Black out this part before anything looks at it; may be given several times
    #[arg(long, value_name = "X,Y,W,H")]
    pub mask: Vec<OfSource<Region>>,

    /// Turn the picture clockwise by 90, 180 or 270 degrees, before its parts are counted
    #[arg(long, value_name = "DEGREES")]
    pub rotate: Vec<OfSource<Rotation>>,
}

impl FramingArgs {
    /// What holds for the source with this number, counted from 0. Of several the last one counts;
    /// masks add up.
    pub fn of(&self, number: usize) -> Framing {
        Framing {
            rotation: self.rotate.iter().rev().find_map(|rotation| rotation.of(number)).unwrap_or_default(),
            region: self.region.iter().rev().find_map(|region| region.of(number)),
            masks: self.mask.iter().filter_map(|mask| mask.of(number)).collect(),
        }
    }

    /// The largest number of a source that is named, counted from 1.
    pub fn largest_number(&self) -> usize {
        let parts = self.region.iter().chain(&self.mask).map(|part| part.source);
        parts.chain(self.rotate.iter().map(|turn| turn.source)).flatten().max().unwrap_or(0)
    }
}

/// A value for all sources, or for one of them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OfSource<T> {
    /// Counted from 1.
    source: Option<usize>,
    value: T,
}

impl<T: Copy> OfSource<T> {
    fn of(&self, number: usize) -> Option<T> {
        self.source.is_none_or(|source| source == number + 1).then_some(self.value)
    }
}

impl<T: FromStr<Err = Message>> FromStr for OfSource<T> {
    type Err = Message;

    fn from_str(text: &str) -> Result<Self, Message> {
        let (source, value) = match text.split_once(':') {
            Some((source, value)) => {
                let number = source.trim().parse().ok().filter(|&number: &usize| number > 0).ok_or_else(|| {
                    Message::new(format!("`{source}` is not the number of a source."))
                        .hint("Write 1 for the first one, as in 1:0,50,100,50.")
                })?;
                (Some(number), value)
            }
            None => (None, text),
        };
        Ok(Self { source, value: value.parse()? })
    }
}

/// Whether pictures are cut into tiles.
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct TilingArgs {
    /// Cut pictures into tiles, for small print: slower, and usual for screens and windows
    #[arg(long)]
    pub split: bool,

    /// Never cut pictures into tiles
    #[arg(long, conflicts_with = "split")]
    pub no_split: bool,
}

impl TilingArgs {
    /// How pictures of a source are cut, unless a plan says so for its view.
    pub fn of(self, source: &SourceSpec) -> Tiling {
        if self.split || source.is_mostly_text() && !self.no_split { Tiling::Split } else { Tiling::One }
    }
}

/// Reads a source: any name of a file that the system allows.
pub fn source() -> impl TypedValueParser<Value = SourceSpec> {
    NamedParser(|text| SourceSpec::from_os(text).map_err(|error| error.message))
}

/// Reads a model, which may be the one for search by meaning: any name of a folder that the system
/// allows.
pub fn model_of_any_kind() -> impl TypedValueParser<Value = ModelSpec> {
    NamedParser(|text| ModelSpec::of_any_kind(text).map_err(|error| error.message().clone()))
}

fn named_model(text: &OsStr) -> Result<ModelSpec, Message> {
    ModelSpec::from_os(text).map_err(|error| error.message().clone())
}

/// Reads what a text names. What clap says of a wrong value quotes it, and a source may have a
/// password in it.
#[derive(Clone)]
struct NamedParser<T>(fn(&OsStr) -> Result<T, Message>);

impl<T: Clone + Send + Sync + 'static> TypedValueParser for NamedParser<T> {
    type Value = T;

    fn parse_ref(&self, _: &Command, _: Option<&clap::Arg>, value: &OsStr) -> Result<T, clap::Error> {
        self.0(value).map_err(|message| refused(&message))
    }
}

/// Wrong usage: what happened, and what to do apart.
pub fn refused(message: &Message) -> clap::Error {
    let hint = message.advice().unwrap_or_default();
    clap::Error::raw(ErrorKind::ValueValidation, format!("{}\n\n{hint}\n", message.what()))
}

/// What opens a source, for a pipeline.
pub fn open_source(spec: SourceSpec, options: SourceOptions) -> OpenSource {
    Box::new(move || capture::open(&spec, &options))
}

/// The views of these sources, by what holds for each of them.
pub fn views(sources: &[SourceSpec], framing: &FramingArgs, defaults: &Defaults<'_>) -> Vec<ViewPlan> {
    let view = |(number, source): (usize, &SourceSpec)| ViewPlan {
        name: text::one_line(&source.to_string()),
        source: source.clone(),
        options: defaults.options.clone(),
        framing: framing.of(number),
        settings: Settings { tiling: (defaults.tiling)(source), ..defaults.settings.clone() },
        rules: Vec::new(),
    };
    sources.iter().enumerate().map(view).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn captions_a_minute_are_kept_apart() {
        let pace = |n| PaceArgs { most_per_minute: NonZeroU32::new(n), steady: None }.least_interval();
        assert_eq!(
            (pace(4), pace(120), pace(0)),
            (Duration::from_secs(15), Duration::from_millis(500), Duration::ZERO)
        );
    }

    #[test]
    fn a_part_is_for_all_sources_or_for_one() {
        let part = |text: &str| text.parse::<OfSource<Region>>().expect(text);
        let args = FramingArgs {
            region: vec![part("0,0,50,50"), part("2:0,50,100,50")],
            mask: vec![part("0,0,10,10"), part("1:90,90,10,10")],
            rotate: vec!["2:180".parse().expect("degrees")],
        };
        let (first, second) = (args.of(0), args.of(1));
        assert_eq!(first.region, "0,0,50,50".parse().ok());
        assert_eq!(second.region, "0,50,100,50".parse().ok());
        assert_eq!((first.masks.len(), second.masks.len()), (2, 1));
        assert_eq!((first.rotation, second.rotation), (Rotation::None, Rotation::Half));
        assert_eq!((args.largest_number(), FramingArgs::default().largest_number()), (2, 0));
        for text in ["0:0,0,9,9", "x:0,0,9,9", ":0,0,9,9"] {
            assert!(text.parse::<OfSource<Region>>().is_err(), "{text}");
        }
    }
}

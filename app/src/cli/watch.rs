//! `sightline watch`: live captions without a window.
//!
//! Captions go to standard output, one a line; on a terminal their words appear as they are
//! decoded. Everything that people should know besides goes to standard error.

mod watcher;

use std::num::NonZeroU64;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;

use crate::actions::Announced;
use crate::capture::{SourceOptions, SourceSpec};
use crate::cli::actions::ActionArgs;
use crate::cli::args::{FramingArgs, ModelArgs, PaceArgs, open_source, source};
use crate::cli::caption_files::CaptionFileArgs;
use crate::cli::output::{Notes, Output};
use crate::cli::parse::{seconds, whole};
use crate::cli::prefix::PrefixArgs;
use crate::cli::recording::RecordArgs;
use crate::cli::stream::StreamArgs;
use crate::cli::watch::watcher::{Shape, Watcher};
use crate::cli::{download, interrupt};
use crate::engine::prefix::Prefix;
use crate::live::{GateSettings, Pipeline, Settings, framed};

/// The command's arguments.
#[derive(Args, Clone, Debug)]
pub struct WatchArgs {
    /// camera, camera:N, camera:NAME, demo, a picture, folder or video, or the address of a stream
    ///
    /// Give it several times to watch several at once: one model captions all of them in turn.
    #[arg(long, value_name = "SOURCE", required = true, value_parser = source())]
    pub source: Vec<SourceSpec>,

    #[command(flatten)]
    pub framing: FramingArgs,

    /// End after this many captions
    #[arg(long, value_name = "N", value_parser = whole::<NonZeroU64, 1, 1_000_000_000>)]
    pub frames: Option<NonZeroU64>,

    /// Begin again at the end of a video or folder
    #[arg(long = "loop")]
    pub repeat: bool,

    /// Caption every frame that there is time for, also when nothing changed
    #[arg(long, conflicts_with = "longest_silence")]
    pub every_frame: bool,

    /// Caption an unchanged view again after this long [default: 30]
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub longest_silence: Option<Duration>,

    #[command(flatten)]
    pub stream: StreamArgs,

    #[command(flatten)]
    pub pace: PaceArgs,

    /// Print one JSON object a caption, each on a line of its own
    #[arg(long)]
    pub json: bool,

    #[command(flatten)]
    pub caption_files: CaptionFileArgs,

    #[command(flatten)]
    pub actions: ActionArgs,

    #[command(flatten)]
    pub record: RecordArgs,

    #[command(flatten)]
    pub prefix: PrefixArgs,

    #[command(flatten)]
    pub model: ModelArgs,
}

impl WatchArgs {
    fn settings(&self, prefix: &Arc<Prefix>) -> Settings {
        let defaults = GateSettings::default();
        let longest_silence = self.longest_silence.unwrap_or(defaults.longest_silence);
        Settings {
            instruction: self.model.prompt.clone(),
            prefix: Arc::clone(prefix),
            max_tokens: self.model.max_tokens.get(),
            gate: (!self.every_frame).then_some(GateSettings { longest_silence }),
            least_interval: self.pace.least_interval(),
        }
    }
}

/// Captions what the sources show until they end, enough captions were made, or the user
/// interrupts.
///
/// # Errors
/// When a reference picture can't be read, the log can't be opened, the pipeline can't be started,
/// or standard output can't be written.
pub fn run(args: &WatchArgs) -> anyhow::Result<ExitCode> {
    let interrupted = interrupt::flag()?;
    let prefix = Arc::new(args.prefix.read(&interrupted)?);
    download::fetch(&args.model.model, &interrupted)?;
    let names: Vec<_> = args.source.iter().map(SourceSpec::to_string).collect();
    let caption_files = args.caption_files.start(&names)?;
    let announced = Announced { sources: names.clone(), rules: Vec::new() };
    let actions = args.actions.start(&announced)?;
    let mut recordings = Vec::new();
    for _ in &args.source {
        recordings.extend(args.record.start(&args.model.prompt, &prefix)?);
    }
    let settings = args.source.iter().map(|_| args.settings(&prefix)).collect();
    let pipeline = Pipeline::start(settings, Arc::new(|| {})).context("The system starts no more threads.")?;
    pipeline.set_engine(args.model.model.clone(), args.model.open_engine());
    let options = SourceOptions { repeat: args.repeat, login: args.stream.login()? };
    for (number, spec) in args.source.iter().enumerate() {
        let open = open_source(spec.clone(), options.clone());
        pipeline.view(number).set_source(framed(open, args.framing.of(number)));
    }
    let out = Output::new();
    let shape = match (args.json, out.is_terminal()) {
        (true, _) => Shape::Json,
        // Words of several sources would get mixed up.
        (false, true) if args.source.len() == 1 => Shape::Stream,
        (false, _) => Shape::Lines,
    };
    let mut watcher = Watcher::new(shape, names, args.model.prompt.clone(), args.frames, out, Notes::new(args.json));
    watcher.recordings = recordings;
    watcher.caption_files = caption_files;
    watcher.actions = actions;
    let watched = watcher.watch(&pipeline, &interrupted);
    // A recording ends its session, whatever ended the watching.
    watcher.finish_recording();
    watcher.finish_actions();
    Ok(watched?)
}

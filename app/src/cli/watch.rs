//! `sightline watch`: live captions without a window.
//!
//! Captions go to standard output, one a line; on a terminal their words appear as they are
//! decoded. Everything that people should know besides goes to standard error.

mod listeners;
mod watcher;

use std::num::{NonZeroU64, NonZeroUsize};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;

use crate::actions::Announced;
use crate::base::message::Message;
use crate::capture::SourceSpec;
use crate::cli::actions::ActionArgs;
use crate::cli::args::{FramingArgs, ModelArgs, PaceArgs, TilingArgs, source, views};
use crate::cli::caption_files::CaptionFileArgs;
use crate::cli::output::{Notes, Output};
use crate::cli::parse::{file, seconds, whole};
use crate::cli::prefix::PrefixArgs;
use crate::cli::recording::RecordArgs;
use crate::cli::rules::{Book, known_calibrations};
use crate::cli::source::SourceArgs;
use crate::cli::watch::listeners::Listeners;
use crate::cli::watch::watcher::{Shape, Watcher};
use crate::cli::{download, interrupt, recording};
use crate::engine::prefix::Prefix;
use crate::live::{GateSettings, Pipeline, STEADY_UNLESS_TOLD, Settings};
use crate::log::{RecordedView, local_embedder};
use crate::plan::{self, Defaults, Plan, ViewPlan};
use crate::rules;
use crate::rules::watch::RuleWatch;

/// The command's arguments.
#[derive(Args, Clone, Debug)]
pub struct WatchArgs {
    /// camera, camera:N, camera:NAME, screen, screen:N, window:TITLE, demo, a picture, folder or
    /// video, or the address of a stream
    ///
    /// Give it several times to watch several at once: one model captions all of them in turn.
    #[arg(long, value_name = "SOURCE", required_unless_present = "config", value_parser = source())]
    pub source: Vec<SourceSpec>,

    /// Read the sources, and what is asked of each, from this file in TOML
    #[arg(long, value_name = "FILE", conflicts_with_all = ["source", "region", "mask", "rotate"], value_parser = file())]
    pub config: Option<PathBuf>,

    #[command(flatten)]
    pub framing: FramingArgs,

    #[command(flatten)]
    pub tiling: TilingArgs,

    /// End after this many captions
    #[arg(long, value_name = "N", value_parser = whole::<NonZeroU64, 1, 1_000_000_000>)]
    pub frames: Option<NonZeroU64>,

    #[command(flatten)]
    pub opening: SourceArgs,

    /// Caption every frame that there is time for, also when nothing changed
    #[arg(long, conflicts_with = "longest_silence")]
    pub every_frame: bool,

    /// Caption an unchanged view again after this long [default: 30]
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub longest_silence: Option<Duration>,

    // Help is not Markdown: a table's name in TOML is not a link.
    #[allow(rustdoc::broken_intra_doc_links)]
    /// Watch rules, too: your own (see `sightline rules`) or those of this file, [[rule]] in TOML
    #[arg(long, value_name = "FILE", num_args = 0..=1, value_parser = file())]
    #[allow(clippy::option_option, reason = "not given, given alone, and given with a file are three things to clap")]
    pub rules: Option<Option<PathBuf>>,

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
    /// The rules that are wanted, and the actions that stand beside them.
    fn rules(&self) -> Result<Book, Message> {
        match &self.rules {
            None => Ok(Book::default()),
            Some(Some(path)) => Book::read(path),
            Some(None) => {
                let book = Book::own()?;
                let hint = "Add one with `sightline rules add \"there is a red circle\"`, or name a file.";
                if book.rules.is_empty() { Err(Message::new("You have no rules yet.").hint(hint)) } else { Ok(book) }
            }
        }
    }

    fn settings(&self, prefix: &Arc<Prefix>) -> Settings {
        let defaults = GateSettings::default();
        let longest_silence = self.longest_silence.unwrap_or(defaults.longest_silence);
        Settings {
            instruction: self.model.prompt.clone(),
            prefix: Arc::clone(prefix),
            max_tokens: self.model.max_tokens.get(),
            gate: (!self.every_frame).then_some(GateSettings { longest_silence }),
            least_interval: self.pace.least_interval(),
            // Whoever wants every frame captioned wants its words.
            steady: self.pace.steady(STEADY_UNLESS_TOLD && !self.every_frame),
            keep_views: self.record.keep_views.is_some(),
            ..Settings::default()
        }
    }

    /// All that is to be done: what the file says, or the line alone.
    fn plan(&self, prefix: &Arc<Prefix>) -> anyhow::Result<Plan> {
        let options = self.opening.options()?;
        let defaults = Defaults { options, settings: self.settings(prefix), tiling: &|source| self.tiling.of(source) };
        if let Some(path) = &self.config {
            return Ok(plan::read(path, &defaults)?);
        }
        Ok(Plan { views: views(&self.source, &self.framing, &defaults), ..Plan::default() })
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
    let mut plan = args.plan(&Arc::new(args.prefix.read(&interrupted)?))?;
    let Book { rules, actions: beside } = args.rules()?;
    for view in &mut plan.views {
        view.rules.extend(rules.iter().cloned());
        view.rules.retain(|rule| rule.on);
        rules::file::check(view.rules.iter().map(AsRef::as_ref))
            .map_err(|what| Message::new(format!("The rules can't be watched: {what}.")).hint("Leave some out."))?;
    }
    let model = args.model.clone().or_planned(plan.engine.as_ref());
    download::fetch(&model.model, &interrupted)?;
    let names: Vec<_> = plan.views.iter().map(|view| view.name.clone()).collect();
    let caption_files = args.caption_files.start(&names)?;
    let all_rules: Vec<_> = plan.views.iter().flat_map(|view| view.rules.clone()).collect();
    let calibrations = Arc::new(known_calibrations(&all_rules)?);
    let watch = |view: &ViewPlan| RuleWatch::new(&view.rules, &view.name).calibrated(Arc::clone(&calibrations));
    let watches: Vec<_> = plan.views.iter().map(watch).collect();
    let announced = Announced::of(&names, |place| plan.views[place].rules.iter().map(|rule| rule.name()));
    let planned = plan.actions.iter().cloned().chain(beside).collect();
    let actions = args.actions.start(planned, &all_rules, &announced)?;
    let recorded = |view: &ViewPlan| RecordedView {
        name: Some(view.name.clone()),
        instruction: view.settings.instruction.clone(),
        prefix: view.settings.prefix.text(),
    };
    let log = args.record.log_options_or(plan.log.as_ref());
    let recording =
        recording::start(log, plan.views.iter().map(recorded).collect(), local_embedder(NonZeroUsize::new(1)))?;
    let settings = plan.views.iter().zip(&watches);
    let settings = settings.map(|(view, watch)| Settings { asides: watch.asides(), ..view.settings.clone() }).collect();
    let pipeline = Pipeline::start(settings, Arc::new(|| {})).context("The system starts no more threads.")?;
    pipeline.set_engine(model.model.clone(), model.open_engine());
    for (number, view) in plan.views.iter().enumerate() {
        pipeline.view(number).set_source(view.open());
    }
    let out = Output::new();
    let shape = match (args.json, out.is_terminal()) {
        (true, _) => Shape::Json,
        // Words of several sources would get mixed up.
        (false, true) if plan.views.len() == 1 => Shape::Stream,
        (false, _) => Shape::Lines,
    };
    let mut watcher = Watcher::new(shape, &plan.views, args.frames, out, Notes::new(args.json));
    watcher.listeners = Listeners { rules: watches, recording, caption_files, actions };
    let watched = watcher.watch(&pipeline, &interrupted);
    let told = watcher.finish();
    let code = watched?;
    told?;
    Ok(code)
}

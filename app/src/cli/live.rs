//! `sightline`: the window, and what it needs of sources, models and the desktop.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use clap::Args;
use image::RgbImage;
use jiff::ZonedDateTime;
use vlm::{Cancel, Tiling};

use crate::actions::speech::{self, OpenVoice};
use crate::actions::{ActionSpec, Actions, Announced};
use crate::base::files;
use crate::base::message::Message;
use crate::base::text;
use crate::capture::camera::WantedFormat;
use crate::capture::{self, CameraChoice, Next, SourceOptions, SourceSpec, camera};
use crate::cli::actions::ActionArgs;
use crate::cli::args::{FramingArgs, ModelArgs, PaceArgs, TilingArgs, open_source, source, views};
use crate::cli::caption_files::CaptionFileArgs;
use crate::cli::models::listed;
use crate::cli::parse::file;
use crate::cli::recording::RecordArgs;
use crate::cli::rules::{Book, known_calibrations};
use crate::cli::source::SourceArgs;
use crate::cli::{dialog, interrupt, remote};
use crate::engine;
use crate::engine::options::{DeviceChoice, EngineOptions};
use crate::engine::place;
use crate::live::{OpenEngine, OpenSource, STEADY_UNLESS_TOLD, Settings, Waker};
use crate::log::{OpenEmbedder, local_embedder};
use crate::models;
use crate::models::spec::ModelSpec;
use crate::models::{Cached, DownloadError, ModelFacts, ModelSize, Progress, Running, bytes};
use crate::plan::{self, Defaults, MOST_VIEWS, Plan, ViewPlan};
use crate::rules;
use crate::rules::calibrations;
use crate::ui;
use crate::ui::preferences;
use crate::ui::preferences::Preferences;
use crate::ui::{Choice, Chosen, FoundCamera, Platform, READABLE, RuleBook, RunChoice, Wanted};

/// How long a camera may take for the still in the menu, once it is open.
const STILL: Duration = Duration::from_secs(3);

/// The command's arguments.
#[derive(Args, Clone, Debug)]
pub struct LiveArgs {
    /// camera, camera:N, camera:NAME, screen, screen:N, window:TITLE, demo, a picture, folder or
    /// video, or the address of a stream
    /// [default: camera if there is one and a model that knows more than the demo's world,
    /// otherwise demo]
    ///
    /// Give it several times to see several beside each other: one model captions all of them in
    /// turn.
    #[arg(long, value_name = "SOURCE", value_parser = source())]
    pub source: Vec<SourceSpec>,

    /// Read the sources, and what is asked of each, from this file in TOML
    #[arg(long, value_name = "FILE", conflicts_with_all = ["source", "region", "mask", "rotate"], value_parser = file())]
    pub config: Option<PathBuf>,

    #[command(flatten)]
    pub framing: FramingArgs,

    #[command(flatten)]
    pub tiling: TilingArgs,

    #[command(flatten)]
    pub opening: SourceArgs,

    #[command(flatten)]
    pub pace: PaceArgs,

    #[command(flatten)]
    pub caption_files: CaptionFileArgs,

    /// Watch the rules of this file, [[rule]] in TOML, and change them in the window [default: your
    /// own, see `sightline rules`]
    #[arg(long, value_name = "FILE", value_parser = file())]
    #[allow(rustdoc::broken_intra_doc_links, reason = "help is not Markdown: a table's name in TOML is not a link")]
    pub rules: Option<PathBuf>,

    #[command(flatten)]
    pub actions: ActionArgs,

    #[command(flatten)]
    pub record: RecordArgs,

    #[command(flatten)]
    pub model: ModelArgs,
}

/// Opens the window and stays until it is closed.
///
/// # Errors
/// When there is no display.
pub fn run(args: &LiveArgs) -> anyhow::Result<ExitCode> {
    let (preferences, trouble) =
        preferences::default_path().map_or_else(|| (Preferences::default(), None), |path| Preferences::load(&path));
    ui::run(options(args, preferences, trouble)?)?;
    Ok(ExitCode::SUCCESS)
}

/// What the window opens with by this command line and these choices; `trouble` is what is wrong
/// with how they were kept.
///
/// # Errors
/// When the command line, or a file that it names, can't be used.
pub fn options(args: &LiveArgs, preferences: Preferences, trouble: Option<Message>) -> anyhow::Result<ui::Options> {
    let settings = settings(args, &preferences);
    let source_options = args.opening.options()?;
    let defaults = Defaults {
        options: source_options.clone(),
        settings: settings.clone(),
        tiling: &|source| args.tiling.of(source),
    };
    let plan = args.config.as_ref().map(|path| plan::read(path, &defaults)).transpose()?;
    let engine = plan.as_ref().and_then(|plan| plan.engine.as_ref());
    let named = args.model.clone().or_planned(engine);
    let model = if engine.is_some() { named.model.clone() } else { chosen_model(&named, &preferences) };
    let log = args.record.log_options_or(plan.as_ref().and_then(|plan| plan.log.as_ref()));
    let is_from_file = plan.is_some();
    let Plan { views, actions: planned, .. } = plan.unwrap_or_else(|| {
        let views = views(&sources(args, &preferences, &model), &args.framing, &defaults);
        Plan { views, ..Plan::default() }
    });
    let wake: Arc<Mutex<Option<Waker>>> = Arc::default();
    let woken = Arc::clone(&wake);
    let ending = interrupt::flag_and(move || {
        if let Some(wake) = &*woken.lock().unwrap_or_else(PoisonError::into_inner) {
            wake();
        }
    })?;
    // One alone is called as its source calls itself, unless a file gives it a name.
    let has_names = is_from_file || views.len() > 1;
    let names: Vec<_> = views.iter().filter(|_| has_names).map(|view| view.name.clone()).collect();
    let (rules, actions, rules_trouble) = rules(args, &views, planned, &names)?;
    Ok(ui::Options {
        caption_files: args.caption_files.start(&names)?,
        views,
        is_from_file,
        source_options,
        model: Some(model),
        settings,
        log,
        rules,
        actions,
        clock: ZonedDateTime::now,
        now: Instant::now,
        preferences,
        trouble: trouble.or(rules_trouble),
        platform: Arc::new(Desktop {
            served: named.remote.as_ref().map(remote::served).unwrap_or_default(),
            model: named,
            tiling: args.tiling,
            ending,
            wake,
        }),
        meter: None,
    })
}

/// The sources that were named, those of the last time, or the one that fits this machine.
fn sources(args: &LiveArgs, preferences: &Preferences, model: &ModelSpec) -> Vec<SourceSpec> {
    if !args.source.is_empty() {
        return args.source.clone();
    }
    let kept = preferences.source.iter().chain(&preferences.beside);
    let remembered: Vec<_> = kept.filter_map(|source| source.parse().ok()).take(MOST_VIEWS).collect();
    if remembered.is_empty() { vec![preferred_source(model)] } else { remembered }
}

/// What the pipeline starts with: what the command line says, then what was remembered.
fn settings(args: &LiveArgs, preferences: &Preferences) -> Settings {
    let remembered = preferences.instruction.clone().filter(|_| !args.model.is_named.prompt);
    let most_tokens = preferences.most_tokens.filter(|_| !args.model.is_named.max_tokens);
    let pace = match (args.pace.most_per_minute, preferences.most_per_minute) {
        (None, Some(most @ 1..)) => Duration::from_mins(1) / most,
        _ => args.pace.least_interval(),
    };
    Settings {
        instruction: remembered.unwrap_or_else(|| args.model.prompt.clone()),
        max_tokens: most_tokens.unwrap_or(args.model.max_tokens.get()),
        least_interval: pace.max(READABLE),
        steady: args.pace.steady(preferences.steady.unwrap_or(STEADY_UNLESS_TOLD)),
        keep_views: args.record.keep_views.is_some(),
        ..Settings::default()
    }
}

/// What is watched for in all views, and what that and the rules of each view set off. A file that
/// was named has to be right; what is wrong with the user's own is told in the window, which opens
/// without. `names` are those of the views, where they are known before they are opened.
fn rules(
    args: &LiveArgs,
    views: &[ViewPlan],
    planned: Vec<ActionSpec>,
    names: &[String],
) -> Result<(RuleBook, Option<Actions>, Option<Message>), Message> {
    let mut book = RuleBook {
        file: args.rules.clone().or_else(rules::file::default_path),
        calibration_file: calibrations::default_path(),
        ..RuleBook::default()
    };
    let (mut trouble, beside) = match args.rules.as_deref().map_or_else(Book::own, Book::read) {
        Ok(Book { rules, actions }) => {
            book.rules = rules;
            (None, actions)
        }
        Err(message) if args.rules.is_none() => (Some(message), Vec::new()),
        Err(message) => return Err(message),
    };
    for view in views {
        rules::file::check(book.rules.iter().chain(&view.rules).filter(|rule| rule.on).map(AsRef::as_ref))
            .map_err(|what| Message::new(format!("The rules can't be watched: {what}.")).hint("Leave some out."))?;
    }
    let all: Vec<_> = book.rules.iter().chain(views.iter().flat_map(|view| &view.rules)).cloned().collect();
    let announced = Announced::of(names, |place| {
        book.rules.iter().chain(&views[place].rules).filter(|rule| rule.on).map(|rule| rule.name())
    });
    let beside = planned.into_iter().chain(beside).collect();
    match known_calibrations(&all) {
        Ok(known) => book.calibrations = known,
        Err(message) => trouble = trouble.or(Some(message)),
    }
    let actions = match args.actions.start(beside, &all, &announced) {
        Ok(actions) => actions,
        Err(message) if args.rules.is_none() && args.actions.actions.is_none() => {
            trouble = trouble.or(Some(message));
            None
        }
        Err(message) => return Err(message),
    };
    Ok((book, actions, trouble))
}

/// The model that was named, or the one of the last time if it is here.
fn chosen_model(args: &ModelArgs, preferences: &Preferences) -> ModelSpec {
    let remembered = || preferences.model.as_ref()?.parse().ok().filter(models::is_here);
    let is_free = !args.is_named.model && args.remote.is_none();
    is_free.then(remembered).flatten().unwrap_or_else(|| args.model.clone())
}

/// The source of those who name none: the first camera, unless there is none or the model knows the
/// demo's world only.
fn preferred_source(model: &ModelSpec) -> SourceSpec {
    let has_camera = || camera::names().is_ok_and(|names| !names.is_empty());
    if *model != ModelSpec::Demo && has_camera() { SourceSpec::Camera(CameraChoice::First) } else { SourceSpec::Demo }
}

/// What opens a model beside a window, which is drawn first.
fn open_behind(args: &ModelArgs) -> OpenEngine {
    let (model, options) = (args.model.clone(), EngineOptions { gives_way: true, ..args.engine_options() });
    Box::new(move || engine::open(&model, &options))
}

/// This machine: its cameras, its models and its dialogs.
struct Desktop {
    model: ModelArgs,
    /// The models of the server that was named.
    served: Vec<Choice<ModelSpec>>,
    /// How pictures of sources are cut that are chosen in the window.
    tiling: TilingArgs,
    /// Raised by a signal, which then wakes the window.
    ending: Cancel,
    wake: Arc<Mutex<Option<Waker>>>,
}

impl Platform for Desktop {
    fn source(&self, spec: &SourceSpec, options: &SourceOptions) -> OpenSource {
        open_source(spec.clone(), options.clone())
    }

    fn engine(&self, model: &ModelSpec) -> OpenEngine {
        open_behind(&ModelArgs { model: model.clone(), ..self.model.clone() })
    }

    fn engine_as(&self, model: &ModelSpec, run: RunChoice) -> OpenEngine {
        let RunChoice { device, precision, threads } = self.runs_as(run);
        let threads = threads.and_then(NonZeroUsize::new);
        open_behind(&ModelArgs { model: model.clone(), device, precision, threads, ..self.model.clone() })
    }

    fn runs_as(&self, wanted: RunChoice) -> RunChoice {
        let line = &self.model;
        RunChoice {
            device: if line.is_named.device { line.device } else { wanted.device },
            precision: if line.is_named.precision { line.precision } else { wanted.precision },
            threads: if line.is_named.threads { line.threads.map(NonZeroUsize::get) } else { wanted.threads },
        }
    }

    fn devices(&self) -> Vec<DeviceChoice> {
        place::devices()
    }

    fn is_absent(&self, model: &ModelSpec) -> bool {
        !models::is_here(model)
    }

    fn fetch(
        &self,
        model: &ModelSpec,
        cancel: &Cancel,
        on_progress: &mut dyn FnMut(&Progress),
    ) -> Result<(), DownloadError> {
        models::fetch(model, cancel, on_progress)
    }

    fn models(&self) -> Vec<Choice<ModelSpec>> {
        let demo =
            Choice { value: ModelSpec::Demo, label: "Demo model".to_owned(), detail: "coloured shapes".to_owned() };
        let named = ModelSpec::named().iter().map(|named| {
            let published = named.hub_id.rsplit('/').next().unwrap_or(named.hub_id);
            let spec = ModelSpec::Named(*named);
            let download = ModelSize::of(&spec, None).filter(|_| !models::is_here(&spec)).map(|facts| facts.download());
            Choice {
                value: spec,
                label: published.trim_end_matches("-Instruct").to_owned(),
                detail: download.map_or_else(|| named.name.to_owned(), |size| format!("{} download", bytes(size))),
            }
        });
        self.served.iter().cloned().chain([demo]).chain(named).collect()
    }

    fn embedder(&self) -> OpenEmbedder {
        local_embedder(NonZeroUsize::new(1))
    }

    fn model_facts(&self) -> Vec<ModelFacts> {
        let auto = place::auto();
        let running =
            Running { precision: auto.precision, on_gpu: auto.device != "cpu", available: auto.memory.available };
        let facts = |(model, cached): (ModelSpec, Option<Cached>)| ModelFacts::of(model, cached.as_ref(), running);
        listed().into_iter().map(facts).collect()
    }

    fn remove(&self, model: &ModelSpec) -> Result<u64, Message> {
        let (Some(cache), Some(id)) = (vlm::hub_cache(), model.hub_id()) else {
            return Err(Message::new(format!("{model} was not downloaded.")).hint("Remove its folder by hand."));
        };
        models::remove(&cache, id).map_err(|error| error.message())
    }

    fn cameras(&self) -> Result<Vec<FoundCamera>, Message> {
        let cameras = camera::list().map_err(|error| error.message)?;
        let found = |camera: camera::Camera| {
            let value = SourceSpec::Camera(CameraChoice::Number(camera.number));
            let choice = Choice { detail: value.to_string(), value, label: camera.name };
            // The same size and rate may be there in several layouts of pixels.
            let mut formats: Vec<WantedFormat> = Vec::new();
            for wanted in camera.formats.into_iter().map(WantedFormat::of) {
                if !formats.contains(&wanted) {
                    formats.push(wanted);
                }
            }
            FoundCamera { choice, formats }
        };
        Ok(cameras.into_iter().map(found).collect())
    }

    fn still(&self, spec: &SourceSpec) -> Result<RgbImage, Message> {
        let mut source = capture::open(spec, &SourceOptions::default()).map_err(|error| error.message)?;
        let deadline = Instant::now() + STILL;
        while Instant::now() < deadline {
            match source.next().map_err(|error| error.message)? {
                Next::Picture(picture) => return Ok(picture),
                Next::Nothing => {}
                Next::Ended => break,
            }
        }
        Err(Message::new("No picture came."))
    }

    fn tiling(&self, spec: &SourceSpec) -> Tiling {
        self.tiling.of(spec)
    }

    fn remember(&self, preferences: &Preferences) -> Result<(), Message> {
        let no_folder =
            || Message::new("Your choice holds until the window closes: the system knows no folder to remember it in.");
        preferences.save(&preferences::default_path().ok_or_else(no_folder)?)
    }

    fn keep_reference(&self, picture: &RgbImage) -> Result<PathBuf, Message> {
        let no_folder = || Message::new("The system knows no folder to remember reference pictures in.");
        let folder = preferences::default_path().ok_or_else(no_folder)?.with_file_name("references");
        let file = folder.join(format!("{:08x}.png", crc32fast::hash(picture.as_raw())));
        let kept = files::private_folder(&folder)
            .map_err(|error| error.to_string())
            .and_then(|()| if file.exists() { Ok(()) } else { picture.save(&file).map_err(|error| error.to_string()) });
        let what = |error| {
            format!("The reference picture can't be remembered: {} was not written ({error}).", text::path(&file))
        };
        kept.map_err(|error| Message::new(what(error)).hint("Check the disk and the permissions of its folder."))?;
        Ok(file)
    }

    fn settings_file(&self) -> Option<PathBuf> {
        preferences::default_path()
    }

    fn can_stay_on_top(&self) -> bool {
        std::env::var_os("WAYLAND_DISPLAY").is_none()
    }

    fn voice(&self) -> Option<OpenVoice> {
        speech::of_system()
    }

    fn wake_at_end(&self, wake: Waker) {
        *self.wake.lock().unwrap_or_else(PoisonError::into_inner) = Some(wake);
    }

    fn is_ending(&self) -> bool {
        self.ending.is_cancelled()
    }

    fn choose(&self, wanted: Wanted) -> Chosen {
        dialog::choose(wanted)
    }

    fn proposed(&self, wanted: Wanted) -> Option<PathBuf> {
        dialog::proposed(wanted)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::engine::options::Precision;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        live: LiveArgs,
    }

    fn desktop() -> Desktop {
        let line = Line::parse_from(["sightline", "--loop"]);
        assert!(line.live.opening.repeat && line.live.source.is_empty());
        Desktop {
            model: line.live.model,
            served: Vec::new(),
            tiling: TilingArgs::default(),
            ending: Cancel::default(),
            wake: Arc::default(),
        }
    }

    #[test]
    fn every_model_of_the_menu_can_be_chosen() {
        let desktop = desktop();
        let models = desktop.models();
        assert_eq!(models.len(), 7);
        assert_eq!(models[0].value, ModelSpec::Demo);
        assert_eq!((models[1].value.to_string().as_str(), models[1].label.as_str()), ("256m", "SmolVLM-256M"));
        for model in models {
            // As it is written it is read again.
            assert_eq!(model.value.to_string().parse(), Ok(model.value));
        }
        assert!(desktop.engine(&ModelSpec::Demo)().is_ok());
    }

    #[test]
    fn the_command_line_goes_before_what_was_chosen_in_the_window() {
        let wanted = RunChoice { device: DeviceChoice::Cpu, precision: Precision::F32, threads: Some(3) };
        assert_eq!(desktop().runs_as(wanted), wanted);
        let line = Line::parse_from(["sightline", "--precision", "int8", "--threads", "2"]);
        let named = Desktop { model: line.live.model, ..desktop() };
        let want = RunChoice { device: DeviceChoice::Cpu, precision: Precision::Int8, threads: Some(2) };
        assert_eq!(named.runs_as(wanted), want);
        assert!(named.engine_as(&ModelSpec::Demo, wanted)().is_ok());
    }
}

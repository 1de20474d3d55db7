//! The window: drains events, shows the newest frame, draws the widgets and carries out what they
//! say.
//!
//! It runs when egui has input or the pipeline has news, and never waits: what blocks is a
//! background job. While the window is hidden, frames wake nobody, and events twice a second.

mod carry_out;
mod dialogs;
mod draw;
mod keys;
mod models;
mod modes;
mod playing;
mod remember;
mod rules;
mod save;
mod tell;
mod views;
mod voice;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use egui::{Context, Event, RawInput, Ui, ViewportCommand};

use crate::actions::speech::Speaker;
use crate::actions::{Actions, CaptionFileNews, CaptionFiles};
use crate::base::message::Message;
use crate::capture::ffmpeg::clip::Clip;
use crate::live::{Framing, Pipeline, Settings, ViewHandle, Waker};
use crate::log::{Keep, LogOptions, Recording, RecordingNews};
use crate::models::spec::ModelSpec;
use crate::ui::clip::ClipRing;
use crate::ui::download::Download;
use crate::ui::fonts::SystemFonts;
use crate::ui::frame_times::FrameTimes;
use crate::ui::instruction::{InstructionDialog, Told};
use crate::ui::jobs::{BackgroundJobs, Outcome};
use crate::ui::keep::KeptPicture;
use crate::ui::log::LogPanel;
use crate::ui::measuring::Measuring;
use crate::ui::meter::Meter;
use crate::ui::models::ModelsDialog;
use crate::ui::options::{Options, Ticks, UiError};
use crate::ui::path_box::PathBox;
use crate::ui::platform::{Choice, Chosen, Platform};
use crate::ui::player::Player;
use crate::ui::preferences::Preferences;
use crate::ui::question::Questions;
use crate::ui::region::RegionDrawing;
use crate::ui::rules::RulesPanel;
use crate::ui::run_choice::RunChoice;
use crate::ui::source_menu::Cameras;
use crate::ui::state::{State, Topic};
use crate::ui::stills::Stills;
use crate::ui::video::Video;
use crate::ui::views::{Views, planned, recorded, settings_of};
use crate::ui::{focus, held_keys, theme};

/// How long the end of the window waits for the user's choices to be on the disk.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often a hidden window takes in what happened.
const HIDDEN: Duration = Duration::from_millis(500);

/// The window's contents.
pub struct App {
    pub(super) pipeline: Pipeline,
    /// All views. Of the one in hand, what it has to show is here: `state`, `video`, `told`,
    /// `framing`, `stale_frames` and `player`.
    views: Views,
    /// What a view is started with that is added.
    settings: Settings,
    platform: Arc<dyn Platform>,
    jobs: BackgroundJobs,
    pub(super) state: State,
    pub(super) video: Video,
    questions: Questions,
    pub(super) log: LogPanel,
    recording: Recording,
    caption_files: Option<CaptionFiles>,
    pub(super) rules: RulesPanel,
    actions: Option<Actions>,
    preferences: Preferences,
    /// What was kept last.
    kept: Preferences,
    /// How the model in use was to be run when it was loaded.
    loaded_as: RunChoice,
    /// What the command line says of how much of the log stays.
    line_keep: Keep,
    cameras: Cameras,
    pub(super) stills: Stills,
    models: Vec<Choice<ModelSpec>>,
    download: Option<Download>,
    downloads: u64,
    source_menu_open: bool,
    path_box: Option<PathBox>,
    models_dialog: Option<ModelsDialog>,
    measuring: Option<Measuring>,
    instruction_dialog: Option<InstructionDialog>,
    dialog: Option<Dialog>,
    mode: Mode,
    /// What the model is told.
    told: Told,
    /// The picture that is to be saved once it has a name.
    to_save: Option<KeptPicture>,
    /// The last half minute, and the one that is to be saved once it has a name.
    clip: ClipRing,
    clip_to_save: Option<Clip>,
    /// What is done to its pictures before anything looks at them.
    framing: Framing,
    /// The part of the picture that alone is looked at is being drawn.
    drawing: Option<RegionDrawing>,
    /// The camera is wanted once the model is here.
    wants_camera: bool,
    /// What is in the picture's place where panels have no room beside it.
    tab: Tab,
    frame_times: FrameTimes,
    /// Frames up to this one came before the source was chosen.
    stale_frames: u64,
    /// Where its film or folder is.
    player: Player,
    /// Nobody sees the window.
    is_hidden: Arc<AtomicBool>,
    wake: Waker,
    now: Ticks,
    /// The voice, once it was wanted, and what it was told to say last.
    speaker: Option<Speaker>,
    said: String,
    /// Keys that wait for the next frame.
    held_keys: Vec<Event>,
    meter: Option<Arc<Meter>>,
}

/// A dialog that is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dialog {
    Settings,
    Keys,
    About,
}

/// How the window is seen.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Mode {
    /// With everything.
    #[default]
    Whole,
    /// The captions alone.
    CaptionsOnly,
    /// A small one above all others; it was so large before.
    OnTop(Option<[f32; 2]>),
}

/// What is in the picture's place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Tab {
    #[default]
    Live,
    Log,
    Questions,
    Rules,
}

impl App {
    /// Starts the pipeline and opens what `options` name.
    ///
    /// # Errors
    /// When the system starts no more threads.
    pub fn new(ctx: &Context, options: Options) -> Result<Self, UiError> {
        theme::install(ctx);
        ctx.add_font_provider(Arc::new(SystemFonts::new()));
        let is_hidden = Arc::new(AtomicBool::new(false));
        let wake: Waker = {
            let (ctx, is_hidden, meter) = (ctx.clone(), Arc::clone(&is_hidden), options.meter.clone());
            Arc::new(move || {
                if let Some(meter) = &meter {
                    meter.news(Instant::now());
                }
                if is_hidden.load(Ordering::Relaxed) {
                    ctx.request_repaint_after(HIDDEN);
                } else {
                    ctx.request_repaint();
                }
            })
        };
        let views = Views::of(&options.views, options.is_from_file, options.source_options);
        let settings = settings_of(&options.views, &options.settings);
        let recorded = recorded(&options.views, &settings);
        let line_keep = options.log.keep;
        let log_options = LogOptions { keep: options.preferences.log_limits.behind(line_keep), ..options.log };
        let recording =
            Recording::new(log_options, recorded, Arc::clone(&wake)).with_embedder(options.platform.embedder());
        let path = recording.path().map(Path::to_owned);
        let log = LogPanel::new(path.clone(), options.platform.embedder(), options.clock, Arc::clone(&wake));
        let planned = planned(&options.views);
        let rules = RulesPanel::new(options.rules, planned, path, Arc::clone(&wake));
        let pipeline = Pipeline::start(settings, Arc::clone(&wake)).map_err(|error| UiError::no_thread(&error))?;
        options.platform.wake_at_end(Arc::clone(&wake));
        let mut app = Self {
            pipeline,
            views,
            settings: options.settings,
            jobs: BackgroundJobs::new(Arc::clone(&options.platform), Arc::clone(&wake)),
            models: options.platform.models(),
            platform: options.platform,
            state: State::default(),
            video: Video::default(),
            questions: Questions::default(),
            log,
            recording,
            caption_files: options.caption_files,
            rules,
            actions: options.actions,
            kept: options.preferences.clone(),
            loaded_as: options.preferences.run,
            line_keep,
            preferences: options.preferences,
            cameras: Cameras::default(),
            stills: Stills::default(),
            download: None,
            downloads: 0,
            source_menu_open: false,
            path_box: None,
            models_dialog: None,
            measuring: None,
            instruction_dialog: None,
            dialog: None,
            mode: Mode::default(),
            told: Told::default(),
            to_save: None,
            clip: ClipRing::default(),
            clip_to_save: None,
            framing: Framing::default(),
            drawing: None,
            wants_camera: false,
            tab: Tab::default(),
            frame_times: FrameTimes::default(),
            stale_frames: 0,
            player: Player::default(),
            is_hidden,
            wake,
            now: options.now,
            speaker: None,
            said: String::new(),
            held_keys: Vec::new(),
            meter: options.meter,
        };
        ctx.set_zoom_factor(app.preferences.window.zoom);
        theme::choose(ctx, app.preferences.theme);
        app.begin_views(&options.views);
        if let Some(message) = options.trouble {
            app.state.notices.post(Topic::Preferences, message, None);
        }
        if app.recording.is_wanted_at_once() || app.preferences.always_record {
            app.set_recording(true);
        }
        if app.preferences.panels.log {
            app.log.set_open(true);
        }
        if app.preferences.panels.rules {
            app.rules.set_open(true);
        }
        if let Some(model) = options.model {
            app.choose_model(model);
        }
        Ok(app)
    }

    /// The view in hand.
    fn view(&self) -> &ViewHandle {
        self.pipeline.view(self.views.in_hand().number)
    }

    /// Takes in what happened since the last time.
    fn catch_up(&mut self, ctx: &Context, now: Instant) {
        while let Some(report) = self.pipeline.try_event() {
            // Of a view that was removed, late news are of no interest.
            if report.view.is_none_or(|view| self.views.numbers().any(|number| number == view)) {
                if let Some(files) = &mut self.caption_files {
                    files.observe(&report);
                }
                self.watch_rules(&report, now);
            }
            self.recording.observe(&report);
            self.take_report(report, now);
        }
        match self.caption_files.as_ref().and_then(CaptionFiles::news) {
            Some(CaptionFileNews::Trouble(message)) => self.state.notices.post(Topic::CaptionFiles, message, None),
            Some(CaptionFileNews::Well) => self.state.notices.clear(Topic::CaptionFiles),
            None => {}
        }
        match self.recording.news() {
            Some(RecordingNews::Trouble(message) | RecordingNews::Renewed(message)) => {
                self.state.notices.post(Topic::Log, message, None);
            }
            Some(RecordingNews::Well(_)) => self.state.notices.clear(Topic::Log),
            None => {}
        }
        self.catch_up_measuring();
        self.catch_up_voice();
        self.log.catch_up(ctx);
        self.catch_up_rules(ctx);
        while let Some(outcome) = self.jobs.outcome() {
            self.take(outcome);
        }
        if let Some(download) = &mut self.download {
            download.catch_up(now);
        }
        self.show_newest();
    }

    /// Takes in what came of a job.
    fn take(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Cameras(Ok(found)) => self.found_cameras(found),
            Outcome::Still(source, still) => self.stills.take(&source, still),
            Outcome::Cameras(Err(message)) => self.cameras = Cameras::Failed(message),
            Outcome::Chosen(wanted, Chosen::Path(path)) => self.choose_path(wanted, path),
            Outcome::Chosen(_, Chosen::Nothing) | Outcome::StillsTaken => {}
            Outcome::Chosen(wanted, Chosen::NoDialog) => {
                self.path_box = Some(PathBox::instead_of_dialog(wanted, self.proposed(wanted)));
            }
            Outcome::Beside(view, path, neighbours) => self.found_beside(view, &path, neighbours),
            Outcome::Fetched(number, result) => self.fetched(number, result),
            Outcome::ModelsListed(facts) => {
                if let Some(dialog) = &mut self.models_dialog {
                    dialog.list(facts);
                }
            }
            Outcome::ModelRemoved(model, freed) => self.removed(&model, freed),
            Outcome::ReferenceRead(file, picture) => self.reference_read(file, picture),
            Outcome::ReferencesLoaded(loaded) => self.recalled(loaded),
            Outcome::ReferencesKept(kept) => self.references_kept(kept),
            Outcome::Saved(saved) => self.saved(saved),
            Outcome::RulesKept(kept) => self.rules_kept(kept),
            Outcome::Remembered(Ok(())) => self.state.notices.clear(Topic::Preferences),
            Outcome::Remembered(Err(message)) => self.state.notices.post(Topic::Preferences, message, None),
            Outcome::NotStarted => {
                self.download = None;
                let message = Message::new("The system has no room for another thread.");
                self.state.notices.post(Topic::Picker, message.hint("Close something and try again."), None);
            }
        }
    }
}

impl eframe::App for App {
    fn raw_input_hook(&mut self, ctx: &Context, input: &mut RawInput) {
        if held_keys::one_escape_a_frame(&mut input.events, &mut self.held_keys) {
            ctx.request_repaint();
        }
    }

    fn logic(&mut self, ctx: &Context, frame: &mut eframe::Frame) {
        let now = (self.now)();
        let last = frame.info().cpu_usage.map(|seconds| Duration::from_secs_f32(seconds.max(0.0)));
        if let Some(took) = last {
            self.frame_times.record(now, took);
        }
        if let Some(meter) = &self.meter
            && meter.begin(Instant::now(), last)
        {
            ctx.send_viewport_cmd(ViewportCommand::Close);
        }
        let is_hidden = ctx.input(|input| input.viewport().visible() == Some(false));
        self.is_hidden.store(is_hidden, Ordering::Relaxed);
        self.catch_up(ctx, now);
        if self.platform.is_ending() {
            // As if its user had closed it: a recording ends its session.
            ctx.send_viewport_cmd(ViewportCommand::Close);
        }
    }

    fn ui(&mut self, ui: &mut Ui, _: &mut eframe::Frame) {
        let now = (self.now)();
        self.draw(ui, now);
        focus::show(ui.ctx());
        self.note_window(ui.ctx());
        if let Some(wait) = self.next_change(now) {
            ui.ctx().request_repaint_after(wait);
        }
    }

    fn clear_color(&self, visuals: &egui::Visuals) -> [f32; 4] {
        // What a window shows while it grows, before it was drawn anew.
        visuals.panel_fill.to_normalized_gamma_f32()
    }

    fn on_exit(&mut self, _: Option<&eframe::glow::Context>) {
        self.finish_rules();
        self.remember();
        self.jobs.finish_remembering(PATIENCE);
        let (longest, frames) = self.frame_times.ever();
        tracing::info!(frames, longest_ms = longest.as_secs_f64() * 1e3, "the window closes");
    }
}

//! The window: drains events, shows the newest frame, draws the widgets and carries out what they
//! say.
//!
//! It runs when egui has input or the pipeline has news, and never waits: what blocks is an
//! background job.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use egui::accesskit::Role;
use egui::{
    Align2, CentralPanel, Color32, Context, FontId, Frame, Key, Layout, Margin, Panel, Popup, Rect, Sense, Ui,
    ViewportCommand, WidgetInfo, pos2, vec2,
};

use crate::base::message::Message;
use crate::capture::SourceSpec;
use crate::live::{Event, Pipeline, Report, ViewHandle, Waker};
use crate::log::{Recording, RecordingNews};
use crate::models::DownloadError;
use crate::models::spec::ModelSpec;
use crate::ui::download::Download;
use crate::ui::frame_times::FrameTimes;
use crate::ui::icon;
use crate::ui::icon::{Icon, Look};
use crate::ui::jobs::{BackgroundJobs, Outcome};
use crate::ui::log::{LogAction, LogPanel};
use crate::ui::notice;
use crate::ui::notice::NoticeAction;
use crate::ui::options::{Options, UiError};
use crate::ui::pickers;
use crate::ui::pickers::{Cameras, PickAction};
use crate::ui::platform::{Choice, Platform, Wanted};
use crate::ui::preferences::Preferences;
use crate::ui::question::{QuestionAction, Questions};
use crate::ui::state::{ModelPhase, SourcePhase, State, Topic};
use crate::ui::video::Video;
use crate::ui::{status, subtitle, theme};

/// The height of the bar at the top, in points.
const BAR: f32 = 13.0 * theme::GRID;
/// The height of the status line, in points.
const STATUS: f32 = 7.0 * theme::GRID;
/// How long the end of the window waits for the user's choices to be on the disk.
const PATIENCE: Duration = Duration::from_secs(1);

/// The window's contents.
pub struct App {
    pub(super) pipeline: Pipeline,
    platform: Arc<dyn Platform>,
    jobs: BackgroundJobs,
    state: State,
    pub(super) video: Video,
    questions: Questions,
    pub(super) log: LogPanel,
    recording: Recording,
    preferences: Preferences,
    cameras: Cameras,
    models: Vec<Choice<ModelSpec>>,
    download: Option<Download>,
    downloads: u64,
    source_menu_open: bool,
    frame_times: FrameTimes,
    /// Frames up to this one came before the source was chosen.
    stale_frames: u64,
}

impl App {
    /// Starts the pipeline and opens what `options` name.
    ///
    /// # Errors
    /// When the system starts no more threads.
    pub fn new(ctx: &Context, options: Options) -> Result<Self, UiError> {
        theme::install(ctx);
        let wake: Waker = {
            let ctx = ctx.clone();
            Arc::new(move || ctx.request_repaint())
        };
        let recording = Recording::new(options.log, options.settings.instruction.clone(), Arc::clone(&wake));
        let log = LogPanel::new(recording.path().map(Path::to_owned), options.clock, Arc::clone(&wake));
        let pipeline =
            Pipeline::start(vec![options.settings], Arc::clone(&wake)).map_err(|error| UiError::no_thread(&error))?;
        options.platform.wake_at_end(Arc::clone(&wake));
        let mut app = Self {
            pipeline,
            jobs: BackgroundJobs::new(Arc::clone(&options.platform), wake),
            models: options.platform.models(),
            platform: options.platform,
            state: State::default(),
            video: Video::default(),
            questions: Questions::default(),
            log,
            recording,
            preferences: Preferences::default(),
            cameras: Cameras::default(),
            download: None,
            downloads: 0,
            source_menu_open: false,
            frame_times: FrameTimes::default(),
            stale_frames: 0,
        };
        match app.platform.preferences() {
            Ok(preferences) => app.preferences = preferences,
            Err(message) => app.state.notices.post(Topic::Preferences, message, None),
        }
        if app.recording.is_wanted_at_once() || app.preferences.always_record {
            app.set_recording(true);
        }
        if let Some(source) = options.source {
            app.choose_source(source);
        }
        if let Some(model) = options.model {
            app.choose_model(model);
        }
        Ok(app)
    }

    /// The view on show.
    fn view(&self) -> &ViewHandle {
        self.pipeline.view(0)
    }

    fn choose_source(&mut self, spec: SourceSpec) {
        self.stale_frames = self.view().latest_frame().map_or(self.stale_frames, |frame| frame.id);
        self.video.clear();
        self.set_paused(false);
        self.view().set_source(self.platform.source(&spec));
        self.state.choose_source(spec);
    }

    /// Opens a model, or has it downloaded first; until then the one in hand goes on.
    fn choose_model(&mut self, model: ModelSpec) {
        self.download = None;
        if !self.platform.is_absent(&model) {
            return self.open_model(model);
        }
        self.state.notices.clear(Topic::Model);
        self.downloads += 1;
        let download = Download::new(self.downloads, model.clone());
        self.jobs.fetch(self.downloads, model, download.link());
        self.download = Some(download);
    }

    /// A download ended. What came of one that was given up is of no interest.
    fn fetched(&mut self, number: u64, result: Result<(), DownloadError>) {
        self.models = self.platform.models();
        let Some(download) = self.download.take_if(|download| download.number == number) else { return };
        match result {
            Ok(()) => self.open_model(download.model.clone()),
            Err(DownloadError::Cancelled) => {}
            Err(fault) => self.state.notices.post(Topic::Model, fault.message(), None),
        }
    }

    fn open_model(&mut self, model: ModelSpec) {
        self.pipeline.set_engine(model.clone(), self.platform.engine(&model));
        self.state.choose_model(model, Instant::now());
    }

    fn choose_path(&mut self, wanted: Wanted, path: PathBuf) {
        self.state.notices.clear(Topic::Picker);
        match wanted {
            Wanted::PictureOrVideo | Wanted::PictureFolder => self.choose_source(SourceSpec::Path(path)),
            Wanted::ModelFolder => self.choose_model(ModelSpec::Folder(path)),
            Wanted::Export(_) => self.log.export_to(path),
        }
    }

    fn set_paused(&mut self, paused: bool) {
        self.state.paused = paused;
        self.view().set_paused(paused);
    }

    fn set_recording(&mut self, record: bool) {
        self.state.notices.clear(Topic::Log);
        if !record {
            self.recording.stop();
        } else if let Err(error) = self.recording.start() {
            self.state.notices.post(Topic::Log, error.message(), None);
        }
    }

    /// Records from now on, whenever the window opens, or no longer. A recording that runs goes on.
    fn set_always_recording(&mut self, always: bool) {
        self.preferences.always_record = always;
        self.jobs.remember(self.preferences.clone());
        if always && self.recording.status().is_none() {
            self.set_recording(true);
        }
    }

    fn ask(&mut self, question: String) {
        let Some(frame) = self.video.frame() else {
            self.questions.restore(question);
            return;
        };
        match self.view().ask(&question, Arc::clone(frame)) {
            Ok(question) => self.state.apply(Event::Asked(question), Instant::now()),
            Err(busy) => {
                self.state.notices.post(Topic::Question, busy.into(), None);
                self.questions.restore(question);
            }
        }
    }

    /// Takes in what happened since the last time.
    fn catch_up(&mut self, ctx: &Context, now: Instant) {
        while let Some(Report { event, .. }) = self.pipeline.try_event() {
            self.recording.observe(&event);
            self.state.apply(event, now);
        }
        match self.recording.news() {
            Some(RecordingNews::Trouble(message) | RecordingNews::Renewed(message)) => {
                self.state.notices.post(Topic::Log, message, None);
            }
            Some(RecordingNews::Well(_)) => self.state.notices.clear(Topic::Log),
            None => {}
        }
        self.log.catch_up(ctx);
        while let Some(outcome) = self.jobs.outcome() {
            match outcome {
                Outcome::Cameras(Ok(found)) => self.cameras = Cameras::Found(found),
                Outcome::Cameras(Err(message)) => self.cameras = Cameras::Failed(message),
                Outcome::Chosen(wanted, Some(path)) => self.choose_path(wanted, path),
                Outcome::Chosen(_, None) => {}
                Outcome::Fetched(number, result) => self.fetched(number, result),
                Outcome::Remembered(Ok(())) => self.state.notices.clear(Topic::Preferences),
                Outcome::Remembered(Err(message)) => self.state.notices.post(Topic::Preferences, message, None),
                Outcome::NotStarted => {
                    self.download = None;
                    let message = Message::new("The system has no room for another thread.");
                    self.state.notices.post(Topic::Picker, message.hint("Close something and try again."), None);
                }
            }
        }
        if let Some(download) = &mut self.download {
            download.catch_up(now);
        }
        if self.state.paused && self.video.frame().is_some() {
            return;
        }
        let newest = self.view().latest_frame().filter(|frame| frame.id > self.stale_frames);
        if let Some(frame) = newest.filter(|frame| self.video.frame().is_none_or(|shown| shown.id != frame.id)) {
            self.state.show_frame(&frame);
            self.video.set(frame);
        }
    }

    fn take_keys(&mut self, ui: &Ui) {
        self.log.take_keys(ui);
        let typed = |key: Key| ui.input(|input| input.key_pressed(key) && input.modifiers.is_none());
        if !ui.ctx().text_edit_focused() && !Popup::is_any_open(ui.ctx()) && !self.log.has_dialog() {
            if typed(Key::R) {
                self.set_recording(self.recording.status().is_none());
            }
            if typed(Key::L) {
                self.log.set_open(!self.log.is_open());
            }
        }
        let free = !ui.ctx().egui_wants_keyboard_input() && !Popup::is_any_open(ui.ctx());
        if free && ui.input(|input| input.key_pressed(Key::Space)) {
            self.set_paused(!self.state.paused);
        }
        if self.state.exchanges.is_open() && ui.input(|input| input.key_pressed(Key::Escape)) {
            self.pipeline.cancel_answer();
        }
        let dropped = ui.input(|input| input.raw.dropped_files.first().map(|file| file.path().to_owned()));
        if let Some(path) = dropped {
            self.choose_path(Wanted::PictureOrVideo, path);
        }
    }

    fn bar(&mut self, ui: &mut Ui) {
        let frame = Frame::new().fill(ui.visuals().panel_fill).inner_margin(Margin::symmetric(12, 0));
        let mut action = None;
        Panel::top("bar").frame(frame).exact_size(BAR).show(ui, |ui| {
            ui.horizontal_centered(|ui| {
                let menu_open = &mut self.source_menu_open;
                action = pickers::source(ui, &self.state.source, &self.cameras, menu_open);
                action = pickers::model(ui, &self.state.model, &self.models).or(action.take());
                ui.with_layout(Layout::right_to_left(egui::Align::Center), |ui| {
                    let (sign, label, hint) = if self.state.paused {
                        (Icon::Play, "Resume", "Go on (Space)")
                    } else {
                        (Icon::Pause, "Pause", "Stop the picture (Space)")
                    };
                    if icon::button(ui, sign, Look::Filled, true, label, hint).clicked() {
                        self.set_paused(!self.state.paused);
                    }
                    self.log_buttons(ui);
                });
            });
        });
        match action {
            Some(PickAction::Source(spec)) => self.choose_source(spec),
            Some(PickAction::Model(model)) => self.choose_model(model),
            Some(PickAction::Open(wanted)) => self.jobs.choose(wanted),
            Some(PickAction::LookForCameras) => self.jobs.look_for_cameras(),
            None => {}
        }
    }

    /// The buttons that open the log and record into it.
    fn log_buttons(&mut self, ui: &mut Ui) {
        let is_open = self.log.is_open();
        let (label, hint) = if is_open { ("Hide log", "Close the log (L)") } else { ("Show log", "Open the log (L)") };
        if icon::button(ui, Icon::Log, Look::Filled, true, label, hint).clicked() {
            self.log.set_open(!is_open);
        }
        let is_recording = self.recording.status().is_some();
        let (sign, look, label, hint) = if is_recording {
            (Icon::Stop, Look::Recording, "Stop recording", "Stop recording (R)")
        } else {
            (Icon::Record, Look::Filled, "Record", "Record captions and answers in the log (R)")
        };
        if icon::button(ui, sign, look, true, label, hint).clicked() {
            self.set_recording(!is_recording);
        }
    }

    fn stage(&mut self, ui: &mut Ui, now: Instant) {
        let stage = ui.max_rect();
        let picture = self.video.show(ui, stage);
        subtitle::show(ui, &self.state.caption, picture, stage, now);
        if self.video.frame().is_none() {
            let text = match self.state.source.phase {
                SourcePhase::None => "Choose a source above: a camera, a picture or a video",
                SourcePhase::Opening => "Opening the source…",
                SourcePhase::Live => "Waiting for the first picture…",
                SourcePhase::Lost => "Waiting for the source",
                SourcePhase::Ended => "The source gave no picture",
            };
            plate(ui, Align2::CENTER_CENTER, stage, text, 16.0);
        } else if self.state.caption.words().firm.is_empty() {
            let place = Rect::from_min_max(picture.min, pos2(picture.right(), picture.bottom().min(stage.bottom())));
            match self.state.model.phase {
                ModelPhase::Loading(_) => plate(ui, Align2::CENTER_BOTTOM, place, "Loading the model…", 16.0),
                ModelPhase::Ready(_) => plate(ui, Align2::CENTER_BOTTOM, place, "Looking…", 16.0),
                ModelPhase::None | ModelPhase::Failed => {}
            }
        }
        if self.state.paused {
            plate(ui, Align2::LEFT_TOP, picture, "Paused", 13.0);
        }
    }

    fn draw(&mut self, ui: &mut Ui, now: Instant) {
        self.take_keys(ui);
        self.bar(ui);
        if self.download.as_ref().is_some_and(|download| download.show(ui)) {
            self.download = None;
        }
        match notice::show(ui, &self.state.notices, now) {
            Some(NoticeAction::Dismiss(topic)) => self.state.notices.dismiss(topic),
            Some(NoticeAction::OpenModelFolder) => self.jobs.choose(Wanted::ModelFolder),
            None => {}
        }
        let panel = Frame::new().fill(ui.visuals().panel_fill);
        let line = panel.inner_margin(Margin::symmetric(16, 0));
        Panel::bottom("status").frame(line).exact_size(STATUS).show_separator_line(false).show(ui, |ui| {
            status::show(
                ui,
                &self.state,
                self.recording.status().as_ref(),
                self.view().statistics(),
                self.frame_times.recent(),
                now,
            );
        });
        let dock = panel.inner_margin(Margin { left: 16, right: 16, top: 12, bottom: 6 });
        let (can_ask, answering) = (self.video.frame().is_some(), self.state.exchanges.is_open());
        let asked = Panel::bottom("question")
            .frame(dock)
            .show_separator_line(false)
            .show(ui, |ui| self.questions.show_box(ui, can_ask, answering));
        self.log.show_timeline(ui);
        match self.log.show_panel(ui, self.recording.status().is_some(), self.preferences.always_record) {
            Some(LogAction::SaveAs(format)) => self.jobs.choose(Wanted::Export(format)),
            Some(LogAction::Record) => self.set_recording(true),
            Some(LogAction::AlwaysRecord(always)) => self.set_always_recording(always),
            None => {}
        }
        let wanted = self.questions.show_panel(ui, &self.state.exchanges);
        match asked.inner.or(wanted) {
            Some(QuestionAction::Ask(question)) => self.ask(question),
            Some(QuestionAction::Stop) => self.pipeline.cancel_answer(),
            Some(QuestionAction::Clear) => self.state.exchanges.clear(),
            None => {}
        }
        CentralPanel::no_frame()
            .show(ui, |ui| if self.log.shows_entry() { self.log.show_entry(ui) } else { self.stage(ui, now) });
    }
}

impl eframe::App for App {
    fn logic(&mut self, ctx: &Context, frame: &mut eframe::Frame) {
        let now = Instant::now();
        if let Some(seconds) = frame.info().cpu_usage {
            self.frame_times.record(now, Duration::from_secs_f32(seconds.max(0.0)));
        }
        self.catch_up(ctx, now);
        if self.platform.is_ending() {
            // As if its user had closed it: a recording ends its session.
            ctx.send_viewport_cmd(ViewportCommand::Close);
        }
    }

    fn ui(&mut self, ui: &mut Ui, _: &mut eframe::Frame) {
        let now = Instant::now();
        self.draw(ui, now);
        if let Some(wait) = self.state.next_change(now) {
            ui.ctx().request_repaint_after(wait);
        }
    }

    fn on_exit(&mut self, _: Option<&eframe::glow::Context>) {
        self.jobs.finish_remembering(PATIENCE);
        let (longest, frames) = self.frame_times.ever();
        tracing::info!(frames, longest_ms = longest.as_secs_f64() * 1e3, "the window closes");
    }
}

/// A short text on a dark plate in a corner or the middle of `place`.
fn plate(ui: &Ui, align: Align2, place: Rect, text: &str, size: f32) {
    let galley = ui.painter().layout_no_wrap(text.to_owned(), FontId::proportional(size), Color32::WHITE);
    let padding = vec2(4.0 * theme::GRID, 2.0 * theme::GRID);
    let rect = align.align_size_within_rect(galley.size() + 2.0 * padding, place.shrink(4.0 * theme::GRID));
    ui.painter().rect_filled(rect, theme::RADIUS, theme::PLATE);
    ui.painter().galley(rect.min + padding, galley, theme::SUBTITLE);
    let response = ui.interact(rect, ui.scope_id().with(text), Sense::hover());
    response.widget_info(|| WidgetInfo::labeled(Role::Label, true, text));
}

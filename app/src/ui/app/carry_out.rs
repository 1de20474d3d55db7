//! What the user wants done is done here: on the pipeline, the log and the system.

use std::path::PathBuf;
use std::sync::Arc;

use egui::Context;
use vlm::Tiling;

use crate::base::message::Message;
use crate::capture::{CameraChoice, SourceSpec};
use crate::live::{Asked, Busy, Event, Framing, Question, Region, ViewHandle};
use crate::models::spec::ModelSpec;
use crate::models::{DownloadError, ModelKind};
use crate::ui::app::modes::toggle_full_screen;
use crate::ui::app::{App, Dialog, Tab};
use crate::ui::command::Command;
use crate::ui::download::Download;
use crate::ui::first_run::FirstRunAction;
use crate::ui::log::LogAction;
use crate::ui::notice::NoticeAction;
use crate::ui::path_box::{PathAction, PathBox};
use crate::ui::pickers::PickAction;
use crate::ui::platform::Wanted;
use crate::ui::question::{QuestionAction, Wish};
use crate::ui::region::RegionDrawing;
use crate::ui::source_state::SourceAction;
use crate::ui::state::Topic;

impl App {
    /// Opens a model, or has it downloaded first; until then the one in hand goes on.
    pub(super) fn choose_model(&mut self, model: ModelSpec) {
        self.download = None;
        if self.platform.is_absent(&model) { self.get_model(model) } else { self.open_model(model) }
    }

    /// Has a model downloaded, in the place of the one that is.
    pub(super) fn get_model(&mut self, model: ModelSpec) {
        self.state.notices.clear(Topic::Model);
        self.downloads += 1;
        let download = Download::new(self.downloads, model.clone());
        self.jobs.fetch(self.downloads, model, download.link());
        self.download = Some(download);
    }

    /// A download ended. What came of one that was given up is of no interest.
    pub(super) fn fetched(&mut self, number: u64, result: Result<(), DownloadError>) {
        self.models = self.platform.models();
        if self.models_dialog.is_some() {
            self.jobs.list_models();
        }
        let Some(download) = self.download.take_if(|download| download.number == number) else { return };
        match result {
            Ok(()) if download.model.kind() == ModelKind::Sentences => {
                self.log.finds_by_meaning();
                if let Some(dialog) = &mut self.models_dialog {
                    dialog.say(
                        Message::new("What is recorded from now on is found by its meaning, too.")
                            .hint("`sightline log embed` does the same for what the log has already."),
                    );
                }
            }
            Ok(()) => {
                self.open_model(download.model.clone());
                if std::mem::take(&mut self.wants_camera) && self.state.source.spec == Some(SourceSpec::Demo) {
                    self.choose_source(SourceSpec::Camera(CameraChoice::First));
                }
            }
            Err(DownloadError::Cancelled) => {}
            Err(fault) => self.state.notices.post(Topic::Model, fault.message(), None),
        }
    }

    pub(super) fn open_model(&mut self, model: ModelSpec) {
        self.loaded_as = self.preferences.run;
        self.pipeline.set_engine(model.clone(), self.platform.engine_as(&model, self.loaded_as));
        self.state.choose_model(model, (self.now)());
        self.remember();
    }

    /// What is written there by default, in a box for a path.
    pub(super) fn proposed(&self, wanted: Wanted) -> String {
        self.platform.proposed(wanted).map(|path| path.display().to_string()).unwrap_or_default()
    }

    pub(super) fn choose_path(&mut self, wanted: Wanted, path: PathBuf) {
        self.state.notices.clear(Topic::Picker);
        match wanted {
            Wanted::Source => match SourceSpec::from_os(path.as_os_str()) {
                Ok(source) => self.take_source(source),
                Err(error) => self.state.notices.post(Topic::Picker, error.message, None),
            },
            Wanted::PictureOrVideo | Wanted::PictureFolder => self.take_source(SourceSpec::Path(path)),
            Wanted::ModelFolder => self.choose_model(ModelSpec::Folder(path)),
            Wanted::Export(_) => self.log.export_to(path),
            Wanted::Reference => self.jobs.read_reference(path),
            Wanted::Picture => self.save_to(&path),
            Wanted::Clip => self.save_clip_to(path),
        }
    }

    pub(super) fn set_paused(&mut self, paused: bool) {
        self.state.paused = paused;
        self.view().set_paused(paused);
        self.view().set_resting(paused);
    }

    pub(super) fn set_recording(&mut self, record: bool) {
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
        self.remember();
        if always && self.recording.status().is_none() {
            self.set_recording(true);
        }
    }

    fn set_log(&mut self, open: bool) {
        self.log.set_open(open);
        self.tab = if open { Tab::Log } else { Tab::Live };
        self.remember();
    }

    fn set_questions(&mut self, open: bool) {
        self.questions.set_open(open);
        self.tab = if open { Tab::Questions } else { Tab::Live };
    }

    /// Asks about the picture on screen, or goes on about another.
    fn ask(&mut self, wish: Wish) {
        let talk = wish.about.and_then(|talk| self.state.exchanges.talk(talk));
        let frame = match &talk {
            Some(talk) => self.state.exchanges.pinned(talk.id),
            None => self.video.frame(),
        };
        let Some(frame) = frame.map(Arc::clone) else {
            self.questions.restore(wish);
            return;
        };
        let number = talk.as_ref().map_or(self.views.in_hand().number, |talk| talk.view);
        let Some(view) = self.view_numbered(number) else { return self.is_removed(wish) };
        let tiling = if wish.small_print { Tiling::Split } else { Tiling::One };
        let asked = match talk {
            Some(talk) => view.follow_up(&wish.words, frame, talk),
            None => view.ask_so(&wish.words, frame, tiling),
        };
        self.asked(asked, wish);
    }

    /// Asks the same about the same picture, as if for the first time.
    fn ask_again(&mut self, id: Asked) {
        let Some(exchange) = self.state.exchanges.get(id) else { return };
        let Some(frame) = self.state.exchanges.pinned(exchange.talk) else { return };
        let wish = Wish::again(exchange);
        let Some(view) = self.view_numbered(exchange.view) else { return self.is_removed(wish) };
        let asked = view.ask_so(&wish.words, Arc::clone(frame), exchange.tiling);
        self.asked(asked, wish);
    }

    /// The view with this number, unless it was removed. A picture is asked about where it is from:
    /// frames of two views may have the same number.
    fn view_numbered(&self, number: usize) -> Option<&ViewHandle> {
        self.views.numbers().any(|known| known == number).then(|| self.pipeline.view(number))
    }

    /// The source of the picture that was to be asked about was removed.
    fn is_removed(&mut self, wish: Wish) {
        let message = Message::new("The source of that picture was removed.").hint("Ask about another picture.");
        self.state.notices.post(Topic::Question, message, None);
        self.questions.restore(Wish { about: None, ..wish });
    }

    /// A question was sent to the model, or was not taken.
    fn asked(&mut self, asked: Result<Question, Busy>, wish: Wish) {
        match asked {
            Ok(question) => {
                self.set_questions(true);
                self.state.apply(Event::Asked(question), (self.now)());
            }
            Err(busy) => {
                self.state.notices.post(Topic::Question, busy.into(), None);
                self.questions.restore(wish);
            }
        }
    }

    pub(super) fn command(&mut self, ctx: &Context, command: Command) {
        match command {
            Command::Pause => self.set_paused(!self.state.paused),
            Command::Record => self.set_recording(self.recording.status().is_none()),
            Command::Log => self.set_log(!self.log.is_open()),
            Command::Questions => self.set_questions(!self.questions.is_open()),
            Command::Rules => self.set_rules_open(!self.rules.is_open()),
            Command::OpenPath => self.path_box = Some(PathBox::new(Wanted::Source, String::new())),
            Command::Models => self.open_models(),
            Command::Instruction => self.open_instruction(),
            Command::SavePicture => self.save_picture(ctx),
            Command::SaveClip => self.save_clip(),
            Command::CopyCaption => self.copy_caption(ctx),
            Command::CopyPicture => self.copy_picture(ctx),
            Command::SayAgain => self.say_again(),
            Command::Speak => self.set_speaking(!self.preferences.speech.on),
            Command::Mirror => {
                self.preferences.mirror = !self.preferences.mirror;
                self.remember();
            }
            Command::FullScreen => toggle_full_screen(ctx),
            Command::CaptionsOnly => self.toggle_captions_only(ctx),
            Command::OnTop => self.toggle_on_top(ctx),
            Command::Performance => {
                self.preferences.panels.performance = !self.preferences.panels.performance;
                self.remember();
            }
            Command::Settings => self.dialog = Some(Dialog::Settings),
            Command::Help => self.dialog = Some(Dialog::Keys),
            Command::About => self.dialog = Some(Dialog::About),
            Command::Turn => self.frame_anew(self.framing.turned()),
            Command::Region => self.toggle_region(),
            Command::Grid => self.views.toggle_large(),
            Command::Undo => {
                if !self.log.undo() {
                    self.state.exchanges.undo_clear();
                }
            }
        }
    }

    /// Lets a part of the picture be drawn, or shows all of it again.
    fn toggle_region(&mut self) {
        if self.framing.region.is_some() {
            self.set_region(None);
        } else {
            // It is drawn over the large picture.
            self.views.set_large(true);
            self.drawing = if self.drawing.is_some() { None } else { Some(RegionDrawing::default()) };
        }
    }

    /// Looks at this part of the picture alone from now on.
    pub(super) fn set_region(&mut self, region: Option<Region>) {
        self.frame_anew(Framing { region, ..self.framing.clone() });
    }

    /// Has the pictures of the view in hand framed so from now on.
    fn frame_anew(&mut self, framing: Framing) {
        self.framing = framing;
        if let Some(spec) = self.state.source.spec.clone() {
            self.open_source_at(spec, self.player.at());
        }
    }

    pub(super) fn first_run(&mut self, action: FirstRunAction, model: ModelSpec) {
        match action {
            FirstRunAction::Get => {
                self.wants_camera = true;
                self.choose_model(model);
            }
            FirstRunAction::NotNow => {
                self.preferences.demo_will_do = true;
                self.remember();
            }
        }
    }

    pub(super) fn picked(&mut self, action: PickAction) {
        match action {
            PickAction::Source(spec) => self.take_source(spec),
            PickAction::ForgetRecent => {
                self.preferences.recent.clear();
                self.remember();
            }
            PickAction::Format(format) => self.set_format(format),
            PickAction::RemoveView => self.remove_view(self.views.chosen()),
            PickAction::Model(model) => self.choose_model(model),
            PickAction::Open(Wanted::Source) => {
                self.path_box = Some(PathBox::new(Wanted::Source, String::new()));
            }
            PickAction::Open(wanted) => self.jobs.choose(wanted),
            PickAction::LookForCameras => {
                self.views.adds = false;
                self.jobs.look_for_cameras();
            }
            PickAction::StopStills => self.stills.stop(),
            PickAction::Models => self.open_models(),
        }
    }

    pub(super) fn noticed(&mut self, action: NoticeAction) {
        match action {
            NoticeAction::Dismiss(topic) => self.state.notices.dismiss(topic),
            NoticeAction::OpenModelFolder => self.jobs.choose(Wanted::ModelFolder),
        }
    }

    pub(super) fn logged(&mut self, action: LogAction) {
        match action {
            LogAction::SaveAs(format) => self.jobs.choose(Wanted::Export(format)),
            LogAction::Record => self.set_recording(true),
            LogAction::AlwaysRecord(always) => self.set_always_recording(always),
        }
    }

    pub(super) fn questioned(&mut self, ctx: &Context, action: QuestionAction) {
        match action {
            QuestionAction::Ask(wish) => self.ask(wish),
            QuestionAction::Again(id) => self.ask_again(id),
            QuestionAction::AboutNow(id) => {
                if let Some(wish) = self.state.exchanges.get(id).map(Wish::again) {
                    self.ask(wish);
                }
            }
            QuestionAction::Copy(id) => {
                if let Some(exchange) = self.state.exchanges.get(id) {
                    ctx.copy_text(exchange.answer.clone());
                }
            }
            QuestionAction::Stop => self.pipeline.cancel_answer(),
            QuestionAction::Clear => self.state.exchanges.clear(),
            QuestionAction::UndoClear => self.state.exchanges.undo_clear(),
        }
    }

    pub(super) fn typed_path(&mut self, action: PathAction) {
        self.path_box = None;
        if let PathAction::Chosen(wanted, path) = action {
            self.choose_path(wanted, path);
        }
    }

    pub(super) fn mended(&mut self, action: SourceAction) {
        match action {
            SourceAction::Again => {
                if let Some(spec) = self.state.source.spec.clone() {
                    self.choose_source(spec);
                }
            }
            SourceAction::Open(wanted) => self.jobs.choose(wanted),
            SourceAction::Source(spec) => self.choose_source(spec),
        }
    }
}

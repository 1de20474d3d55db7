//! How the window is laid out: bars, panels and the picture.

use std::time::Instant;

use egui::accesskit::Role;
use egui::containers::menu::MenuButton;
use egui::{
    Align2, Button, CentralPanel, Frame, Margin, Panel, Rect, RichText, ScrollArea, Ui, Vec2, WidgetInfo, pos2, vec2,
};

use crate::capture::SourceSpec;
use crate::models::spec::{DEFAULT_MODEL, ModelSpec};
use crate::ui::app::{App, Mode, Tab};
use crate::ui::command::{COMMANDS, Command};
use crate::ui::icon::{Icon, Look};
use crate::ui::instruction::MenuAction;
use crate::ui::plate::plate;
use crate::ui::platform::Choice;
use crate::ui::question::QuestionAction;
use crate::ui::room::{Place, Room};
use crate::ui::state::{ModelPhase, SourcePhase};
use crate::ui::status::Told;
use crate::ui::{
    first_run, icon, instruction, models, notice, performance, pickers, question, source_menu, source_state, status,
    subtitle, theme,
};

/// The height of the bar at the top, in points.
const BAR: f32 = 13.0 * theme::GRID;
/// The height of the status line, in points.
const STATUS: f32 = 7.0 * theme::GRID;
/// The width of the menu of everything, in points.
const MENU: f32 = 260.0;
/// The height of the window from which on the instruction is shown above the question box, in
/// points.
const INSTRUCTION_FROM: f32 = 340.0;
/// The width of a button of the bar with its gap, in points.
const BAR_BUTTON: f32 = 10.0 * theme::GRID;

impl App {
    pub(super) fn draw(&mut self, ui: &mut Ui, now: Instant) {
        self.take_keys(ui);
        if self.draw_mode(ui, now) {
            return self.show_dialogs(ui);
        }
        let size = ui.available_size();
        let room = Room::of(size, self.log.is_open(), self.questions.is_open(), self.rules.is_open());
        if room.bar {
            self.bar(ui);
        }
        if self.download.as_ref().is_some_and(|download| download.show(ui)) {
            self.download = None;
        }
        if let Some(action) = notice::show(ui, &self.state.notices, now) {
            self.noticed(action);
        }
        if room.status {
            self.status(ui, now);
        }
        // A question is about the picture.
        if room.question && !(room.has_tabs() && matches!(self.tab, Tab::Log | Tab::Rules)) {
            self.question_box(ui);
            if self.preferences.panels.performance && room.timeline {
                let (statistics, frames) = (self.view().statistics(), self.frame_times.recent());
                performance::show(ui, &self.state, statistics, frames, now);
            }
        }
        if room.timeline {
            self.log.show_timeline(ui);
        }
        let (is_recording, always) = (self.recording.status().is_some(), self.preferences.always_record);
        let panels = &mut self.preferences.panels;
        if let Some(action) = self.log.show_panel(ui, room.log, &mut panels.log_width, is_recording, always) {
            self.logged(action);
        }
        if let Place::Beside(most) = room.questions
            && let Some(action) =
                self.questions.show_panel(ui, &self.state.exchanges, most, &mut self.preferences.panels.questions_width)
        {
            self.questioned(ui.ctx(), action);
        }
        let in_hand = self.views.in_hand().number;
        if let Some(action) = self.rules.show_panel(ui, room.rules, in_hand, now) {
            self.ruled(action);
        }
        self.central(ui, &room, now);
        self.show_dialogs(ui);
    }

    fn bar(&mut self, ui: &mut Ui) {
        let frame = Frame::new().fill(ui.visuals().panel_fill).inner_margin(Margin::symmetric(12, 0));
        let (mut action, mut command) = (None, None);
        Panel::top("bar").frame(frame).exact_size(BAR).show(ui, |ui| {
            theme::name_region(ui, "Source, model and commands");
            ui.horizontal_centered(|ui| {
                let buttons = 4 + usize::from(!self.state.exchanges.is_empty() && !self.questions.is_open());
                let for_buttons = buttons as f32 * BAR_BUTTON;
                let each = (ui.available_width() - for_buttons - ui.spacing().item_spacing.x) / 2.0;
                let menu_open = &mut self.source_menu_open;
                self.stills.upload(ui.ctx());
                let known = source_menu::Known {
                    state: &self.state,
                    cameras: &self.cameras,
                    stills: &self.stills,
                    recent: &self.preferences.recent,
                };
                action = source_menu::show(ui, &known, &mut self.views, menu_open, each);
                action = pickers::model(ui, &self.state.model, &self.models, each).or(action.take());
                // The buttons stand at the right, and go from left to right for the Tab key.
                ui.add_space((ui.available_width() - for_buttons).max(0.0));
                command = self.buttons(ui);
            });
        });
        if let Some(action) = action {
            self.picked(action);
        }
        if let Some(command) = command {
            self.command(ui.ctx(), command);
        }
    }

    /// The buttons at the right of the bar.
    fn buttons(&self, ui: &mut Ui) -> Option<Command> {
        let mut wanted = None;
        let mut button = |ui: &mut Ui, sign, look, label: &str, hint: &str, command: Command| {
            if icon::button(ui, sign, look, true, label, hint).clicked() {
                wanted = Some(command);
            }
        };
        if !self.state.exchanges.is_empty() && !self.questions.is_open() {
            let hint = "Show questions and answers (Q)";
            button(ui, Icon::Questions, Look::Filled, "Show questions", hint, Command::Questions);
        }
        if self.recording.status().is_some() {
            button(ui, Icon::Stop, Look::Recording, "Stop recording", "Stop recording (R)", Command::Record);
        } else {
            let hint = "Record captions and answers in the log (R)";
            button(ui, Icon::Record, Look::Filled, "Record", hint, Command::Record);
        }
        if self.log.is_open() {
            button(ui, Icon::Log, Look::Filled, "Hide log", "Close the log (L)", Command::Log);
        } else {
            button(ui, Icon::Log, Look::Filled, "Show log", "Open the log (L)", Command::Log);
        }
        if self.state.paused {
            button(ui, Icon::Play, Look::Filled, "Resume", "Go on (Space)", Command::Pause);
        } else {
            button(ui, Icon::Pause, Look::Filled, "Pause", "Stop the picture (Space)", Command::Pause);
        }
        wanted.or(everything(ui))
    }

    fn status(&self, ui: &mut Ui, now: Instant) {
        let line = Frame::new().fill(ui.visuals().panel_fill).inner_margin(Margin::symmetric(16, 0));
        Panel::bottom("status").frame(line).exact_size(STATUS).show_separator_line(false).show(ui, |ui| {
            theme::name_region(ui, "Status");
            let recording = self.recording.status();
            let told = Told {
                state: &self.state,
                recording: recording.as_ref(),
                statistics: self.view().statistics(),
                frames: self.frame_times.recent(),
                now,
            };
            status::show(ui, &told);
        });
    }

    fn question_box(&mut self, ui: &mut Ui) {
        let has_room = ui.ctx().content_rect().height() >= INSTRUCTION_FROM;
        let panel = Frame::new().fill(ui.visuals().panel_fill);
        let dock = panel.inner_margin(Margin { left: 16, right: 16, top: if has_room { 4 } else { 12 }, bottom: 6 });
        let (can_ask, answering) = (self.video.frame().is_some(), self.state.exchanges.is_open());
        let asked = Panel::bottom("question").frame(dock).show_separator_line(false).show(ui, |ui| {
            let options = if has_room { self.above_the_box(ui, can_ask) } else { (None, None) };
            (self.questions.show_box(ui, can_ask, answering).or(options.0), options.1)
        });
        let (asked, chosen) = asked.inner;
        if let Some(action) = asked {
            self.questioned(ui.ctx(), action);
        }
        match chosen {
            Some(MenuAction::Instruct(instruction)) => self.instruct(instruction),
            Some(MenuAction::Open) => self.open_instruction(),
            None => {}
        }
    }

    /// The row above the question box: the instruction, and what may be asked.
    fn above_the_box(&mut self, ui: &mut Ui, can_ask: bool) -> (Option<QuestionAction>, Option<MenuAction>) {
        let has_prefix = !self.told.prefix.is_empty();
        let own = &self.preferences.own_instructions;
        let row = ui.horizontal(|ui| {
            // The options stand at the right, and come after the menu for the Tab key.
            let taken = ui.scope_id().with("options");
            let for_options = ui.data(|data| data.get_temp(taken)).unwrap_or(question::OPTIONS);
            let (width, height) = (ui.available_width() - for_options, ui.available_height());
            let menu = ui.allocate_ui(vec2(width.max(0.0), height), |ui| {
                ui.set_min_width(width.max(0.0));
                instruction::menu(ui, &self.told.instruction, own, has_prefix)
            });
            let is_demo = self.state.model.spec == Some(ModelSpec::Demo);
            let asked = self.questions.show_options(ui, &self.state.exchanges, can_ask, is_demo);
            let drawn = ui.min_rect().right() - menu.response.rect.right();
            if (drawn - for_options).abs() > 0.5 {
                ui.data_mut(|data| data.insert_temp(taken, drawn));
                ui.ctx().request_repaint();
            }
            (asked, menu.inner)
        });
        row.inner
    }

    /// The picture, an entry of the log, or the tab in their place.
    fn central(&mut self, ui: &mut Ui, room: &Room, now: Instant) {
        CentralPanel::no_frame().show(ui, |ui| {
            if room.has_tabs() {
                self.tabs(ui, room);
            }
            let panel = Frame::new().fill(ui.visuals().panel_fill).inner_margin(Margin::same(12));
            let shown = if room.has_tabs() { self.tab } else { Tab::Live };
            match shown {
                _ if self.log.shows_entry() && !matches!(shown, Tab::Questions | Tab::Rules) => self.log.show_entry(ui),
                Tab::Log if room.log == Place::Tab => {
                    let (is_recording, always) = (self.recording.status().is_some(), self.preferences.always_record);
                    let shown = panel.show(ui, |ui| self.log.show_content(ui, is_recording, always));
                    if let Some(action) = shown.inner {
                        self.logged(action);
                    }
                }
                Tab::Questions if room.questions == Place::Tab => {
                    let shown = panel.show(ui, |ui| self.questions.show_content(ui, &self.state.exchanges));
                    if let Some(action) = shown.inner {
                        self.questioned(ui.ctx(), action);
                    }
                }
                Tab::Rules if room.rules == Place::Tab => {
                    let in_hand = self.views.in_hand().number;
                    let shown = panel.show(ui, |ui| self.rules.show_content(ui, in_hand, now));
                    if let Some(action) = shown.inner {
                        self.ruled(action);
                    }
                }
                Tab::Live | Tab::Log | Tab::Questions | Tab::Rules => {
                    theme::name_region(ui, "Picture");
                    self.stage(ui, now);
                }
            }
        });
    }

    fn tabs(&mut self, ui: &mut Ui, room: &Room) {
        let frame = Frame::new().fill(ui.visuals().panel_fill).inner_margin(Margin::symmetric(12, 4));
        Panel::top("tabs").frame(frame).show_separator_line(false).show(ui, |ui| {
            ui.horizontal(|ui| {
                let tabs = [
                    (Tab::Live, "Live", true),
                    (Tab::Log, "Log", room.log == Place::Tab),
                    (Tab::Questions, "Questions", room.questions == Place::Tab),
                    (Tab::Rules, "Rules", room.rules == Place::Tab),
                ];
                for (tab, name, is_there) in tabs {
                    if !is_there {
                        continue;
                    }
                    let is_chosen = self.tab == tab;
                    let response = ui.add(Button::selectable(is_chosen, name));
                    response.widget_info(|| WidgetInfo::labeled(Role::Tab, true, name));
                    ui.ctx().accesskit_node_builder(response.id, |node| {
                        node.clear_toggled();
                        node.set_selected(is_chosen);
                    });
                    if response.clicked() {
                        self.tab = tab;
                    }
                }
            });
        });
    }

    /// The view in hand, in all of `ui`.
    pub(super) fn one_view(&mut self, ui: &mut Ui, now: Instant) {
        let stage = self.show_player(ui);
        let style = &self.preferences.captions;
        let below = subtitle::room_below(style, stage);
        let for_picture = stage.with_max_y(stage.bottom() - below);
        ui.painter().rect_filled(stage, 0.0, theme::STAGE);
        let picture = self.video.show(ui, for_picture, self.preferences.mirror, "Live picture");
        let clock = (!self.state.paused).then_some(now);
        subtitle::show(ui, &self.state.caption, self.manner(), picture, stage, clock);
        if self.video.frame().is_none() {
            match self.state.source.phase {
                SourcePhase::Opening => plate(ui, Align2::CENTER_CENTER, stage, "Opening the source…", 16.0),
                SourcePhase::Live => plate(ui, Align2::CENTER_CENTER, stage, "Waiting for the first picture…", 16.0),
                SourcePhase::None | SourcePhase::Lost | SourcePhase::Ended => {}
            }
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
        let has_picture = self.video.frame().is_some();
        if let Some(action) = source_state::show(ui, &self.state, has_picture, stage, now) {
            self.mended(action);
        }
        if let Some(drawing) = &mut self.drawing {
            plate(ui, Align2::CENTER_TOP, picture, "Draw the part that is to be looked at", 13.0);
            if let Some(region) = drawing.show(ui, picture, self.preferences.mirror) {
                self.set_region(Some(region));
            }
        } else if self.framing.region.is_some() {
            plate(ui, Align2::RIGHT_TOP, picture, "Part of the picture (D: all)", 13.0);
        }
        self.offer_model(ui, stage);
    }

    /// Over the demo: how to get a model that knows more.
    fn offer_model(&mut self, ui: &mut Ui, stage: Rect) {
        let is_demo =
            self.state.model.spec == Some(ModelSpec::Demo) && self.state.source.spec == Some(SourceSpec::Demo);
        if !is_demo
            || self.views.len() > 1
            || self.preferences.demo_will_do
            || self.download.is_some()
            || self.mode != Mode::Whole
        {
            return;
        }
        let is_offered = |choice: &&Choice<ModelSpec>| {
            choice.value.to_string() == DEFAULT_MODEL && self.platform.is_absent(&choice.value)
        };
        let Some(model) = self.models.iter().find(is_offered).cloned() else { return };
        let speed = models::speed(&self.preferences.speeds, &model.value.to_string());
        if let Some(action) = first_run::show(ui, &model, speed, stage) {
            self.first_run(action, model.value);
        }
    }
}

/// The menu of everything that can be done, with its keys.
fn everything(ui: &mut Ui) -> Option<Command> {
    let mut wanted = None;
    let colours = theme::palette(ui.visuals());
    let sign = egui::Atom::paint(Vec2::splat(16.0), move |ui: &Ui, args: egui::AtomPaintArgs| {
        icon::paint(ui.painter(), Icon::Menu, args.rect, colours.text);
    });
    let (response, _) = MenuButton::from_button(Button::new(sign)).ui(ui, |ui| {
        ui.set_width(MENU.min(ui.ctx().content_rect().width() - 8.0 * theme::GRID));
        let height = ui.ctx().content_rect().height() - 20.0 * theme::GRID;
        ScrollArea::vertical().max_height(height).min_scrolled_height(height).show(ui, |ui| {
            ui.spacing_mut().item_spacing.y = 0.0;
            for entry in COMMANDS {
                let key = RichText::new(entry.key).small().weak();
                let button =
                    Button::new(entry.name).right_text(key).frame(false).min_size(vec2(ui.available_width(), 0.0));
                let response = ui.add(button);
                response.widget_info(|| WidgetInfo::labeled(Role::MenuItem, true, entry.name));
                if response.clicked() {
                    wanted = Some(entry.command);
                    ui.close();
                }
            }
        });
    });
    response.widget_info(|| WidgetInfo::labeled(Role::Button, true, "Everything else"));
    response.on_hover_text("Everything that can be done, with its keys");
    wanted
}

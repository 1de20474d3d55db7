//! The dialog of models: which there are, what is here of them, what they take, how fast they are
//! here, and what can be done about it. Knows no disk: it is told.

use std::time::Duration;

use egui::accesskit::{Live, Role};
use egui::{Button, Frame, Id, Label, Modal, ProgressBar, RichText, ScrollArea, Ui, WidgetInfo};

use crate::base::message::Message;
use crate::models::spec::ModelSpec;
use crate::models::{ModelFacts, ModelKind, ModelState, bytes};
use crate::ui::download::Download;
use crate::ui::platform::Choice;
use crate::ui::preferences::KeptSpeed;
use crate::ui::{notice, theme};

/// The dialog's width, in points.
const WIDTH: f32 = 560.0;
/// The largest part of the window's height that it takes.
const HEIGHT: f32 = 0.85;
/// How long its list may take before it is said that it is being made.
const SOON: Duration = Duration::from_secs(1);

/// What the user wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ModelsAction {
    /// This model, which is downloaded first if it is not here.
    Use(ModelSpec),
    /// This one on the disk, for the log's search.
    Get(ModelSpec),
    /// No more of the download.
    StopDownload,
    /// This one away from the disk.
    Remove(ModelSpec),
    /// To know how fast this one is here.
    Measure(ModelSpec),
    /// To know it no longer.
    StopMeasuring,
    /// Nothing.
    Close,
}

/// What the dialog is told each time.
pub struct Told<'a> {
    /// The model in use.
    pub in_use: Option<&'a ModelSpec>,
    /// What is being downloaded.
    pub download: Option<&'a Download>,
    /// What is being measured.
    pub measured: Option<&'a ModelSpec>,
    /// What was measured before.
    pub speeds: &'a [KeptSpeed],
    /// What people call models.
    pub names: &'a [Choice<ModelSpec>],
}

/// The dialog, while it is open.
#[derive(Default)]
pub struct ModelsDialog {
    /// Once they were listed.
    facts: Option<Vec<ModelFacts>>,
    /// The user is asked whether this one is to be removed.
    asking: Option<ModelSpec>,
    said: Option<Message>,
}

impl ModelsDialog {
    /// Takes in what is known of the models.
    pub fn list(&mut self, facts: Vec<ModelFacts>) {
        self.facts = Some(facts);
    }

    /// Says what became of something.
    pub fn say(&mut self, message: Message) {
        self.said = Some(message);
    }

    /// Draws it.
    pub fn show(&mut self, ui: &Ui, told: &Told<'_>) -> Option<ModelsAction> {
        let mut action = None;
        let screen = ui.ctx().content_rect();
        let frame = Frame::popup(ui.style()).fill(theme::palette(ui.visuals()).panel).inner_margin(5.0 * theme::GRID);
        let response = Modal::new(Id::unique("models")).frame(frame).show(ui.ctx(), |ui| {
            ui.set_width(WIDTH.min(screen.width() - 16.0 * theme::GRID));
            ui.heading("Models");
            if let Some(message) = &self.said {
                let said = ui.add(Label::new(notice::words(ui, message)).wrap());
                said.widget_info(|| WidgetInfo::labeled(Role::Status, true, message));
                ui.ctx().accesskit_node_builder(said.id, |node| node.set_live(Live::Polite));
            }
            ui.add_space(theme::GRID);
            let height = (screen.height() * HEIGHT - 30.0 * theme::GRID).max(20.0 * theme::GRID);
            ScrollArea::vertical().max_height(height).min_scrolled_height(height).show(ui, |ui| {
                let Some(facts) = self.facts.take() else {
                    ui.label(RichText::new("Looking at what is here…").weak());
                    ui.ctx().request_repaint_after(SOON);
                    return;
                };
                for facts in &facts {
                    action = self.row(ui, facts, told).or(action.take());
                }
                self.facts = Some(facts);
                let hint = "Downloads are shared with other programs that use the same folder. How fast a model is, \
                            a short run tells, in which it has the machine for itself.";
                ui.add(Label::new(RichText::new(hint).small().weak()).wrap());
            });
            ui.add_space(theme::GRID);
            if ui.button("Close").clicked() {
                action = Some(ModelsAction::Close);
            }
        });
        if response.should_close() {
            action.get_or_insert(ModelsAction::Close);
        }
        action
    }

    fn row(&mut self, ui: &mut Ui, facts: &ModelFacts, told: &Told<'_>) -> Option<ModelsAction> {
        let mut action = None;
        let colours = theme::palette(ui.visuals());
        let written = facts.model.to_string();
        let name = told.names.iter().find(|choice| choice.value == facts.model);
        let is_for_search = facts.model.kind() == ModelKind::Sentences;
        let name = match name {
            Some(choice) => &choice.label,
            None if is_for_search => "Search by meaning",
            None => &written,
        };
        let is_in_use = told.in_use == Some(&facts.model);
        let card = Frame::new().fill(colours.card).corner_radius(theme::RADIUS).inner_margin(3.0 * theme::GRID);
        card.show(ui, |ui| {
            ui.set_width(ui.available_width());
            theme::on_card(ui);
            ui.horizontal_wrapped(|ui| {
                ui.label(RichText::new(name).font(theme::strong(15.0)));
                if is_in_use {
                    ui.label(RichText::new("in use").small().color(colours.accent));
                }
            });
            let about = about(facts, speed(told.speeds, &written));
            ui.add(Label::new(RichText::new(&about).small().weak()).wrap());
            let download = told.download.filter(|download| download.model == facts.model);
            if let Some(download) = download {
                ui.visuals_mut().extreme_bg_color = colours.lifted;
                ui.add(ProgressBar::new(download.part().unwrap_or_default()).fill(colours.accent).desired_height(6.0));
                ui.label(RichText::new(download.words()).small());
            }
            ui.horizontal_wrapped(|ui| {
                let mut button = |ui: &mut Ui, words: &str, hint: &str, enabled: bool, wanted: ModelsAction| {
                    let response = ui.add_enabled(enabled, Button::new(words));
                    let label = format!("{words} {name}");
                    response.widget_info(|| WidgetInfo::labeled(Role::Button, enabled, &label));
                    if response.on_hover_text(hint).on_disabled_hover_text(hint).clicked() {
                        action = Some(wanted);
                    }
                };
                let model = || facts.model.clone();
                let is_busy = told.measured.is_some();
                match facts.state {
                    _ if download.is_some() => {
                        let hint = "What is here by then stays, for the next time";
                        button(ui, "Stop", hint, true, ModelsAction::StopDownload);
                    }
                    ModelState::Absent | ModelState::Partly => {
                        let words = if facts.state == ModelState::Partly { "Go on getting" } else { "Get" };
                        let (hint, wanted) = if is_for_search {
                            (
                                "Download it; the log's search then finds \"puppy\" by \"dog\"",
                                ModelsAction::Get(model()),
                            )
                        } else {
                            ("Download it, then use it", ModelsAction::Use(model()))
                        };
                        button(ui, words, hint, !is_busy, wanted);
                    }
                    ModelState::Here | ModelState::BuiltIn if is_for_search => {}
                    ModelState::Here | ModelState::BuiltIn => {
                        if told.measured == Some(&facts.model) {
                            button(ui, "Stop measuring", "Captions go on then", true, ModelsAction::StopMeasuring);
                        } else {
                            button(ui, "Use", "Load it", !is_busy && !is_in_use, ModelsAction::Use(model()));
                            let hint = "Captions rest for some seconds meanwhile";
                            button(ui, "Measure", hint, !is_busy, ModelsAction::Measure(model()));
                        }
                    }
                }
                if matches!(facts.state, ModelState::Here | ModelState::Partly) && download.is_none() {
                    let hint = if is_in_use { "It is in use: use another one first" } else { "Asks first" };
                    if ui
                        .add_enabled(!is_in_use && !is_busy, Button::new("Remove…"))
                        .on_hover_text(hint)
                        .on_disabled_hover_text(hint)
                        .clicked()
                    {
                        self.asking = Some(facts.model.clone());
                    }
                }
            });
            if self.asking.as_ref() == Some(&facts.model) {
                let size = facts.disk.map(|size| format!(" ({})", bytes(size))).unwrap_or_default();
                let question = format!("Remove {name}{size} from this machine? Other programs may use it, too.");
                let asked = ui.add(Label::new(RichText::new(question).color(colours.warning)).wrap());
                ui.ctx().accesskit_node_builder(asked.id, |node| node.set_live(Live::Polite));
                ui.horizontal(|ui| {
                    if ui.button("Remove it").clicked() {
                        self.asking = None;
                        action = Some(ModelsAction::Remove(facts.model.clone()));
                    }
                    if ui.button("Keep it").clicked() {
                        self.asking = None;
                    }
                });
            }
        });
        ui.add_space(theme::GRID);
        action
    }
}

/// What was measured of a model last.
pub fn speed<'a>(speeds: &'a [KeptSpeed], model: &str) -> Option<&'a KeptSpeed> {
    speeds.iter().rev().find(|speed| speed.model == model)
}

/// A model in a line.
fn about(facts: &ModelFacts, speed: Option<&KeptSpeed>) -> String {
    let ModelFacts { state, disk, memory, fits, .. } = facts;
    let size = disk.map(bytes).unwrap_or_default();
    let mut parts = vec![match state {
        ModelState::BuiltIn => "Built in".to_owned(),
        ModelState::Here => format!("Here, {size}"),
        ModelState::Partly => format!("Partly here, {size} in all"),
        ModelState::Absent if size.is_empty() => "Not here".to_owned(),
        ModelState::Absent => format!("Not here, {size} to download"),
    }];
    if let Some(memory) = memory {
        let fit = match fits {
            Some(true) => ", which is free",
            Some(false) => ", more than is free",
            None => "",
        };
        parts.push(format!("takes about {} of memory{fit}", bytes(*memory)));
    }
    match speed {
        _ if facts.model.kind() == ModelKind::Sentences => parts.push("for the log's search".to_owned()),
        Some(speed) => parts.push(speed.words()),
        None => parts.push("not measured here".to_owned()),
    }
    parts.join(" · ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_is_told_in_a_line() {
        let facts = ModelFacts {
            model: "256m".parse().expect("a model"),
            state: ModelState::Absent,
            disk: Some(513_000_000),
            memory: Some(900_000_000),
            fits: Some(true),
        };
        let want = "Not here, 513 MB to download · takes about 900 MB of memory, which is free · not measured here";
        assert_eq!(about(&facts, None), want);
        let speed = |precision: &str, per_minute| KeptSpeed {
            model: "256m".to_owned(),
            device: "cpu".to_owned(),
            precision: precision.to_owned(),
            per_minute,
        };
        let speeds = [speed("f32", 20.0), speed("int8", 54.4)];
        let here = ModelFacts { state: ModelState::Here, fits: Some(false), ..facts };
        let want = "Here, 513 MB · takes about 900 MB of memory, more than is free · about 54 captions a minute here \
                    (int8 on cpu)";
        assert_eq!(about(&here, super::speed(&speeds, "256m")), want);
    }
}

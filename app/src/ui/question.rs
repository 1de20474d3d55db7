//! Questions: the box they are typed in, and the panel in which their answers stream.

use std::collections::HashMap;

use egui::accesskit::{Live, Role};
use egui::text::{CCursor, CCursorRange};
use egui::text_edit::TextEditState;
use egui::{
    Align, Event, Frame, Id, Image, Key, Label, Layout, Margin, Panel, RichText, ScrollArea, Sense, Stroke, TextEdit,
    TextureHandle, TextureOptions, Ui, Vec2, WidgetInfo,
};

use crate::base::text;
use crate::live::Asked;
use crate::ui::icon;
use crate::ui::icon::{Icon, Look};
use crate::ui::room::QUESTIONS_WIDTH;
use crate::ui::state::{Exchange, Exchanges, Phase};
use crate::ui::{notice, theme, wording};

/// The most characters of a question: far more than anyone types, far less than the shortest
/// context takes.
const LONGEST_QUESTION: usize = 1000;
/// The widest the box gets, in points.
const WIDEST_BOX: f32 = 860.0;
/// The width of the panel of answers, in points.
const PANEL_WIDTH: f32 = 340.0;
/// The height of a thumbnail, in points.
const THUMBNAIL_HEIGHT: f32 = 54.0;
/// The accessible name of the box.
const BOX_LABEL: &str = "Question about the picture";

/// What the user did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QuestionAction {
    /// Asked this, about the picture on screen.
    Ask(String),
    /// Has heard enough of the answer.
    Stop,
    /// Wants the settled questions gone.
    Clear,
    /// Wants them back.
    UndoClear,
}

/// The question being typed, and the thumbnails of those that were asked.
#[derive(Default)]
pub struct Questions {
    draft: String,
    is_open: bool,
    thumbnails: HashMap<Asked, TextureHandle>,
}

impl Questions {
    /// Gives back a question that could not be asked, unless another is being typed.
    pub fn restore(&mut self, question: String) {
        if self.draft.is_empty() {
            self.draft = question;
        }
    }

    /// Whether the panel of answers is open.
    pub fn is_open(&self) -> bool {
        self.is_open
    }

    /// Shows or hides the panel of answers. Nothing in it gets lost.
    pub fn set_open(&mut self, open: bool) {
        self.is_open = open;
    }

    /// Draws the box. `can_ask` says whether there is a picture to ask about.
    pub fn show_box(&mut self, ui: &mut Ui, can_ask: bool, answering: bool) -> Option<QuestionAction> {
        let mut action = None;
        let width = ui.available_width().min(WIDEST_BOX);
        ui.vertical_centered(|ui| {
            ui.set_max_width(width);
            let colours = theme::palette(ui.visuals());
            let id = ui.scope_id().with("question");
            let focused = ui.memory(|memory| memory.has_focus(id));
            let line = if focused { colours.accent } else { colours.line };
            let card = Frame::new()
                .fill(colours.card)
                .stroke(Stroke::new(1.0, line))
                .corner_radius(theme::RADIUS + 4)
                .inner_margin(Margin { left: 16, right: 6, top: 6, bottom: 6 });
            card.show(ui, |ui| {
                ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                    let ready = can_ask && !self.draft.trim().is_empty();
                    let pressed = if answering {
                        if icon::button(ui, Icon::Stop, Look::Filled, true, "Stop answer", "Stop the answer (Esc)")
                            .clicked()
                        {
                            action = Some(QuestionAction::Stop);
                        }
                        false
                    } else {
                        let hint = if can_ask { "Ask (Enter)" } else { "There is no picture to ask about yet" };
                        icon::button(ui, Icon::Send, Look::Accent, ready, "Ask", hint).clicked()
                    };
                    let hint = RichText::new("Ask about what you see…").color(colours.weak);
                    let behind = if focused { entered(ui) } else { None };
                    let field = TextEdit::singleline(&mut self.draft)
                        .id(id)
                        .hint_text(hint)
                        .frame(Frame::NONE)
                        .char_limit(LONGEST_QUESTION)
                        // Taken out above: with it, the box would lose the focus and the letters
                        // behind it.
                        .return_key(None)
                        .align(egui::Align2::LEFT_CENTER)
                        .min_size(Vec2::new(0.0, 8.0 * theme::GRID))
                        .desired_width(f32::INFINITY);
                    ui.add(field);
                    ui.ctx().accesskit_node_builder(id, |node| node.set_label(BOX_LABEL));
                    let has_words = can_ask && !self.draft.trim().is_empty();
                    if (behind.is_some() || pressed) && has_words {
                        let question = std::mem::take(&mut self.draft);
                        action = Some(QuestionAction::Ask(question.trim().to_owned()));
                    }
                    if let Some(behind) = behind.filter(|behind| !behind.is_empty()) {
                        self.draft.push_str(&behind);
                        cursor_at_end(ui, id, &self.draft);
                    }
                });
            });
        });
        action
    }

    /// Draws the panel of answers at the right, at most so wide.
    pub fn show_panel(&mut self, ui: &mut Ui, exchanges: &Exchanges, most: f32) -> Option<QuestionAction> {
        let frame = Frame::new().fill(theme::palette(ui.visuals()).panel).inner_margin(Margin::same(12));
        let width = QUESTIONS_WIDTH[0]..=most.max(QUESTIONS_WIDTH[0]);
        let panel = Panel::right("answers").frame(frame).default_size(PANEL_WIDTH).size_range(width);
        panel.show(ui, |ui| self.show_content(ui, exchanges)).inner
    }

    /// Draws what is in the panel.
    pub fn show_content(&mut self, ui: &mut Ui, exchanges: &Exchanges) -> Option<QuestionAction> {
        self.thumbnails.retain(|id, _| exchanges.iter().any(|exchange| exchange.id == *id));
        theme::name_region(ui, "Questions and answers");
        let mut action = None;
        ui.horizontal(|ui| {
            ui.heading("Questions");
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                let hint = "Hide the questions; they stay (Q)";
                if icon::button(ui, Icon::Close, Look::Quiet, true, "Hide questions", hint).clicked() {
                    self.is_open = false;
                }
                let hint = "Clear the questions that are answered; it can be undone";
                let can_clear = exchanges.iter().any(|exchange| !exchange.is_open());
                if icon::button(ui, Icon::Delete, Look::Quiet, can_clear, "Clear questions", hint).clicked() {
                    action = Some(QuestionAction::Clear);
                }
            });
        });
        if exchanges.cleared() > 0 {
            ui.horizontal(|ui| {
                let said =
                    ui.label(format!("Cleared {}.", text::count(exchanges.cleared() as u64, "question", "questions")));
                ui.ctx().accesskit_node_builder(said.id, |node| node.set_live(Live::Polite));
                if ui.button("Undo").on_hover_text("Put them back (Ctrl+Z)").clicked() {
                    action = Some(QuestionAction::UndoClear);
                }
            });
        }
        if exchanges.is_empty() {
            ui.label(RichText::new("What you ask about the picture stands here, with its answer.").weak());
        }
        ui.add_space(theme::GRID);
        ScrollArea::vertical().auto_shrink(false).stick_to_bottom(true).show(ui, |ui| {
            for exchange in exchanges.iter() {
                self.show_exchange(ui, exchange);
            }
        });
        action
    }

    fn show_exchange(&mut self, ui: &mut Ui, exchange: &Exchange) {
        let colours = theme::palette(ui.visuals());
        let card = Frame::new().fill(colours.card).corner_radius(theme::RADIUS).inner_margin(Margin::same(12));
        card.show(ui, |ui| {
            ui.set_width(ui.available_width());
            ui.horizontal_top(|ui| {
                let picture = exchange.picture.clone();
                let texture = self.thumbnails.entry(exchange.id).or_insert_with(|| {
                    ui.ctx().load_texture(format!("asked {}", exchange.id), picture, TextureOptions::LINEAR)
                });
                let size = Vec2::new(1.8 * THUMBNAIL_HEIGHT, THUMBNAIL_HEIGHT);
                let image = Image::from_texture(&*texture).fit_to_exact_size(size).maintain_aspect_ratio(true);
                ui.add(image.corner_radius(6).alt_text("The picture that the question is about"))
                    .on_hover_text("The picture that the question is about");
                ui.add(Label::new(RichText::new(&*exchange.question).font(theme::strong(14.0))).wrap());
            });
            answer(ui, exchange);
        });
    }
}

/// Takes Enter and what was typed behind it out of this frame's input, so that the letters are not
/// part of the question that was asked. Gives those letters.
fn entered(ui: &Ui) -> Option<String> {
    ui.input_mut(|input| {
        let is_enter = |event: &Event| {
            matches!(event, Event::Key { key: Key::Enter, pressed: true, modifiers, .. } if modifiers.is_none())
        };
        let at = input.events.iter().position(is_enter)?;
        let behind = input.events.drain(at..).skip(1).filter_map(|event| match event {
            Event::Text(text) => Some(text),
            _ => None,
        });
        Some(behind.collect())
    })
}

/// Puts the cursor of a box behind its text, which was set by hand.
fn cursor_at_end(ui: &Ui, id: Id, text: &str) {
    let mut state = TextEditState::load(ui.ctx(), id).unwrap_or_default();
    let end = CCursor::new(text.chars().count());
    state.cursor.set_char_range(Some(CCursorRange::one(end)));
    state.store(ui.ctx(), id);
}

fn answer(ui: &mut Ui, exchange: &Exchange) {
    let weak = |text: String| RichText::new(text).weak().small();
    if !exchange.answer.is_empty() {
        let response = ui.add(Label::new(&exchange.answer).wrap().sense(Sense::hover()));
        if matches!(exchange.phase, Phase::Answered(_)) {
            ui.ctx().accesskit_node_builder(response.id, |node| node.set_live(Live::Polite));
        }
    }
    match &exchange.phase {
        Phase::Waiting => ui.label(weak("Looking…".to_owned())),
        Phase::Answering if exchange.answer.is_empty() => ui.label(weak("Looking…".to_owned())),
        Phase::Answering => ui.label(weak("Answering…".to_owned())),
        Phase::Answered(took) => {
            ui.label(weak(format!("Answered in {}", wording::stage(*took)))).on_hover_text("All stages together")
        }
        Phase::Stopped => ui.label(weak("Stopped".to_owned())),
        Phase::Failed(message) => {
            let response = ui.add(Label::new(notice::words(ui, message)).wrap());
            response.widget_info(|| WidgetInfo::labeled(Role::Alert, true, message));
            response
        }
    };
}

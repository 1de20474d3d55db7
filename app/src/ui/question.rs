//! Questions: the box that they are typed in, and the panel in which their answers stream. A
//! question is about the picture on screen, or goes on about one that was asked about before.

use std::collections::HashMap;

use egui::accesskit::{Live, Role};
use egui::containers::menu::MenuButton;
use egui::{
    Align, Button, Frame, Key, Layout, Margin, Panel, RichText, ScrollArea, Stroke, TextEdit, TextureHandle, Ui, Vec2,
    WidgetInfo,
};
use vlm::Tiling;

use crate::base::text;
use crate::live::Asked;
use crate::ui::exchange_card::{CardAction, card};
use crate::ui::icon::{Icon, Look};
use crate::ui::room::{QUESTIONS_WIDTH, Room};
use crate::ui::state::{Exchange, Exchanges};
use crate::ui::{entered, focus, icon, theme, wording};

/// The most characters of a question: far more than anyone types, far less than the shortest
/// context takes.
const LONGEST_QUESTION: usize = 1000;
/// The widest the box gets, in points.
const WIDEST_BOX: f32 = 860.0;
/// The width of the panel of answers, in points.
const PANEL_WIDTH: f32 = 340.0;
/// The accessible name of the box.
const BOX_LABEL: &str = "Question about the picture";
/// The width of the options above the box, in points, before they were drawn.
pub const OPTIONS: f32 = 230.0;

/// Questions that most people have, and whether they are about small print.
const READY: [(&str, bool); 6] = [
    ("What is in the picture?", false),
    ("How many people are there?", false),
    ("What are the people doing?", false),
    ("What does the text say?", true),
    ("Is it inside or outside?", false),
    ("Is anything unusual?", false),
];
/// The same for the model that knows coloured shapes alone.
const READY_DEMO: [(&str, bool); 4] = [
    ("How many shapes are there?", false),
    ("Which is the largest?", false),
    ("What colour is the circle?", false),
    ("Where is the square?", false),
];

/// What the user did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QuestionAction {
    /// Asked this.
    Ask(Wish),
    /// Wants the same question about the same picture.
    Again(Asked),
    /// Wants the same question about the picture on screen.
    AboutNow(Asked),
    /// Wants the answer in the clipboard.
    Copy(Asked),
    /// Has heard enough of the answer.
    Stop,
    /// Wants the settled questions gone.
    Clear,
    /// Wants them back.
    UndoClear,
}

/// A question as it was typed or chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    /// Its words.
    pub words: String,
    /// The conversation that it goes on with; none is about the picture on screen.
    pub about: Option<Asked>,
    /// Whether the picture is to be cut into tiles.
    pub small_print: bool,
}

impl Wish {
    /// The same question about another picture, or about its own as if for the first time.
    pub fn again(exchange: &Exchange) -> Self {
        let small_print = exchange.tiling == Tiling::Split;
        Self { words: exchange.question.to_string(), about: None, small_print }
    }
}

/// The question being typed, and the thumbnails of those that were asked.
#[derive(Default)]
pub struct Questions {
    draft: String,
    is_open: bool,
    /// The conversation that the next question goes on with, and when its picture was captured.
    about: Option<(Asked, String)>,
    small_print: bool,
    /// By conversation.
    thumbnails: HashMap<Asked, TextureHandle>,
}

impl Questions {
    /// Gives back a question that could not be asked, unless another is being typed.
    pub fn restore(&mut self, wish: Wish) {
        if self.draft.is_empty() {
            self.draft = wish.words;
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

    fn wish(&self, words: &str) -> Wish {
        let about = self.about.as_ref().map(|(talk, _)| *talk);
        Wish { words: words.trim().to_owned(), about, small_print: self.small_print }
    }

    /// Draws what stands above the box: what the question is about, and ready-made ones.
    pub fn show_options(
        &mut self,
        ui: &mut Ui,
        exchanges: &Exchanges,
        can_ask: bool,
        is_demo: bool,
    ) -> Option<QuestionAction> {
        let mut action = None;
        let gone = |(talk, _): &mut (Asked, String)| exchanges.pinned(*talk).is_none();
        drop(self.about.take_if(gone));
        if let Some((_, time)) = &self.about {
            ui.label(RichText::new(format!("About the picture of {time}")).small());
            let back = Button::new(RichText::new("About now").small()).small();
            if ui.add(back).on_hover_text("Ask about the picture on screen again (Esc)").clicked() {
                self.about = None;
            }
            return None;
        }
        let words = RichText::new("Questions ▾").small();
        let (response, _) = MenuButton::from_button(Button::new(words).frame(false)).ui(ui, |ui| {
            for (question, small_print) in if is_demo { &READY_DEMO[..] } else { &READY[..] } {
                if ui.add_enabled(can_ask, Button::new(*question)).clicked() {
                    let wish = self.wish(question);
                    action = Some(QuestionAction::Ask(Wish { small_print: wish.small_print || *small_print, ..wish }));
                    ui.close();
                }
            }
        });
        response.widget_info(|| WidgetInfo::labeled(Role::Button, true, "Ready-made questions"));
        response.on_hover_text("Questions that most people have");
        let hint = "Cuts the picture into tiles, so that small print can be read. The answer takes several times as \
                    long.";
        theme::tick_box(ui, &mut self.small_print, RichText::new("Small print").small()).on_hover_text(hint);
        action
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
            let card = Frame::new()
                .fill(colours.card)
                .stroke(Stroke::new(1.0, colours.line))
                .corner_radius(theme::RADIUS + 4)
                .inner_margin(Margin { left: 16, right: 6, top: 6, bottom: 6 });
            let card = card.show(ui, |ui| {
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
                    let hint = match &self.about {
                        Some((_, time)) => format!("Go on about the picture of {time}…"),
                        None => "Ask about what you see…".to_owned(),
                    };
                    let hint = RichText::new(hint).color(colours.weak);
                    let behind = entered::take(ui.ctx(), id);
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
                    if focused && !answering && ui.input(|input| input.key_pressed(Key::Escape)) {
                        self.about = None;
                    }
                    let has_words = can_ask && !self.draft.trim().is_empty();
                    if (behind.is_some() || pressed) && has_words {
                        let question = std::mem::take(&mut self.draft);
                        action = Some(QuestionAction::Ask(self.wish(&question)));
                    }
                    if let Some(behind) = behind {
                        entered::go_on(ui.ctx(), id, &mut self.draft, &behind);
                    }
                });
            });
            focus::set_frame(ui.ctx(), id, card.response.rect);
        });
        action
    }

    /// Draws the panel of answers at the right, at most so wide.
    /// `width` is what the user chose.
    pub fn show_panel(
        &mut self,
        ui: &mut Ui,
        exchanges: &Exchanges,
        most: f32,
        width: &mut Option<u32>,
    ) -> Option<QuestionAction> {
        let frame = Frame::new().fill(theme::palette(ui.visuals()).panel).inner_margin(Margin::same(12));
        let [least, largest] = QUESTIONS_WIDTH;
        let most = most.max(least);
        let wide = width.map_or(PANEL_WIDTH, |width| width as f32);
        let panel = Panel::right("answers").frame(frame).default_size(wide).size_range(least..=most);
        let shown = panel.show(ui, |ui| self.show_content(ui, exchanges));
        *width = Room::chosen(shown.response.rect.width(), least, most, largest).or(*width);
        shown.inner
    }

    /// Draws what is in the panel.
    pub fn show_content(&mut self, ui: &mut Ui, exchanges: &Exchanges) -> Option<QuestionAction> {
        self.thumbnails.retain(|talk, _| exchanges.iter().any(|exchange| exchange.talk == *talk));
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
                action = self.show_exchange(ui, exchanges, exchange).or(action.take());
            }
        });
        action
    }

    fn show_exchange(&mut self, ui: &mut Ui, exchanges: &Exchanges, exchange: &Exchange) -> Option<QuestionAction> {
        let is_pinned = exchanges.pinned(exchange.talk).is_some();
        let is_target = self.about.as_ref().is_some_and(|(talk, _)| *talk == exchange.talk);
        match card(ui, exchange, &mut self.thumbnails, is_pinned, is_target)? {
            CardAction::FollowUp => {
                self.about = Some((exchange.talk, wording::clock(&exchange.time)));
                None
            }
            CardAction::Again => Some(QuestionAction::Again(exchange.id)),
            CardAction::AboutNow => Some(QuestionAction::AboutNow(exchange.id)),
            CardAction::Copy => Some(QuestionAction::Copy(exchange.id)),
            CardAction::Stop => Some(QuestionAction::Stop),
        }
    }
}

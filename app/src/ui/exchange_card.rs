//! A question with its picture and its answer, and what can be done with them.

use std::collections::HashMap;

use egui::accesskit::{Live, Role};
use egui::{Frame, Image, Label, Margin, RichText, Sense, Stroke, TextureHandle, TextureOptions, Ui, Vec2, WidgetInfo};
use vlm::Tiling;

use crate::live::Asked;
use crate::ui::state::{Exchange, Phase};
use crate::ui::{notice, theme, wording};

/// The height of a thumbnail, in points.
const THUMBNAIL_HEIGHT: f32 = 54.0;

/// What the user wants with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CardAction {
    /// The next question goes on about its picture.
    FollowUp,
    /// The same question about the same picture.
    Again,
    /// The same question about the picture on screen.
    AboutNow,
    /// Its answer in the clipboard.
    Copy,
    /// No more of its answer.
    Stop,
}

/// Draws it. `is_pinned` says whether its picture is kept whole, `is_target` whether the next
/// question goes on about it.
pub fn card(
    ui: &mut Ui,
    exchange: &Exchange,
    thumbnails: &mut HashMap<Asked, TextureHandle>,
    is_pinned: bool,
    is_target: bool,
) -> Option<CardAction> {
    let colours = theme::palette(ui.visuals());
    let line = if is_target { Stroke::new(1.0, colours.accent) } else { Stroke::NONE };
    let card = Frame::new().fill(colours.card).stroke(line).corner_radius(theme::RADIUS).inner_margin(Margin::same(12));
    let drawn = card.show(ui, |ui| {
        ui.set_width(ui.available_width());
        theme::on_card(ui);
        ui.horizontal_top(|ui| {
            let picture = exchange.picture.clone();
            let texture = thumbnails.entry(exchange.talk).or_insert_with(|| {
                ui.ctx().load_texture(format!("asked {}", exchange.talk), picture, TextureOptions::LINEAR)
            });
            let size = Vec2::new(1.8 * THUMBNAIL_HEIGHT, THUMBNAIL_HEIGHT);
            let image = Image::from_texture(&*texture).fit_to_exact_size(size).maintain_aspect_ratio(true);
            let time = wording::clock(&exchange.time);
            ui.add(image.corner_radius(6).alt_text(format!("The picture of {time}, which the question is about")))
                .on_hover_text(format!("The picture of {time}, which the question is about"));
            ui.add(Label::new(RichText::new(&*exchange.question).font(theme::strong(14.0))).wrap());
        });
        answer(ui, exchange);
        buttons(ui, exchange, is_pinned)
    });
    drawn.inner
}

fn answer(ui: &mut Ui, exchange: &Exchange) {
    let weak = |text: String| RichText::new(text).weak().small();
    if !exchange.answer.is_empty() {
        let response = ui.add(Label::new(&exchange.answer).wrap().sense(Sense::hover()));
        if matches!(exchange.phase, Phase::Answered { .. }) {
            ui.ctx().accesskit_node_builder(response.id, |node| node.set_live(Live::Polite));
        }
    }
    match &exchange.phase {
        Phase::Waiting => ui.label(weak("Looking…".to_owned())),
        Phase::Answering if exchange.answer.is_empty() => ui.label(weak("Looking…".to_owned())),
        Phase::Answering => ui.label(weak("Answering…".to_owned())),
        Phase::Answered { took, saved } => {
            let mut words = format!("Answered in {}", wording::stage(*took));
            if exchange.tiling == Tiling::Split {
                words.push_str(" · in tiles");
            }
            let mut hint = "All stages together".to_owned();
            if let Some(saved) = saved {
                words.push_str(" · saved ");
                words.push_str(&wording::stage(*saved));
                hint.push_str(". The picture was in the model's memory: looking at one took that long the last time.");
            }
            ui.label(weak(words)).on_hover_text(hint)
        }
        Phase::Stopped => ui.label(weak("Stopped".to_owned())),
        Phase::Failed(message) => {
            let response = ui.add(Label::new(notice::words(ui, message)).wrap());
            response.widget_info(|| WidgetInfo::labeled(Role::Alert, true, message));
            response
        }
    };
}

fn buttons(ui: &mut Ui, exchange: &Exchange, is_pinned: bool) -> Option<CardAction> {
    let mut action = None;
    let mut button = |ui: &mut Ui, name: &str, hint: &str, enabled: bool, wanted: CardAction| {
        let button = egui::Button::new(RichText::new(name).small()).min_size(Vec2::new(0.0, 6.0 * theme::GRID));
        if ui.add_enabled(enabled, button).on_hover_text(hint).on_disabled_hover_text(hint).clicked() {
            action = Some(wanted);
        }
    };
    let kept = |hint: &'static str| if is_pinned { hint } else { "The picture is no longer kept" };
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().interact_size.y = 6.0 * theme::GRID;
        ui.spacing_mut().button_padding = Vec2::new(2.0 * theme::GRID, theme::GRID);
        if exchange.is_open() {
            return button(ui, "Stop", "Stop the answer (Esc)", true, CardAction::Stop);
        }
        let hint = kept("Ask more about this picture. The model keeps what it knows of it");
        button(ui, "Follow up", hint, is_pinned, CardAction::FollowUp);
        if exchange.is_broken_off() {
            let hint = kept("The same question about the same picture");
            button(ui, "Ask again", hint, is_pinned, CardAction::Again);
        }
        button(ui, "Ask about now", "The same question about the picture on screen", true, CardAction::AboutNow);
        if !exchange.answer.is_empty() {
            button(ui, "Copy answer", "Copy the answer", true, CardAction::Copy);
        }
    });
    action
}

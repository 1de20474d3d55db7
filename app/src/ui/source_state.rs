//! What stands in the picture's place while the source gives none: what happened, and what can be
//! done about it as buttons.

use std::time::Instant;

use egui::accesskit::{Live, Role};
use egui::{Align, Align2, Frame, Label, Layout, Rect, RichText, Ui, UiBuilder, WidgetInfo};

use crate::base::message::Message;
use crate::capture::SourceSpec;
use crate::ui::platform::Wanted;
use crate::ui::state::{SourcePhase, State, Topic};
use crate::ui::{theme, wording};

/// The widest a card gets, in points.
const WIDEST: f32 = 440.0;
/// The room of a card, in points.
const HEIGHT: f32 = 200.0;

/// What the user wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceAction {
    /// The same source, from its beginning.
    Again,
    /// Another one, by the desktop's dialog.
    Open(Wanted),
    /// This one.
    Source(SourceSpec),
}

/// What is shown of a source that gives no pictures.
struct Card {
    title: &'static str,
    message: Option<Message>,
    until_retry: Option<String>,
    again: &'static str,
}

/// Draws a card in the middle of `stage` where the source is missing or ended.
pub fn show(ui: &mut Ui, state: &State, has_picture: bool, stage: Rect, now: Instant) -> Option<SourceAction> {
    let card = card(state, has_picture, now)?;
    let is_past = state.source.phase == SourcePhase::Lost && has_picture;
    if is_past {
        ui.painter().rect_filled(stage, 0.0, theme::PLATE.gamma_multiply(0.6));
    }
    let mut action = None;
    let room = stage.shrink(2.0 * theme::GRID);
    let size = egui::vec2(WIDEST.min(room.width()), HEIGHT.min(room.height()));
    // The last picture and its caption stay in view.
    let align = if has_picture && !is_past { Align2::CENTER_TOP } else { Align2::CENTER_CENTER };
    let place = align.align_size_within_rect(size, room);
    let layout = Layout::top_down(Align::Center);
    let builder = UiBuilder::new().max_rect(place).layout(layout).scope_id(egui::Id::unique("source state"));
    ui.scope_builder(builder, |ui| {
        let colours = theme::palette(ui.visuals());
        let frame = Frame::new().fill(colours.panel).corner_radius(theme::RADIUS).inner_margin(4.0 * theme::GRID);
        frame.show(ui, |ui| {
            let title = ui.add(Label::new(RichText::new(card.title).font(theme::strong(18.0))).wrap());
            ui.ctx().accesskit_node_builder(title.id, |node| node.set_live(Live::Polite));
            if let Some(message) = &card.message {
                let said = ui.add(Label::new(message.what()).wrap());
                said.widget_info(|| WidgetInfo::labeled(Role::Alert, true, message));
                if let Some(hint) = message.advice() {
                    ui.add(Label::new(RichText::new(hint).weak()).wrap());
                }
            }
            if let Some(left) = &card.until_retry {
                ui.label(RichText::new(left).small().color(colours.warning));
            }
            ui.add_space(theme::GRID);
            ui.horizontal_wrapped(|ui| {
                if !card.again.is_empty() && ui.button(card.again).clicked() {
                    action = Some(SourceAction::Again);
                }
                let is_first = state.source.phase == SourcePhase::None;
                if ui.button(if is_first { "Open a file…" } else { "Open another file…" }).clicked() {
                    action = Some(SourceAction::Open(Wanted::PictureOrVideo));
                }
                if state.source.spec != Some(SourceSpec::Demo) && ui.button("Show the demo").clicked() {
                    action = Some(SourceAction::Source(SourceSpec::Demo));
                }
            });
        });
    });
    action
}

fn card(state: &State, has_picture: bool, now: Instant) -> Option<Card> {
    let card = |title, again| Card { title, message: None, until_retry: None, again };
    match state.source.phase {
        SourcePhase::None => Some(card("Choose a source above: a camera, a picture or a video", "")),
        SourcePhase::Lost => {
            let notice = state.notices.of(Topic::Source);
            Some(Card {
                message: notice.map(|notice| notice.message.clone()),
                until_retry: notice
                    .and_then(|notice| notice.until_retry(now))
                    .map(|left| format!("Trying again in {}", wording::countdown(left))),
                ..card("The source gives no pictures", "Try again")
            })
        }
        SourcePhase::Ended if !has_picture => Some(card("The source gave no picture", "Try again")),
        SourcePhase::Ended if state.source.moved => Some(card("The source has ended", "Play again")),
        // A picture that has been looked at is as it should be.
        SourcePhase::Ended | SourcePhase::Opening | SourcePhase::Live => None,
    }
}

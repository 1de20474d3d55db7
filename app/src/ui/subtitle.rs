//! The caption over the lower edge of the picture, like a subtitle, with its age.

use std::time::Instant;

use egui::accesskit::{Live, Role};
use egui::text::LayoutJob;
use egui::{Align, Align2, Color32, FontId, Pos2, Rect, Sense, TextFormat, Ui, Vec2, WidgetInfo, pos2, vec2};

use crate::ui::state::{CaptionView, Words};
use crate::ui::{theme, wording};

/// The widest a subtitle gets, in points: longer lines are hard to follow.
const WIDEST: f32 = 860.0;
/// From the plate's edge to the words.
const PADDING: Vec2 = vec2(5.0 * theme::GRID, 3.0 * theme::GRID);
/// From the lower edge of the picture to the plate.
const LIFT: f32 = 4.0 * theme::GRID;
/// The bar behind the last word while more are coming, in points.
const PEN: Vec2 = vec2(3.0, 0.9 * theme::SUBTITLE_SIZE);

/// Draws the caption over `picture`, inside of `stage`. Draws nothing before the first caption.
pub fn show(ui: &Ui, caption: &CaptionView, picture: Rect, stage: Rect, now: Instant) {
    let words = caption.words();
    if words.firm.is_empty() {
        return;
    }
    let width = (stage.width() - 12.0 * theme::GRID).clamp(1.0, WIDEST);
    let galley = ui.painter().layout_job(layout(words, width - 2.0 * PADDING.x));
    let size = galley.size() + 2.0 * PADDING;
    let bottom = (picture.bottom() - LIFT).min(stage.bottom() - LIFT);
    let plate = Rect::from_min_size(pos2(stage.center().x - size.x / 2.0, bottom - size.y), size);
    ui.painter().rect_filled(plate, theme::RADIUS + 4, theme::PLATE);
    let origin = pos2(plate.center().x, plate.top() + PADDING.y);
    if words.writing && words.tentative.is_empty() {
        let end = galley.pos_from_cursor(galley.end()).translate(origin.to_vec2());
        let pen = Rect::from_center_size(pos2(end.right() + PEN.x + theme::GRID, end.center().y), PEN);
        ui.painter().rect_filled(pen, 1.0, theme::palette(ui.visuals()).accent);
    }
    ui.painter().galley(origin, galley, theme::SUBTITLE);

    let response = ui.interact(plate, ui.scope_id().with("subtitle"), Sense::hover());
    response.widget_info(|| WidgetInfo::labeled(Role::Label, true, format!("{}{}", words.firm, words.tentative)));
    if !words.writing {
        // A screen reader says each caption when it is complete.
        ui.ctx().accesskit_node_builder(response.id, |node| node.set_live(Live::Polite));
    }
    age(ui, caption, pos2(plate.center().x, plate.top() - theme::GRID), now);
}

/// The age of the caption, on a small plate that ends above `foot`.
fn age(ui: &Ui, caption: &CaptionView, foot: Pos2, now: Instant) {
    let Some(captured_at) = caption.captured_at() else { return };
    let mut text = wording::age(now.saturating_duration_since(captured_at));
    if caption.is_unchanged() {
        text.push_str(" · unchanged");
    }
    let galley = ui.painter().layout_no_wrap(text.clone(), FontId::proportional(12.0), Color32::WHITE);
    let size = galley.size() + vec2(4.0 * theme::GRID, theme::GRID);
    let plate = Align2::CENTER_BOTTOM.anchor_size(foot, size);
    ui.painter().rect_filled(plate, size.y / 2.0, theme::PLATE);
    ui.painter().galley(plate.center() - galley.size() / 2.0, galley, theme::SUBTITLE);
    let response = ui.interact(plate, ui.scope_id().with("age"), Sense::hover());
    response.widget_info(|| WidgetInfo::labeled(Role::Label, true, &text));
    let hint = if caption.is_unchanged() {
        "Since the picture that the caption is about. The view has not changed since, so the caption still holds."
    } else {
        "Since the picture that the caption is about."
    };
    response.on_hover_text(hint);
}

fn layout(words: Words<'_>, width: f32) -> LayoutJob {
    let format = |color| TextFormat {
        font_id: theme::strong(theme::SUBTITLE_SIZE),
        color,
        line_height: Some(theme::SUBTITLE_SIZE * 1.3),
        ..TextFormat::default()
    };
    let mut job = LayoutJob { halign: Align::Center, ..LayoutJob::default() };
    job.wrap.max_width = width;
    job.append(words.firm, 0.0, format(theme::SUBTITLE));
    job.append(words.tentative, 0.0, format(theme::SUBTITLE_TENTATIVE));
    job
}

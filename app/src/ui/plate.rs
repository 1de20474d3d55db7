//! Short words on a dark plate over a picture. Knows no view.

use egui::accesskit::Role;
use egui::{Align2, Color32, FontId, Rect, Sense, Ui, WidgetInfo, vec2};

use crate::ui::theme;

/// A short text on a dark plate in a corner or the middle of `place`. Left out where it has no
/// room.
pub fn plate(ui: &Ui, align: Align2, place: Rect, text: &str, size: f32) {
    let galley = ui.painter().layout_no_wrap(text.to_owned(), FontId::proportional(size), Color32::WHITE);
    let padding = vec2(4.0 * theme::GRID, 2.0 * theme::GRID);
    let within = place.shrink(2.0 * theme::GRID);
    let rect = align.align_size_within_rect(galley.size() + 2.0 * padding, within);
    if !within.contains_rect(rect) {
        return;
    }
    ui.painter().rect_filled(rect, theme::RADIUS, theme::PLATE);
    ui.painter().galley(rect.min + padding, galley, theme::SUBTITLE);
    let response = ui.interact(rect, ui.scope_id().with(text), Sense::hover());
    response.widget_info(|| WidgetInfo::labeled(Role::Label, true, text));
}

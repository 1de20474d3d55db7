//! A ring around whatever has the focus, the same for every widget, so that those who use the
//! keyboard see where they are.

use egui::{Context, LayerId, Order, Stroke, StrokeKind};

use crate::ui::theme;

/// From what has the focus to the ring, in points.
const DISTANCE: f32 = 1.0;

/// Draws the ring, above everything else.
pub fn show(ctx: &Context) {
    let Some(id) = ctx.memory(egui::Memory::focused) else { return };
    let Some(response) = ctx.read_response(id) else { return };
    let ring = Stroke::new(2.0, theme::palette(&ctx.global_style().visuals).accent);
    let layer = LayerId::new(Order::Debug, egui::Id::unique("focus"));
    let painter = ctx.layer_painter(layer).with_clip_rect(response.interact_rect.expand(4.0 * DISTANCE));
    painter.rect_stroke(response.rect.expand(DISTANCE), theme::RADIUS, ring, StrokeKind::Outside);
}

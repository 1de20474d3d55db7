//! A ring around whatever has the focus, the same for every widget, so that those who use the
//! keyboard see where they are.

use egui::{Context, Id, LayerId, Order, Rect, Stroke, StrokeKind};

use crate::ui::theme;

/// From what has the focus to the ring, in points.
const DISTANCE: f32 = 1.0;

/// Has the ring of what has this id drawn around `rect`, the frame that it stands in.
pub fn set_frame(ctx: &Context, id: Id, rect: Rect) {
    ctx.data_mut(|data| data.insert_temp(id.with("focus frame"), rect));
}

/// Draws the ring, above everything else.
pub fn show(ctx: &Context) {
    let Some(id) = ctx.memory(egui::Memory::focused) else { return };
    let Some(response) = ctx.read_response(id) else { return };
    let framed = ctx.data(|data| data.get_temp::<Rect>(id.with("focus frame")));
    let (rect, clip) = match framed {
        Some(rect) => (rect, rect),
        None => (response.rect, response.interact_rect),
    };
    let ring = Stroke::new(2.0, theme::palette(&ctx.global_style().visuals).accent);
    let layer = LayerId::new(Order::Debug, Id::unique("focus"));
    let painter = ctx.layer_painter(layer).with_clip_rect(clip.expand(4.0 * DISTANCE));
    painter.rect_stroke(rect.expand(DISTANCE), theme::RADIUS, ring, StrokeKind::Outside);
}

//! The part of the picture that is looked at, drawn with the pointer. Knows no source: it makes a
//! region of what was drawn.

use egui::{CursorIcon, Pos2, Rect, Sense, Stroke, StrokeKind, Ui};

use crate::live::Region;
use crate::ui::theme;

/// A part smaller than this, in per cent of a side, was a click and no part.
const LEAST: f32 = 2.0;

/// The drawing of a region.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RegionDrawing {
    from: Option<Pos2>,
}

impl RegionDrawing {
    /// Lets the user draw over `picture`. Gives the region once it is drawn.
    pub fn show(&mut self, ui: &Ui, picture: Rect, is_mirrored: bool) -> Option<Region> {
        let response =
            ui.interact(picture, ui.scope_id().with("region"), Sense::drag()).on_hover_cursor(CursorIcon::Crosshair);
        let at = response.interact_pointer_pos().map(|at| at.clamp(picture.min, picture.max));
        if response.drag_started() {
            self.from = at;
        }
        let drawn = Rect::from_two_pos(self.from?, at?);
        let colours = theme::palette(ui.visuals());
        ui.painter().rect_stroke(drawn, 0.0, Stroke::new(2.0, colours.accent), StrokeKind::Middle);
        if !response.drag_stopped() {
            return None;
        }
        self.from = None;
        region(drawn, picture, is_mirrored)
    }
}

/// What was drawn, as a part of the picture.
fn region(drawn: Rect, picture: Rect, is_mirrored: bool) -> Option<Region> {
    let per_cent = |from: f32, start: f32, length: f32| ((from - start) / length * 100.0).clamp(0.0, 100.0);
    let (left, right) = (
        per_cent(drawn.left(), picture.left(), picture.width()),
        per_cent(drawn.right(), picture.left(), picture.width()),
    );
    let (left, right) = if is_mirrored { (100.0 - right, 100.0 - left) } else { (left, right) };
    let (top, bottom) = (
        per_cent(drawn.top(), picture.top(), picture.height()),
        per_cent(drawn.bottom(), picture.top(), picture.height()),
    );
    let (width, height) = (right - left, bottom - top);
    // As it is written after --region.
    let written = format!("{left:.2},{top:.2},{:.2},{:.2}", width.min(99.99 - left), height.min(99.99 - top));
    if width < LEAST || height < LEAST { None } else { written.parse().ok() }
}

#[cfg(test)]
mod tests {
    use egui::pos2;

    use super::*;

    #[test]
    fn what_is_drawn_is_a_part_in_per_cent_also_in_a_mirror() {
        let picture = Rect::from_min_max(pos2(100.0, 50.0), pos2(300.0, 150.0));
        let drawn = Rect::from_min_max(pos2(100.0, 100.0), pos2(150.0, 125.0));
        assert_eq!(region(drawn, picture, false), "0,50,25,25".parse().ok());
        assert_eq!(region(drawn, picture, true), "75,50,24.99,25".parse().ok());
        let click = Rect::from_min_max(pos2(100.0, 100.0), pos2(101.0, 101.0));
        assert_eq!(region(click, picture, false), None);
        assert!(region(picture, picture, false).is_some(), "all of it is within the picture");
    }
}

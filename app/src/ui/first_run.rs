//! A card over the demo: that it is one, and how to get a model that describes what a camera sees.

use egui::{Align2, Frame, Id, Label, Rect, RichText, Ui, UiBuilder, vec2};

use crate::models::spec::ModelSpec;
use crate::ui::platform::Choice;
use crate::ui::preferences::KeptSpeed;
use crate::ui::theme;

/// The card's size, in points.
const SIZE: [f32; 2] = [460.0, 120.0];

/// What the user did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FirstRunAction {
    /// Wants the model, and then the camera.
    Get,
    /// Wants the demo only.
    NotNow,
}

/// Draws the card at the top of `stage`, which offers this model. `speed` is what was measured of
/// it here.
pub fn show(ui: &mut Ui, model: &Choice<ModelSpec>, speed: Option<&KeptSpeed>, stage: Rect) -> Option<FirstRunAction> {
    let room = stage.shrink(2.0 * theme::GRID);
    let size = vec2(SIZE[0].min(room.width()), SIZE[1]);
    // Below the picture's half there is no room for it.
    if stage.height() < 2.5 * size.y {
        return None;
    }
    let place = Align2::CENTER_TOP.align_size_within_rect(size, room);
    let mut action = None;
    let builder = UiBuilder::new().max_rect(place).scope_id(Id::unique("first run"));
    ui.scope_builder(builder, |ui| {
        let frame = Frame::new().fill(theme::palette(ui.visuals()).panel).corner_radius(theme::RADIUS);
        frame.inner_margin(3.0 * theme::GRID).show(ui, |ui| {
            theme::name_region(ui, "First steps");
            ui.label(RichText::new("This is a demo that knows coloured shapes.").font(theme::strong(15.0)));
            let speed = speed.map(|speed| format!(", {}", speed.words())).unwrap_or_default();
            let words =
                format!("Get {} ({}{speed}) to have described what your camera sees.", model.label, model.detail);
            ui.add(Label::new(words).wrap());
            ui.add_space(theme::GRID);
            ui.horizontal(|ui| {
                if ui.button("Get it").on_hover_text("Download it, then open the camera").clicked() {
                    action = Some(FirstRunAction::Get);
                }
                if ui.button("Not now").on_hover_text("The model menu has it, too").clicked() {
                    action = Some(FirstRunAction::NotNow);
                }
            });
        });
    });
    action
}

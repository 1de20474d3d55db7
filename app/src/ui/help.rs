//! All keys, and what this program is.

use egui::{Frame, Id, Label, Modal, RichText, ScrollArea, Ui, vec2};

use crate::ui::command::{COMMANDS, OTHER_KEYS};
use crate::ui::theme;

/// The dialogs' width, in points.
const WIDTH: f32 = 460.0;
/// The width of the keys, in points.
const KEY_WIDTH: f32 = 150.0;
/// The largest part of the window's height that they take.
const HEIGHT: f32 = 0.8;

/// Draws the table of all keys. Says whether the user has seen it.
pub fn keys(ui: &Ui) -> bool {
    dialog(ui, "keys", "All keys", |ui| {
        let commands = COMMANDS.iter().filter(|entry| !entry.key.is_empty()).map(|entry| (entry.key, entry.name));
        for (key, what) in commands.chain(OTHER_KEYS) {
            ui.horizontal_top(|ui| {
                let beside = (ui.available_width() - KEY_WIDTH).max(KEY_WIDTH);
                ui.allocate_ui(vec2(KEY_WIDTH, 0.0), |ui| {
                    ui.set_min_width(KEY_WIDTH);
                    ui.add(Label::new(RichText::new(key).font(theme::strong(13.0))).wrap());
                });
                ui.allocate_ui(vec2(beside - 4.0 * theme::GRID, 0.0), |ui| {
                    ui.add(Label::new(what.trim_end_matches('…')).wrap());
                });
            });
        }
    })
}

/// Draws what this program is. Says whether the user has seen it.
pub fn about(ui: &Ui) -> bool {
    dialog(ui, "about", "About Sightline", |ui| {
        let paragraphs = [
            concat!("Version ", env!("CARGO_PKG_VERSION")),
            "Live captions of what a camera sees, made on your own machine. Nothing leaves it, unless you name a server \
             with --engine.",
            "The program is licensed as you choose, under MIT or Apache-2.0. The typeface is Inter, under the SIL Open \
             Font License 1.1. Models have licences of their own: SmolVLM and SmolVLM2 have Apache-2.0.",
            "Small models err. Do not rely on what they say where somebody's safety depends on it.",
        ];
        for paragraph in paragraphs {
            ui.add(Label::new(paragraph).wrap());
            ui.add_space(theme::GRID);
        }
    })
}

fn dialog(ui: &Ui, id: &str, title: &str, content: impl FnOnce(&mut Ui)) -> bool {
    let screen = ui.ctx().content_rect();
    let frame = Frame::popup(ui.style()).fill(theme::palette(ui.visuals()).panel).inner_margin(5.0 * theme::GRID);
    let mut is_read = false;
    let response = Modal::new(Id::unique(id)).frame(frame).show(ui.ctx(), |ui| {
        ui.set_width(WIDTH.min(screen.width() - 16.0 * theme::GRID));
        ui.heading(title);
        ui.add_space(theme::GRID);
        let height = (screen.height() * HEIGHT - 30.0 * theme::GRID).max(20.0 * theme::GRID);
        ScrollArea::vertical().max_height(height).show(ui, content);
        ui.add_space(theme::GRID);
        is_read = ui.button("Close").clicked();
    });
    is_read || response.should_close()
}

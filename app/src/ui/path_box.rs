//! A box for the name of a file, folder or address: for those who would rather type it, and for
//! desktops without a file dialog.

use std::path::PathBuf;

use egui::{Button, Frame, Id, Key, Label, Modal, RichText, TextEdit, Ui};

use crate::ui::platform::Wanted;
use crate::ui::theme;

/// The dialog's width, in points.
const WIDTH: f32 = 440.0;
/// For so many frames the box asks for the focus: a menu that closes takes it along.
const FOCUS_FRAMES: u8 = 3;
/// The accessible name of the box.
const NAME: &str = "Path";

/// The box, while it is open.
pub struct PathBox {
    wanted: Wanted,
    text: String,
    /// Why it is shown, where nobody asked for it.
    why: Option<&'static str>,
    /// Frames in which the focus is still asked for.
    asks_for_focus: u8,
}

/// What the user did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathAction {
    /// Chose this.
    Chosen(Wanted, PathBuf),
    /// Wants nothing.
    Close,
}

impl PathBox {
    /// A box for this, with what is proposed.
    pub fn new(wanted: Wanted, text: String) -> Self {
        Self { wanted, text, why: None, asks_for_focus: FOCUS_FRAMES }
    }

    /// One that stands in for the desktop's dialog.
    pub fn instead_of_dialog(wanted: Wanted, text: String) -> Self {
        Self { why: Some("This desktop offers no file dialog. Write the path here."), ..Self::new(wanted, text) }
    }

    /// Draws it.
    pub fn show(&mut self, ui: &Ui) -> Option<PathAction> {
        let mut action = None;
        let frame = Frame::popup(ui.style()).fill(theme::palette(ui.visuals()).panel).inner_margin(5.0 * theme::GRID);
        let response = Modal::new(Id::unique("path")).frame(frame).show(ui.ctx(), |ui| {
            ui.set_width(WIDTH.min(ui.ctx().content_rect().width() - 16.0 * theme::GRID));
            ui.heading(title(self.wanted));
            if let Some(why) = self.why {
                ui.add(Label::new(RichText::new(why).color(theme::palette(ui.visuals()).warning)).wrap());
            }
            let hint = RichText::new(hint(self.wanted)).color(theme::palette(ui.visuals()).weak);
            let field = ui.add(TextEdit::singleline(&mut self.text).hint_text(hint).desired_width(f32::INFINITY));
            ui.ctx().accesskit_node_builder(field.id, |node| node.set_label(NAME));
            if self.asks_for_focus > 0 {
                self.asks_for_focus -= 1;
                field.request_focus();
                ui.ctx().request_repaint();
            }
            let entered = field.lost_focus() && ui.input(|input| input.key_pressed(Key::Enter));
            let name = self.text.trim().to_owned();
            ui.horizontal(|ui| {
                let pressed = ui.add_enabled(!name.is_empty(), Button::new(verb(self.wanted))).clicked();
                if (pressed || entered) && !name.is_empty() {
                    action = Some(PathAction::Chosen(self.wanted, PathBuf::from(&name)));
                }
                if ui.button("Cancel").clicked() {
                    action = Some(PathAction::Close);
                }
            });
        });
        if response.should_close() {
            action.get_or_insert(PathAction::Close);
        }
        action
    }
}

fn title(wanted: Wanted) -> &'static str {
    match wanted {
        Wanted::Source => "Open path or address",
        Wanted::PictureOrVideo => "Open picture or video",
        Wanted::PictureFolder => "Open folder of pictures",
        Wanted::ModelFolder => "Open model folder",
        Wanted::Reference => "Choose a reference picture",
        Wanted::Picture => "Save picture",
        Wanted::Clip => "Save the last 30 seconds",
        Wanted::Export(_) => "Export the log",
    }
}

fn hint(wanted: Wanted) -> &'static str {
    match wanted {
        Wanted::Source => "/home/me/film.mp4 or rtsp://camera/stream",
        Wanted::ModelFolder => "/home/me/models/SmolVLM-256M-Instruct",
        _ => "/home/me/pictures/cat.jpg",
    }
}

fn verb(wanted: Wanted) -> &'static str {
    match wanted {
        Wanted::Picture | Wanted::Clip | Wanted::Export(_) => "Save",
        _ => "Open",
    }
}

//! What the keys say, and what is dropped on the window.

use egui::{Key, Popup, Ui};

use crate::ui::app::App;
use crate::ui::command::Command;
use crate::ui::platform::Wanted;

impl App {
    /// Whether something stands before everything else, so that keys are its.
    pub(super) fn has_dialog(&self) -> bool {
        self.log.has_dialog()
            || self.path_box.is_some()
            || self.instruction_dialog.is_some()
            || self.models_dialog.is_some()
            || self.dialog.is_some()
    }

    pub(super) fn take_keys(&mut self, ui: &Ui) {
        if !self.has_dialog() {
            self.log.take_keys(ui);
        }
        let typing = ui.ctx().text_edit_focused();
        if !Popup::is_any_open(ui.ctx()) && !self.has_dialog() {
            let command = ui.input(|input| Command::pressed(input, typing));
            // A button that has the focus is pressed with the space bar, too.
            let is_taken = command == Some(Command::Pause) && ui.ctx().egui_wants_keyboard_input();
            if let Some(command) = command.filter(|_| !is_taken) {
                self.command(ui.ctx(), command);
            }
            if !typing {
                self.take_player_keys(ui);
                self.take_view_keys(ui);
            }
        }
        if ui.input(|input| input.key_pressed(Key::Escape)) {
            self.silence();
        }
        if self.state.exchanges.is_open() && ui.input(|input| input.key_pressed(Key::Escape)) {
            self.pipeline.cancel_answer();
        }
        let dropped = ui.input(|input| input.raw.dropped_files.first().map(|file| file.path().to_owned()));
        if let Some(path) = dropped {
            self.choose_path(Wanted::PictureOrVideo, path);
        }
    }
}

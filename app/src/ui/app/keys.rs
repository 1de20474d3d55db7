//! What the keys say, and what is dropped on the window.

use std::mem::take;

use egui::{Event, Key, Popup, Ui};

use crate::ui::app::App;
use crate::ui::command::Command;
use crate::ui::platform::Wanted;

/// Lets through what came up to the first Esc: it may close a dialog, and keys that were pressed
/// behind it are for what is there then. They come with the next frame, before what comes until
/// then. Says whether any wait.
pub(super) fn one_escape_a_frame(events: &mut Vec<Event>, held: &mut Vec<Event>) -> bool {
    let mut all = take(held);
    all.append(events);
    let is_escape = |event: &Event| matches!(event, Event::Key { key: Key::Escape, pressed: true, .. });
    let end = all.iter().position(is_escape).map_or(all.len(), |at| at + 1);
    *held = all.split_off(end);
    *events = all;
    !held.is_empty()
}

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

#[cfg(test)]
mod tests {
    use egui::Modifiers;

    use super::*;

    fn press(key: Key) -> Event {
        Event::Key { key, physical_key: None, pressed: true, repeat: false, modifiers: Modifiers::NONE }
    }

    #[test]
    fn keys_behind_an_escape_come_with_the_next_frame_in_their_order() {
        let mut held = Vec::new();
        let mut frame = |mut events: Vec<Event>| {
            let waits = one_escape_a_frame(&mut events, &mut held);
            (events, waits)
        };
        let (a, i, l, escape) = (press(Key::A), press(Key::I), press(Key::L), press(Key::Escape));
        assert_eq!(frame(vec![a.clone(), i.clone()]), (vec![a.clone(), i.clone()], false));
        let events = vec![a.clone(), escape.clone(), i.clone(), escape.clone()];
        assert_eq!(frame(events), (vec![a, escape.clone()], true));
        assert_eq!(frame(vec![l.clone()]), (vec![i, escape], true));
        assert_eq!(frame(Vec::new()), (vec![l], false));
    }
}

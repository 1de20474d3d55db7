//! What the player's buttons and keys do: films and folders go on, stop, and begin elsewhere.

use std::path::Path;

use egui::{Key, Rect, Ui};

use crate::capture::{Neighbours, PlayOrder, SourceSpec};
use crate::ui::app::App;
use crate::ui::player;
use crate::ui::player::{PlayerAction, Way};
use crate::ui::state::SourcePhase;

impl App {
    /// Draws the buttons under what can be played. Gives the rest of the stage.
    pub(super) fn show_player(&mut self, ui: &mut Ui) -> Rect {
        let stage = ui.max_rect();
        if !self.player.is_shown(&self.state, stage) {
            return stage;
        }
        let top = stage.bottom() - player::HEIGHT;
        let repeats = self.views.in_hand().options.repeat;
        if let Some(action) = self.player.show(ui, &self.state, repeats, stage.with_min_y(top)) {
            self.played(action);
        }
        stage.with_max_y(top)
    }

    pub(super) fn take_player_keys(&mut self, ui: &Ui) {
        let repeats = self.views.in_hand().options.repeat;
        let is_pressed = |key| ui.input(|input| input.key_pressed(key));
        let action = if is_pressed(Key::PageUp) {
            self.player.towards(Way::Back, repeats)
        } else if is_pressed(Key::PageDown) {
            self.player.towards(Way::On, repeats)
        } else if ui.memory(|memory| memory.focused().is_some()) || self.log.is_open() {
            // Arrows are those of whatever has the focus, and of the log.
            None
        } else if is_pressed(Key::ArrowLeft) {
            self.player.step(Way::Back)
        } else if is_pressed(Key::ArrowRight) {
            self.player.step(Way::On)
        } else {
            None
        };
        if let Some(action) = action {
            self.played(action);
        }
    }

    fn played(&mut self, action: PlayerAction) {
        let has_ended = self.state.source.phase != SourcePhase::Live;
        match action {
            PlayerAction::Pause => self.set_paused(!self.state.paused),
            PlayerAction::Again => self.again_from(None),
            PlayerAction::Seek(at) if has_ended => self.again_from(Some(at)),
            PlayerAction::Seek(at) => self.order(PlayOrder::SeekTo(at)),
            PlayerAction::Repeat(repeat) => {
                self.views.in_hand_mut().options.repeat = repeat;
                self.view().play(PlayOrder::Repeat(repeat));
            }
            PlayerAction::Picture(_) if has_ended => self.again_from(None),
            PlayerAction::Picture(order) => self.order(order),
            PlayerAction::Open(path) => {
                // It is looked at as this one is, and called by its own name.
                let seat = self.views.in_hand_mut();
                seat.name = None;
                self.recording.unname(seat.number);
                self.open_source_at(SourceSpec::Path(path), None);
                self.remember();
            }
        }
    }

    /// What stands still is wanted elsewhere: it goes on there.
    fn order(&mut self, order: PlayOrder) {
        self.view().play(order);
        self.set_paused(false);
    }

    fn again_from(&mut self, at: Option<std::time::Duration>) {
        if let Some(spec) = self.state.source.spec.clone() {
            self.open_source_at(spec, at);
        }
    }

    /// The source of a view is open: it goes on where the user wanted.
    pub(super) fn begin_at(&mut self, number: usize) {
        let Some((seat, is_in_hand)) = self.views.numbered(number) else { return };
        let player = if is_in_hand { &mut self.player } else { &mut seat.shown.player };
        if let Some(at) = player.take_begin() {
            self.pipeline.view(number).play(PlayOrder::SeekTo(at));
        }
    }

    /// The folder of a source was read.
    pub(super) fn found_beside(&mut self, number: usize, path: &Path, neighbours: Neighbours) {
        let Some((seat, is_in_hand)) = self.views.numbered(number) else { return };
        let (state, player) =
            if is_in_hand { (&self.state, &mut self.player) } else { (&seat.shown.state, &mut seat.shown.player) };
        if matches!(&state.source.spec, Some(SourceSpec::Path(of)) if of == path) {
            player.set_neighbours(neighbours);
        }
    }
}

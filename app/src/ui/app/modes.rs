//! Other ways to see the window: the picture on the full screen, the captions alone, and a small
//! window above all others.

use std::time::Instant;

use egui::{CentralPanel, Context, Key, Ui, ViewportCommand, WindowLevel, vec2};

use crate::base::message::Message;
use crate::ui::app::{App, Mode};
use crate::ui::state::Topic;
use crate::ui::{subtitle, theme};

/// The size of the small window, in points.
const SMALL: [f32; 2] = [360.0, 260.0];

/// The picture on the full screen, or no longer.
pub(super) fn toggle_full_screen(ctx: &Context) {
    let is_full = ctx.input(|input| input.viewport().fullscreen == Some(true));
    ctx.send_viewport_cmd(ViewportCommand::Fullscreen(!is_full));
}

impl App {
    /// Draws what is left of the window in another mode. Says whether that is all.
    pub(super) fn draw_mode(&mut self, ui: &mut Ui, now: Instant) -> bool {
        let is_full = ui.input(|input| input.viewport().fullscreen == Some(true));
        if self.mode == Mode::Whole && !is_full {
            return false;
        }
        if ui.input(|input| input.key_pressed(Key::Escape)) && !self.has_dialog() {
            self.leave_modes(ui.ctx());
        }
        CentralPanel::no_frame().show(ui, |ui| {
            if self.mode == Mode::CaptionsOnly {
                theme::name_region(ui, "Captions");
                subtitle::alone(ui, &self.state.caption, self.manner());
            } else {
                theme::name_region(ui, "Picture");
                self.stage(ui, now);
            }
        });
        true
    }

    fn leave_modes(&mut self, ctx: &Context) {
        ctx.send_viewport_cmd(ViewportCommand::Fullscreen(false));
        if let Mode::OnTop(_) = self.mode {
            self.toggle_on_top(ctx);
        }
        self.mode = Mode::Whole;
    }

    pub(super) fn toggle_captions_only(&mut self, ctx: &Context) {
        let was = self.mode;
        self.leave_modes(ctx);
        if was != Mode::CaptionsOnly {
            self.mode = Mode::CaptionsOnly;
        }
    }

    pub(super) fn toggle_on_top(&mut self, ctx: &Context) {
        if let Mode::OnTop(before) = self.mode {
            ctx.send_viewport_cmd(ViewportCommand::WindowLevel(WindowLevel::Normal));
            if let Some([width, height]) = before {
                ctx.send_viewport_cmd(ViewportCommand::InnerSize(vec2(width, height)));
            }
            self.mode = Mode::Whole;
            return;
        }
        if !self.platform.can_stay_on_top() {
            let message = Message::new("This desktop lets no program keep its window above the others.");
            let hint = "Choose \"Always on top\" in the menu of the window's title bar, if it has one.";
            self.state.notices.post(Topic::Kept, message.hint(hint), None);
        }
        let size = ctx.input(|input| input.viewport().inner_rect.map(|rect| rect.size().into()));
        ctx.send_viewport_cmd(ViewportCommand::WindowLevel(WindowLevel::AlwaysOnTop));
        ctx.send_viewport_cmd(ViewportCommand::InnerSize(SMALL.into()));
        self.mode = Mode::OnTop(size);
    }

    /// Whether the window has its usual size, which is remembered.
    pub(super) fn has_usual_size(&self) -> bool {
        !matches!(self.mode, Mode::OnTop(_))
    }
}

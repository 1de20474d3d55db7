//! What the window remembers: gathered here, written by a background job.

use egui::Context;

use crate::capture::SourceSpec;
use crate::ui::app::App;
use crate::ui::preferences::{MOST_RECENT, WindowPlace, ZOOMS};

/// As it is written, if it is read again as the same: what has a password in it, or a name that is
/// no text, is not.
fn written<T: ToString + std::str::FromStr + PartialEq>(value: &T) -> Option<String> {
    let text = value.to_string();
    text.parse().is_ok_and(|read: T| read == *value).then_some(text)
}

impl App {
    /// Keeps what was chosen, if it is another choice than the one kept last.
    pub(super) fn remember(&mut self) {
        if !self.views.is_from_file {
            let mut sources = self.sources().into_iter().map(|source| source.as_ref().and_then(written));
            self.preferences.source = sources.next().flatten();
            self.preferences.beside = sources.flatten().collect();
        }
        // One of a server is another machine's.
        self.preferences.model = self.state.model.spec.as_ref().and_then(written);
        self.preferences.panels.log = self.log.is_open();
        self.preferences.panels.rules = self.rules.is_open();
        // Whoever measures the window chooses nothing for the next start.
        if self.preferences != self.kept && self.meter.is_none() {
            self.kept.clone_from(&self.preferences);
            self.jobs.remember(self.preferences.clone());
        }
    }

    /// Notes that this was looked at, for the menu. Cameras and the demo are in it anyway.
    pub(super) fn note_recent(&mut self, source: &SourceSpec) {
        let (SourceSpec::Path(_) | SourceSpec::Stream(_)) = source else { return };
        if let Some(written) = written(source) {
            let recent = &mut self.preferences.recent;
            recent.retain(|other| *other != written);
            recent.insert(0, written);
            recent.truncate(MOST_RECENT);
        }
    }

    /// Notes where the window is, for the next start.
    pub(super) fn note_window(&mut self, ctx: &Context) {
        let zoom = ctx.zoom_factor();
        let within = zoom.clamp(ZOOMS[0], ZOOMS[1]);
        if (zoom - within).abs() > f32::EPSILON {
            ctx.set_zoom_factor(within);
        }
        let (before, has_usual_size) = (self.preferences.window, self.has_usual_size());
        self.preferences.window = ctx.input(|input| {
            let viewport = input.viewport();
            let is_usual = has_usual_size && viewport.maximized != Some(true) && viewport.fullscreen != Some(true);
            // The system counts in its own points, egui in zoomed ones.
            let size = viewport.inner_rect.map(|rect| (rect.size() * within).into());
            let position = viewport.outer_rect.map(|rect| (rect.min.to_vec2() * within).into());
            WindowPlace {
                size: size.filter(|_| is_usual).or(before.size),
                position: position.filter(|_| is_usual).or(before.position),
                maximized: viewport.maximized.unwrap_or(before.maximized),
                zoom: within,
            }
        });
    }
}

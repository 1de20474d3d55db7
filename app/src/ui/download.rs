//! A model on its way to this machine: how far it is, and a way to stop it. The model in use goes
//! on meanwhile.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use egui::{Align, Frame, Label, Layout, Margin, Panel, ProgressBar, Ui, Vec2, vec2};
use vlm::Cancel;

use crate::models::spec::ModelSpec;
use crate::models::{Pace, Progress};
use crate::ui::{theme, wording};

/// The size of the bar, in points.
const BAR: Vec2 = vec2(160.0, 6.0);

/// See the module. Dropping it stops the download.
pub struct Download {
    /// Tells it from those before it.
    pub number: u64,
    /// Which model.
    pub model: ModelSpec,
    link: Link,
    pace: Pace,
    shown: Option<Progress>,
}

/// The end that the thread holds.
#[derive(Clone, Default)]
pub struct Link {
    /// Raised to stop it.
    pub cancel: Cancel,
    latest: Arc<Mutex<Option<Progress>>>,
}

impl Link {
    /// It is so far now. Only the newest counts.
    pub fn tell(&self, progress: &Progress) {
        *self.latest.lock().unwrap_or_else(PoisonError::into_inner) = Some(progress.clone());
    }

    fn take(&self) -> Option<Progress> {
        self.latest.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Download {
    /// One that begins.
    pub fn new(number: u64, model: ModelSpec) -> Self {
        Self { number, model, link: Link::default(), pace: Pace::default(), shown: None }
    }

    /// The other end.
    pub fn link(&self) -> Link {
        self.link.clone()
    }

    /// Takes in how far it is.
    pub fn catch_up(&mut self, now: Instant) {
        if let Some(progress) = self.link.take() {
            self.pace.record(now, &progress);
            self.shown = Some(progress);
        }
    }

    /// How far it is, from 0 to 1; nothing before that is known.
    pub fn part(&self) -> Option<f32> {
        match &self.shown {
            Some(Progress { done, total: total @ 1.., .. }) => Some(*done as f32 / *total as f32),
            _ => None,
        }
    }

    /// The same in words.
    pub fn words(&self) -> String {
        let model = self.model.to_string();
        let model = wording::last_part(&model);
        match &self.shown {
            Some(progress) => format!("Downloading {model}: {}", self.pace.words(progress)),
            None => format!("Downloading {model}…"),
        }
    }

    /// Draws a strip. Says whether the user has had enough.
    pub fn show(&self, ui: &mut Ui) -> bool {
        let colours = theme::palette(ui.visuals());
        let frame = Frame::new().fill(colours.card).inner_margin(Margin::symmetric(16, 6));
        let panel = Panel::top("download").frame(frame).show_separator_line(false);
        panel.show(ui, |ui| ui.horizontal(|ui| self.strip(ui)).inner).inner
    }

    fn strip(&self, ui: &mut Ui) -> bool {
        let colours = theme::palette(ui.visuals());
        let row = Layout::right_to_left(Align::Center);
        ui.with_layout(row, |ui| {
            let stop = ui.button("Cancel").on_hover_text("Stop the download; it goes on from there the next time");
            if let Some(part) = self.part() {
                ui.visuals_mut().extreme_bg_color = colours.lifted;
                let bar = ProgressBar::new(part).fill(colours.accent);
                ui.add(bar.desired_width(BAR.x).desired_height(BAR.y));
            }
            let words = self.words();
            ui.with_layout(Layout::left_to_right(Align::Center), |ui| ui.add(Label::new(words).truncate()));
            stop.clicked()
        })
        .inner
    }
}

impl Drop for Download {
    fn drop(&mut self) {
        self.link.cancel.cancel();
    }
}

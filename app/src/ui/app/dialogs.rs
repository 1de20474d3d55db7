//! What stands before everything else: settings, keys, about this program.

use std::time::Duration;

use egui::Ui;

use crate::base::text;
use crate::live::{DEFAULT_MAX_TOKENS, STEADY, STEADY_UNLESS_TOLD, Tuning};
use crate::ui::app::{App, Dialog};
use crate::ui::options::READABLE;
use crate::ui::{help, preferences, settings, theme};

impl App {
    /// Draws the dialogs that are open.
    pub(super) fn show_dialogs(&mut self, ui: &Ui) {
        let is_done = match self.dialog {
            None => false,
            Some(Dialog::Keys) => help::keys(ui),
            Some(Dialog::About) => help::about(ui),
            Some(Dialog::Settings) => self.show_settings(ui),
        };
        if is_done {
            self.dialog = None;
        }
        self.show_instruction(ui);
        if let Some(action) = self.path_box.as_mut().and_then(|path_box| path_box.show(ui)) {
            self.typed_path(action);
        }
    }

    fn show_settings(&mut self, ui: &Ui) -> bool {
        let before = self.preferences.clone();
        let change = self.view().statistics().change;
        let path = preferences::default_path().map(|path| text::path(&path));
        let is_done = settings::show(ui, &mut self.preferences, change, path.as_deref());
        if self.preferences != before {
            self.tune();
            theme::choose(ui.ctx(), self.preferences.theme);
        }
        if is_done {
            self.remember();
        }
        is_done
    }

    /// Puts into effect what was chosen of captions.
    pub(super) fn tune(&self) {
        let preferences = &self.preferences;
        let pace = preferences.most_per_minute.filter(|most| *most > 0).map(|most| Duration::from_mins(1) / most);
        self.view().tune(Tuning {
            max_tokens: preferences.most_tokens.unwrap_or(DEFAULT_MAX_TOKENS),
            least_interval: pace.unwrap_or_default().max(READABLE),
            sensitivity: preferences.sensitivity,
            steady: preferences.steady.unwrap_or(STEADY_UNLESS_TOLD).then_some(STEADY),
        });
    }
}

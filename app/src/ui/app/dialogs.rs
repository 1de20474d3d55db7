//! What stands before everything else: settings, keys, about this program.

use std::time::Duration;

use egui::Ui;

use crate::base::text;
use crate::live::{DEFAULT_MAX_TOKENS, STEADY, STEADY_UNLESS_TOLD, Tuning};
use crate::ui::app::{App, Dialog};
use crate::ui::options::READABLE;
use crate::ui::settings::SettingsAction;
use crate::ui::{help, settings, theme};

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
        self.show_models(ui);
        if let Some(action) = self.path_box.as_mut().and_then(|path_box| path_box.show(ui)) {
            self.typed_path(action);
        }
    }

    fn show_settings(&mut self, ui: &Ui) -> bool {
        let before = self.preferences.clone();
        let run = before.run;
        let told = settings::Told {
            change: self.view().statistics().change,
            path: self.platform.settings_file().map(|path| text::path(&path)),
            devices: self.platform.devices(),
            runs_as: self.platform.runs_as(run),
            is_loaded_so: run == self.loaded_as || self.state.model.spec.is_none(),
            has_voice: self.platform.voice().is_some(),
        };
        let action = settings::show(ui, &mut self.preferences, &told);
        if action == Some(SettingsAction::Load)
            && let Some(model) = self.state.model.spec.clone()
        {
            self.choose_model(model);
        }
        if let Some(SettingsAction::Speak(on)) = action {
            self.set_speaking(on);
        }
        let is_done = action == Some(SettingsAction::Close);
        if self.preferences != before {
            self.tune();
            if !self.preferences.clips {
                self.clip.clear();
            }
            self.recording.set_keep(self.preferences.log_limits.behind(self.line_keep));
            theme::choose(ui.ctx(), self.preferences.theme);
        }
        if is_done {
            self.remember();
        }
        is_done
    }

    /// Puts into effect what was chosen of captions.
    pub(super) fn tune(&self) {
        for number in self.views.numbers() {
            self.pipeline.view(number).tune(self.tuning());
        }
    }

    pub(super) fn tuning(&self) -> Tuning {
        let preferences = &self.preferences;
        let pace = preferences.most_per_minute.filter(|most| *most > 0).map(|most| Duration::from_mins(1) / most);
        Tuning {
            max_tokens: preferences.most_tokens.unwrap_or(DEFAULT_MAX_TOKENS),
            least_interval: pace.unwrap_or_default().max(READABLE),
            sensitivity: preferences.sensitivity,
            steady: preferences.steady.unwrap_or(STEADY_UNLESS_TOLD).then_some(STEADY),
        }
    }
}

//! Models: listed, removed, and measured in the place of the one in use.

use crossbeam_channel::{TryRecvError, bounded};
use egui::Ui;
use vlm::Cancel;

use crate::base::message::Message;
use crate::engine::speed;
use crate::live::DEFAULT_MAX_TOKENS;
use crate::models::bytes;
use crate::models::spec::ModelSpec;
use crate::ui::app::App;
use crate::ui::measuring::Measuring;
use crate::ui::models::{ModelsAction, ModelsDialog, Told};
use crate::ui::preferences::KeptSpeed;
use crate::ui::state::ModelPhase;

impl App {
    pub(super) fn open_models(&mut self) {
        self.models_dialog = Some(ModelsDialog::default());
        self.jobs.list_models();
    }

    pub(super) fn show_models(&mut self, ui: &Ui) {
        let Some(dialog) = &mut self.models_dialog else { return };
        let told = Told {
            in_use: self.state.model.spec.as_ref(),
            download: self.download.as_ref(),
            measured: self.measuring.as_ref().map(|measuring| &measuring.model),
            speeds: &self.preferences.speeds,
            names: &self.models,
        };
        match dialog.show(ui, &told) {
            None => {}
            Some(ModelsAction::Use(model)) => self.choose_model(model),
            Some(ModelsAction::Get(model)) => self.get_model(model),
            Some(ModelsAction::StopDownload) => self.download = None,
            Some(ModelsAction::Remove(model)) => self.jobs.remove_model(model),
            Some(ModelsAction::Measure(model)) => self.measure(model),
            Some(ModelsAction::StopMeasuring) => {
                if let Some(measuring) = &self.measuring {
                    measuring.cancel.cancel();
                }
            }
            Some(ModelsAction::Close) => self.models_dialog = None,
        }
    }

    /// A model was removed, or could not be.
    pub(super) fn removed(&mut self, model: &ModelSpec, freed: Result<u64, Message>) {
        self.models = self.platform.models();
        let Some(dialog) = &mut self.models_dialog else { return };
        dialog.say(match freed {
            Ok(freed) => Message::new(format!("Removed {model}; {} are free again.", bytes(freed))),
            Err(message) => message,
        });
        self.jobs.list_models();
    }

    /// Loads a model in the place of the one in use and times some captions of it, before anything
    /// else is asked of it: so it has memory and processor for itself.
    fn measure(&mut self, model: ModelSpec) {
        let back = self.state.model.spec.clone().filter(|used| *used != model);
        let (cancel, mut open) = (Cancel::default(), self.platform.engine_as(&model, self.preferences.run));
        let (sender, measured) = bounded(1);
        let (instruction, max_tokens) =
            (self.told.instruction.clone(), self.preferences.most_tokens.unwrap_or(DEFAULT_MAX_TOKENS));
        let (written, stop, mut sender) = (model.to_string(), cancel.clone(), Some(sender));
        let open_and_measure = move || {
            let mut engine = open()?;
            // Once: should the model have to be opened again, it is wanted for itself.
            if let Some(sender) = sender.take() {
                let per_minute = speed::captions_a_minute(&mut *engine, &instruction, max_tokens, &stop)?;
                let card = engine.card();
                let (model, device, precision) = (written.clone(), card.device, card.precision);
                // When the window is gone there is nobody to tell.
                let _ = sender.send(per_minute.map(|per_minute| KeptSpeed { model, device, precision, per_minute }));
            }
            Ok(engine)
        };
        self.loaded_as = self.preferences.run;
        self.pipeline.set_engine(model.clone(), Box::new(open_and_measure));
        self.state.choose_model(model.clone(), (self.now)());
        self.measuring = Some(Measuring { model, back, cancel, measured });
    }

    /// Takes in what was measured, and goes back to the model that was in use.
    pub(super) fn catch_up_measuring(&mut self) {
        let Some(measuring) = &self.measuring else { return };
        let measured = match measuring.measured.try_recv() {
            Ok(measured) => measured,
            Err(TryRecvError::Empty) if self.state.model.phase != ModelPhase::Failed => return,
            // It failed, which is said, or another model was chosen meanwhile.
            Err(TryRecvError::Empty | TryRecvError::Disconnected) => None,
        };
        let Some(Measuring { model, back, .. }) = self.measuring.take() else { return };
        if let Some(speed) = measured {
            if let Some(dialog) = &mut self.models_dialog {
                dialog.say(Message::new(format!("{model}: {}.", speed.words())));
            }
            self.preferences.keep_speed(speed);
            self.remember();
        }
        // Unless the user has chosen yet another.
        if let Some(back) = back.filter(|_| self.state.model.spec.as_ref() == Some(&model)) {
            self.open_model(back);
        }
    }
}

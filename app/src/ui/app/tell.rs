//! What the model is told: put into effect, recorded and remembered.

use std::path::PathBuf;
use std::sync::Arc;

use egui::Ui;
use image::RgbImage;

use crate::base::message::Message;
use crate::engine::prefix::Reference;
use crate::live::DEFAULT_INSTRUCTION;
use crate::ui::app::App;
use crate::ui::instruction::{InstructionAction, InstructionDialog, Told};
use crate::ui::jobs::LoadedReference;
use crate::ui::platform::Wanted;
use crate::ui::preferences::{KeptReference, MOST_INSTRUCTIONS};
use crate::ui::state::Topic;

impl App {
    /// Opens the dialog over what is in effect.
    pub(super) fn open_instruction(&mut self) {
        self.instruction_dialog = Some(InstructionDialog::new(self.told.clone()));
    }

    /// Draws the dialog, if it is open.
    pub(super) fn show_instruction(&mut self, ui: &Ui) {
        let Some(dialog) = &mut self.instruction_dialog else { return };
        let (own, cost) = (&self.preferences.own_instructions, self.state.prefix_cost);
        let action = dialog.show(ui, own, cost, self.video.frame().is_some());
        match action {
            Some(InstructionAction::Apply(told)) => {
                self.instruction_dialog = None;
                self.tell(told);
            }
            Some(InstructionAction::Pin) => {
                if let (Some(dialog), Some(frame)) = (&mut self.instruction_dialog, self.video.frame()) {
                    dialog.add(Arc::new(frame.image.clone()), None);
                }
            }
            Some(InstructionAction::AddFile) => self.jobs.choose(Wanted::Reference),
            Some(InstructionAction::Keep(instruction)) => {
                self.preferences.own_instructions.insert(0, instruction);
                self.preferences.own_instructions.truncate(MOST_INSTRUCTIONS);
                self.remember();
            }
            Some(InstructionAction::Forget(instruction)) => {
                self.preferences.own_instructions.retain(|kept| *kept != instruction);
                self.remember();
            }
            Some(InstructionAction::Close) => self.instruction_dialog = None,
            None => {}
        }
    }

    /// Chooses another instruction, and leaves what stands before every picture.
    pub(super) fn instruct(&mut self, instruction: String) {
        self.tell(Told { instruction, ..self.told.clone() });
    }

    /// Tells the model this from now on.
    fn tell(&mut self, told: Told) {
        self.view().set_instruction(told.instruction.clone());
        self.recording.set_instruction(self.views.in_hand().number, told.instruction.clone());
        let is_other = told.prefix != self.told.prefix;
        self.told = told;
        if is_other {
            self.set_prefix();
            if self.told.prefix.references.is_empty() {
                self.preferences.references.clear();
            } else {
                self.jobs.keep_references(self.told.prefix.references.clone(), self.told.files.clone());
            }
        }
        let instruction = Some(self.told.instruction.clone()).filter(|instruction| instruction != DEFAULT_INSTRUCTION);
        self.preferences.instruction = instruction;
        self.preferences.standing.clone_from(&self.told.prefix.standing);
        self.remember();
    }

    fn set_prefix(&mut self) {
        self.state.prefix_cost = None;
        self.view().set_prefix(Arc::new(self.told.prefix.clone()));
        self.recording.set_prefix(self.views.in_hand().number, self.told.prefix.text());
    }

    /// Takes what was remembered, for every view: the text at once, pictures when they were read.
    pub(super) fn recall_prefix(&mut self) {
        if !self.preferences.standing.is_empty() {
            self.in_each_view(|app, _| {
                app.told.prefix.standing.clone_from(&app.preferences.standing);
                app.set_prefix();
            });
        }
        if !self.preferences.references.is_empty() {
            self.jobs.load_references(self.preferences.references.clone());
        }
    }

    /// Reference pictures of the last time were read.
    pub(super) fn recalled(&mut self, loaded: Vec<LoadedReference>) {
        for LoadedReference { kept: KeptReference { label, file }, picture } in loaded {
            match picture {
                Ok(picture) => self.in_each_view(|app, _| {
                    let (label, picture) = (label.clone(), Arc::clone(&picture));
                    app.told.prefix.references.push(Reference { label, picture });
                    app.told.files.push(Some(file.clone()));
                }),
                Err(message) => self.state.notices.post(Topic::Prefix, message, None),
            }
        }
        self.in_each_view(|app, _| app.set_prefix());
    }

    /// A file was read that is to be a reference picture.
    pub(super) fn reference_read(&mut self, file: PathBuf, picture: Result<Arc<RgbImage>, Message>) {
        let Some(dialog) = &mut self.instruction_dialog else { return };
        match picture {
            Ok(picture) => dialog.add(picture, Some(file)),
            Err(message) => dialog.complain(message),
        }
    }

    /// Reference pictures are in files, for the next start.
    pub(super) fn references_kept(&mut self, kept: Result<Vec<KeptReference>, Message>) {
        match kept {
            Ok(kept) => {
                self.told.files = kept.iter().map(|kept| Some(kept.file.clone())).collect();
                self.preferences.references = kept;
                self.remember();
            }
            Err(message) => self.state.notices.post(Topic::Prefix, message, None),
        }
    }
}

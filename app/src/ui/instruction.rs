//! What the model is told: the instruction for each picture, and what stands before every picture
//! (a text, and pictures that the model is to know).
//!
//! Edited in a dialog, and in effect when the user says so. A menu in the window changes the
//! instruction alone. Knows no model: it makes plain data of what was typed.

use std::path::PathBuf;
use std::sync::Arc;

use egui::accesskit::Role;
use egui::containers::menu::MenuButton;
use egui::{
    Button, Frame, Id, Image, Label, Modal, RichText, ScrollArea, TextEdit, TextureHandle, TextureOptions, Ui, Vec2,
    WidgetInfo, vec2,
};
use image::RgbImage;

use crate::base::message::Message;
use crate::base::text;
use crate::engine::prefix::{LONGEST_LABEL, LONGEST_STANDING, MOST_REFERENCES, Prefix, PrefixCost, Reference};
use crate::live::DEFAULT_INSTRUCTION;
use crate::ui::icon::{Icon, Look};
use crate::ui::{icon, notice, pixels, theme};

/// Instructions that most people want, by the name of what they lead to.
pub const PRESETS: [(&str, &str); 6] = [
    ("One sentence", DEFAULT_INSTRUCTION),
    ("In detail", "Describe this image in detail."),
    ("People", "Describe the people in this image and what they are doing."),
    ("Text on screen", "What text can be read in this image?"),
    ("What stands out", "What stands out in this image?"),
    ("One word", "Describe this image in one word."),
];
/// The longest instruction, in characters.
const LONGEST: usize = 1000;
/// The dialog's width, in points.
const WIDTH: f32 = 520.0;
/// The largest part of the window's height that it takes.
const HEIGHT: f32 = 0.85;
/// The size of a reference picture in it, in points.
const PICTURE: Vec2 = vec2(72.0, 48.0);

/// What the model is told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// What it is to do with each picture.
    pub instruction: String,
    /// What stands before every picture.
    pub prefix: Prefix,
    /// The files of the reference pictures, where they have one.
    pub files: Vec<Option<PathBuf>>,
}

/// The dialog, while it is open.
pub struct InstructionDialog {
    told: Told,
    /// Pictures as they are drawn, beside the references.
    textures: Vec<Option<TextureHandle>>,
    wrong: Option<Message>,
}

/// What the user did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InstructionAction {
    /// Wants this to be in effect.
    Apply(Told),
    /// Wants the picture on screen among the references.
    Pin,
    /// Wants a file among them.
    AddFile,
    /// Wants this instruction to be kept among the own ones.
    Keep(String),
    /// Wants it no longer there.
    Forget(String),
    /// Wants nothing.
    Close,
}

impl InstructionDialog {
    /// A dialog over what is in effect.
    pub fn new(told: Told) -> Self {
        let textures = told.prefix.references.iter().map(|_| None).collect();
        Self { told, textures, wrong: None }
    }

    /// Adds a picture that the model is to know.
    pub fn add(&mut self, picture: Arc<RgbImage>, file: Option<PathBuf>) {
        if self.told.prefix.references.len() < MOST_REFERENCES {
            let stem = file.as_ref().and_then(|file| file.file_stem());
            let label = stem.map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
            self.told.prefix.references.push(Reference { label, picture });
            self.told.files.push(file);
            self.textures.push(None);
        }
    }

    /// Says what is wrong with what was to be added.
    pub fn complain(&mut self, message: Message) {
        self.wrong = Some(message);
    }

    /// Draws it. `own` are the user's own instructions; `can_pin` says whether there is a picture
    /// on screen.
    pub fn show(
        &mut self,
        ui: &Ui,
        own: &[String],
        cost: Option<PrefixCost>,
        can_pin: bool,
    ) -> Option<InstructionAction> {
        let mut action = None;
        let screen = ui.ctx().content_rect();
        let frame = Frame::popup(ui.style()).fill(theme::palette(ui.visuals()).panel).inner_margin(5.0 * theme::GRID);
        let response = Modal::new(Id::unique("instruction")).frame(frame).show(ui.ctx(), |ui| {
            ui.set_width(WIDTH.min(screen.width() - 16.0 * theme::GRID));
            ui.heading("What the model is told");
            let height = (screen.height() * HEIGHT - 40.0 * theme::GRID).max(20.0 * theme::GRID);
            ScrollArea::vertical().max_height(height).show(ui, |ui| {
                action = self.instruction(ui, own);
                ui.add_space(2.0 * theme::GRID);
                action = self.prefix(ui, cost, can_pin).or(action.take());
            });
            if let Some(message) = &self.wrong {
                let said = ui.add(Label::new(notice::words(ui, message)).wrap());
                said.widget_info(|| WidgetInfo::labeled(Role::Alert, true, message));
            }
            ui.add_space(theme::GRID);
            ui.horizontal(|ui| {
                if ui.button("Apply").on_hover_text("In effect from the next caption on").clicked() {
                    action = self.apply();
                }
                if ui.button("Cancel").clicked() {
                    action = Some(InstructionAction::Close);
                }
            });
        });
        if response.should_close() {
            action.get_or_insert(InstructionAction::Close);
        }
        action
    }

    fn apply(&mut self) -> Option<InstructionAction> {
        let instruction = self.told.instruction.trim();
        if instruction.is_empty() {
            let message = Message::new("The instruction is empty.");
            self.wrong = Some(message.hint("Say what the model is to do with a picture."));
            return None;
        }
        if let Err(message) = self.told.prefix.check() {
            self.wrong = Some(message);
            return None;
        }
        Some(InstructionAction::Apply(Told { instruction: instruction.to_owned(), ..self.told.clone() }))
    }

    fn instruction(&mut self, ui: &mut Ui, own: &[String]) -> Option<InstructionAction> {
        let mut action = None;
        let said = ui.label(RichText::new("With each picture").small().weak());
        let text = &mut self.told.instruction;
        let field = TextEdit::multiline(text).desired_rows(2).char_limit(LONGEST).desired_width(f32::INFINITY);
        ui.add(field).labelled_by(said.id);
        ui.horizontal_wrapped(|ui| {
            ui.spacing_mut().item_spacing = Vec2::splat(theme::GRID);
            for (name, preset) in PRESETS {
                let chosen = self.told.instruction.trim() == preset;
                if ui.add(Button::selectable(chosen, RichText::new(name).size(13.0))).on_hover_text(preset).clicked() {
                    preset.clone_into(&mut self.told.instruction);
                }
            }
        });
        for kept in own {
            ui.horizontal(|ui| {
                let hint = "Remove this instruction from your own";
                let label = format!("Remove: {kept}");
                if icon::button(ui, Icon::Close, Look::Quiet, true, &label, hint).clicked() {
                    action = Some(InstructionAction::Forget(kept.clone()));
                }
                let chosen = self.told.instruction.trim() == kept;
                if ui.add(Button::selectable(chosen, kept.as_str()).truncate()).clicked() {
                    self.told.instruction.clone_from(kept);
                }
            });
        }
        let written = self.told.instruction.trim();
        let is_new = !written.is_empty()
            && PRESETS.iter().all(|(_, preset)| *preset != written)
            && own.iter().all(|kept| kept != written);
        if is_new && ui.button("Keep this instruction").on_hover_text("Among your own, for another time").clicked() {
            action = Some(InstructionAction::Keep(written.to_owned()));
        }
        action
    }

    fn prefix(&mut self, ui: &mut Ui, cost: Option<PrefixCost>, can_pin: bool) -> Option<InstructionAction> {
        let mut action = None;
        let said = ui.label(RichText::new("Before every picture, read once").small().weak());
        let hint = RichText::new("You watch a workshop. Name tools exactly.").color(theme::palette(ui.visuals()).weak);
        let field = TextEdit::multiline(&mut self.told.prefix.standing).hint_text(hint).desired_rows(2);
        ui.add(field.char_limit(LONGEST_STANDING).desired_width(f32::INFINITY)).labelled_by(said.id);
        let mut removed = None;
        for (number, reference) in self.told.prefix.references.iter_mut().enumerate() {
            ui.horizontal(|ui| {
                let texture = self.textures[number].get_or_insert_with(|| {
                    let small = pixels::thumbnail(&reference.picture, [144, 96]);
                    ui.ctx().load_texture(format!("reference {number}"), small, TextureOptions::LINEAR)
                });
                let image = Image::from_texture(&*texture).fit_to_exact_size(PICTURE).maintain_aspect_ratio(true);
                ui.add(image.corner_radius(6).alt_text("A picture that the model is to know"));
                let hint = RichText::new("What it shows, such as: my closed door");
                let hint = hint.color(theme::palette(ui.visuals()).weak);
                let width = ui.available_width() - 12.0 * theme::GRID;
                let field = TextEdit::singleline(&mut reference.label).hint_text(hint).char_limit(LONGEST_LABEL);
                let field = ui.add(field.desired_width(width));
                let name = format!("Label of reference {}", number + 1);
                ui.ctx().accesskit_node_builder(field.id, |node| node.set_label(name));
                let label = format!("Remove reference {}", number + 1);
                if icon::button(ui, Icon::Close, Look::Quiet, true, &label, "Remove this picture").clicked() {
                    removed = Some(number);
                }
            });
        }
        if let Some(number) = removed {
            self.told.prefix.references.remove(number);
            self.told.files.remove(number);
            self.textures.remove(number);
        }
        let has_room = self.told.prefix.references.len() < MOST_REFERENCES;
        ui.horizontal_wrapped(|ui| {
            if ui.add_enabled(has_room && can_pin, Button::new("Pin the picture on screen")).clicked() {
                action = Some(InstructionAction::Pin);
            }
            if ui.add_enabled(has_room, Button::new("Add a picture file…")).clicked() {
                action = Some(InstructionAction::AddFile);
            }
        });
        let costs = match cost {
            Some(PrefixCost { tokens, took }) => format!(
                "In effect now: {}, read once in {:.1} s and kept. A thousand tokens make a caption some 8 to 18 % slower.",
                text::count(tokens as u64, "token", "tokens"),
                took.as_secs_f64()
            ),
            None => "What stands here costs its reading once, and a little with every caption.".to_owned(),
        };
        ui.add(Label::new(RichText::new(costs).small().weak()).wrap());
        action
    }
}

/// What was chosen in the menu of instructions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MenuAction {
    /// This instruction.
    Instruct(String),
    /// The dialog.
    Open,
}

/// The menu of instructions above the question box.
pub fn menu(ui: &mut Ui, instruction: &str, own: &[String], has_prefix: bool) -> Option<MenuAction> {
    let mut chosen = None;
    let name = PRESETS.iter().find(|(_, preset)| *preset == instruction).map_or(instruction, |(name, _)| name);
    let mark = if has_prefix { " · with a standing text or references" } else { "" };
    let words = RichText::new(format!("Instruction: {}{mark} ▾", text::one_line(name))).small();
    let button = Button::new(words).truncate().frame(false);
    let (response, _) = MenuButton::from_button(button).ui(ui, |ui| {
        ui.set_max_width(WIDTH);
        for (name, preset) in PRESETS {
            if ui.add(Button::selectable(instruction == preset, name)).clicked() {
                chosen = Some(MenuAction::Instruct(preset.to_owned()));
            }
        }
        for kept in own {
            if ui.add(Button::selectable(instruction == kept, kept.as_str()).truncate()).clicked() {
                chosen = Some(MenuAction::Instruct(kept.clone()));
            }
        }
        ui.separator();
        if ui.button("Change what the model is told…").clicked() {
            chosen = Some(MenuAction::Open);
        }
    });
    let label = format!("Instruction: {name}");
    response.widget_info(|| WidgetInfo::labeled(Role::Button, true, &label));
    response.on_hover_text("What the model is told to do with each picture (I)");
    chosen
}

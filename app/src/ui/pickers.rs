//! The menus that choose the source and the model.

use egui::accesskit::Role;
use egui::containers::menu::MenuButton;
use egui::{Align, Button, Color32, Frame, Layout, Margin, RichText, TextStyle, Ui, Vec2, WidgetInfo};

use crate::base::message::Message;
use crate::capture::{CameraChoice, SourceSpec};
use crate::models::spec::ModelSpec;
use crate::ui::icon;
use crate::ui::icon::Icon;
use crate::ui::platform::{Choice, Wanted};
use crate::ui::state::{ModelPhase, ModelView, SourcePhase, SourceView};
use crate::ui::{theme, wording};

/// The width of a menu, in points.
const MENU_WIDTH: f32 = 280.0;
/// From the edge of a menu's entry to its words, in points.
const INDENT: f32 = 2.5 * theme::GRID;
/// The widest name on a button, in characters.
const LONGEST_NAME: usize = 36;
/// The room of a button's signs and margins, in points.
const SIGNS: f32 = 72.0;

/// What the user chose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PickAction {
    /// This source.
    Source(SourceSpec),
    /// This model.
    Model(ModelSpec),
    /// Wants a dialog.
    Open(Wanted),
    /// Wants to see to the models.
    Models,
    /// Opened the menu of sources, which needs the list of cameras.
    LookForCameras,
}

/// What is known of the cameras of this machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Cameras {
    /// They are being asked.
    #[default]
    Looking,
    /// These are there.
    Found(Vec<Choice<SourceSpec>>),
    /// They can't be listed, for this reason.
    Failed(Message),
}

/// Draws the source picker, at most so wide.
pub fn source(
    ui: &mut Ui,
    source: &SourceView,
    cameras: &Cameras,
    was_open: &mut bool,
    most: f32,
) -> Option<PickAction> {
    let written = source.spec.as_ref().map(SourceSpec::to_string).unwrap_or_default();
    let name = source.name.as_ref().unwrap_or(&written);
    let text = match source.phase {
        SourcePhase::None => "Choose a source".to_owned(),
        SourcePhase::Opening => format!("Opening {}…", shorten(name)),
        SourcePhase::Live | SourcePhase::Lost | SourcePhase::Ended => shorten(name),
    };
    let is_chosen = |spec: &SourceSpec| source.spec.as_ref() == Some(spec);
    let mut action = None;
    let (response, menu) = menu_button(Icon::Camera, &text, most, ui, |ui| {
        section(ui, "Cameras");
        match cameras {
            Cameras::Looking => remark(ui, "Looking for cameras…"),
            Cameras::Failed(message) => remark(ui, &message.to_string()),
            Cameras::Found(found) if found.is_empty() => {
                remark(ui, "No camera found. Plug one in and open this menu again.");
            }
            Cameras::Found(found) => {
                for camera in found {
                    // `--source camera` takes the first; its name tells which one that is.
                    let is_first = is_chosen(&SourceSpec::Camera(CameraChoice::First));
                    let by_name = is_first && source.name.as_ref() == Some(&camera.label);
                    if entry(ui, camera, by_name || is_chosen(&camera.value)) {
                        action = Some(PickAction::Source(camera.value.clone()));
                    }
                }
            }
        }
        ui.separator();
        if row(ui, "Demo scene", "coloured shapes", is_chosen(&SourceSpec::Demo)) {
            action = Some(PickAction::Source(SourceSpec::Demo));
        }
        ui.separator();
        section(ui, "Files");
        for (label, wanted) in [
            ("Open picture or video…", Wanted::PictureOrVideo),
            ("Open folder of pictures…", Wanted::PictureFolder),
            ("Open path or address…", Wanted::Source),
        ] {
            if row(ui, label, "", false) {
                action = Some(PickAction::Open(wanted));
            }
        }
        remark(ui, "Or drop a file on the window.");
    });
    response.on_hover_text("Where the pictures come from");
    let opened = menu && !*was_open;
    *was_open = menu;
    action.or(opened.then_some(PickAction::LookForCameras))
}

/// Draws the model picker, at most so wide.
pub fn model(ui: &mut Ui, model: &ModelView, choices: &[Choice<ModelSpec>], most: f32) -> Option<PickAction> {
    let is_chosen = |choice: &Choice<ModelSpec>| model.spec.as_ref() == Some(&choice.value);
    let name = model.name();
    let label = choices
        .iter()
        .find(|choice| is_chosen(choice))
        .map_or_else(|| wording::last_part(&name), |choice| &choice.label);
    let text = match model.phase {
        ModelPhase::None => "Choose a model".to_owned(),
        ModelPhase::Loading(_) => format!("Loading {}…", shorten(label)),
        ModelPhase::Ready(_) | ModelPhase::Failed => shorten(label),
    };
    let mut action = None;
    let (response, _) = menu_button(Icon::Model, &text, most, ui, |ui| {
        section(ui, "Models");
        for choice in choices {
            if entry(ui, choice, is_chosen(choice)) {
                action = Some(PickAction::Model(choice.value.clone()));
            }
        }
        ui.separator();
        if row(ui, "Open model folder…", "", false) {
            action = Some(PickAction::Open(Wanted::ModelFolder));
        }
        if row(ui, "Models here, sizes and speeds…", "", false) {
            action = Some(PickAction::Models);
        }
    });
    response.on_hover_text("Who describes the pictures");
    action
}

fn menu_button(
    sign: Icon,
    text: &str,
    most: f32,
    ui: &mut Ui,
    content: impl FnOnce(&mut Ui),
) -> (egui::Response, bool) {
    let colours = theme::palette(ui.visuals());
    let icon_atom = |icon: Icon, size: f32| {
        egui::Atom::paint(Vec2::splat(size), move |ui: &Ui, args: egui::AtomPaintArgs| {
            icon::paint(ui.painter(), icon, args.rect, colours.weak);
        })
    };
    let room = most - SIGNS;
    let words = wording::fitting(text, |text| words_width(ui, text), room);
    let button = Button::new((icon_atom(sign, 16.0), words.as_str(), icon_atom(Icon::More, 12.0)));
    let width = MENU_WIDTH.min(ui.ctx().content_rect().width() - 8.0 * theme::GRID);
    let (response, inner) = MenuButton::from_button(button).ui(ui, |ui| {
        ui.set_width(width);
        ui.spacing_mut().button_padding = Vec2::new(INDENT, theme::GRID);
        ui.spacing_mut().item_spacing.y = 2.0;
        content(ui);
        ui.add_space(theme::GRID);
    });
    // What has no room is said all the same.
    response.widget_info(|| WidgetInfo::labeled(Role::Button, true, text));
    (response, inner.is_some())
}

/// The width of a button's words, in points.
fn words_width(ui: &Ui, text: &str) -> f32 {
    let font = TextStyle::Button.resolve(ui.style());
    ui.painter().layout_no_wrap(text.to_owned(), font, Color32::WHITE).size().x
}

fn section(ui: &mut Ui, title: &str) {
    ui.add_space(theme::GRID);
    remark(ui, title);
}

/// Small words that line up with the entries.
fn remark(ui: &mut Ui, text: &str) {
    Frame::new().inner_margin(Margin::symmetric(INDENT as i8, 2)).show(ui, |ui| {
        // The menu justifies what is in it, which tears a sentence apart.
        ui.with_layout(Layout::top_down(Align::Min), |ui| ui.label(RichText::new(text).weak().small()));
    });
}

fn entry<T>(ui: &mut Ui, choice: &Choice<T>, chosen: bool) -> bool {
    row(ui, &choice.label, &choice.detail, chosen)
}

/// A line of a menu: the whole width can be pressed.
fn row(ui: &mut Ui, label: &str, detail: &str, chosen: bool) -> bool {
    let detail = theme::aside(detail, chosen);
    let button =
        Button::selectable(chosen, label).right_text(detail).min_size(Vec2::new(ui.available_width(), 0.0)).truncate();
    let response = ui.with_layout(Layout::top_down_justified(Align::Min), |ui| ui.add(button)).inner;
    response.widget_info(|| WidgetInfo::selected(Role::MenuItemRadio, true, chosen, label));
    let clicked = response.clicked();
    if clicked {
        ui.close();
    }
    clicked
}

/// The end of a path says more than its beginning.
fn shorten(name: &str) -> String {
    let length = name.chars().count();
    if length <= LONGEST_NAME {
        return name.to_owned();
    }
    let tail: String = name.chars().skip(length - LONGEST_NAME + 1).collect();
    format!("…{tail}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_path_keeps_its_end() {
        assert_eq!(shorten("camera:0"), "camera:0");
        let short = shorten("/home/someone/with/a/very/long/path/to/models/SmolVLM-256M-Instruct");
        assert_eq!(short.chars().count(), LONGEST_NAME);
        assert!(short.starts_with('…') && short.ends_with("SmolVLM-256M-Instruct"));
        assert_eq!(shorten(&"ä".repeat(100)).chars().count(), LONGEST_NAME);
    }
}

//! The menu that chooses the model, and what it and the menu of sources are made of.

use egui::accesskit::Role;
use egui::containers::menu::{MenuButton, MenuConfig};
use egui::{
    Align, Button, Color32, Frame, Layout, Margin, PopupCloseBehavior, RichText, TextStyle, Ui, Vec2, WidgetInfo,
};

use crate::capture::SourceSpec;
use crate::capture::camera::WantedFormat;
use crate::models::spec::ModelSpec;
use crate::ui::icon;
use crate::ui::icon::Icon;
use crate::ui::platform::{Choice, Wanted};
use crate::ui::state::{ModelPhase, ModelView};
use crate::ui::{theme, wording};

/// The width of a menu, in points.
const MENU_WIDTH: f32 = 280.0;
/// From the edge of a menu's entry to its words, in points.
pub const INDENT: f32 = 2.5 * theme::GRID;
/// The widest name on a button, in characters.
const LONGEST_NAME: usize = 36;
/// The room of a button's signs and margins, in points.
const SIGNS: f32 = 72.0;
/// What the first of them takes of that.
const SIGN: f32 = 22.0;

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
    /// Closed it, and needs no more stills of them.
    StopStills,
    /// Wants the view in hand gone.
    RemoveView,
    /// Wants a camera's pictures of this size and rate, or as is chosen for them.
    Format(Option<WantedFormat>),
    /// Wants nothing kept of what was looked at.
    ForgetRecent,
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

pub fn menu_button(
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
    // The sign makes room for the words.
    let has_sign = words_width(ui, text) <= most - SIGNS;
    let room = if has_sign { most - SIGNS } else { most - SIGNS + SIGN };
    let words = wording::fitting(text, |text| words_width(ui, text), room);
    let button = if has_sign {
        Button::new((icon_atom(sign, 16.0), words.as_str(), icon_atom(Icon::More, 12.0)))
    } else {
        Button::new((words.as_str(), icon_atom(Icon::More, 12.0)))
    };
    let width = MENU_WIDTH.min(ui.ctx().content_rect().width() - 8.0 * theme::GRID);
    // What is chosen closes it; a box that is ticked does not.
    let config = MenuConfig::new().close_behavior(PopupCloseBehavior::CloseOnClickOutside);
    let (response, inner) = MenuButton::from_button(button).config(config).ui(ui, |ui| {
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

pub fn section(ui: &mut Ui, title: &str) {
    ui.add_space(theme::GRID);
    remark(ui, title);
}

/// Small words that line up with the entries.
pub fn remark(ui: &mut Ui, text: &str) {
    Frame::new().inner_margin(Margin::symmetric(INDENT as i8, 2)).show(ui, |ui| {
        // The menu justifies what is in it, which tears a sentence apart.
        ui.with_layout(Layout::top_down(Align::Min), |ui| ui.label(RichText::new(text).weak().small()));
    });
}

pub fn entry<T>(ui: &mut Ui, choice: &Choice<T>, chosen: bool) -> bool {
    row(ui, &choice.label, &choice.detail, chosen)
}

/// A line of a menu: the whole width can be pressed.
pub fn row(ui: &mut Ui, label: &str, detail: &str, chosen: bool) -> bool {
    pressed(ui, Button::selectable(chosen, label), label, detail, chosen)
}

/// A line of a menu that is more than words: the whole width can be pressed.
pub fn pressed(ui: &mut Ui, button: Button<'_>, label: &str, detail: &str, chosen: bool) -> bool {
    let detail = theme::aside(detail, chosen);
    let button = button.right_text(detail).min_size(Vec2::new(ui.available_width(), 0.0)).truncate();
    let response = ui.with_layout(Layout::top_down_justified(Align::Min), |ui| ui.add(button)).inner;
    response.widget_info(|| WidgetInfo::selected(Role::MenuItemRadio, true, chosen, label));
    let clicked = response.clicked();
    if clicked {
        ui.close();
    }
    clicked
}

/// The end of a path says more than its beginning.
pub fn shorten(name: &str) -> String {
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

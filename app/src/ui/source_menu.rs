//! The menu of sources: which one the view in hand shows, and whether the one that is chosen takes
//! its place or stands beside it. Opens nothing: it says what the user chose.

use std::path::Path;

use egui::{Button, Frame, Margin, RichText, ScrollArea, Ui};

use crate::base::message::Message;
use crate::base::text;
use crate::capture::camera::WantedFormat;
use crate::capture::{CameraChoice, SourceSpec};
use crate::ui::icon::Icon;
use crate::ui::pickers::{INDENT, PickAction, entry, menu_button, pressed, remark, row, section, shorten};
use crate::ui::platform::{Choice, FoundCamera, Wanted};
use crate::ui::state::{SourcePhase, State};
use crate::ui::stills::Stills;
use crate::ui::theme;
use crate::ui::views::Views;

/// The height of the list of a camera's formats, in points.
const FORMATS: f32 = 160.0;

/// What is known of the cameras of this machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Cameras {
    /// They are being asked.
    #[default]
    Looking,
    /// These are there.
    Found(Vec<FoundCamera>),
    /// They can't be listed, for this reason.
    Failed(Message),
}

/// What the menu is made of.
pub struct Known<'a> {
    /// The view in hand.
    pub state: &'a State,
    /// The cameras.
    pub cameras: &'a Cameras,
    /// Stills of them.
    pub stills: &'a Stills,
    /// What was looked at, newest first, as it is written.
    pub recent: &'a [String],
}

/// Draws the button with its menu, at most so wide.
pub fn show(ui: &mut Ui, known: &Known<'_>, views: &mut Views, was_open: &mut bool, most: f32) -> Option<PickAction> {
    let name = views.in_hand().called(known.state);
    let text = match known.state.source.phase {
        SourcePhase::None => "Choose a source".to_owned(),
        SourcePhase::Opening => format!("Opening {}…", shorten(&name)),
        SourcePhase::Live | SourcePhase::Lost | SourcePhase::Ended => shorten(&name),
    };
    let mut action = None;
    let (response, menu) = menu_button(Icon::Camera, &text, most, ui, |ui| {
        action = beside(ui, &name, views);
        action = content(ui, known, views).or(action.take());
    });
    response.on_hover_text("Where the pictures come from");
    let change = (menu != *was_open).then_some(if menu { PickAction::LookForCameras } else { PickAction::StopStills });
    *was_open = menu;
    action.or(change)
}

fn content(ui: &mut Ui, known: &Known<'_>, views: &Views) -> Option<PickAction> {
    let source = &known.state.source;
    // What is added is none of those that are there.
    let is_chosen = |spec: &SourceSpec| !views.adds && source.spec.as_ref() == Some(spec);
    let mut action = None;
    section(ui, "Cameras");
    match known.cameras {
        Cameras::Looking => remark(ui, "Looking for cameras…"),
        Cameras::Failed(message) => remark(ui, &message.to_string()),
        Cameras::Found(found) if found.is_empty() => {
            remark(ui, "No camera found. Plug one in and open this menu again.");
        }
        Cameras::Found(found) => {
            for FoundCamera { choice, formats } in found {
                // `--source camera` takes the first; its name tells which one that is.
                let is_first = is_chosen(&SourceSpec::Camera(CameraChoice::First));
                let by_name = is_first && source.name.as_ref() == Some(&choice.label);
                let is_chosen = by_name || is_chosen(&choice.value);
                if camera(ui, choice, known.stills, is_chosen) {
                    action = Some(PickAction::Source(choice.value.clone()));
                }
                if is_chosen && formats.len() > 1 {
                    let now = views.in_hand().options.camera_format;
                    action = self::formats(ui, formats, now).or(action.take());
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
    recent(ui, known.recent, &is_chosen).or(action)
}

/// A camera with its still, where there is one.
fn camera(ui: &mut Ui, choice: &Choice<SourceSpec>, stills: &Stills, is_chosen: bool) -> bool {
    match stills.of(&choice.value) {
        Some(still) => {
            let button = Button::selectable(is_chosen, (still, choice.label.as_str()));
            pressed(ui, button, &choice.label, &choice.detail, is_chosen)
        }
        None => entry(ui, choice, is_chosen),
    }
}

/// Sizes and rates of the camera that is looked at.
fn formats(ui: &mut Ui, formats: &[WantedFormat], now: Option<WantedFormat>) -> Option<PickAction> {
    let mut action = None;
    ui.indent("formats", |ui| {
        let title = now.map_or_else(|| "Size and rate".to_owned(), |now| format!("Size and rate: {now}"));
        ui.collapsing(RichText::new(title).small(), |ui| {
            ui.set_width(ui.available_width());
            ScrollArea::vertical().max_height(FORMATS).show(ui, |ui| {
                if row(ui, "As fits best", "", now.is_none()) {
                    action = Some(PickAction::Format(None));
                }
                for format in formats {
                    if row(ui, &format.to_string(), "", now == Some(*format)) {
                        action = Some(PickAction::Format(Some(*format)));
                    }
                }
            });
        });
    });
    action
}

/// What was looked at before.
fn recent(ui: &mut Ui, recent: &[String], is_chosen: &dyn Fn(&SourceSpec) -> bool) -> Option<PickAction> {
    let known: Vec<SourceSpec> = recent.iter().filter_map(|written| written.parse().ok()).collect();
    if known.is_empty() {
        return None;
    }
    ui.separator();
    section(ui, "Recent");
    let mut action = None;
    for spec in known {
        let (name, folder) = told_apart(&spec);
        if row(ui, &name, &folder, is_chosen(&spec)) {
            action = Some(PickAction::Source(spec));
        }
    }
    if row(ui, "Forget these", "", false) {
        action = Some(PickAction::ForgetRecent);
    }
    action
}

/// The name of a file and its folder's; an address as it is.
fn told_apart(spec: &SourceSpec) -> (String, String) {
    match spec {
        SourceSpec::Path(path) => {
            let own = |path: &Path| text::path(Path::new(path.file_name().unwrap_or(path.as_os_str())));
            (shorten(&own(path)), path.parent().map(own).map(|folder| shorten(&folder)).unwrap_or_default())
        }
        other => (shorten(&text::one_line(&other.to_string())), String::new()),
    }
}

/// Whether what is chosen stands beside the others, and how the view in hand is removed.
fn beside(ui: &mut Ui, name: &str, views: &mut Views) -> Option<PickAction> {
    ui.add_space(theme::GRID);
    let (indent, has_room) = (INDENT as i8, views.has_room());
    Frame::new().inner_margin(Margin::symmetric(indent, 2)).show(ui, |ui| {
        ui.add_enabled_ui(has_room, |ui| {
            let words = if views.len() > 1 { "Add beside the others" } else { "Add beside this one" };
            let hint = "What you choose below gets a view of its own, and takes the place of none";
            theme::tick_box(ui, &mut views.adds, words).on_hover_text(hint);
        });
    });
    let is_removed = views.len() > 1 && row(ui, &format!("Remove {}", shorten(name)), "", false);
    ui.separator();
    is_removed.then_some(PickAction::RemoveView)
}

//! The buttons of a player under a video, a folder of pictures or a file beside others: play and
//! stop, where it is and how long it is, and what comes before and after it. Opens nothing and
//! knows no pipeline: it says what the user wants.

use std::path::{Path, PathBuf};
use std::time::Duration;

use egui::accesskit::Role;
use egui::{Align, Color32, Label, Layout, Rect, RichText, Slider, TextWrapMode, Ui, UiBuilder, WidgetInfo, vec2};

use crate::base::text;
use crate::capture::{Neighbours, PlayOrder, Position, SourceSpec};
use crate::ui::icon::{Icon, Look};
use crate::ui::state::{SourcePhase, State};
use crate::ui::{icon, theme, wording};

/// The height of the buttons, in points.
pub const HEIGHT: f32 = 11.0 * theme::GRID;
/// The least stage on which they have room, in points.
const FROM: egui::Vec2 = vec2(220.0, 150.0);
/// The widths from which on a film's time and a file's name are shown, in points.
const TIME_FROM: f32 = 340.0;
const NAME_FROM: f32 = 560.0;
/// The widest name, in points.
const NAME: f32 = 240.0;
/// How far the keys go, forward and back.
pub const STEP: Duration = Duration::from_secs(10);

/// What is known of a source that can be played.
#[derive(Default)]
pub struct Player {
    /// Where it is or was last.
    position: Option<Position>,
    /// What stands beside it in its folder.
    neighbours: Neighbours,
    /// Where it is to go on once it is open.
    begin_at: Option<Duration>,
    /// Where the user is dragging it to, in seconds.
    dragged: Option<f64>,
}

/// What the user wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PlayerAction {
    /// To stop it, or to have it go on.
    Pause,
    /// To see it from its beginning.
    Again,
    /// To go on from there.
    Seek(Duration),
    /// To begin again at the end, or no longer.
    Repeat(bool),
    /// Another picture of the folder.
    Picture(PlayOrder),
    /// Another file.
    Open(PathBuf),
}

/// Which way the user goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// To what comes before.
    Back,
    /// To what comes after.
    On,
}

impl Player {
    /// Another source was chosen, or the same one anew, from `begin_at` if that is given.
    pub fn begin(&mut self, begin_at: Option<Duration>) {
        *self = Self { begin_at, ..Self::default() };
    }

    /// Takes where it is. What has ended says nothing any more, and stays where it was.
    pub fn note(&mut self, position: Option<Position>) {
        self.position = position.or(self.position.take());
    }

    /// Where a film is.
    pub fn at(&self) -> Option<Duration> {
        match self.position {
            Some(Position::Time { at, .. }) => Some(at),
            _ => None,
        }
    }

    /// Takes what stands beside it.
    pub fn set_neighbours(&mut self, neighbours: Neighbours) {
        self.neighbours = neighbours;
    }

    /// Where it is to go on now that it is open, once.
    pub fn take_begin(&mut self) -> Option<Duration> {
        self.begin_at.take()
    }

    /// Whether there is anything to press.
    pub fn is_shown(&self, state: &State, stage: Rect) -> bool {
        let is_file = matches!(state.source.spec, Some(SourceSpec::Path(_)));
        let has_buttons = self.position.is_some() || self.neighbours.count > 1;
        is_file && has_buttons && stage.width() >= FROM.x && stage.height() >= FROM.y
    }

    /// The way to what comes before or after, if there is something.
    pub fn towards(&self, way: Way, repeats: bool) -> Option<PlayerAction> {
        if let Some(Position::Picture { number, count, .. }) = &self.position {
            let (is_there, order) = match way {
                Way::Back => (*number > 1, PlayOrder::PreviousPicture),
                Way::On => (number < count || repeats, PlayOrder::NextPicture),
            };
            return is_there.then_some(PlayerAction::Picture(order));
        }
        let file = match way {
            Way::Back => &self.neighbours.previous,
            Way::On => &self.neighbours.next,
        };
        file.clone().map(PlayerAction::Open)
    }

    /// A step forward or back in a film.
    pub fn step(&self, way: Way) -> Option<PlayerAction> {
        let Some(Position::Time { at, length }) = self.position else { return None };
        let to = match way {
            Way::Back => at.saturating_sub(STEP),
            Way::On => at.saturating_add(STEP).min(length.unwrap_or(Duration::MAX)),
        };
        Some(PlayerAction::Seek(to))
    }

    /// Draws the buttons into `place`.
    pub fn show(&mut self, ui: &mut Ui, state: &State, repeats: bool, place: Rect) -> Option<PlayerAction> {
        let mut action = None;
        let builder = UiBuilder::new()
            .max_rect(place.shrink2(vec2(3.0 * theme::GRID, 0.0)))
            .layout(Layout::left_to_right(Align::Center))
            .id_salt("player");
        ui.painter().rect_filled(place, 0.0, theme::palette(ui.visuals()).panel);
        ui.scope_builder(builder, |ui| {
            theme::name_region(ui, "Player");
            ui.spacing_mut().item_spacing.x = theme::GRID;
            let is_film = matches!(self.position, Some(Position::Time { .. }));
            let what =
                if is_film || !matches!(self.position, Some(Position::Picture { .. })) { "file" } else { "picture" };
            action = self.walk(ui, Way::Back, what, repeats);
            if is_film {
                action = play(ui, state).or(action.take());
            }
            action = self.walk(ui, Way::On, what, repeats).or(action.take());
            if self.position.is_some() {
                action = repeat(ui, repeats).or(action.take());
            }
            let has_name = place.width() >= NAME_FROM;
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                if has_name {
                    name(ui, &self.name(state), NAME.min(place.width() / 3.0));
                }
                if let Some(Position::Time { at, length }) = self.position {
                    let at = self.dragged.map_or(at, Duration::from_secs_f64);
                    if place.width() >= TIME_FROM {
                        time(ui, at, length);
                    }
                    if let Some(length) = length.filter(|length| !length.is_zero()) {
                        action = self.seek(ui, at, length).or(action.take());
                    }
                }
            });
        });
        action
    }

    fn walk(&self, ui: &mut Ui, way: Way, what: &str, repeats: bool) -> Option<PlayerAction> {
        let towards = self.towards(way, repeats);
        let (sign, word, key) = match way {
            Way::Back => (Icon::Previous, "Previous", "Page up"),
            Way::On => (Icon::Next, "Next", "Page down"),
        };
        let label = format!("{word} {what}");
        let hint = match &towards {
            Some(PlayerAction::Open(path)) => format!("{} ({key})", file_name(path)),
            Some(_) => format!("{label} ({key})"),
            None => "There is none".to_owned(),
        };
        let response = icon::button(ui, sign, Look::Quiet, towards.is_some(), &label, &hint);
        towards.filter(|_| response.clicked())
    }

    fn seek(&mut self, ui: &mut Ui, at: Duration, length: Duration) -> Option<PlayerAction> {
        let mut seconds = at.min(length).as_secs_f64();
        ui.spacing_mut().slider_width = ui.available_width().max(0.0);
        let range = 0.0..=length.as_secs_f64();
        let response = ui.add(Slider::new(&mut seconds, range).show_value(false).trailing_fill(true));
        response.widget_info(|| WidgetInfo::slider(true, seconds, "Position in the video"));
        let (is_held, is_let_go) = (response.dragged(), response.drag_stopped());
        if is_held && !is_let_go {
            // ffmpeg begins anew for each place: it goes there when the user lets go.
            self.dragged = Some(seconds);
            return None;
        }
        self.dragged = None;
        // Its own rounding is not what the user wants.
        let is_moved = response.changed() && response.has_focus();
        (is_moved || is_let_go).then(|| PlayerAction::Seek(Duration::from_secs_f64(seconds)))
    }

    /// The name of the file, and which of how many it is.
    fn name(&self, state: &State) -> String {
        if let Some(Position::Picture { number, count, name }) = &self.position {
            return format!("{name} · {number} of {count}");
        }
        let name = match &state.source.spec {
            Some(SourceSpec::Path(path)) => file_name(path),
            _ => String::new(),
        };
        let Neighbours { number, count, .. } = &self.neighbours;
        if *count > 1 { format!("{name} · {number} of {count}") } else { name }
    }
}

fn file_name(path: &Path) -> String {
    text::path(Path::new(path.file_name().unwrap_or(path.as_os_str())))
}

fn play(ui: &mut Ui, state: &State) -> Option<PlayerAction> {
    let (sign, label, hint, action) = match (state.source.phase, state.paused) {
        (SourcePhase::Ended, _) => {
            (Icon::Again, "Play from the beginning", "Play from the beginning", PlayerAction::Again)
        }
        (_, true) => (Icon::Play, "Play", "Go on (Space)", PlayerAction::Pause),
        (_, false) => (Icon::Pause, "Stop here", "Stop the video here (Space)", PlayerAction::Pause),
    };
    icon::button(ui, sign, Look::Filled, true, label, hint).clicked().then_some(action)
}

fn repeat(ui: &mut Ui, repeats: bool) -> Option<PlayerAction> {
    let (look, hint) = if repeats {
        (Look::Accent, "Begins again at the end: press to have it end")
    } else {
        (Look::Quiet, "Begin again at the end")
    };
    let response = icon::button(ui, Icon::Loop, look, true, "Loop", hint);
    ui.ctx().accesskit_node_builder(response.id, |node| {
        node.set_toggled(if repeats { egui::accesskit::Toggled::True } else { egui::accesskit::Toggled::False });
    });
    response.clicked().then_some(PlayerAction::Repeat(!repeats))
}

/// Where it is, as every player tells it.
fn time(ui: &mut Ui, at: Duration, length: Option<Duration>) {
    let words = match length {
        Some(length) => format!("{} / {}", wording::playing_time(at), wording::playing_time(length)),
        None => wording::playing_time(at),
    };
    let font = egui::TextStyle::Small.resolve(ui.style());
    // As wide as the longest time, so that the bar does not move with each digit.
    let widest: String = words.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    let width = ui.painter().layout_no_wrap(widest, font, Color32::WHITE).size().x;
    ui.allocate_ui_with_layout(vec2(width, HEIGHT), Layout::right_to_left(Align::Center), |ui| {
        let response = ui.add(Label::new(RichText::new(&words).small()).wrap_mode(TextWrapMode::Extend));
        // What changes every second would talk over everything else.
        response.widget_info(|| WidgetInfo::labeled(Role::Label, true, "Time in the video"));
        ui.ctx().accesskit_node_builder(response.id, |node| node.set_description(words.clone()));
    });
}

fn name(ui: &mut Ui, name: &str, most: f32) {
    let font = egui::TextStyle::Small.resolve(ui.style());
    let width = ui.painter().layout_no_wrap(name.to_owned(), font, Color32::WHITE).size().x.min(most);
    ui.allocate_ui_with_layout(vec2(width, HEIGHT), Layout::right_to_left(Align::Center), |ui| {
        ui.add(Label::new(RichText::new(name).small().weak()).truncate()).on_hover_text(name);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64, length: u64) -> Player {
        let mut player = Player::default();
        let (at, length) = (Duration::from_secs(seconds), Some(Duration::from_secs(length)));
        player.note(Some(Position::Time { at, length }));
        player
    }

    #[test]
    fn a_step_stays_within_the_film() {
        let seek = |seconds| Some(PlayerAction::Seek(Duration::from_secs(seconds)));
        assert_eq!(at(25, 60).step(Way::On), seek(35));
        assert_eq!(at(55, 60).step(Way::On), seek(60));
        assert_eq!(at(25, 60).step(Way::Back), seek(15));
        assert_eq!(at(5, 60).step(Way::Back), seek(0));
        assert_eq!(Player::default().step(Way::On), None);
    }

    #[test]
    fn what_has_ended_stays_where_it_was() {
        let mut player = at(60, 60);
        player.note(None);
        assert_eq!(player.step(Way::Back), Some(PlayerAction::Seek(Duration::from_secs(50))));
        player.begin(Some(Duration::from_secs(7)));
        assert_eq!((player.step(Way::Back), player.take_begin()), (None, Some(Duration::from_secs(7))));
        assert_eq!(player.take_begin(), None, "once");
    }

    #[test]
    fn one_goes_from_file_to_file_and_in_a_folder_from_picture_to_picture() {
        let mut player = at(1, 60);
        let next = Some(PathBuf::from("b.mp4"));
        player.set_neighbours(Neighbours { previous: None, next: next.clone(), number: 1, count: 2 });
        assert_eq!(player.towards(Way::Back, false), None);
        assert_eq!(player.towards(Way::On, false), next.map(PlayerAction::Open));
        let last = Position::Picture { number: 3, count: 3, name: "c.png".to_owned() };
        player.note(Some(last));
        assert_eq!(player.towards(Way::Back, false), Some(PlayerAction::Picture(PlayOrder::PreviousPicture)));
        assert_eq!(player.towards(Way::On, false), None);
        assert_eq!(player.towards(Way::On, true), Some(PlayerAction::Picture(PlayOrder::NextPicture)));
    }
}

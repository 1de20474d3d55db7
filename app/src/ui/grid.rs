//! Several views beside each other: where each has its place, and what a cell shows of a view that
//! is not large. Knows no pipeline: it says what the user wants.

use std::time::Instant;

use egui::accesskit::Role;
use egui::text::{LayoutJob, TextFormat};
use egui::{
    Align, Align2, Color32, CursorIcon, FontId, Label, Layout, Rect, Response, RichText, Sense, Stroke, StrokeKind,
    TextWrapMode, Ui, UiBuilder, Vec2, WidgetInfo, pos2, vec2,
};

use crate::ui::plate::plate;
use crate::ui::preferences::CaptionStyle;
use crate::ui::state::{ModelPhase, SourcePhase, State, Topic};
use crate::ui::subtitle::Manner;
use crate::ui::video::Video;
use crate::ui::{subtitle, theme, wording};

/// From one cell to the next, in points.
const GAP: f32 = theme::GRID;
/// The shape for which cells are laid out: that of most cameras and films.
const SHAPE: f32 = 16.0 / 9.0;
/// The part of the stage that the others get beside a large view.
const STRIP: f32 = 0.2;
/// The narrowest and the widest strip beside a large view, in points.
const STRIP_SIZES: [f32; 2] = [120.0, 300.0];
/// The least stage on which others are shown beside a large view, in points.
const STRIP_FROM: Vec2 = vec2(440.0, 260.0);
/// The lowest cell of the strip, in points: others than those that have room are left out.
const LOWEST: f32 = 44.0;
/// The width of a cell from which on captions have their usual letters, in points.
const USUAL: f32 = 760.0;
/// The smallest letters of a cell's caption, as a part of the usual ones.
const SMALLEST: f32 = 0.55;
/// The size of a cell's name, in points.
const NAME: f32 = 12.0;
/// The least cell that says in words what is wrong, in points.
const WORDS_FROM: Vec2 = vec2(150.0, 84.0);

/// What the user wants of a view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CellAction {
    /// To see it large.
    Choose,
    /// To see all alike again.
    Back,
    /// To have its source opened again.
    Again,
    /// To have it gone.
    Remove,
}

/// A view as a cell shows it.
pub struct Cell<'a> {
    /// Its place among all, counted from 0.
    pub place: usize,
    /// What tells it from all others, for as long as it is there.
    pub number: usize,
    /// What people call it.
    pub name: &'a str,
    /// How it is doing.
    pub state: &'a State,
    /// How the model is doing.
    pub model: &'a ModelPhase,
    /// Whether questions go to it.
    pub is_in_hand: bool,
    /// How captions look.
    pub style: &'a CaptionStyle,
    /// Whether captions of the view in hand are spoken.
    pub is_spoken: bool,
    /// Whether pictures are shown the other way round.
    pub mirror: bool,
}

/// Where each view is on `stage`, in their order: all alike, or one large and the others small
/// beside or below it, as many as have room.
pub fn places(stage: Rect, count: usize, large: Option<usize>) -> Vec<Option<Rect>> {
    let Some(large) = large else { return alike(stage, count).into_iter().map(Some).collect() };
    let (rest, strip) = beside(stage, count.saturating_sub(1));
    let mut strip = strip.into_iter();
    (0..count).map(|place| if place == large { Some(rest) } else { strip.next() }).collect()
}

/// Cells of one size, in as many columns as make their pictures largest.
fn alike(stage: Rect, count: usize) -> Vec<Rect> {
    let count = count.max(1);
    let size = |columns: usize| {
        let rows = count.div_ceil(columns);
        let gaps = GAP * vec2(columns as f32 - 1.0, rows as f32 - 1.0);
        ((stage.size() - gaps) / vec2(columns as f32, rows as f32)).max(Vec2::ZERO)
    };
    let picture = |columns: usize| {
        let cell = size(columns);
        cell.x.min(cell.y * SHAPE)
    };
    let columns = (1..=count).max_by(|a, b| picture(*a).total_cmp(&picture(*b)).then(b.cmp(a))).unwrap_or(1);
    let cell = size(columns);
    let rows = count.div_ceil(columns);
    let place = |number: usize| {
        let (row, column) = (number / columns, number % columns);
        // The last row stands in the middle.
        let in_row = if row + 1 == rows { count - row * columns } else { columns };
        let free = (columns - in_row) as f32 * (cell.x + GAP) / 2.0;
        let from = vec2(free + column as f32 * (cell.x + GAP), row as f32 * (cell.y + GAP));
        Rect::from_min_size(stage.min + from, cell)
    };
    (0..count).map(place).collect()
}

/// The place of the large view, and places for others at its right or below it, as many as have
/// room.
fn beside(stage: Rect, others: usize) -> (Rect, Vec<Rect>) {
    if others == 0 || stage.width() < STRIP_FROM.x || stage.height() < STRIP_FROM.y {
        return (stage, Vec::new());
    }
    let [least, most] = STRIP_SIZES;
    if stage.width() > stage.height() * SHAPE * 0.8 {
        let width = (stage.width() * STRIP).clamp(least, most);
        let height = ((stage.height() + GAP) / others as f32 - GAP).min(width / SHAPE).max(LOWEST);
        let room = ((stage.height() + GAP) / (height + GAP)) as usize;
        let left = stage.right() - width;
        let at = |number: usize| pos2(left, stage.top() + number as f32 * (height + GAP));
        let strip = (0..others.min(room)).map(|number| Rect::from_min_size(at(number), vec2(width, height)));
        (stage.with_max_x(left - GAP), strip.collect())
    } else {
        let height = (stage.height() * STRIP).clamp(LOWEST, most / SHAPE);
        let width = ((stage.width() + GAP) / others as f32 - GAP).min(height * SHAPE).max(LOWEST * SHAPE);
        let room = ((stage.width() + GAP) / (width + GAP)) as usize;
        let top = stage.bottom() - height;
        let at = |number: usize| pos2(stage.left() + number as f32 * (width + GAP), top);
        let strip = (0..others.min(room)).map(|number| Rect::from_min_size(at(number), vec2(width, height)));
        (stage.with_max_y(top - GAP), strip.collect())
    }
}

/// Gives what is pressed with the pointer or the keyboard a name.
pub fn name_button(response: &Response, name: &str) {
    response.widget_info(|| WidgetInfo::labeled(Role::Button, true, name));
}

/// Draws a view in a cell.
pub fn show(ui: &mut Ui, cell: &Cell<'_>, video: &mut Video, rect: Rect, now: Instant) -> Option<CellAction> {
    let builder = UiBuilder::new().max_rect(rect).id_salt(("view", cell.number));
    let shown = ui.scope_builder(builder, |ui| {
        ui.set_clip_rect(rect.intersect(ui.clip_rect()));
        let response = ui.interact(rect, ui.scope_id().with("choose"), Sense::click());
        let response = response.on_hover_cursor(CursorIcon::PointingHand);
        name_button(&response, &format!("View {}: {}", cell.place + 1, cell.name));
        ui.painter().rect_filled(rect, 0.0, theme::STAGE);
        let style = style(cell.style, rect);
        let below = subtitle::room_below(&style, rect);
        let name = format!("Live picture of {}", cell.name);
        let picture = video.show(ui, rect.with_max_y(rect.bottom() - below), cell.mirror, &name);
        let clock = (!cell.state.paused).then_some(now);
        let manner = Manner { style: &style, is_announced: !(cell.is_spoken && cell.is_in_hand) };
        subtitle::show(ui, &cell.state.caption, manner, picture, rect, clock);
        let action = state(ui, cell, video.frame().is_some(), rect, now);
        self::name(ui, cell.name, rect);
        frame(ui, cell.is_in_hand, &response, rect);
        action.or(response.clicked().then_some(CellAction::Choose))
    });
    shown.inner
}

/// Captions of a cell of this size: smaller letters in a smaller one.
fn style(usual: &CaptionStyle, rect: Rect) -> CaptionStyle {
    CaptionStyle { size: usual.size * (rect.width() / USUAL).clamp(SMALLEST, 1.0), ..usual.clone() }
}

/// The name in the corner, cut where it has no room.
fn name(ui: &Ui, name: &str, rect: Rect) {
    let padding = vec2(2.0 * theme::GRID, theme::GRID);
    let within = rect.shrink(theme::GRID + 2.0);
    let mut job =
        LayoutJob::single_section(name.to_owned(), TextFormat::simple(FontId::proportional(NAME), theme::SUBTITLE));
    job.wrap.max_width = (within.width() - 2.0 * padding.x).max(0.0);
    job.wrap.max_rows = 1;
    job.wrap.break_anywhere = true;
    let galley = ui.painter().layout_job(job);
    let plate = Rect::from_min_size(within.min, galley.size() + 2.0 * padding);
    if rect.contains_rect(plate) {
        ui.painter().rect_filled(plate, theme::RADIUS, theme::PLATE);
        ui.painter().galley(plate.min + padding, galley, Color32::WHITE);
    }
}

/// The edge of a cell: which one is in hand, and which one is under the pointer.
fn frame(ui: &Ui, is_in_hand: bool, response: &Response, rect: Rect) {
    let colours = theme::palette(ui.visuals());
    let stroke = match (is_in_hand, response.hovered()) {
        (true, _) => Stroke::new(2.0, colours.accent),
        (false, true) => Stroke::new(2.0, colours.weak),
        (false, false) => return,
    };
    ui.painter().rect_stroke(rect, 0.0, stroke, StrokeKind::Inside);
}

/// What there is to say of a view besides its caption: that it waits, stands still or gives
/// nothing.
fn state(ui: &mut Ui, cell: &Cell<'_>, has_picture: bool, rect: Rect, now: Instant) -> Option<CellAction> {
    let state = cell.state;
    let source = &state.source;
    let say = |ui: &Ui, align, words: &str| plate(ui, align, rect, words, NAME + 1.0);
    match source.phase {
        SourcePhase::Lost => return trouble(ui, cell, ("No pictures", "Try again"), rect, now),
        SourcePhase::Ended if !has_picture => {
            return trouble(ui, cell, ("It gave no picture", "Try again"), rect, now);
        }
        SourcePhase::Ended if source.moved => return trouble(ui, cell, ("It has ended", "Play again"), rect, now),
        SourcePhase::None => say(ui, Align2::CENTER_CENTER, "No source"),
        SourcePhase::Opening if !has_picture => say(ui, Align2::CENTER_CENTER, "Opening…"),
        SourcePhase::Live if !has_picture => say(ui, Align2::CENTER_CENTER, "Waiting for a picture…"),
        _ if state.caption.words().firm.is_empty() => match cell.model {
            ModelPhase::Loading(_) => say(ui, Align2::CENTER_BOTTOM, "Loading the model…"),
            ModelPhase::Ready(_) => say(ui, Align2::CENTER_BOTTOM, "Looking…"),
            ModelPhase::None | ModelPhase::Failed => {}
        },
        _ => {}
    }
    if state.paused {
        say(ui, Align2::RIGHT_TOP, "Paused");
    } else if let Some(notice) = state.notices.of(Topic::Request) {
        say(ui, Align2::RIGHT_TOP, notice.message.what());
    }
    None
}

/// What is wrong with a source, and what can be done, in the middle of the cell.
fn trouble(ui: &mut Ui, cell: &Cell<'_>, (title, again): (&str, &str), rect: Rect, now: Instant) -> Option<CellAction> {
    let notice = cell.state.notices.of(Topic::Source).filter(|_| cell.state.source.phase == SourcePhase::Lost);
    if rect.width() < WORDS_FROM.x || rect.height() < WORDS_FROM.y {
        plate(ui, Align2::CENTER_CENTER, rect, title, NAME);
        return None;
    }
    if cell.state.source.phase == SourcePhase::Lost {
        ui.painter().rect_filled(rect, 0.0, theme::PLATE);
    }
    let mut action = None;
    let room = rect.shrink2(vec2(3.0 * theme::GRID, 7.0 * theme::GRID));
    let builder = UiBuilder::new().max_rect(room).layout(Layout::bottom_up(Align::Center)).id_salt("trouble");
    ui.scope_builder(builder, |ui| {
        ui.spacing_mut().item_spacing.y = theme::GRID;
        // From the bottom upwards: the buttons have room before the words.
        ui.allocate_ui_with_layout(vec2(room.width(), 8.0 * theme::GRID), Layout::left_to_right(Align::Center), |ui| {
            let width = |ui: &Ui, words: &str| {
                let font = egui::TextStyle::Button.resolve(ui.style());
                ui.painter().layout_no_wrap(words.to_owned(), font, Color32::WHITE).size().x
            };
            let padding = 4.0 * ui.spacing().button_padding.x + ui.spacing().item_spacing.x;
            let taken = width(ui, again) + width(ui, "Remove") + padding;
            ui.add_space(((room.width() - taken) / 2.0).max(0.0));
            if ui.button(again).clicked() {
                action = Some(CellAction::Again);
            }
            let remove = ui.button("Remove").on_hover_text("Take this view away; the others go on");
            remove.widget_info(|| WidgetInfo::labeled(Role::Button, true, format!("Remove {}", cell.name)));
            if remove.clicked() {
                action = Some(CellAction::Remove);
            }
        });
        if let Some(left) = notice.and_then(|notice| notice.until_retry(now)) {
            let words = format!("Trying again in {}", wording::countdown(left));
            ui.label(RichText::new(words).small().color(theme::SUBTITLE_TENTATIVE));
        }
        let words = notice.map_or_else(|| title.to_owned(), |notice| notice.message.to_string());
        let rows = ((ui.available_height() / (NAME * 1.5)) as usize).max(1);
        let mut job = LayoutJob::simple(words.clone(), FontId::proportional(NAME + 1.0), theme::SUBTITLE, room.width());
        job.wrap.max_rows = rows;
        job.halign = Align::Center;
        let said = ui.add(Label::new(job).wrap_mode(TextWrapMode::Wrap)).on_hover_text(&words);
        said.widget_info(|| WidgetInfo::labeled(Role::Alert, true, &words));
    });
    action
}

#[cfg(test)]
mod tests {
    use egui::Pos2;

    use super::*;

    fn stage(width: f32, height: f32) -> Rect {
        Rect::from_min_size(Pos2::new(7.0, 60.0), vec2(width, height))
    }

    const STAGES: [(f32, f32); 6] =
        [(1280.0, 600.0), (640.0, 300.0), (1920.0, 900.0), (300.0, 900.0), (460.0, 270.0), (120.0, 60.0)];

    #[test]
    fn cells_lie_on_the_stage_and_overlap_nowhere() {
        for (width, height) in STAGES {
            let stage = stage(width, height);
            for count in 1..=64 {
                for large in [None, Some(0), Some(count - 1)] {
                    let places = places(stage, count, large);
                    assert_eq!(places.len(), count);
                    let shown: Vec<_> = places.iter().flatten().collect();
                    assert!(large.is_some() || shown.len() == count, "all are there where all are alike");
                    for (number, one) in shown.iter().enumerate() {
                        assert!(stage.expand(0.01).contains_rect(**one), "{one:?} of {count} leaves {stage:?}");
                        for other in &shown[number + 1..] {
                            assert!(!one.shrink(0.01).intersects(other.shrink(0.01)), "{one:?} {other:?} of {count}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn the_large_view_has_most_of_the_stage_and_the_others_are_seen_where_there_is_room() {
        for (width, height) in STAGES {
            let stage = stage(width, height);
            for count in 2..=5 {
                let places = places(stage, count, Some(1));
                let large = places[1].expect("a place");
                assert!(large.area() >= 0.65 * stage.area(), "{large:?} of {stage:?}");
                let has_room = width >= STRIP_FROM.x && height >= STRIP_FROM.y;
                assert_eq!(places.iter().flatten().count() == count, has_room, "{count} on {stage:?}");
            }
        }
    }

    #[test]
    fn four_cameras_stand_in_a_square_and_two_beside_each_other() {
        let four = alike(stage(1280.0, 700.0), 4);
        assert!((four[0].top() - four[1].top()).abs() < 0.1 && (four[0].left() - four[2].left()).abs() < 0.1);
        let two = alike(stage(1280.0, 400.0), 2);
        assert!((two[0].top() - two[1].top()).abs() < 0.1 && two[1].left() > two[0].right());
        let tall = alike(stage(400.0, 900.0), 2);
        assert!(tall[1].top() > tall[0].bottom());
    }
}

//! The day as a strip: a mark for every few minutes in which something was recorded. A click goes
//! there.

use egui::accesskit::Role;
use egui::{
    Align2, EventFilter, FontId, Key, Label, Margin, Rect, RichText, Sense, Stroke, Ui, WidgetInfo, pos2, vec2,
};
use jiff::ToSpan as _;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;

use crate::base::text;
use crate::log::DayMark;
use crate::ui::icon;
use crate::ui::icon::{Icon, Look};
use crate::ui::{Clock, theme, wording};

/// Parts of a day: five minutes each.
pub const PARTS: usize = 288;
/// The height of the strip, in points.
const HEIGHT: f32 = 8.0 * theme::GRID;
/// The side of the bell over a mark with an event of a rule, in points.
const BELL: f32 = 3.0 * theme::GRID;
/// From one hour that is written to the next.
const HOURS: usize = 3;
/// The room of the day's name, in points.
const NAME: f32 = 27.0 * theme::GRID;
/// The margin around the strip.
pub const MARGIN: Margin = Margin { left: 12, right: 16, top: 8, bottom: 2 };

/// A day and what was recorded in it.
#[derive(Debug)]
pub struct Timeline {
    clock: Clock,
    /// The day of the clock when it was looked at last.
    today: Date,
    date: Date,
    zone: TimeZone,
    marks: Vec<DayMark>,
    /// The moment of the chosen entry.
    chosen_ms: Option<i64>,
    /// The marks have to be read again.
    pub is_stale: bool,
}

/// What the user did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimelineAction {
    /// Wants the list at this moment.
    Go(i64),
    /// Chose another day.
    Day,
}

impl Timeline {
    /// Today by this clock.
    pub fn new(clock: Clock) -> Self {
        let now = clock();
        let (today, zone) = (now.date(), now.time_zone().clone());
        Self { clock, today, date: today, zone, marks: Vec::new(), chosen_ms: None, is_stale: true }
    }

    /// From when to when the day is, in milliseconds since 1970, UTC.
    pub fn span(&self) -> Option<(i64, i64)> {
        Some((self.start_of(self.date)?, self.start_of(self.date.tomorrow().ok()?)?))
    }

    /// When this day or moment of the place is, in milliseconds since 1970, UTC.
    fn start_of(&self, at: impl Into<DateTime>) -> Option<i64> {
        at.into().to_zoned_datetime(self.zone.clone()).ok().map(|at| at.timestamp().as_millisecond())
    }

    /// Looks at the clock. At midnight, the strip that showed today goes on to the new day. Says
    /// whether it did.
    fn keep_up(&mut self) -> bool {
        let before = std::mem::replace(&mut self.today, (self.clock)().with_time_zone(self.zone.clone()).date());
        self.date == before && self.go_to(self.today)
    }

    /// Takes in marks, if they are still of this day.
    pub fn set_marks(&mut self, from_ms: i64, marks: Vec<DayMark>) {
        if self.span().is_some_and(|(from, _)| from == from_ms) {
            self.marks = marks;
        }
    }

    /// Shows the day of an entry, and where it is. Says whether that is another day.
    pub fn choose(&mut self, at_ms: i64) -> bool {
        self.chosen_ms = Some(at_ms);
        let date = jiff::Timestamp::from_millisecond(at_ms).map(|at| at.to_zoned_datetime(self.zone.clone()).date());
        date.is_ok_and(|date| self.go_to(date))
    }

    fn go_to(&mut self, date: Date) -> bool {
        let is_other = date != self.date;
        if is_other {
            (self.date, self.is_stale) = (date, true);
            self.marks.clear();
        }
        is_other
    }

    /// Draws day and strip.
    pub fn show(&mut self, ui: &mut Ui) -> Option<TimelineAction> {
        let mut action = self.keep_up().then_some(TimelineAction::Day);
        let today = self.today;
        ui.horizontal(|ui| {
            ui.spacing_mut().item_spacing.x = theme::GRID;
            let mut go = |date: Option<Date>, this: &mut Self| {
                if date.is_some_and(|date| this.go_to(date)) {
                    action = Some(TimelineAction::Day);
                }
            };
            if icon::button(ui, Icon::Left, Look::Quiet, true, "Day before", "The day before").clicked() {
                go(self.date.checked_sub(1.day()).ok(), self);
            }
            let name = RichText::new(wording::day(self.date, today)).font(theme::strong(13.0));
            ui.add_sized(vec2(NAME, HEIGHT), Label::new(name).selectable(false));
            let can_go_on = self.date < today;
            if icon::button(ui, Icon::Right, Look::Quiet, can_go_on, "Day after", "The day after").clicked() {
                go(self.date.checked_add(1.day()).ok(), self);
            }
            ui.add_space(theme::GRID);
            let went = self.strip(ui).map(TimelineAction::Go);
            action = went.or(action);
        });
        action
    }

    fn strip(&self, ui: &mut Ui) -> Option<i64> {
        let (place, response) = ui.allocate_exact_size(vec2(ui.available_width(), HEIGHT), Sense::click());
        let (from, to) = self.span()?;
        let colours = theme::palette(ui.visuals());
        let painter = ui.painter_at(place);
        painter.rect_filled(place, 4.0, colours.card);
        let x = |part: f32| place.left() + part * place.width();
        let floor = place.bottom() - 3.0 * theme::GRID;
        let of_day = |at_ms: i64| x(((at_ms - from) as f64 / (to - from) as f64) as f32);
        for hour in (HOURS as i8..24).step_by(HOURS) {
            // By the clock, which skips or repeats an hour on two days of the year.
            let Some(at_ms) = self.start_of(self.date.at(hour, 0, 0, 0)) else { continue };
            let at = pos2(of_day(at_ms), place.bottom() - 1.0);
            painter.text(at, Align2::CENTER_BOTTOM, format!("{hour:02}"), FontId::proportional(10.0), colours.weak);
            painter.vline(at.x, place.top()..=place.top() + 3.0, Stroke::new(1.0, colours.line));
        }
        let most = self.marks.iter().map(|mark| mark.entries).max().unwrap_or(1).max(1);
        for mark in &self.marks {
            let (left, right) = (x(mark.part as f32 / PARTS as f32), x((mark.part + 1) as f32 / PARTS as f32));
            // By the root, so that a few captions are seen beside many.
            let share = (mark.entries as f32 / most as f32).sqrt();
            let top = floor - (floor - place.top() - 3.0) * share.max(0.15);
            let bar = Rect::from_min_max(pos2(left, top), pos2(right.max(left + 1.5), floor));
            painter.rect_filled(bar, 0.0, if mark.answers > 0 { colours.text } else { colours.accent });
            if mark.bookmarks > 0 {
                painter.circle_filled(pos2(bar.center().x, place.top() + 3.0), 2.0, colours.warning);
            }
        }
        // Marks are thinner than bells: of those that would hide each other the first is drawn.
        let mut free_from = place.left();
        for mark in self.marks.iter().filter(|mark| mark.events > 0) {
            let at = x((mark.part as f32 + 0.5) / PARTS as f32);
            if at < free_from {
                continue;
            }
            free_from = at + BELL;
            let bell = Rect::from_center_size(pos2(at, place.top() + BELL / 2.0 + 1.0), vec2(BELL, BELL));
            painter.rect_filled(bell.expand(1.0), 3.0, colours.card);
            icon::paint(&painter, Icon::Bell, bell, colours.warning);
        }
        if let Some(at) = self.chosen_ms.filter(|at| (from..to).contains(at)) {
            painter.vline(of_day(at), place.y_range(), Stroke::new(1.5, colours.text));
        }
        let entries: u64 = self.marks.iter().map(|mark| mark.entries).sum();
        let events: u64 = self.marks.iter().map(|mark| mark.events).sum();
        let label = format!("Timeline of the day, {}{}", text::entries(entries), with_events(events));
        response.widget_info(|| WidgetInfo::labeled(Role::Slider, true, label.clone()));

        let length = (to - from) / PARTS as i64;
        let part_at = |at: f32| (((at - place.left()) / place.width()).clamp(0.0, 1.0) * PARTS as f32) as usize;
        if let Some(pointer) = response.hover_pos() {
            let part = part_at(pointer.x).min(PARTS - 1);
            let mark = self.marks.iter().find(|mark| mark.part == part).copied().unwrap_or_default();
            let time = self.time_of(from + part as i64 * length);
            let told = format!("{time}: {}{}", text::entries(mark.entries), with_events(mark.events));
            response.clone().on_hover_text_at_pointer(told);
        }
        if let Some(pointer) = response.interact_pointer_pos().filter(|_| response.clicked()) {
            let part = part_at(pointer.x).min(PARTS - 1);
            // A mark is thin: the nearest one is meant.
            let nearest = self.marks.iter().min_by_key(|mark| mark.part.abs_diff(part));
            return nearest.map(|mark| from + mark.part as i64 * length);
        }
        self.by_key(ui, &response, from, length)
    }

    /// The next or the last mark, when an arrow is pressed.
    fn by_key(&self, ui: &Ui, response: &egui::Response, from: i64, length: i64) -> Option<i64> {
        if !response.has_focus() {
            return None;
        }
        let filter = EventFilter { horizontal_arrows: true, ..EventFilter::default() };
        ui.memory_mut(|memory| memory.set_focus_lock_filter(response.id, filter));
        let (back, on) = ui.input(|input| (input.key_pressed(Key::ArrowLeft), input.key_pressed(Key::ArrowRight)));
        let here = self.chosen_ms.map_or(-1, |at| (at - from).div_euclid(length.max(1)));
        let part = |mark: &&DayMark| mark.part as i64;
        let next = if on {
            self.marks.iter().filter(|mark| part(mark) > here).min_by_key(part)
        } else if back {
            self.marks.iter().filter(|mark| part(mark) < here).max_by_key(part)
        } else {
            None
        };
        next.map(|mark| from + mark.part as i64 * length)
    }

    fn time_of(&self, at_ms: i64) -> String {
        jiff::Timestamp::from_millisecond(at_ms)
            .map(|at| at.to_zoned_datetime(self.zone.clone()).strftime("%H:%M").to_string())
            .unwrap_or_default()
    }
}

/// How many of them are events of rules, where any is.
fn with_events(events: u64) -> String {
    if events == 0 { String::new() } else { format!(", {}", text::count(events, "event of a rule", "events of rules")) }
}

#[cfg(test)]
mod tests {
    use jiff::ZonedDateTime;

    use super::*;

    fn at(text: &str) -> ZonedDateTime {
        text.parse().expect("a time")
    }

    fn timeline() -> Timeline {
        Timeline { is_stale: false, ..Timeline::new(|| at("2026-11-24T16:00:00+00:00[UTC]")) }
    }

    #[test]
    fn an_entry_of_another_day_changes_the_day() {
        let mut timeline = timeline();
        let (from, to) = timeline.span().expect("a day");
        assert!(!timeline.choose(from + 1000) && !timeline.is_stale);
        timeline.set_marks(from, vec![DayMark::default()]);
        assert!(timeline.choose(to + 1000) && timeline.is_stale && timeline.marks.is_empty());
        // What comes late of the old day is not shown on the new one.
        timeline.set_marks(from, vec![DayMark::default()]);
        assert!(timeline.marks.is_empty());
        assert_eq!(timeline.span().map(|(from, _)| from), Some(to));
    }

    #[test]
    fn at_midnight_it_goes_on_unless_another_day_is_shown() {
        let mut today = timeline();
        assert!(!today.keep_up());
        today.clock = || at("2026-11-25T00:00:01+00:00[UTC]");
        assert!(today.keep_up() && today.is_stale);
        assert_eq!(today.date, jiff::civil::date(2026, 11, 25));
        let mut earlier = timeline();
        earlier.go_to(jiff::civil::date(2026, 11, 20));
        earlier.clock = today.clock;
        assert!(!earlier.keep_up());
        assert_eq!((earlier.date, earlier.today), (jiff::civil::date(2026, 11, 20), today.date));
    }

    #[test]
    fn hours_are_those_of_the_clock_on_the_day_when_it_is_set_back() {
        let timeline = Timeline::new(|| at("2026-10-25T12:00:00+01:00[Europe/Berlin]"));
        let (from, to) = timeline.span().expect("a day");
        let three = timeline.start_of(timeline.date.at(3, 0, 0, 0)).expect("a moment");
        assert_eq!([to - from, three - from].map(|ms| ms / 3_600_000), [25, 4]);
    }
}

//! The list of entries: only the rows on screen are drawn. A million rows are taller than an `f32`
//! can count in points, so the place in the list is kept in rows, as an `f64`, and the list has its
//! own scrolling.

use egui::accesskit::Role;
use egui::{Event, EventFilter, Id, Key, Rect, Response, Sense, Ui, UiBuilder, WidgetInfo, pos2, vec2};

use crate::ui::theme;

/// The height of a row, in points.
pub const ROW: f32 = 19.0 * theme::GRID;
/// The width of the bar that shows where one is, in points.
const BAR: f32 = 2.0 * theme::GRID;
/// The least height of its handle.
const LEAST_HANDLE: f32 = 7.0 * theme::GRID;

/// Where one is in the list. The newest row is 0 and at the top.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Scroll {
    /// The row at the upper edge, and how much of it is beyond.
    top: f64,
    /// Rows that fit, as of the last time.
    fit: f64,
}

impl Scroll {
    /// Whether the newest rows are in view, and stay so.
    pub fn is_at_newest(&self) -> bool {
        self.top < 0.5
    }

    /// Goes to the newest row.
    pub fn go_to_newest(&mut self) {
        self.top = 0.0;
    }

    /// There are so many more rows at the top: what is in view stays, unless these are the newest
    /// rows.
    pub fn grown(&mut self, by: u64) {
        if !self.is_at_newest() {
            self.top += by as f64;
        }
    }

    /// Brings a row into view.
    pub fn reveal(&mut self, row: u64) {
        let row = row as f64;
        if row < self.top {
            self.top = row;
        } else if row + 1.0 > self.top + self.fit {
            self.top = row + 1.0 - self.fit;
        }
    }

    /// Brings a row to a third of the height, where its neighbours are seen.
    pub fn centre(&mut self, row: u64) {
        self.top = row as f64 - self.fit / 3.0;
    }

    fn keep_within(&mut self, rows: u64, height: f32) {
        self.fit = f64::from(height / ROW).max(1.0);
        self.top = self.top.clamp(0.0, (rows as f64 - self.fit).max(0.0));
    }
}

/// What the list wants drawn: a row and its place.
pub type DrawRow<'a> = dyn FnMut(&mut Ui, u64, Rect, &Response) + 'a;

/// What happened in the list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Listed {
    /// This row was clicked.
    pub clicked: Option<u64>,
    /// A key wants the chosen row moved by so many, towards older ones.
    pub moved: i64,
    /// The chosen row is wanted large.
    pub opened: bool,
}

/// Draws the rows that are in view, newest first, and the bar beside them.
pub fn show(ui: &mut Ui, id: Id, scroll: &mut Scroll, rows: u64, draw: &mut DrawRow<'_>) -> Listed {
    let place = ui.available_rect_before_wrap();
    scroll.keep_within(rows, place.height());
    let mut listed = keys(ui, id, scroll);
    if ui.rect_contains_pointer(place) {
        let wheel = ui.input(|input| input.smooth_scroll_delta.y);
        scroll.top -= f64::from(wheel / ROW);
    }
    scroll.keep_within(rows, place.height());

    let whole = rows as f64 <= scroll.fit;
    let width = if whole { place.width() } else { place.width() - BAR - theme::GRID };
    let first = scroll.top.floor();
    let mut at = place.top() - (scroll.top - first) as f32 * ROW;
    let rows_of = UiBuilder::new().max_rect(place).scope_id(id).sense(Sense::focusable_noninteractive());
    ui.scope_builder(rows_of, |ui| {
        // The rows are its children.
        ui.ctx().accesskit_node_builder(id, |node| {
            node.set_role(Role::ListBox);
            node.set_label("Entries");
        });
        ui.set_clip_rect(place.intersect(ui.clip_rect()));
        let mut row = first as u64;
        while row < rows && at < place.bottom() {
            let rect = Rect::from_min_size(pos2(place.left(), at), vec2(width, ROW));
            let response = ui.interact(rect.intersect(place), id.with(row), Sense::CLICK);
            draw(ui, row, rect, &response);
            if response.clicked() {
                listed.clicked = Some(row);
                ui.memory_mut(|memory| memory.request_focus(id));
            }
            at += ROW;
            row += 1;
        }
    });
    if !whole {
        bar(ui, id.with("bar"), scroll, rows, place);
    }
    ui.advance_cursor_after_rect(place);
    listed
}

/// What the keys say while the list has the focus.
fn keys(ui: &Ui, id: Id, scroll: &Scroll) -> Listed {
    let mut listed = Listed::default();
    if !ui.memory(|memory| memory.has_focus(id)) {
        return listed;
    }
    let filter = EventFilter { vertical_arrows: true, ..EventFilter::default() };
    ui.memory_mut(|memory| memory.set_focus_lock_filter(id, filter));
    let page = (scroll.fit.floor() as i64 - 1).max(1);
    ui.input(|input| {
        for event in &input.events {
            let Event::Key { key, pressed: true, .. } = event else { continue };
            match key {
                Key::ArrowDown => listed.moved += 1,
                Key::ArrowUp => listed.moved -= 1,
                Key::PageDown => listed.moved += page,
                Key::PageUp => listed.moved -= page,
                Key::Home => listed.moved = i64::MIN,
                Key::End => listed.moved = i64::MAX,
                Key::Enter => listed.opened = true,
                _ => {}
            }
        }
    });
    listed
}

fn bar(ui: &Ui, id: Id, scroll: &mut Scroll, rows: u64, place: Rect) {
    let track = Rect::from_min_max(pos2(place.right() - BAR, place.top()), place.max);
    let hidden = (rows as f64 - scroll.fit).max(1.0);
    let height =
        (track.height() * (scroll.fit / rows as f64) as f32).clamp(LEAST_HANDLE.min(track.height()), track.height());
    let room = (track.height() - height).max(1.0);
    let response = ui.interact(track.expand2(vec2(theme::GRID, 0.0)), id, Sense::CLICK | Sense::DRAG);
    if (response.dragged() || response.clicked())
        && let Some(pointer) = response.interact_pointer_pos()
    {
        let part = ((pointer.y - track.top() - height / 2.0) / room).clamp(0.0, 1.0);
        scroll.top = f64::from(part) * hidden;
    }
    let part = scroll.top / hidden;
    let handle = Rect::from_min_size(pos2(track.left(), track.top() + part as f32 * room), vec2(BAR, height));
    let colours = theme::palette(ui.visuals());
    let is_near = response.hovered() || response.dragged();
    let colour = if is_near { colours.weak } else { colours.weak.gamma_multiply(0.5) };
    ui.painter().rect_filled(handle, BAR / 2.0, colour);
    response.widget_info(|| {
        let mut info = WidgetInfo::labeled(Role::ScrollBar, true, "Place in the list");
        info.value = Some(part * 100.0);
        info
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scroll(top: f64) -> Scroll {
        let mut scroll = Scroll { top, fit: 0.0 };
        scroll.keep_within(1_000_000, 10.0 * ROW);
        scroll
    }

    #[test]
    fn it_stays_where_it_is_while_the_log_grows_unless_at_the_newest() {
        let mut newest = scroll(0.0);
        newest.grown(3);
        assert!(newest.is_at_newest());
        let mut within = scroll(500.25);
        within.grown(3);
        assert!((within.top - 503.25).abs() < 1e-9);
    }

    #[test]
    fn a_point_of_scrolling_moves_the_millionth_row_too() {
        let mut end = scroll(1e9);
        assert!((end.top - 999_990.0).abs() < 1e-9);
        let before = end.top;
        end.top -= f64::from(1.0 / ROW);
        assert!(before - end.top > 0.9 / f64::from(ROW));
    }

    #[test]
    fn a_row_is_brought_into_view_and_not_further() {
        let mut at = scroll(100.0);
        at.reveal(105);
        assert!((at.top - 100.0).abs() < 1e-9);
        at.reveal(110);
        assert!((at.top - 101.0).abs() < 1e-9);
        at.reveal(20);
        assert!((at.top - 20.0).abs() < 1e-9);
    }
}

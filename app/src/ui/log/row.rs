//! One row of the list: the small picture, two lines of words, and when that was.

use std::fmt::Write as _;

use egui::accesskit::Role;
use egui::text::{LayoutJob, TextWrapping};
use egui::{Color32, FontId, Rect, Response, TextFormat, TextureHandle, Ui, WidgetInfo, pos2, vec2};
use jiff::civil::Date;

use crate::base::text;
use crate::log::{Entry, EntryKind, FoundEntry};
use crate::ui::icon;
use crate::ui::icon::Icon;
use crate::ui::theme;

/// The height of the small picture, in points. It is 16:9, as most cameras are.
const PICTURE: f32 = 15.0 * theme::GRID;
/// From the edge of a row to what is in it.
const MARGIN: f32 = 1.5 * theme::GRID;
/// The side of the bookmark's sign.
const SIGN: f32 = 3.5 * theme::GRID;

/// Draws a row; its ground alone while the entry is being read.
pub fn draw(
    ui: &Ui,
    place: Rect,
    response: &Response,
    found: Option<&FoundEntry>,
    picture: Option<&TextureHandle>,
    is_chosen: bool,
    today: Date,
) {
    let colours = theme::palette(ui.visuals());
    let ground = place.shrink2(vec2(0.0, theme::GRID / 2.0));
    if is_chosen {
        ui.painter().rect_filled(ground, theme::RADIUS, colours.lifted);
    } else if response.hovered() {
        ui.painter().rect_filled(ground, theme::RADIUS, colours.card);
    }
    let size = vec2(PICTURE * 16.0 / 9.0, PICTURE);
    let left = Rect::from_min_size(pos2(ground.left() + MARGIN, ground.center().y - PICTURE / 2.0), size);
    ui.painter().rect_filled(left, 6.0, colours.card);
    let Some(FoundEntry { entry, .. }) = found else { return };
    if let Some(picture) = picture {
        let shape = fitting(picture.size_vec2(), left);
        egui::Image::from_texture(picture).corner_radius(6).paint_at(ui, shape);
    }
    let text = Rect::from_min_max(
        pos2(left.right() + 2.5 * theme::GRID, left.top()),
        pos2(ground.right() - MARGIN, left.bottom()),
    );
    let words = ui.painter().layout_job(words(entry, text.width(), colours.text, colours.weak));
    ui.painter().galley(text.min, words, colours.text);

    let line = pos2(text.left(), text.bottom());
    let small = FontId::proportional(12.0);
    ui.painter().text(line, egui::Align2::LEFT_BOTTOM, when(entry, today), small, colours.weak);
    if entry.bookmarked {
        let sign = Rect::from_min_size(pos2(text.right() - SIGN, text.bottom() - SIGN), vec2(SIGN, SIGN));
        icon::paint(ui.painter(), Icon::Marked, sign, colours.accent);
    }
    let label = format!("{}, {}", when(entry, today), said(entry));
    response.widget_info(|| WidgetInfo::labeled(Role::ListBoxOption, true, &label));
    ui.ctx().accesskit_node_builder(response.id, |node| node.set_selected(is_chosen));
}

fn fitting(size: egui::Vec2, place: Rect) -> Rect {
    let scale = (place.width() / size.x.max(1.0)).min(place.height() / size.y.max(1.0));
    Rect::from_center_size(place.center(), size * scale)
}

fn said(entry: &Entry) -> String {
    match &entry.question {
        Some(question) => format!("{question} {}", entry.text),
        None => entry.text.clone(),
    }
}

/// Two lines at most: a question and its answer, or a caption.
fn words(entry: &Entry, width: f32, colour: Color32, weak: Color32) -> LayoutJob {
    let format = |color| TextFormat { font_id: FontId::proportional(14.0), color, ..TextFormat::default() };
    let wrap = TextWrapping { max_width: width, max_rows: 2, ..TextWrapping::default() };
    let mut job = LayoutJob { wrap, ..LayoutJob::default() };
    if let Some(question) = &entry.question {
        job.append(&text::one_line(question), 0.0, format(weak));
        job.append(" ", 0.0, format(weak));
    }
    job.append(&text::one_line(&entry.text), 0.0, format(colour));
    job
}

/// The time, how long it was on screen, and whether there is a note.
fn when(entry: &Entry, today: Date) -> String {
    let at = entry.at.civil();
    let mut when = if at.date() == today {
        at.strftime("%H:%M:%S").to_string()
    } else if at.year() == today.year() {
        at.strftime("%-d %b %H:%M:%S").to_string()
    } else {
        at.strftime("%-d %b %Y %H:%M").to_string()
    };
    match entry.kind {
        EntryKind::Caption => {
            when.push_str(" · ");
            when.push_str(&text::length(entry.duration_ms));
        }
        EntryKind::Answer => when.push_str(" · answer"),
        EntryKind::Event | EntryKind::NearMiss => {
            let what = if entry.kind == EntryKind::Event { "event" } else { "near miss" };
            let rule = entry.event.as_ref().map_or("", |event| event.rule.as_str());
            // Writing to a text does not fail.
            let _ = write!(when, " · {what} {} · {}", text::one_line(rule), text::length(entry.duration_ms));
        }
    }
    if entry.note.is_some() {
        when.push_str(" · note");
    }
    when
}

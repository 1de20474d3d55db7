//! The caption over the lower edge of the picture, like a subtitle, with its age.
//!
//! It stays on its plate and the plate within the picture, of which it covers a third at most: the
//! letters get smaller before the words are cut. Where the window leaves an empty bar under the
//! picture that is high enough, the caption stands there and covers nothing.

use std::sync::Arc;
use std::time::Instant;

use egui::accesskit::{Live, Role};
use egui::emath::TSTransform;
use egui::text::LayoutJob;
use egui::text_selection::accesskit_text::update_accesskit_for_text_widget;
use egui::{Align, Align2, Color32, FontId, Galley, Pos2, Rect, Sense, TextFormat, Ui, Vec2, WidgetInfo, pos2, vec2};

use crate::ui::preferences::{CaptionPlace, CaptionStyle};
use crate::ui::state::{CaptionView, Words};
use crate::ui::{theme, wording};

/// The widest a subtitle gets, in points at its usual size: longer lines are hard to follow.
const WIDEST: f32 = 860.0;
/// The part of the picture's height that a subtitle covers at most.
const MOST: f32 = 1.0 / 3.0;
/// From the plate's edge to the words, in the height of a letter.
const PADDING: Vec2 = vec2(0.8, 0.45);
/// From the lower edge of the picture to the plate, in the height of a letter.
const LIFT: f32 = 0.6;
/// The distance of lines, in the height of a letter.
const LINE: f32 = 1.3;
/// Sizes that are tried, as parts of the one that is wanted.
const SIZES: [f32; 6] = [1.0, 0.85, 0.7, 0.6, 0.5, 0.42];
/// The smallest letters, in points: smaller ones can't be read.
const SMALLEST: f32 = 9.0;
/// The least width of the age's plate, in points, so that it does not jump as the age is told.
const AGE_WIDTH: f32 = 92.0;
/// The height of the stage from which on the age is told, in points: it would cover a smaller one.
const AGE_FROM: f32 = 140.0;

/// What is drawn, and where.
struct Fitted {
    galley: Arc<Galley>,
    plate: Rect,
    size: f32,
}

/// How much of `stage` is to be left free under the picture for the caption, in points.
pub fn room_below(style: &CaptionStyle, stage: Rect) -> f32 {
    match style.place {
        CaptionPlace::Picture => 0.0,
        CaptionPlace::Below => {
            let lines = 3.0 * LINE + 2.0 * PADDING.y + 2.0 * LIFT;
            (style.points() * lines).min(stage.height() * MOST)
        }
    }
}

/// How a caption is shown.
#[derive(Clone, Copy)]
pub struct Manner<'a> {
    /// How it looks.
    pub style: &'a CaptionStyle,
    /// Whether screen readers say it. They don't where this program has it said itself.
    pub is_announced: bool,
}

/// Draws the caption over or under `picture`, inside of `stage`. Draws nothing before the first
/// caption. Gives the part of the stage that it takes.
pub fn show(
    ui: &Ui,
    caption: &CaptionView,
    Manner { style, is_announced }: Manner<'_>,
    picture: Rect,
    stage: Rect,
    now: Option<Instant>,
) -> Option<Rect> {
    let words = caption.words();
    if words.firm.is_empty() {
        return None;
    }
    let fitted = fit(ui, words, style, picture, stage);
    let place = fitted.as_ref().map_or(Rect::from_min_size(picture.left_bottom(), Vec2::ZERO), |fitted| fitted.plate);
    let response = ui.interact(place, ui.scope_id().with("subtitle"), Sense::hover());
    let said = spoken(words);
    response.widget_info(|| WidgetInfo::labeled(Role::Label, true, &said));
    if !words.writing && is_announced {
        // A screen reader says each caption when it is complete.
        ui.ctx().accesskit_node_builder(response.id, |node| node.set_live(Live::Polite));
    }
    let Fitted { galley, plate, size } = fitted?;
    ui.painter().rect_filled(plate, (0.5 * size).min(12.0), theme::plate(style.background));
    let padding = PADDING * size;
    let origin = pos2(plate.center().x, plate.top() + padding.y);
    if words.writing && words.tentative.is_empty() {
        // The bar behind the last word while more are coming.
        let pen = vec2(3.0, 0.9 * size);
        let end = galley.pos_from_cursor(galley.end()).translate(origin.to_vec2());
        let pen = Rect::from_center_size(pos2(end.right() + pen.x + theme::GRID, end.center().y), pen);
        ui.painter().with_clip_rect(plate).rect_filled(pen, 1.0, theme::palette(ui.visuals()).accent);
    }
    let from_galley = TSTransform::from_translation(origin.to_vec2());
    update_accesskit_for_text_widget(ui.ctx(), response.id, None, from_galley, &galley);
    let is_cut = galley.elided;
    ui.painter().galley(origin, galley, theme::SUBTITLE);
    if is_cut {
        response.on_hover_text(&said);
    }
    let foot = pos2(plate.center().x, plate.top() - theme::GRID);
    if stage.height() >= AGE_FROM && foot.y - stage.top() > 4.0 * AGE_SIZE && plate.width() >= AGE_WIDTH {
        age(ui, caption, foot, now);
    }
    Some(plate)
}

/// What is drawn, as a text.
fn spoken(words: Words<'_>) -> String {
    format!("{}{}{}", words.hedge(), words.firm, words.tentative)
}

/// Draws the caption alone, as large as there is room for.
pub fn alone(ui: &Ui, caption: &CaptionView, Manner { style, is_announced }: Manner<'_>) {
    let place = ui.max_rect();
    ui.painter().rect_filled(place, 0.0, theme::STAGE);
    let words = caption.words();
    let room = place.shrink2(0.05 * place.size());
    let wanted = 2.0 * style.points();
    let drawn = |part: f32| {
        let size = (wanted * part).max(SMALLEST);
        let rows = (room.height() / (size * LINE)).floor().max(1.0);
        ui.painter().layout_job(layout(words, size, room.width(), rows as usize))
    };
    let whole = SIZES.into_iter().map(drawn).find(|galley| !galley.elided);
    let galley = whole.unwrap_or_else(|| drawn(SIZES[SIZES.len() - 1]));
    let origin = pos2(room.center().x, room.center().y - galley.size().y / 2.0);
    let response = ui.interact(room, ui.scope_id().with("caption alone"), Sense::hover());
    response.widget_info(|| WidgetInfo::labeled(Role::Label, true, spoken(words)));
    if !words.writing && is_announced {
        ui.ctx().accesskit_node_builder(response.id, |node| node.set_live(Live::Polite));
    }
    ui.painter().galley(origin, galley, theme::SUBTITLE);
}

/// The largest letters with which all words have room; the smallest ones, and as many words as fit,
/// where none have. Nothing where not even a line has room.
fn fit(ui: &Ui, words: Words<'_>, style: &CaptionStyle, picture: Rect, stage: Rect) -> Option<Fitted> {
    let empty = stage.bottom() - picture.bottom();
    let wanted = style.points();
    let mut best = None;
    for part in SIZES {
        let size = (wanted * part).max(SMALLEST.min(wanted));
        let around = 2.0 * PADDING * size;
        let widest = WIDEST * wanted / theme::SUBTITLE_SIZE;
        // In the empty bar first, if it has room for these letters.
        let places = [
            (empty - 2.0 * LIFT * size, stage.width(), stage.bottom() - LIFT * size),
            (
                picture.height() * MOST,
                picture.width().min(stage.width()),
                picture.bottom().min(stage.bottom()) - LIFT * size,
            ),
        ];
        for (height, width, bottom) in places {
            let rows = ((height - around.y) / (size * LINE)).floor();
            let width = (width - 2.0 * theme::GRID).min(widest) - around.x;
            if rows < 1.0 || width < 4.0 * size {
                continue;
            }
            let galley = ui.painter().layout_job(layout(words, size, width, rows as usize));
            let taken = galley.size() + around;
            let plate = Rect::from_min_size(pos2(stage.center().x - taken.x / 2.0, bottom - taken.y), taken);
            let is_whole = !galley.elided;
            best = Some(Fitted { galley, plate, size });
            if is_whole {
                return best;
            }
        }
    }
    best
}

/// The size of the age's letters, in points.
const AGE_SIZE: f32 = 12.0;

/// The age of the caption, on a small plate that ends above `foot`. While the picture stands still
/// (`now` is nothing) that it does is said elsewhere.
fn age(ui: &Ui, caption: &CaptionView, foot: Pos2, now: Option<Instant>) {
    let Some((captured_at, now)) = caption.captured_at().zip(now) else { return };
    let mut text = wording::age(now.saturating_duration_since(captured_at));
    if caption.is_unchanged() {
        text.push_str(" · unchanged");
    }
    let galley = ui.painter().layout_no_wrap(text.clone(), FontId::proportional(AGE_SIZE), Color32::WHITE);
    let size = vec2((galley.size().x + 4.0 * theme::GRID).max(AGE_WIDTH), galley.size().y + theme::GRID);
    let plate = Align2::CENTER_BOTTOM.anchor_size(foot, size);
    ui.painter().rect_filled(plate, size.y / 2.0, theme::PLATE);
    ui.painter().galley(plate.center() - galley.size() / 2.0, galley, theme::SUBTITLE);
    let response = ui.interact(plate, ui.scope_id().with("age"), Sense::hover());
    // What changes every second would talk over everything else.
    response.widget_info(|| WidgetInfo::labeled(Role::Label, true, "Age of the caption"));
    let hint = if caption.is_unchanged() {
        "Since the picture that the caption is about. The view has not changed since, so the caption still holds."
    } else {
        "Since the picture that the caption is about."
    };
    response.on_hover_text(hint);
}

fn layout(words: Words<'_>, size: f32, width: f32, rows: usize) -> LayoutJob {
    let format = |color| TextFormat {
        font_id: theme::strong(size),
        color,
        line_height: Some(size * LINE),
        ..TextFormat::default()
    };
    let mut job = LayoutJob { halign: Align::Center, ..LayoutJob::default() };
    job.wrap.max_width = width;
    job.wrap.max_rows = rows;
    // What the model doubted is dimmed, as what is not said yet.
    let firm = if words.doubted { theme::SUBTITLE_TENTATIVE } else { theme::SUBTITLE };
    job.append(words.hedge(), 0.0, format(theme::SUBTITLE_TENTATIVE));
    job.append(words.firm, 0.0, format(firm));
    job.append(words.tentative, 0.0, format(theme::SUBTITLE_TENTATIVE));
    job
}

#[cfg(test)]
mod tests {
    use egui::{CentralPanel, Context, RawInput};

    use super::*;

    const LONG: &str = "A black and white cat with a long tail sits on the doormat beside two parcels and an umbrella, and \
                        looks straight into the camera, as if it were waiting for someone to open the green door behind it.";

    /// What is drawn of a caption over a picture of this size within a stage of that size.
    fn fitted(text: &str, picture: Vec2, stage: Vec2, style: &CaptionStyle) -> Option<(Rect, Vec2, Rect)> {
        let ctx = Context::default();
        theme::install(&ctx);
        let mut told = None;
        let _ = ctx.run_ui(RawInput::default(), |ui| {
            CentralPanel::no_frame().show(ui, |ui| {
                let stage = Rect::from_min_size(Pos2::ZERO, stage);
                let picture = Rect::from_center_size(stage.center(), picture);
                let words = Words { firm: text, ..Words::default() };
                told =
                    fit(ui, words, style, picture, stage).map(|fitted| (fitted.plate, fitted.galley.size(), picture));
            });
        });
        told
    }

    #[test]
    fn a_caption_stays_on_its_plate_and_covers_a_third_of_the_picture_at_most() {
        let style = CaptionStyle::default();
        for text in ["A cup.", LONG, &"Donaudampfschifffahrtsgesellschaft".repeat(4), &LONG.repeat(3)] {
            for (width, height) in
                [(3840.0, 2160.0), (1180.0, 664.0), (640.0, 360.0), (320.0, 180.0), (200.0, 300.0), (160.0, 90.0)]
            {
                for size in [1.0, 0.5, 2.0] {
                    let style = CaptionStyle { size, ..style.clone() };
                    let picture = vec2(width, height);
                    let Some((plate, words, picture)) = fitted(text, picture, picture, &style) else {
                        assert!(height <= 180.0, "nothing is drawn at {width} x {height}");
                        continue;
                    };
                    assert!(picture.contains_rect(plate), "{plate:?} leaves {picture:?}");
                    assert!(
                        plate.height() <= picture.height() / 3.0 + 0.5,
                        "{plate:?} covers more than a third of {picture:?}"
                    );
                    assert!(words.x <= plate.width() && words.y <= plate.height(), "{words:?} leave {plate:?}");
                    assert!(words.x > words.y / 8.0, "a letter a line");
                }
            }
        }
    }

    #[test]
    fn a_caption_stands_in_the_empty_bar_below_where_it_has_room() {
        let (plate, _, picture) =
            fitted(LONG, vec2(400.0, 225.0), vec2(400.0, 800.0), &CaptionStyle::default()).expect("drawn");
        assert!(plate.top() >= picture.bottom());
    }
}

//! The line at the bottom: whether captions are recorded, how fast camera and captions are, and who
//! answers. Where the time goes is found by hovering over it.

use std::time::{Duration, Instant};

use egui::accesskit::Role;
use egui::{Align, Color32, Grid, Label, Layout, RichText, Sense, TextStyle, Ui, WidgetInfo};

use crate::base::text;
use crate::demo::model;
use crate::engine::EngineCard;
use crate::live::Statistics;
use crate::log::RecorderStatus;
use crate::ui::frame_times::Summary;
use crate::ui::state::{ModelPhase, SourcePhase, State};
use crate::ui::{theme, wording};

/// From one item to the next, in points.
const GAP: f32 = 4.0 * theme::GRID;

/// Something that the line says.
struct Item {
    text: String,
    colour: Color32,
    hint: &'static str,
    /// What has the most stays when the line is short.
    importance: u8,
    /// Whether it stands at the right.
    at_right: bool,
    /// What a screen reader is told, where the text changes all the time.
    steady: Option<&'static str>,
}

/// What the line tells of.
pub struct Told<'a> {
    /// The window's state.
    pub state: &'a State,
    /// How recording goes; nothing while nothing is recorded.
    pub recording: Option<&'a RecorderStatus>,
    /// What was counted of the source.
    pub statistics: Statistics,
    /// How long the window took for its frames.
    pub frames: Summary,
    /// Now.
    pub now: Instant,
}

/// Draws the line. Where it is short, what matters least goes first.
pub fn show(ui: &mut Ui, told: &Told<'_>) {
    let items = fitting(ui, items(ui, told));
    let row = ui.horizontal_centered(|ui| {
        ui.spacing_mut().item_spacing.x = GAP;
        for item in items.iter().filter(|item| !item.at_right) {
            draw(ui, item);
        }
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            for item in items.iter().filter(|item| item.at_right) {
                draw(ui, item).on_hover_ui(|ui| {
                    if let ModelPhase::Ready(card) = &told.state.model.phase {
                        ui.label(card.words());
                    }
                    details(ui, told);
                });
            }
        });
    });
    row.response.on_hover_ui(|ui| details(ui, told));
}

/// The most important items that have room together.
fn fitting(ui: &Ui, items: Vec<Item>) -> Vec<Item> {
    let font = TextStyle::Small.resolve(ui.style());
    let width = |item: &Item| ui.painter().layout_no_wrap(item.text.clone(), font.clone(), Color32::WHITE).size().x;
    let mut room = ui.available_width();
    let mut order: Vec<usize> = (0..items.len()).collect();
    order.sort_by_key(|place| std::cmp::Reverse(items[*place].importance));
    let mut kept = vec![false; items.len()];
    for place in order {
        let wanted = width(&items[place]) + GAP;
        kept[place] = wanted <= room + GAP;
        if !kept[place] {
            break;
        }
        room -= wanted;
    }
    items.into_iter().zip(kept).filter_map(|(item, kept)| kept.then_some(item)).collect()
}

fn items(ui: &Ui, told: &Told<'_>) -> Vec<Item> {
    let Told { state, recording, statistics, now, .. } = told;
    let weak = theme::palette(ui.visuals()).weak;
    let item =
        |text: String, hint, importance| Item { text, colour: weak, hint, importance, at_right: false, steady: None };
    let mut items = Vec::new();
    if let Some(status) = recording {
        let (text, colour) = self::recording(ui, status);
        let hint = "Entries of the log since recording began, and those that were lost. The same words again make an \
                    entry last longer.";
        items.push(Item { colour, ..item(text, hint, 5) });
    }
    let is_live = state.source.phase == SourcePhase::Live;
    let source =
        item(camera(state, *statistics), "Pictures a second that the source gives", if is_live { 2 } else { 4 });
    if !state.paused {
        items.push(Item { steady: is_live.then_some("Pictures a second"), ..source });
    }
    let rate = item(captions(state, *now), "Captions in the last minute", 1);
    items.push(Item { steady: Some("Captions in the last minute"), ..rate });
    items.push(Item { at_right: true, ..item(model(state, *now), "", 3) });
    items
}

fn draw(ui: &mut Ui, item: &Item) -> egui::Response {
    let text = RichText::new(&item.text).small().color(item.colour);
    let response = ui.add(Label::new(text).selectable(false).sense(Sense::hover()));
    if let Some(steady) = item.steady {
        // A number that changes every second would flood those who listen.
        response.widget_info(|| WidgetInfo::labeled(Role::Label, true, steady));
        ui.ctx().accesskit_node_builder(response.id, |node| node.set_description(steady));
    }
    if item.hint.is_empty() { response } else { response.on_hover_text(item.hint) }
}

/// That captions are recorded, and how that goes.
fn recording(ui: &Ui, status: &RecorderStatus) -> (String, Color32) {
    let colours = theme::palette(ui.visuals());
    match status {
        RecorderStatus { trouble: Some(_), lost, .. } => {
            (format!("● Not recording · {} lost", text::number(*lost)), colours.warning)
        }
        RecorderStatus { lost: 0, entries, .. } => {
            (format!("● Recording · {}", text::entries(*entries)), colours.recording)
        }
        RecorderStatus { lost, entries, .. } => {
            (format!("● Recording · {} · {} lost", text::entries(*entries), text::number(*lost)), colours.recording)
        }
    }
}

fn camera(state: &State, statistics: Statistics) -> String {
    match state.source.phase {
        SourcePhase::None => "No source".to_owned(),
        SourcePhase::Opening => "Opening source…".to_owned(),
        SourcePhase::Lost => "Source lost".to_owned(),
        SourcePhase::Ended => "No more pictures".to_owned(),
        SourcePhase::Live => format!("{:.0} fps", statistics.camera_fps),
    }
}

fn captions(state: &State, now: Instant) -> String {
    match state.caption_rate.per_minute(now) {
        Some(rate) => format!("{rate:.0} captions/min"),
        None => "– captions/min".to_owned(),
    }
}

fn model(state: &State, now: Instant) -> String {
    match &state.model.phase {
        ModelPhase::None => "No model".to_owned(),
        ModelPhase::Loading(since) => {
            format!(
                "Loading {}… {} s",
                wording::last_part(&state.model.name()),
                now.saturating_duration_since(*since).as_secs()
            )
        }
        ModelPhase::Failed => format!("{} is not running", wording::last_part(&state.model.name())),
        ModelPhase::Ready(card) if card.model == model::NAME => model::NOTE.to_owned(),
        ModelPhase::Ready(EngineCard { model, sent_to: Some(host), .. }) => {
            format!("{} · pictures go to {host}", wording::last_part(model))
        }
        ModelPhase::Ready(card) => {
            format!("{} · {} · {}", wording::last_part(&card.model), card.device, card.precision)
        }
    }
}

/// What those want to know who tune.
fn details(ui: &mut Ui, told: &Told<'_>) {
    let Told { state, statistics, frames, .. } = told;
    let millis = |time: Duration| format!("{:.1} ms", time.as_secs_f64() * 1e3);
    Grid::new("details").num_columns(2).show(ui, |ui| {
        let mut rows = Vec::new();
        if let Some(timings) = state.timings {
            rows.push(("Last caption", wording::stage(timings.total())));
            rows.push(("  preprocess", millis(timings.preprocess)));
            rows.push(("  vision", millis(timings.vision)));
            rows.push(("  prefill", millis(timings.prefill)));
            rows.push(("  decode", millis(timings.decode)));
        }
        rows.push(("Dropped: replaced by newer pictures", text::number(statistics.dropped)));
        rows.push(("Skipped: unchanged", text::number(statistics.skipped)));
        rows.push(("Longest redraw of the window in the last 10 s", millis(frames.longest)));
        rows.push(("Mean redraw", millis(frames.mean)));
        rows.push(("Redraws in that time", frames.frames.to_string()));
        for (what, value) in rows {
            ui.label(RichText::new(what).weak());
            ui.label(value);
            ui.end_row();
        }
    });
}

//! The line at the bottom: how fast the camera and the captions are, where the time goes, and who
//! answers.

use std::time::Instant;

use egui::{Align, Grid, Layout, RichText, Sense, Ui};
use vlm::Timings;

use crate::base::text;
use crate::demo::model;
use crate::engine::EngineCard;
use crate::live::Statistics;
use crate::log::RecorderStatus;
use crate::ui::frame_times::Summary;
use crate::ui::state::{ModelPhase, SourcePhase, State};
use crate::ui::{theme, wording};

/// Draws the line.
pub fn show(
    ui: &mut Ui,
    state: &State,
    recording: Option<&RecorderStatus>,
    statistics: Statistics,
    frames: Summary,
    now: Instant,
) {
    let row = ui.horizontal_centered(|ui| {
        ui.spacing_mut().item_spacing.x = 4.0 * theme::GRID;
        if let Some(status) = recording {
            self::recording(ui, status);
        }
        figure(ui, camera(state, statistics), "Pictures a second that the source gives");
        figure(ui, captions(state, now), "Captions in the last minute");
        if let Some(timings) = state.timings {
            let hint = "The last caption by stage, in milliseconds: making the picture ready, looking at it, reading the \
                        question, writing the words";
            figure(ui, stages(timings), hint);
        }
        figure(ui, format!("{} dropped", statistics.dropped), "Pictures that were replaced by newer ones before anyone looked");
        figure(ui, format!("{} skipped", statistics.skipped), "Pictures that were passed over because the view had not changed");
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            let frames_hint = "Longest frame of the window in the last 10 s";
            let response = figure(ui, model(state, now), "");
            response.on_hover_ui(|ui| {
                if let ModelPhase::Ready(card) = &state.model.phase {
                    ui.label(card.words());
                }
                details(ui, frames, frames_hint);
            });
        });
    });
    row.response.on_hover_ui(|ui| details(ui, frames, "Longest frame of the window in the last 10 s"));
}

/// That captions are recorded, and how that goes.
fn recording(ui: &mut Ui, status: &RecorderStatus) {
    let colours = theme::palette(ui.visuals());
    let (text, colour) = match status {
        RecorderStatus { trouble: Some(_), lost, .. } => {
            (format!("● Not recording · {} lost", text::number(*lost)), colours.warning)
        }
        RecorderStatus { lost: 0, recorded, .. } => {
            (format!("● Recording · {}", text::number(*recorded)), colours.recording)
        }
        RecorderStatus { lost, recorded, .. } => {
            (format!("● Recording · {} · {} lost", text::number(*recorded), text::number(*lost)), colours.recording)
        }
    };
    let label = egui::Label::new(RichText::new(text).small().color(colour)).selectable(false).sense(Sense::hover());
    ui.add(label)
        .on_hover_text("Captions and answers written to the log, repeated ones included, and those that were lost");
}

fn figure(ui: &mut Ui, text: String, hint: &str) -> egui::Response {
    let label = egui::Label::new(RichText::new(text).small().weak()).selectable(false).sense(Sense::hover());
    let response = ui.add(label);
    if hint.is_empty() { response } else { response.on_hover_text(hint) }
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

fn stages(timings: Timings) -> String {
    let Timings { preprocess, vision, prefill, decode } = timings;
    format!(
        "{}: preprocess {} · vision {} · prefill {} · decode {}",
        wording::stage(timings.total()),
        preprocess.as_millis(),
        vision.as_millis(),
        prefill.as_millis(),
        decode.as_millis()
    )
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

/// What developers ask for.
fn details(ui: &mut Ui, frames: Summary, label: &str) {
    let millis = |time: std::time::Duration| format!("{:.1} ms", time.as_secs_f64() * 1e3);
    Grid::new("window frames").num_columns(2).show(ui, |ui| {
        let rows = [
            (label, millis(frames.longest)),
            ("Mean frame", millis(frames.mean)),
            ("Frames drawn in that time", frames.frames.to_string()),
        ];
        for (what, value) in rows {
            ui.label(RichText::new(what).weak());
            ui.label(value);
            ui.end_row();
        }
    });
}

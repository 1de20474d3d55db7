//! How fast everything is: the stages of the last captions as bars, and the figures beside them.
//! Knows no pipeline: it draws what the window's state has counted.

use std::time::{Duration, Instant};

use egui::{Color32, Frame, Grid, Margin, Panel, RichText, Ui};
use egui_plot::{Bar, BarChart, Corner, Legend, Plot};

use crate::base::text;
use crate::live::Statistics;
use crate::ui::frame_times::Summary;
use crate::ui::state::State;
use crate::ui::{theme, wording};

/// The height of the panel, in points.
const HEIGHT: f32 = 170.0;
/// The width of the figures, in points.
const FIGURES: f32 = 260.0;
/// Below this width of the window the bars alone are drawn, in points.
const FIGURES_FROM: f32 = 620.0;

/// Colours of the stages, seen on either ground.
const STAGES: [(&str, Color32); 4] = [
    ("preprocess", Color32::from_rgb(0x8A, 0x9A, 0xB0)),
    ("vision", Color32::from_rgb(0x4C, 0x8D, 0xF0)),
    ("prefill", Color32::from_rgb(0x2E, 0xB3, 0x93)),
    ("decode", Color32::from_rgb(0xE0, 0x94, 0x32)),
];

/// Draws the panel above the question box.
pub fn show(ui: &mut Ui, state: &State, statistics: Statistics, frames: Summary, now: Instant) {
    let frame = Frame::new().fill(theme::palette(ui.visuals()).panel).inner_margin(Margin::symmetric(16, 8));
    Panel::bottom("performance").frame(frame).exact_size(HEIGHT).show(ui, |ui| {
        theme::name_region(ui, "Performance");
        ui.horizontal_top(|ui| {
            let width = ui.available_width();
            let for_figures = if width >= FIGURES_FROM { FIGURES } else { 0.0 };
            ui.vertical(|ui| {
                ui.set_width(width - for_figures);
                stages(ui, state);
            });
            if for_figures > 0.0 {
                figures(ui, state, statistics, frames, now);
            }
        });
    });
}

/// A bar a caption, its stages on top of each other.
fn stages(ui: &mut Ui, state: &State) {
    let millis = |time: Duration| time.as_secs_f64() * 1e3;
    let mut charts: Vec<BarChart> = Vec::new();
    for (stage, (name, colour)) in STAGES.into_iter().enumerate() {
        let bars = state.history.iter().enumerate().map(|(place, told)| {
            let timings = told.timings;
            let times = [timings.preprocess, timings.vision, timings.prefill, timings.decode];
            Bar::new(place as f64, millis(times[stage])).width(0.9).fill(colour)
        });
        let chart = BarChart::new(name, bars.collect()).color(colour);
        let below: Vec<&BarChart> = charts.iter().collect();
        charts.push(chart.stack_on(&below));
    }
    Plot::new("stages")
        .legend(Legend::default().position(Corner::LeftTop))
        .height(HEIGHT - 16.0)
        .include_y(0.0)
        .show_axes([false, true])
        .allow_zoom(false)
        .allow_scroll(false)
        .allow_drag(false)
        .allow_boxed_zoom(false)
        .show(ui, |plot| {
            for chart in charts {
                plot.bar_chart(chart);
            }
        });
}

fn figures(ui: &mut Ui, state: &State, statistics: Statistics, frames: Summary, now: Instant) {
    let mut rows: Vec<(&str, String)> = Vec::new();
    let rate = state.caption_rate.per_minute(now);
    rows.push(("Captions a minute", rate.map_or_else(|| "–".to_owned(), |rate| format!("{rate:.0}"))));
    if let Some(last) = state.history.back() {
        rows.push(("Last caption", wording::stage(last.timings.total())));
        let seconds = (last.timings.prefill + last.timings.decode).as_secs_f64();
        if seconds > 0.0 {
            rows.push(("Tokens a second", format!("{:.0}", last.tokens as f64 / seconds)));
        }
    }
    let (offered, accepted) = state
        .history
        .iter()
        .fold((0, 0), |(offered, accepted), told| (offered + told.draft.offered, accepted + told.draft.accepted));
    if let Some(percent) = (100 * accepted).checked_div(offered) {
        rows.push(("Drafted tokens accepted", format!("{percent} %")));
    }
    rows.push(("Pictures a second", format!("{:.0}", statistics.camera_fps)));
    rows.push((
        "Dropped, skipped",
        format!("{}, {}", text::number(statistics.dropped), text::number(statistics.skipped)),
    ));
    rows.push(("Longest redraw of the window", wording::stage(frames.longest)));
    ui.spacing_mut().interact_size.y = 0.0;
    Grid::new("performance figures").num_columns(2).show(ui, |ui| {
        for (what, value) in rows {
            ui.label(RichText::new(what).small().weak());
            ui.label(RichText::new(value).small());
            ui.end_row();
        }
    });
}

//! How strongly a rule held in the last minutes, as a curve, and the threshold over it, which can
//! be dragged. Knows no engine: it is given scores.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use egui::{CursorIcon, Sense, Ui, Vec2};
use egui_plot::{GridMark, HLine, Line, Plot, PlotPoints, Points};

use crate::rules::score::Score;
use crate::ui::theme;

/// How far back the curve goes.
const SPAN: Duration = Duration::from_mins(2);
/// The most points that are held: ten a second.
const MOST: usize = 1200;
/// The height of the curve, in points.
const HEIGHT: f32 = 96.0;
/// The least and the most that a threshold can be dragged to.
pub const THRESHOLDS: [f32; 2] = [0.02, 0.98];

/// The scores of a rule, oldest first.
#[derive(Debug, Default)]
pub struct Curve {
    points: VecDeque<(Instant, f32)>,
}

impl Curve {
    /// A new view was scored.
    pub fn push(&mut self, at: Instant, score: Score) {
        while self.points.len() >= MOST {
            self.points.pop_front();
        }
        // One point older than the span stays, so that the line goes to the edge.
        while self.points.get(1).is_some_and(|(then, _)| at.saturating_duration_since(*then) > SPAN) {
            self.points.pop_front();
        }
        self.points.push_back((at, score.probability()));
    }

    /// The last score, as a probability.
    pub fn last(&self) -> Option<f32> {
        self.points.back().map(|(_, probability)| *probability)
    }

    /// Seconds before now with the probability then. Each holds until the next view is scored.
    fn steps(&self, now: Instant) -> Vec<[f64; 2]> {
        let mut steps = Vec::with_capacity(2 * self.points.len() + 1);
        let mut before = None;
        for (at, probability) in &self.points {
            let x = -now.saturating_duration_since(*at).as_secs_f64();
            steps.extend(before.map(|before| [x, before]));
            steps.push([x, f64::from(*probability)]);
            before = Some(f64::from(*probability));
        }
        steps.extend(before.map(|before| [0.0, before]));
        steps
    }

    /// Draws the curve. Gives the threshold that it is dragged to, and whether it was let go.
    pub fn show(&self, ui: &mut Ui, threshold: f32, now: Instant) -> Option<(f32, bool)> {
        let colours = theme::palette(ui.visuals());
        let line = Line::new("score", PlotPoints::from(self.steps(now))).color(colours.accent).width(1.5);
        // A band would fill what lies between the steps.
        let line = line.allow_band(false);
        let last = Points::new("now", self.last().map(|last| vec![[0.0, f64::from(last)]]).unwrap_or_default());
        let bar = HLine::new("threshold", threshold).color(colours.warning).width(2.0);
        let percent = |mark: GridMark, _: &std::ops::RangeInclusive<f64>| format!("{:.0} %", mark.value * 100.0);
        let seconds = |mark: GridMark, _: &std::ops::RangeInclusive<f64>| {
            if mark.value < -0.5 { format!("{:.0} s", mark.value) } else { "now".to_owned() }
        };
        let plot = Plot::new("score")
            .height(HEIGHT)
            .set_margin_fraction(Vec2::ZERO)
            .sense(Sense::click_and_drag())
            .show_axes([true, true])
            .show_grid([false, true])
            .show_x(false)
            .show_y(false)
            .y_axis_formatter(percent)
            .x_axis_formatter(seconds)
            .y_axis_min_width(34.0)
            .allow_zoom(false)
            .allow_scroll(false)
            .allow_drag(false)
            .allow_boxed_zoom(false)
            .allow_double_click_reset(false);
        let shown = plot.show(ui, |plot| {
            plot.set_plot_bounds_x(-SPAN.as_secs_f64()..=0.0);
            plot.set_plot_bounds_y(-0.05..=1.05);
            plot.line(line);
            plot.points(last.color(colours.accent).radius(3.0));
            plot.hline(bar);
        });
        let response = shown.response.on_hover_cursor(CursorIcon::ResizeVertical);
        let is_dragged = response.dragged() || response.drag_stopped() || response.clicked();
        let pointer = response.interact_pointer_pos().filter(|_| is_dragged)?;
        let to = shown.transform.value_from_position(pointer).y as f32;
        let to = (to.clamp(THRESHOLDS[0], THRESHOLDS[1]) * 100.0).round() / 100.0;
        Some((to, !response.dragged()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curve_holds_what_is_seen_and_each_score_until_the_next() {
        let (mut curve, start) = (Curve::default(), Instant::now());
        assert_eq!((curve.last(), curve.steps(start).len()), (None, 0));
        for second in 0..300 {
            curve.push(start + Duration::from_secs(second), Score { nats: if second < 299 { 0.0 } else { 50.0 } });
        }
        assert!(curve.points.len() <= SPAN.as_secs() as usize + 2, "{}", curve.points.len());
        assert_eq!(curve.last(), Some(1.0));
        let steps = curve.steps(start + Duration::from_secs(301));
        let end: Vec<[f64; 2]> = steps[steps.len() - 3..].to_vec();
        assert_eq!(end, [[-2.0, 0.5], [-2.0, 1.0], [0.0, 1.0]]);
        let mut fast = Curve::default();
        for n in 0..5000 {
            fast.push(start + Duration::from_millis(n), Score { nats: 0.0 });
        }
        assert_eq!(fast.points.len(), MOST);
    }
}

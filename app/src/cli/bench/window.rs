//! `sightline bench window`: how fast the window is. The real one is opened, stays for a while and
//! closes; nothing that is chosen in it is remembered.

use std::ffi::OsString;
use std::io::Write as _;
use std::iter::once;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::{Args, Parser};
use serde::Serialize;

use crate::cli::bench::spread::ms;
use crate::cli::failure;
use crate::cli::live::{self, LiveArgs};
use crate::cli::output::Output;
use crate::cli::parse::window_size;
use crate::ui::preferences::Preferences;
use crate::ui::{self, Measured, Meter};

/// The share of frames that a percentile leaves out.
const SLOWEST: f64 = 0.01;

/// The command's arguments.
#[derive(Args, Clone, Debug)]
pub struct WindowArgs {
    /// How long, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "20", value_parser = clap::value_parser!(u64).range(1..=3600))]
    seconds: u64,

    /// The window's size, in points
    #[arg(long, value_name = "WIDTHxHEIGHT", default_value = "1280x800", value_parser = window_size)]
    size: [f32; 2],

    /// What the window opens with, after `--`: `-- --source demo --model demo`
    #[arg(last = true, value_name = "OPTION")]
    options: Vec<OsString>,
}

/// The window's own command line.
#[derive(Debug, Parser)]
#[command(name = "sightline bench window --")]
struct Line {
    #[command(flatten)]
    live: LiveArgs,
}

/// Milliseconds of what was measured often.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
struct Millis {
    median: f64,
    /// One of a hundred takes longer.
    most_of_99_percent: f64,
    longest: f64,
}

impl Millis {
    fn of(times: &[Duration]) -> Option<Self> {
        let mut sorted: Vec<f64> = times.iter().copied().map(ms).collect();
        sorted.sort_by(f64::total_cmp);
        let longest = *sorted.last()?;
        let at = |share: f64| sorted[((sorted.len() - 1) as f64 * share).round() as usize];
        Some(Self { median: at(0.5), most_of_99_percent: at(1.0 - SLOWEST), longest })
    }
}

/// The line on standard output.
#[derive(Debug, Serialize)]
struct Report {
    seconds: u64,
    size: [f32; 2],
    /// From the beginning of the command until the first frame was drawn.
    first_frame_ms: Option<f64>,
    frames: usize,
    /// What a frame took.
    frame_ms: Option<Millis>,
    /// From one frame to the next.
    gap_ms: Option<Millis>,
    /// From news of a picture or caption until it was drawn.
    news_ms: Option<Millis>,
}

impl Report {
    fn of(args: &WindowArgs, measured: &Measured) -> Self {
        Self {
            seconds: args.seconds,
            size: args.size,
            first_frame_ms: measured.first_frame.map(ms),
            frames: measured.frames.len(),
            frame_ms: Millis::of(&measured.frames),
            gap_ms: Millis::of(&measured.gaps),
            news_ms: Millis::of(&measured.waits),
        }
    }
}

/// Opens the window, and prints what was measured when it closes.
///
/// # Errors
/// When there is no display, the window's options are wrong, or standard output can't be written.
pub fn run(args: &WindowArgs) -> anyhow::Result<ExitCode> {
    let meter = Arc::new(Meter::new(Instant::now(), Duration::from_secs(args.seconds)));
    let line = Line::try_parse_from(once(OsString::from("sightline")).chain(args.options.iter().cloned()))
        .map_err(|usage| failure::of_usage(&usage))?;
    let mut preferences = Preferences::default();
    preferences.window.size = Some(args.size);
    let options = live::options(&line.live, preferences, None)?;
    ui::run(ui::Options { meter: Some(Arc::clone(&meter)), ..options })?;
    let report = serde_json::to_string(&Report::of(args, &meter.measured())).context("The measure is not JSON.")?;
    let mut out = Output::new();
    writeln!(out, "{report}")?;
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slowest_of_a_hundred_stands_apart() {
        let times: Vec<_> = (1..=100).rev().map(Duration::from_millis).collect();
        let millis = Millis::of(&times).expect("measured");
        assert_eq!(millis, Millis { median: 51.0, most_of_99_percent: 99.0, longest: 100.0 });
        assert_eq!(Millis::of(&[]), None);
    }
}

//! `sightline bench`: what can be measured of a model on this machine. One file a measure.

mod quality;
mod roofline;
mod stages;
mod truth;

use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand};
use serde::Serialize;

/// The command's arguments.
#[derive(Args, Clone, Debug)]
#[command(args_conflicts_with_subcommands = true)]
pub struct BenchArgs {
    #[command(subcommand)]
    measure: Option<Measure>,

    #[command(flatten)]
    stages: stages::StageArgs,
}

#[derive(Subcommand, Clone, Debug)]
enum Measure {
    /// Count how many captions and answers about scenes of a known truth are true
    Truth(truth::TruthArgs),
    /// Compare what a model says next in fewer bits with what it says in f32
    Quality(quality::QualityArgs),
}

/// Measures and prints.
///
/// # Errors
/// When a picture or the model can't be used, or standard output can't be written.
pub fn run(args: &BenchArgs) -> anyhow::Result<ExitCode> {
    match &args.measure {
        None => stages::run(&args.stages),
        Some(Measure::Truth(args)) => truth::run(args),
        Some(Measure::Quality(args)) => quality::run(args),
    }
}

/// What some rounds took.
#[derive(Clone, Copy, Serialize)]
struct Spread {
    median: f64,
    least: f64,
    most: f64,
}

impl Spread {
    /// Of at least one value.
    fn of(values: impl Iterator<Item = f64>) -> Self {
        let mut sorted: Vec<f64> = values.collect();
        sorted.sort_by(f64::total_cmp);
        let at = |i: usize| sorted.get(i).copied().unwrap_or_default();
        let last = sorted.len().saturating_sub(1);
        Self { median: f64::midpoint(at(last / 2), at(sorted.len() / 2)), least: at(0), most: at(last) }
    }
}

/// As milliseconds, with their fraction.
fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        bench: BenchArgs,
    }

    #[test]
    fn a_spread_has_its_median_in_the_middle() {
        let of = |values: &[f64]| Spread::of(values.iter().copied());
        let odd = of(&[3.0, 1.0, 9.0]);
        assert_eq!((odd.median, odd.least, odd.most), (3.0, 1.0, 9.0));
        assert!((of(&[4.0, 1.0, 2.0, 9.0]).median - 3.0).abs() < 1e-12);
    }

    #[test]
    fn a_picture_and_a_measure_are_told_apart() {
        let parse = |line: &str| Line::try_parse_from(line.split(' '));
        let stages = parse("bench cat.png --model demo --rounds 2").expect("arguments").bench;
        assert!(stages.measure.is_none() && stages.stages.image.is_some_and(|image| image.ends_with("cat.png")));
        let truth = parse("bench truth --seed 3 --count 7 --model demo --precision f32").expect("arguments").bench;
        assert!(matches!(truth.measure, Some(Measure::Truth(args)) if (args.seed, args.count) == (3, 7)));
        assert!(parse("bench cat.png truth").is_err() && parse("bench truth --count 0").is_err());
    }
}

//! `sightline bench`: what can be measured of a model on this machine. One file a measure.

mod changed;
mod drafts;
mod quality;
mod roofline;
mod rules;
mod similar;
mod soak;
mod spread;
mod stages;
mod steady;
mod truth;
mod window;

use std::process::ExitCode;

use clap::{Args, Subcommand};

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
    /// Caption the demo scene for a while, and tell whether anything grows or slows down
    Soak(soak::SoakArgs),
    /// Compare what a model says next in fewer bits with what it says in f32
    Quality(quality::QualityArgs),
    /// Measure what drafts from earlier captions save on a film in which things move
    Drafts(drafts::DraftArgs),
    /// Tell how true rules are of scenes of a known truth, and what they cost
    Rules(rules::RulesArgs),
    /// Count how often words change that need not, and whether those do that must
    Steady(steady::SteadyArgs),
    /// Count how much of what is told to have changed between two pictures is true
    Changed(changed::ChangedArgs),
    /// Measure how long it takes to find the views of a log that are like one
    Similar(similar::SimilarArgs),
    /// Measure how fast the window opens and draws
    Window(window::WindowArgs),
}

/// Measures and prints.
///
/// # Errors
/// When a picture or the model can't be used, or standard output can't be written.
pub fn run(args: &BenchArgs) -> anyhow::Result<ExitCode> {
    match &args.measure {
        None => stages::run(&args.stages),
        Some(Measure::Truth(args)) => truth::run(args),
        Some(Measure::Soak(args)) => soak::run(args),
        Some(Measure::Quality(args)) => quality::run(args),
        Some(Measure::Drafts(args)) => drafts::run(args),
        Some(Measure::Rules(args)) => rules::run(args),
        Some(Measure::Steady(args)) => steady::run(args),
        Some(Measure::Changed(args)) => changed::run(args),
        Some(Measure::Similar(args)) => similar::run(args),
        Some(Measure::Window(args)) => window::run(args),
    }
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
    fn a_picture_and_a_measure_are_told_apart() {
        let parse = |line: &str| Line::try_parse_from(line.split(' '));
        let stages = parse("bench cat.png --model demo --rounds 2").expect("arguments").bench;
        assert!(stages.measure.is_none() && stages.stages.image.is_some_and(|image| image.ends_with("cat.png")));
        let truth = parse("bench truth --seed 3 --count 7 --model demo --precision f32").expect("arguments").bench;
        assert!(matches!(truth.measure, Some(Measure::Truth(args)) if (args.seed, args.count) == (3, 7)));
        assert!(parse("bench cat.png truth").is_err() && parse("bench truth --count 0").is_err());
    }
}

//! `rules tick` and `rules show`: what the user says of events, and what that makes of a rule.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use serde::Serialize;

use crate::base::message::Message;
use crate::base::text::one_line;
use crate::cli::log::no_entry;
use crate::cli::output::Output;
use crate::cli::parse;
use crate::cli::rules::book::named;
use crate::cli::rules::own;
use crate::log;
use crate::log::Store;
use crate::rules::calibrate::{Calibration, Separation, Tick};
use crate::rules::calibrations::{self, Calibrations};
use crate::rules::file;

/// The arguments of `tick`.
#[derive(Args, Clone, Debug)]
pub struct TickArgs {
    /// The number of the event or near miss in the log: see `sightline log list --kind event`
    #[arg(value_name = "ID")]
    id: i64,

    /// Whether it was right: of an event, that the sentence held; of a near miss, that it did not
    #[arg(value_name = "RIGHT|WRONG")]
    verdict: Verdict,

    /// The log's file [default: your caption log]
    #[arg(long, value_name = "FILE", value_parser = parse::file())]
    log: Option<PathBuf>,
}

/// What is said of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Verdict {
    Right,
    Wrong,
    /// Takes it back.
    Unknown,
}

/// The arguments of `show`.
#[derive(Args, Clone, Debug)]
pub struct ShowArgs {
    /// The rule's name
    #[arg(value_name = "NAME")]
    name: String,

    /// The log's file [default: your caption log]
    #[arg(long, value_name = "FILE", value_parser = parse::file())]
    log: Option<PathBuf>,

    /// Print a JSON object a model that was ticked, each on a line of its own
    #[arg(long)]
    json: bool,
}

/// What ticks say of a rule with a model.
#[derive(Serialize)]
struct Told<'a> {
    rule: &'a str,
    model: &'a str,
    holding: usize,
    others: usize,
    auroc: Option<f64>,
    interval: Option<(f64, f64)>,
    slope: Option<f64>,
    offset: Option<f64>,
    verdict: &'a str,
}

/// Ticks an event, and fits the rule's scores anew.
///
/// # Errors
/// When there is no such event, or the log or the calibrations can't be read or written.
pub fn run(args: &TickArgs) -> anyhow::Result<ExitCode> {
    let mut store = open(args.log.as_deref())?;
    let found = store.entry(args.id)?.ok_or_else(|| no_entry(args.id))?;
    let (says, model) = (found.entry.text, found.model);
    let tick = match args.verdict {
        Verdict::Right => Some(true),
        Verdict::Wrong => Some(false),
        Verdict::Unknown => None,
    };
    if !store.set_tick(args.id, tick)? {
        let message = Message::new(format!("Entry {} is not an event of a rule.", args.id));
        return Err(message.hint("See `sightline log list --kind event`.").into());
    }
    let ticks = by_model(store.ticks(&says)?).remove(&model).unwrap_or_default();
    let path = calibrations::default_path().ok_or_else(log::no_folder)?;
    let mut known = Calibrations::load(&path)?;
    known.set(&says, &model, Calibration::fit(&ticks));
    known.save(&path)?;
    writeln!(Output::new(), "{}", in_words(&says, &model, &ticks))?;
    Ok(ExitCode::SUCCESS)
}

/// Shows a rule.
///
/// # Errors
/// When there is none of that name, or the rules or the log can't be read.
pub fn show(args: &ShowArgs, path: &Path) -> anyhow::Result<ExitCode> {
    let rule = named(&file::read_or_none(path)?, &args.name)?;
    let mut out = Output::new();
    // Where nothing was recorded, nothing was ticked.
    let ticks = match open(args.log.as_deref()) {
        Ok(store) => by_model(store.ticks(rule.says.text())?),
        Err(log::LogError::Missing(_)) if args.log.is_none() => BTreeMap::new(),
        Err(error) => return Err(error.into()),
    };
    if !args.json {
        writeln!(out, "{}\n\n{}", own::in_a_line(&rule), file::written(std::slice::from_ref(&rule)))?;
        if ticks.is_empty() {
            writeln!(
                out,
                "Nothing was ticked yet: `sightline rules tick ID right` or `wrong` says what scores are worth."
            )?;
        }
    }
    for (model, ticks) in &ticks {
        if args.json {
            let (separation, line) = (Separation::of(ticks), Calibration::fit(ticks));
            let told = Told {
                rule: rule.name(),
                model,
                holding: ticks.iter().filter(|tick| tick.holds).count(),
                others: ticks.iter().filter(|tick| !tick.holds).count(),
                auroc: separation.map(|separation| separation.auroc),
                interval: separation.map(|separation| separation.interval),
                slope: line.map(|line| line.slope),
                offset: line.map(|line| line.offset),
                verdict: verdict(separation),
            };
            writeln!(out, "{}", serde_json::to_string(&told)?)?;
        } else {
            writeln!(out, "{}", in_words(rule.says.text(), model, ticks))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn open(path: Option<&Path>) -> Result<Store, log::LogError> {
    let path = path.map(Path::to_owned).or_else(log::default_path).ok_or_else(log::no_folder)?;
    Store::open_existing(&path)
}

fn by_model(ticks: Vec<(String, Tick)>) -> BTreeMap<String, Vec<Tick>> {
    let mut models: BTreeMap<String, Vec<Tick>> = BTreeMap::new();
    for (model, tick) in ticks {
        models.entry(model).or_default().push(tick);
    }
    models
}

fn verdict(separation: Option<Separation>) -> &'static str {
    separation.map_or("Too few ticks to say: three of each kind are needed.", |separation| separation.verdict())
}

/// What ticks say, in a line.
fn in_words(says: &str, model: &str, ticks: &[Tick]) -> String {
    let holding = ticks.iter().filter(|tick| tick.holds).count();
    let others = ticks.len() - holding;
    let separation = Separation::of(ticks);
    let auroc = separation.map_or_else(String::new, |Separation { auroc, interval: (low, high), .. }| {
        format!(" AUROC {auroc:.2} ({low:.2} to {high:.2}).")
    });
    let line = Calibration::fit(ticks).map_or_else(String::new, |Calibration { slope, offset }| {
        format!(" Scores are taken times {slope:.2}, {offset:+.2} nats.")
    });
    let counted = format!("holds in {holding} ticked views and not in {others}");
    one_line(&format!("`{says}` with {model}: {counted}.{auroc} {}{line}", verdict(separation)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_that_can_not_tell_is_told_plainly() {
        let tick = |nats: f64, holds| Tick { nats, holds };
        let mixed: Vec<Tick> = (0..20).map(|n| tick(f64::from(n), n % 2 == 0)).collect();
        let said = in_words("there is a cup", "256m", &mixed);
        assert!(said.contains("holds in 10 ticked views and not in 10.") && said.contains("can't tell"), "{said}");
        let clear: Vec<Tick> = (0..20).map(|n| tick(f64::from(n), n >= 10)).collect();
        let said = in_words("there is a cup", "256m", &clear);
        assert!(said.contains("AUROC 1.00") && said.contains("This model tells.") && said.contains("times"), "{said}");
        assert!(in_words("a", "m", &clear[..2]).contains("Too few ticks"));
    }
}

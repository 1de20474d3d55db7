//! `rules add`, `rules list` and `rules remove`: the file of rules.

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use serde::Serialize;

use crate::base::text::{self, one_line};
use crate::cli::output::{Notes, Output};
use crate::cli::rules::book::no_rule;
use crate::rules::spec::{Of, Quiet, RuleSpec, checked_threshold, hold_of};
use crate::rules::statement::Statement;
use crate::rules::{edit, file};

/// The arguments of `add`.
#[derive(Args, Clone, Debug)]
pub struct AddArgs {
    /// A statement, such as "there is a red circle"; "there is no …" holds where that does not
    #[arg(value_name = "SENTENCE")]
    says: Statement,

    /// What to call it [default: the sentence]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,

    /// A view counts from this probability on
    #[arg(long, value_name = "P", default_value = "0.5", value_parser = threshold)]
    threshold: f32,

    /// It holds while so many of the last so many new views count
    #[arg(long, value_name = "N,M", default_value = "2,3", value_parser = of)]
    of: Of,

    /// After an event is over, the next begins no sooner than this, such as 10m
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = hold_of)]
    hold: Duration,

    /// A time of day in which nobody is told, such as 22:00-07:00; may be given several times
    #[arg(long, value_name = "FROM-TO")]
    quiet: Vec<Quiet>,

    /// An action that its events set off; may be given several times
    #[arg(long = "do", value_name = "ACTION")]
    actions: Vec<String>,
}

/// The arguments of `list`.
#[derive(Args, Clone, Debug)]
pub struct ListArgs {
    /// Print one JSON object a rule, each on a line of its own
    #[arg(long)]
    json: bool,
}

/// The arguments of `remove`.
#[derive(Args, Clone, Debug)]
pub struct RemoveArgs {
    /// The rule's name
    #[arg(value_name = "NAME")]
    name: String,
}

/// A rule of `list --json`. The keys are those of the file.
#[derive(Serialize)]
struct Listed<'a> {
    name: &'a str,
    #[serde(flatten)]
    rule: &'a RuleSpec,
}

/// Adds a rule.
///
/// # Errors
/// When the file can't be read or written, or the rule does not go with those in it.
pub fn add(args: &AddArgs, path: &Path) -> anyhow::Result<ExitCode> {
    let AddArgs { says, name, threshold, of, hold, quiet, actions } = args.clone();
    let mut rule = RuleSpec::new(says);
    (rule.threshold, rule.of, rule.hold) = (threshold, of, hold);
    (rule.quiet, rule.actions) = (quiet, actions);
    let rule = match &name {
        Some(name) => rule.named(name).map_err(|why| anyhow::anyhow!("{why}"))?,
        None => rule,
    };
    edit::add(path, &rule)?;
    Notes::new(false).note(&format!("Added `{}` to {}.", one_line(rule.name()), text::path(path)));
    Ok(ExitCode::SUCCESS)
}

/// Lists the rules.
///
/// # Errors
/// When the file can't be read, or standard output can't be written.
pub fn list(args: &ListArgs, path: &Path) -> anyhow::Result<ExitCode> {
    let mut out = Output::new();
    let rules = file::read_or_none(path)?;
    if rules.is_empty() && !args.json {
        Notes::new(false).note("There are no rules yet. Add one with `sightline rules add \"there is a red circle\"`.");
    }
    for rule in &rules {
        if args.json {
            let line = serde_json::to_string(&Listed { name: rule.name(), rule })?;
            writeln!(out, "{line}")?;
        } else {
            writeln!(out, "{}", in_a_line(rule))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Removes a rule.
///
/// # Errors
/// When there is none of that name, or the file can't be read or written.
pub fn remove(args: &RemoveArgs, path: &Path) -> anyhow::Result<ExitCode> {
    if path.exists() && edit::remove(path, &args.name)? {
        return Ok(ExitCode::SUCCESS);
    }
    Err(no_rule(&args.name).into())
}

/// A rule in a line.
pub fn in_a_line(rule: &RuleSpec) -> String {
    let percent = rule.threshold * 100.0;
    let Of { least, views } = rule.of;
    let says = if rule.name() == rule.says.text() { String::new() } else { format!(": {}", rule.says.text()) };
    let off = if rule.on { "" } else { ", off" };
    one_line(&format!("{}{says} (from {percent:.0} %, {least} of {views} views{off})", rule.name()))
}

fn threshold(text: &str) -> Result<f32, String> {
    checked_threshold(text.trim().parse().unwrap_or(f32::NAN))
}

fn of(text: &str) -> Result<Of, String> {
    let pair = text.split_once(',').and_then(|(n, m)| Some((n.trim().parse().ok()?, m.trim().parse().ok()?)));
    pair.unwrap_or_default()
        .try_into()
        .map_err(|_: String| "write two numbers such as 2,3, the first no larger".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_taken_within_their_bounds() {
        assert_eq!(of("3, 5"), Ok(Of { least: 3, views: 5 }));
        for text in ["", "3", "5,3", "0,3", "a,b", "1,99"] {
            assert!(of(text).is_err(), "{text}");
        }
        assert_eq!(threshold(" 0.8 "), Ok(0.8));
        assert!(threshold("1").is_err() && threshold("nan").is_err() && threshold("x").is_err());
    }

    #[test]
    fn a_rule_is_a_line() {
        let rule = RuleSpec::new("there is a cup".parse().expect("a sentence"));
        assert_eq!(in_a_line(&rule), "there is a cup (from 50 %, 2 of 3 views)");
        let rule = rule.named("cup").expect("a name");
        assert_eq!(in_a_line(&rule), "cup: there is a cup (from 50 %, 2 of 3 views)");
    }
}

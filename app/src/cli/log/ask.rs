//! `log ask`: when something was there.

use std::io::Write;
use std::sync::Arc;

use clap::Args;
use serde::Serialize;
use vlm::Cancel;

use crate::base::message::Message;
use crate::base::text::{count, length, one_line};
use crate::cli::args::ModelArgs;
use crate::cli::output::Notes;
use crate::cli::rules::known_calibrations;
use crate::cli::{download, times};
use crate::engine;
use crate::log::{Found, ReplayError, Store, Time, ViewFilter, ask, ask_captions};
use crate::rules::past::{PastQuestion, Wanted};
use crate::rules::score::Score;
use crate::rules::spec::{Of, RuleSpec};

/// The arguments of `ask`.
#[derive(Args, Clone, Debug)]
pub struct AskArgs {
    /// "when was there a red circle?", "how often was the door open?", "when did you last see a
    /// dog?"
    #[arg(value_name = "QUESTION")]
    question: PastQuestion,

    /// Captured since then: "2 hours ago", 2026-11-24 or 2026-11-24T15:30:00Z
    #[arg(long, value_name = "TIME", value_parser = times::moment)]
    since: Option<i64>,

    /// Captured before then
    #[arg(long, value_name = "TIME", value_parser = times::moment)]
    until: Option<i64>,

    /// Score every view that was kept, also where no caption has the words, and go by scores alone
    #[arg(long)]
    all: bool,

    /// Go by the words of captions, without a model
    #[arg(long, conflicts_with = "all")]
    by_words: bool,

    /// Print one JSON object a time, each on a line of its own, and one with the sums
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    model: ModelArgs,
}

/// A time. The keys are a contract.
#[derive(Serialize)]
struct TimeLine<'a> {
    start: String,
    duration_ms: i64,
    probability: Option<f32>,
    source: &'a str,
    session: i64,
    entry: Option<i64>,
}

/// The sums. The keys are a contract.
#[derive(Serialize)]
struct Sums {
    times: usize,
    total_ms: i64,
    views: u64,
}

/// Answers.
///
/// # Errors
/// When the log can't be read, the model can't be used or fails, or `out` can't be written.
pub fn run(store: &Store, args: &AskArgs, cancel: &Cancel, out: &mut impl Write) -> anyhow::Result<()> {
    let mut notes = Notes::new(args.json);
    let (since, until) = (args.since.unwrap_or(i64::MIN), args.until.unwrap_or(i64::MAX));
    let says = &args.question.statement;
    let mut found = None;
    if !args.by_words && store.bytes_of_views()? > 0 {
        found = by_views(store, args, (since, until), cancel)?;
    }
    let mut found = match found {
        Some(found) => found,
        None if says.is_negated() => {
            let message = Message::new("No views were kept of that time, and captions do not say what is not there.");
            return Err(message.hint("Record with `sightline watch --log --keep-views`.").into());
        }
        None => {
            notes.note("By the words of captions alone: no views are asked.");
            ask_captions(store, since, until, says)?
        }
    };
    choose(args.question.wanted, &mut found);
    for time in &found.times {
        write(store, time, args.json, out)?;
    }
    let total_ms = found.times.iter().map(|time| time.duration_ms).sum();
    if args.json {
        let sums = Sums { times: found.times.len(), total_ms, views: found.views };
        writeln!(out, "{}", serde_json::to_string(&sums)?)?;
        return Ok(());
    }
    let times = count(found.times.len() as u64, "time", "times");
    let said = match args.question.wanted {
        _ if found.times.is_empty() => "Never, as far as is known.".to_owned(),
        Wanted::HowOften => format!("{times}."),
        Wanted::HowLong => format!("{} in {times}.", length(total_ms)),
        Wanted::When => format!("{times}, {} together.", length(total_ms)),
        Wanted::First | Wanted::Last => return Ok(()),
    };
    writeln!(out, "{said}")?;
    Ok(())
}

/// `None` where no views of the model were kept of that time.
fn by_views(
    store: &Store,
    args: &AskArgs,
    (since_ms, until_ms): (i64, i64),
    cancel: &Cancel,
) -> anyhow::Result<Option<Found>> {
    download::fetch(&args.model.model, cancel)?;
    let mut engine = engine::open(&args.model.model, &args.model.engine_options())?;
    let card = engine.card();
    let filter = ViewFilter { since_ms, until_ms, ..ViewFilter::of(&card.model, &card.precision) };
    if !card.can.features || store.count_views(&filter)? == 0 {
        return Ok(None);
    }
    let mut rule = RuleSpec::new(args.question.statement.clone());
    rule.of = Of { least: 1, views: 1 };
    let rule = Arc::new(rule);
    let line = known_calibrations(std::slice::from_ref(&rule))?.of(rule.says.text(), &card.model);
    match ask(store, &filter, &(rule, line), args.all, &mut *engine, cancel) {
        Ok(found) => Ok(Some(found)),
        Err(ReplayError::Cancelled) => Err(Message::new("The search was stopped.").into()),
        Err(ReplayError::Log(error)) => Err(error.into()),
        Err(ReplayError::Engine(error)) => Err(error.into()),
    }
}

/// Leaves what is wanted, in the order of time.
fn choose(wanted: Wanted, found: &mut Found) {
    found.times.sort_by_key(|time| time.start.ms);
    match wanted {
        Wanted::First => found.times.truncate(1),
        Wanted::Last => drop(found.times.drain(..found.times.len().saturating_sub(1))),
        Wanted::When | Wanted::HowOften | Wanted::HowLong => {}
    }
}

fn write(store: &Store, time: &Time, json: bool, out: &mut impl Write) -> anyhow::Result<()> {
    let source = store.session(time.session)?.map(|session| session.start.source).unwrap_or_default();
    let Time { session, entry, start, duration_ms, score } = *time;
    let probability = score.map(Score::probability);
    if json {
        let start = start.rfc3339();
        let line = TimeLine { start, duration_ms, probability, source: &source, session, entry };
        writeln!(out, "{}", serde_json::to_string(&line)?)?;
        return Ok(());
    }
    let start = start.civil().strftime("%Y-%m-%d %H:%M:%S");
    let percent = probability.map_or_else(|| "    ".to_owned(), |p| format!("{:3.0} %", p * 100.0));
    let entry = entry.map_or_else(String::new, |entry| format!("  entry {entry}"));
    writeln!(out, "{start}  {:>8}  {percent}  {}{entry}", length(duration_ms), one_line(&source))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::Moment;

    #[test]
    fn the_first_and_the_last_are_chosen_by_time() {
        let time =
            |ms| Time { session: 1, entry: None, start: Moment { ms, offset_s: 0 }, duration_ms: 1, score: None };
        let chosen = |wanted| {
            let mut found = Found { times: vec![time(5), time(2), time(9)], views: 0 };
            choose(wanted, &mut found);
            found.times.iter().map(|time| time.start.ms).collect::<Vec<_>>()
        };
        assert_eq!(chosen(Wanted::First), [2]);
        assert_eq!(chosen(Wanted::Last), [9]);
        assert_eq!(chosen(Wanted::HowOften), [2, 5, 9]);
    }
}

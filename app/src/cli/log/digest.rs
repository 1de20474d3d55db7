//! `log digest`: a day, an hour a line.

use std::fmt::Write as _;
use std::io::Write;

use clap::Args;
use serde::Serialize;

use crate::base::text::{count, length, one_line};
use crate::cli::log::args::FilterArgs;
use crate::log::{Hour, RuleHour, Store};

/// The arguments of `digest`.
#[derive(Args, Clone, Debug)]
pub struct DigestArgs {
    #[command(flatten)]
    filter: FilterArgs,

    /// Print one JSON object an hour, each on a line of its own
    #[arg(long)]
    json: bool,
}

/// An hour. The keys are a contract.
#[derive(Serialize)]
struct HourLine {
    hour: String,
    captions: u64,
    answers: u64,
    first: String,
    last: String,
    longest_still: Option<i64>,
    longest_still_ms: Option<i64>,
    events: Vec<RuleHour>,
}

impl From<Hour> for HourLine {
    fn from(hour: Hour) -> Self {
        let Hour { begins, captions, answers, first, last, longest_still, events } = hour;
        Self {
            hour: begins.rfc3339(),
            captions,
            answers,
            first: first.rfc3339(),
            last: last.rfc3339(),
            longest_still: longest_still.map(|(entry, _)| entry),
            longest_still_ms: longest_still.map(|(_, ms)| ms),
            events,
        }
    }
}

/// Tells of each hour in which something was recorded.
///
/// # Errors
/// When the log can't be read, or `out` can't be written.
pub fn run(store: &Store, args: &DigestArgs, out: &mut impl Write, err: &mut impl Write) -> anyhow::Result<()> {
    let hours = store.digest(&args.filter.filter(None))?;
    if hours.is_empty() && !args.json {
        writeln!(err, "Nothing was recorded.")?;
    }
    let mut day = None;
    for hour in hours {
        if args.json {
            writeln!(out, "{}", serde_json::to_string(&HourLine::from(hour))?)?;
            continue;
        }
        let date = hour.begins.civil().date();
        if day.replace(date) != Some(date) {
            writeln!(out, "{}", date.strftime("%A, %-d %B %Y"))?;
        }
        writeln!(out, "{}", in_a_line(&hour))?;
    }
    Ok(())
}

fn in_a_line(hour: &Hour) -> String {
    let clock = |at: crate::log::Moment| at.civil().strftime("%H:%M").to_string();
    let Hour { begins, captions, answers, first, last, longest_still, events } = hour;
    let mut line = format!("  {}  {}", clock(*begins), count(*captions, "caption", "captions"));
    // Writing to a text does not fail.
    if *answers > 0 {
        let _ = write!(line, ", {}", count(*answers, "answer", "answers"));
    }
    let _ = write!(line, " from {} to {}", clock(*first), clock(*last));
    if let Some((entry, ms)) = longest_still {
        let _ = write!(line, ", longest still {} (entry {entry})", length(*ms));
    }
    for RuleHour { rule, count: times, total_ms } in events {
        let _ = write!(line, "; {} {} ({})", one_line(rule), count(*times, "time", "times"), length(*total_ms));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::Filter;
    use crate::testing::log::filled;

    #[test]
    fn an_hour_is_a_line() {
        let mut hour = filled().store.digest(&Filter::default()).expect("counted").remove(0);
        hour.events.push(RuleHour { rule: "cup".to_owned(), count: 2, total_ms: 5000 });
        assert_eq!(
            in_a_line(&hour),
            "  10:00  3 captions, 1 answer from 10:00 to 10:01, longest still 60.0 s (entry 2); cup 2 times (5.0 s)"
        );
    }
}

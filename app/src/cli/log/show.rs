//! `log list`, `log search`, `log show` and `log stats`.

use std::io::{self, Write};

use clap::Args;
use serde::Serialize;
use vlm::Cancel;

use crate::base::message::Message;
use crate::base::text::{count, entries, length, lines, number, one_line};
use crate::cli::log::args::FilterArgs;
use crate::cli::log::meaning::{self, By, Way};
use crate::cli::parse::whole;
use crate::log::{EntryKind, EntryLine, EventFacts, FoundEntry, Hit, Stats, Store};

/// How many entries are listed unless told otherwise: a screenful.
const PAGE: usize = 20;

/// The arguments of `list`.
#[derive(Args, Clone, Debug)]
pub struct ListArgs {
    #[command(flatten)]
    pub filter: FilterArgs,

    /// At most this many
    #[arg(long, value_name = "N", default_value_t = PAGE, value_parser = whole::<usize, 1, 1_000_000_000>)]
    pub limit: usize,

    /// Print one JSON object an entry, each on a line of its own
    #[arg(long)]
    pub json: bool,
}

/// The arguments of `search`.
#[derive(Args, Clone, Debug)]
pub struct SearchArgs {
    /// What to search for
    #[arg(value_name = "WORDS", required = true, num_args = 1..)]
    pub words: Vec<String>,

    /// What to go by [default: both, where the model for meaning is on this machine]
    #[arg(long, value_name = "WAY", value_enum)]
    pub by: Option<By>,

    #[command(flatten)]
    pub list: ListArgs,
}

/// The arguments of `show`.
#[derive(Args, Clone, Debug)]
pub struct ShowArgs {
    /// The entry's number
    #[arg(value_name = "ID")]
    pub id: i64,

    /// Print a JSON object
    #[arg(long)]
    pub json: bool,
}

/// The arguments of `stats`.
#[derive(Args, Clone, Debug)]
pub struct StatsArgs {
    #[command(flatten)]
    pub filter: FilterArgs,

    /// Print a JSON object
    #[arg(long)]
    pub json: bool,
}

/// Lists entries.
///
/// # Errors
/// When the log can't be read or written about.
pub fn list(store: &Store, args: &ListArgs, out: &mut impl Write, err: &mut impl Write) -> anyhow::Result<()> {
    let page = store.search(&args.filter.filter(None), None, args.limit)?;
    print(page.into_iter().map(|found| Hit { found, cosine: None }).collect(), args, out, err)
}

/// Lists entries with certain words, or that mean what they mean.
///
/// # Errors
/// As [`list`], or when there is no model for meaning where it is asked for.
pub fn search(
    store: &Store,
    args: &SearchArgs,
    cancel: &Cancel,
    out: &mut impl Write,
    err: &mut impl Write,
) -> anyhow::Result<()> {
    let words = args.words.join(" ");
    let (filter, most) = (args.list.filter.filter(Some(words.clone())), args.list.limit);
    let hits: Vec<Hit> = match meaning::way(args.by, &words, store, cancel)? {
        Way::Words => {
            let found = store.search(&filter, None, most)?;
            found.into_iter().map(|found| Hit { found, cosine: None }).collect()
        }
        Way::Meaning(meant) => store.search_by_meaning(&filter, &meant, most)?,
        Way::Both(meant) => store.search_by_both(&filter, &meant, most)?,
    };
    let is_advised = !args.list.json && (hits.is_empty() || args.by.is_some());
    print(hits, &args.list, out, err)?;
    if is_advised && let Some(advice) = meaning::advice(store, args.by, &words)? {
        writeln!(err, "{advice}")?;
    }
    Ok(())
}

/// An entry for programs, with how near it is in meaning where it was found by that.
#[derive(Serialize)]
struct HitLine {
    #[serde(flatten)]
    entry: EntryLine,
    #[serde(skip_serializing_if = "Option::is_none")]
    similarity: Option<f32>,
}

fn print(hits: Vec<Hit>, args: &ListArgs, out: &mut impl Write, err: &mut impl Write) -> anyhow::Result<()> {
    if hits.is_empty() && !args.json {
        // Beside the output, so that whoever counts its lines counts none.
        writeln!(err, "No entry was found.")?;
    }
    for Hit { found, cosine } in hits {
        if args.json {
            json_line(out, &HitLine { entry: EntryLine::of(found), similarity: cosine })?;
        } else {
            writeln!(out, "{}", in_a_line(&found))?;
        }
    }
    Ok(())
}

fn in_a_line(found: &FoundEntry) -> String {
    let entry = &found.entry;
    let star = if entry.bookmarked { '*' } else { ' ' };
    let time = entry.at.civil().strftime("%Y-%m-%d %H:%M:%S");
    if let Some(event) = &entry.event {
        let near = if entry.kind == EntryKind::NearMiss { "nearly " } else { "" };
        let EventFacts { rule, probability, .. } = event;
        let sentence = if *rule == entry.text { String::new() } else { format!(": {}", one_line(&entry.text)) };
        let rule = one_line(rule);
        let length = length(entry.duration_ms);
        let percent = probability * 100.0;
        return format!("{:>7}{star} {time}  {length:>8}  {near}{rule} ({percent:.0} %){sentence}", entry.id);
    }
    let words = match (&entry.question, &entry.note) {
        (Some(question), _) => format!("{question} {}", entry.text),
        (None, Some(note)) => format!("{} ({note})", entry.text),
        (None, None) => entry.text.clone(),
    };
    format!("{:>7}{star} {time}  {:>8}  {}", entry.id, length(entry.duration_ms), one_line(&words))
}

/// Shows an entry with everything that is known of it.
///
/// # Errors
/// When there is none, the log can't be read or `out` can't be written.
pub fn show(store: &Store, args: &ShowArgs, out: &mut impl Write) -> anyhow::Result<()> {
    let found = store.entry(args.id)?.ok_or_else(|| no_entry(args.id))?;
    if args.json {
        return Ok(json_line(out, &EntryLine::of(found))?);
    }
    let (entry, metrics) = (&found.entry, &found.entry.metrics);
    if let Some(question) = &entry.question {
        writeln!(out, "{}\n", lines(question))?;
    }
    writeln!(out, "{}\n", lines(&entry.text))?;
    if let Some(note) = &entry.note {
        writeln!(out, "Note        {}", lines(note))?;
    }
    if entry.bookmarked {
        writeln!(out, "Bookmarked  yes")?;
    }
    writeln!(out, "Captured    {}", entry.at.rfc3339())?;
    if let Some(EventFacts { rule, peak, probability, is_over, tick }) = &entry.event {
        let kind = if entry.kind == EntryKind::NearMiss { "near miss" } else { "event" };
        writeln!(out, "Rule        {}, {kind}", one_line(rule))?;
        writeln!(out, "Peak        {:.0} %, {peak:+.1} nats", probability * 100.0)?;
        let end = if *is_over { "" } else { ", end unknown" };
        writeln!(out, "Lasted      {}{end}", length(entry.duration_ms))?;
        if let Some(is_right) = tick {
            writeln!(out, "Ticked      {}", if *is_right { "right" } else { "wrong" })?;
        }
    }
    if entry.kind == EntryKind::Caption {
        writeln!(out, "Held        {}, said {} times", length(entry.duration_ms), entry.repeats + 1)?;
    }
    writeln!(out, "Source      {}, picture {}, session {}", one_line(&found.source), entry.frame, entry.session)?;
    if let Some(session) = store.session(entry.session)? {
        let (card, prefix) = (session.start.card, session.start.prefix);
        writeln!(
            out,
            "Model       {}, {}, {}",
            one_line(&card.model),
            one_line(&card.device),
            one_line(&card.precision)
        )?;
        writeln!(out, "Instruction {}", one_line(&session.start.instruction))?;
        if !prefix.standing.is_empty() {
            writeln!(out, "Standing    {}", one_line(&prefix.standing))?;
        }
        if !prefix.references.is_empty() {
            writeln!(out, "References  {}", one_line(&prefix.references.join(", ")))?;
        }
    }
    if entry.event.is_some() {
        return Ok(());
    }
    let ms = |us: i64| us as f64 / 1000.0;
    writeln!(
        out,
        "Stages      preprocess {:.1} ms, vision {:.1} ms, prefill {:.1} ms, decode {:.1} ms",
        ms(metrics.preprocess_us),
        ms(metrics.vision_us),
        ms(metrics.prefill_us),
        ms(metrics.decode_us)
    )?;
    writeln!(
        out,
        "Tokens      {} of prompt, {} of reply ({}), draft {} of {}",
        metrics.prompt_tokens,
        metrics.tokens,
        one_line(&metrics.stop),
        metrics.draft_accepted,
        metrics.draft_offered
    )?;
    if let Some(mean) = metrics.mean_log_prob {
        writeln!(out, "Confidence  mean log-probability {mean:.3}")?;
    }
    Ok(())
}

/// Counts.
///
/// # Errors
/// When the log can't be read or `out` can't be written.
pub fn stats(store: &Store, args: &StatsArgs, out: &mut impl Write) -> anyhow::Result<()> {
    let stats = store.stats(&args.filter.filter(None))?;
    if args.json {
        return Ok(json_line(out, &stats)?);
    }
    let Stats { sessions, captions, answers, bookmarks, lost, hours, captions_an_hour, longest_still, .. } = stats;
    writeln!(
        out,
        "{} and {} in {}, {} bookmarked",
        count(captions, "caption", "captions"),
        count(answers, "answer", "answers"),
        count(sessions as u64, "session", "sessions"),
        number(bookmarks)
    )?;
    if let Some(rate) = captions_an_hour {
        let ms = (hours * 3_600_000.0) as i64;
        writeln!(out, "{} recorded, {rate:.0} captions an hour", length(ms))?;
    }
    if let Some(id) = longest_still {
        writeln!(out, "Longest still scene: {}, entry {id}", length(stats.longest_still_ms))?;
    }
    let words: Vec<_> = stats.words.iter().map(|(word, count)| format!("{word} ({count})")).collect();
    if !words.is_empty() {
        writeln!(out, "Most common words: {}", words.join(", "))?;
    }
    if lost > 0 {
        writeln!(out, "{} lost while recording: the disk was too slow or full.", entries(lost.unsigned_abs()))?;
    }
    Ok(())
}

/// Writes a line of JSON. Its errors are those of the output, so that a reader that has read enough
/// is known as one.
fn json_line(out: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *out, value)?;
    writeln!(out)
}

/// What is said of a number that no entry has.
pub fn no_entry(id: i64) -> Message {
    Message::new(format!("There is no entry {id}.")).hint("See `sightline log list`.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::{Entry, Moment};

    #[test]
    fn an_entry_is_a_line_without_control_characters() {
        let entry = Entry {
            id: 12,
            at: Moment::parse("2026-11-24T16:05:07.250+01:00").expect("a moment"),
            duration_ms: 1500,
            text: "A cup\n\u{1b}[2J".to_owned(),
            note: Some("mine".to_owned()),
            bookmarked: true,
            ..Entry::default()
        };
        let line = in_a_line(&FoundEntry { entry, ..FoundEntry::default() });
        assert_eq!(line, "     12* 2026-11-24 16:05:07     1.5 s  A cup  [2J (mine)");
    }
}

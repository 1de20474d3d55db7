//! Questions about the past: at which times something was there. Captions with its words are
//! candidates, the views that were kept decide; no words are made up. Knows rules and engines, and
//! no pipeline.

use std::time::Duration;

use vlm::Cancel;

use crate::engine::Engine;
use crate::log::data::entry::{EntryKind, Moment};
use crate::log::data::filter::{EntryFilter, Filter};
use crate::log::data::views::ViewFilter;
use crate::log::error::LogError;
use crate::log::replay::{Calibrated, ReplayError, Replayed, replay};
use crate::log::store::Store;
use crate::rules::event::EventKind;
use crate::rules::score::Score;
use crate::rules::statement::Statement;

/// So many views are all scored. Of more, those that captions make candidates.
const FEW_VIEWS: u64 = 1000;
/// The most captions that are candidates.
const MOST_CAPTIONS: usize = 10_000;
/// How long before and after a candidate's caption views are scored, too, in milliseconds.
const AROUND_MS: i64 = 2000;
/// Two times that are less than this apart are one, where captions alone tell.
const TOGETHER_MS: i64 = 1000;
/// Words that say nothing about what is looked for.
const LITTLE_WORDS: [&str; 26] = [
    "a", "an", "and", "any", "are", "answer", "at", "by", "does", "in", "is", "it", "no", "not", "of", "on", "or",
    "some", "that", "the", "there", "true", "was", "were", "with", "yes",
];

/// A time at which something was there.
#[derive(Clone, Debug, PartialEq)]
pub struct Time {
    /// The number of its session.
    pub session: i64,
    /// The caption that was shown when it was seen most plainly, whose picture shows it.
    pub entry: Option<i64>,
    /// When it was seen first.
    pub start: Moment,
    /// For how long, in milliseconds.
    pub duration_ms: i64,
    /// How strongly the model thinks so at most; `None` where captions alone tell.
    pub score: Option<Score>,
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Found {
    /// Oldest first, session by session.
    pub times: Vec<Time>,
    /// Views that were scored.
    pub views: u64,
}

/// When a statement held, by the views that were kept. With `all`, every view of that time is
/// scored; otherwise, where there are many, those about which a caption has its words.
///
/// # Errors
/// As [`replay`].
pub fn ask(
    store: &Store,
    filter: &ViewFilter,
    rule: &Calibrated,
    all: bool,
    engine: &mut dyn Engine,
    cancel: &Cancel,
) -> Result<Found, ReplayError> {
    let is_narrow = !all && store.count_views(filter)? > FEW_VIEWS;
    let candidates = if is_narrow { candidates(store, filter, &rule.0.says)? } else { Vec::new() };
    let is_wanted = |session: i64, since_ms: i64| {
        !is_narrow
            || candidates.iter().any(|(of, from, to)| {
                *of == session && (from - AROUND_MS..=to.saturating_add(AROUND_MS)).contains(&since_ms)
            })
    };
    let mut told = Vec::new();
    let views = replay(
        store,
        filter,
        &|kept| is_wanted(kept.session, kept.since_ms),
        engine,
        std::slice::from_ref(rule),
        cancel,
        &mut |replayed| told.push(replayed),
    )?;
    let times = told.iter().filter_map(|told| time(store, told).transpose()).collect::<Result<_, _>>()?;
    Ok(Found { times, views })
}

/// When captions have a statement's words.
///
/// # Errors
/// When the log can't be read.
pub fn ask_captions(store: &Store, since_ms: i64, until_ms: i64, says: &Statement) -> Result<Found, LogError> {
    let Some(words) = words(says) else { return Ok(Found::default()) };
    let filter = captions(since_ms, until_ms, words);
    let mut found = store.search(&filter, None, MOST_CAPTIONS)?;
    found.sort_by_key(|found| (found.entry.session, found.entry.since_ms));
    let mut times: Vec<Time> = Vec::new();
    let mut last_end = 0;
    for entry in found.into_iter().map(|found| found.entry) {
        let end = entry.since_ms.saturating_add(entry.duration_ms);
        match times.last_mut() {
            Some(last) if last.session == entry.session && entry.since_ms <= last_end + TOGETHER_MS => {
                last.duration_ms += (end - last_end).max(0);
            }
            _ => times.push(Time {
                session: entry.session,
                entry: Some(entry.id),
                start: entry.at,
                duration_ms: entry.duration_ms,
                score: None,
            }),
        }
        last_end = end;
    }
    Ok(Found { times, views: 0 })
}

/// Sessions, and from when to when in milliseconds from their start.
fn candidates(store: &Store, filter: &ViewFilter, says: &Statement) -> Result<Vec<(i64, i64, i64)>, LogError> {
    let Some(words) = words(says) else { return Ok(Vec::new()) };
    let found = store.search(&captions(filter.since_ms, filter.until_ms, words), None, MOST_CAPTIONS)?;
    let spans = found.into_iter().map(|found| {
        let entry = found.entry;
        (entry.session, entry.since_ms, entry.since_ms.saturating_add(entry.duration_ms))
    });
    Ok(spans.collect())
}

fn captions(since_ms: i64, until_ms: i64, words: String) -> Filter {
    Filter {
        since_ms: Some(since_ms),
        until_ms: Some(until_ms),
        kinds: vec![EntryFilter::Of(EntryKind::Caption)],
        words: Some(words),
        ..Filter::default()
    }
}

/// The words that a caption of what is looked for has, all of them.
fn words(says: &Statement) -> Option<String> {
    let question = says.question().to_lowercase();
    let words: Vec<String> = question
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty() && !LITTLE_WORDS.contains(word))
        .map(|word| format!("\"{word}\""))
        .collect();
    (!words.is_empty()).then(|| words.join(" "))
}

/// An event as a time; `None` for what is none.
fn time(store: &Store, told: &Replayed) -> Result<Option<Time>, LogError> {
    let change = &told.change;
    let (EventKind::End, Some(end)) = (change.kind, &change.end) else { return Ok(None) };
    let ms = |duration: Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
    let seen = &change.at_peak;
    let shown = store.caption_at(seen.session, seen.frame)?;
    let start = ms(change.start.since);
    // What is cut off held as long as the caption of that view.
    let held = shown.filter(|_| change.is_cut_off).map_or(0, |(_, until)| until);
    Ok(Some(Time {
        session: seen.session,
        entry: shown.map(|(entry, _)| entry),
        start: Moment::of(&change.start.time),
        duration_ms: ms(end.since).max(held) - start,
        score: Some(change.peak),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::Entry;
    use crate::testing::log::{Scratch, entry};

    fn said(text: &str) -> Option<String> {
        words(&text.parse().expect("a statement"))
    }

    #[test]
    fn words_that_say_nothing_are_left_out() {
        assert_eq!(said("there is a red circle").as_deref(), Some("\"red\" \"circle\""));
        assert_eq!(said("the door is open").as_deref(), Some("\"door\" \"open\""));
        assert_eq!(said("it is"), None);
    }

    #[test]
    fn captions_with_the_words_make_times() {
        let mut log = Scratch::new();
        let door = log.session("door", "256m", "2026-11-23T10:00:00.000+01:00");
        let mut add = |second: i64, text: &str| {
            let plain = entry(door, "2026-11-23T10:00:01.000+01:00", second * 1000, text);
            log.add(&Entry { duration_ms: 2000, ..plain });
        };
        add(1, "A red circle");
        add(3, "A large red circle and a star");
        add(5, "A star");
        add(20, "A circle, red");
        let says: Statement = "there is a red circle".parse().expect("a statement");
        let found = ask_captions(&log.store, i64::MIN, i64::MAX, &says).expect("read");
        let told: Vec<_> = found.times.iter().map(|time| (time.entry, time.duration_ms)).collect();
        assert_eq!(told, [(Some(1), 4000), (Some(4), 2000)]);
        assert!(found.times.iter().all(|time| time.score.is_none()));
    }
}

//! What a log says as a whole: how much, how long the longest still scene was, which words came
//! most. Formats nothing.

use std::collections::HashMap;

use serde::Serialize;

use crate::log::data::entry::{EntryKind, FoundEntry};
use crate::log::data::filter::Filter;
use crate::log::error::LogError;
use crate::log::store::Store;

/// Words counted at most: what a log says in all its life fits many times.
const VOCABULARY: usize = 200_000;
/// Words told.
const MOST_COMMON: usize = 10;
/// Words that say nothing about a scene.
const LITTLE_WORDS: [&str; 39] = [
    "an", "and", "are", "as", "at", "be", "by", "for", "from", "has", "have", "in", "into", "is", "it", "its", "of",
    "on", "or", "some", "that", "the", "their", "them", "there", "they", "this", "to", "was", "which", "while", "who",
    "with", "image", "shows", "his", "her", "he", "she",
];

/// A log in figures.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Stats {
    /// Sessions.
    pub sessions: usize,
    /// Captions.
    pub captions: u64,
    /// Answers.
    pub answers: u64,
    /// Events of rules.
    pub events: u64,
    /// Entries with a bookmark.
    pub bookmarks: u64,
    /// Entries that were lost while recording.
    pub lost: i64,
    /// Hours from each session's first caption to the end of its last one, added up.
    pub hours: f64,
    /// Captions in each of these hours.
    pub captions_an_hour: Option<f64>,
    /// The caption that held longest: its number.
    pub longest_still: Option<i64>,
    /// And for how long.
    pub longest_still_ms: i64,
    /// The most common words with how often they came, most first.
    pub words: Vec<(String, u64)>,
}

impl Store {
    /// Counts what the filter lets through.
    ///
    /// # Errors
    /// When the log can't be read.
    pub fn stats(&self, filter: &Filter) -> Result<Stats, LogError> {
        let sessions = self.sessions(filter)?;
        let mut stats = Stats {
            sessions: sessions.len(),
            lost: sessions.iter().map(|session| session.lost).sum(),
            ..Stats::default()
        };
        let mut words: HashMap<String, u64> = HashMap::new();
        // The session in hand, from when to when, in milliseconds.
        let mut span: Option<(i64, i64, i64)> = None;
        let mut recorded_ms = 0;
        self.each(filter, |found: FoundEntry| {
            let entry = found.entry;
            stats.bookmarks += u64::from(entry.bookmarked);
            match entry.kind {
                EntryKind::Answer => stats.answers += 1,
                EntryKind::Event => stats.events += 1,
                EntryKind::NearMiss => {}
                EntryKind::Caption => {
                    stats.captions += 1;
                    if entry.duration_ms > stats.longest_still_ms {
                        (stats.longest_still, stats.longest_still_ms) = (Some(entry.id), entry.duration_ms);
                    }
                    count_words(&mut words, &entry.text);
                }
            }
            let (from, to) = (entry.since_ms, entry.since_ms.saturating_add(entry.duration_ms));
            span = match span {
                Some((session, first, last)) if session == entry.session => Some((session, first, last.max(to))),
                ended => {
                    recorded_ms += ended.map_or(0, |(_, first, last)| last.saturating_sub(first));
                    Some((entry.session, from, to))
                }
            };
            Ok::<_, LogError>(())
        })?;
        recorded_ms += span.map_or(0, |(_, first, last)| last.saturating_sub(first));
        stats.hours = recorded_ms as f64 / 3.6e6;
        stats.captions_an_hour = (recorded_ms > 0).then(|| stats.captions as f64 / stats.hours);
        stats.words = most_common(words);
        Ok(stats)
    }
}

fn count_words(words: &mut HashMap<String, u64>, text: &str) {
    // A letter alone says nothing.
    for word in text.split(|c: char| !c.is_alphanumeric()).filter(|word| word.chars().nth(1).is_some()) {
        let word = word.to_lowercase();
        if LITTLE_WORDS.contains(&word.as_str()) {
            continue;
        }
        if let Some(count) = words.get_mut(&word) {
            *count += 1;
        } else if words.len() < VOCABULARY {
            words.insert(word, 1);
        }
    }
}

fn most_common(words: HashMap<String, u64>) -> Vec<(String, u64)> {
    let mut words: Vec<_> = words.into_iter().collect();
    words.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    words.truncate(MOST_COMMON);
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::log::{Scratch, filled};

    #[test]
    fn a_log_is_counted() {
        let stats = filled().store.stats(&Filter::default()).expect("counted");
        assert_eq!((stats.sessions, stats.captions, stats.answers, stats.bookmarks), (2, 5, 1, 1));
        assert_eq!((stats.longest_still, stats.longest_still_ms), (Some(2), 60_000));
        // 1 s to 67.5 s of the first session and 2 s to 5.5 s of the second.
        assert!((stats.hours * 3600.0 - 70.0).abs() < 1e-6, "{}", stats.hours);
        assert!((stats.captions_an_hour.expect("some") - 5.0 * 3600.0 / 70.0).abs() < 1e-6);
        assert_eq!(stats.words[0], ("cat".to_owned(), 2));
        assert!(stats.words.iter().all(|(word, _)| word != "a" && word != "of"));
    }

    #[test]
    fn a_filter_counts_what_it_lets_through() {
        let filter = Filter { source: Some("film".to_owned()), ..Filter::default() };
        let stats = filled().store.stats(&filter).expect("counted");
        assert_eq!((stats.sessions, stats.captions, stats.answers), (1, 2, 0));
    }

    #[test]
    fn an_empty_log_has_no_rate() {
        let stats = Scratch::new().store.stats(&Filter::default()).expect("counted");
        assert_eq!(stats, Stats::default());
    }
}

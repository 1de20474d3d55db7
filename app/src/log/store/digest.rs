//! A log, an hour a line: how much was told, when first and last, the longest still scene and the
//! events of rules. Knows the tables; formats nothing.

use std::collections::BTreeMap;

use rusqlite::params_from_iter;
use serde::Serialize;

use crate::log::data::entry::{EntryKind, Moment};
use crate::log::data::filter::Filter;
use crate::log::error::LogError;
use crate::log::store::Store;
use crate::log::store::search::narrow;

/// An hour of the place's clock in which something was recorded.
#[derive(Clone, Debug, PartialEq)]
pub struct Hour {
    /// Its first moment.
    pub begins: Moment,
    /// Captions that began in it.
    pub captions: u64,
    /// Answers.
    pub answers: u64,
    /// When the first of all entries was captured, and the last.
    pub first: Moment,
    /// See `first`.
    pub last: Moment,
    /// The caption that held longest, and for how many milliseconds.
    pub longest_still: Option<(i64, i64)>,
    /// Events of each rule.
    pub events: Vec<RuleHour>,
}

/// What a rule had to tell in an hour.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RuleHour {
    /// What people call it.
    pub rule: String,
    /// How many events began.
    pub count: u64,
    /// For how long they lasted together, in milliseconds.
    pub total_ms: i64,
}

impl Store {
    /// The hours in which something was recorded that the filter lets through, oldest first.
    ///
    /// # Errors
    /// When the log can't be read, or there are no words in `filter.words`.
    pub fn digest(&self, filter: &Filter) -> Result<Vec<Hour>, LogError> {
        let mut condition = filter.condition();
        narrow(&mut condition, filter)?;
        let hour = "e.offset_s, (e.at_ms + e.offset_s * 1000) / 3600000";
        let [caption, answer, event] = [EntryKind::Caption, EntryKind::Answer, EntryKind::Event].map(EntryKind::number);
        let from = format!("FROM entry e CROSS JOIN session s ON s.id = e.session WHERE {}", condition.sql);
        // Of a group with one maximum, SQLite gives the row that has it.
        let hours = format!(
            "SELECT {hour}, sum(e.kind = {caption}), sum(e.kind = {answer}), min(e.at_ms), max(e.at_ms) {from}
             GROUP BY 1, 2 ORDER BY min(e.at_ms)"
        );
        let still = format!(
            "SELECT {hour}, e.id, max(e.duration_ms) {from} AND e.kind = {caption} AND e.duration_ms > 0 GROUP BY 1, 2"
        );
        let rules = format!(
            "SELECT {hour}, e.rule, count(*), sum(e.duration_ms) {from} AND e.kind = {event} GROUP BY 1, 2, 3 ORDER BY 4 DESC, 3"
        );
        let read = || -> rusqlite::Result<Vec<Hour>> {
            let key = |row: &rusqlite::Row<'_>| Ok::<(i32, i64), rusqlite::Error>((row.get(0)?, row.get(1)?));
            let mut longest = BTreeMap::new();
            let mut statement = self.connection().prepare(&still)?;
            let mut rows = statement.query(params_from_iter(&condition.values))?;
            while let Some(row) = rows.next()? {
                longest.insert(key(row)?, (row.get(2)?, row.get(3)?));
            }
            let mut events: BTreeMap<_, Vec<RuleHour>> = BTreeMap::new();
            let mut statement = self.connection().prepare(&rules)?;
            let mut rows = statement.query(params_from_iter(&condition.values))?;
            while let Some(row) = rows.next()? {
                let count = u64::try_from(row.get::<_, i64>(3)?).unwrap_or_default();
                let told = RuleHour { rule: row.get(2)?, count, total_ms: row.get(4)? };
                events.entry(key(row)?).or_default().push(told);
            }
            let mut statement = self.connection().prepare(&hours)?;
            let hour = |row: &rusqlite::Row<'_>| {
                let (offset_s, number) = key(row)?;
                let moment = |ms| Moment { ms, offset_s };
                let count = |column| row.get::<_, i64>(column).map(|count| u64::try_from(count).unwrap_or_default());
                Ok(Hour {
                    begins: moment(number * 3_600_000 - i64::from(offset_s) * 1000),
                    captions: count(2)?,
                    answers: count(3)?,
                    first: moment(row.get(4)?),
                    last: moment(row.get(5)?),
                    longest_still: longest.get(&(offset_s, number)).copied(),
                    events: events.remove(&(offset_s, number)).unwrap_or_default(),
                })
            };
            statement.query_map(params_from_iter(&condition.values), hour)?.collect()
        };
        read().map_err(|error| self.error(&error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::{Entry, EventFacts};
    use crate::testing::log::{entry, filled, moment};

    #[test]
    fn an_hour_is_a_line_of_the_places_clock() {
        let mut log = filled();
        for (second, rule, duration_ms) in [(10, "cup", 2000), (20, "cup", 3000), (30, "door", 500)] {
            let event = Some(EventFacts { rule: rule.to_owned(), ..EventFacts::default() });
            let plain = entry(1, &format!("2026-11-23T10:00:{second}.000+01:00"), second * 1000, "there is a cup");
            log.add(&Entry { kind: EntryKind::Event, event, duration_ms, ..plain });
        }
        let hours = log.store.digest(&Filter::default()).expect("counted");
        let [first, second, third] = &hours[..] else { panic!("{hours:?}") };
        assert_eq!(first.begins.rfc3339(), "2026-11-23T10:00:00.000+01:00");
        assert_eq!((first.captions, first.answers, first.longest_still), (3, 1, Some((2, 60_000))));
        assert_eq!(first.first, moment("2026-11-23T10:00:01.000+01:00"));
        assert_eq!(first.last, moment("2026-11-23T10:01:06.000+01:00"));
        let rule = |rule: &str, count, total_ms| RuleHour { rule: rule.to_owned(), count, total_ms };
        assert_eq!(first.events, [rule("cup", 2, 5000), rule("door", 1, 500)]);
        let begins = |hour: &Hour| hour.begins.rfc3339()[..16].to_owned();
        assert_eq!([begins(second), begins(third)], ["2026-11-24T08:00", "2026-11-24T09:00"]);
        let words = Filter { words: Some("cat".to_owned()), ..Filter::default() };
        assert_eq!(log.store.digest(&words).expect("counted")[0].captions, 2);
    }
}

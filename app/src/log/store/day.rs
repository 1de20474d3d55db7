//! A stretch of time as a strip of marks: how much was recorded in each of many equal parts. Knows
//! the tables; draws nothing.

use rusqlite::params_from_iter;

use crate::log::data::entry::EntryKind;
use crate::log::data::filter::Filter;
use crate::log::error::LogError;
use crate::log::store::Store;
use crate::log::store::search::narrow;

/// What was recorded in one part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DayMark {
    /// Which part, from 0.
    pub part: usize,
    /// Entries of all kinds.
    pub entries: u64,
    /// Of these, answers.
    pub answers: u64,
    /// Of these, those with a bookmark.
    pub bookmarks: u64,
    /// Of these, events of rules.
    pub events: u64,
}

impl Store {
    /// Counts what the filter lets through in each of `parts` equal parts of the time from
    /// `from_ms` to `to_ms` (milliseconds since 1970, UTC). Parts in which nothing was recorded are
    /// left out.
    ///
    /// # Errors
    /// When the log can't be read, or there are no words in `filter.words`.
    pub fn marks(&self, filter: &Filter, from_ms: i64, to_ms: i64, parts: usize) -> Result<Vec<DayMark>, LogError> {
        let length = (to_ms.saturating_sub(from_ms) / i64::try_from(parts.max(1)).unwrap_or(i64::MAX)).max(1);
        let within = Filter {
            since_ms: Some(filter.since_ms.map_or(from_ms, |since| since.max(from_ms))),
            until_ms: Some(filter.until_ms.map_or(to_ms, |until| until.min(to_ms))),
            ..filter.clone()
        };
        let mut condition = within.condition();
        narrow(&mut condition, &within)?;
        let sql = format!(
            "SELECT (e.at_ms - {from_ms}) / {length} AS part, count(*), sum(e.kind = {}), sum(e.bookmarked), sum(e.kind = {})
             FROM entry e CROSS JOIN session s ON s.id = e.session WHERE {} GROUP BY part",
            EntryKind::Answer.number(),
            EntryKind::Event.number(),
            condition.sql
        );
        let mark = |row: &rusqlite::Row<'_>| {
            let number = |column| row.get::<_, i64>(column).map(|number| u64::try_from(number).unwrap_or_default());
            let part = (number(0)? as usize).min(parts.saturating_sub(1));
            Ok(DayMark { part, entries: number(1)?, answers: number(2)?, bookmarks: number(3)?, events: number(4)? })
        };
        self.connection()
            .prepare(&sql)
            .and_then(|mut statement| statement.query_map(params_from_iter(condition.values), mark)?.collect())
            .map_err(|error| self.error(&error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::log::{filled, moment};

    const HOUR: i64 = 3_600_000;

    #[test]
    fn a_day_has_marks_where_something_was_recorded() {
        let log = filled();
        let from = moment("2026-11-23T00:00:00.000+01:00").ms;
        let marks = |filter: &Filter| log.store.marks(filter, from, from + 24 * HOUR, 24).expect("counted");
        assert_eq!(marks(&Filter::default()), [DayMark { part: 10, entries: 4, answers: 1, bookmarks: 1, events: 0 }]);
        let cat = Filter { words: Some("cat".to_owned()), ..Filter::default() };
        assert_eq!(marks(&cat), [DayMark { part: 10, entries: 3, answers: 1, bookmarks: 1, events: 0 }]);
        let next = log.store.marks(&Filter::default(), from + 24 * HOUR, from + 48 * HOUR, 24).expect("counted");
        assert_eq!(next.iter().map(|mark| (mark.part, mark.entries)).collect::<Vec<_>>(), [(8, 1), (9, 1)]);
    }
}

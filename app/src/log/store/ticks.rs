//! What the user says of events and near misses: the scores that calibrate a rule. Knows the tables
//! and what a tick means; fits nothing.

use crate::log::data::entry::EntryKind;
use crate::log::error::LogError;
use crate::log::store::Store;
use crate::rules::calibrate::Tick;

impl Store {
    /// Says of an event or a near miss whether it was right, or takes that back. Says whether there
    /// is such an entry.
    ///
    /// # Errors
    /// When the log can't be written.
    pub fn set_tick(&mut self, entry: i64, tick: Option<bool>) -> Result<bool, LogError> {
        let sql = "UPDATE entry SET tick = ?2 WHERE id = ?1 AND rule IS NOT NULL";
        self.change(|c| c.execute(sql, (entry, tick))).map(|changed| changed > 0)
    }

    /// The ticks of a sentence, each with its model, oldest first. An event that was right and a
    /// near miss that was wrong are views in which the sentence holds.
    ///
    /// # Errors
    /// When the log can't be read.
    pub fn ticks(&self, says: &str) -> Result<Vec<(String, Tick)>, LogError> {
        let sql = "SELECT s.model, e.kind, e.tick, e.peak FROM entry e JOIN session s ON s.id = e.session
             WHERE e.tick IS NOT NULL AND e.text = ?1 ORDER BY e.id";
        let tick = |row: &rusqlite::Row<'_>| {
            let (kind, is_right): (i64, bool) = (row.get(1)?, row.get(2)?);
            let holds = is_right == (EntryKind::of_number(kind) == EntryKind::Event);
            Ok((row.get(0)?, Tick { nats: row.get(3)?, holds }))
        };
        self.connection()
            .prepare(sql)
            .and_then(|mut statement| statement.query_map([says], tick)?.collect())
            .map_err(|error| self.error(&error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::{Entry, EventFacts};
    use crate::testing::log::{Scratch, entry};

    #[test]
    fn ticks_are_of_a_sentence_and_say_where_it_holds() {
        let mut log = Scratch::new();
        let door = log.session("door", "256m", "2026-11-23T10:00:00.000+01:00");
        let caption = log.add(&entry(door, "2026-11-23T10:00:01.000+01:00", 1000, "there is a cup"));
        let mut told = |kind, peak| {
            let facts = EventFacts { rule: "cup".to_owned(), peak, ..EventFacts::default() };
            let plain = entry(door, "2026-11-23T10:00:02.000+01:00", 2000, "there is a cup");
            log.add(&Entry { kind, event: Some(facts), ..plain })
        };
        let [right, wrong, missed, open] = [
            told(EntryKind::Event, 4.0),
            told(EntryKind::Event, 1.0),
            told(EntryKind::NearMiss, 0.5),
            told(EntryKind::Event, 9.0),
        ];
        for (id, is_right) in [(right, true), (wrong, false), (missed, false), (open, true)] {
            assert!(log.store.set_tick(id, Some(is_right)).expect("written"));
        }
        assert!(log.store.set_tick(open, None).expect("taken back"));
        assert!(!log.store.set_tick(caption, Some(true)).expect("no event"));
        let tick = |nats, holds| ("256m".to_owned(), Tick { nats, holds });
        assert_eq!(
            log.store.ticks("there is a cup").expect("read"),
            [tick(4.0, true), tick(1.0, false), tick(0.5, true)]
        );
        assert!(log.store.ticks("there is a jug").expect("read").is_empty());
        let kept = log.store.entry(wrong).expect("read").expect("there").entry.event.expect("an event");
        assert_eq!((kept.tick, kept.rule.as_str()), (Some(false), "cup"));
    }
}

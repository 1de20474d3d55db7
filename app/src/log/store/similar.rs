//! Views that are like another one: all of a model's are compared with it by the means of their
//! features, and the nearest are given. Knows the tables; words and pictures are others'.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::sync::Arc;

use rusqlite::OptionalExtension as _;
use vlm::Features;

use crate::log::data::entry::Moment;
use crate::log::data::views::ViewFilter;
use crate::log::error::LogError;
use crate::log::store::Store;
use crate::log::store::pooled::{self, Pooled};

/// The nearest features that are looked at more closely: of a still scene many are the same.
const NEAREST: usize = 4000;
/// Views of a session that are less than this apart are one moment, of which the nearest is given,
/// in milliseconds.
const MOMENT_MS: i64 = 30_000;

/// A view that is like another one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SimilarView {
    /// The number of its session.
    pub session: i64,
    /// The frame's number.
    pub frame: i64,
    /// When the frame was captured.
    pub at: Moment,
    /// The same in milliseconds from the session's start, on the monotonic clock.
    pub since_ms: i64,
    /// How like it is: 1 is the same.
    pub cosine: f32,
    /// The caption that was shown then, whose picture shows it.
    pub entry: Option<i64>,
}

/// The view of an entry.
#[derive(Clone, Debug)]
pub struct EntryView {
    /// What stands for it.
    pub features: Arc<Features>,
    /// Which views it can be compared with.
    pub filter: ViewFilter,
    /// Its session, and when it was captured, in milliseconds from its start.
    pub moment: (i64, i64),
}

/// A candidate: the worst is on top of the heap.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Near {
    cosine: f32,
    feature: i64,
}

impl Eq for Near {}

impl PartialOrd for Near {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Near {
    fn cmp(&self, other: &Self) -> Ordering {
        other.cosine.total_cmp(&self.cosine).then(self.feature.cmp(&other.feature))
    }
}

impl Store {
    /// The views that are most like these features, nearest first, `most` at most. `except` is a
    /// session and a moment in it that are known already.
    ///
    /// # Errors
    /// When the log can't be read, or [`Interrupter::interrupt`](crate::log::Interrupter) was
    /// called.
    pub fn similar(
        &self,
        features: &Features,
        filter: &ViewFilter,
        except: Option<(i64, i64)>,
        most: usize,
    ) -> Result<Vec<SimilarView>, LogError> {
        let near = self.nearest(&Pooled::of(features), features.width, filter)?;
        let mut taken: Vec<(i64, i64)> = except.into_iter().collect();
        let mut found = Vec::new();
        for near in near {
            if found.len() == most {
                break;
            }
            for view in self.views_of(near, filter)? {
                let is_new = |(session, since): &(i64, i64)| {
                    *session != view.session || (since - view.since_ms).abs() >= MOMENT_MS
                };
                if found.len() < most && taken.iter().all(is_new) {
                    taken.push((view.session, view.since_ms));
                    let entry = self.caption_at(view.session, view.frame)?.map(|(entry, _)| entry);
                    found.push(SimilarView { entry, ..view });
                }
            }
        }
        Ok(found)
    }

    /// The view of an entry, if it was kept: that of its frame, or the last one before.
    ///
    /// # Errors
    /// When the log can't be read.
    pub fn view_of_entry(&self, entry: i64) -> Result<Option<EntryView>, LogError> {
        let sql = "SELECT v.session, v.since_ms, s.model, s.precision, f.width, f.scales, f.bytes
             FROM entry e JOIN view v ON v.session = e.session AND v.frame <= e.frame
             JOIN session s ON s.id = v.session JOIN feature f ON f.id = v.feature
             WHERE e.id = ?1 ORDER BY v.frame DESC LIMIT 1";
        let view = |row: &rusqlite::Row<'_>| {
            let (model, precision): (String, String) = (row.get(2)?, row.get(3)?);
            let (width, scales, bytes): (i64, Vec<u8>, Vec<u8>) = (row.get(4)?, row.get(5)?, row.get(6)?);
            Ok(EntryView {
                features: Arc::new(pooled::features(width, &scales, bytes)),
                filter: ViewFilter::of(&model, &precision),
                moment: (row.get(0)?, row.get(1)?),
            })
        };
        self.connection().query_row(sql, [entry], view).optional().map_err(|error| self.error(&error))
    }

    /// How many views can be compared with one of this model.
    ///
    /// # Errors
    /// When the log can't be read.
    pub fn count_pooled(&self, filter: &ViewFilter) -> Result<u64, LogError> {
        let sql = "SELECT count(*) FROM pooled p JOIN pool ON pool.id = p.pool WHERE model = ?1 AND precision = ?2";
        self.connection()
            .query_row(sql, (&filter.model, &filter.precision), |row| row.get::<_, i64>(0))
            .map(|count| u64::try_from(count).unwrap_or_default())
            .map_err(|error| self.error(&error))
    }

    /// Puts the means of this many views into the log, of no picture at all: to measure a search.
    /// `mean` gives one after the other.
    ///
    /// # Errors
    /// When the log can't be written.
    pub fn fill_to_measure(
        &mut self,
        filter: &ViewFilter,
        count: u64,
        mut mean: impl FnMut() -> Vec<f32>,
    ) -> Result<(), LogError> {
        let width = mean().len() as i64;
        // There are no features behind these means.
        self.connection().pragma_update(None, "foreign_keys", false).map_err(|error| self.error(&error))?;
        self.change(|c| {
            let mut pool = c.prepare("INSERT INTO pool (model, precision, width) VALUES (?1, ?2, ?3)")?;
            let pool = pool.insert((&filter.model, &filter.precision, width))?;
            let mut add = c.prepare("INSERT INTO pooled (feature, pool, bytes) VALUES (?1, ?2, ?3)")?;
            for feature in 1..=count as i64 {
                add.execute((feature, pool, Pooled::of_mean(&mean()).row()))?;
            }
            Ok(())
        })
    }

    /// Compares all and gives the features that are nearest, nearest first.
    fn nearest(&self, wanted: &Pooled, width: usize, filter: &ViewFilter) -> Result<Vec<Near>, LogError> {
        let failed = |error: rusqlite::Error| self.error(&error);
        let pool = pooled::pool(self.connection(), &filter.model, &filter.precision, width).map_err(failed)?;
        let Some(pool) = pool else { return Ok(Vec::new()) };
        // Features are numbered in the order of time: what is older than the filter is not read.
        let oldest = "SELECT coalesce(min(feature), 0) FROM view WHERE at_ms >= ?1";
        let from: i64 = match filter.since_ms {
            i64::MIN => 0,
            since => self.connection().query_row(oldest, [since], |row| row.get(0)).map_err(failed)?,
        };
        let sql = "SELECT feature, bytes FROM pooled WHERE pool = ?1 AND feature >= ?2";
        let mut statement = self.connection().prepare(sql).map_err(failed)?;
        let mut rows = statement.query((pool, from)).map_err(failed)?;
        let mut near: BinaryHeap<Near> = BinaryHeap::with_capacity(NEAREST + 1);
        let mut bar = f32::NEG_INFINITY;
        while let Some(row) = rows.next().map_err(failed)? {
            // In place: no byte is copied.
            let bytes = row.get_ref(1).map_err(failed)?.as_blob().unwrap_or_default();
            let Some(cosine) = wanted.cosine(bytes).filter(|cosine| *cosine > bar) else { continue };
            near.push(Near { cosine, feature: row.get(0).map_err(failed)? });
            if near.len() > NEAREST {
                near.pop();
                bar = near.peek().map_or(bar, |worst| worst.cosine);
            }
        }
        Ok(near.into_sorted_vec())
    }

    fn views_of(&self, near: Near, filter: &ViewFilter) -> Result<Vec<SimilarView>, LogError> {
        let sql = "SELECT session, frame, at_ms, offset_s, since_ms FROM view
             WHERE feature = ?1 AND at_ms >= ?2 AND at_ms < ?3 ORDER BY at_ms";
        let view = |row: &rusqlite::Row<'_>| {
            Ok(SimilarView {
                session: row.get(0)?,
                frame: row.get(1)?,
                at: Moment { ms: row.get(2)?, offset_s: row.get(3)? },
                since_ms: row.get(4)?,
                cosine: near.cosine,
                entry: None,
            })
        };
        self.connection()
            .prepare_cached(sql)
            .and_then(|mut statement| {
                statement.query_map((near.feature, filter.since_ms, filter.until_ms), view)?.collect()
            })
            .map_err(|error| self.error(&error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::KeptView;
    use crate::log::store::schema::{self, STEPS};
    use crate::testing::log::{Scratch, entry, moment};

    const BEGAN: &str = "2026-11-23T10:00:00.000+01:00";

    fn features(values: [i8; 4]) -> Arc<Features> {
        Arc::new(Features { width: 4, scales: vec![0.5, 0.25], bytes: values.repeat(2) })
    }

    fn kept(session: i64, minute: i64, values: [i8; 4]) -> KeptView {
        let since_ms = minute * 60_000;
        KeptView { session, frame: minute, at: moment(BEGAN).plus_ms(since_ms), since_ms, features: features(values) }
    }

    fn minutes(found: &[SimilarView]) -> Vec<(i64, i64)> {
        found.iter().map(|view| (view.session, view.frame)).collect()
    }

    fn filled() -> Scratch {
        let mut log = Scratch::new();
        let door = log.session("door", "256m", BEGAN);
        let film = log.session("film", "500m", BEGAN);
        for (minute, values) in
            [(1, [100, 0, 0, 0]), (2, [0, 100, 0, 0]), (3, [90, 40, 0, 0]), (4, [100, 10, 0, 0]), (9, [0, 0, 100, 0])]
        {
            log.store.add_view(&kept(door, minute, values)).expect("kept");
        }
        // Seconds after the first, all but the same.
        let soon = KeptView { frame: 100, since_ms: 61_000, ..kept(door, 1, [100, 1, 0, 0]) };
        log.store.add_view(&soon).expect("kept");
        log.store.add_view(&kept(film, 1, [100, 0, 0, 0])).expect("kept");
        log
    }

    #[test]
    fn the_nearest_come_first_one_of_each_moment() {
        let mut log = filled();
        log.add(&crate::log::Entry { frame: 3, ..entry(1, BEGAN, 180_000, "A cup") });
        let all = ViewFilter::of("256m", "f32");
        let found = log.store.similar(&features([100, 0, 0, 0]), &all, None, 3).expect("found");
        assert_eq!(minutes(&found), [(1, 1), (1, 4), (1, 3)]);
        assert!((found[0].cosine - 1.0).abs() < 1e-3 && found[2].cosine < 0.95, "{found:?}");
        assert_eq!(found.iter().map(|view| view.entry).collect::<Vec<_>>(), [None, Some(1), Some(1)]);
        let but_itself = log.store.similar(&features([100, 0, 0, 0]), &all, Some((1, 60_000)), 2).expect("found");
        assert_eq!(minutes(&but_itself), [(1, 4), (1, 3)]);
        let late = ViewFilter { since_ms: moment(BEGAN).plus_ms(200_000).ms, ..all.clone() };
        let found = log.store.similar(&features([100, 0, 0, 0]), &late, None, 9).expect("found");
        assert_eq!(minutes(&found), [(1, 4), (1, 9)]);
        assert_eq!(log.store.count_pooled(&all).expect("counted"), 6);
        let other = ViewFilter::of("256m", "int8");
        assert!(log.store.similar(&features([100, 0, 0, 0]), &other, None, 9).expect("none").is_empty());
    }

    #[test]
    fn an_entry_has_the_view_of_its_frame() {
        let mut log = filled();
        let id = log.add(&crate::log::Entry { frame: 5, ..entry(1, BEGAN, 300_000, "A cup") });
        let view = log.store.view_of_entry(id).expect("read").expect("kept");
        assert_eq!((view.features, view.moment), (features([100, 10, 0, 0]), (1, 240_000)));
        assert_eq!(view.filter, ViewFilter::of("256m", "f32"));
        let early = log.add(&crate::log::Entry { frame: 0, ..entry(1, BEGAN, 0, "Nothing") });
        assert!(log.store.view_of_entry(early).expect("read").is_none());
    }

    /// A log as the version before wrote it, which kept no means.
    #[test]
    fn views_of_an_older_log_can_be_compared_once_it_was_opened() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("captions.db");
        let mut before = rusqlite::Connection::open(&path).expect("made");
        schema::migrate(&mut before, &STEPS[..6]).expect("as it was");
        before
            .execute_batch(
                "INSERT INTO session (source, model, device, precision, instruction, began_ms, offset_s)
                     VALUES ('door', '256m', 'cpu', 'f32', 'What?', 0, 0);
                 INSERT INTO feature (width, scales, bytes) VALUES
                     (4, X'0000003F', X'64000000'), (4, X'0000003F', X'640A0000'), (4, X'0000003F', X'00640000');
                 INSERT INTO view (session, frame, at_ms, offset_s, since_ms, feature) VALUES
                     (1, 1, 60000, 0, 60000, 1), (1, 2, 120000, 0, 120000, 2), (1, 3, 180000, 0, 180000, 3);",
            )
            .expect("filled");
        drop(before);
        let store = Store::open(&path).expect("migrated");
        let all = ViewFilter::of("256m", "f32");
        assert_eq!(store.count_pooled(&all).expect("counted"), 3);
        let like = Features { width: 4, scales: vec![1.0], bytes: vec![100, 0, 0, 0] };
        let found = store.similar(&like, &all, None, 9).expect("found");
        assert_eq!(minutes(&found), [(1, 1), (1, 2), (1, 3)]);
    }

    #[test]
    fn means_go_with_their_views() {
        let mut log = filled();
        log.store.change(|c| c.execute("DELETE FROM session WHERE id = 1", [])).expect("removed");
        let count = |sql| log.store.connection().query_row(sql, [], |row| row.get::<_, i64>(0)).expect("counted");
        assert_eq!((count("SELECT count(*) FROM feature"), count("SELECT count(*) FROM pooled")), (1, 1));
    }
}

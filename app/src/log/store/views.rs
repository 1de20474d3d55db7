//! Views that were kept: what stands for a picture, so that the model can be asked about it again.
//! Knows the tables; what is asked is others'.
//!
//! A view that was captioned twice has two rows, and its features once.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension as _, Row};
use vlm::Features;

use crate::log::data::entry::Moment;
use crate::log::data::views::{KeptView, ViewFilter};
use crate::log::error::LogError;
use crate::log::store::{Store, pooled};

/// Views removed at a time while they are too many.
const STEP: i64 = 100;

impl Store {
    /// Keeps a view. One of the same session and frame is kept once.
    ///
    /// # Errors
    /// When the log can't be written.
    pub fn add_view(&mut self, view: &KeptView) -> Result<(), LogError> {
        self.change(|c| insert(c, view))
    }

    /// Gives the views that the filter lets through to `each`, session by session in the order in
    /// which they were captured, until it fails. The same features come as the same `Arc` where
    /// they follow each other.
    ///
    /// # Errors
    /// When the log can't be read, or with the error of `each`.
    pub fn each_view<E: From<LogError>>(
        &self,
        filter: &ViewFilter,
        mut each: impl FnMut(KeptView) -> Result<(), E>,
    ) -> Result<(), E> {
        let failed = |error: rusqlite::Error| E::from(self.error(&error));
        let sql = "SELECT v.session, v.frame, v.at_ms, v.offset_s, v.since_ms, v.feature, f.width, f.scales, f.bytes
             FROM session s CROSS JOIN view v ON v.session = s.id JOIN feature f ON f.id = v.feature
             WHERE s.model = ?1 AND s.precision = ?2 AND v.at_ms >= ?3 AND v.at_ms < ?4 ORDER BY s.id, v.since_ms, v.id";
        let ViewFilter { model, precision, since_ms, until_ms } = filter;
        let mut statement = self.connection().prepare(sql).map_err(failed)?;
        let mut rows = statement.query((model, precision, since_ms, until_ms)).map_err(failed)?;
        let mut last: Option<(i64, Arc<Features>)> = None;
        while let Some(row) = rows.next().map_err(failed)? {
            let id: i64 = row.get(5).map_err(failed)?;
            let known = last.take().filter(|(last, _)| *last == id).map(|(_, features)| features);
            let features = match known {
                Some(features) => features,
                None => Arc::new(features(row).map_err(failed)?),
            };
            last = Some((id, Arc::clone(&features)));
            each(view(row, features).map_err(failed)?)?;
        }
        Ok(())
    }

    /// How many views are kept of other models or precisions than the filter's, in its time.
    ///
    /// # Errors
    /// When the log can't be read.
    pub fn other_views(&self, filter: &ViewFilter) -> Result<u64, LogError> {
        let sql = "SELECT count(*) FROM view v JOIN session s ON s.id = v.session
             WHERE NOT (s.model = ?1 AND s.precision = ?2) AND v.at_ms >= ?3 AND v.at_ms < ?4";
        let ViewFilter { model, precision, since_ms, until_ms } = filter;
        self.connection()
            .query_row(sql, (model, precision, since_ms, until_ms), |row| row.get::<_, i64>(0))
            .map(|count| u64::try_from(count).unwrap_or_default())
            .map_err(|error| self.error(&error))
    }

    /// How many views the filter lets through.
    ///
    /// # Errors
    /// When the log can't be read.
    pub fn count_views(&self, filter: &ViewFilter) -> Result<u64, LogError> {
        let sql = "SELECT count(*) FROM view v JOIN session s ON s.id = v.session
             WHERE s.model = ?1 AND s.precision = ?2 AND v.at_ms >= ?3 AND v.at_ms < ?4";
        let ViewFilter { model, precision, since_ms, until_ms } = filter;
        self.connection()
            .query_row(sql, (model, precision, since_ms, until_ms), |row| row.get::<_, i64>(0))
            .map(|count| u64::try_from(count).unwrap_or_default())
            .map_err(|error| self.error(&error))
    }

    /// The caption that was shown when a frame was captured: its number, and until when it is known
    /// to have held, in milliseconds from its session's start.
    ///
    /// # Errors
    /// When the log can't be read.
    pub fn caption_at(&self, session: i64, frame: i64) -> Result<Option<(i64, i64)>, LogError> {
        let sql = "SELECT id, since_ms + duration_ms FROM entry WHERE session = ?1 AND frame <= ?2 AND kind = 1
             ORDER BY frame DESC, id DESC LIMIT 1";
        self.connection()
            .prepare_cached(sql)
            .and_then(|mut statement| {
                statement.query_row((session, frame), |row| Ok((row.get(0)?, row.get(1)?))).optional()
            })
            .map_err(|error| self.error(&error))
    }

    /// Removes the oldest views while their features take more than so many bytes; those of entries
    /// with a bookmark stay. Says how many.
    ///
    /// # Errors
    /// When the log can't be written.
    pub fn keep_views_to(&mut self, bytes: u64) -> Result<u64, LogError> {
        let mut removed = 0;
        while self.bytes_of_views()? > bytes {
            let step = self.remove_oldest_views()?;
            if step == 0 {
                break;
            }
            removed += step;
        }
        Ok(removed)
    }

    /// Bytes of all features.
    ///
    /// # Errors
    /// When the log can't be read.
    pub fn bytes_of_views(&self) -> Result<u64, LogError> {
        self.connection()
            .query_row("SELECT coalesce(sum(length(scales) + length(bytes)), 0) FROM feature", [], |row| {
                row.get::<_, i64>(0)
            })
            .map(|bytes| u64::try_from(bytes).unwrap_or_default())
            .map_err(|error| self.error(&error))
    }

    /// Removes some of the oldest views that have no bookmark. Says how many.
    pub(crate) fn remove_oldest_views(&mut self) -> Result<u64, LogError> {
        let sql = format!(
            "DELETE FROM view WHERE id IN (SELECT v.id FROM view v WHERE NOT EXISTS (SELECT 1 FROM entry e
             WHERE e.session = v.session AND e.frame = v.frame AND e.bookmarked) ORDER BY v.at_ms LIMIT {STEP})"
        );
        self.change(|c| c.execute(&sql, [])).map(|removed| removed as u64)
    }
}

fn insert(connection: &Connection, kept: &KeptView) -> rusqlite::Result<()> {
    let KeptView { session, frame, at, since_ms, features } = kept;
    let scales: Vec<u8> = features.scales.iter().flat_map(|scale| scale.to_le_bytes()).collect();
    let bytes: Vec<u8> = features.bytes.iter().map(|byte| byte.cast_unsigned()).collect();
    let is_there: bool = connection
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM view WHERE session = ?1 AND frame = ?2)")?
        .query_row((session, frame), |row| row.get(0))?;
    if is_there {
        return Ok(());
    }
    // Those of the view before, where that is seen again.
    let last = connection
        .prepare_cached(
            "SELECT id FROM feature WHERE bytes = ?2 AND scales = ?3
             AND id = (SELECT feature FROM view WHERE session = ?1 ORDER BY frame DESC LIMIT 1)",
        )?
        .query_row((session, &bytes, &scales), |row| row.get::<_, i64>(0))
        .optional()?;
    let width = i64::try_from(features.width).unwrap_or(i64::MAX);
    let feature = if let Some(feature) = last {
        feature
    } else {
        let feature = connection
            .prepare_cached("INSERT INTO feature (width, scales, bytes) VALUES (?1, ?2, ?3)")?
            .insert((width, &scales, &bytes))?;
        pooled::insert(connection, *session, feature, features)?;
        feature
    };
    connection
        .prepare_cached(
            "INSERT INTO view (session, frame, at_ms, offset_s, since_ms, feature) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute((session, frame, at.ms, at.offset_s, since_ms, feature))
        .map(|_| ())
}

fn features(row: &Row<'_>) -> rusqlite::Result<Features> {
    let (width, scales, bytes): (i64, Vec<u8>, Vec<u8>) = (row.get(6)?, row.get(7)?, row.get(8)?);
    Ok(pooled::features(width, &scales, bytes))
}

fn view(row: &Row<'_>, features: Arc<Features>) -> rusqlite::Result<KeptView> {
    let at = Moment { ms: row.get(2)?, offset_s: row.get(3)? };
    Ok(KeptView { session: row.get(0)?, frame: row.get(1)?, at, since_ms: row.get(4)?, features })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::Entry;
    use crate::testing::log::{Scratch, entry, moment};

    fn kept(session: i64, second: i64, value: i8) -> KeptView {
        let features = Features { width: 4, scales: vec![0.5, 0.25], bytes: vec![value; 8] };
        let at = moment("2026-11-23T10:00:00.000+01:00").plus_ms(second * 1000);
        KeptView { session, frame: second, at, since_ms: second * 1000, features: Arc::new(features) }
    }

    fn seen(log: &Scratch, filter: &ViewFilter) -> Vec<KeptView> {
        let mut seen = Vec::new();
        log.store
            .each_view(filter, |view| {
                seen.push(view);
                Ok::<_, LogError>(())
            })
            .expect("read");
        seen
    }

    fn filled() -> Scratch {
        let mut log = Scratch::new();
        let door = log.session("door", "256m", "2026-11-23T10:00:00.000+01:00");
        let film = log.session("film", "500m", "2026-11-23T10:00:00.000+01:00");
        for view in [kept(door, 1, 3), kept(door, 2, 3), kept(door, 3, -7), kept(film, 1, 3), kept(door, 3, 9)] {
            log.store.add_view(&view).expect("kept");
        }
        log
    }

    #[test]
    fn views_come_back_as_they_were_and_features_are_kept_once() {
        let log = filled();
        let all = ViewFilter::of("256m", "f32");
        let views = seen(&log, &all);
        assert_eq!(views, [kept(1, 1, 3), kept(1, 2, 3), kept(1, 3, -7)], "a frame is kept once");
        assert!(Arc::ptr_eq(&views[0].features, &views[1].features));
        assert_eq!(log.store.other_views(&all).expect("counted"), 1);
        // Of five, one is the same again, and one's frame was there.
        assert_eq!(log.store.bytes_of_views().expect("counted"), 3 * 16);
        let late = ViewFilter { since_ms: views[1].at.ms, until_ms: views[2].at.ms, ..all };
        assert_eq!(seen(&log, &late), [kept(1, 2, 3)]);
        assert!(seen(&log, &ViewFilter::of("256m", "int8")).is_empty(), "another precision's are not these");
    }

    #[test]
    fn the_oldest_go_first_and_bookmarked_ones_stay() {
        let mut log = filled();
        let marked = Entry { frame: 1, bookmarked: true, ..entry(1, "2026-11-23T10:00:01.000+01:00", 1000, "A cup") };
        log.add(&marked);
        assert_eq!(log.store.keep_views_to(1000).expect("kept"), 0);
        assert_eq!(log.store.keep_views_to(20).expect("kept"), 3);
        assert_eq!(seen(&log, &ViewFilter::of("256m", "f32")), [kept(1, 1, 3)]);
        assert_eq!(log.store.bytes_of_views().expect("counted"), 16, "features go with their last view");
        log.store.change(|c| c.execute("DELETE FROM session", [])).expect("removed");
        assert_eq!(log.store.bytes_of_views().expect("counted"), 0);
    }
}

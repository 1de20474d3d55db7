//! Sessions and entries to rows and back. Knows the tables, and nothing of who reads or writes
//! them.

use rusqlite::{Connection, Row, named_params};

use crate::engine::EngineCard;
use crate::engine::prefix::PrefixText;
use crate::log::data::entry::{Entry, EntryKind, EventFacts, FoundEntry, Metrics, Moment, Session, SessionStart};
use crate::log::store::search_form;

/// The columns of an entry `e`, in the order that [`entry`] reads them.
pub const ENTRY: &str = "e.id, e.session, e.kind, e.frame, e.at_ms, e.offset_s, e.since_ms, e.duration_ms, e.text, e.question, \
    e.note, e.bookmarked, e.repeats, e.age_ms, e.preprocess_us, e.vision_us, e.prefill_us, e.decode_us, e.prompt_tokens, \
    e.tokens, e.stop, e.draft_offered, e.draft_accepted, e.dropped, e.skipped, e.mean_log_prob, e.rule, e.peak, \
    e.probability, e.is_over, e.tick";

/// The columns of its session `s` that [`found`] reads after those of the entry.
pub const FOUND: &str = "s.source, s.model";

/// The columns of a session `s`, in the order that [`session`] reads them.
pub const SESSION: &str = "s.id, s.source, s.model, s.device, s.precision, s.instruction, s.began_ms, s.offset_s, \
    s.ended_ms, s.lost, s.standing, s.reference";

/// Reads the columns of [`ENTRY`].
///
/// # Errors
/// When a column has another type.
pub fn entry(row: &Row<'_>) -> rusqlite::Result<Entry> {
    Ok(Entry {
        id: row.get(0)?,
        session: row.get(1)?,
        kind: EntryKind::of_number(row.get(2)?),
        frame: row.get(3)?,
        at: Moment { ms: row.get(4)?, offset_s: row.get(5)? },
        since_ms: row.get(6)?,
        duration_ms: row.get(7)?,
        text: row.get(8)?,
        question: row.get(9)?,
        note: row.get(10)?,
        bookmarked: row.get(11)?,
        repeats: row.get(12)?,
        metrics: Metrics {
            age_ms: row.get(13)?,
            preprocess_us: row.get(14)?,
            vision_us: row.get(15)?,
            prefill_us: row.get(16)?,
            decode_us: row.get(17)?,
            prompt_tokens: row.get(18)?,
            tokens: row.get(19)?,
            stop: row.get(20)?,
            draft_offered: row.get(21)?,
            draft_accepted: row.get(22)?,
            dropped: row.get(23)?,
            skipped: row.get(24)?,
            mean_log_prob: row.get(25)?,
        },
        event: event(row)?,
    })
}

fn event(row: &Row<'_>) -> rusqlite::Result<Option<EventFacts>> {
    let Some(rule) = row.get(26)? else { return Ok(None) };
    let (peak, probability) = (row.get(27)?, row.get(28)?);
    Ok(Some(EventFacts { rule, peak, probability, is_over: row.get(29)?, tick: row.get(30)? }))
}

/// Reads the columns of [`ENTRY`] and then [`FOUND`].
///
/// # Errors
/// When a column has another type.
pub fn found(row: &Row<'_>) -> rusqlite::Result<FoundEntry> {
    Ok(FoundEntry { entry: entry(row)?, source: row.get(31)?, model: row.get(32)? })
}

/// Reads the columns of [`SESSION`].
///
/// # Errors
/// When a column has another type.
pub fn session(row: &Row<'_>) -> rusqlite::Result<Session> {
    Ok(Session {
        id: row.get(0)?,
        start: SessionStart {
            source: row.get(1)?,
            card: EngineCard {
                model: row.get(2)?,
                device: row.get(3)?,
                precision: row.get(4)?,
                ..EngineCard::default()
            },
            instruction: row.get(5)?,
            prefix: PrefixText { standing: row.get(10)?, references: labels(&row.get::<_, String>(11)?) },
            began: Moment { ms: row.get(6)?, offset_s: row.get(7)? },
        },
        ended_ms: row.get(8)?,
        lost: row.get(9)?,
    })
}

/// The labels in an array of JSON. A newer version's array is shown as none.
fn labels(written: &str) -> Vec<String> {
    serde_json::from_str(written).unwrap_or_default()
}

/// Adds an entry under its own number, or under the next one when that is zero. Returns the number.
///
/// # Errors
/// When the number is taken, or SQLite can't write.
pub fn insert_entry(connection: &Connection, entry: &Entry) -> rusqlite::Result<i64> {
    let (metrics, event) = (&entry.metrics, entry.event.as_ref());
    let id = connection
        .prepare_cached(
            "INSERT INTO entry (id, session, kind, frame, at_ms, offset_s, since_ms, duration_ms, text, question, note,
                bookmarked, repeats, age_ms, preprocess_us, vision_us, prefill_us, decode_us, prompt_tokens, tokens, stop,
                draft_offered, draft_accepted, dropped, skipped, mean_log_prob, rule, peak, probability, is_over, tick)
             VALUES (nullif(:id, 0), :session, :kind, :frame, :at_ms, :offset_s, :since_ms, :duration_ms, :text, :question,
                :note, :bookmarked, :repeats, :age_ms, :preprocess_us, :vision_us, :prefill_us, :decode_us, :prompt_tokens,
                :tokens, :stop, :draft_offered, :draft_accepted, :dropped, :skipped, :mean_log_prob, :rule, :peak, :probability,
                :is_over, :tick)",
        )?
        .insert(named_params! {
            ":id": entry.id,
            ":session": entry.session,
            ":kind": entry.kind.number(),
            ":frame": entry.frame,
            ":at_ms": entry.at.ms,
            ":offset_s": entry.at.offset_s,
            ":since_ms": entry.since_ms,
            ":duration_ms": entry.duration_ms,
            ":text": entry.text,
            ":question": entry.question,
            ":note": entry.note,
            ":bookmarked": entry.bookmarked,
            ":repeats": entry.repeats,
            ":age_ms": metrics.age_ms,
            ":preprocess_us": metrics.preprocess_us,
            ":vision_us": metrics.vision_us,
            ":prefill_us": metrics.prefill_us,
            ":decode_us": metrics.decode_us,
            ":prompt_tokens": metrics.prompt_tokens,
            ":tokens": metrics.tokens,
            ":stop": metrics.stop,
            ":draft_offered": metrics.draft_offered,
            ":draft_accepted": metrics.draft_accepted,
            ":dropped": metrics.dropped,
            ":skipped": metrics.skipped,
            ":mean_log_prob": metrics.mean_log_prob,
            ":rule": event.map(|event| &event.rule),
            ":peak": event.map(|event| event.peak),
            ":probability": event.map(|event| event.probability),
            ":is_over": event.map(|event| event.is_over),
            ":tick": event.and_then(|event| event.tick),
        })?;
    search_form::insert(connection, id, &entry.text, entry.question.as_deref(), entry.note.as_deref())?;
    Ok(id)
}

/// Adds a session under its own number, or under the next one when that is zero. Returns the
/// number.
///
/// # Errors
/// When the number is taken, or SQLite can't write.
pub fn insert_session(connection: &Connection, session: &Session) -> rusqlite::Result<i64> {
    let SessionStart { source, card, instruction, prefix, began } = &session.start;
    connection
        .prepare_cached(
            "INSERT INTO session (id, source, model, device, precision, instruction, began_ms, offset_s, ended_ms, lost,
                standing, reference)
             VALUES (nullif(:id, 0), :source, :model, :device, :precision, :instruction, :began_ms, :offset_s, :ended_ms,
                :lost, :standing, :reference)",
        )?
        .insert(named_params! {
            ":id": session.id,
            ":source": source,
            ":model": card.model,
            ":device": card.device,
            ":precision": card.precision,
            ":instruction": instruction,
            ":began_ms": began.ms,
            ":offset_s": began.offset_s,
            ":ended_ms": session.ended_ms,
            ":lost": session.lost,
            ":standing": prefix.standing,
            ":reference": serde_json::Value::from(prefix.references.clone()).to_string(),
        })
}

/// Keeps a thumbnail of this entry.
///
/// # Errors
/// When it has one, or SQLite can't write.
pub fn insert_thumbnail(connection: &Connection, entry: i64, jpeg: &[u8]) -> rusqlite::Result<()> {
    connection.prepare_cached("INSERT INTO thumbnail (entry, jpeg) VALUES (?1, ?2)")?.execute((entry, jpeg)).map(|_| ())
}

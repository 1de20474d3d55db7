//! Sessions and entries as lines of JSON: what `--json` prints, what is exported and what is
//! imported. The keys are a contract, and those that `watch --json` has too mean the same.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};

use crate::engine::EngineCard;
use crate::engine::prefix::PrefixText;
use crate::log::data::entry::{Entry, EntryKind, EventFacts, FoundEntry, Metrics, Moment, Session, SessionStart};

/// Times of a session and counts are no larger than what JSON readers keep exactly: 2^53, 285,000
/// years.
const LARGEST: i64 = 1 << 53;

/// A line of an export.
#[derive(Debug, Deserialize, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum ExportLine {
    /// A session. The entries that name its number follow it.
    Session(Box<SessionLine>),
    /// A caption, an answer, or what a rule has to tell.
    Entry(Box<EntryLine>),
}

/// A session.
#[derive(Debug, Deserialize, Serialize)]
pub struct SessionLine {
    id: i64,
    source: String,
    model: String,
    device: String,
    precision: String,
    prompt: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    standing: String,
    /// The labels of the reference pictures.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    references: Vec<String>,
    began: String,
    ended_ms: Option<i64>,
    lost: i64,
}

impl From<Session> for SessionLine {
    fn from(session: Session) -> Self {
        let Session { id, start: SessionStart { source, card, instruction, prefix, began }, ended_ms, lost } = session;
        let (EngineCard { model, device, precision, .. }, PrefixText { standing, references }) = (card, prefix);
        let (prompt, began) = (instruction, began.rfc3339());
        Self { id, source, model, device, precision, prompt, standing, references, began, ended_ms, lost }
    }
}

impl SessionLine {
    /// As the log has it. None when its time can't be read.
    #[must_use]
    pub fn into_session(self) -> Option<Session> {
        let Self { id, source, model, device, precision, prompt, standing, references, began, ended_ms, lost } = self;
        let card = EngineCard { model, device, precision, ..EngineCard::default() };
        let prefix = PrefixText { standing, references };
        let start = SessionStart { source, card, instruction: prompt, prefix, began: Moment::parse(&began)? };
        Some(Session { id, start, ended_ms, lost })
    }
}

/// Milliseconds of each stage, to the microsecond.
#[derive(Debug, Deserialize, Serialize)]
struct Stages {
    preprocess: f64,
    vision: f64,
    prefill: f64,
    decode: f64,
}

#[derive(Debug, Deserialize, Serialize)]
struct DraftLine {
    offered: i64,
    accepted: i64,
}

#[derive(Debug, Deserialize, Serialize)]
struct EventLine {
    rule: String,
    /// In nats.
    peak: f64,
    probability: f64,
    over: bool,
    tick: Option<bool>,
}

impl From<EventFacts> for EventLine {
    fn from(event: EventFacts) -> Self {
        let EventFacts { rule, peak, probability, is_over, tick } = event;
        Self { rule, peak, probability, over: is_over, tick }
    }
}

impl From<EventLine> for EventFacts {
    fn from(line: EventLine) -> Self {
        let EventLine { rule, peak, probability, over, tick } = line;
        Self { rule, peak, probability, is_over: over, tick }
    }
}

/// A caption, an answer, or what a rule has to tell.
#[derive(Debug, Deserialize, Serialize)]
pub struct EntryLine {
    id: i64,
    session: i64,
    kind: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    source: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    model: Option<String>,
    frame: i64,
    /// When the frame was captured, RFC 3339 with the offset of the place.
    time: String,
    /// The same from the session's start.
    since_ms: i64,
    duration_ms: i64,
    text: String,
    question: Option<String>,
    note: Option<String>,
    bookmarked: bool,
    repeats: i64,
    age_ms: Option<i64>,
    ms: Stages,
    prompt_tokens: i64,
    tokens: i64,
    stop: String,
    draft: DraftLine,
    dropped: Option<i64>,
    skipped: Option<i64>,
    mean_log_prob: Option<f64>,
    /// Of an event or a near miss.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    event: Option<EventLine>,
    /// A JPEG in base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    thumbnail: Option<String>,
}

impl EntryLine {
    /// A line of an export, which names source and model in the session's line.
    #[must_use]
    pub fn exported(entry: Entry, thumbnail: Option<&[u8]>) -> Self {
        let ms = |us: i64| us as f64 / 1000.0;
        let Entry { metrics, .. } = entry;
        Self {
            id: entry.id,
            session: entry.session,
            kind: entry.kind.to_string(),
            source: None,
            model: None,
            frame: entry.frame,
            time: entry.at.rfc3339(),
            since_ms: entry.since_ms,
            duration_ms: entry.duration_ms,
            text: entry.text,
            question: entry.question,
            note: entry.note,
            bookmarked: entry.bookmarked,
            repeats: entry.repeats,
            age_ms: metrics.age_ms,
            ms: Stages {
                preprocess: ms(metrics.preprocess_us),
                vision: ms(metrics.vision_us),
                prefill: ms(metrics.prefill_us),
                decode: ms(metrics.decode_us),
            },
            prompt_tokens: metrics.prompt_tokens,
            tokens: metrics.tokens,
            stop: metrics.stop,
            draft: DraftLine { offered: metrics.draft_offered, accepted: metrics.draft_accepted },
            dropped: metrics.dropped,
            skipped: metrics.skipped,
            mean_log_prob: metrics.mean_log_prob,
            event: entry.event.map(EventLine::from),
            thumbnail: thumbnail.map(|jpeg| BASE64.encode(jpeg)),
        }
    }

    /// A line that stands for itself.
    #[must_use]
    pub fn of(found: FoundEntry) -> Self {
        let FoundEntry { entry, source, model } = found;
        Self { source: Some(source), model: Some(model), ..Self::exported(entry, None) }
    }

    /// The number of the session that it belongs to.
    #[must_use]
    pub fn session(&self) -> i64 {
        self.session
    }

    /// As the log has it, with its thumbnail.
    ///
    /// # Errors
    /// Says what is wrong, when something is not as this writes it.
    pub fn into_entry(self) -> Result<(Entry, Option<Vec<u8>>), String> {
        let us = |ms: f64| (ms * 1000.0).round() as i64;
        let at = Moment::parse(&self.time).ok_or_else(|| format!("unknown time `{}`", self.time))?;
        let kind: EntryKind = self.kind.parse()?;
        for (name, value) in [("since_ms", self.since_ms), ("duration_ms", self.duration_ms), ("repeats", self.repeats)]
        {
            if !(0..=LARGEST).contains(&value) {
                return Err(format!("{name} is {value}"));
            }
        }
        let thumbnail = match &self.thumbnail {
            Some(text) => Some(BASE64.decode(text).map_err(|_| "the thumbnail is not base64")?),
            None => None,
        };
        let entry = Entry {
            id: self.id,
            session: self.session,
            kind,
            frame: self.frame,
            at,
            since_ms: self.since_ms,
            duration_ms: self.duration_ms,
            text: self.text,
            question: self.question,
            note: self.note,
            bookmarked: self.bookmarked,
            repeats: self.repeats,
            metrics: Metrics {
                age_ms: self.age_ms,
                preprocess_us: us(self.ms.preprocess),
                vision_us: us(self.ms.vision),
                prefill_us: us(self.ms.prefill),
                decode_us: us(self.ms.decode),
                prompt_tokens: self.prompt_tokens,
                tokens: self.tokens,
                stop: self.stop,
                draft_offered: self.draft.offered,
                draft_accepted: self.draft.accepted,
                dropped: self.dropped,
                skipped: self.skipped,
                mean_log_prob: self.mean_log_prob,
            },
            event: self.event.map(EventFacts::from),
        };
        Ok((entry, thumbnail))
    }
}

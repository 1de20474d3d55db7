//! What the log holds: sessions and entries, plain values. Knows neither SQLite nor threads.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jiff::tz::Offset;
use jiff::{Timestamp, ZonedDateTime};
use vlm::{Reply, Stop};

use crate::engine::EngineCard;
use crate::engine::prefix::PrefixText;
use crate::live::frame::Frame;
use crate::rules::event::{EventKind, RuleEvent};

/// A moment as the log keeps it: what a wall clock said, and where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moment {
    /// Milliseconds since 1970, UTC.
    pub ms: i64,
    /// How far the place is ahead of UTC, in seconds.
    pub offset_s: i32,
}

impl Moment {
    /// The moment of a wall clock.
    #[must_use]
    pub fn of(time: &ZonedDateTime) -> Self {
        Self { ms: time.timestamp().as_millisecond(), offset_s: time.offset().seconds() }
    }

    /// Now and here.
    #[must_use]
    pub fn now() -> Self {
        Self::of(&ZonedDateTime::now())
    }

    /// This much later, in the same place.
    #[must_use]
    pub fn plus_ms(self, ms: i64) -> Self {
        Self { ms: self.ms.saturating_add(ms), ..self }
    }

    /// The place's date and time. A moment outside the years -9999 to 9999 is shown as 1970.
    #[must_use]
    pub fn civil(self) -> jiff::civil::DateTime {
        let offset = Offset::from_seconds(self.offset_s).unwrap_or(Offset::UTC);
        offset.to_datetime(Timestamp::from_millisecond(self.ms).unwrap_or(Timestamp::UNIX_EPOCH))
    }

    /// RFC 3339 to the millisecond, with the offset of the place.
    #[must_use]
    pub fn rfc3339(self) -> String {
        let at = self.civil();
        let (sign, minutes) = if self.offset_s < 0 { ('-', -self.offset_s / 60) } else { ('+', self.offset_s / 60) };
        format!(
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}{sign}{:02}:{:02}",
            at.year(),
            at.month(),
            at.day(),
            at.hour(),
            at.minute(),
            at.second(),
            at.millisecond(),
            minutes / 60,
            minutes % 60
        )
    }

    /// Reads what [`Moment::rfc3339`] writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let at: Timestamp = text.parse().ok()?;
        let offset = jiff::fmt::temporal::Pieces::parse(text).ok()?.to_numeric_offset()?;
        Some(Self { ms: at.as_millisecond(), offset_s: offset.seconds() })
    }
}

/// What is the same for all entries between two changes of source, model, instruction or prefix.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SessionStart {
    /// What people call the source.
    pub source: String,
    /// Who captions.
    pub card: EngineCard,
    /// What the model was told to do.
    pub instruction: String,
    /// What it was told and shown before every picture.
    pub prefix: PrefixText,
    /// When it began.
    pub began: Moment,
}

/// A session as the log has it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Session {
    /// Its number.
    pub id: i64,
    /// What it is about.
    pub start: SessionStart,
    /// When it ended, milliseconds since 1970, UTC. None while it runs, and for one that was cut
    /// off.
    pub ended_ms: Option<i64>,
    /// Entries that were lost because the disk was too slow or too full.
    pub lost: i64,
}

/// What an entry is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum EntryKind {
    /// A caption of the view.
    #[default]
    Caption,
    /// An answer to a question.
    Answer,
    /// A rule held for a while.
    Event,
    /// A rule came near to holding.
    NearMiss,
}

impl EntryKind {
    /// As the table has it.
    #[must_use]
    pub fn number(self) -> i64 {
        match self {
            Self::Caption => 1,
            Self::Answer => 2,
            Self::Event => 3,
            Self::NearMiss => 4,
        }
    }

    /// From the table. A newer version's kind is shown as a caption.
    #[must_use]
    pub fn of_number(number: i64) -> Self {
        match number {
            2 => Self::Answer,
            3 => Self::Event,
            4 => Self::NearMiss,
            _ => Self::Caption,
        }
    }
}

impl fmt::Display for EntryKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Caption => "caption",
            Self::Answer => "answer",
            Self::Event => "event",
            Self::NearMiss => "near-miss",
        })
    }
}

impl FromStr for EntryKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "caption" => Ok(Self::Caption),
            "answer" => Ok(Self::Answer),
            "event" => Ok(Self::Event),
            "near-miss" => Ok(Self::NearMiss),
            _ => Err(format!("unknown kind of entry `{text}`")),
        }
    }
}

/// How a reply came to be: what the model's author wants to know years later.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metrics {
    /// From capture to the end of the caption, in milliseconds. Answers have none.
    pub age_ms: Option<i64>,
    /// Microseconds of each stage.
    pub preprocess_us: i64,
    /// Vision encoder and connector.
    pub vision_us: i64,
    /// The pass over view, instruction and draft.
    pub prefill_us: i64,
    /// Every later pass.
    pub decode_us: i64,
    /// Tokens of the prompt.
    pub prompt_tokens: i64,
    /// Tokens of the reply.
    pub tokens: i64,
    /// Why it stopped: `end`, `length` or `repetition`.
    pub stop: String,
    /// Drafted tokens that were offered.
    pub draft_offered: i64,
    /// And accepted.
    pub draft_accepted: i64,
    /// Frames that were dropped since the caption before. Answers have none.
    pub dropped: Option<i64>,
    /// Frames that the gate passed over since the caption before. Answers have none.
    pub skipped: Option<i64>,
    /// The mean log-probability of the reply's tokens, where the model tells.
    pub mean_log_prob: Option<f64>,
}

impl Metrics {
    /// Of a reply alone.
    #[must_use]
    pub fn of(reply: &Reply) -> Self {
        let us = |duration: Duration| i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
        Self {
            preprocess_us: us(reply.timings.preprocess),
            vision_us: us(reply.timings.vision),
            prefill_us: us(reply.timings.prefill),
            decode_us: us(reply.timings.decode),
            prompt_tokens: reply.prompt_tokens() as i64,
            tokens: reply.tokens() as i64,
            stop: stop_name(reply.stop).to_owned(),
            draft_offered: reply.draft.offered as i64,
            draft_accepted: reply.draft.accepted as i64,
            mean_log_prob: reply.mean_log_prob.map(in_millionths),
            ..Self::default()
        }
    }
}

/// More digits than these say nothing.
fn in_millionths(x: f32) -> f64 {
    (f64::from(x) * 1e6).round() / 1e6
}

/// As `--json` writes it.
fn stop_name(stop: Stop) -> &'static str {
    match stop {
        Stop::End => "end",
        Stop::Length => "length",
        Stop::Cancelled => "cancelled",
        Stop::Repetition => "repetition",
    }
}

/// An entry as the log has it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Entry {
    /// Its number. Zero for one that is not in the log yet.
    pub id: i64,
    /// The number of its session.
    pub session: i64,
    /// Whose words these are.
    pub kind: EntryKind,
    /// The frame's number.
    pub frame: i64,
    /// When the frame was captured.
    pub at: Moment,
    /// The same in milliseconds from the session's start, on the monotonic clock.
    pub since_ms: i64,
    /// From this frame to the one whose words replaced these, in milliseconds.
    pub duration_ms: i64,
    /// The words.
    pub text: String,
    /// What was asked, of an answer.
    pub question: Option<String>,
    /// What the user wrote beside it.
    pub note: Option<String>,
    /// Whether the user marked it.
    pub bookmarked: bool,
    /// How often the same words came again.
    pub repeats: i64,
    /// How it came to be.
    pub metrics: Metrics,
    /// Of an event or a near miss: what the rule has to say. Its sentence is the text.
    pub event: Option<EventFacts>,
}

impl Entry {
    /// What a rule has to tell, as an entry that is not in the log yet. `frame_since_ms` is that of
    /// the frame at its peak.
    #[must_use]
    pub fn of_event(event: &RuleEvent, frame_since_ms: i64) -> Self {
        let ms = |from: &ZonedDateTime, to: &ZonedDateTime| {
            i64::try_from(to.duration_since(from).as_millis()).unwrap_or(i64::MAX).max(0)
        };
        let is_over = event.end.is_some();
        let last = event.end.as_ref().unwrap_or(&event.frame.time);
        Self {
            kind: if event.kind == EventKind::NearMiss { EntryKind::NearMiss } else { EntryKind::Event },
            frame: i64::try_from(event.frame.id).unwrap_or(i64::MAX),
            at: Moment::of(&event.start),
            since_ms: (frame_since_ms - ms(&event.start, &event.frame.time)).max(0),
            duration_ms: ms(&event.start, last),
            text: event.rule.says.text().to_owned(),
            event: Some(EventFacts {
                rule: event.rule.name().to_owned(),
                peak: in_millionths(event.model_peak.nats),
                probability: in_millionths(event.peak.probability()),
                is_over,
                tick: None,
            }),
            ..Self::default()
        }
    }
}

/// What the log knows of a rule's event besides times and the rule's sentence.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EventFacts {
    /// What people call the rule.
    pub rule: String,
    /// How strongly it held at most, in nats, as the model says: before any calibration.
    pub peak: f64,
    /// The same as a probability, as it was told.
    pub probability: f64,
    /// It is over; otherwise it goes on, or the program was killed meanwhile.
    pub is_over: bool,
    /// Whether the user says that it was right.
    pub tick: Option<bool>,
}

impl Entry {
    /// An entry about this frame that is not in the log yet.
    #[must_use]
    pub fn about(frame: &Frame, since_ms: i64, reply: &Reply) -> Self {
        Self {
            frame: i64::try_from(frame.id).unwrap_or(i64::MAX),
            at: Moment::of(&frame.time),
            since_ms,
            text: reply.text.clone(),
            metrics: Metrics::of(reply),
            ..Self::default()
        }
    }
}

/// An entry with what its session says of it, as people want to see it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FoundEntry {
    /// The entry.
    pub entry: Entry,
    /// What people call the source.
    pub source: String,
    /// The model.
    pub model: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_written_with_its_place_and_read_back() {
        for text in ["2026-11-24T16:05:07.250+01:00", "2026-01-01T00:00:00.000-03:30", "1969-12-31T23:59:59.999+00:00"]
        {
            let moment = Moment::parse(text).expect(text);
            assert_eq!(moment.rfc3339(), text);
        }
        for text in ["", "2026-11-24", "2026-11-24T16:05:07", "soon"] {
            assert_eq!(Moment::parse(text), None, "{text}");
        }
    }

    #[test]
    fn kinds_are_read_as_they_are_written_and_kept() {
        for kind in [EntryKind::Caption, EntryKind::Answer, EntryKind::Event, EntryKind::NearMiss] {
            assert_eq!(kind.to_string().parse(), Ok(kind));
            assert_eq!(EntryKind::of_number(kind.number()), kind);
        }
        assert!("song".parse::<EntryKind>().is_err_and(|message| message.contains("song")));
    }
}

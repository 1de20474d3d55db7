//! What a rule has to tell: it began to hold, ceased to, or nearly held. Plain data that front ends
//! show, logs keep and actions act on.

use std::sync::Arc;

use jiff::ZonedDateTime;
use serde::Serialize;

use crate::base::jpeg;
use crate::live::frame::Frame;
use crate::rules::score::Score;
use crate::rules::spec::RuleSpec;

/// Pixels across a small picture.
const SMALL: u32 = 320;
/// JPEG quality of a small picture, of 100: some 12 KB at 320x180.
const SMALL_QUALITY: u8 = 75;
/// JPEG quality of a whole picture, of 100.
const QUALITY: u8 = 90;

/// One thing that a rule has to tell of a source.
///
/// An event that lasts is told twice or more: when it begins, when there are words for it, when it
/// ends. All of them have the same rule, source and start.
#[derive(Clone, Debug)]
pub struct RuleEvent {
    /// Which rule; what is to be done is in it.
    pub rule: Arc<RuleSpec>,
    /// What people call the source.
    pub source: Arc<str>,
    /// What is told.
    pub kind: EventKind,
    /// When the first view was captured that counts.
    pub start: ZonedDateTime,
    /// When the first view was captured that no longer counts; none while it holds.
    pub end: Option<ZonedDateTime>,
    /// How strongly it holds of the view that made this be told.
    pub score: Score,
    /// How strongly it held at most so far.
    pub peak: Score,
    /// The same as the model says it, before any calibration.
    pub model_peak: Score,
    /// The view in which it did.
    pub frame: Arc<Frame>,
    /// What the model says of that view, once it has said it.
    pub caption: Option<Arc<str>>,
    /// It began in the rule's quiet hours: it is recorded, and nobody is told.
    pub is_quiet: bool,
}

/// What is told of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// It began to hold.
    Begin,
    /// There are words now for what began: `caption` has them.
    Words,
    /// It ceased to hold.
    End,
    /// It came near, and did not hold for long or strongly enough.
    NearMiss,
}

impl EventKind {
    /// Its word in JSON and in the log.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Begin => "begin",
            Self::Words => "words",
            Self::End => "end",
            Self::NearMiss => "near_miss",
        }
    }
}

impl RuleEvent {
    /// The view at its peak as a JPEG in full size. Takes some milliseconds. None for a picture
    /// that JPEG can't hold.
    #[must_use]
    pub fn jpeg(&self) -> Option<Vec<u8>> {
        jpeg::encode(&self.frame.image, u32::MAX, QUALITY)
    }

    /// The same, 320 pixels across.
    #[must_use]
    pub fn small_jpeg(&self) -> Option<Vec<u8>> {
        jpeg::encode(&self.frame.image, SMALL, SMALL_QUALITY)
    }

    /// A sentence for people, such as "door: parcel began (92 %)."
    #[must_use]
    pub fn sentence(&self) -> String {
        let verb = match self.kind {
            EventKind::Begin | EventKind::Words => "began",
            EventKind::End => "ended",
            EventKind::NearMiss => "nearly held",
        };
        let percent = self.peak.probability() * 100.0;
        format!("{}: {} {verb} ({percent:.0} %).", self.source, self.rule.name())
    }

    /// What is told of it in JSON. The keys are a contract.
    #[must_use]
    pub fn told(&self) -> EventTold<'_> {
        EventTold {
            event: self.kind,
            rule: self.rule.name(),
            says: self.rule.says.text(),
            source: &self.source,
            start: rfc3339(&self.start),
            end: self.end.as_ref().map(rfc3339),
            score: self.score.nats,
            probability: self.score.probability(),
            peak: self.peak.probability(),
            frame: self.frame.id,
            caption: self.caption.as_deref(),
            quiet: self.is_quiet,
        }
    }
}

/// See [`RuleEvent::told`].
#[derive(Clone, Debug, Serialize)]
pub struct EventTold<'a> {
    event: EventKind,
    rule: &'a str,
    says: &'a str,
    source: &'a str,
    /// RFC 3339 with the offset of this place.
    start: String,
    end: Option<String>,
    /// In nats.
    score: f32,
    probability: f32,
    /// A probability.
    peak: f32,
    frame: u64,
    caption: Option<&'a str>,
    quiet: bool,
}

fn rfc3339(time: &ZonedDateTime) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S%.3f%:z").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::rules::event;

    #[test]
    fn its_json_has_the_keys_of_the_contract() {
        let told = serde_json::to_value(event(EventKind::Begin).told()).expect("JSON");
        let keys: Vec<&str> = told.as_object().expect("an object").keys().map(String::as_str).collect();
        let mut expected = vec![
            "event",
            "rule",
            "says",
            "source",
            "start",
            "end",
            "score",
            "probability",
            "peak",
            "frame",
            "caption",
            "quiet",
        ];
        expected.sort_unstable();
        assert_eq!(keys, expected);
        assert_eq!((&told["event"], &told["rule"]), (&"begin".into(), &"cup".into()));
        assert_eq!(told["start"], "2025-03-01T12:30:05.250+01:00");
        for kind in [EventKind::Begin, EventKind::Words, EventKind::End, EventKind::NearMiss] {
            assert_eq!(serde_json::to_value(kind).expect("JSON"), kind.word());
        }
    }

    #[test]
    fn its_pictures_are_jpegs() {
        let event = event(EventKind::End);
        for (jpeg, width) in [(event.jpeg(), 640), (event.small_jpeg(), SMALL)] {
            let picture = image::load_from_memory(&jpeg.expect("encoded")).expect("a JPEG");
            assert_eq!(picture.width(), width);
        }
    }
}

//! What an action is told: one thing that happened, in plain data that is kept on the disk until it
//! was told. The keys of its JSON are a contract.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::ZonedDateTime;
use serde::{Deserialize, Serialize};

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Occurrence {
    /// Its own: whoever is told twice, after a program was killed say, knows it by this.
    pub id: String,
    /// What happened.
    pub kind: Kind,
    /// Which source, by the name that people gave it.
    pub source: String,
    /// When the picture was captured: RFC 3339 with the offset of this place.
    pub time: String,
    /// What the model says of the picture. None while it has not said it.
    pub text: Option<String>,
    /// Of a caption, what it said before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// Which rule, where one has to tell something.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<RuleTold>,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The caption of a source changed.
    Caption,
    /// A rule began to hold.
    Begin,
    /// There are words now for what began.
    Words,
    /// A rule ceased to hold.
    End,
    /// Nothing: somebody tries the action.
    Test,
}

/// What a rule has to tell.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RuleTold {
    /// What people call it.
    pub name: String,
    /// Its sentence.
    pub says: String,
    /// When it began to hold: RFC 3339. One event of a rule has the same start whenever it is told.
    pub start: String,
    /// When it ceased to; none while it holds.
    pub end: Option<String>,
    /// How likely it is of the picture.
    pub probability: f32,
    /// How likely it was at most so far.
    pub peak: f32,
}

impl Occurrence {
    /// One of this kind, now, with nothing said of it yet.
    #[must_use]
    pub fn new(kind: Kind, source: &str, time: &ZonedDateTime) -> Self {
        Self {
            id: new_id(),
            kind,
            source: source.to_owned(),
            time: rfc3339(time),
            text: None,
            before: None,
            rule: None,
        }
    }

    /// What a person tries an action with.
    #[must_use]
    pub fn test() -> Self {
        let text = Some("This is a test: nothing happened.".to_owned());
        Self { text, ..Self::new(Kind::Test, "test", &ZonedDateTime::now()) }
    }

    /// A few words for people: the rule, or the source.
    #[must_use]
    pub fn title(&self) -> &str {
        match &self.rule {
            Some(rule) => &rule.name,
            None if self.kind == Kind::Test => "Sightline",
            None => &self.source,
        }
    }

    /// A sentence for people.
    #[must_use]
    pub fn body(&self) -> String {
        let probability = self.rule.as_ref().map_or(0.0, |rule| rule.probability * 100.0);
        match (self.kind, &self.text) {
            (Kind::Begin, None) => format!("It began at {} ({probability:.0} %).", self.source),
            (Kind::End, _) => format!("It ended at {}.", self.source),
            (_, Some(text)) => text.clone(),
            (_, None) => String::new(),
        }
    }

    /// Which thing it is about: a later one of the same takes its place where only the newest
    /// counts.
    #[must_use]
    pub fn subject(&self) -> String {
        match &self.rule {
            Some(rule) => format!("rule\n{}\n{}", rule.name, self.source),
            None => format!("caption\n{}", self.source),
        }
    }
}

/// A time as it is told.
#[must_use]
pub fn rfc3339(time: &ZonedDateTime) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S%.3f%:z").to_string()
}

/// An id that no other occurrence has, of this process or another.
fn new_id() -> String {
    // The standard library's hashers are keyed by chance.
    static PROCESS: LazyLock<u64> = LazyLock::new(|| RandomState::new().build_hasher().finish());
    static COUNT: AtomicU64 = AtomicU64::new(0);
    format!("{:016x}-{}", *PROCESS, COUNT.fetch_add(1, Ordering::Relaxed))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::actions::{at, began};

    #[test]
    fn its_json_has_the_keys_of_the_contract_and_is_read_again() {
        let caption = Occurrence {
            text: Some("A red cup.".to_owned()),
            before: Some("A cup.".to_owned()),
            ..Occurrence::new(Kind::Caption, "door", &at())
        };
        let json = serde_json::to_value(&caption).expect("JSON");
        assert_eq!(
            json,
            serde_json::json!({
                "id": caption.id, "kind": "caption", "source": "door", "time": "2025-03-01T12:30:05.250+01:00",
                "text": "A red cup.", "before": "A cup."
            })
        );
        let rule = began("parcel", "door");
        let json = serde_json::to_value(&rule).expect("JSON");
        assert_eq!(
            (&json["kind"], &json["rule"]["name"], &json["text"]),
            (&"begin".into(), &"parcel".into(), &().into())
        );
        for occurrence in [caption, rule] {
            let json = serde_json::to_string(&occurrence).expect("JSON");
            assert_eq!(serde_json::from_str::<Occurrence>(&json).expect("read"), occurrence);
        }
    }

    #[test]
    fn people_read_the_rule_first_and_the_words_when_they_are_there() {
        let mut told = began("parcel", "door");
        assert_eq!((told.title(), told.body().as_str()), ("parcel", "It began at door (92 %)."));
        (told.kind, told.text) = (Kind::Words, Some("A parcel lies on a mat.".to_owned()));
        assert_eq!(told.body(), "A parcel lies on a mat.");
        told.kind = Kind::End;
        assert_eq!(told.body(), "It ended at door.");
    }

    #[test]
    fn no_two_have_the_same_id() {
        assert_ne!(Occurrence::test().id, Occurrence::test().id);
    }
}

//! Which topics there are and what is published to them: states, their attributes, and what Home
//! Assistant is to know of them (<https://www.home-assistant.io/integrations/mqtt>). Knows no
//! connection.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::actions::announced::Announced;
use crate::actions::deliver::Told;
use crate::actions::mqtt::session::Publication;
use crate::actions::occurrence::Kind;
use crate::actions::spec::topic_part;

/// The longest state that Home Assistant takes, in characters.
const LONGEST_STATE: usize = 255;
const VERSION: &str = env!("CARGO_PKG_VERSION");
const ONLINE: &str = "online";
const OFFLINE: &str = "offline";
const ON: &str = "ON";
const OFF: &str = "OFF";

/// See the module.
pub struct Topics {
    /// What all topics begin with.
    base: String,
    node: String,
    discovery: Option<String>,
    with_picture: bool,
    /// It is there for longer than one telling.
    is_present: bool,
    announced: Announced,
    /// A part of a topic for each source and each rule, which no other has.
    parts: BTreeMap<String, String>,
    /// What the broker was told to keep last, by topic.
    kept: BTreeMap<String, Vec<u8>>,
}

impl Topics {
    /// Without anything announced it is there for one telling alone, and says nothing of itself.
    pub fn new(node: &str, discovery: Option<String>, with_picture: bool, announced: Option<Announced>) -> Self {
        let is_present = announced.is_some();
        let announced = announced.unwrap_or_default();
        let mut parts = BTreeMap::new();
        let mut taken = BTreeSet::new();
        let names = announced.sources.iter().chain(announced.rules.iter().map(|rule| &rule.name));
        for name in names {
            if !parts.contains_key(name) {
                let part = topic_part(name);
                let mut own = part.clone();
                let mut number = 2;
                while !taken.insert(own.clone()) {
                    own = format!("{part}-{number}");
                    number += 1;
                }
                parts.insert(name.clone(), own);
            }
        }
        let (base, node) = (format!("sightline/{node}"), node.to_owned());
        Self { base, node, discovery, with_picture, is_present, announced, parts, kept: BTreeMap::new() }
    }

    /// What the broker says when the connection breaks.
    pub fn will(&self) -> Option<Publication> {
        self.is_present.then(|| retained(self.availability(), OFFLINE.into()))
    }

    /// What is said first on every connection: what there is, what is known of it, and that this
    /// program is there.
    pub fn greeting(&self) -> Vec<Publication> {
        if !self.is_present {
            return Vec::new();
        }
        let mut all = self.discovery.as_deref().map(|prefix| self.entities(prefix)).unwrap_or_default();
        for rule in &self.announced.rules {
            let topic = self.rule_topic(&rule.source, &rule.name);
            // One that held when another run ended would hold for ever.
            if !self.kept.contains_key(&topic) {
                all.push(retained(topic, OFF.into()));
            }
        }
        all.extend(self.kept.iter().map(|(topic, payload)| retained(topic.clone(), payload.clone())));
        all.push(retained(self.availability(), ONLINE.into()));
        all
    }

    /// What is published of one thing that happened.
    pub fn of(&self, told: Told<'_>) -> Vec<Publication> {
        let occurrence = told.occurrence;
        let source = format!("{}/{}", self.base, self.part(&occurrence.source));
        let whole = serde_json::to_vec(occurrence).unwrap_or_default();
        let mut all = Vec::new();
        match (occurrence.kind, &occurrence.rule) {
            (Kind::Caption, _) => {
                let topic = format!("{source}/caption");
                all.push(retained(format!("{topic}/attributes"), whole.clone()));
                all.push(retained(topic, state(occurrence.text.as_deref().unwrap_or_default()).into()));
            }
            (Kind::Begin | Kind::Words | Kind::End, Some(rule)) => {
                let topic = self.rule_topic(&occurrence.source, &rule.name);
                let state = if occurrence.kind == Kind::End { OFF } else { ON };
                all.push(retained(format!("{topic}/attributes"), whole.clone()));
                all.push(retained(topic, state.into()));
            }
            _ => {}
        }
        if let Some(picture) = told.picture.filter(|_| occurrence.kind != Kind::Test) {
            all.push(retained(format!("{source}/picture"), picture.to_vec()));
        }
        // For whoever acts on what happens, rather than on what is.
        all.push(Publication { topic: format!("{}/events", self.base), payload: whole, retain: false });
        all
    }

    /// The broker has these: they are said again to one that has forgotten.
    pub fn were_published(&mut self, all: Vec<Publication>) {
        let kept = all.into_iter().filter(|message| message.retain);
        self.kept.extend(kept.map(|message| (message.topic, message.payload)));
        // Said by every greeting in its own way.
        self.kept.remove(&self.availability());
    }

    fn availability(&self) -> String {
        format!("{}/availability", self.base)
    }

    fn part(&self, name: &str) -> String {
        self.parts.get(name).cloned().unwrap_or_else(|| topic_part(name))
    }

    fn rule_topic(&self, source: &str, rule: &str) -> String {
        format!("{}/{}/rule/{}", self.base, self.part(source), self.part(rule))
    }

    /// What Home Assistant shows: a sensor and a picture a source, a binary sensor a rule.
    fn entities(&self, prefix: &str) -> Vec<Publication> {
        let several = self.announced.sources.len() > 1;
        let mut all = Vec::new();
        let mut add = |kind: &str, part: &str, name: String, more: Value| {
            let id = format!("sightline_{}_{part}", self.node);
            let mut entity = json!({
                "name": name,
                "unique_id": id,
                "availability_topic": self.availability(),
                "device": {
                    "identifiers": [format!("sightline_{}", self.node)],
                    "name": format!("Sightline {}", self.node),
                    "sw_version": VERSION,
                },
                "origin": { "name": "Sightline", "sw_version": VERSION },
            });
            if let (Value::Object(entity), Value::Object(more)) = (&mut entity, more) {
                entity.extend(more);
            }
            let topic = format!("{prefix}/{kind}/sightline_{}/{part}/config", self.node);
            all.push(retained(topic, entity.to_string().into_bytes()));
        };
        for source in &self.announced.sources {
            let (part, topic) = (self.part(source), format!("{}/{}", self.base, self.part(source)));
            let named = |what: &str| if several { format!("{source} {what}") } else { capitalised(what) };
            let caption = json!({
                "state_topic": format!("{topic}/caption"),
                "json_attributes_topic": format!("{topic}/caption/attributes"),
                "icon": "mdi:text-box-outline",
            });
            add("sensor", &format!("{part}_caption"), named("caption"), caption);
            if self.with_picture {
                let picture = json!({ "image_topic": format!("{topic}/picture"), "content_type": "image/jpeg" });
                add("image", &format!("{part}_picture"), named("picture"), picture);
            }
        }
        for rule in &self.announced.rules {
            let topic = self.rule_topic(&rule.source, &rule.name);
            let name = if several { format!("{} at {}", rule.name, rule.source) } else { rule.name.clone() };
            let sensor = json!({
                "state_topic": topic,
                "json_attributes_topic": format!("{topic}/attributes"),
                "payload_on": ON,
                "payload_off": OFF,
            });
            let part = format!("{}_rule_{}", self.part(&rule.source), self.part(&rule.name));
            add("binary_sensor", &part, name, sensor);
        }
        all
    }
}

fn retained(topic: String, payload: Vec<u8>) -> Publication {
    Publication { topic, payload, retain: true }
}

/// A text within what a state may hold.
fn state(text: &str) -> String {
    if text.chars().count() <= LONGEST_STATE {
        return text.to_owned();
    }
    text.chars().take(LONGEST_STATE - 1).chain(['…']).collect()
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actions::announced::RuleName;
    use crate::actions::occurrence::Occurrence;
    use crate::testing::actions::{began, caption};

    fn announced(sources: &[&str], rules: &[(&str, &str)]) -> Announced {
        let rule = |(name, source): &(&str, &str)| RuleName { name: (*name).to_owned(), source: (*source).to_owned() };
        Announced {
            sources: sources.iter().map(|&source| source.to_owned()).collect(),
            rules: rules.iter().map(rule).collect(),
        }
    }

    fn text(message: &Publication) -> (&str, String) {
        (message.topic.as_str(), String::from_utf8_lossy(&message.payload).into_owned())
    }

    fn told(occurrence: &Occurrence) -> Told<'_> {
        Told { occurrence, picture: None }
    }

    #[test]
    fn a_state_is_short_and_its_attributes_have_the_whole_text() {
        let topics = Topics::new("pi", None, false, Some(announced(&["door"], &[])));
        let long = "ä".repeat(300);
        let all = topics.of(told(&caption("door", &long)));
        let (topic, short) = text(&all[1]);
        assert_eq!((topic, short.chars().count()), ("sightline/pi/door/caption", 255));
        assert!(short.ends_with("ä…"));
        let attributes: Value = serde_json::from_slice(&all[0].payload).expect("JSON");
        assert_eq!(
            (all[0].topic.as_str(), &attributes["text"]),
            ("sightline/pi/door/caption/attributes", &long.into())
        );
        assert!(all[0].retain && all[1].retain && !all[2].retain && all[2].topic == "sightline/pi/events");
        assert_eq!(state(&"a".repeat(255)).len(), 255);
    }

    #[test]
    fn a_rule_is_on_until_it_ends() {
        let topics = Topics::new("pi", None, true, Some(announced(&["door"], &[("a parcel", "door")])));
        let alert = began("a parcel", "door");
        let states = [Kind::Begin, Kind::Words, Kind::End].map(|kind| {
            let occurrence = Occurrence { kind, ..alert.clone() };
            let all = topics.of(Told { occurrence: &occurrence, picture: Some(b"jpeg") });
            assert_eq!(text(&all[2]), ("sightline/pi/door/picture", "jpeg".to_owned()));
            let (topic, state) = text(&all[1]);
            assert_eq!(topic, "sightline/pi/door/rule/a_parcel");
            state
        });
        assert_eq!(states, ["ON", "ON", "OFF"]);
        let passing = Topics::new("pi", Some("homeassistant".to_owned()), true, None);
        assert!(passing.greeting().is_empty() && passing.will().is_none());
        let test = topics.of(Told { occurrence: &Occurrence::test(), picture: None });
        assert_eq!(test.iter().map(|message| message.topic.as_str()).collect::<Vec<_>>(), ["sightline/pi/events"]);
    }

    #[test]
    fn home_assistant_is_told_what_there_is() {
        let several = announced(&["door", "rtsp://yard/1"], &[("cat", "rtsp://yard/1")]);
        let topics = Topics::new("pi", Some("homeassistant".to_owned()), true, Some(several));
        let all = topics.greeting();
        let entity = |topic: &str| -> Value {
            let message = all.iter().find(|message| message.topic == topic).unwrap_or_else(|| panic!("{topic}"));
            assert!(message.retain);
            serde_json::from_slice(&message.payload).expect("JSON")
        };
        let sensor = entity("homeassistant/sensor/sightline_pi/door_caption/config");
        assert_eq!(
            (&sensor["name"], &sensor["state_topic"], &sensor["json_attributes_topic"], &sensor["unique_id"]),
            (
                &"door caption".into(),
                &"sightline/pi/door/caption".into(),
                &"sightline/pi/door/caption/attributes".into(),
                &"sightline_pi_door_caption".into()
            )
        );
        assert_eq!(sensor["availability_topic"], text(&topics.will().expect("a will")).0);
        let image = entity("homeassistant/image/sightline_pi/rtsp___yard_1_picture/config");
        assert_eq!(image["image_topic"], "sightline/pi/rtsp___yard_1/picture");
        let rule = entity("homeassistant/binary_sensor/sightline_pi/rtsp___yard_1_rule_cat/config");
        assert_eq!((&rule["name"], &rule["payload_on"]), (&"cat at rtsp://yard/1".into(), &"ON".into()));
        assert_eq!(all.last().map(text), Some(("sightline/pi/availability", "online".to_owned())));
        assert_eq!(text(&topics.will().expect("a will")).1, "offline");
    }

    #[test]
    fn a_broker_that_forgot_is_told_again_and_a_rule_of_another_run_is_off() {
        let mut topics = Topics::new("pi", None, false, Some(announced(&["door"], &[("cat", "door")])));
        let first: Vec<_> = topics.greeting().iter().map(|message| text(message).1).collect();
        assert_eq!(first, ["OFF", "online"]);
        topics.were_published(topics.greeting());
        topics.were_published(topics.of(told(&began("cat", "door"))));
        let again = topics.greeting();
        let on = again.iter().find(|message| message.topic == "sightline/pi/door/rule/cat").expect("said again");
        assert_eq!(text(on).1, "ON");
        assert!(!again.iter().any(|message| message.topic.ends_with("/events")));
        assert_eq!(again.iter().filter(|message| message.topic.ends_with("/availability")).count(), 1);
    }

    #[test]
    fn names_that_look_alike_have_topics_of_their_own() {
        let topics = Topics::new("pi", None, false, Some(announced(&["a/b", "a+b"], &[])));
        let topic = |source: &str| topics.of(told(&caption(source, "A cup.")))[1].topic.clone();
        assert_eq!(
            (topic("a/b").as_str(), topic("a+b").as_str()),
            ("sightline/pi/a_b/caption", "sightline/pi/a_b-2/caption")
        );
    }
}

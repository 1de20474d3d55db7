//! The two objects that programs read from standard output: a turn of `describe` and a caption of
//! `watch`. Their keys are a contract; the tests hold them down.

use std::path::PathBuf;
use std::time::Duration;

use jiff::ZonedDateTime;
use serde::{Serialize, Serializer};
use vlm::{Draft, Reply, Stop, Timings};

use crate::engine::EngineCard;
use crate::live::Caption;

/// A turn of `describe --json`.
#[derive(Serialize)]
pub struct Description<'a> {
    /// As they were named on the command line; what is not UTF-8 is replaced.
    images: Vec<String>,
    #[serde(flatten)]
    told: TurnTold<'a>,
    /// With `--ids`.
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt_ids: Option<&'a [u32]>,
}

impl<'a> Description<'a> {
    pub fn new(images: &[PathBuf], prompt: &'a str, reply: &'a Reply, card: &'a EngineCard, ids: bool) -> Self {
        Self {
            images: images.iter().map(|path| path.display().to_string()).collect(),
            told: TurnTold::new(prompt, reply, card),
            prompt_ids: ids.then_some(&reply.prompt_ids),
        }
    }
}

/// A caption of `watch --json`.
#[derive(Serialize)]
pub struct CaptionLine<'a> {
    /// The source as it was written on the command line.
    source: &'a str,
    frame: u64,
    /// When the frame was captured, RFC 3339 with the offset of this place.
    time: String,
    age_ms: f64,
    #[serde(flatten)]
    told: TurnTold<'a>,
    dropped: u64,
    skipped: u64,
    draft: Draft,
    /// The mean log-probability of the caption's tokens.
    mean_log_prob: Option<f32>,
}

impl<'a> CaptionLine<'a> {
    pub fn new(caption: &'a Caption, source: &'a str, prompt: &'a str, card: &'a EngineCard) -> Self {
        Self {
            source,
            frame: caption.frame.id,
            time: rfc3339(&caption.frame.time),
            age_ms: milliseconds(caption.age),
            told: TurnTold::new(prompt, &caption.reply, card),
            dropped: caption.dropped,
            skipped: caption.skipped,
            draft: caption.reply.draft,
            mean_log_prob: caption.reply.mean_log_prob,
        }
    }
}

/// What both have in common.
#[derive(Serialize)]
struct TurnTold<'a> {
    prompt: &'a str,
    text: &'a str,
    token_ids: &'a [u32],
    prompt_tokens: usize,
    stop: Stop,
    model: &'a str,
    device: &'a str,
    precision: &'a str,
    #[serde(serialize_with = "stages")]
    ms: Timings,
}

impl<'a> TurnTold<'a> {
    fn new(prompt: &'a str, reply: &'a Reply, card: &'a EngineCard) -> Self {
        Self {
            prompt,
            text: &reply.text,
            token_ids: &reply.token_ids,
            prompt_tokens: reply.prompt_tokens(),
            stop: reply.stop,
            model: &card.model,
            device: &card.device,
            precision: &card.precision,
            ms: reply.timings,
        }
    }
}

/// Milliseconds of each stage.
#[derive(Serialize)]
struct Stages {
    preprocess: f64,
    vision: f64,
    prefill: f64,
    decode: f64,
    total: f64,
}

fn stages<S: Serializer>(timings: &Timings, serializer: S) -> Result<S::Ok, S::Error> {
    Stages {
        preprocess: milliseconds(timings.preprocess),
        vision: milliseconds(timings.vision),
        prefill: milliseconds(timings.prefill),
        decode: milliseconds(timings.decode),
        total: milliseconds(timings.total()),
    }
    .serialize(serializer)
}

/// Milliseconds, to the microsecond.
fn milliseconds(duration: Duration) -> f64 {
    duration.as_micros() as f64 / 1000.0
}

fn rfc3339(time: &ZonedDateTime) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S%.3f%:z").to_string()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use image::RgbImage;
    use serde_json::{Value, json};

    use super::*;
    use crate::live::frame::Frame;

    fn reply() -> Reply {
        Reply {
            text: "A cup.".to_owned(),
            token_ids: vec![49, 4],
            prompt_ids: vec![1, 2, 3],
            counted: None,
            stop: Stop::Length,
            draft: Draft { offered: 4, accepted: 2, passes: 5 },
            is_kept: false,
            is_doubted: false,
            mean_log_prob: Some(-0.25),
            timings: Timings {
                preprocess: Duration::from_micros(1500),
                vision: Duration::from_millis(20),
                prefill: Duration::from_millis(30),
                decode: Duration::from_millis(40),
            },
        }
    }

    fn card() -> EngineCard {
        EngineCard {
            model: "256m".to_owned(),
            device: "cpu".to_owned(),
            precision: "f32".to_owned(),
            ..EngineCard::default()
        }
    }

    fn keys(value: &Value) -> BTreeSet<&str> {
        value.as_object().expect("an object").keys().map(String::as_str).collect()
    }

    #[test]
    fn a_description_has_the_keys_of_the_contract() {
        let (reply, card) = (reply(), card());
        let images = [PathBuf::from("a.png"), PathBuf::from("b.png")];
        let value = serde_json::to_value(Description::new(&images, "What?", &reply, &card, false)).expect("JSON");
        assert_eq!(
            value,
            json!({
                "images": ["a.png", "b.png"], "prompt": "What?", "text": "A cup.", "token_ids": [49, 4],
                "prompt_tokens": 3, "stop": "length", "model": "256m", "device": "cpu", "precision": "f32",
                "ms": {"preprocess": 1.5, "vision": 20.0, "prefill": 30.0, "decode": 40.0, "total": 91.5},
            })
        );
        let with_ids = serde_json::to_value(Description::new(&images, "What?", &reply, &card, true)).expect("JSON");
        assert_eq!(with_ids["prompt_ids"], json!([1, 2, 3]));
    }

    #[test]
    fn a_caption_has_the_keys_of_the_contract() {
        let (reply, card) = (reply(), card());
        let mut frame = Frame::now(7, RgbImage::new(1, 1));
        frame.time = "2025-03-01T12:30:05.25+01:00[Europe/Berlin]".parse().expect("a time");
        let frame = Arc::new(frame);
        let caption = Caption { frame, reply, age: Duration::from_millis(1250), dropped: 5, skipped: 2 };
        let value = serde_json::to_value(CaptionLine::new(&caption, "camera:1", "What?", &card)).expect("JSON");
        let expected = [
            "source",
            "frame",
            "time",
            "age_ms",
            "dropped",
            "skipped",
            "draft",
            "mean_log_prob",
            "prompt",
            "text",
            "token_ids",
            "prompt_tokens",
            "stop",
            "model",
            "device",
            "precision",
            "ms",
        ];
        assert_eq!(keys(&value), BTreeSet::from(expected));
        assert_eq!(keys(&value["ms"]), BTreeSet::from(["preprocess", "vision", "prefill", "decode", "total"]));
        assert_eq!((&value["source"], &value["frame"]), (&json!("camera:1"), &json!(7)));
        assert_eq!(value["time"], "2025-03-01T12:30:05.250+01:00");
        assert_eq!(value["age_ms"], 1250.0);
        assert_eq!(value["mean_log_prob"], -0.25);
        assert_eq!(value["draft"], json!({"offered": 4, "accepted": 2, "passes": 5}));
        assert_eq!((&value["dropped"], &value["skipped"]), (&json!(5), &json!(2)));
    }
}

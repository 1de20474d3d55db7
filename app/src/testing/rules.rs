//! Rules and their events for tests.

use std::sync::Arc;

use image::RgbImage;

use crate::live::frame::Frame;
use crate::rules::event::{EventKind, RuleEvent};
use crate::rules::score::Score;
use crate::rules::spec::RuleSpec;

/// A rule from a TOML file.
pub fn rule(text: &str) -> RuleSpec {
    toml::from_str(text).expect("a rule")
}

/// An event of a rule "cup" at a source "door".
pub fn event(kind: EventKind) -> RuleEvent {
    let mut frame = Frame::now(7, RgbImage::from_pixel(640, 480, image::Rgb([200, 30, 30])));
    frame.time = "2025-03-01T12:30:05.25+01:00[Europe/Berlin]".parse().expect("a time");
    RuleEvent {
        rule: Arc::new(rule("name = \"cup\"\nsays = \"there is a cup\"\ndo = [\"home\"]")),
        source: "door".into(),
        kind,
        start: frame.time.clone(),
        end: matches!(kind, EventKind::End | EventKind::NearMiss)
            .then(|| "2025-03-01T12:31:05.25+01:00[Europe/Berlin]".parse().expect("a time")),
        score: Score { nats: 2.0 },
        peak: Score { nats: 3.0 },
        model_peak: Score { nats: 4.0 },
        frame: Arc::new(frame),
        caption: (kind != EventKind::Begin).then(|| "A cup of tea.".into()),
        is_quiet: false,
    }
}

//! Entries, events and logs for the tests of this module.

use std::sync::Arc;
use std::time::{Duration, Instant};

use image::RgbImage;
use rusqlite::Connection;
use tempfile::TempDir;
use vlm::{Draft, Reply, Stop, Tiling, Timings};

use crate::engine::EngineCard;
use crate::live::frame::Frame;
use crate::live::{Caption, Event, Question, Talk};
use crate::log::data::entry::{Entry, EntryKind, Metrics, Moment, Session, SessionStart};
use crate::log::store::Store;
use crate::log::store::rows;
use crate::log::store::schema;

pub fn card(model: &str) -> EngineCard {
    EngineCard {
        model: model.to_owned(),
        device: "cpu".to_owned(),
        precision: "f32".to_owned(),
        ..EngineCard::default()
    }
}

pub fn reply(text: &str) -> Reply {
    Reply {
        text: text.to_owned(),
        token_ids: vec![1; text.split(' ').count()],
        prompt_ids: vec![2; 81],
        counted: None,
        stop: Stop::End,
        draft: Draft { offered: 4, accepted: 3, passes: 2 },
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

pub fn caption(frame: Frame, text: &str) -> Event {
    let age = Duration::from_millis(95);
    Event::Captioned(Caption { frame: Arc::new(frame), reply: reply(text), age, dropped: 2, skipped: 1 })
}

pub fn captioned(id: u64, text: &str) -> Event {
    caption(Frame::now(id, RgbImage::new(64, 48)), text)
}

pub fn answered(question: &str, text: &str) -> Event {
    let frame = Arc::new(Frame::now(1, RgbImage::new(64, 48)));
    let talk = Talk { id: 1, view: 0, before: Arc::from([]), tiling: Tiling::One };
    Event::Answered { question: Question { id: 1, text: question.into(), frame, talk }, reply: reply(text) }
}

/// A frame that was captured this long after `start`, with a wall clock of its own.
pub fn frame(id: u64, start: Instant, after: Duration, time: &str) -> Frame {
    let mut frame = Frame::now(id, RgbImage::new(64, 48));
    frame.captured_at = start + after;
    frame.time = time.parse().expect("a time");
    frame
}

pub fn moment(text: &str) -> Moment {
    Moment::parse(text).expect("a moment")
}

/// A log in a folder of its own, which goes with it.
pub struct Scratch {
    pub store: Store,
    pub folder: TempDir,
}

impl Scratch {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::open(&folder.path().join("captions.db")).expect("a log");
        Self { store, folder }
    }

    pub fn session(&mut self, source: &str, model: &str, began: &str) -> i64 {
        let start = SessionStart {
            source: source.to_owned(),
            card: card(model),
            instruction: "What?".to_owned(),
            began: moment(began),
            ..SessionStart::default()
        };
        let session = Session { start, ..Session::default() };
        self.store.change(|c| rows::insert_session(c, &session)).expect("written")
    }

    pub fn add(&mut self, entry: &Entry) -> i64 {
        self.store.change(|c| rows::insert_entry(c, entry)).expect("written")
    }

    pub fn picture(&mut self, entry: i64, jpeg: &[u8]) {
        self.store.change(|c| rows::insert_thumbnail(c, entry, jpeg)).expect("written");
    }
}

/// A caption of this session, that long after its start.
pub fn entry(session: i64, at: &str, since_ms: i64, text: &str) -> Entry {
    Entry {
        session,
        frame: since_ms / 100,
        at: moment(at),
        since_ms,
        duration_ms: 1500,
        text: text.to_owned(),
        metrics: Metrics {
            age_ms: Some(95),
            dropped: Some(2),
            skipped: Some(1),
            mean_log_prob: Some(-0.25),
            ..Metrics::of(&reply(text))
        },
        ..Entry::default()
    }
}

/// Two sessions with what there can be in a log: repeats, an answer, a bookmark, a note, markup,
/// and a clock set back.
pub fn filled() -> Scratch {
    let mut log = Scratch::new();
    let camera = log.session("Front door", "256m", "2026-11-23T10:00:00.000+01:00");
    log.add(&entry(camera, "2026-11-23T10:00:01.000+01:00", 1000, "A cup of tea on a table"));
    log.add(&Entry {
        repeats: 3,
        duration_ms: 60_000,
        ..entry(camera, "2026-11-23T10:00:05.000+01:00", 5000, "A black cat")
    });
    let question = Some("What colour is the cat?".to_owned());
    log.add(&Entry {
        kind: EntryKind::Answer,
        question,
        duration_ms: 0,
        ..entry(camera, "2026-11-23T10:00:06.000+01:00", 6000, "Black, \"very\" black")
    });
    let note = Some("Minka is back".to_owned());
    log.add(&Entry {
        note,
        bookmarked: true,
        ..entry(camera, "2026-11-23T10:01:06.000+01:00", 66_000, "A cat & a <b>dog</b>")
    });
    let film = log.session("film.mp4", "500m", "2026-11-24T09:00:00.000+01:00");
    log.add(&entry(film, "2026-11-24T09:00:02.000+01:00", 2000, "=SUM(A1) on a screen"));
    // The clock was set back by an hour in between.
    log.add(&entry(film, "2026-11-24T08:00:04.000+01:00", 4000, "Teapots, two of them\nand a café"));
    log.picture(1, &[0xff, 0xd8, 1, 2, 3]);
    log
}

/// Makes the tables and a bookmarked row as the first version had them.
pub fn fill_as_version_one(connection: &mut Connection) {
    schema::migrate(connection, &schema::STEPS[..1]).expect("migrated");
    connection
        .execute_batch(
            "INSERT INTO session (source, model, device, precision, instruction, began_ms, offset_s)
                 VALUES ('camera', 'demo', 'cpu', 'f32', 'What?', 1000, 3600);
             INSERT INTO entry (session, kind, frame, at_ms, offset_s, since_ms, text, bookmarked, preprocess_us, vision_us,
                 prefill_us, decode_us, prompt_tokens, tokens, stop, draft_offered, draft_accepted)
                 VALUES (1, 1, 7, 2000, 3600, 1000, 'A cup of tea', 1, 1, 2, 3, 4, 5, 6, 'end', 0, 0);",
        )
        .expect("written");
}

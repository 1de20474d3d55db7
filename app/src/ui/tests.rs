//! The window as a person meets it: found by its labels, with a fake camera and a fake engine
//! behind the real pipeline.

mod bench;
mod downloads;
mod everyday;
mod everything;
mod first_run;
mod grid;
mod kept;
mod log_panel;
mod models;
mod panels;
mod player;
mod questions;
mod raster;
mod rules_panel;
mod sheet;
mod sizes;
mod snapshots;
mod sources;
mod spoken;

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use egui::{Key, ViewportId};
use egui_kittest::kittest::Queryable;
use egui_kittest::{Harness, HarnessBuilder};
use image::RgbImage;
use jiff::ZonedDateTime;

use crate::base::message::Message;
use crate::capture::{CameraChoice, SourceOptions, SourceSpec};
use crate::live::{Framing, OpenEngine, OpenSource, Settings};
use crate::log::{Keep, LogOptions};
use crate::models::spec::ModelSpec;
use crate::models::{ModelFacts, ModelState};
use crate::plan::ViewPlan;
use crate::testing::pipeline::{Call, EngineFault, EngineScript, SourceScript, Step, answer_of, caption_of};
use crate::ui::preferences::Preferences;
use crate::ui::tests::bench::{Bench, FakePlatform, asks, open, view, wait};
use crate::ui::window::{SIZE, icon};
use crate::ui::*;

/// How long a condition may take on a machine that is busy with other work.
const PATIENCE: Duration = Duration::from_secs(30);
const BOX: &str = "Question about the picture";

#[test]
fn a_caption_streams_under_the_picture() {
    let mut bench = Bench::open(Some("camera"), Some("256m"));
    bench.engine().hold_captions(true);
    bench.platform.source.show(10);
    bench.wait_for_part("still still");
    assert!(bench.shows("Live picture"));
    bench.engine().hold_captions(false);
    bench.platform.source.show(20);
    bench.wait_for_label(&caption_of(20));
    bench.wait_for_label("Captions in the last minute");
    assert!(bench.shows("fake · cpu · f32"));
    bench.window.check_accessibility();
}

#[test]
fn enter_asks_about_the_frame_on_screen_and_captions_go_on_afterwards() {
    let mut bench = Bench::captioned();
    bench.engine().hold_answers(true);
    bench.ask("Who is there?");
    bench.wait_for_label("Who is there?");
    bench.wait_for_part("still still");
    assert!(bench.shows("Stop answer"));
    // The view moves on while the answer is written; it is still about the picture that was asked
    // about.
    bench.platform.source.show(99);
    bench.engine().hold_answers(false);
    bench.wait("the end of the answer", |window| window.query_by_label_contains("Answered in").is_some());
    assert!(bench.shows("Only 10."), "the answer is about the frame that was on screen");
    bench.wait_for_label(&caption_of(99));
    assert!(bench.engine().calls().contains(&Call::Ask("Who is there?".to_owned())));
}

#[test]
fn the_answer_is_shown_whole() {
    let mut bench = Bench::captioned();
    bench.ask("Red?");
    bench.wait_for_label(&answer_of("Red?", 10));
    bench.click("Clear questions");
    assert!(!bench.shows("Red?"));
}

#[test]
fn an_empty_question_is_not_sent() {
    let mut bench = Bench::captioned();
    bench.ask("   ");
    bench.ask("");
    bench.click("Ask");
    bench.platform.source.show(20);
    bench.wait_for_label(&caption_of(20));
    assert_eq!(asks(&bench.engine().calls()), 0);
    assert!(!bench.shows("Questions"));
}

#[test]
fn a_question_without_a_picture_is_kept() {
    let mut bench = Bench::open(None, Some("256m"));
    bench.ask("Anyone?");
    assert_eq!(bench.window.get_by_label(BOX).value().as_deref(), Some("Anyone?"));
    assert!(!bench.shows("Questions"));
}

#[test]
fn escape_stops_an_answer() {
    let mut bench = Bench::captioned();
    bench.engine().hold_answers(true);
    bench.ask("Why?");
    bench.wait_for_part("still still");
    bench.window.key_press(Key::Escape);
    bench.wait_for_label("Stopped");
    bench.wait_for_label("Ask");
}

#[test]
fn more_questions_than_may_wait_are_given_back() {
    let mut bench = Bench::captioned();
    bench.engine().hold_answers(true);
    bench.ask("Number 0?");
    bench.wait_for_part("still still");
    for number in 1..=5 {
        bench.ask(&format!("Number {number}?"));
    }
    bench.wait_for_part("questions are waiting already");
    assert_eq!(bench.window.get_by_label(BOX).value().as_deref(), Some("Number 5?"));
    bench.click("Dismiss");
    assert!(!bench.shows("questions are waiting already"));
}

#[test]
fn space_pauses_the_picture_unless_a_question_is_typed() {
    let mut bench = Bench::captioned();
    bench.window.key_press(Key::Space);
    bench.wait_for_label("Paused");
    let closed = Arc::clone(&bench.platform.source.closed);
    bench.wait("the camera to be put away", |_| closed.load(Ordering::SeqCst) == 1);
    bench.platform.source.show(77);
    assert_eq!(bench.window.state().video.frame().map(|frame| frame.id), Some(1), "the paused picture stays");
    bench.click("Resume");
    bench.wait_for_label(&caption_of(77));
    assert_eq!(bench.window.state().video.frame().map(|frame| frame.id), Some(2));

    bench.ask("a b");
    bench.window.key_press(Key::Space);
    bench.window.step();
    assert!(!bench.shows("Paused"));
}

#[test]
fn the_pickers_open_what_is_chosen() {
    let mut bench = Bench::open(None, None);
    bench.click("Choose a source");
    bench.wait_for_part("Desk camera");
    bench.click("Desk camera");
    bench.click("Choose a model");
    bench.click("SmolVLM 500M");
    assert_eq!(bench.opened(), ["source camera:1", "model 500m"]);
    bench.platform.source.show(30);
    bench.wait_for_label(&caption_of(30));
    assert!(bench.shows("Fake camera") && bench.shows("SmolVLM 500M"));
}

#[test]
fn a_dialog_does_not_hold_up_the_window() {
    let mut bench = Bench::captioned();
    *bench.platform.chosen.lock().expect("no thread panicked") = Some("/somewhere/cat.png".into());
    bench.click("Fake camera");
    bench.wait_for_part("Desk camera");
    bench.click("Open picture or video…");
    let platform = Arc::clone(&bench.platform);
    bench.wait("the chosen file", |_| {
        platform.opened.lock().expect("no thread panicked").contains(&"source /somewhere/cat.png".to_owned())
    });
    assert!(!bench.shows(&caption_of(10)), "the caption of the old source is gone");
    bench.wait("the new source", |_| platform.source.opened.load(Ordering::SeqCst) == 2);
    bench.platform.source.show(40);
    bench.wait_for_label(&caption_of(40));
}

#[test]
fn a_missing_model_leaves_the_window_usable() {
    let engine = EngineScript::default();
    engine.refuse(Some("There is no model in /nowhere. Choose another folder."));
    let mut bench = Bench::with(SourceScript::live(), engine, Some("camera"), Some("/nowhere"));
    bench.platform.source.show(10);
    bench.wait_for_part("There is no model in /nowhere.");
    bench.wait_for_part("Live picture");
    bench.engine().refuse(None);
    *bench.platform.chosen.lock().expect("no thread panicked") = Some("/models/good".into());
    bench.click("Open model folder…");
    bench.wait_for_label(&caption_of(10));
    assert!(!bench.shows("There is no model"), "the notice goes with its cause");
    assert!(bench.opened().contains(&"model /models/good".to_owned()));
}

#[test]
fn a_failing_engine_is_told_and_starts_again() {
    let mut bench = Bench::captioned();
    bench.engine().fail(EngineFault::Engine("The model ran out of memory."));
    bench.platform.source.show(20);
    bench.wait_for_part("The model ran out of memory.");
    bench.platform.source.show(30);
    bench.wait_for_label(&caption_of(30));
    assert!(!bench.shows("ran out of memory"));
}

#[test]
fn a_panicking_engine_does_not_take_the_window_down() {
    let mut bench = Bench::captioned();
    bench.engine().fail(EngineFault::Panic("index out of bounds"));
    bench.platform.source.show(20);
    bench.wait("the engine to be opened again", |window| {
        window.query_by_label_contains("is not running").is_some()
            || window.query_by_label_contains("Loading").is_some()
    });
    bench.platform.source.show(30);
    bench.wait_for_label(&caption_of(30));
}

#[test]
fn a_question_that_fails_says_why_in_its_place() {
    let mut bench = Bench::captioned();
    bench.engine().fail(EngineFault::Request("The question is longer than the model can read."));
    bench.ask("Too long?");
    bench.wait_for_part("longer than the model can read");
    bench.platform.source.show(20);
    bench.wait_for_label(&caption_of(20));
}

#[test]
fn a_lost_source_counts_down_and_comes_back() {
    let mut bench = Bench::captioned();
    bench.platform.source.refuse.store(1, Ordering::SeqCst);
    bench.platform.source.then(Step::Lost("The camera was unplugged."));
    bench.wait_for_part("The camera");
    bench.platform.source.show(20);
    bench.wait_for_label(&caption_of(20));
    assert!(!bench.shows("unplugged"));
}

#[test]
fn nothing_is_drawn_when_nothing_happens() {
    let mut bench = Bench::open(None, None);
    bench.window.run();
    let delay = |window: &Harness<'_, App>| window.output().viewport_output[&ViewportId::ROOT].repaint_delay;
    assert_eq!(delay(&bench.window), Duration::MAX, "no timer runs");

    let requests = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&requests);
    bench.window.ctx.set_request_repaint_callback(move |_| {
        counter.fetch_add(1, Ordering::SeqCst);
    });
    thread::sleep(Duration::from_millis(300));
    assert_eq!(requests.load(Ordering::SeqCst), 0, "nobody asked for a repaint");

    bench.click("Choose a model");
    bench.click("SmolVLM 256M");
    bench.wait_for_part("fake · cpu · f32");
    assert!(requests.load(Ordering::SeqCst) > 0, "news of the pipeline ask for one");
}

#[test]
fn while_an_age_is_shown_the_window_is_drawn_about_once_a_second() {
    let source = SourceScript::patient();
    source.show(10).then(Step::Ended);
    let mut bench = Bench::with(source, EngineScript::default(), Some("picture.png"), Some("256m"));
    bench.wait_for_label(&caption_of(10));
    bench.wait_for_part("No more pictures");
    bench.window.run();
    let delay = bench.window.output().viewport_output[&ViewportId::ROOT].repaint_delay;
    assert!(delay > Duration::ZERO && delay <= Duration::from_secs(1), "{delay:?}");
}

#[test]
fn a_pipeline_that_does_not_start_says_so_in_its_own_words() {
    let cause = UiError::no_thread(&io::Error::from(io::ErrorKind::OutOfMemory));
    let error = UiError::no_window(&eframe::Error::AppCreation(Box::new(cause.clone())));
    assert_eq!(error, cause);
}

#[test]
fn the_icon_is_a_picture() {
    assert_eq!(icon().map(|icon| (icon.width, icon.height)), Some((256, 256)));
}

//! Whole pipelines, with a source and an engine that do as they are told. Nothing is timed: every
//! test waits for events or conditions, up to a limit that only a hang reaches.

mod captions;
mod ending;
mod failures;
mod hangs;
mod lanes;
mod player;
mod questions;
mod views;

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::thread;

use vlm::Stop;

use crate::live::events::{Asked, Caption, Event, Told, Worker};
use crate::live::gate::GateSettings;
use crate::live::pipeline::*;
use crate::testing::pipeline::{Call, EngineFault, EngineScript, SourceScript, Step, answer_of, caption_of, picture};

/// Only a hang takes this long, on however busy a machine.
const LIMIT: Duration = Duration::from_mins(1);

fn ungated() -> Settings {
    Settings { instruction: "Describe.".to_owned(), gate: None, ..Settings::default() }
}

fn start(settings: Settings) -> Pipeline {
    Pipeline::start(vec![settings], Arc::new(|| {})).expect("threads start")
}

/// A pipeline with its model loaded and its source open.
fn running(settings: Settings, source: &SourceScript, engine: &EngineScript) -> Pipeline {
    let pipeline = start(settings);
    pipeline.set_engine(ModelSpec::Demo, engine.open());
    until(&pipeline, |event| matches!(event, Event::ModelReady(_)).then_some(()));
    pipeline.view(0).set_source(source.open());
    until(&pipeline, |event| matches!(event, Event::SourceOpened { .. }).then_some(()));
    pipeline
}

/// Takes events up to the first one that `wanted` makes something of.
fn until<T>(pipeline: &Pipeline, mut wanted: impl FnMut(&Event) -> Option<T>) -> T {
    let deadline = Instant::now() + LIMIT;
    let mut seen = Vec::new();
    while Instant::now() < deadline {
        if let Some(Report { event, .. }) = pipeline.wait_event(Duration::from_millis(100)) {
            if let Some(found) = wanted(&event) {
                return found;
            }
            seen.push(event);
        }
    }
    panic!("not seen, but: {seen:?}");
}

fn wait_for(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + LIMIT;
    while !condition() {
        assert!(Instant::now() < deadline, "{what}");
        thread::sleep(Duration::from_millis(1));
    }
}

fn any_caption(event: &Event) -> Option<Caption> {
    match event {
        Event::Captioned(caption) => Some(caption.clone()),
        _ => None,
    }
}

/// A pipeline with its model loaded and a source open in each view.
fn running_all(settings: Settings, sources: &[&SourceScript], engine: &EngineScript) -> Pipeline {
    let pipeline = Pipeline::start(vec![settings; sources.len()], Arc::new(|| {})).expect("threads start");
    pipeline.set_engine(ModelSpec::Demo, engine.open());
    for (number, source) in sources.iter().enumerate() {
        pipeline.view(number).set_source(source.open());
    }
    pipeline
}

/// Takes reports up to the first one that `wanted` makes something of.
fn until_report<T>(pipeline: &Pipeline, mut wanted: impl FnMut(&Report) -> Option<T>) -> T {
    let deadline = Instant::now() + LIMIT;
    while Instant::now() < deadline {
        if let Some(report) = pipeline.wait_event(Duration::from_millis(100))
            && let Some(found) = wanted(&report)
        {
            return found;
        }
    }
    panic!("not seen");
}

/// The view and the words of a caption that was not cut short.
fn caption_in(report: &Report) -> Option<(usize, Caption)> {
    Some((report.view?, whole_caption(&report.event)?))
}

/// A caption that was not cut short.
fn whole_caption(event: &Event) -> Option<Caption> {
    any_caption(event).filter(|caption| caption.reply.stop != Stop::Cancelled)
}

fn began(of: Told) -> impl FnMut(&Event) -> Option<()> {
    move |event| matches!(event, Event::Began(began) if *began == of).then_some(())
}

fn text_of(of: Told) -> impl FnMut(&Event) -> Option<()> {
    move |event| matches!(event, Event::Text { of: text, .. } if *text == of).then_some(())
}

fn answered(event: &Event) -> Option<(Asked, u64, vlm::Reply)> {
    match event {
        Event::Answered { question, reply } => Some((question.id, question.frame.id, reply.clone())),
        _ => None,
    }
}

/// Three patient sources show so many pictures each, and end. Every picture is captioned once, in
/// the order of its source.
fn every_picture_of_three_sources(engine: &EngineScript, pictures: u8) {
    let sources = [1, 2, 3].map(|_| SourceScript::patient());
    for (number, source) in sources.iter().enumerate() {
        for picture in 1..=pictures {
            source.show(50 * number as u8 + picture);
        }
        source.then(Step::Ended);
    }
    let pipeline = running_all(ungated(), &sources.iter().collect::<Vec<_>>(), engine);
    let mut texts: BTreeMap<usize, Vec<String>> = BTreeMap::new();
    let mut done = 0;
    until_report(&pipeline, |report| {
        if let Some((view, caption)) = caption_in(report) {
            texts.entry(view).or_default().push(caption.reply.text);
        }
        done += u32::from(matches!(report.event, Event::Done));
        (done == 3).then_some(())
    });
    for view in 0..3 {
        let expected: Vec<_> = (1..=pictures).map(|picture| caption_of(50 * view as u8 + picture)).collect();
        assert_eq!(texts[&view], expected, "view {view}");
    }
}

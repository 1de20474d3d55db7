//! An engine that takes several requests at a time: one a view, no more than it takes, and nothing
//! lost.

use std::collections::BTreeMap;

use crate::live::pipeline::tests::*;

/// Live sources that have shown a picture each, whose captions go on for ever.
fn held(engine: &EngineScript, sources: &[SourceScript]) -> Pipeline {
    engine.hold_captions(true);
    for (number, source) in sources.iter().enumerate() {
        source.show(10 + number as u8);
    }
    running_all(ungated(), &sources.iter().collect::<Vec<_>>(), engine)
}

fn live<const N: usize>() -> [SourceScript; N] {
    [(); N].map(|()| SourceScript::live())
}

#[test]
fn as_many_views_as_the_engine_takes_are_captioned_at_the_same_time() {
    let (engine, sources) = (EngineScript::parallel(3), live::<5>());
    let pipeline = held(&engine, &sources);
    wait_for("three are under way", || engine.under_way().0 == 3);
    engine.hold_captions(false);
    let mut texts = BTreeMap::new();
    until_report(&pipeline, |report| {
        let (view, caption) = caption_in(report)?;
        texts.insert(view, caption.reply.text.trim_start_matches("still ").to_owned());
        (texts.len() == 5).then_some(())
    });
    assert_eq!(engine.under_way().1, 3, "and never more");
    let expected: BTreeMap<_, _> = (0..5).map(|view| (view, caption_of(10 + view as u8))).collect();
    assert_eq!(texts, expected);
}

#[test]
fn every_picture_is_captioned_once_and_in_order() {
    every_picture_of_three_sources(&EngineScript::parallel(2), 6);
}

#[test]
fn a_question_stops_its_own_views_caption_and_no_other_while_there_is_room() {
    let (engine, sources) = (EngineScript::parallel(3), live::<3>());
    let pipeline = held(&engine, &sources);
    wait_for("three are under way", || engine.under_way().0 == 3);
    let frame = pipeline.view(1).latest_frame().expect("a frame");
    let asked = pipeline.view(1).ask("What is it?", frame).expect("room for a question");
    let mut cut = Vec::new();
    let text = until_report(&pipeline, |report| {
        cut.extend(any_caption(&report.event).and(report.view));
        let (question, _, reply) = answered(&report.event)?;
        assert_eq!((report.view, question), (Some(1), asked.id));
        Some(reply.text)
    });
    assert_eq!((text, cut), (answer_of("What is it?", 11), vec![1]));
    wait_for("its caption is taken up again", || engine.under_way().0 == 3);
    assert_eq!(engine.under_way().1, 3, "one request a view");
}

#[test]
fn an_engine_that_fails_in_one_lane_is_opened_again_and_every_view_goes_on() {
    let (engine, sources) = (EngineScript::parallel(2), live::<2>());
    let pipeline = held(&engine, &sources);
    wait_for("two are under way", || engine.under_way().0 == 2);
    engine.fail(EngineFault::Panic("out of memory"));
    engine.hold_captions(false);
    let mut captioned = 0;
    until_report(&pipeline, |report| {
        captioned += u32::from(caption_in(report).is_some());
        (captioned == 2).then_some(())
    });
    // The fault strikes the next one of either, and the other is none the worse.
    sources[0].show(20);
    let why = until(&pipeline, |event| match event {
        Event::Failed { message, retry_in: Some(_), worker: Worker::Inference } => Some(message.to_string()),
        _ => None,
    });
    assert!(why.contains("out of memory"), "{why}");
    sources[1].show(30);
    let text = until_report(&pipeline, |report| caption_in(report).filter(|(view, _)| *view == 1)).1.reply.text;
    assert_eq!((text, engine.opened.load(Ordering::SeqCst)), (caption_of(30), 2));
}

#[test]
fn another_model_stops_all_lanes() {
    let (engine, other, sources) = (EngineScript::parallel(2), EngineScript::default(), live::<2>());
    let pipeline = held(&engine, &sources);
    wait_for("two are under way", || engine.under_way().0 == 2);
    pipeline.set_engine(ModelSpec::Demo, other.open());
    let mut views = Vec::new();
    until_report(&pipeline, |report| {
        views.extend(caption_in(report).map(|(view, _)| view));
        (views.len() == 2).then_some(())
    });
    views.sort_unstable();
    assert_eq!((views, engine.under_way().0), (vec![0, 1], 0), "each view once, by the other model");
    assert_eq!(other.calls().iter().filter(|call| matches!(call, Call::Caption(_))).count(), 2);
}

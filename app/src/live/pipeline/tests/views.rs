//! Several views share one engine: each gets its turn, and what happens to one disturbs no other.

use crate::live::pipeline::tests::*;

#[test]
fn every_picture_of_every_source_is_captioned_by_one_engine() {
    let engine = EngineScript::default();
    every_picture_of_three_sources(&engine, 4);
    assert_eq!(engine.opened.load(Ordering::SeqCst), 1);
}

#[test]
fn a_busy_source_does_not_starve_a_quiet_one() {
    let (engine, busy, quiet) = (EngineScript::default(), SourceScript::live(), SourceScript::live());
    let settings = Settings { gate: Some(GateSettings::default()), ..ungated() };
    let pipeline = running_all(settings, &[&busy, &quiet], &engine);
    busy.show(1);
    until_report(&pipeline, caption_in);
    quiet.show(1);
    until_report(&pipeline, |report| caption_in(report).filter(|(view, _)| *view == 1));
    // Something changes there, once, while everything changes here all the time.
    engine.hold_captions(true);
    busy.show(200);
    until_report(&pipeline, |report| began(Told::Caption { frame: 2 })(&report.event));
    quiet.show(61);
    wait_for("the change is seen", || pipeline.view(1).statistics().captured == 2);
    engine.hold_captions(false);
    let mut red = 1_u8;
    let mut turns_of_others = 0;
    until_report(&pipeline, |report| {
        let (view, _) = caption_in(report)?;
        red = red.wrapping_add(100);
        busy.show(red);
        turns_of_others += u32::from(view == 0);
        (view == 1).then_some(())
    });
    assert!(turns_of_others <= 6, "{turns_of_others}");
}

#[test]
fn a_question_goes_before_the_captions_of_all_views_and_is_about_its_own() {
    let (engine, one, other) = (EngineScript::default(), SourceScript::live(), SourceScript::live());
    let pipeline = running_all(ungated(), &[&one, &other], &engine);
    other.show(9);
    until_report(&pipeline, caption_in);
    engine.hold_captions(true);
    one.show(5);
    until_report(&pipeline, |report| {
        (report.view == Some(0)).then(|| text_of(Told::Caption { frame: 1 })(&report.event)).flatten()
    });
    let frame = pipeline.view(1).latest_frame().expect("a frame");
    let asked = pipeline.view(1).ask("What is it?", frame).expect("room for a question");
    let cut = until_report(&pipeline, |report| Some((report.view, any_caption(&report.event)?.reply.stop)));
    assert_eq!(cut, (Some(0), Stop::Cancelled));
    engine.hold_captions(false);
    let (view, question, text) = until_report(&pipeline, |report| {
        let (question, _, reply) = answered(&report.event)?;
        Some((report.view, question, reply.text))
    });
    assert_eq!((view, question, text), (Some(1), asked.id, answer_of("What is it?", 9)));
    let (view, caption) = until_report(&pipeline, caption_in);
    // It may have begun before the hold was over, which the fake says first.
    assert_eq!((view, caption.reply.text.trim_start_matches("still ")), (0, &*caption_of(5)), "taken up again");
    let looks = engine.calls().iter().filter(|call| matches!(call, Call::Look(_))).count();
    assert_eq!(looks, 2, "each view keeps its picture in hand");
}

#[test]
fn a_pause_a_loss_and_a_fault_of_one_view_disturb_no_other() {
    let (engine, one, other) = (EngineScript::default(), SourceScript::live(), SourceScript::live());
    let pipeline = running_all(ungated(), &[&one, &other], &engine);
    let captions_go_on = |red: u8| {
        other.show(red);
        let (view, caption) = until_report(&pipeline, caption_in);
        assert_eq!((view, caption.reply.text), (1, caption_of(red)));
    };
    pipeline.view(0).set_paused(true);
    one.show(1);
    wait_for("the video goes on", || pipeline.view(0).latest_frame().is_some());
    captions_go_on(11);
    one.then(Step::Panic("a bad frame"));
    captions_go_on(12);
    one.then(Step::Broken("That is no camera."));
    captions_go_on(13);
    // A caption of the other view is not interrupted by a pause of this one.
    engine.hold_captions(true);
    other.show(14);
    until_report(&pipeline, |report| began(Told::Caption { frame: 4 })(&report.event));
    pipeline.view(0).set_paused(false);
    pipeline.view(0).set_paused(true);
    engine.hold_captions(false);
    let caption = until_report(&pipeline, |report| any_caption(&report.event));
    assert_eq!((caption.reply.stop, pipeline.view(1).statistics().dropped), (Stop::End, 0));
}

#[test]
fn views_come_and_go_while_the_others_go_on() {
    let (engine, one, other) = (EngineScript::default(), SourceScript::live(), SourceScript::live());
    let mut pipeline = running_all(ungated(), &[&one], &engine);
    let captioned = |pipeline: &Pipeline, wanted: usize, red: u8| {
        let (view, caption) = until_report(pipeline, caption_in);
        assert_eq!((view, caption.reply.text), (wanted, caption_of(red)));
    };
    one.show(1);
    captioned(&pipeline, 0, 1);
    let added = pipeline.add_view(Settings { instruction: "Where?".to_owned(), ..ungated() }).expect("a thread");
    assert_eq!(added, 1);
    pipeline.view(1).set_source(other.open());
    other.show(7);
    captioned(&pipeline, 1, 7);
    assert!(engine.calls().contains(&Call::Caption("Where?".to_owned())));

    pipeline.remove_view(1);
    wait_for("its source is closed", || other.closed.load(Ordering::SeqCst) == 1);
    wait_for("the engine holds nothing of it", || engine.calls().contains(&Call::Close));
    one.show(2);
    captioned(&pipeline, 0, 2);

    assert_eq!(pipeline.add_view(ungated()).expect("a thread"), 1, "its place is free");
    let third = SourceScript::live();
    pipeline.view(1).set_source(third.open());
    third.show(7);
    captioned(&pipeline, 1, 7);
    assert_eq!(pipeline.view(1).statistics().captured, 1);
    assert_eq!(engine.opened.load(Ordering::SeqCst), 1, "one model for all");
}

#[test]
fn an_engine_of_several_requests_serves_views_that_are_added() {
    let engine = EngineScript::parallel(4);
    let sources = [SourceScript::live(), SourceScript::live(), SourceScript::live()];
    let mut pipeline = running_all(ungated(), &[&sources[0]], &engine);
    until(&pipeline, |event| matches!(event, Event::ModelReady(_)).then_some(()));
    for source in &sources[1..] {
        let number = pipeline.add_view(ungated()).expect("a thread");
        pipeline.view(number).set_source(source.open());
    }
    engine.hold_captions(true);
    for source in &sources {
        source.show(3);
    }
    wait_for("a request of each view", || engine.under_way().0 == 3);
    engine.hold_captions(false);
    let mut seen = std::collections::BTreeSet::new();
    until_report(&pipeline, |report| {
        seen.insert(caption_in(report)?.0);
        (seen.len() == 3).then_some(())
    });
}

#[test]
fn another_source_is_captioned_though_it_shows_the_same() {
    let (engine, one, other) = (EngineScript::default(), SourceScript::live(), SourceScript::live());
    let settings = Settings { gate: Some(GateSettings::default()), ..ungated() };
    let pipeline = running_all(settings, &[&one], &engine);
    one.show(7);
    until_report(&pipeline, caption_in);
    pipeline.view(0).set_source(other.open());
    other.show(7);
    let (_, caption) = until_report(&pipeline, caption_in);
    assert_eq!((caption.frame.id, caption.reply.text), (2, caption_of(7)));
}

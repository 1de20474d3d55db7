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

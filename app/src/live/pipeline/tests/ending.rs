//! Nothing waits for ever: stopping, dropping, and a front end that takes no events.

use crate::live::pipeline::tests::*;

#[test]
fn a_front_end_that_takes_no_events_loses_no_caption() {
    let (source, engine) = (SourceScript::patient(), EngineScript::default());
    let pipeline = running(ungated(), &source, &engine);
    let pictures = EVENTS as u64;
    for red in 0..pictures {
        source.show((red % 200) as u8);
    }
    source.then(Step::Ended);
    // Far more events than the channel has room for: the threads wait.
    wait_for("the channel is full", || pipeline.events.is_full());
    let mut ids = Vec::new();
    let mut text = String::new();
    until(&pipeline, |event| {
        match event {
            Event::Began(_) => text.clear(),
            Event::Text { piece, .. } => text += piece,
            Event::Captioned(caption) => {
                assert_eq!(caption.reply.text, text);
                ids.push(caption.frame.id);
            }
            _ => {}
        }
        matches!(event, Event::Done).then_some(())
    });
    assert_eq!(ids, (1..=pictures).collect::<Vec<_>>());
}

/// Drops the pipeline on a thread of its own, so that a hang fails the test instead of stopping it.
fn drop_in_time(pipeline: Pipeline) {
    let (alive, dropped) = bounded::<()>(0);
    thread::spawn(move || {
        drop(pipeline);
        drop(alive);
    });
    let end = dropped.recv_timeout(LIMIT);
    assert_eq!(end, Err(crossbeam_channel::RecvTimeoutError::Disconnected));
}

#[test]
fn dropping_stops_a_caption_an_answer_and_a_silent_source() {
    let (source, engine) = (SourceScript::live(), EngineScript::default());
    let pipeline = running(ungated(), &source, &engine);
    engine.hold_captions(true);
    source.show(1);
    until(&pipeline, text_of(Told::Caption { frame: 1 }));
    let ended: Vec<_> = lock(&pipeline.workers).iter().map(Watched::ended).collect();
    drop_in_time(pipeline);
    // Joined, and not left behind.
    assert!(ended.iter().all(|ended| ended.try_recv() == Err(crossbeam_channel::TryRecvError::Disconnected)));

    engine.hold_answers(true);
    engine.hold_captions(false);
    let pipeline = running(ungated(), &source, &engine);
    source.show(1);
    until(&pipeline, whole_caption);
    let frame = pipeline.view(0).latest_frame().expect("a frame");
    let asked = pipeline.view(0).ask("For ever?", frame).expect("room for a question").id;
    until(&pipeline, text_of(Told::Answer(asked)));
    let ended: Vec<_> = lock(&pipeline.workers).iter().map(Watched::ended).collect();
    drop_in_time(pipeline);
    assert!(ended.iter().all(|ended| ended.try_recv() == Err(crossbeam_channel::TryRecvError::Disconnected)));
}

#[test]
fn dropping_an_idle_pipeline_and_one_that_nobody_listens_to_ends_too() {
    drop_in_time(start(ungated()));
    let (source, engine) = (SourceScript::patient(), EngineScript::default());
    let pipeline = running(ungated(), &source, &engine);
    for red in 0..=200 {
        source.show(red);
    }
    wait_for("the channel is full", || pipeline.events.is_full());
    drop_in_time(pipeline);
}

#[test]
fn a_stopped_caption_ends_within_a_word() {
    let engine = EngineScript::with_pause(Duration::from_millis(20));
    let source = SourceScript::live();
    let pipeline = running(ungated(), &source, &engine);
    engine.hold_captions(true);
    source.show(1);
    until(&pipeline, text_of(Told::Caption { frame: 1 }));
    // What was said by now, and the one word that was under way.
    let mut pieces = 1;
    while let Some(Report { event, .. }) = pipeline.try_event() {
        pieces += u32::from(matches!(event, Event::Text { .. }));
    }
    pipeline.view(0).set_paused(true);
    let mut after = 0;
    until(&pipeline, |event| {
        after += u32::from(matches!(event, Event::Text { .. }));
        any_caption(event)
    });
    assert!(after <= 2, "{after} words after the stop, {pieces} before");
}

#[test]
fn a_source_at_rest_gives_nothing_is_put_away_and_comes_back() {
    let (source, engine) = (SourceScript::live(), EngineScript::default());
    let pipeline = running(ungated(), &source, &engine);
    source.show(1);
    until(&pipeline, whole_caption);
    pipeline.view(0).set_resting(true);
    // The fake is at its pictures for 100 ms at most; then it is closed.
    wait_for("the source is closed", || source.closed.load(Ordering::SeqCst) == 1);
    source.show(2);
    pipeline.view(0).set_resting(false);
    assert_eq!(until(&pipeline, whole_caption).frame.id, 2);
    assert_eq!((source.opened.load(Ordering::SeqCst), pipeline.view(0).statistics().dropped), (2, 0));
}

//! Frames become captions: which ones, with what counts, and what makes one out of date.

use crate::engine::prefix::Prefix;
use crate::live::pipeline::tests::*;

#[test]
fn a_caption_knows_its_frame_and_streams_its_words() {
    let (source, engine) = (SourceScript::live(), EngineScript::default());
    let pipeline = running(ungated(), &source, &engine);
    let before = Instant::now();
    source.show(10);
    let mut text = String::new();
    let caption = until(&pipeline, |event| {
        if let Event::Text { of, piece } = event {
            assert_eq!(*of, Told::Caption { frame: 1 });
            text += piece;
        }
        any_caption(event)
    });
    assert_eq!(caption.frame.id, 1);
    assert_eq!(caption.reply.text, caption_of(10));
    assert_eq!(text, caption_of(10));
    assert!(caption.frame.captured_at >= before);
    assert!(caption.age <= caption.frame.age());
    assert_eq!((caption.dropped, caption.skipped), (0, 0));
    assert_eq!(engine.calls(), [Call::Look(10), Call::Caption("Describe.".to_owned())]);
    assert!(Arc::ptr_eq(&pipeline.view(0).latest_frame().expect("a frame"), &caption.frame));
}

#[test]
fn captions_begin_no_sooner_after_each_other_than_they_can_be_read() {
    let (source, engine) = (SourceScript::live(), EngineScript::default());
    let least_interval = Duration::from_millis(300);
    let pipeline = running(Settings { least_interval, ..ungated() }, &source, &engine);
    let before = Instant::now();
    source.show(1);
    until(&pipeline, any_caption);
    source.show(2);
    until(&pipeline, began(Told::Caption { frame: 2 }));
    assert!(before.elapsed() >= least_interval);
}

#[test]
fn the_newest_frame_wins_and_the_rest_is_counted() {
    let (source, engine) = (SourceScript::live(), EngineScript::default());
    let pipeline = running(ungated(), &source, &engine);
    engine.hold_captions(true);
    source.show(1);
    until(&pipeline, began(Told::Caption { frame: 1 }));
    for red in 2..=9 {
        source.show(red);
    }
    wait_for("all frames captured", || pipeline.view(0).statistics().captured == 9);
    engine.hold_captions(false);
    let first = until(&pipeline, any_caption);
    assert_eq!((first.frame.id, first.dropped), (1, 0));
    let second = until(&pipeline, any_caption);
    assert_eq!((second.frame.id, second.dropped), (9, 7), "frames 2 to 8 were dropped");
    assert_eq!(second.reply.text, caption_of(9));
    assert_eq!(pipeline.view(0).statistics().dropped, 7);
    source.show(10);
    let third = until(&pipeline, any_caption);
    assert_eq!((third.frame.id, third.dropped), (10, 0), "drops count since the last caption");
}

#[test]
fn a_patient_source_has_every_picture_captioned_and_then_it_is_done() {
    let (source, engine) = (SourceScript::patient(), EngineScript::default());
    for red in 1..=5 {
        source.show(red);
    }
    source.then(Step::Ended);
    let pipeline = running(ungated(), &source, &engine);
    let mut captions = Vec::new();
    until(&pipeline, |event| {
        captions.extend(any_caption(event).map(|caption| (caption.frame.id, caption.reply.text)));
        matches!(event, Event::Done).then_some(())
    });
    let expected: Vec<_> = (1..=5).map(|red| (u64::from(red), caption_of(red))).collect();
    assert_eq!(captions, expected);
    assert_eq!(pipeline.view(0).statistics().dropped, 0);
}

#[test]
fn the_last_frame_of_a_live_source_is_captioned_before_done() {
    let (source, engine) = (SourceScript::live(), EngineScript::default());
    let pipeline = running(ungated(), &source, &engine);
    engine.hold_captions(true);
    source.show(1);
    until(&pipeline, began(Told::Caption { frame: 1 }));
    source.show(2).show(3).then(Step::Ended);
    until(&pipeline, |event| matches!(event, Event::SourceEnded).then_some(()));
    engine.hold_captions(false);
    let mut ids = Vec::new();
    until(&pipeline, |event| {
        ids.extend(any_caption(event).map(|caption| caption.frame.id));
        matches!(event, Event::Done).then_some(())
    });
    assert_eq!(ids, [1, 3]);
}

#[test]
fn the_gate_passes_over_an_unchanged_view_until_the_longest_silence() {
    let (source, engine) = (SourceScript::live(), EngineScript::default());
    let gate = Some(GateSettings { longest_silence: Duration::from_hours(1) });
    let pipeline = running(Settings { gate, ..ungated() }, &source, &engine);
    source.show(50);
    until(&pipeline, whole_caption);
    for skipped in 1..=3 {
        source.show(50);
        until(&pipeline, |event| matches!(event, Event::Unchanged { skipped: n } if *n == skipped).then_some(()));
    }
    source.show(200);
    let caption = until(&pipeline, whole_caption);
    assert_eq!((caption.frame.id, caption.skipped, caption.dropped), (5, 3, 0));
    assert_eq!(pipeline.view(0).statistics().skipped, 3);

    let (source, engine) = (SourceScript::live(), EngineScript::default());
    let gate = Some(GateSettings { longest_silence: Duration::ZERO });
    let pipeline = running(Settings { gate, ..ungated() }, &source, &engine);
    source.show(50);
    until(&pipeline, whole_caption);
    source.show(50);
    assert_eq!(until(&pipeline, whole_caption).frame.id, 2, "the silence was too long");
    let looks: Vec<_> = engine.calls().into_iter().filter(|call| !matches!(call, Call::Caption(_))).collect();
    assert_eq!(looks, [Call::LookIfNew(50), Call::LookIfNew(50)], "noise is nothing new");
}

#[test]
fn a_doubted_caption_gets_another_look_though_nothing_new_comes() {
    let (source, engine) = (SourceScript::live(), EngineScript::default());
    let gate = Some(GateSettings { longest_silence: Duration::from_hours(1) });
    let pipeline = running(Settings { gate, ..ungated() }, &source, &engine);
    source.show(50);
    until(&pipeline, whole_caption);
    engine.doubts.store(1, Ordering::SeqCst);
    source.show(200);
    let doubted = until(&pipeline, whole_caption);
    assert_eq!((doubted.frame.id, doubted.reply.is_doubted), (2, true));
    let decided = until(&pipeline, whole_caption);
    assert_eq!((decided.frame.id, decided.reply.is_doubted), (2, false));
    // From now on it is what later pictures are compared with.
    source.show(200);
    until(&pipeline, |event| matches!(event, Event::Unchanged { .. }).then_some(()));

    engine.doubts.store(1, Ordering::SeqCst);
    source.show(50);
    assert!(until(&pipeline, whole_caption).reply.is_doubted);
    source.show(60);
    let newest = until(&pipeline, |event| whole_caption(event).filter(|caption| !caption.reply.is_doubted));
    assert!((4..=5).contains(&newest.frame.id), "{newest:?}");
}

#[test]
fn another_instruction_captions_the_same_picture_again() {
    let (source, engine) = (SourceScript::patient(), EngineScript::default());
    let pipeline = running(Settings { gate: Some(GateSettings::default()), ..ungated() }, &source, &engine);
    source.show(50);
    until(&pipeline, whole_caption);
    pipeline.view(0).set_instruction("Name one thing.".to_owned());
    assert_eq!(until(&pipeline, whole_caption).frame.id, 1);
    assert_eq!(engine.calls().last(), Some(&Call::Caption("Name one thing.".to_owned())));
}

#[test]
fn another_model_takes_over_from_a_running_caption() {
    let (source, slow, quick) = (SourceScript::live(), EngineScript::default(), EngineScript::default());
    let pipeline = running(ungated(), &source, &slow);
    slow.hold_captions(true);
    source.show(1);
    until(&pipeline, text_of(Told::Caption { frame: 1 }));
    pipeline.set_engine(ModelSpec::Demo, quick.open());
    assert_eq!(until(&pipeline, any_caption).reply.stop, Stop::Cancelled);
    let caption = until(&pipeline, whole_caption);
    assert_eq!((caption.frame.id, caption.reply.text), (1, caption_of(1)));
    assert_eq!(quick.calls().first(), Some(&Call::Look(1)), "a new model has seen nothing yet");
}

#[test]
fn another_source_leaves_the_frames_of_the_old_one_behind() {
    let (old, new, engine) = (SourceScript::live(), SourceScript::live(), EngineScript::default());
    let pipeline = running(ungated(), &old, &engine);
    engine.hold_captions(true);
    old.show(1);
    until(&pipeline, text_of(Told::Caption { frame: 1 }));
    old.show(2);
    wait_for("a newer frame", || pipeline.view(0).statistics().captured == 2);
    pipeline.view(0).set_source(new.open());
    assert_eq!(until(&pipeline, any_caption).reply.stop, Stop::Cancelled);
    engine.hold_captions(false);
    new.show(3);
    let caption = until(&pipeline, whole_caption);
    assert_eq!((caption.frame.id, caption.reply.text, caption.dropped), (3, caption_of(3), 2));
}

#[test]
fn the_waker_is_called_for_frames_and_events() {
    let (wake, woken) = bounded(1);
    let waker: Waker = Arc::new(move || {
        let _ = wake.try_send(());
    });
    let pipeline = Pipeline::start(vec![ungated()], waker).expect("threads start");
    let source = SourceScript::live();
    pipeline.view(0).set_source(source.open());
    until(&pipeline, |event| matches!(event, Event::SourceOpened { .. }).then_some(()));
    source.show(1);
    let deadline = Instant::now() + LIMIT;
    while pipeline.view(0).latest_frame().is_none() {
        woken.recv_deadline(deadline).expect("woken for the frame");
    }
}

#[test]
fn another_prefix_opens_another_view_and_captions_again() {
    let (source, engine) = (SourceScript::live(), EngineScript::default());
    let prefix = |standing: &str| Arc::new(Prefix { standing: standing.to_owned(), ..Prefix::default() });
    let pipeline = running(Settings { prefix: prefix("Be brief."), ..Settings::default() }, &source, &engine);
    source.show(1);
    until(&pipeline, whole_caption);
    let read = |event: &Event| match event {
        Event::PrefixRead(cost) => Some(cost.tokens),
        _ => None,
    };
    // The cost was told before the caption, and is not told again.
    pipeline.view(0).set_prefix(prefix("Be long."));
    assert_eq!(until(&pipeline, read), 12);
    until(&pipeline, whole_caption);
    pipeline.view(0).set_prefix(Arc::default());
    until(&pipeline, whole_caption);
    let opened: Vec<_> =
        engine.calls().into_iter().filter(|call| matches!(call, Call::OpenBehind(_) | Call::Close)).collect();
    assert_eq!(opened, [Call::OpenBehind(1), Call::Close, Call::OpenBehind(1), Call::Close]);
}

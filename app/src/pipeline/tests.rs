//! Whole pipelines, with a source and an engine that do as they are told. Nothing is timed: every test waits for events
//! or conditions, up to a limit that only a hang reaches.

use std::sync::atomic::Ordering;
use std::thread;

use vlm::Stop;

use super::fake::{Call, EngineScript, Fault, SourceScript, Step, answer_of, caption_of, picture};
use super::*;

/// Only a hang takes this long, on however busy a machine.
const LIMIT: Duration = Duration::from_secs(60);

fn ungated() -> Settings {
    Settings { instruction: "Describe.".to_owned(), gate: None, ..Settings::default() }
}

fn start(settings: Settings) -> Pipeline {
    Pipeline::start(settings, Arc::new(|| {})).expect("threads start")
}

/// A pipeline with its model loaded and its source open.
fn running(settings: Settings, source: &SourceScript, engine: &EngineScript) -> Pipeline {
    let pipeline = start(settings);
    pipeline.set_engine("fake".to_owned(), engine.open());
    until(&pipeline, |event| matches!(event, Event::ModelReady(_)).then_some(()));
    pipeline.set_source(source.open());
    until(&pipeline, |event| matches!(event, Event::SourceOpened { .. }).then_some(()));
    pipeline
}

/// Takes events up to the first one that `wanted` makes something of.
fn until<T>(pipeline: &Pipeline, mut wanted: impl FnMut(&Event) -> Option<T>) -> T {
    let deadline = Instant::now() + LIMIT;
    let mut seen = Vec::new();
    while Instant::now() < deadline {
        if let Some(event) = pipeline.wait_event(Duration::from_millis(100)) {
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
        Event::Answered { question, frame, reply } => Some((*question, frame.id, reply.clone())),
        _ => None,
    }
}

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
    assert!(Arc::ptr_eq(&pipeline.latest_frame().expect("a frame"), &caption.frame));
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
    wait_for("all frames captured", || pipeline.statistics().captured == 9);
    engine.hold_captions(false);
    let first = until(&pipeline, any_caption);
    assert_eq!((first.frame.id, first.dropped), (1, 0));
    let second = until(&pipeline, any_caption);
    assert_eq!((second.frame.id, second.dropped), (9, 7), "frames 2 to 8 were dropped");
    assert_eq!(second.reply.text, caption_of(9));
    assert_eq!(pipeline.statistics().dropped, 7);
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
    assert_eq!(pipeline.statistics().dropped, 0);
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
fn a_question_stops_the_caption_is_about_its_frame_and_captioning_goes_on() {
    let (source, engine) = (SourceScript::live(), EngineScript::default());
    let pipeline = running(ungated(), &source, &engine);
    engine.hold_captions(true);
    source.show(1);
    until(&pipeline, text_of(Told::Caption { frame: 1 }));
    let on_screen = pipeline.latest_frame().expect("a frame");
    source.show(2);
    wait_for("a newer frame", || pipeline.statistics().captured == 2);
    let asked = pipeline.ask("What is it?".to_owned(), on_screen).expect("room for a question");
    let cut = until(&pipeline, any_caption);
    assert_eq!((cut.frame.id, cut.reply.stop), (1, Stop::Cancelled));
    engine.hold_captions(false);
    let (question, frame, reply) = until(&pipeline, answered);
    assert_eq!((question, frame), (asked, 1));
    assert_eq!(reply.text, answer_of("What is it?", 1), "about the frame on screen and not about the newer one");
    let next = until(&pipeline, whole_caption);
    assert_eq!((next.frame.id, next.dropped), (2, 1), "frame 1 got no caption");
    assert_eq!(pipeline.statistics().dropped, 1);
    let describe = Call::Caption("Describe.".to_owned());
    let ask = Call::Ask("What is it?".to_owned());
    assert_eq!(engine.calls(), [Call::Look(1), describe.clone(), ask, Call::Look(2), describe]);
}

#[test]
fn a_question_about_the_view_in_hand_looks_at_nothing_and_leaves_the_caption_as_it_is() {
    let (source, engine) = (SourceScript::live(), EngineScript::default());
    let pipeline = running(ungated(), &source, &engine);
    engine.hold_captions(true);
    source.show(7);
    until(&pipeline, text_of(Told::Caption { frame: 1 }));
    let frame = pipeline.latest_frame().expect("a frame");
    pipeline.ask("Why?".to_owned(), frame).expect("room for a question");
    until(&pipeline, answered);
    engine.hold_captions(false);
    let caption = until(&pipeline, whole_caption);
    // No newer frame came: the same one is taken up again, and is in view already.
    assert_eq!(caption.frame.id, 1);
    assert!(caption.reply.text.ends_with(&caption_of(7)));
    assert_eq!(engine.calls().iter().filter(|call| matches!(call, Call::Look(_))).count(), 1);
}

#[test]
fn a_question_about_a_view_that_the_gate_calls_unchanged_looks_at_nothing() {
    let (source, engine) = (SourceScript::live(), EngineScript::default());
    let pipeline = running(Settings { gate: Some(GateSettings::default()), ..ungated() }, &source, &engine);
    source.show(50);
    until(&pipeline, whole_caption);
    source.show(51);
    until(&pipeline, |event| matches!(event, Event::Unchanged { skipped: 1 }).then_some(()));
    let frame = pipeline.latest_frame().expect("a frame");
    assert_eq!(frame.id, 2);
    pipeline.ask("Same?".to_owned(), frame).expect("room for a question");
    let (_, frame, reply) = until(&pipeline, answered);
    assert_eq!((frame, reply.text), (2, answer_of("Same?", 50)));
    let changed = Arc::new(Frame::now(99, picture(200)));
    pipeline.ask("And now?".to_owned(), changed).expect("room for a question");
    let (_, _, reply) = until(&pipeline, answered);
    assert_eq!(reply.text, answer_of("And now?", 200));
}

#[test]
fn the_gate_passes_over_an_unchanged_view_until_the_longest_silence() {
    let (source, engine) = (SourceScript::live(), EngineScript::default());
    let gate = Some(GateSettings { longest_silence: Duration::from_secs(3600) });
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
    assert_eq!(pipeline.statistics().skipped, 3);

    let (source, engine) = (SourceScript::live(), EngineScript::default());
    let gate = Some(GateSettings { longest_silence: Duration::ZERO });
    let pipeline = running(Settings { gate, ..ungated() }, &source, &engine);
    source.show(50);
    until(&pipeline, whole_caption);
    source.show(50);
    assert_eq!(until(&pipeline, whole_caption).frame.id, 2, "the silence was too long");
}

#[test]
fn another_instruction_captions_the_same_picture_again() {
    let (source, engine) = (SourceScript::patient(), EngineScript::default());
    let pipeline = running(Settings { gate: Some(GateSettings::default()), ..ungated() }, &source, &engine);
    source.show(50);
    until(&pipeline, whole_caption);
    pipeline.set_instruction("Name one thing.".to_owned());
    assert_eq!(until(&pipeline, whole_caption).frame.id, 1);
    assert_eq!(engine.calls().last(), Some(&Call::Caption("Name one thing.".to_owned())));
}

#[test]
fn a_pause_stops_captions_and_leaves_answers() {
    let (source, engine) = (SourceScript::live(), EngineScript::default());
    let pipeline = running(ungated(), &source, &engine);
    engine.hold_captions(true);
    source.show(1);
    until(&pipeline, text_of(Told::Caption { frame: 1 }));
    pipeline.set_paused(true);
    assert_eq!(until(&pipeline, any_caption).reply.stop, Stop::Cancelled);
    engine.hold_captions(false);
    source.show(2);
    wait_for("the video goes on", || pipeline.latest_frame().is_some_and(|frame| frame.id == 2));
    let frame = pipeline.latest_frame().expect("a frame");
    pipeline.ask("What now?".to_owned(), frame).expect("room for a question");
    until(&pipeline, |event| {
        assert!(any_caption(event).is_none(), "paused");
        answered(event)
    });
    pipeline.set_paused(false);
    assert_eq!(until(&pipeline, whole_caption).frame.id, 2);
}

#[test]
fn an_answer_can_be_cancelled_and_so_can_those_that_wait() {
    let (source, engine) = (SourceScript::live(), EngineScript::default());
    let pipeline = running(ungated(), &source, &engine);
    source.show(1);
    until(&pipeline, whole_caption);
    engine.hold_answers(true);
    let frame = pipeline.latest_frame().expect("a frame");
    let ask = |text: &str| pipeline.ask(text.to_owned(), Arc::clone(&frame));
    let running = ask("For ever?").expect("room for a question");
    until(&pipeline, text_of(Told::Answer(running)));
    for _ in 0..QUESTIONS {
        ask("And then?").expect("room for a question");
    }
    assert_eq!(ask("One too many?"), Err(Busy));
    pipeline.cancel_answer();
    for _ in 0..=QUESTIONS {
        assert_eq!(until(&pipeline, answered).2.stop, Stop::Cancelled);
    }
    engine.hold_answers(false);
    let last = ask("Still there?").expect("room for a question");
    let (question, _, reply) = until(&pipeline, answered);
    assert_eq!((question, reply.stop), (last, Stop::End));
}

#[test]
fn a_lost_source_is_opened_again() {
    let (source, engine) = (SourceScript::live(), EngineScript::default());
    let pipeline = running(ungated(), &source, &engine);
    source.show(1);
    until(&pipeline, whole_caption);
    source.refuse.store(1, Ordering::SeqCst);
    source.then(Step::Lost("The cable was pulled."));
    let mut waits = Vec::new();
    until(&pipeline, |event| {
        if let Event::SourceLost { retry_in, .. } = event {
            waits.push(retry_in.as_millis());
        }
        matches!(event, Event::SourceOpened { .. }).then_some(())
    });
    assert_eq!(waits, [500, 1000]);
    source.show(2);
    let caption = until(&pipeline, whole_caption);
    assert_eq!((caption.frame.id, caption.reply.text), (2, caption_of(2)));
}

#[test]
fn a_source_that_panics_is_opened_again_and_one_that_is_broken_is_not() {
    let (source, engine) = (SourceScript::live(), EngineScript::default());
    let pipeline = running(ungated(), &source, &engine);
    source.then(Step::Panic("a bad frame"));
    until(&pipeline, |event| match event {
        Event::Failed { worker: Worker::Capture, message, retry_in: Some(_) } => {
            assert!(message.contains("a bad frame"), "{message}");
            Some(())
        }
        _ => None,
    });
    until(&pipeline, |event| matches!(event, Event::SourceOpened { .. }).then_some(()));
    source.then(Step::Broken("That is no camera."));
    until(&pipeline, |event| match event {
        Event::Failed { worker: Worker::Capture, message, retry_in: None } => {
            assert_eq!(message, "That is no camera.");
            Some(())
        }
        _ => None,
    });
    let other = SourceScript::live();
    pipeline.set_source(other.open());
    other.show(3);
    assert_eq!(until(&pipeline, whole_caption).reply.text, caption_of(3));
    assert_eq!(source.opened.load(Ordering::SeqCst), 2);
}

#[test]
fn an_engine_that_fails_or_panics_is_opened_again() {
    for fault in [Fault::Engine("out of memory"), Fault::Panic("out of memory")] {
        let (source, engine) = (SourceScript::live(), EngineScript::default());
        let pipeline = running(ungated(), &source, &engine);
        engine.fail(fault);
        source.show(1);
        until(&pipeline, |event| match event {
            Event::Failed { worker: Worker::Inference, message, retry_in: Some(_) } => {
                assert!(message.contains("out of memory"), "{message}");
                Some(())
            }
            _ => None,
        });
        until(&pipeline, |event| matches!(event, Event::ModelReady(_)).then_some(()));
        source.show(2);
        assert_eq!(until(&pipeline, whole_caption).reply.text, caption_of(2));
        assert_eq!(engine.opened.load(Ordering::SeqCst), 2);
    }
}

#[test]
fn a_request_that_is_refused_leaves_the_engine_open() {
    let (source, engine) = (SourceScript::live(), EngineScript::default());
    let pipeline = running(ungated(), &source, &engine);
    engine.fail(Fault::Request("The prompt is too long."));
    source.show(1);
    let message = until(&pipeline, |event| match event {
        Event::RequestFailed { of: Told::Caption { frame: 1 }, message } => Some(message.clone()),
        _ => None,
    });
    assert_eq!(message, "The prompt is too long.");
    source.show(2);
    assert_eq!(until(&pipeline, whole_caption).frame.id, 2);
    assert_eq!(engine.opened.load(Ordering::SeqCst), 1);
}

#[test]
fn a_model_that_cannot_be_opened_waits_for_another_one_and_refuses_questions() {
    let (source, engine) = (SourceScript::patient(), EngineScript::default());
    engine.refuse(Some("There is no such folder."));
    let pipeline = start(ungated());
    pipeline.set_source(source.open());
    pipeline.set_engine("missing".to_owned(), engine.open());
    source.show(1);
    until(&pipeline, |event| match event {
        Event::Failed { worker: Worker::Inference, message, retry_in } => {
            assert_eq!((message.as_str(), *retry_in), ("There is no such folder.", None));
            Some(())
        }
        _ => None,
    });
    wait_for("the picture is on show", || pipeline.latest_frame().is_some());
    let frame = pipeline.latest_frame().expect("a frame");
    let asked = pipeline.ask("Anyone?".to_owned(), frame).expect("room for a question");
    until(&pipeline, |event| match event {
        Event::RequestFailed { of, .. } => {
            assert_eq!(*of, Told::Answer(asked));
            Some(())
        }
        _ => None,
    });
    engine.refuse(None);
    pipeline.set_engine("found".to_owned(), engine.open());
    assert_eq!(until(&pipeline, whole_caption).frame.id, 1);
}

#[test]
fn another_model_takes_over_from_a_running_caption() {
    let (source, slow, quick) = (SourceScript::live(), EngineScript::default(), EngineScript::default());
    let pipeline = running(ungated(), &source, &slow);
    slow.hold_captions(true);
    source.show(1);
    until(&pipeline, text_of(Told::Caption { frame: 1 }));
    pipeline.set_engine("quick".to_owned(), quick.open());
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
    wait_for("a newer frame", || pipeline.statistics().captured == 2);
    pipeline.set_source(new.open());
    assert_eq!(until(&pipeline, any_caption).reply.stop, Stop::Cancelled);
    engine.hold_captions(false);
    new.show(3);
    let caption = until(&pipeline, whole_caption);
    assert_eq!((caption.frame.id, caption.reply.text, caption.dropped), (3, caption_of(3), 2));
}

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

#[test]
fn the_waker_is_called_for_frames_and_events() {
    let (wake, woken) = bounded(1);
    let waker: Waker = Arc::new(move || {
        let _ = wake.try_send(());
    });
    let pipeline = Pipeline::start(ungated(), waker).expect("threads start");
    let source = SourceScript::live();
    pipeline.set_source(source.open());
    until(&pipeline, |event| matches!(event, Event::SourceOpened { .. }).then_some(()));
    source.show(1);
    let deadline = Instant::now() + LIMIT;
    while pipeline.latest_frame().is_none() {
        woken.recv_deadline(deadline).expect("woken for the frame");
    }
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
    let ended: Vec<_> = pipeline.threads.iter().map(Thread::ended).collect();
    drop_in_time(pipeline);
    // Joined, and not left behind.
    assert!(ended.iter().all(|ended| ended.try_recv() == Err(crossbeam_channel::TryRecvError::Disconnected)));

    engine.hold_answers(true);
    engine.hold_captions(false);
    let pipeline = running(ungated(), &source, &engine);
    source.show(1);
    until(&pipeline, whole_caption);
    let frame = pipeline.latest_frame().expect("a frame");
    let asked = pipeline.ask("For ever?".to_owned(), frame).expect("room for a question");
    until(&pipeline, text_of(Told::Answer(asked)));
    let ended: Vec<_> = pipeline.threads.iter().map(Thread::ended).collect();
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
    while let Some(event) = pipeline.try_event() {
        pieces += u32::from(matches!(event, Event::Text { .. }));
    }
    pipeline.set_paused(true);
    let mut after = 0;
    until(&pipeline, |event| {
        after += u32::from(matches!(event, Event::Text { .. }));
        any_caption(event)
    });
    assert!(after <= 2, "{after} words after the stop, {pieces} before");
}

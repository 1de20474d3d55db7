//! Questions go before captions, are about the frame on screen, and leave no trace.

use crate::live::pipeline::tests::*;

#[test]
fn a_question_stops_the_caption_is_about_its_frame_and_captioning_goes_on() {
    let (source, engine) = (SourceScript::live(), EngineScript::default());
    let pipeline = running(ungated(), &source, &engine);
    engine.hold_captions(true);
    source.show(1);
    until(&pipeline, text_of(Told::Caption { frame: 1 }));
    let on_screen = pipeline.view(0).latest_frame().expect("a frame");
    source.show(2);
    wait_for("a newer frame", || pipeline.view(0).statistics().captured == 2);
    let asked = pipeline.view(0).ask("What is it?", on_screen).expect("room for a question").id;
    let cut = until(&pipeline, any_caption);
    assert_eq!((cut.frame.id, cut.reply.stop), (1, Stop::Cancelled));
    engine.hold_captions(false);
    let (question, frame, reply) = until(&pipeline, answered);
    assert_eq!((question, frame), (asked, 1));
    assert_eq!(reply.text, answer_of("What is it?", 1), "about the frame on screen and not about the newer one");
    let next = until(&pipeline, whole_caption);
    assert_eq!((next.frame.id, next.dropped), (2, 1), "frame 1 got no caption");
    assert_eq!(pipeline.view(0).statistics().dropped, 1);
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
    let frame = pipeline.view(0).latest_frame().expect("a frame");
    pipeline.view(0).ask("Why?", frame).expect("room for a question");
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
    let frame = pipeline.view(0).latest_frame().expect("a frame");
    assert_eq!(frame.id, 2);
    pipeline.view(0).ask("Same?", frame).expect("room for a question");
    let (_, frame, reply) = until(&pipeline, answered);
    assert_eq!((frame, reply.text), (2, answer_of("Same?", 50)));
    let changed = Arc::new(Frame::now(99, picture(200)));
    pipeline.view(0).ask("And now?", changed).expect("room for a question");
    let (_, _, reply) = until(&pipeline, answered);
    assert_eq!(reply.text, answer_of("And now?", 200));
}

#[test]
fn a_pause_stops_captions_and_leaves_answers() {
    let (source, engine) = (SourceScript::live(), EngineScript::default());
    let pipeline = running(ungated(), &source, &engine);
    engine.hold_captions(true);
    source.show(1);
    until(&pipeline, text_of(Told::Caption { frame: 1 }));
    pipeline.view(0).set_paused(true);
    assert_eq!(until(&pipeline, any_caption).reply.stop, Stop::Cancelled);
    engine.hold_captions(false);
    source.show(2);
    wait_for("the video goes on", || pipeline.view(0).latest_frame().is_some_and(|frame| frame.id == 2));
    let frame = pipeline.view(0).latest_frame().expect("a frame");
    pipeline.view(0).ask("What now?", frame).expect("room for a question");
    until(&pipeline, |event| {
        assert!(any_caption(event).is_none(), "paused");
        answered(event)
    });
    pipeline.view(0).set_paused(false);
    assert_eq!(until(&pipeline, whole_caption).frame.id, 2);
}

#[test]
fn an_answer_can_be_cancelled_and_so_can_those_that_wait() {
    let (source, engine) = (SourceScript::live(), EngineScript::default());
    let pipeline = running(ungated(), &source, &engine);
    source.show(1);
    until(&pipeline, whole_caption);
    engine.hold_answers(true);
    let frame = pipeline.view(0).latest_frame().expect("a frame");
    let ask = |text: &str| pipeline.view(0).ask(text, Arc::clone(&frame)).map(|question| question.id);
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

/// A pipeline in which a question about the first picture was answered.
struct Begun {
    pipeline: Pipeline,
    frame: Arc<Frame>,
    first: Question,
    answer: String,
}

fn begun(source: &SourceScript, engine: &EngineScript) -> Begun {
    let pipeline = running(ungated(), source, engine);
    source.show(1);
    let frame = until(&pipeline, whole_caption).frame;
    let first = pipeline.view(0).ask("What is it?", Arc::clone(&frame)).expect("room for a question");
    let answer = until(&pipeline, answered).2.text;
    Begun { pipeline, frame, first, answer }
}

fn talk_of(question: &Question, answers: &[(&str, &str)]) -> Talk {
    let before = answers.iter().map(|(asked, answer)| (Arc::from(*asked), (*answer).to_owned())).collect();
    Talk { before, ..question.talk.clone() }
}

#[test]
fn follow_ups_keep_their_picture_while_captions_go_on() {
    let (source, engine) = (SourceScript::live(), EngineScript::default());
    let Begun { pipeline, frame, first, answer } = begun(&source, &engine);
    source.show(2);
    until(&pipeline, whole_caption);
    let before = engine.calls().len();
    let talk = talk_of(&first, &[("What is it?", &answer)]);
    pipeline.view(0).follow_up("Why?", Arc::clone(&frame), talk).expect("room for a question");
    assert_eq!(until(&pipeline, answered).2.text, answer_of("Why?", 1));
    source.show(3);
    until(&pipeline, whole_caption);
    let describe = Call::Caption("Describe.".to_owned());
    assert_eq!(engine.calls()[before..], [Call::Ask("Why?".to_owned()), Call::Look(3), describe]);
}

#[test]
fn a_conversation_that_was_forgotten_is_told_anew_with_its_words() {
    let (source, engine) = (SourceScript::live(), EngineScript::default());
    let Begun { pipeline, frame, first, answer } = begun(&source, &engine);
    // So many others that the first has to go.
    for _ in 0..4 {
        pipeline.view(0).ask("And this?", Arc::clone(&frame)).expect("room for a question");
        until(&pipeline, answered);
    }
    assert!(engine.calls().contains(&Call::Close), "memory is bounded");
    let talk = talk_of(&first, &[("What is it?", &answer)]);
    pipeline.view(0).follow_up("Why?", frame, talk).expect("room for a question");
    assert_eq!(until(&pipeline, answered).2.text, answer_of("Why?", 1));
    assert!(engine.calls().contains(&Call::OpenBehind(2)), "question and answer come before: {:?}", engine.calls());
}

#[test]
fn small_print_is_looked_at_apart_from_captions() {
    let (source, engine) = (SourceScript::live(), EngineScript::default());
    let pipeline = running(ungated(), &source, &engine);
    source.show(1);
    let frame = until(&pipeline, whole_caption).frame;
    pipeline.view(0).ask_so("What does it say?", frame, Tiling::Split).expect("room for a question");
    assert_eq!(until(&pipeline, answered).2.text, answer_of("What does it say?", 1));
    let (ask, describe) = (Call::Ask("What does it say?".to_owned()), Call::Caption("Describe.".to_owned()));
    assert_eq!(engine.calls(), [Call::Look(1), describe, Call::OpenTiled, Call::Look(1), ask]);
}

#[test]
fn a_question_about_an_older_picture_leaves_the_one_in_hand() {
    let (source, engine) = (SourceScript::live(), EngineScript::default());
    let pipeline = running(ungated(), &source, &engine);
    source.show(1);
    let old = until(&pipeline, whole_caption).frame;
    source.show(2);
    let new = until(&pipeline, whole_caption).frame;
    pipeline.view(0).ask("What was it?", old).expect("room for a question");
    assert_eq!(until(&pipeline, answered).2.text, answer_of("What was it?", 1));
    let before = engine.calls().len();
    pipeline.view(0).ask("And now?", new).expect("room for a question");
    assert_eq!(until(&pipeline, answered).2.text, answer_of("And now?", 2));
    assert_eq!(engine.calls()[before..], [Call::Ask("And now?".to_owned())], "it was in hand still");
}

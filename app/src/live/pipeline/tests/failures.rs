//! Sources and engines that fail, and what becomes of the pipeline.

use crate::live::pipeline::tests::*;

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
            assert!(message.what().contains("a bad frame"), "{message}");
            Some(())
        }
        _ => None,
    });
    until(&pipeline, |event| matches!(event, Event::SourceOpened { .. }).then_some(()));
    source.then(Step::Broken("That is no camera."));
    until(&pipeline, |event| match event {
        Event::Failed { worker: Worker::Capture, message, retry_in: None } => {
            assert_eq!(message.what(), "That is no camera.");
            Some(())
        }
        _ => None,
    });
    let other = SourceScript::live();
    pipeline.view(0).set_source(other.open());
    other.show(3);
    assert_eq!(until(&pipeline, whole_caption).reply.text, caption_of(3));
    assert_eq!(source.opened.load(Ordering::SeqCst), 2);
}

#[test]
fn an_engine_that_fails_or_panics_is_opened_again() {
    for fault in [EngineFault::Engine("out of memory"), EngineFault::Panic("out of memory")] {
        let (source, engine) = (SourceScript::live(), EngineScript::default());
        let pipeline = running(ungated(), &source, &engine);
        engine.fail(fault);
        source.show(1);
        until(&pipeline, |event| match event {
            Event::Failed { worker: Worker::Inference, message, retry_in: Some(_) } => {
                assert!(message.what().contains("out of memory"), "{message}");
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
    engine.fail(EngineFault::Request("The prompt is too long."));
    source.show(1);
    let message = until(&pipeline, |event| match event {
        Event::RequestFailed { of: Told::Caption { frame: 1 }, message } => Some(message.to_string()),
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
    pipeline.view(0).set_source(source.open());
    pipeline.set_engine(ModelSpec::Demo, engine.open());
    source.show(1);
    until(&pipeline, |event| match event {
        Event::Failed { worker: Worker::Inference, message, retry_in } => {
            assert_eq!((message.what(), *retry_in), ("There is no such folder.", None));
            Some(())
        }
        _ => None,
    });
    wait_for("the picture is on show", || pipeline.view(0).latest_frame().is_some());
    let frame = pipeline.view(0).latest_frame().expect("a frame");
    let asked = pipeline.view(0).ask("Anyone?", frame).expect("room for a question").id;
    until(&pipeline, |event| match event {
        Event::RequestFailed { of, .. } => {
            assert_eq!(*of, Told::Answer(asked));
            Some(())
        }
        _ => None,
    });
    engine.refuse(None);
    pipeline.set_engine(ModelSpec::Demo, engine.open());
    assert_eq!(until(&pipeline, whole_caption).frame.id, 1);
}

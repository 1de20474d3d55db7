//! Sources and engines that neither work nor fail: they never come back. The clock is the test's.

use std::sync::atomic::AtomicU64;

use crate::live::pipeline::tests::*;
use crate::testing::pipeline::HUNG;

/// Longer than anything may take without a sign of life.
const LONG: u64 = 3600;

/// A pipeline whose watchdog goes by a clock that the test sets.
struct Bench {
    pipeline: Pipeline,
    seconds: Arc<AtomicU64>,
    /// How often the watchdog asked the clock.
    asked: Arc<AtomicU64>,
}

impl Bench {
    /// With its model loaded and its source open.
    fn new(source: &SourceScript, engine: &EngineScript) -> Self {
        let (start, seconds, asked) = (Instant::now(), Arc::<AtomicU64>::default(), Arc::<AtomicU64>::default());
        let clock: Clock = {
            let (seconds, asked) = (Arc::clone(&seconds), Arc::clone(&asked));
            Arc::new(move || {
                if thread::current().name() == Some("watchdog") {
                    asked.fetch_add(1, Ordering::SeqCst);
                }
                start + Duration::from_secs(seconds.load(Ordering::SeqCst))
            })
        };
        let pipeline = Pipeline::start_by(vec![ungated()], Arc::new(|| {}), clock).expect("threads start");
        pipeline.set_engine(ModelSpec::Demo, engine.open());
        until(&pipeline, |event| matches!(event, Event::ModelReady(_)).then_some(()));
        pipeline.view(0).set_source(source.open());
        until(&pipeline, |event| matches!(event, Event::SourceOpened { .. }).then_some(()));
        Self { pipeline, seconds, asked }
    }

    /// Lets more time pass than anything may hang, once the watchdog has seen it as it is: what
    /// read its flag just before has shown a sign of life, which counts from when it is noticed.
    fn let_it_hang(&self) {
        // It asks the clock once for each of the two workers.
        let seen_twice = self.asked.load(Ordering::SeqCst) + 4;
        wait_for("the watchdog looks", || self.asked.load(Ordering::SeqCst) > seen_twice);
        self.let_pass(LONG);
    }

    fn let_pass(&self, seconds: u64) {
        self.seconds.fetch_add(seconds, Ordering::SeqCst);
    }

    /// What is said of a worker that hangs, and whether what it had is opened again.
    fn said_of(&self, wanted: Worker) -> (Message, bool) {
        until(&self.pipeline, |event| match event {
            Event::Failed { worker, message, retry_in } if *worker == wanted => {
                Some((message.clone(), retry_in.is_some()))
            }
            _ => None,
        })
    }
}

/// What makes something hang, and what lets it go when it is dropped.
fn hang() -> (Sender<Infallible>, Receiver<Infallible>) {
    bounded(0)
}

#[test]
fn an_engine_that_hangs_is_said_and_replaced_and_tells_nothing_when_it_comes_back() {
    let (source, engine) = (SourceScript::live(), EngineScript::default());
    let bench = Bench::new(&source, &engine);
    let (release, released) = hang();
    engine.hang(released);
    source.show(1);
    wait_for("it hangs", || engine.hung.load(Ordering::SeqCst) == 1);
    bench.let_it_hang();
    let (message, is_opened) = bench.said_of(Worker::Inference);
    assert_eq!((message.what(), is_opened), ("The model does not answer any more.", true));
    until(&bench.pipeline, |event| matches!(event, Event::ModelReady(_)).then_some(()));
    source.show(2);
    let caption = until(&bench.pipeline, |event| whole_caption(event).filter(|caption| caption.frame.id == 2));
    assert_eq!((caption.reply.text, engine.opened.load(Ordering::SeqCst)), (caption_of(2), 2));
    drop(release);
    source.show(3);
    until(&bench.pipeline, |event| {
        assert!(any_caption(event).is_none_or(|caption| caption.frame.id != 1), "{event:?}");
        whole_caption(event).filter(|caption| caption.frame.id == 3)
    });
}

#[test]
fn an_engine_that_is_slow_and_looks_at_its_flag_is_left_alone() {
    let (source, engine) = (SourceScript::live(), EngineScript::default());
    let bench = Bench::new(&source, &engine);
    engine.hold_captions(true);
    source.show(1);
    for _ in 0..5 {
        until(&bench.pipeline, text_of(Told::Caption { frame: 1 }));
        // Less than it may be silent; in all of them together much more.
        bench.let_pass(50);
        until(&bench.pipeline, text_of(Told::Caption { frame: 1 }));
        // The watchdog has looked meanwhile, or will find a newer sign of life.
        thread::sleep(Duration::from_millis(1));
    }
    engine.hold_captions(false);
    until(&bench.pipeline, |event| {
        assert!(!matches!(event, Event::Failed { .. }), "{event:?}");
        whole_caption(event)
    });
    assert_eq!(engine.opened.load(Ordering::SeqCst), 1);
}

#[test]
fn an_engine_that_hangs_again_and_again_is_given_up_and_another_one_works() {
    let (source, engine) = (SourceScript::patient(), EngineScript::default());
    let bench = Bench::new(&source, &engine);
    let held: Vec<_> = (0..4)
        .map(|_| {
            let (release, released) = hang();
            engine.hang(released);
            release
        })
        .collect();
    let mut said = Vec::new();
    for red in 1..=4 {
        source.show(red);
        wait_for("it hangs", || engine.hung.load(Ordering::SeqCst) == usize::from(red));
        bench.let_it_hang();
        said.push(bench.said_of(Worker::Inference).1);
    }
    assert_eq!(said, [true, true, true, false]);
    assert_eq!(engine.opened.load(Ordering::SeqCst), 4);
    let other = EngineScript::default();
    bench.pipeline.set_engine(ModelSpec::Demo, other.open());
    source.show(9);
    until(&bench.pipeline, whole_caption);
    drop(held);
}

#[test]
fn a_model_that_never_opens_is_said_and_another_one_can_be_chosen() {
    let (source, engine) = (SourceScript::live(), EngineScript::default());
    let bench = Bench::new(&source, &engine);
    let (stuck, (release, released)) = (EngineScript::default(), hang());
    stuck.hang_opening(released);
    bench.pipeline.set_engine(ModelSpec::Demo, stuck.open());
    wait_for("it is being opened", || stuck.opened.load(Ordering::SeqCst) == 1);
    bench.let_it_hang();
    assert!(bench.said_of(Worker::Inference).1);
    let (message, _) = bench.said_of(Worker::Inference);
    assert!(message.what().contains("does not open"), "{message}");
    let other = EngineScript::default();
    bench.pipeline.set_engine(ModelSpec::Demo, other.open());
    source.show(5);
    assert_eq!(until(&bench.pipeline, whole_caption).reply.text, caption_of(5));
    drop(release);
}

#[test]
fn a_source_that_hangs_is_said_and_opened_again_and_its_late_picture_is_not_shown() {
    let (source, engine) = (SourceScript::live(), EngineScript::default());
    let bench = Bench::new(&source, &engine);
    source.show(1);
    until(&bench.pipeline, whole_caption);
    let (release, released) = hang();
    source.then(Step::Hang(released));
    // Nothing is taken from the script any more once it hangs.
    wait_for("it hangs", || source.is_drained());
    bench.let_it_hang();
    let (message, is_opened) = bench.said_of(Worker::Capture);
    assert_eq!((message.what(), is_opened), ("The source does not answer any more.", true));
    until(&bench.pipeline, |event| matches!(event, Event::SourceOpened { .. }).then_some(()));
    drop(release);
    source.show(2);
    let caption = until(&bench.pipeline, |event| {
        let caption = whole_caption(event)?;
        assert_ne!(caption.reply.text, caption_of(HUNG));
        (caption.reply.text == caption_of(2)).then_some(caption)
    });
    assert_eq!(caption.frame.id, 2, "ids count on");
    assert_eq!(source.opened.load(Ordering::SeqCst), 2);
}

#[test]
fn a_question_to_an_engine_that_hangs_ends_with_what_is_said() {
    let (source, engine) = (SourceScript::live(), EngineScript::default());
    let bench = Bench::new(&source, &engine);
    source.show(1);
    let caption = until(&bench.pipeline, whole_caption);
    let (release, released) = hang();
    engine.hang(released);
    bench.pipeline.view(0).ask("Who?", Arc::clone(&caption.frame)).expect("room");
    wait_for("it hangs", || engine.hung.load(Ordering::SeqCst) == 1);
    bench.let_it_hang();
    assert!(bench.said_of(Worker::Inference).1);
    let second = bench.pipeline.view(0).ask("Who?", caption.frame).expect("room");
    let (id, _, reply) = until(&bench.pipeline, answered);
    assert_eq!((id, reply.text), (second.id, answer_of("Who?", 1)));
    drop(release);
}

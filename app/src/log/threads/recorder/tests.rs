//! Tests of the writer thread, with a log that does as a test tells it.

use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::thread;

use crossbeam_channel::{Receiver, Sender, bounded};
use vlm::Features;

use super::*;
use crate::base::message::Message;
use crate::engine::EngineCard;
use crate::live::Event;
use crate::log::EventRecorder;
use crate::log::data::entry::{Entry, SessionStart};
use crate::log::data::views::KeptView;
use crate::log::threads::events::RecordKind;
use crate::log::threads::meanings::Meaning;
use crate::log::threads::sink::{EventUpdate, Extension, Log};
use crate::rules::event::{EventKind, RuleEvent};
use crate::testing::log::{answered, caption, captioned, frame};
use crate::testing::meaning::fake_embedder;
use crate::testing::rules::event as rule_event;

/// What a fake log was asked to do.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Call {
    Begin(String),
    Add { session: i64, text: String, ended: Option<Extension>, lost: u64 },
    Extend(Extension),
    Update { entry: i64, duration_ms: i64, is_over: bool, has_picture: bool },
    View { session: i64, frame: i64 },
    Meaning { entry: i64, vector: Vec<i32> },
    End { session: i64, lost: u64 },
}

/// A log that keeps what it is told. Each write first waits for `gate`, if there is one, and fails
/// while it should.
#[derive(Clone)]
struct FakeLog {
    calls: Arc<Mutex<Vec<Call>>>,
    failing: Arc<Mutex<Option<LogError>>>,
    gate: Option<Receiver<()>>,
    /// Somebody deletes the file.
    is_gone: Arc<AtomicBool>,
    sessions: i64,
    entries: i64,
}

impl FakeLog {
    fn write(&self, call: Call) -> Result<(), LogError> {
        if let Some(gate) = &self.gate {
            // A gate that is gone is open.
            let _ = gate.recv();
        }
        if let Some(error) = self.failing.lock().expect("sound").clone() {
            return Err(error);
        }
        self.calls.lock().expect("sound").push(call);
        Ok(())
    }
}

impl Log for FakeLog {
    fn begin(&mut self, start: &SessionStart) -> Result<i64, LogError> {
        self.write(Call::Begin(start.source.clone()))?;
        self.sessions += 1;
        Ok(self.sessions)
    }

    fn add(
        &mut self,
        entry: &Entry,
        thumbnail: Option<&[u8]>,
        ended: Option<Extension>,
        lost: u64,
    ) -> Result<i64, LogError> {
        assert!(thumbnail.is_some());
        self.write(Call::Add { session: entry.session, text: entry.text.clone(), ended, lost })?;
        self.entries += 1;
        Ok(self.entries)
    }

    fn extend(&mut self, extension: Extension) -> Result<(), LogError> {
        self.write(Call::Extend(extension))
    }

    fn update_event(&mut self, update: EventUpdate<'_>) -> Result<(), LogError> {
        let EventUpdate { entry, duration_ms, facts, thumbnail, .. } = update;
        let (is_over, has_picture) = (facts.is_over, thumbnail.is_some());
        self.write(Call::Update { entry, duration_ms, is_over, has_picture })
    }

    fn add_view(&mut self, view: &KeptView) -> Result<(), LogError> {
        self.write(Call::View { session: view.session, frame: view.frame })
    }

    fn add_meaning(&mut self, meaning: &Meaning) -> Result<(), LogError> {
        let hundredths = meaning.vector.iter().map(|x| (x * 100.0).round() as i32).collect();
        self.write(Call::Meaning { entry: meaning.entry, vector: hundredths })
    }

    fn end(&mut self, session: i64, _ended_ms: i64, lost: u64) -> Result<(), LogError> {
        self.write(Call::End { session, lost })
    }

    fn tidy(&mut self, _: &Keep) -> Result<(), LogError> {
        Ok(())
    }

    fn look(&mut self) -> Result<(), LogError> {
        let is_gone = self.is_gone.swap(false, Ordering::Relaxed);
        if is_gone { Err(LogError::Gone("captions.db".into())) } else { Ok(()) }
    }
}

/// A recorder over a fake log, and the test's ends of that.
struct Bench {
    recorder: Recorder,
    events: EventRecorder,
    calls: Arc<Mutex<Vec<Call>>>,
    failing: Arc<Mutex<Option<LogError>>>,
    is_gone: Arc<AtomicBool>,
    start: Instant,
}

impl Bench {
    fn new(gate: Option<Receiver<()>>) -> Self {
        Self::with_embedder(gate, no_embedder())
    }

    fn with_embedder(gate: Option<Receiver<()>>, embedder: OpenEmbedder) -> Self {
        let (calls, failing) = (Arc::<Mutex<Vec<Call>>>::default(), Arc::<Mutex<Option<LogError>>>::default());
        let is_gone = Arc::<AtomicBool>::default();
        let log = FakeLog {
            calls: Arc::clone(&calls),
            failing: Arc::clone(&failing),
            gate,
            is_gone: Arc::clone(&is_gone),
            sessions: 0,
            entries: 0,
        };
        let open = move || Ok(Box::new(log.clone()) as Box<dyn Log>);
        let recorder =
            Recorder::start_with(Box::new(open), Keep::default(), embedder, Arc::new(|| {})).expect("started");
        let events = EventRecorder::new("camera".to_owned(), EngineCard::default(), "What?".to_owned());
        Self { recorder, events, calls, failing, is_gone, start: Instant::now() }
    }

    fn observe(&mut self, event: &Event) {
        self.recorder.record(self.events.observe(event).expect("something to record"));
    }

    fn caption(&mut self, after: u64, text: &str) {
        let frame = frame(after, self.start, Duration::from_secs(after), "2026-11-24T16:00:00+01:00[Europe/Berlin]");
        self.observe(&caption(frame, text));
    }

    /// What a rule tells of a frame captured so many seconds after the start.
    fn rule(&mut self, kind: EventKind, at_peak: u64) {
        let time = |seconds: u64| {
            frame(
                seconds,
                self.start,
                Duration::from_secs(seconds),
                &format!("2026-11-24T16:00:{seconds:02}+01:00[Europe/Berlin]"),
            )
        };
        let end = matches!(kind, EventKind::End | EventKind::NearMiss).then(|| time(9).time);
        let event = RuleEvent { frame: Arc::new(time(at_peak)), start: time(2).time, end, ..rule_event(kind) };
        if let Some(record) = self.events.observe_rule(&event) {
            self.recorder.record(record);
        }
    }

    fn wait(&self, what: impl Fn(&RecorderStatus) -> bool) {
        let deadline = Instant::now() + Duration::from_mins(1);
        while !what(&self.recorder.status()) {
            assert!(Instant::now() < deadline, "{:?}", self.recorder.status());
            thread::sleep(Duration::from_millis(1));
        }
    }

    fn finish(self) -> (RecorderStatus, Vec<Call>) {
        let status = self.recorder.finish();
        let calls = self.calls.lock().expect("sound").clone();
        (status, calls)
    }
}

fn gate() -> (Sender<()>, Receiver<()>) {
    bounded(0)
}

fn held(entry: i64, seconds: i64) -> Extension {
    Extension { entry, duration_ms: seconds * 1000, ..Extension::default() }
}

#[test]
fn a_caption_ends_the_one_before_and_the_same_words_extend_it() {
    let mut bench = Bench::new(None);
    bench.caption(1, "A cup.");
    bench.caption(3, "A cup.");
    bench.caption(7, "A jug.");
    let (status, calls) = bench.finish();
    let add = |text: &str, ended| Call::Add { session: 1, text: text.to_owned(), ended, lost: 0 };
    assert_eq!(
        calls,
        [
            Call::Begin("camera".to_owned()),
            add("A cup.", None),
            Call::Extend(Extension { repeats: 1, dropped: 2, skipped: 1, ..held(1, 2) }),
            add("A jug.", Some(held(1, 6))),
            Call::End { session: 1, lost: 0 },
        ]
    );
    assert_eq!((status.recorded, status.lost), (3, 0));
}

#[test]
fn an_answer_stands_beside_the_caption_that_holds() {
    let mut bench = Bench::new(None);
    bench.caption(1, "A cup.");
    bench.observe(&answered("What colour?", "Red."));
    bench.caption(4, "A cup.");
    let (_, calls) = bench.finish();
    assert!(matches!(&calls[2], Call::Add { text, ended: None, .. } if text == "Red."), "{calls:?}");
    assert_eq!(calls[3], Call::Extend(Extension { repeats: 1, dropped: 2, skipped: 1, ..held(1, 3) }));
}

#[test]
fn another_source_begins_another_session() {
    let mut bench = Bench::new(None);
    bench.caption(1, "A cup.");
    assert!(bench.events.observe(&Event::SourceOpened { name: "film".to_owned() }).is_none());
    bench.caption(2, "A cup.");
    let (_, calls) = bench.finish();
    assert_eq!(calls[2], Call::End { session: 1, lost: 0 });
    assert_eq!(calls[3], Call::Begin("film".to_owned()));
    assert!(matches!(&calls[4], Call::Add { session: 2, ended: None, .. }), "the same words, but elsewhere: {calls:?}");
}

#[test]
fn what_finds_the_queue_full_is_lost_and_counted_in_the_log() {
    let (open, closed) = gate();
    let mut bench = Bench::new(Some(closed));
    let many = QUEUE as u64 + 10;
    for number in 1..=many {
        // None of these waits, though nothing is written.
        bench.caption(number, &format!("Caption {number}"));
    }
    let lost = bench.recorder.status().lost;
    // The writer may have taken one out of the queue.
    assert!((9..=10).contains(&lost), "{lost}");
    drop(open);
    bench.wait(|status| status.recorded == many - lost);
    bench.caption(100, "The disk is quick again.");
    let (status, calls) = bench.finish();
    assert_eq!((status.recorded, status.lost), (many - lost + 1, lost));
    let counted: u64 = calls
        .iter()
        .map(|call| match call {
            Call::Add { lost, .. } | Call::End { lost, .. } => *lost,
            _ => 0,
        })
        .sum();
    assert_eq!(counted, lost);
}

#[test]
fn what_the_disk_has_not_taken_at_the_end_is_counted_as_lost() {
    let (open, closed) = gate();
    let mut bench = Bench::new(Some(closed));
    bench.recorder.patience = Duration::from_millis(20);
    for number in 1..=5 {
        bench.caption(number, &format!("Caption {number}"));
    }
    let (status, calls) = bench.finish();
    assert_eq!((status.recorded, status.lost, calls.len()), (0, 5, 0));
    drop(open);
}

#[test]
fn a_disk_that_fails_is_shown_and_what_it_cost_is_written_once_it_works() {
    let mut bench = Bench::new(None);
    let full = LogError::Full("captions.db".into());
    *bench.failing.lock().expect("sound") = Some(full.clone());
    bench.caption(1, "A cup.");
    bench.caption(2, "A jug.");
    bench.wait(|status| status.lost == 2 && status.trouble.is_some());
    assert_eq!(bench.recorder.status().trouble, Some(full.message()));
    *bench.failing.lock().expect("sound") = None;
    bench.caption(3, "A pot.");
    bench.wait(|status| status.recorded == 1 && status.trouble.is_none());
    let (status, calls) = bench.finish();
    assert_eq!((status.recorded, status.lost, status.trouble), (1, 2, None));
    assert_eq!(status.last_trouble, Some(full.message()), "for who did not ask in between");
    assert_eq!(calls[1], Call::Add { session: 1, text: "A pot.".to_owned(), ended: None, lost: 2 });
}

#[test]
fn a_log_that_does_not_open_counts_everything_as_lost() {
    let error = LogError::ReadOnly("captions.db".into());
    let ours = error.clone();
    let recorder =
        Recorder::start(Box::new(move || Err(ours.clone())), Keep::default(), Arc::new(|| {})).expect("started");
    let mut events = EventRecorder::new("camera".to_owned(), EngineCard::default(), String::new());
    recorder.record(events.observe(&captioned(1, "A cup.")).expect("a caption"));
    let status = recorder.finish();
    let trouble = Some(error.message());
    let last_trouble = trouble.clone();
    assert_eq!(status, RecorderStatus { lost: 1, trouble, last_trouble, ..RecorderStatus::default() });
}

#[test]
fn trouble_stays_until_the_disk_takes_something_again() {
    let mut bench = Bench::new(None);
    *bench.failing.lock().expect("sound") = Some(LogError::Full("captions.db".into()));
    bench.caption(1, "A cup");
    bench.wait(|status| status.trouble.is_some());
    // The view is unchanged, but no caption of it could be written, so there is nothing to write
    // now.
    let record = bench.events.observe(&captioned(2, "A cup")).expect("recorded");
    bench.recorder.record(Record { what: RecordKind::Lasts, ..record });
    let (status, calls) = bench.finish();
    assert!(status.trouble.is_some_and(|message| message.what().contains("is full")), "said at the end, too");
    assert_eq!((status.lost, calls.len()), (1, 0));
}

#[test]
fn a_log_that_is_gone_is_begun_anew_with_the_caption_that_holds() {
    let mut bench = Bench::new(None);
    bench.caption(1, "A cup.");
    bench.caption(3, "A jug.");
    bench.wait(|status| status.recorded == 2);
    bench.is_gone.store(true, Ordering::Relaxed);
    // Nothing is recorded meanwhile: it is noticed all the same.
    bench.wait(|status| status.renewed == 1 && status.recorded == 1);
    bench.caption(4, "A pot.");
    let (status, calls) = bench.finish();
    assert_eq!((status.recorded, status.left_behind, status.lost, status.trouble), (2, 2, 0, None));
    let add = |text: &str, ended| Call::Add { session: 1, text: text.to_owned(), ended, lost: 0 };
    assert_eq!(
        calls[3..7],
        [
            Call::Begin("camera".to_owned()),
            add("A jug.", None),
            Call::Extend(held(1, 0)),
            add("A pot.", Some(held(1, 1))),
        ]
    );
}

#[test]
fn an_event_of_a_rule_is_added_when_it_begins_and_lasts_until_it_ends() {
    let mut bench = Bench::new(None);
    bench.caption(1, "A cup.");
    bench.rule(EventKind::Begin, 3);
    bench.rule(EventKind::Words, 3);
    bench.caption(4, "A jug.");
    bench.rule(EventKind::End, 5);
    bench.rule(EventKind::NearMiss, 7);
    let (status, calls) = bench.finish();
    let add = |text: &str, ended| Call::Add { session: 1, text: text.to_owned(), ended, lost: 0 };
    let Call::Extend(Extension { entry: 2, .. }) = calls[3] else {
        panic!("a caption shows that it goes on: {calls:?}")
    };
    assert_eq!(calls[2], add("there is a cup", None));
    assert_eq!(calls[4], add("A jug.", Some(held(1, 3))), "a caption is held by captions alone");
    let update = Call::Update { entry: 2, duration_ms: 7000, is_over: true, has_picture: true };
    assert_eq!(calls[5..7], [update, add("there is a cup", None)]);
    assert_eq!((status.recorded, status.lost), (4, 0));
}

#[test]
fn an_event_whose_beginning_is_in_another_file_is_written_whole() {
    let mut bench = Bench::new(None);
    bench.rule(EventKind::End, 5);
    let (_, calls) = bench.finish();
    assert!(matches!(&calls[1], Call::Add { text, .. } if text == "there is a cup"), "{calls:?}");
}

#[test]
fn a_view_is_kept_and_counts_as_no_entry() {
    let mut bench = Bench::new(None);
    let frame = Arc::new(frame(3, bench.start, Duration::from_secs(3), "2026-11-24T16:00:03+01:00[Europe/Berlin]"));
    let features = Arc::new(Features { width: 1, scales: vec![1.0], bytes: vec![1] });
    bench.observe(&Event::Viewed { frame, features });
    let (status, calls) = bench.finish();
    assert_eq!(calls[1], Call::View { session: 1, frame: 3 });
    assert_eq!((status.recorded, status.lost), (0, 0));
}

#[test]
fn a_lock_is_waited_for() {
    let mut bench = Bench::new(None);
    *bench.failing.lock().expect("sound") = Some(LogError::Locked("captions.db".into()));
    bench.caption(1, "A cup.");
    bench.wait(|status| status.trouble.is_some());
    *bench.failing.lock().expect("sound") = None;
    bench.wait(|status| status.recorded == 1 && status.trouble.is_none());
    assert_eq!(bench.finish().0.lost, 0);
}

fn meanings(calls: &[Call]) -> Vec<(i64, i32)> {
    let dog = |call: &Call| match call {
        Call::Meaning { entry, vector } => Some((*entry, vector[0])),
        _ => None,
    };
    calls.iter().filter_map(dog).collect()
}

#[test]
fn what_is_recorded_gets_a_vector() {
    let mut bench = Bench::with_embedder(None, fake_embedder());
    bench.caption(0, "A dog");
    bench.caption(1, "A table");
    bench.observe(&answered("Is there a dog?", "Yes"));
    let (status, calls) = bench.finish();
    assert_eq!((status.recorded, status.lost), (3, 0));
    assert_eq!(meanings(&calls), [(1, 100), (2, 0), (3, 100)]);
}

#[test]
fn a_model_that_fails_costs_the_recording_nothing() {
    let mut bench = Bench::with_embedder(None, fake_embedder());
    bench.caption(0, "unspeakable");
    bench.caption(1, "A dog");
    let (status, calls) = bench.finish();
    assert_eq!((status.recorded, status.lost, status.trouble), (2, 0, None));
    assert_eq!(meanings(&calls), [], "it is not asked again");
    let mut bench = Bench::with_embedder(None, Arc::new(|| Err(Message::new("The model can't be opened."))));
    bench.caption(0, "A dog");
    let (status, calls) = bench.finish();
    assert_eq!((status.recorded, meanings(&calls)), (1, Vec::new()));
}

/// Records go before vectors: while any waits, none is made.
#[test]
fn no_more_entries_wait_for_their_vectors_than_may() {
    let (open, gate) = bounded(0);
    let mut bench = Bench::with_embedder(Some(gate), fake_embedder());
    for n in 0..30 {
        bench.caption(n, &format!("A dog, number {n}"));
    }
    drop(open);
    let (status, calls) = bench.finish();
    assert_eq!((status.recorded, status.lost), (30, 0));
    let made = meanings(&calls);
    assert!((1..=30).contains(&made.len()) && made.last() == Some(&(30, 100)), "{made:?}");
}

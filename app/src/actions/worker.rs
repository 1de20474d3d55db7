//! One action's thread: takes what waits in its queue, one after the other, and has it told; tries
//! again what failed, after a while. Knows neither events nor how it is told.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender};
use vlm::Cancel;

use crate::actions::deliver::{Deliver, Told, Undelivered, Waited};
use crate::actions::queue::Queue;
use crate::actions::spec::ActionSpec;
use crate::base::backoff::Backoff;
use crate::base::message::Message;
use crate::base::text;

/// The longest wait before what failed is tried again.
const LONGEST_WAIT: Duration = Duration::from_mins(5);

/// News about an action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActionNews {
    /// Which.
    pub action: String,
    /// What.
    pub kind: NewsKind,
}

impl ActionNews {
    /// What is said of it. News without a name are of all actions.
    #[must_use]
    pub fn told(&self) -> Message {
        let Self { action, kind } = self;
        let of = if action.is_empty() { "Actions".to_owned() } else { format!("Action {action}") };
        match kind {
            NewsKind::Trouble(message) => {
                let told = Message::new(format!("{of}: {}", message.what()));
                message.advice().map_or(told.clone(), |hint| told.hint(hint))
            }
            NewsKind::Well => Message::new(format!("{of}: it works again.")),
            NewsKind::Dropped(count) => {
                let things = text::count(*count, "thing was", "things were");
                Message::new(format!("{of}: {things} not told, and will not be."))
            }
        }
    }
}

/// What is new.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NewsKind {
    /// It does not work; what is to be told is kept and tried again, unless it is said otherwise.
    Trouble(Message),
    /// It works again.
    Well,
    /// So many were not told and never will be, since the last news of it.
    Dropped(u64),
}

/// Everything that a worker shares with others.
pub struct Links {
    pub queue: Arc<Mutex<Queue>>,
    /// Rings when something was queued, and at the end.
    pub bell: Receiver<()>,
    pub news: Sender<ActionNews>,
    /// Set when nothing more will be queued.
    pub ending: Arc<AtomicBool>,
    /// Raised when it has to stop at once.
    pub cancel: Cancel,
}

/// See the module.
pub struct Worker {
    spec: ActionSpec,
    links: Links,
    deliver: Box<dyn Deliver>,
    backoff: Backoff,
    due: Option<Instant>,
    trouble: Option<Message>,
    /// How many were dropped when it was last told.
    dropped: u64,
}

/// What a worker does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// It looks again at once.
    Look,
    /// It waits for something to tell.
    Idle,
    /// It waits until then.
    Until(Instant),
    /// It ends.
    Stop,
}

impl Worker {
    /// Begins with what a program that ran before has left.
    pub fn new(spec: ActionSpec, links: Links, deliver: Box<dyn Deliver>) -> Self {
        let dropped = lock(&links.queue).counts(&spec.name).map_or(0, |(_, dropped)| dropped);
        let backoff = Backoff::up_to(LONGEST_WAIT);
        Self { spec, links, deliver, backoff, due: None, trouble: None, dropped }
    }

    /// Works until it is told to end.
    pub fn run(mut self) {
        loop {
            match self.step(Instant::now(), now_ms()) {
                Next::Look => {}
                Next::Idle => self.wait(None),
                Next::Until(due) => self.wait(Some(due)),
                Next::Stop => return self.deliver.end(),
            }
        }
    }

    fn wait(&mut self, until: Option<Instant>) {
        match self.deliver.wait(&self.links.bell, until, &self.links.cancel) {
            Waited::Over => {}
            Waited::Recovered => {
                self.due = None;
                self.is_well();
            }
            Waited::Trouble(message) => self.is_troubled(message),
        }
    }

    /// Has the next one told, if it is time for it.
    fn step(&mut self, now: Instant, now_ms: i64) -> Next {
        if self.links.cancel.is_cancelled() {
            return Next::Stop;
        }
        let is_ending = self.links.ending.load(Ordering::SeqCst);
        if let Some(due) = self.due.filter(|&due| due > now) {
            // What fails now waits for the next start.
            return if is_ending { Next::Stop } else { Next::Until(due) };
        }
        let oldest_ms = now_ms - self.spec.keep.as_millis() as i64;
        let front = lock(&self.links.queue).front(&self.spec.name, oldest_ms);
        let waiting = match front {
            Ok(Some(waiting)) => waiting,
            Ok(None) => {
                self.due = None;
                self.count_dropped();
                return if is_ending { Next::Stop } else { Next::Idle };
            }
            Err(error) => return self.fail(now, error.message(), None),
        };
        self.count_dropped();
        let told = Told { occurrence: &waiting.occurrence, picture: waiting.picture.as_deref() };
        let told = self.deliver.deliver(told, &self.links.cancel);
        let kept = match told {
            Ok(()) => {
                self.is_well();
                lock(&self.links.queue).done(waiting.id)
            }
            Err(Undelivered::Later { message, after }) => return self.fail(now, message, after),
            Err(Undelivered::Never(message)) => {
                self.backoff.reset();
                self.is_troubled(message);
                let gone = lock(&self.links.queue).give_up(&self.spec.name, waiting.id);
                self.count_dropped();
                gone
            }
            Err(Undelivered::Cancelled) => return Next::Stop,
        };
        match kept {
            Ok(()) => {
                self.due = None;
                Next::Look
            }
            // It would be told over and over: the wait keeps that within bounds.
            Err(error) => self.fail(now, error.message(), None),
        }
    }

    fn fail(&mut self, now: Instant, message: Message, after: Option<Duration>) -> Next {
        let wait = self.backoff.next().max(after.unwrap_or_default().min(LONGEST_WAIT));
        self.is_troubled(message);
        let due = now + wait;
        self.due = Some(due);
        Next::Until(due)
    }

    fn is_well(&mut self) {
        self.backoff.reset();
        if self.trouble.is_some() && self.tell(NewsKind::Well) {
            self.trouble = None;
        }
    }

    fn is_troubled(&mut self, message: Message) {
        if self.trouble.as_ref() != Some(&message) && self.tell(NewsKind::Trouble(message.clone())) {
            self.trouble = Some(message);
        }
    }

    fn count_dropped(&mut self) {
        let counts = lock(&self.links.queue).counts(&self.spec.name);
        if let Ok((_, dropped)) = counts
            && dropped > self.dropped
            && self.tell(NewsKind::Dropped(dropped - self.dropped))
        {
            self.dropped = dropped;
        }
    }

    /// Says whether there was room for the news; otherwise they are told with the next ones.
    fn tell(&self, kind: NewsKind) -> bool {
        self.links.news.try_send(ActionNews { action: self.spec.name.clone(), kind }).is_ok()
    }
}

/// Locks a queue that no thread leaves half changed: every change is a transaction.
pub fn lock(queue: &Mutex<Queue>) -> MutexGuard<'_, Queue> {
    queue.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Milliseconds since 1970.
pub fn now_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use crossbeam_channel::bounded;

    use super::*;
    use crate::testing::actions::{caption, webhook_spec};

    /// Tells as it is told to, then well.
    #[derive(Default)]
    struct Script {
        answers: VecDeque<Result<(), Undelivered>>,
        told: Arc<Mutex<Vec<String>>>,
    }

    impl Deliver for Script {
        fn deliver(&mut self, told: Told<'_>, _: &Cancel) -> Result<(), Undelivered> {
            self.told.lock().expect("no panic").push(told.occurrence.body());
            self.answers.pop_front().unwrap_or(Ok(()))
        }
    }

    struct Bench {
        _folder: tempfile::TempDir,
        worker: Worker,
        queue: Arc<Mutex<Queue>>,
        told: Arc<Mutex<Vec<String>>>,
        news: Receiver<ActionNews>,
        start: Instant,
    }

    impl Bench {
        fn new(answers: impl IntoIterator<Item = Result<(), Undelivered>>, waiting: &[&str]) -> Self {
            let folder = tempfile::tempdir().expect("a folder");
            let queue = Arc::new(Mutex::new(Queue::open(folder.path()).expect("a queue")));
            for text in waiting {
                lock(&queue).push("hook", &caption("door", text), None, false, 0).expect("kept");
            }
            let script = Script { answers: answers.into_iter().collect(), told: Arc::default() };
            let told = Arc::clone(&script.told);
            let ((sender, news), (_, bell)) = (bounded(16), bounded(1));
            let links = Links {
                queue: Arc::clone(&queue),
                bell,
                news: sender,
                ending: Arc::default(),
                cancel: Cancel::default(),
            };
            let worker = Worker::new(webhook_spec("hook"), links, Box::new(script));
            Self { _folder: folder, worker, queue, told, news, start: Instant::now() }
        }

        /// One step, so long after the start.
        fn step(&mut self, ms: u64) -> Next {
            self.worker.step(self.start + Duration::from_millis(ms), 0)
        }

        fn told(&self) -> Vec<String> {
            std::mem::take(&mut self.told.lock().expect("no panic"))
        }

        fn news(&self) -> Vec<NewsKind> {
            self.news.try_iter().map(|news| news.kind).collect()
        }

        fn at(&self, ms: u64) -> Instant {
            self.start + Duration::from_millis(ms)
        }
    }

    fn later(what: &str) -> Result<(), Undelivered> {
        Err(Undelivered::later(Message::new(what)))
    }

    #[test]
    fn what_fails_is_told_again_after_a_growing_while_and_keeps_its_place() {
        let mut bench = Bench::new([later("Away."), later("Away."), Ok(())], &["first", "second"]);
        assert_eq!(bench.step(0), Next::Until(bench.at(500)));
        assert_eq!(bench.step(499), Next::Until(bench.at(500)), "not before it is due");
        assert_eq!(bench.step(500), Next::Until(bench.at(1500)));
        assert_eq!(bench.step(1500), Next::Look);
        assert_eq!(bench.step(1500), Next::Look);
        assert_eq!(bench.step(1500), Next::Idle);
        assert_eq!(bench.told(), ["first", "first", "first", "second"]);
        assert_eq!(bench.news(), [NewsKind::Trouble(Message::new("Away.")), NewsKind::Well]);
    }

    #[test]
    fn a_server_that_asks_for_time_gets_it_within_bounds() {
        let asks = |seconds| {
            let after = Some(Duration::from_secs(seconds));
            Err(Undelivered::Later { message: Message::new("Busy."), after })
        };
        let mut bench = Bench::new([asks(7), asks(1_000_000)], &["first"]);
        assert_eq!(bench.step(0), Next::Until(bench.at(7000)));
        assert_eq!(bench.step(7000), Next::Until(bench.at(7000) + LONGEST_WAIT));
    }

    #[test]
    fn what_would_fail_again_is_given_up_counted_and_does_not_block() {
        let mut bench = Bench::new([Err(Undelivered::Never(Message::new("Wrong.")))], &["first", "second"]);
        assert_eq!([bench.step(0), bench.step(0), bench.step(0)], [Next::Look, Next::Look, Next::Idle]);
        assert_eq!(bench.told(), ["first", "second"]);
        assert_eq!(bench.news(), [NewsKind::Trouble(Message::new("Wrong.")), NewsKind::Dropped(1), NewsKind::Well]);
    }

    #[test]
    fn what_is_older_than_it_is_kept_is_dropped_and_counted() {
        let mut bench = Bench::new([], &["old"]);
        let much_later = bench.worker.spec.keep.as_millis() as i64 + 1;
        assert_eq!(bench.worker.step(bench.start, much_later), Next::Idle);
        assert_eq!((bench.told().len(), bench.news()), (0, vec![NewsKind::Dropped(1)]));
    }

    #[test]
    fn at_the_end_it_tells_what_it_can_and_leaves_the_rest_for_the_next_start() {
        let mut bench = Bench::new([Ok(()), later("Away.")], &["first", "second", "third"]);
        bench.worker.links.ending.store(true, Ordering::SeqCst);
        assert_eq!(bench.step(0), Next::Look);
        assert!(matches!(bench.step(0), Next::Until(_)));
        assert_eq!(bench.step(0), Next::Stop);
        assert_eq!(lock(&bench.queue).counts("hook").expect("counted"), (2, 0));
        let mut next = Bench::new([], &[]);
        next.worker.links.ending.store(true, Ordering::SeqCst);
        assert_eq!(next.step(0), Next::Stop, "nothing waits");
    }

    #[test]
    fn a_wait_that_found_the_way_free_ends_the_delay() {
        struct Recovers;
        impl Deliver for Recovers {
            fn deliver(&mut self, _: Told<'_>, _: &Cancel) -> Result<(), Undelivered> {
                later("Away.")
            }
            fn wait(&mut self, _: &Receiver<()>, _: Option<Instant>, _: &Cancel) -> Waited {
                Waited::Recovered
            }
        }
        let mut bench = Bench::new([], &["first"]);
        bench.worker.deliver = Box::new(Recovers);
        let Next::Until(due) = bench.step(0) else { panic!("it fails") };
        bench.worker.wait(Some(due));
        assert!(matches!(bench.step(1), Next::Until(_)) && bench.worker.due != Some(due), "it was tried at once");
        assert_eq!(
            bench.news(),
            [NewsKind::Trouble(Message::new("Away.")), NewsKind::Well, NewsKind::Trouble(Message::new("Away."))]
        );
    }
}

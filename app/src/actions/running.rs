//! Actions that run: a thread that keeps what is to be told, and one for each action that tells it.
//! Whoever has something to tell never waits: neither for the disk nor for the network.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};
use vlm::Cancel;

use crate::actions::announced::Announced;
use crate::actions::changes::Changes;
use crate::actions::occurrence::Occurrence;
use crate::actions::open::open;
use crate::actions::queue::{Queue, QueueError};
use crate::actions::spec::ActionSpec;
use crate::actions::worker::{ActionNews, Links, NewsKind, Worker, lock, now_ms};
use crate::base::message::Message;
use crate::base::thread::Thread;
use crate::base::{folders, jpeg};
use crate::live::Report;
use crate::live::frame::Frame;

/// Occurrences that wait for the disk. Their frames are held meanwhile.
const TO_KEEP: usize = 32;
/// News that wait to be read.
const NEWS: usize = 64;
/// How long the end waits for what is still to be told.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long threads get to end after that: they look at their flag ten times a second.
const PARTING: Duration = Duration::from_secs(2);
/// A picture that is sent is at most this wide, in pixels, and of this JPEG quality.
const WIDEST: u32 = 1280;
const QUALITY: u8 = 85;

/// Something to tell, before it is kept.
struct ToTell {
    occurrence: Occurrence,
    /// What it is about.
    frame: Option<Arc<Frame>>,
    /// The actions that its rule names.
    named: Vec<String>,
}

/// See the module.
pub struct Actions {
    names: Vec<String>,
    queue: Arc<Mutex<Queue>>,
    changes: Changes,
    /// None once it has ended.
    to_keep: Option<Sender<ToTell>>,
    news: (Sender<ActionNews>, Receiver<ActionNews>),
    keeper: Option<Thread>,
    workers: Vec<Thread>,
    bells: Vec<Sender<()>>,
    ending: Arc<AtomicBool>,
    cancel: Cancel,
}

impl Actions {
    /// Starts all of them. `sources` are what people call the pipeline's views, in their order;
    /// without any there is one, which is called what it calls itself. What is to be told is kept
    /// in `folder`.
    ///
    /// # Errors
    /// What is wrong with what an action needs, or with the folder.
    pub fn start(specs: Vec<ActionSpec>, announced: &Announced, folder: &Path) -> Result<Self, Message> {
        let mut names = BTreeSet::new();
        if let Some(twice) = specs.iter().find(|spec| !names.insert(&spec.name)) {
            return Err(Message::new(format!("Two actions are called {}.", twice.name))
                .hint("Give each its own name, also where one stands in a plan."));
        }
        let opened = specs.iter().map(|spec| open(spec, Some(announced))).collect::<Result<Vec<_>, _>>()?;
        let mut queue = Queue::open(folder).map_err(|error| error.message())?;
        queue.forget_old(now_ms()).map_err(|error| error.message())?;
        let queue = Arc::new(Mutex::new(queue));
        let (to_keep, kept) = bounded(TO_KEEP);
        let mut actions = Self {
            names: specs.iter().map(|spec| spec.name.clone()).collect(),
            queue,
            changes: Changes::new(&announced.sources),
            to_keep: Some(to_keep),
            news: bounded(NEWS),
            keeper: None,
            workers: Vec::new(),
            bells: Vec::new(),
            ending: Arc::default(),
            cancel: Cancel::default(),
        };
        let no_thread = |error: std::io::Error| Message::new(format!("The system started no thread ({error})."));
        for (spec, deliver) in specs.iter().zip(opened) {
            let (bell, rung) = bounded(1);
            let links = Links {
                queue: Arc::clone(&actions.queue),
                bell: rung,
                news: actions.news.0.clone(),
                ending: Arc::clone(&actions.ending),
                cancel: actions.cancel.clone(),
            };
            let worker = Worker::new(spec.clone(), links, deliver);
            actions.workers.push(Thread::start("action", || worker.run()).map_err(no_thread)?);
            actions.bells.push(bell);
        }
        let keeper = Keeper {
            specs,
            queue: Arc::clone(&actions.queue),
            bells: actions.bells.clone(),
            news: actions.news.0.clone(),
            trouble: None,
        };
        actions.keeper = Some(Thread::start("actions", move || keeper.run(&kept)).map_err(no_thread)?);
        Ok(actions)
    }

    /// Tells what an event of the pipeline has to tell.
    pub fn observe(&mut self, report: &Report) {
        if let Some((occurrence, frame)) = self.changes.observe(report) {
            self.tell(occurrence, Some(frame), &[]);
        }
    }

    /// A view is called what its source calls itself, from the next source on.
    pub fn unname(&mut self, view: usize) {
        self.changes.unname(view);
    }

    /// A view is not there any more. Another one may have its number later.
    pub fn remove_view(&mut self, view: usize) {
        self.changes.remove_view(view);
    }

    /// Tells something. `named` are the actions that a rule names.
    pub fn tell(&self, occurrence: Occurrence, frame: Option<Arc<Frame>>, named: &[String]) {
        let Some(to_keep) = &self.to_keep else { return };
        if to_keep.try_send(ToTell { occurrence, frame, named: named.to_vec() }).is_err() {
            tracing::warn!("something was not told: the disk is slow");
            // With no room for the news either, the log has it.
            let _ = self.news.0.try_send(ActionNews { action: String::new(), kind: NewsKind::Dropped(1) });
        }
    }

    /// The next news of an action.
    #[must_use]
    pub fn news(&self) -> Option<ActionNews> {
        self.news.1.try_recv().ok()
    }

    /// Tells what can be told within three seconds, and ends. Says how many of which actions wait
    /// for the next start.
    #[must_use]
    pub fn finish(mut self) -> Vec<(String, u64)> {
        self.stop(PATIENCE);
        let queue = lock(&self.queue);
        let waiting = |name: &String| queue.counts(name).ok().map(|(waiting, _)| (name.clone(), waiting));
        self.names.iter().filter_map(waiting).filter(|&(_, waiting)| waiting > 0).collect()
    }

    fn stop(&mut self, patience: Duration) {
        self.to_keep = None;
        let deadline = Instant::now() + patience;
        if let Some(mut keeper) = self.keeper.take() {
            keeper.join_until(deadline);
        }
        self.ending.store(true, Ordering::SeqCst);
        for bell in self.bells.drain(..) {
            // A bell that rings already will do.
            let _ = bell.try_send(());
        }
        for worker in &self.workers {
            worker.wait_until(deadline);
        }
        self.cancel.cancel();
        let deadline = Instant::now() + PARTING;
        for mut worker in self.workers.drain(..) {
            worker.join_until(deadline);
        }
    }
}

/// What is not told yet waits for the next start.
impl Drop for Actions {
    fn drop(&mut self) {
        self.stop(Duration::ZERO);
    }
}

/// The thread that keeps what is to be told.
struct Keeper {
    specs: Vec<ActionSpec>,
    queue: Arc<Mutex<Queue>>,
    /// In the order of `specs`.
    bells: Vec<Sender<()>>,
    news: Sender<ActionNews>,
    trouble: Option<Message>,
}

impl Keeper {
    fn run(mut self, to_keep: &Receiver<ToTell>) {
        while let Ok(to_tell) = to_keep.recv() {
            let kept = self.keep(&to_tell);
            self.report(kept.err().map(|error| error.message()));
        }
    }

    fn keep(&mut self, to_tell: &ToTell) -> Result<(), QueueError> {
        let ToTell { occurrence, frame, named } = to_tell;
        let mut picture = None;
        for (spec, bell) in self.specs.iter().zip(&self.bells) {
            if !spec.wants(occurrence, named) {
                continue;
            }
            let wanted = frame.as_ref().filter(|_| spec.picture);
            // Encoded once, and only if anybody wants it.
            let jpeg = wanted.and_then(|frame| {
                picture.get_or_insert_with(|| jpeg::encode(&frame.image, WIDEST, QUALITY)).as_deref()
            });
            let only_newest = spec.only_newest(occurrence.kind);
            lock(&self.queue).push(&spec.name, occurrence, jpeg, only_newest, now_ms())?;
            // A bell that rings already will do.
            let _ = bell.try_send(());
        }
        Ok(())
    }

    /// Says what is new: nothing twice.
    fn report(&mut self, trouble: Option<Message>) {
        if trouble == self.trouble {
            return;
        }
        let kind = trouble.clone().map_or(NewsKind::Well, NewsKind::Trouble);
        if self.news.try_send(ActionNews { action: String::new(), kind }).is_ok() {
            self.trouble = trouble;
        }
    }
}

/// Where what is to be told is kept, if the system knows a folder for data.
#[must_use]
pub fn default_folder() -> Option<PathBuf> {
    folders::data()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actions::occurrence::Kind;
    use crate::live::Event;
    use crate::testing::actions::{WebServer, began, hook};
    use crate::testing::log::captioned;

    const LONG: Duration = Duration::from_mins(1);

    fn captions(actions: &mut Actions, texts: &[&str]) {
        for text in texts {
            actions.observe(&Report { view: Some(0), event: captioned(1, text) });
        }
    }

    fn start(specs: Vec<ActionSpec>, folder: &Path) -> Actions {
        let announced = Announced { sources: vec!["door".to_owned()], rules: Vec::new() };
        Actions::start(specs, &announced, folder).expect("started")
    }

    fn bodies(server: &WebServer) -> Vec<serde_json::Value> {
        server.asked().iter().map(|request| serde_json::from_slice(&request.body).expect("JSON")).collect()
    }

    #[test]
    fn each_action_is_told_what_it_wants_and_pictures_go_with_those_that_want_them() {
        let (folder, all, few) = (tempfile::tempdir().expect("a folder"), WebServer::new([]), WebServer::new([]));
        let everything = ActionSpec { captions: true, picture: true, ..hook("all", &all) };
        let mut actions = start(vec![everything, hook("few", &few)], folder.path());
        captions(&mut actions, &["A cup.", "A cup.", "A jug."]);
        let frame = Arc::new(Frame::now(1, image::RgbImage::new(64, 48)));
        actions.tell(began("parcel", "door"), Some(frame), &["few".to_owned()]);
        assert_eq!(actions.finish(), []);
        let told = bodies(&all);
        assert_eq!(told.iter().map(|json| json["text"].clone()).collect::<Vec<_>>(), ["A cup.", "A jug."]);
        assert_eq!((&told[1]["before"], &told[1]["picture"]["type"]), (&"A cup.".into(), &"image/jpeg".into()));
        let told = bodies(&few);
        assert_eq!(told.len(), 1, "the rule names one action");
        assert!(told[0]["kind"] == "begin" && told[0].get("picture").is_none());
    }

    #[test]
    fn what_could_not_be_told_is_told_after_the_next_start() {
        let folder = tempfile::tempdir().expect("a folder");
        let away = WebServer::new([(503, ""); 100]);
        let spec = ActionSpec { captions: true, ..hook("hook", &away) };
        let mut actions = start(vec![spec.clone()], folder.path());
        captions(&mut actions, &["A cup.", "A jug."]);
        // Until it was tried once: then it waits, and is not waited for.
        let began = Instant::now();
        let news = loop {
            match actions.news() {
                Some(news) => break news,
                None if began.elapsed() < LONG => std::thread::sleep(Duration::from_millis(1)),
                None => panic!("no news"),
            }
        };
        assert!(matches!(news.kind, NewsKind::Trouble(_)) && news.action == "hook", "{news:?}");
        assert_eq!(actions.finish(), [("hook".to_owned(), 2)]);
        let back = WebServer::new([]);
        let spec = ActionSpec { means: hook("hook", &back).means, ..spec };
        assert_eq!(start(vec![spec], folder.path()).finish(), []);
        let told = bodies(&back);
        assert_eq!(told.iter().map(|json| json["text"].clone()).collect::<Vec<_>>(), ["A cup.", "A jug."]);
        assert_ne!(told[0]["id"], told[1]["id"]);
    }

    #[test]
    fn a_server_that_hangs_holds_up_no_other_and_not_the_end_for_long() {
        let folder = tempfile::tempdir().expect("a folder");
        // It hangs however often it is asked: a busy machine may give up on it and ask again.
        let (silent, well) = (WebServer::new([WebServer::SILENT; 8]), WebServer::new([]));
        let specs = [("silent", &silent), ("well", &well)].map(|(name, server)| hook(name, server));
        let mut actions = start(specs.to_vec(), folder.path());
        actions.tell(Occurrence { kind: Kind::Test, ..began("parcel", "door") }, None, &[]);
        let asked = Instant::now();
        while well.asked().is_empty() || silent.asked().is_empty() {
            assert!(asked.elapsed() < LONG);
            std::thread::sleep(Duration::from_millis(1));
        }
        actions.stop(Duration::ZERO);
        assert!(actions.workers.is_empty());
        drop(actions);
        assert_eq!(Queue::open(folder.path()).expect("free").counts("silent").expect("counted"), (1, 0));
    }

    #[test]
    fn two_of_one_name_are_refused() {
        let (folder, server) = (tempfile::tempdir().expect("a folder"), WebServer::new([]));
        let twice = vec![hook("hook", &server), hook("hook", &server)];
        let refused = Actions::start(twice, &Announced::default(), folder.path()).err().expect("refused");
        assert_eq!(refused.what(), "Two actions are called hook.");
    }

    #[test]
    fn an_event_of_no_caption_tells_nothing() {
        let (folder, server) = (tempfile::tempdir().expect("a folder"), WebServer::new([]));
        let mut actions = start(vec![ActionSpec { captions: true, ..hook("hook", &server) }], folder.path());
        actions.observe(&Report { view: Some(0), event: Event::SourceEnded });
        actions.observe(&Report { view: None, event: Event::SourceEnded });
        assert_eq!((actions.finish(), server.asked().len()), (Vec::new(), 0));
    }
}

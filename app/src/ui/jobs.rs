//! Jobs that block, each on a thread of its own, so that the window never waits: dialogs,
//! downloads, and asking cameras who they are.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::base::message::Message;
use crate::capture::SourceSpec;
use crate::live::Waker;
use crate::models::DownloadError;
use crate::models::spec::ModelSpec;
use crate::ui::download::Link;
use crate::ui::platform::{Choice, Chosen, Platform, Wanted};
use crate::ui::preferences::Preferences;

/// Results that wait for the window. When more are ready, as when one download after the other is
/// given up, their threads wait.
const RESULTS: usize = 4;

/// Jobs under way and their results.
pub struct BackgroundJobs {
    platform: Arc<dyn Platform>,
    wake: Waker,
    sender: Sender<Outcome>,
    receiver: Receiver<Outcome>,
    looking: bool,
    choosing: bool,
    remembering: bool,
    /// Chosen while the choice before it is being written.
    to_remember: Option<Preferences>,
}

/// What came of a job.
#[derive(Debug)]
pub enum Outcome {
    /// The cameras of this machine, or why they can't be listed.
    Cameras(Result<Vec<Choice<SourceSpec>>, Message>),
    /// What the user chose, if anything.
    Chosen(Wanted, Chosen),
    /// The download with this number ended.
    Fetched(u64, Result<(), DownloadError>),
    /// The user's choices are kept for the next start, or why not.
    Remembered(Result<(), Message>),
    /// The system started no thread for the job.
    NotStarted,
}

impl BackgroundJobs {
    /// No jobs yet. `wake` is called when one is done.
    pub fn new(platform: Arc<dyn Platform>, wake: Waker) -> Self {
        let (sender, receiver) = bounded(RESULTS);
        let (looking, choosing, remembering) = (false, false, false);
        Self { platform, wake, sender, receiver, looking, choosing, remembering, to_remember: None }
    }

    /// Lists the cameras, unless that is under way.
    pub fn look_for_cameras(&mut self) {
        if !self.looking {
            self.looking = true;
            self.run("cameras", |platform| Outcome::Cameras(platform.cameras()));
        }
    }

    /// Opens a dialog, unless one is open.
    pub fn choose(&mut self, wanted: Wanted) {
        if !self.choosing {
            self.choosing = true;
            self.run("dialog", move |platform| Outcome::Chosen(wanted, platform.choose(wanted)));
        }
    }

    /// Downloads a model. `link` learns how far it is.
    pub fn fetch(&self, number: u64, model: ModelSpec, link: Link) {
        let wake = self.wake.clone();
        self.run("download", move |platform| {
            let fetched = platform.fetch(&model, &link.cancel, &mut |progress| {
                link.tell(progress);
                wake();
            });
            Outcome::Fetched(number, fetched)
        });
    }

    /// Keeps the user's choices for the next start, one after the other: the last one counts.
    pub fn remember(&mut self, preferences: Preferences) {
        if self.remembering {
            self.to_remember = Some(preferences);
            return;
        }
        self.remembering = true;
        self.run("preferences", move |platform| Outcome::Remembered(platform.remember(&preferences)));
    }

    /// Waits until the user's choices are on the disk, but no longer than `patience` for each.
    pub fn finish_remembering(&mut self, patience: Duration) {
        while self.remembering {
            let Ok(outcome) = self.receiver.recv_timeout(patience) else { return };
            self.note(&outcome);
        }
    }

    /// What came of a job that is done, if one is.
    pub fn outcome(&mut self) -> Option<Outcome> {
        let outcome = self.receiver.try_recv().ok()?;
        self.note(&outcome);
        Some(outcome)
    }

    fn note(&mut self, outcome: &Outcome) {
        match outcome {
            Outcome::Cameras(_) => self.looking = false,
            Outcome::Chosen(..) => self.choosing = false,
            Outcome::Fetched(..) => {}
            Outcome::Remembered(_) => {
                self.remembering = false;
                if let Some(newer) = self.to_remember.take() {
                    self.remember(newer);
                }
            }
            Outcome::NotStarted => (self.looking, self.choosing, self.remembering) = (false, false, false),
        }
    }

    fn run(&self, name: &str, job: impl FnOnce(&dyn Platform) -> Outcome + Send + 'static) {
        let (platform, wake, sender) = (Arc::clone(&self.platform), Arc::clone(&self.wake), self.sender.clone());
        let started = thread::Builder::new().name(name.to_owned()).spawn(move || {
            // When the window is gone there is nobody to tell.
            let _ = sender.send(job(&*platform));
            wake();
        });
        if let Err(error) = started {
            tracing::error!(%error, name, "no thread for a job of the window");
            let _ = self.sender.try_send(Outcome::NotStarted);
        }
    }
}

//! Jobs that block, each on a thread of its own, so that the window never waits: dialogs,
//! downloads, and asking cameras who they are.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};
use egui::ColorImage;
use image::RgbImage;
use vlm::Cancel;

use crate::base::message::Message;
use crate::capture::ffmpeg::clip::Clip;
use crate::capture::{self, Neighbours, SourceSpec, picture_named};
use crate::engine::prefix::Reference;
use crate::live::Waker;
use crate::models::spec::ModelSpec;
use crate::models::{DownloadError, ModelFacts};
use crate::rules::calibrations::Calibrations;
use crate::rules::spec::RuleSpec;
use crate::rules::{edit, file};
use crate::ui::clip;
use crate::ui::download::Link;
use crate::ui::keep;
use crate::ui::keep::KeptPicture;
use crate::ui::pixels;
use crate::ui::platform::{Chosen, FoundCamera, Platform, Wanted};
use crate::ui::preferences::{KeptReference, Preferences};
use crate::ui::rules::{RuleBook, RuleEdit};

/// Results that wait for the window. When more are ready, as when one download after the other is
/// given up, their threads wait.
const RESULTS: usize = 4;
/// Changes of the rules that wait to be written.
const MOST_EDITS: usize = 64;

/// Sides that a still fits in, in pixels.
pub const STILL: [usize; 2] = [128, 96];

/// Jobs under way and their results.
#[expect(clippy::struct_excessive_bools, reason = "each is a job that runs once at a time")]
pub struct BackgroundJobs {
    platform: Arc<dyn Platform>,
    wake: Waker,
    sender: Sender<Outcome>,
    receiver: Receiver<Outcome>,
    looking: bool,
    choosing: bool,
    remembering: bool,
    /// A change of the rules is being written; these wait.
    editing: bool,
    to_edit: VecDeque<Edit>,
    /// Chosen while the choice before it is being written.
    to_remember: Option<Preferences>,
}

/// A change of the rules, with the file that it goes to; none where there is none.
#[derive(Debug)]
struct Edit {
    file: Option<PathBuf>,
    edit: RuleEdit,
}

/// What came of a change of the rules: those of the file by now, where it was one of that file.
pub type RulesKept = Result<Option<Vec<Arc<RuleSpec>>>, Message>;

/// What came of a job.
#[derive(Debug)]
pub enum Outcome {
    /// The cameras of this machine, or why they can't be listed.
    Cameras(Result<Vec<FoundCamera>, Message>),
    /// A still of this source, if it gives one.
    Still(SourceSpec, Option<ColorImage>),
    /// What the user chose, if anything.
    Chosen(Wanted, Chosen),
    /// What stands beside this file, the source of the view with this number.
    Beside(usize, PathBuf, Neighbours),
    /// The download with this number ended.
    Fetched(u64, Result<(), DownloadError>),
    /// What is known of the models.
    ModelsListed(Vec<ModelFacts>),
    /// So many bytes of a model were removed, or why none were.
    ModelRemoved(ModelSpec, Result<u64, Message>),
    /// The user's choices are kept for the next start, or why not.
    Remembered(Result<(), Message>),
    /// A file that is to be a reference picture.
    ReferenceRead(PathBuf, Result<Arc<RgbImage>, Message>),
    /// Reference pictures of the last time.
    ReferencesLoaded(Vec<LoadedReference>),
    /// Reference pictures are in these files.
    ReferencesKept(Result<Vec<KeptReference>, Message>),
    /// The picture on screen, or the last half minute, is in this file.
    Saved(Result<PathBuf, Message>),
    /// A change of the rules was written, or not.
    RulesKept(RulesKept),
    /// No more stills come.
    StillsTaken,
    /// The system started no thread for the job.
    NotStarted,
}

/// A reference picture of the last time.
#[derive(Debug)]
pub struct LoadedReference {
    /// As it was kept.
    pub kept: KeptReference,
    /// The picture, or why it can't be read.
    pub picture: Result<Arc<RgbImage>, Message>,
}

impl BackgroundJobs {
    /// No jobs yet. `wake` is called when one is done.
    pub fn new(platform: Arc<dyn Platform>, wake: Waker) -> Self {
        let (sender, receiver) = bounded(RESULTS);
        Self {
            platform,
            wake,
            sender,
            receiver,
            looking: false,
            choosing: false,
            remembering: false,
            editing: false,
            to_edit: VecDeque::new(),
            to_remember: None,
        }
    }

    /// Lists the cameras, unless that is under way.
    pub fn look_for_cameras(&mut self) {
        if !self.looking {
            self.looking = true;
            self.run("cameras", |platform| Outcome::Cameras(platform.cameras()));
        }
    }

    /// Takes a still of each of these, one after the other, until `cancel` is raised.
    pub fn take_stills(&self, sources: Vec<SourceSpec>, cancel: Cancel) {
        let (sender, wake) = (self.sender.clone(), self.wake.clone());
        self.run("stills", move |platform| {
            for source in sources {
                if cancel.is_cancelled() {
                    break;
                }
                let still = platform.still(&source).inspect_err(|why| tracing::debug!(%source, "no still: {why}"));
                let still = still.ok().map(|picture| pixels::thumbnail(&picture, STILL));
                // When the window is gone there is nobody to tell.
                let _ = sender.send(Outcome::Still(source, still));
                wake();
            }
            Outcome::StillsTaken
        });
    }

    /// Finds what stands beside a file that a view shows. Of a folder nothing does.
    pub fn look_beside(&self, view: usize, path: PathBuf) {
        self.run("folder", move |_| {
            let found = if path.is_file() { capture::neighbours(&path) } else { Ok(Neighbours::default()) };
            let neighbours = found.unwrap_or_else(|error| {
                tracing::debug!(%error, "the folder of a source can't be read");
                Neighbours::default()
            });
            Outcome::Beside(view, path, neighbours)
        });
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

    /// Looks at what is here of the models.
    pub fn list_models(&self) {
        self.run("models", |platform| Outcome::ModelsListed(platform.model_facts()));
    }

    /// Takes a model away from the disk.
    pub fn remove_model(&self, model: ModelSpec) {
        self.run("models", move |platform| {
            let freed = platform.remove(&model);
            Outcome::ModelRemoved(model, freed)
        });
    }

    /// Reads a file that is to be a reference picture.
    pub fn read_reference(&self, file: PathBuf) {
        self.run("reference", move |_| {
            let picture = picture_named(&file, &Cancel::default()).map(Arc::new);
            Outcome::ReferenceRead(file, picture)
        });
    }

    /// Reads the reference pictures of the last time.
    pub fn load_references(&self, kept: Vec<KeptReference>) {
        self.run("references", move |_| {
            let load = |kept: KeptReference| {
                let picture = picture_named(&kept.file, &Cancel::default()).map(Arc::new);
                LoadedReference { kept, picture }
            };
            Outcome::ReferencesLoaded(kept.into_iter().map(load).collect())
        });
    }

    /// Writes reference pictures that have no file yet, for the next start.
    pub fn keep_references(&self, references: Vec<Reference>, files: Vec<Option<PathBuf>>) {
        self.run("references", move |platform| {
            let kept = references.into_iter().zip(files).map(|(Reference { label, picture }, file)| {
                let file = file.map_or_else(|| platform.keep_reference(&picture), Ok)?;
                Ok(KeptReference { label, file })
            });
            Outcome::ReferencesKept(kept.collect())
        });
    }

    /// Saves the picture on screen.
    pub fn save_picture(&self, path: PathBuf, picture: KeptPicture) {
        self.run("picture", move |_| Outcome::Saved(keep::save(&path, &picture)));
    }

    /// Saves the last half minute.
    pub fn save_clip(&self, path: PathBuf, clip: Clip) {
        self.run("clip", move |_| Outcome::Saved(clip::save(&path, &clip)));
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

    /// Writes a change of the rules, one after the other.
    pub fn edit_rules(&mut self, book: &RuleBook, edit: RuleEdit) {
        let file = match &edit {
            RuleEdit::Calibrate { .. } => &book.calibration_file,
            _ => &book.file,
        };
        // Beyond what anyone clicks while one is being written, the disk hangs.
        if self.to_edit.len() < MOST_EDITS {
            self.to_edit.push_back(Edit { file: file.clone(), edit });
        }
        self.edit_next();
    }

    /// Whether changes of the rules wait to be written.
    pub fn are_rules_waiting(&self) -> bool {
        self.editing || !self.to_edit.is_empty()
    }

    fn edit_next(&mut self) {
        if self.editing {
            return;
        }
        if let Some(edit) = self.to_edit.pop_front() {
            self.editing = true;
            self.run("rules", move |_| Outcome::RulesKept(kept(&edit)));
        }
    }

    /// Waits until the user's choices are on the disk, but no longer than `patience` for each.
    pub fn finish_remembering(&mut self, patience: Duration) {
        while self.remembering || self.editing {
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
            Outcome::Still(..)
            | Outcome::StillsTaken
            | Outcome::Beside(..)
            | Outcome::Fetched(..)
            | Outcome::ModelsListed(_)
            | Outcome::ModelRemoved(..)
            | Outcome::ReferenceRead(..)
            | Outcome::ReferencesLoaded(_)
            | Outcome::ReferencesKept(_)
            | Outcome::Saved(_) => {}
            Outcome::RulesKept(_) => {
                self.editing = false;
                self.edit_next();
            }
            Outcome::Remembered(_) => {
                self.remembering = false;
                if let Some(newer) = self.to_remember.take() {
                    self.remember(newer);
                }
            }
            Outcome::NotStarted => {
                (self.looking, self.choosing, self.remembering, self.editing) = (false, false, false, false);
            }
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

/// Writes a change of the rules.
fn kept(Edit { file, edit }: &Edit) -> RulesKept {
    let no_folder = || {
        Message::new("The rules hold until the window closes: the system knows no folder to keep them in.")
            .hint("Name a file with --rules FILE.")
    };
    let path = file.as_deref().ok_or_else(no_folder)?;
    match edit {
        RuleEdit::Add(rule) => edit::add(path, rule)?,
        RuleEdit::Change(rule) => drop(edit::change(path, rule)?),
        RuleEdit::Remove(name) => drop(edit::remove(path, name)?),
        RuleEdit::Calibrate { says, model, line } => {
            // Read anew: `sightline rules tick` writes it, too.
            let mut known = Calibrations::load(path)?;
            known.set(says, model, *line);
            known.save(path)?;
            return Ok(None);
        }
    }
    file::read(path).map(Some)
}

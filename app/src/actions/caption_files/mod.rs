//! The captions that hold now, in files for other programs: a text file that always has the newest
//! ones (OBS reads such a file), and subtitles that grow. A thread writes; nobody waits for it.

mod line;
mod names;
mod news;
mod subtitles;
mod writer;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};
use vlm::Stop;

use crate::actions::caption_files::line::CaptionFile;
pub use crate::actions::caption_files::news::CaptionFileNews;
use crate::actions::caption_files::news::unwritten;
use crate::actions::caption_files::subtitles::LiveSubtitles;
use crate::actions::caption_files::writer::{Change, Writer};
use crate::base::message::Message;
use crate::base::text;
use crate::base::thread::Thread;
use crate::live::{Event, Report};

/// Changes that wait for the disk. More are left out: the next caption makes up for them.
const CHANGES: usize = 64;
/// News that wait to be read.
const NEWS: usize = 4;
/// How often a caption that lasts is written down as lasting.
const LASTS_EVERY: Duration = Duration::from_secs(1);
/// How long the end waits for the disk.
const PATIENCE: Duration = Duration::from_secs(2);
/// How much of a file shows whether it is a text.
const BEGINNING: u64 = 1024;

/// Which files are written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CaptionFileOptions {
    /// The file that has the captions that hold now.
    pub caption_file: Option<PathBuf>,
    /// The file to which each caption is added as a subtitle.
    pub vtt_live: Option<PathBuf>,
}

/// See the module.
#[derive(Debug)]
pub struct CaptionFiles {
    /// None once it has ended.
    changes: Option<Sender<Change>>,
    news: Receiver<CaptionFileNews>,
    thread: Thread,
    began: Instant,
    /// When it was last said that a view's caption lasts, by the view's number.
    lasted: BTreeMap<usize, Instant>,
    /// Views that were given a name. The others are called as their sources call themselves.
    named: BTreeSet<usize>,
}

impl CaptionFiles {
    /// Begins the files that are wanted; `None` where none is. Where there are several sources,
    /// `names` tells their captions apart, in the order of the pipeline's views; those of views
    /// beyond it are told apart by what their sources call themselves.
    ///
    /// # Errors
    /// When a file can't be written, or has something in it that is not text.
    pub fn start(options: &CaptionFileOptions, names: &[String]) -> Result<Option<Self>, Message> {
        let caption_file = options.caption_file.as_deref().map(begin(|path| CaptionFile::begin(path, names)));
        let subtitles = options.vtt_live.as_deref().map(begin(|path| LiveSubtitles::begin(path, names)));
        let (caption_file, subtitles) = (caption_file.transpose()?, subtitles.transpose()?);
        if caption_file.is_none() && subtitles.is_none() {
            return Ok(None);
        }
        let (changes, taken) = bounded(CHANGES);
        let (sender, news) = bounded(NEWS);
        let writer = Writer::new(caption_file, subtitles, sender);
        let thread = Thread::start("caption files", move || writer.run(&taken))
            .map_err(|error| Message::new(format!("The system started no thread for the caption file: {error}.")))?;
        let (lasted, named) = (BTreeMap::new(), (0..names.len()).collect());
        Ok(Some(Self { changes: Some(changes), news, thread, began: Instant::now(), lasted, named }))
    }

    /// Takes in what the pipeline tells. Never waits.
    pub fn observe(&mut self, report: &Report) {
        let Some(view) = report.view else { return };
        let now = Instant::now();
        let change = match &report.event {
            Event::Captioned(caption) if caption.reply.stop != Stop::Cancelled => {
                self.lasted.insert(view, now);
                let seen_ms = self.since_ms(caption.frame.captured_at);
                Change::Caption { view, seen_ms, text: caption.reply.text.clone() }
            }
            Event::Unchanged { .. } => {
                let Some(last) = self.lasted.get_mut(&view) else { return };
                if now.saturating_duration_since(*last) < LASTS_EVERY {
                    return;
                }
                *last = now;
                Change::Lasts { view, at_ms: self.since_ms(now) }
            }
            Event::SourceOpened { name } => {
                if !self.named.contains(&view) {
                    self.send(Change::Named { view, name: name.clone() });
                }
                self.over(view, now)
            }
            Event::SourceLost { .. } | Event::Failed { .. } => self.over(view, now),
            _ => return,
        };
        self.send(change);
    }

    /// A view is called as its source calls itself from now on.
    pub fn unname(&mut self, view: usize) {
        self.named.remove(&view);
    }

    /// A view is not there any more. Another one may have its number later.
    pub fn remove_view(&mut self, view: usize) {
        self.named.remove(&view);
        let over = self.over(view, Instant::now());
        self.send(over);
        self.send(Change::Gone { view });
    }

    fn over(&mut self, view: usize, now: Instant) -> Change {
        self.lasted.remove(&view);
        Change::Over { view, at_ms: self.since_ms(now) }
    }

    fn send(&self, change: Change) {
        if let Some(changes) = &self.changes
            && changes.try_send(change).is_err()
        {
            tracing::warn!("a caption was not written to the caption file: the disk is slow");
        }
    }

    /// What changed since it was asked for last.
    #[must_use]
    pub fn news(&self) -> Option<CaptionFileNews> {
        self.news.try_recv().ok()
    }

    fn since_ms(&self, at: Instant) -> i64 {
        i64::try_from(at.saturating_duration_since(self.began).as_millis()).unwrap_or(i64::MAX)
    }
}

/// No caption holds any more: the text file is left empty, the last subtitle ends.
impl Drop for CaptionFiles {
    fn drop(&mut self) {
        self.changes = None;
        self.thread.join_until(Instant::now() + PATIENCE);
    }
}

/// Begins a file with `make` if it may be written over.
fn begin<T>(make: impl Fn(&Path) -> io::Result<T>) -> impl Fn(&Path) -> Result<T, Message> {
    move |path| {
        // Where a link leads, so that it stays a link.
        let path = &path.canonicalize().unwrap_or_else(|_| path.to_owned());
        match is_text(path) {
            Ok(true) => make(path).map_err(|error| unwritten(path, &error)),
            Ok(false) => Err(Message::new(format!("{} is not a text file, and is left alone.", text::path(path)))
                .hint("Name a new file for the captions.")),
            Err(error) => Err(unwritten(path, &error)),
        }
    }
}

/// Whether a file may be replaced by captions: it is a text, or nothing is there.
fn is_text(path: &Path) -> io::Result<bool> {
    match path.metadata() {
        Ok(there) if !there.is_file() => Ok(false),
        Ok(_) => {
            let mut beginning = Vec::new();
            File::open(path)?.take(BEGINNING).read_to_end(&mut beginning)?;
            Ok(!beginning.contains(&0))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::testing::log::{caption, captioned};

    fn files(folder: &Path) -> CaptionFileOptions {
        CaptionFileOptions { caption_file: Some(folder.join("caption.txt")), vtt_live: Some(folder.join("live.vtt")) }
    }

    fn of_view(view: usize, event: Event) -> Report {
        Report { view: Some(view), event }
    }

    #[test]
    fn both_files_are_written_and_ended() {
        let folder = tempfile::tempdir().expect("a folder");
        let options = files(folder.path());
        let mut running = CaptionFiles::start(&options, &[]).expect("begun").expect("wanted");
        assert_eq!(fs::read_to_string(folder.path().join("caption.txt")).expect("there at once"), "");
        running.observe(&of_view(0, captioned(1, "A cup.")));
        let Event::Captioned(mut cut) = captioned(2, "A j") else { unreachable!() };
        cut.reply.stop = Stop::Cancelled;
        running.observe(&of_view(0, Event::Captioned(cut)));
        drop(running);
        assert_eq!(fs::read_to_string(folder.path().join("caption.txt")).expect("there"), "");
        let subtitles = fs::read_to_string(folder.path().join("live.vtt")).expect("there");
        assert!(subtitles.starts_with("WEBVTT\n\n") && subtitles.ends_with("\nA cup.\n\n"), "{subtitles}");
        assert!(!subtitles.contains("A j"), "{subtitles}");
    }

    #[test]
    fn nothing_wanted_starts_nothing() {
        assert!(CaptionFiles::start(&CaptionFileOptions::default(), &[]).expect("nothing to fail").is_none());
    }

    #[test]
    fn a_file_that_is_no_text_is_left_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let options = files(folder.path());
        let path = options.caption_file.clone().expect("named");
        fs::write(&path, b"SQLite format 3\0").expect("written");
        let refused = CaptionFiles::start(&options, &[]).expect_err("it is a log");
        assert!(refused.what().contains("is not a text file"), "{refused}");
        assert_eq!(fs::read(&path).expect("there"), b"SQLite format 3\0");
        let below = CaptionFileOptions { caption_file: Some(path.join("x/y")), vtt_live: None };
        assert!(CaptionFiles::start(&below, &[]).is_err());
        let itself = CaptionFileOptions { caption_file: None, vtt_live: Some(folder.path().to_owned()) };
        assert!(CaptionFiles::start(&itself, &[]).is_err());
    }

    #[test]
    fn a_caption_that_lasts_is_told_once_a_second_and_only_if_there_is_one() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut running = CaptionFiles::start(&files(folder.path()), &[]).expect("begun").expect("wanted");
        let (sender, changes) = bounded(CHANGES);
        running.changes = Some(sender);
        let unchanged = of_view(0, Event::Unchanged { skipped: 1 });
        running.observe(&unchanged);
        running.observe(&of_view(0, captioned(1, "A cup.")));
        running.observe(&unchanged);
        running.lasted.insert(0, Instant::now().checked_sub(LASTS_EVERY).expect("the machine runs for a second"));
        running.observe(&unchanged);
        running.observe(&unchanged);
        let told: Vec<_> = changes.try_iter().collect();
        assert!(matches!(told[..], [Change::Caption { .. }, Change::Lasts { .. }]), "{told:?}");
    }

    #[test]
    fn views_that_come_later_are_called_as_their_sources_call_themselves() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut running =
            CaptionFiles::start(&files(folder.path()), &["door".to_owned()]).expect("begun").expect("wanted");
        let (sender, changes) = bounded(CHANGES);
        running.changes = Some(sender);
        let opened = |name: &str| Event::SourceOpened { name: name.to_owned() };
        running.observe(&of_view(0, opened("HD Webcam")));
        running.observe(&of_view(1, opened("yard.mp4")));
        running.observe(&of_view(1, captioned(1, "A cat.")));
        running.remove_view(1);
        let told: Vec<_> = changes.try_iter().collect();
        let [
            Change::Over { view: 0, .. },
            Change::Named { view: 1, name },
            Change::Over { .. },
            Change::Caption { .. },
            ..,
        ] = &told[..]
        else {
            panic!("{told:?}")
        };
        assert_eq!(name, "yard.mp4");
        assert!(matches!(told[4..], [Change::Over { view: 1, .. }, Change::Gone { view: 1 }]), "{told:?}");
    }

    #[test]
    fn a_frame_from_before_the_beginning_is_at_zero() {
        let folder = tempfile::tempdir().expect("a folder");
        let earlier = crate::testing::log::frame(1, Instant::now(), Duration::ZERO, "2026-11-24T15:00:00+00:00[UTC]");
        let mut running = CaptionFiles::start(&files(folder.path()), &[]).expect("begun").expect("wanted");
        running.observe(&of_view(0, caption(earlier, "A cup.")));
        drop(running);
        let subtitles = fs::read_to_string(folder.path().join("live.vtt")).expect("there");
        assert!(subtitles.contains("00:00:00.000 --> "), "{subtitles}");
    }
}

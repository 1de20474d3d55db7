//! An export into a file, whole or not at all, at once or on a thread of its own that tells how far
//! it is.

use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, TryRecvError, bounded};

use crate::base::files::{self, Readers};
use crate::base::text;
use crate::base::thread::Thread;
use crate::live::Waker;
use crate::log::error::LogError;
use crate::log::export::error::ExportError;
use crate::log::export::run::Export;
use crate::log::store::Store;

/// How often whoever watches is told how far it is.
const TELL_EVERY: Duration = Duration::from_millis(100);
/// How long dropping waits for the thread, which stops at the next entry.
const PATIENCE: Duration = Duration::from_secs(2);

impl Export {
    /// Writes a file that is there only when it is whole; what is no ordinary file, such as a pipe,
    /// is written as it comes. `progress` is told how many entries are written, and may end it.
    /// Returns how many entries these are.
    ///
    /// # Errors
    /// As [`Export::write`], when the file is the log itself, and [`ExportError::Stopped`].
    pub fn write_file(
        &self,
        store: &Store,
        path: &Path,
        progress: &mut dyn FnMut(u64) -> ControlFlow<()>,
    ) -> Result<u64, ExportError> {
        if is_of_log(store.path(), path) {
            let what = format!("{} is the log itself.", text::path(path));
            return Err(LogError::request(what, "Name another file.").into());
        }
        // Where a link leads, so that it stays a link.
        let path = &path.canonicalize().unwrap_or_else(|_| path.to_owned());
        if fs::metadata(path).is_ok_and(|there| !there.is_file()) {
            let mut out = BufWriter::new(File::create(path)?);
            let count = self.write_with(store, &mut out, progress)?;
            out.flush()?;
            return Ok(count);
        }
        files::write_whole(path, Readers::Owner, |out| self.write_with(store, out, progress))
    }
}

/// Whether a file is the log's own, or one of those that SQLite keeps beside it.
fn is_of_log(log: &Path, path: &Path) -> bool {
    let Ok(log) = log.canonicalize() else { return false };
    let Some(folder) = files::folder_of(path).canonicalize().ok() else { return false };
    let named = path.file_name().map(|name| folder.join(name));
    let lies_at = path.canonicalize().ok();
    ["", "-wal", "-shm", "-journal"].iter().any(|ending| {
        let mut own = log.clone().into_os_string();
        own.push(ending);
        let own = PathBuf::from(own);
        named.as_ref() == Some(&own) || lies_at.as_ref() == Some(&own)
    })
}

#[derive(Default)]
struct ExportProgress {
    total: AtomicU64,
    written: AtomicU64,
    stopped: AtomicBool,
}

/// An export that is under way. Dropping it stops it.
pub struct ExportJob {
    to: PathBuf,
    shared: Arc<ExportProgress>,
    outcome: Receiver<Result<u64, ExportError>>,
    thread: Thread,
}

impl ExportJob {
    /// Begins to export the log at `log` into the file `to`. `wake` is called now and then while it
    /// goes on, and at its end.
    ///
    /// # Errors
    /// When the system starts no more threads.
    pub fn start(log: PathBuf, export: Export, to: PathBuf, wake: Waker) -> Result<Self, LogError> {
        let (sender, outcome) = bounded(1);
        let shared = Arc::new(ExportProgress::default());
        let (ours, path) = (Arc::clone(&shared), to.clone());
        let thread = Thread::start("export", move || {
            let done = run(&log, &export, &path, &ours, &wake);
            // When nobody waits for it any more, nobody is told.
            let _ = sender.try_send(done);
            wake();
        })
        .map_err(|error| LogError::NoThread(error.to_string()))?;
        Ok(Self { to, shared, outcome, thread })
    }

    /// The file that is being written.
    #[must_use]
    pub fn to(&self) -> &Path {
        &self.to
    }

    /// Entries written, and how many there are. The latter is zero until they are counted.
    #[must_use]
    pub fn progress(&self) -> (u64, u64) {
        (self.shared.written.load(Ordering::Relaxed), self.shared.total.load(Ordering::Relaxed))
    }

    /// Ends it; the file is not written then.
    pub fn stop(&self) {
        self.shared.stopped.store(true, Ordering::Relaxed);
    }

    /// What became of it, once, when it is over.
    #[must_use]
    pub fn outcome(&self) -> Option<Result<u64, ExportError>> {
        match self.outcome.try_recv() {
            Ok(done) => Some(done),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => Some(Err(ExportError::Stopped)),
        }
    }
}

impl Drop for ExportJob {
    fn drop(&mut self) {
        self.stop();
        self.thread.join_until(Instant::now() + PATIENCE);
    }
}

fn run(log: &Path, export: &Export, to: &Path, shared: &ExportProgress, wake: &Waker) -> Result<u64, ExportError> {
    let store = Store::open_existing(log)?;
    shared.total.store(store.row_index(&export.narrowed(&store)?.filter)?.rows(), Ordering::Relaxed);
    wake();
    let mut told = Instant::now();
    export.write_file(&store, to, &mut |written| {
        shared.written.store(written, Ordering::Relaxed);
        // Looking at the clock for every entry would take as long as writing it.
        if written.is_multiple_of(256) && told.elapsed() >= TELL_EVERY {
            told = Instant::now();
            wake();
        }
        if shared.stopped.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::Filter;
    use crate::log::export::Format;
    use crate::testing::log::filled;

    const LONG: Duration = Duration::from_secs(30);

    fn export() -> Export {
        Export { format: Format::Csv, filter: Filter::default(), thumbnails: false, byte_order_mark: false }
    }

    fn files(folder: &Path) -> usize {
        fs::read_dir(folder).expect("a folder").count()
    }

    #[test]
    fn a_file_is_written_beside_the_window_and_its_progress_told() {
        let log = filled();
        let to = log.folder.path().join("captions.csv");
        let job =
            ExportJob::start(log.store.path().to_owned(), export(), to.clone(), Arc::new(|| {})).expect("a thread");
        let done = job.outcome.recv_timeout(LONG).expect("it ends").expect("written");
        assert_eq!((done, job.progress()), (6, (6, 6)));
        assert_eq!(fs::read_to_string(to).expect("a file").lines().count(), 8);
    }

    #[test]
    fn progress_counts_what_the_format_can_hold() {
        let log = filled();
        let filter = Filter { session: Some(1), ..Filter::default() };
        let export = Export { format: Format::Srt, filter, thumbnails: false, byte_order_mark: false };
        let to = log.folder.path().join("captions.srt");
        let job = ExportJob::start(log.store.path().to_owned(), export, to, Arc::new(|| {})).expect("a thread");
        job.outcome.recv_timeout(LONG).expect("it ends").expect("written");
        assert_eq!(job.progress(), (3, 3));
    }

    #[test]
    fn the_log_itself_is_not_written_over() {
        let log = filled();
        let before = fs::read(log.store.path()).expect("read");
        let refused = export().write_file(&log.store, log.store.path(), &mut |_| ControlFlow::Continue(()));
        assert!(refused.is_err_and(|error| error.to_string().contains("is the log itself")));
        assert_eq!(fs::read(log.store.path()).expect("read"), before);
    }

    #[cfg(unix)]
    #[test]
    fn a_link_stays_one_and_a_pipe_is_written_as_it_comes() {
        let log = filled();
        let folder = tempfile::tempdir().expect("a folder");
        let (file, link) = (folder.path().join("captions.csv"), folder.path().join("link.csv"));
        fs::write(&file, "old").expect("written");
        std::os::unix::fs::symlink(&file, &link).expect("linked");
        let write = |to: &Path| export().write_file(&log.store, to, &mut |_| ControlFlow::Continue(()));
        assert_eq!(write(&link).expect("written"), 6);
        assert!(link.is_symlink() && fs::read_to_string(&file).expect("read").lines().count() == 8);
        assert_eq!(write(Path::new("/dev/null")).expect("written"), 6);
        assert!(!fs::metadata("/dev/null").expect("there").is_file());
        assert_eq!(files(folder.path()), 2);
    }

    #[test]
    fn one_that_is_stopped_or_fails_leaves_no_file() {
        let log = filled();
        let folder = tempfile::tempdir().expect("a folder");
        let to = folder.path().join("captions.csv");
        let stopped = export().write_file(&log.store, &to, &mut |written| {
            if written == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        assert!(matches!(stopped, Err(ExportError::Stopped)));
        assert_eq!(files(folder.path()), 0);
        let nowhere = folder.path().join("none/captions.csv");
        let job = ExportJob::start(log.store.path().to_owned(), export(), nowhere, Arc::new(|| {})).expect("a thread");
        let failed = job.outcome.recv_timeout(LONG).expect("it ends");
        assert!(failed.is_err_and(|error| error.to_string().starts_with("The export can't be written")));
    }
}

//! Downloads a model into the cache: resumable, checked, and visible to nobody before all of it is
//! there.
//!
//! Every file goes to `blobs/ETAG.incomplete`, is checked against its length and the hash that its
//! etag is, and only then gets its name; so is what is there already. The small files come first,
//! and what they describe must run. `refs/main` comes last. Knows the hub by its trait only.

use std::fs::{self, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::path::Path;
use std::time::{Duration, Instant};

use vlm::{Cancel, ModelFiles};

use crate::base::message::Message;
use crate::models::cache::Repository;
use crate::models::content;
use crate::models::error::DownloadError;
use crate::models::hub::{Hub, Piece, RemoteFile};
use crate::models::kind::ModelKind;
use crate::models::progress::{Doing, Progress};

/// What every checkpoint consists of besides the weights, as far as it has them: what `vlm` reads,
/// and what Python's processor wants in order to use the same copy.
const SMALL: [&str; 12] = [
    "config.json",
    "preprocessor_config.json",
    "processor_config.json",
    "video_preprocessor_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template.json",
    "chat_template.jinja",
    "generation_config.json",
    // Of a model for sentences.
    "sentence_bert_config.json",
];
const SINGLE: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";

/// The longest of these, and the longest file of weights, in bytes: longer ones a hub can only say
/// by mistake.
const LONGEST_SMALL: u64 = 64 << 20;
const LONGEST_WEIGHTS: u64 = 1 << 40;
/// The most files of a model: those of the largest releases are some hundred.
const MOST_FILES: usize = 1000;

/// How often a file is tried without a byte more before the user is told.
const TRIES: u32 = 5;
/// The first wait after a cut connection; it doubles with every one that follows without a byte in
/// between.
const FIRST_WAIT: Duration = Duration::from_millis(500);
/// The longest that a hub is waited for at its own wish. More is for the user to decide.
const LONGEST_WAIT: Duration = Duration::from_mins(1);
/// How often waits look at the user's wish to stop.
const LOOK_UP: Duration = Duration::from_millis(50);
/// How often progress is told.
const TELL: Duration = Duration::from_millis(100);
/// The longest name of a blob: SHA-256 in hexadecimal, and room for other hubs' kinds.
const LONGEST_ETAG: usize = 128;

/// See the module.
pub struct Downloader<'a> {
    hub: &'a dyn Hub,
    cache: &'a Path,
    cancel: &'a Cancel,
    first_wait: Duration,
}

/// One download under way.
struct Run<'a> {
    downloader: &'a Downloader<'a>,
    repository: Repository,
    id: &'a str,
    commit: &'a str,
    on_progress: &'a mut dyn FnMut(&Progress),
    progress: Progress,
    told: Option<Instant>,
}

impl<'a> Downloader<'a> {
    /// Downloads from `hub` into `cache` until `cancel` is raised.
    #[must_use]
    pub fn new(hub: &'a dyn Hub, cache: &'a Path, cancel: &'a Cancel) -> Self {
        Self { hub, cache, cancel, first_wait: FIRST_WAIT }
    }

    /// Downloads what is not here of a model.
    ///
    /// # Errors
    /// As a [`DownloadError`] says. What came by then is kept, and gone on with the next time.
    pub fn download(&self, id: &str, on_progress: &mut dyn FnMut(&Progress)) -> Result<(), DownloadError> {
        let mut progress =
            Progress { file: "config.json".to_owned(), done: 0, total: 0, fetched: 0, doing: Doing::Asking };
        on_progress(&progress);
        let listing = self.patiently(|| self.hub.listing(id, self.cancel))?;
        if !is_plain(&listing.commit) {
            return Err(self.odd("its revision is not a hash"));
        }
        let mut files = Vec::new();
        for name in self.wanted(id, &listing.files)? {
            let file = self.patiently(|| self.hub.describe(id, &listing.commit, name, self.cancel))?;
            if !is_plain(&file.etag) {
                return Err(self.odd("a file's hash is not one"));
            }
            if file.size > if is_weights(name) { LONGEST_WEIGHTS } else { LONGEST_SMALL } {
                return Err(self.odd(&format!("{name} of {} bytes", file.size)));
            }
            progress.total += file.size;
            files.push(file);
        }
        let (repository, kind) = (Repository::new(self.cache, id), ModelKind::of(id));
        let mut run =
            Run { downloader: self, repository, id, commit: &listing.commit, on_progress, progress, told: None };
        let snapshot = run.repository.folder.join("snapshots").join(&listing.commit);
        let (large, small): (Vec<_>, Vec<_>) = files.iter().partition(|file| is_weights(&file.name));
        for file in small {
            run.file(file)?;
            run.repository.link(&listing.commit, &file.name, &file.etag)?;
        }
        // What can't be run need not be downloaded.
        ModelFiles::in_folder(&snapshot)
            .and_then(|files| kind.check(&files))
            .map_err(|error| unusable(id, kind, &error))?;
        for file in &large {
            run.file(file)?;
        }
        for file in large {
            run.repository.link(&listing.commit, &file.name, &file.etag)?;
        }
        // Another revision may have been whole before: it stays in use until this one is.
        if !ModelFiles::in_folder(&snapshot).is_ok_and(|files| kind.is_complete(&files)) {
            return Err(DownloadError::Damaged {
                file: INDEX.to_owned(),
                why: "it names files that are not there".to_owned(),
            });
        }
        run.repository.publish(&listing.commit)
    }

    /// The files to be had: of all that are listed, those that make a checkpoint.
    fn wanted<'f>(&self, id: &str, listed: &'f [String]) -> Result<Vec<&'f str>, DownloadError> {
        let has = |name: &str| listed.iter().any(|file| file == name);
        let weights = if has(SINGLE) { SINGLE } else { INDEX };
        let processor = if has("processor_config.json") { "processor_config.json" } else { "preprocessor_config.json" };
        let processor = ModelKind::of(id).has_processor().then_some(processor);
        let needed = ["config.json"].into_iter().chain(processor).chain(["tokenizer.json", weights]);
        if let Some(missing) = needed.into_iter().find(|name| !has(name)) {
            if let Some(format) = vlm::other_format(listed.iter().map(String::as_str)) {
                return Err(DownloadError::OtherFormat { id: id.to_owned(), format });
            }
            let file = if missing == INDEX { SINGLE } else { missing };
            let (endpoint, id) = (self.hub.endpoint().to_owned(), id.to_owned());
            return Err(DownloadError::Missing { endpoint, id, file: Some(file.to_owned()) });
        }
        let mut wanted: Vec<&str> = listed
            .iter()
            .map(String::as_str)
            .filter(|name| SMALL.contains(name) || *name == weights || (weights == INDEX && is_shard(name)))
            .collect();
        // The small files first: without them the large ones are of no use.
        wanted.sort_by_key(|name| (is_weights(name), *name));
        wanted.dedup();
        if wanted.len() > MOST_FILES {
            return Err(self.odd(&format!("a model of {} files", wanted.len())));
        }
        Ok(wanted)
    }

    fn odd(&self, why: &str) -> DownloadError {
        DownloadError::Odd { endpoint: self.hub.endpoint().to_owned(), why: why.to_owned() }
    }

    /// Does as a hub wishes that wants to be asked later.
    fn patiently<T>(&self, ask: impl Fn() -> Result<T, DownloadError>) -> Result<T, DownloadError> {
        for _ in 1..TRIES {
            match ask() {
                Err(DownloadError::Busy { retry_after, endpoint }) => {
                    let wait = retry_after.unwrap_or(self.first_wait);
                    if wait > LONGEST_WAIT {
                        return Err(DownloadError::Busy { retry_after, endpoint });
                    }
                    self.sleep(wait)?;
                }
                other => return other,
            }
        }
        ask()
    }

    fn sleep(&self, time: Duration) -> Result<(), DownloadError> {
        let until = Instant::now() + time;
        loop {
            if self.cancel.is_cancelled() {
                return Err(DownloadError::Cancelled);
            }
            match until.checked_duration_since(Instant::now()) {
                Some(left) if !left.is_zero() => std::thread::sleep(left.min(LOOK_UP)),
                _ => return Ok(()),
            }
        }
    }
}

impl Run<'_> {
    /// Has a file be there, whole and checked.
    fn file(&mut self, file: &RemoteFile) -> Result<(), DownloadError> {
        self.progress.file.clone_from(&file.name);
        let before = self.progress.done;
        let blob = self.repository.blob(&file.etag);
        let lock = self.repository.lock(&file.etag)?;
        while let Err(TryLockError::WouldBlock) = lock.try_lock() {
            self.tell(Doing::Sharing);
            self.downloader.sleep(TELL)?;
        }
        if blob.metadata().is_ok_and(|found| found.len() == file.size) {
            self.progress.done = before + file.size;
            // It may have been damaged since it came; then it is replaced.
            if self.check(&blob, file)?.is_none() {
                self.tell(Doing::Fetching);
                return Ok(());
            }
            self.progress.done = before;
        }
        let mut is_second = false;
        loop {
            let wrong = match self.bytes(file, before) {
                Err(DownloadError::Damaged { why, .. }) => why,
                Err(other) => return Err(other),
                Ok(()) => match self.check(&self.repository.partial(&file.etag), file)? {
                    None => break,
                    Some(why) => why,
                },
            };
            let partial = self.repository.partial(&file.etag);
            fs::remove_file(&partial).map_err(|source| DownloadError::Disk { path: partial, source })?;
            // What was left of an earlier try may have been at fault: once more, from the
            // beginning.
            if std::mem::replace(&mut is_second, true) {
                return Err(DownloadError::Damaged { file: file.name.clone(), why: wrong });
            }
        }
        let partial = self.repository.partial(&file.etag);
        fs::rename(&partial, &blob).map_err(|source| DownloadError::Disk { path: blob, source })
    }

    /// Has all bytes of a file, however often the connection is cut.
    fn bytes(&mut self, file: &RemoteFile, before: u64) -> Result<(), DownloadError> {
        let Downloader { hub, cancel, first_wait, .. } = *self.downloader;
        let path = self.repository.partial(&file.etag);
        let disk = |source: io::Error| DownloadError::Disk { path: path.clone(), source };
        fs::create_dir_all(self.repository.folder.join("blobs")).map_err(disk)?;
        let mut out = OpenOptions::new().create(true).append(true).open(&path).map_err(disk)?;
        let mut done = out.metadata().map_err(disk)?.len();
        let mut failures = 0;
        while done < file.size {
            self.progress.done = before + done;
            self.tell(Doing::Fetching);
            let from = done;
            let piece = Piece { id: self.id, commit: self.commit, file, from };
            let fetched = hub.fetch(&piece, cancel, &mut |bytes| {
                done += bytes.len() as u64;
                if done > file.size {
                    return Err(too_long(file));
                }
                out.write_all(bytes).map_err(disk)?;
                self.progress.fetched += bytes.len() as u64;
                self.progress.done = before + done;
                self.tell(Doing::Fetching);
                Ok(())
            });
            let fault = match fetched {
                Ok(()) if done == file.size => break,
                // Whoever says that this is all, and it is not, has cut it too.
                Ok(()) => DownloadError::Cut { file: file.name.clone(), tries: 1, done, size: file.size },
                Err(fault) if fault.is_passing() => fault,
                Err(fault) => return Err(fault),
            };
            failures = if done > from { 1 } else { failures + 1 };
            let wait = match fault {
                DownloadError::Busy { retry_after: Some(wait), .. } => wait,
                _ => first_wait * 2_u32.pow(failures - 1),
            };
            if failures >= TRIES || wait > LONGEST_WAIT {
                return Err(match fault {
                    DownloadError::Cut { file, size, .. } => DownloadError::Cut { file, tries: failures, done, size },
                    other => other,
                });
            }
            tracing::debug!(%fault, failures, "trying again");
            self.tell(Doing::Waiting);
            self.downloader.sleep(wait)?;
        }
        if done > file.size {
            return Err(too_long(file));
        }
        out.sync_all().map_err(disk)
    }

    /// What is wrong with the content of a file that is all there, if anything is.
    fn check(&mut self, path: &Path, file: &RemoteFile) -> Result<Option<String>, DownloadError> {
        self.tell(Doing::Checking);
        content::check(path, &file.etag, self.downloader.cancel)
    }

    /// Says how it goes: at once when something else is being done, and seldom otherwise.
    fn tell(&mut self, doing: Doing) {
        let is_new = self.progress.doing != doing || self.progress.done == self.progress.total;
        if is_new || self.told.is_none_or(|at| at.elapsed() >= TELL) {
            self.progress.doing = doing;
            self.told = Some(Instant::now());
            (self.on_progress)(&self.progress);
        }
    }
}

/// The small files do not describe a model that runs.
fn unusable(id: &str, kind: ModelKind, error: &vlm::Error) -> DownloadError {
    let what = Message::new(error.to_string());
    // One model for sentences is known by its id: a server that has another one there is at fault.
    let hint = match kind {
        ModelKind::Captions => error.hint(),
        ModelKind::Sentences => Some("Check HF_ENDPOINT.".to_owned()),
    };
    let why = match hint {
        Some(hint) => what.hint(hint),
        None => what,
    };
    DownloadError::Unusable { id: id.to_owned(), why }
}

fn too_long(file: &RemoteFile) -> DownloadError {
    DownloadError::Damaged { file: file.name.clone(), why: format!("it is longer than {} bytes", file.size) }
}

/// Whether a text of the hub's may become the name of a file.
fn is_plain(name: &str) -> bool {
    (1..=LONGEST_ETAG).contains(&name.len()) && name.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-')
}

/// Whether a file is the one with the weights, or a piece of them.
fn is_weights(name: &str) -> bool {
    name == SINGLE || is_shard(name)
}

/// Whether a file is called as pieces of weights are: `model-00001-of-00002.safetensors`.
fn is_shard(name: &str) -> bool {
    let numbers = name.strip_prefix("model-").and_then(|rest| rest.strip_suffix(".safetensors"));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_digit());
    numbers.and_then(|numbers| numbers.split_once("-of-")).is_some_and(|(n, of)| is_number(n) && is_number(of))
}

#[cfg(test)]
mod tests;

//! The folder that models are kept in, in the layout that Python's `huggingface_hub` has
//! ("Understand caching" in its documentation): what is in it, how to add a file, how to take a
//! model away. Opens no connection.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use vlm::ModelFiles;

use crate::base::files::{self, Readers};
use crate::models::error::DownloadError;
use crate::models::kind::ModelKind;

/// What is read of a configuration; real ones have a thousandth of it.
const LONGEST_CONFIG: u64 = 1 << 20;

/// A folder of the cache that holds one model.
#[derive(Clone, Debug)]
pub struct Repository {
    /// `models--owner--name`.
    pub folder: PathBuf,
    locks: PathBuf,
}

impl Repository {
    /// Where `id` is or would be.
    pub fn new(cache: &Path, id: &str) -> Self {
        let name = format!("models--{}", id.replace('/', "--"));
        Self { folder: cache.join(&name), locks: cache.join(".locks").join(name) }
    }

    /// Where the content with this etag is.
    pub fn blob(&self, etag: &str) -> PathBuf {
        self.folder.join("blobs").join(etag)
    }

    /// Where it is while it is not all there, as Python names it: what one of the two began, the
    /// other goes on with.
    pub fn partial(&self, etag: &str) -> PathBuf {
        self.folder.join("blobs").join(format!("{etag}.incomplete"))
    }

    /// The file that whoever writes a blob holds a lock on. Python locks the same one.
    ///
    /// # Errors
    /// When it can't be made.
    pub fn lock(&self, etag: &str) -> Result<File, DownloadError> {
        let path = self.locks.join(format!("{etag}.lock"));
        let made = fs::create_dir_all(&self.locks).and_then(|()| File::create(&path));
        made.map_err(|source| DownloadError::Disk { path, source })
    }

    /// Makes a blob appear as a file of a revision.
    ///
    /// # Errors
    /// When the disk does not let it.
    pub fn link(&self, commit: &str, file: &str, etag: &str) -> Result<(), DownloadError> {
        let folder = self.folder.join("snapshots").join(commit);
        let path = folder.join(file);
        let linked = fs::create_dir_all(&folder).and_then(|()| match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => link_blob(&self.blob(etag), etag, &path),
        });
        linked.map_err(|source| DownloadError::Disk { path, source })
    }

    /// Makes a revision the one that is used.
    ///
    /// # Errors
    /// When the disk does not let it.
    pub fn publish(&self, commit: &str) -> Result<(), DownloadError> {
        let path = self.folder.join("refs").join("main");
        let written = fs::create_dir_all(self.folder.join("refs"))
            .and_then(|()| files::write_whole(&path, Readers::AsUsual, |out| out.write_all(commit.as_bytes())));
        written.map_err(|source| DownloadError::Disk { path, source })
    }
}

#[cfg(unix)]
fn link_blob(_: &Path, etag: &str, path: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(Path::new("../../blobs").join(etag), path)
}

/// Links need rights there that people do not have; a hard link needs none.
#[cfg(not(unix))]
fn link_blob(blob: &Path, _: &str, path: &Path) -> io::Result<()> {
    fs::hard_link(blob, path).or_else(|_| fs::copy(blob, path).map(|_| ()))
}

/// What the cache holds of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cached {
    /// `owner/name`.
    pub id: String,
    /// The revision that is used, if all of it is there.
    pub folder: Option<PathBuf>,
    /// What it takes of the disk, in bytes, with older revisions and what was begun.
    pub bytes: u64,
}

/// What `cache` holds of a model; nothing when it holds none of it.
#[must_use]
pub fn of_model(cache: &Path, id: &str) -> Option<Cached> {
    let repository = Repository::new(cache, id);
    repository.folder.symlink_metadata().ok()?;
    let files = ModelFiles::in_hub_cache_at(cache, id).filter(|files| ModelKind::of(id).is_complete(files));
    let folder = files.and_then(|files| files.folder().map(Path::to_owned));
    Some(Cached { id: id.to_owned(), folder, bytes: size(&repository.folder) })
}

/// The models in `cache` that can be used or are among `known`, by their ids. A cache holds other
/// models too, which this program does not run.
#[must_use]
pub fn cached(cache: &Path, known: &[&str]) -> Vec<Cached> {
    let mut ids: BTreeSet<String> = known.iter().map(|id| (*id).to_owned()).collect();
    for entry in fs::read_dir(cache).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let id = name.strip_prefix("models--").and_then(|name| name.split_once("--"));
        if let Some((owner, name)) = id {
            let id = format!("{owner}/{name}");
            let files = ModelFiles::in_hub_cache_at(cache, &id).filter(ModelFiles::is_complete);
            if files.as_ref().and_then(ModelFiles::folder).is_some_and(is_smolvlm) {
                ids.insert(id);
            }
        }
    }
    ids.iter().filter_map(|id| of_model(cache, id)).collect()
}

fn is_smolvlm(folder: &Path) -> bool {
    #[derive(serde::Deserialize)]
    struct Kind {
        model_type: String,
    }
    let mut text = Vec::new();
    let read = File::open(folder.join("config.json")).and_then(|file| file.take(LONGEST_CONFIG).read_to_end(&mut text));
    read.is_ok() && serde_json::from_slice::<Kind>(&text).is_ok_and(|kind| vlm::is_supported(&kind.model_type))
}

/// Removes a model with all its revisions. A link is removed, and what it leads to stays. Says how
/// many bytes are free now.
///
/// # Errors
/// When there is nothing of it, or the disk does not let it.
pub fn remove(cache: &Path, id: &str) -> Result<u64, DownloadError> {
    let repository = Repository::new(cache, id);
    let path = repository.folder.clone();
    let freed = size(&path);
    let removed = path.symlink_metadata().and_then(|found| {
        // Of a tree, `remove_dir_all` removes the links and follows none.
        if found.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) }
    });
    removed.map_err(|source| DownloadError::Disk { path, source })?;
    // Locks are empty files, made anew when they are needed.
    let _ = fs::remove_dir_all(&repository.locks);
    Ok(freed)
}

/// The bytes of all files under `path`, links not counted.
fn size(path: &Path) -> u64 {
    let Ok(found) = path.symlink_metadata() else { return 0 };
    if found.is_file() {
        return found.len();
    }
    if !found.is_dir() {
        return 0;
    }
    fs::read_dir(path).into_iter().flatten().flatten().map(|entry| size(&entry.path())).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(unix)]
    fn removing_a_model_leaves_what_its_links_lead_to() {
        let (cache, elsewhere) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
        let precious = elsewhere.path().join("precious");
        fs::write(&precious, "12345").expect("written");
        let repository = Repository::new(cache.path(), "a/b");
        fs::create_dir_all(repository.folder.join("blobs")).expect("made");
        fs::write(repository.blob("x"), "123").expect("written");
        repository.link("c", "config.json", "x").expect("linked");
        std::os::unix::fs::symlink(elsewhere.path(), repository.folder.join("out")).expect("linked");
        assert_eq!(remove(cache.path(), "a/b").expect("removed"), 3);
        assert!(precious.exists() && !repository.folder.exists());
        std::os::unix::fs::symlink(elsewhere.path(), &repository.folder).expect("linked");
        remove(cache.path(), "a/b").expect("removed");
        assert!(precious.exists() && repository.folder.symlink_metadata().is_err());
        assert!(matches!(remove(cache.path(), "a/b"), Err(DownloadError::Disk { .. })));
    }

    #[test]
    fn a_model_that_is_not_all_there_is_listed_without_a_folder() {
        let cache = tempfile::tempdir().expect("a folder");
        let repository = Repository::new(cache.path(), "a/b");
        fs::create_dir_all(repository.folder.join("blobs")).expect("made");
        fs::write(repository.partial("x"), "1234").expect("written");
        let found = cached(cache.path(), &["a/b", "a/c"]);
        assert_eq!(found, [Cached { id: "a/b".to_owned(), folder: None, bytes: 4 }]);
        assert!(cached(cache.path(), &[]).is_empty(), "nobody asked for it");
    }
}

//! Where a checkpoint's files are: a folder, the hub's cache that Python shares, two GGUF files
//! that stand for one, or the program itself.
//!
//! Finds files, and reads them with a limit; opens no connection. Where the cache is,
//! [`hub`](super::hub) says.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::checkpoint::gguf::Gguf;
use crate::checkpoint::stored::Stored;
use crate::checkpoint::{formats, gguf, json};
use crate::error::{Error, Result};

/// The longest file that is read whole. The longest tokenizers have half of it.
const LONGEST: u64 = 64 << 20;
/// The longest name of a revision: a hash has 40 letters, and a cache made by hand may have others.
const LONGEST_REVISION: u64 = 200;
/// The weights of a checkpoint of one file.
const SINGLE: &str = "model.safetensors";
/// The list of shards of a checkpoint of several.
const INDEX: &str = "model.safetensors.index.json";

/// Files that are part of the program, as `(name, content)`.
pub type BuiltIn = &'static [(&'static str, &'static [u8])];

/// The files of one checkpoint.
#[derive(Clone, Debug)]
pub struct ModelFiles {
    place: Place,
    name: String,
}

#[derive(Clone, Debug)]
enum Place {
    Folder(PathBuf),
    Gguf(Arc<Gguf>),
    BuiltIn(BuiltIn),
}

/// One file of weights.
pub(crate) enum WeightFile {
    /// With the tensors that an index says are in it.
    OnDisk(PathBuf, Vec<String>),
    BuiltIn(PathBuf, &'static [u8]),
    /// With its tensors, under the names that checkpoints have for them.
    Gguf(PathBuf, Vec<(String, Stored)>),
}

impl ModelFiles {
    /// The checkpoint in `folder`, which may also be a model's folder of the hub's cache, a file of
    /// a checkpoint, or a GGUF file of a text model with that of its vision part beside it.
    ///
    /// ```
    /// # use std::path::Path;
    /// # use vlm::*;
    /// let files = ModelFiles::in_folder(Path::new("../ui-assets/demo-model"));
    /// assert_eq!(files.map(|files| files.name().to_owned()).ok().as_deref(), Some("demo-model"));
    /// assert!(ModelFiles::in_folder(Path::new("no such folder")).is_err());
    /// ```
    ///
    /// # Errors
    /// [`Error::Missing`] when there is no such folder or it holds no `config.json`,
    /// [`Error::OtherFormat`] when it holds a model in a format that is not read; what is wrong
    /// with a GGUF file.
    pub fn in_folder(folder: &Path) -> Result<Self> {
        if folder.is_file() {
            return Self::beside(folder);
        }
        if folder.join("config.json").is_file() {
            return Ok(Self { place: Place::Folder(folder.into()), name: name_of(folder) });
        }
        if let Some(snapshot) = main_snapshot(folder) {
            return Self::in_folder(&snapshot);
        }
        match &*gguf::text_models(folder) {
            [] => {}
            [text] => return Self::gguf(text, None),
            [first, ..] => {
                let path = first.file_name().unwrap_or_default().to_string_lossy().into_owned();
                let what = format!("several GGUF models, such as {path}");
                return Err(Error::OtherFormat { path: folder.into(), what, hint: "Name one of the files." });
            }
        }
        let missing = if folder.is_dir() { folder.join("config.json") } else { folder.into() };
        Err(other_format_in(folder).unwrap_or(Error::Missing { path: missing }))
    }

    /// The model in the GGUF file of a text model and in that of its vision part: `vision`, or the
    /// one whose name has `mmproj` in it beside the first.
    ///
    /// # Errors
    /// [`Error::OtherFormat`] when a half is absent, [`Error::Unsupported`] when it is another kind
    /// of model, and what is wrong with which file.
    pub fn gguf(text: &Path, vision: Option<&Path>) -> Result<Self> {
        let name = text.file_stem().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        Ok(Self { place: Place::Gguf(Arc::new(Gguf::open(text, vision)?)), name })
    }

    /// The checkpoint that a file is of.
    fn beside(file: &Path) -> Result<Self> {
        if gguf::is_gguf(file) {
            return Self::gguf(file, None);
        }
        let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if let Some(format) = formats::other_format([name.as_str()]) {
            return Err(format.error(file));
        }
        // The folder of a name alone has no name.
        let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        Self::in_folder(folder)
    }

    /// The checkpoint that Python's or this program's hub client left in the shared cache for
    /// `hub_id` (`owner/name`), if its main revision is there. Layout:
    /// `models--owner--name/{refs/main, snapshots/REVISION/}`, as described by the
    /// `huggingface_hub` documentation, "Understand caching".
    #[must_use]
    pub fn in_hub_cache(hub_id: &str) -> Option<Self> {
        Self::in_hub_cache_at(&super::hub::hub_cache()?, hub_id)
    }

    /// As [`Self::in_hub_cache`], with the cache in `cache`.
    #[must_use]
    pub fn in_hub_cache_at(cache: &Path, hub_id: &str) -> Option<Self> {
        let repository = cache.join(format!("models--{}", hub_id.replace('/', "--")));
        Self::in_folder(&main_snapshot(&repository)?).ok()
    }

    /// A checkpoint that is part of the program.
    #[must_use]
    pub fn built_in(name: &str, files: BuiltIn) -> Self {
        Self { place: Place::BuiltIn(files), name: name.into() }
    }

    /// Whether there is a file of this name.
    pub(crate) fn has(&self, name: &str) -> bool {
        match &self.place {
            Place::Folder(folder) => folder.join(name).is_file(),
            Place::Gguf(gguf) => gguf.file(name).is_some(),
            Place::BuiltIn(files) => files.iter().any(|(n, _)| *n == name),
        }
    }

    /// The folder with the files, unless they are part of the program.
    #[must_use]
    pub fn folder(&self) -> Option<&Path> {
        match &self.place {
            Place::Folder(folder) => Some(folder),
            Place::Gguf(gguf) => gguf.folder(),
            Place::BuiltIn(_) => None,
        }
    }

    /// What to call the model: the folder's, the repository's or the file's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where `name` is, for reading and for messages.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        match &self.place {
            Place::Folder(folder) => folder.join(name),
            Place::Gguf(gguf) => gguf.path(name).to_owned(),
            Place::BuiltIn(_) => Path::new(&self.name).join(name),
        }
    }

    /// Reads a small file whole.
    ///
    /// # Errors
    /// [`Error::Missing`] or [`Error::Read`], [`Error::Damaged`] when it is too long, and
    /// [`Error::OtherFormat`] when Git LFS has not fetched it.
    pub(crate) fn read(&self, name: &str) -> Result<Cow<'static, [u8]>> {
        let path = self.path(name);
        match &self.place {
            Place::BuiltIn(files) => files
                .iter()
                .find(|(n, _)| *n == name)
                .map(|(_, content)| Cow::Borrowed(*content))
                .ok_or(Error::Missing { path }),
            Place::Gguf(gguf) => {
                gguf.file(name).map(|content| Cow::Owned(content.to_vec())).ok_or(Error::Missing { path })
            }
            Place::Folder(_) => match read_within(&path, LONGEST) {
                Ok(Some(content)) if formats::is_lfs_pointer(&content) => Err(formats::lfs_pointer().error(&path)),
                Ok(Some(content)) => Ok(Cow::Owned(content)),
                Ok(None) => Err(Error::Damaged { path, why: format!("it is longer than {} MB", LONGEST >> 20) }),
                Err(e) if e.kind() == io::ErrorKind::NotFound => Err(Error::Missing { path }),
                Err(source) => Err(Error::Read { path, source }),
            },
        }
    }

    /// The files of weights: one, or the shards that the index names.
    ///
    /// # Errors
    /// [`Error::Missing`], [`Error::OtherFormat`] when there are others that are not read, or
    /// [`Error::Damaged`] for an index that names files outside the folder.
    pub(crate) fn weights(&self) -> Result<Vec<WeightFile>> {
        match &self.place {
            Place::BuiltIn(files) => files
                .iter()
                .find(|(name, _)| *name == SINGLE)
                .map(|(name, content)| vec![WeightFile::BuiltIn(self.path(name), content)])
                .ok_or_else(|| Error::Missing { path: self.path(SINGLE) }),
            Place::Gguf(gguf) => {
                Ok(gguf.weights().map(|file| WeightFile::Gguf(file.path.clone(), file.tensors.clone())).into())
            }
            Place::Folder(_) if self.path(SINGLE).is_file() => {
                Ok(vec![WeightFile::OnDisk(self.path(SINGLE), Vec::new())])
            }
            Place::Folder(_) if self.path(INDEX).is_file() => self.shards(),
            Place::Folder(folder) => {
                Err(other_format_in(folder).unwrap_or_else(|| Error::Missing { path: self.path(SINGLE) }))
            }
        }
    }

    /// The bytes of the weight files on the disk, as far as they are there; those that are part of
    /// the program count for nothing.
    #[must_use]
    pub fn weight_bytes(&self) -> u64 {
        let of_file = |file| match file {
            WeightFile::OnDisk(path, _) | WeightFile::Gguf(path, _) => {
                fs::metadata(path).map_or(0, |found| found.len())
            }
            WeightFile::BuiltIn(..) => 0,
        };
        self.weights().into_iter().flatten().map(of_file).sum()
    }

    fn shards(&self) -> Result<Vec<WeightFile>> {
        #[derive(serde::Deserialize)]
        struct Index {
            weight_map: BTreeMap<String, String>,
        }
        let damaged = |why: String| Error::Damaged { path: self.path(INDEX), why };
        let index: Index = json::parse(&self.read(INDEX)?, &self.path(INDEX))?;
        let mut shards = BTreeMap::<String, Vec<String>>::new();
        for (tensor, shard) in index.weight_map {
            shards.entry(shard).or_default().push(tensor);
        }
        shards
            .into_iter()
            .map(|(name, tensors)| {
                // A name is a file of this folder, never a path that leads out of it.
                if Path::new(&name).file_name() != Some(name.as_ref()) {
                    return Err(damaged(format!("it names `{name}`, which is not a file of its own folder")));
                }
                let path = self.path(&name);
                if path.is_file() { Ok(WeightFile::OnDisk(path, tensors)) } else { Err(Error::Missing { path }) }
            })
            .collect()
    }
}

/// What to call the checkpoint in a folder: by the folder, or by the repository in the hub's cache.
fn name_of(folder: &Path) -> String {
    let name = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned());
    let repository = || {
        let snapshots = folder.parent().filter(|parent| parent.ends_with("snapshots"))?;
        let repository = name(snapshots.parent()?)?;
        Some(repository.strip_prefix("models--")?.rsplit("--").next()?.to_owned())
    };
    repository().or_else(|| name(folder)).unwrap_or_else(|| folder.display().to_string())
}

/// The folder of the main revision in a repository of the hub's cache, if there is one.
fn main_snapshot(repository: &Path) -> Option<PathBuf> {
    let revision = read_within(&repository.join("refs").join("main"), LONGEST_REVISION).ok()??;
    let revision = String::from_utf8(revision).ok()?;
    let snapshot = repository.join("snapshots").join(revision.trim());
    // A name, not a path that leads elsewhere.
    let is_name = Path::new(revision.trim()).file_name() == Some(revision.trim().as_ref());
    (is_name && snapshot.join("config.json").is_file()).then_some(snapshot)
}

/// Names of files that are looked at to tell what a folder holds. More are not needed.
const MOST_NAMES: usize = 1000;

/// The model in another format that a folder holds, if it holds one.
fn other_format_in(folder: &Path) -> Option<Error> {
    let entries = |folder: &Path| fs::read_dir(folder).into_iter().flatten().flatten().take(MOST_NAMES);
    let name = |entry: &fs::DirEntry| entry.file_name().to_string_lossy().into_owned();
    let mut names: Vec<String> = entries(folder).map(|entry| name(&entry)).collect();
    // Exports have a folder of their own.
    names.extend(entries(&folder.join("onnx")).map(|entry| name(&entry)));
    Some(formats::other_format(names.iter().map(String::as_str))?.error(folder))
}

/// A file's content, and nothing when it is longer than `most` bytes. Only of regular files: others
/// may never end.
fn read_within(path: &Path, most: u64) -> io::Result<Option<Vec<u8>>> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let mut content = Vec::new();
    File::open(path)?.take(most + 1).read_to_end(&mut content)?;
    Ok((content.len() as u64 <= most).then_some(content))
}

#[cfg(test)]
mod tests;

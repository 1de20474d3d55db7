//! Where a checkpoint's files are: a folder, the hub's cache that Python shares, or the program itself.
//!
//! Finds and reads files; knows nothing of what is in them and opens no connection.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

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
    BuiltIn(BuiltIn),
}

/// One file of weights.
pub(crate) enum WeightFile {
    /// With the tensors that an index says are in it.
    OnDisk(PathBuf, Vec<String>),
    BuiltIn(PathBuf, &'static [u8]),
}

impl ModelFiles {
    /// The checkpoint in `folder`.
    ///
    /// # Errors
    /// [`Error::Missing`] when there is no such folder or it holds no `config.json`.
    pub fn in_folder(folder: &Path) -> Result<Self> {
        let config = folder.join("config.json");
        if !config.is_file() {
            return Err(Error::Missing { path: if folder.is_dir() { config } else { folder.into() } });
        }
        let name =
            folder.file_name().map_or_else(|| folder.display().to_string(), |n| n.to_string_lossy().into_owned());
        Ok(Self { place: Place::Folder(folder.into()), name })
    }

    /// The checkpoint that Python's or this program's hub client left in the shared cache for `hub_id`
    /// (`owner/name`), if its main revision is there. Layout: `models--owner--name/{refs/main, snapshots/REVISION/}`, as
    /// described by the `huggingface_hub` documentation, "Understand caching".
    #[must_use]
    pub fn in_hub_cache(hub_id: &str) -> Option<Self> {
        Self::in_hub_cache_at(&hub_cache()?, hub_id)
    }

    /// As [`Self::in_hub_cache`], with the cache in `cache`.
    #[must_use]
    pub fn in_hub_cache_at(cache: &Path, hub_id: &str) -> Option<Self> {
        let repository = cache.join(format!("models--{}", hub_id.replace('/', "--")));
        let revision = fs::read_to_string(repository.join("refs/main")).ok()?;
        let mut files = Self::in_folder(&repository.join("snapshots").join(revision.trim())).ok()?;
        files.name = hub_id.rsplit('/').next().unwrap_or(hub_id).into();
        Some(files)
    }

    /// A checkpoint that is part of the program.
    #[must_use]
    pub fn built_in(name: &str, files: BuiltIn) -> Self {
        Self { place: Place::BuiltIn(files), name: name.into() }
    }

    /// Whether every file that a model needs is there, whatever is in it.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        let has = |name: &str| match &self.place {
            Place::Folder(folder) => folder.join(name).is_file(),
            Place::BuiltIn(files) => files.iter().any(|(n, _)| *n == name),
        };
        ["config.json", "preprocessor_config.json", "tokenizer.json"].into_iter().all(has) && self.weights().is_ok()
    }

    /// The folder with the files, unless they are part of the program.
    #[must_use]
    pub fn folder(&self) -> Option<&Path> {
        match &self.place {
            Place::Folder(folder) => Some(folder),
            Place::BuiltIn(_) => None,
        }
    }

    /// What to call the model: the folder's or the repository's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where `name` is, for reading and for messages.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        match &self.place {
            Place::Folder(folder) => folder.join(name),
            Place::BuiltIn(_) => Path::new(&self.name).join(name),
        }
    }

    /// Reads a small file whole.
    ///
    /// # Errors
    /// [`Error::Missing`] or [`Error::Read`].
    pub(crate) fn read(&self, name: &str) -> Result<Cow<'static, [u8]>> {
        let path = self.path(name);
        match &self.place {
            Place::BuiltIn(files) => files
                .iter()
                .find(|(n, _)| *n == name)
                .map(|(_, content)| Cow::Borrowed(*content))
                .ok_or(Error::Missing { path }),
            Place::Folder(_) => match fs::read(&path) {
                Ok(content) => Ok(Cow::Owned(content)),
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => Err(Error::Missing { path }),
                Err(source) => Err(Error::Read { path, source }),
            },
        }
    }

    /// The files of weights: one, or the shards that the index names.
    ///
    /// # Errors
    /// [`Error::Missing`], or [`Error::Damaged`] for an index that names files outside the folder.
    pub(crate) fn weights(&self) -> Result<Vec<WeightFile>> {
        match &self.place {
            Place::BuiltIn(files) => files
                .iter()
                .find(|(name, _)| *name == SINGLE)
                .map(|(name, content)| vec![WeightFile::BuiltIn(self.path(name), content)])
                .ok_or_else(|| Error::Missing { path: self.path(SINGLE) }),
            Place::Folder(_) if self.path(SINGLE).is_file() => {
                Ok(vec![WeightFile::OnDisk(self.path(SINGLE), Vec::new())])
            }
            Place::Folder(_) if self.path(INDEX).is_file() => self.shards(),
            Place::Folder(_) => Err(Error::Missing { path: self.path(SINGLE) }),
        }
    }

    /// The bytes of the weight files on the disk, as far as they are there; those that are part of the program count for nothing.
    #[must_use]
    pub fn weight_bytes(&self) -> u64 {
        let of_file = |file| match file {
            WeightFile::OnDisk(path, _) => fs::metadata(path).map_or(0, |found| found.len()),
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
        let index: Index = serde_json::from_slice(&self.read(INDEX)?).map_err(|e| damaged(e.to_string()))?;
        let mut shards = BTreeMap::<String, Vec<String>>::new();
        for (tensor, shard) in index.weight_map {
            shards.entry(shard).or_default().push(tensor);
        }
        shards
            .into_iter()
            .map(|(name, tensors)| {
                // A name is a file of this folder, never a path that leads out of it.
                if Path::new(&name).file_name() != Some(name.as_ref()) {
                    return Err(damaged(format!("it names `{name}`, which is no file of its own folder")));
                }
                let path = self.path(&name);
                if path.is_file() { Ok(WeightFile::OnDisk(path, tensors)) } else { Err(Error::Missing { path }) }
            })
            .collect()
    }
}

/// The hub's cache folder: `HF_HUB_CACHE`, `HUGGINGFACE_HUB_CACHE`, `HF_HOME/hub`, `XDG_CACHE_HOME/huggingface/hub` or
/// `~/.cache/huggingface/hub`, in the order of `huggingface_hub`'s constants.
#[must_use]
pub fn hub_cache() -> Option<PathBuf> {
    let variable = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    variable("HF_HUB_CACHE")
        .or_else(|| variable("HUGGINGFACE_HUB_CACHE"))
        .or_else(|| Some(variable("HF_HOME")?.join("hub")))
        .or_else(|| Some(variable("XDG_CACHE_HOME")?.join("huggingface/hub")))
        .or_else(|| Some(std::env::home_dir()?.join(".cache/huggingface/hub")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder_with_index(index: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("config.json"), "{}").unwrap();
        fs::write(folder.path().join(INDEX), index).unwrap();
        folder
    }

    fn weights_error(index: &str) -> Error {
        let folder = folder_with_index(index);
        ModelFiles::in_folder(folder.path()).unwrap().weights().err().unwrap()
    }

    #[test]
    fn a_missing_folder_and_a_folder_without_a_config_are_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let e = ModelFiles::in_folder(folder.path()).unwrap_err().to_string();
        assert!(e.contains("config.json is missing"), "{e}");
        let e = ModelFiles::in_folder(&folder.path().join("nowhere")).unwrap_err().to_string();
        assert!(e.contains("nowhere is missing"), "{e}");
    }

    #[test]
    fn a_shard_outside_the_folder_is_refused() {
        for name in ["../secret.safetensors", "/etc/passwd", "a/b.safetensors", ".."] {
            let e = weights_error(&format!(r#"{{"weight_map": {{"x": "{name}"}}}}"#));
            assert!(matches!(e, Error::Damaged { .. }), "{name}: {e}");
        }
    }

    #[test]
    fn a_missing_shard_is_named() {
        let e = weights_error(r#"{"weight_map": {"x": "model-00001-of-00002.safetensors"}}"#);
        assert!(matches!(&e, Error::Missing { path } if path.ends_with("model-00001-of-00002.safetensors")), "{e}");
    }

    #[test]
    fn a_checkpoint_without_its_weights_is_not_complete() {
        let folder = folder_with_index(r#"{"weight_map": {"x": "model-00001-of-00001.safetensors"}}"#);
        let files = ModelFiles::in_folder(folder.path()).unwrap();
        for name in ["preprocessor_config.json", "tokenizer.json", "model-00001-of-00001.safetensors"] {
            assert!(!files.is_complete(), "{name} is missing");
            fs::write(folder.path().join(name), "{}").unwrap();
        }
        assert!(files.is_complete());
    }

    #[test]
    fn built_in_files_are_found_by_name() {
        let files = ModelFiles::built_in("demo", &[("config.json", b"{}")]);
        assert_eq!(&*files.read("config.json").unwrap(), b"{}");
        assert!(matches!(files.read("tokenizer.json"), Err(Error::Missing { .. })));
    }
}

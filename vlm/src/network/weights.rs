//! Where a model's matrices come from: the checkpoint, and for int8 a cache of what was made of it
//! the last time.
//!
//! Quantising reads every weight and takes seconds; reading the cache takes a tenth of one. It is a
//! file in a folder of the caller's choice, under a name that tells the checkpoint's weight files,
//! their lengths and times apart ([`int8_cache`] is its layout). A file
//! that is absent, damaged or of another version is made anew; where it can't be written, the model
//! runs without.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use xxhash_rust::xxh3::Xxh3;

use crate::checkpoint::files::{ModelFiles, WeightFile};
use crate::checkpoint::tensors::Checkpoint;
use crate::error::Result;
use crate::kernels::int8::{Levels, Packed};
use crate::network::int8_cache;
use crate::network::int8_cache::{Kept, SUFFIX};
use crate::network::linear::Matrices;
use crate::network::precision::Precision;

/// Changes whenever the same checkpoint would make other bytes.
const MAKE: &str = "5";

/// What layers load from.
pub(crate) struct Weights<'a> {
    pub(crate) checkpoint: &'a Checkpoint,
    cache: Option<Kept>,
    /// All that was loaded, and whether any of it had to be made.
    loaded: Mutex<Vec<(String, Arc<Packed>)>>,
    is_made: AtomicBool,
    path: Option<PathBuf>,
}

impl<'a> Weights<'a> {
    /// `folder` is that of the int8 cache, if there is one.
    pub(crate) fn new(
        checkpoint: &'a Checkpoint,
        files: &ModelFiles,
        precision: Precision,
        folder: Option<&Path>,
    ) -> Self {
        let path =
            folder.filter(|_| precision == Precision::Int8).and_then(|folder| Some(folder.join(file_name(files)?)));
        let cache = path.as_deref().and_then(|path| match Kept::open(path) {
            Ok(cache) => cache,
            Err(why) => {
                tracing::warn!("{} is not used and will be made again: {why}", path.display());
                None
            }
        });
        Self { checkpoint, cache, loaded: Mutex::default(), is_made: AtomicBool::default(), path }
    }

    /// Some tensors of `inputs` under one another, each named with its outputs, in bytes.
    ///
    /// # Errors
    /// As [`Checkpoint::tensor`].
    pub(crate) fn packed(&self, tensors: &[(&str, usize)], inputs: usize, levels: Levels) -> Result<Arc<Packed>> {
        let outputs = tensors.iter().map(|(_, outputs)| outputs).sum();
        self.packed_from(tensors[0].0, (outputs, inputs), levels, || {
            let wide = |(name, outputs): &(&str, usize)| {
                Ok(self.checkpoint.tensor(name, &[*outputs, inputs])?.flatten_all()?.to_vec1::<f32>()?)
            };
            tensors.iter().map(wide).collect()
        })
    }

    /// The same, as layers of tensors multiply with them.
    ///
    /// # Errors
    /// As [`Checkpoint::tensor`].
    pub(crate) fn matrices(&self, tensors: &[(&str, usize)], inputs: usize, levels: Levels) -> Result<Matrices> {
        let outputs = tensors.iter().map(|(_, outputs)| *outputs).collect();
        Ok(Matrices::Int8(self.packed(tensors, inputs, levels)?, outputs))
    }

    /// The residual of a tensor: what its bytes, `packed`, differ from it by.
    ///
    /// # Errors
    /// As [`Checkpoint::tensor`].
    pub(crate) fn rest(&self, name: &str, packed: &Packed) -> Result<Arc<Packed>> {
        let shape = (packed.outputs(), packed.inputs());
        self.packed_from(&format!("{name}.rest"), shape, Levels::One, || {
            let mut wide = self.checkpoint.tensor(name, &[shape.0, shape.1])?.flatten_all()?.to_vec1::<f32>()?;
            for (output, row) in wide.chunks_exact_mut(shape.1).enumerate() {
                row.iter_mut().zip(packed.output(output)).for_each(|(wide, rounded)| *wide -= rounded);
            }
            Ok(vec![wide])
        })
    }

    /// The matrix of `[outputs, inputs]` that is cached as `name`, or else made of those under one
    /// another that `wide` gives.
    ///
    /// # Errors
    /// Those of `wide`.
    pub(crate) fn packed_from(
        &self,
        name: &str,
        (outputs, inputs): (usize, usize),
        levels: Levels,
        wide: impl FnOnce() -> Result<Vec<Vec<f32>>>,
    ) -> Result<Arc<Packed>> {
        if let Some(packed) = self.cache.as_ref().and_then(|cache| cache.packed(name, outputs, inputs, levels)) {
            return Ok(self.loaded(name, packed));
        }
        let wide = wide()?;
        let wide: Vec<_> = wide.iter().map(Vec::as_slice).collect();
        self.is_made.store(true, Ordering::Relaxed);
        Ok(self.loaded(name, Packed::quantise(&wide, inputs, levels)))
    }

    fn loaded(&self, name: &str, packed: Packed) -> Arc<Packed> {
        let packed = Arc::new(packed);
        self.loaded.lock().unwrap_or_else(PoisonError::into_inner).push((name.to_owned(), Arc::clone(&packed)));
        packed
    }

    /// Writes all that was loaded to the int8 cache if any of it had to be made, so that the file
    /// is whole. What stands in the way is only reported: the model runs without.
    pub(crate) fn write_cache(self) {
        let Some(path) = self.path.filter(|_| self.is_made.into_inner()) else { return };
        let loaded = self.loaded.into_inner().unwrap_or_else(PoisonError::into_inner);
        match int8_cache::write(&path, &loaded) {
            Ok(()) => tracing::info!("kept the weights in bytes in {}", path.display()),
            Err(why) => tracing::warn!("the weights in bytes can't be kept in {}: {why}", path.display()),
        }
    }
}

/// A name that tells these weight files from any others. None for those that are built into the
/// program.
fn file_name(files: &ModelFiles) -> Option<String> {
    let mut identity = Xxh3::new();
    identity.update(MAKE.as_bytes());
    let mut place = Xxh3::new();
    for file in files.weights().ok()? {
        let (WeightFile::OnDisk(path, _) | WeightFile::Gguf(path, _)) = file else { return None };
        let path = fs::canonicalize(path).ok()?;
        let metadata = fs::metadata(&path).ok()?;
        let changed = metadata.modified().ok()?.duration_since(std::time::UNIX_EPOCH).ok()?;
        place.update(path.as_os_str().as_encoded_bytes());
        identity.update(&metadata.len().to_le_bytes());
        identity.update(&changed.as_nanos().to_le_bytes());
    }
    let name: String = files.name().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    Some(format!("{name}-{:016x}-{:016x}{SUFFIX}", place.digest(), identity.digest()))
}

//! Where a model's matrices come from: the checkpoint, and for int8 a file of what was made of it the last time.
//!
//! Quantising reads every weight and takes seconds; reading the file takes a tenth of one. It lies in a folder of the caller's
//! choice under a name that tells the checkpoint's weight files, their lengths and times apart, and holds the digest of its
//! own content. One that is absent, damaged or of another make is made anew; one that can't be written is done without.

use std::collections::HashMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use memmap2::{Mmap, MmapMut};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use xxhash_rust::xxh3::{Xxh3, xxh3_128};

use crate::checkpoint::Checkpoint;
use crate::error::Result;
use crate::files::{ModelFiles, WeightFile};
use crate::kernels::int8::{Bytes, Packed, Planes};
use crate::matrix::Precision;

/// Changes whenever the same checkpoint would make other bytes.
const MAKE: &str = "3";
const SUFFIX: &str = ".int8.safetensors";
/// Where the digest of the tensors stands in the file's own description.
const DIGEST: &str = "xxh3";

/// What layers load from.
pub(crate) struct Weights<'a> {
    pub(crate) checkpoint: &'a Checkpoint,
    pub(crate) precision: Precision,
    kept: Option<Kept>,
    made: Mutex<Vec<(String, Arc<Packed>)>>,
    path: Option<PathBuf>,
}

/// A file of matrices, in memory.
struct Kept {
    map: Arc<Mmap>,
    /// For each tensor its shape, and where its bytes lie in the file.
    tensors: HashMap<String, (Vec<usize>, std::ops::Range<usize>)>,
}

impl<'a> Weights<'a> {
    /// `folder` is where matrices in bytes are kept, if anywhere.
    pub(crate) fn new(
        checkpoint: &'a Checkpoint,
        files: &ModelFiles,
        precision: Precision,
        folder: Option<&Path>,
    ) -> Self {
        let path =
            folder.filter(|_| precision == Precision::Int8).and_then(|folder| Some(folder.join(file_name(files)?)));
        let kept = path.as_deref().and_then(|path| match Kept::open(path) {
            Ok(kept) => kept,
            Err(why) => {
                tracing::warn!("{} is not used and will be made again: {why}", path.display());
                None
            }
        });
        Self { checkpoint, precision, kept, made: Mutex::default(), path }
    }

    /// Some tensors of `inputs` under one another, each named with its outputs, in bytes.
    ///
    /// # Errors
    /// As [`Checkpoint::tensor`].
    pub(crate) fn packed(&self, tensors: &[(&str, usize)], inputs: usize, planes: Planes) -> Result<Arc<Packed>> {
        let outputs = tensors.iter().map(|(_, outputs)| outputs).sum();
        self.packed_from(tensors[0].0, (outputs, inputs), planes, || {
            let wide = |(name, outputs): &(&str, usize)| {
                Ok(self.checkpoint.tensor(name, &[*outputs, inputs])?.flatten_all()?.to_vec1::<f32>()?)
            };
            tensors.iter().map(wide).collect()
        })
    }

    /// What the bytes of a tensor, `packed`, missed of it.
    ///
    /// # Errors
    /// As [`Checkpoint::tensor`].
    pub(crate) fn rest(&self, name: &str, packed: &Packed) -> Result<Arc<Packed>> {
        let shape = (packed.outputs(), packed.inputs());
        self.packed_from(&format!("{name}.rest"), shape, Planes::One, || {
            let mut wide = self.checkpoint.tensor(name, &[shape.0, shape.1])?.flatten_all()?.to_vec1::<f32>()?;
            for (output, row) in wide.chunks_exact_mut(shape.1).enumerate() {
                row.iter_mut().zip(packed.output(output)).for_each(|(wide, rounded)| *wide -= rounded);
            }
            Ok(vec![wide])
        })
    }

    /// The matrix of `[outputs, inputs]` that is kept as `name`, or else made of those under one another that `wide` gives.
    ///
    /// # Errors
    /// Those of `wide`.
    pub(crate) fn packed_from(
        &self,
        name: &str,
        (outputs, inputs): (usize, usize),
        planes: Planes,
        wide: impl FnOnce() -> Result<Vec<Vec<f32>>>,
    ) -> Result<Arc<Packed>> {
        if let Some(packed) = self.kept.as_ref().and_then(|kept| kept.packed(name, outputs, inputs, planes)) {
            return Ok(Arc::new(packed));
        }
        let wide = wide()?;
        let wide: Vec<_> = wide.iter().map(Vec::as_slice).collect();
        let packed = Arc::new(Packed::quantise(&wide, inputs, planes));
        self.made.lock().unwrap_or_else(PoisonError::into_inner).push((name.to_owned(), Arc::clone(&packed)));
        Ok(packed)
    }

    /// Keeps what was made, once all is loaded. What stands in the way is only reported: the model runs without.
    pub(crate) fn keep(self) {
        let (Some(path), made) = (self.path, self.made.into_inner().unwrap_or_else(PoisonError::into_inner)) else {
            return;
        };
        if made.is_empty() {
            return;
        }
        match write(&path, &made) {
            Ok(()) => tracing::info!("kept the weights in bytes in {}", path.display()),
            Err(why) => tracing::warn!("the weights in bytes can't be kept in {}: {why}", path.display()),
        }
    }
}

impl Kept {
    /// The file, if there is one.
    ///
    /// # Errors
    /// Why it can't be used.
    fn open(path: &Path) -> std::result::Result<Option<Self>, String> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(e.to_string()),
        };
        let map = in_memory(&file).map_err(|e| e.to_string())?;
        let (header, metadata) = SafeTensors::read_metadata(&map).map_err(|e| e.to_string())?;
        let start = size_of::<u64>() + header;
        let digest = metadata.metadata().as_ref().and_then(|m| m.get(DIGEST)).ok_or("it holds no digest")?;
        if *digest != format!("{:032x}", xxh3_128(&map[start..])) {
            return Err("its content is damaged".into());
        }
        let place = |info: &safetensors::tensor::TensorInfo| {
            let (begin, end) = info.data_offsets;
            (info.shape.clone(), start + begin..start + end)
        };
        let tensors = metadata.tensors().into_iter().map(|(name, info)| (name, place(info))).collect();
        Ok(Some(Self { map: Arc::new(map), tensors }))
    }

    /// A matrix, if it is there as it should be.
    fn packed(&self, name: &str, outputs: usize, inputs: usize, planes: Planes) -> Option<Packed> {
        let numbers = |part: &str| {
            let (_, range) = self.tensors.get(&format!("{name}.{part}"))?;
            let (numbers, []) = self.map[range.clone()].as_chunks::<4>() else { return None };
            Some(numbers.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
        };
        let (_, range) = self.tensors.get(&format!("{name}.bytes"))?;
        let bytes = Bytes::Mapped(Arc::clone(&self.map), range.clone());
        Packed::from_parts(outputs, inputs, planes, bytes, numbers("scale")?, numbers("sums")?)
    }
}

/// A file's content in memory of large pages, where the system has them: every token reads all of it, and a file that is mapped lies in
/// small ones, each of which has to be looked up.
fn in_memory(file: &File) -> std::io::Result<Mmap> {
    let length = file.metadata()?.len() as usize;
    let mut memory = MmapMut::map_anon(length)?;
    #[cfg(target_os = "linux")]
    // Where it is refused, pages are as small as ever.
    let _ = memory.advise(memmap2::Advice::HugePage);
    fill(file, &mut memory)?;
    memory.make_read_only()
}

/// Fills `bytes` from the file's start, on all threads of the current pool.
#[cfg(unix)]
fn fill(file: &File, bytes: &mut [u8]) -> std::io::Result<()> {
    use rayon::prelude::*;
    use std::os::unix::fs::FileExt as _;
    const PIECE: usize = 4 << 20;
    let read = |(number, piece): (usize, &mut [u8])| file.read_exact_at(piece, (number * PIECE) as u64);
    bytes.par_chunks_mut(PIECE).enumerate().try_for_each(read)
}

#[cfg(not(unix))]
fn fill(mut file: &File, bytes: &mut [u8]) -> std::io::Result<()> {
    std::io::Read::read_exact(&mut file, bytes)
}

/// A name that tells these weight files from any others. None for those that are built into the program.
fn file_name(files: &ModelFiles) -> Option<String> {
    let mut identity = Xxh3::new();
    identity.update(MAKE.as_bytes());
    let mut place = Xxh3::new();
    for file in files.weights().ok()? {
        let WeightFile::OnDisk(path, _) = file else { return None };
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

/// Writes the file under another name, and renames it when it is whole.
fn write(path: &Path, made: &[(String, Arc<Packed>)]) -> std::result::Result<(), Box<dyn std::error::Error>> {
    let little = |numbers: &[f32]| numbers.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>();
    let numbers: Vec<_> = made.iter().map(|(_, packed)| (little(packed.scale()), little(packed.sums()))).collect();
    let mut views = Vec::new();
    for ((name, packed), (scale, sums)) in made.iter().zip(&numbers) {
        let bytes = packed.panel_bytes();
        views.push((format!("{name}.bytes"), TensorView::new(Dtype::U8, vec![bytes.len()], bytes)?));
        for (part, numbers) in [("scale", scale), ("sums", sums)] {
            views.push((format!("{name}.{part}"), TensorView::new(Dtype::F32, vec![numbers.len() / 4], numbers)?));
        }
    }
    // The format puts tensors of wider numbers first, and those of one kind by their names.
    views.sort_by(|(a, x), (b, y)| y.dtype().cmp(&x.dtype()).then(a.cmp(b)));
    let mut digest = Xxh3::new();
    for (_, view) in &views {
        digest.update(view.data());
    }
    let metadata = HashMap::from([(DIGEST.to_owned(), format!("{:032x}", digest.digest128()))]);
    let folder = path.parent().ok_or("it has no folder")?;
    fs::create_dir_all(folder)?;
    // A name of its own, so that two that load the same model never write to one file.
    let unfinished = tempfile::NamedTempFile::new_in(folder)?;
    safetensors::serialize_to_file(views, Some(metadata), unfinished.path())?;
    unfinished.persist(path)?;
    forget_older(folder, path);
    Ok(())
}

/// Removes what was made of the same files when they were others.
fn forget_older(folder: &Path, path: &Path) {
    let of_same_place = |name: &str| name.strip_suffix(SUFFIX)?.rsplit_once('-').map(|(place, _)| place.to_owned());
    let name = |path: &Path| path.file_name().and_then(|name| of_same_place(name.to_str()?));
    for old in fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()) {
        if old != path && name(&old).is_some() && name(&old) == name(path) {
            let _ = fs::remove_file(old);
        }
    }
}

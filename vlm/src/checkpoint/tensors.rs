//! Safetensors files as named tensors of a chosen shape, number format and device.
//!
//! Files are mapped, one tensor at a time: a tensor's pages are released as soon as it is
//! converted, so that loading needs the memory of the weights and of one tensor more, whatever
//! format they are stored in. A table of which few rows are wanted at a time stays in its file
//! ([`Rows`]).

use std::collections::HashMap;
use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

use candle_core::{DType, Device, Tensor};
use memmap2::Mmap;
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorInfo};

use crate::checkpoint::files::{ModelFiles, WeightFile};
use crate::checkpoint::formats;
use crate::error::{Error, Result};

/// Bytes of the number before the header that says how long the header is.
const HEADER_LENGTH: usize = 8;

/// The weights of one checkpoint, not yet loaded.
pub(crate) struct Checkpoint {
    shards: Vec<Shard>,
    tensors: HashMap<String, Place>,
    dtype: DType,
    device: Device,
}

struct Shard {
    path: PathBuf,
    data: Data,
    /// Where the tensors' bytes begin.
    start: usize,
}

#[derive(Clone)]
enum Data {
    File(Arc<File>),
    BuiltIn(&'static [u8]),
}

/// Which shard holds a tensor, and where.
struct Place {
    shard: usize,
    info: TensorInfo,
}

/// A tensor of two dimensions that stays where it is stored.
pub(crate) struct Rows {
    data: Data,
    path: PathBuf,
    /// Where the first row begins.
    start: usize,
    width: usize,
    stored: DType,
    dtype: DType,
    device: Device,
}

impl Rows {
    /// The rows of these numbers, `[numbers, width]`, as the checkpoint makes its tensors.
    ///
    /// # Errors
    /// [`Error::Read`] when the file can't be read any more, or has fewer rows.
    pub fn of(&self, numbers: &[u32]) -> Result<Tensor> {
        let length = self.width * self.stored.size_in_bytes();
        let mut bytes = Vec::with_capacity(numbers.len() * length);
        for number in numbers {
            let row = read(&self.data, self.start + *number as usize * length, Some(length))
                .map_err(|source| Error::Read { path: self.path.clone(), source })?;
            bytes.extend_from_slice(row.as_ref());
        }
        made(&bytes, self.stored, &[numbers.len(), self.width], self.dtype, &self.device)
    }
}

/// Bytes of a shard, mapped or built in.
enum Bytes {
    Mapped(Mmap),
    BuiltIn(&'static [u8]),
}

impl AsRef<[u8]> for Bytes {
    fn as_ref(&self) -> &[u8] {
        match self {
            Self::Mapped(map) => map,
            Self::BuiltIn(bytes) => bytes,
        }
    }
}

impl Checkpoint {
    /// Opens the weight files and checks their headers: every tensor's place lies within its file,
    /// and names are unique. Tensors will be made as `dtype` on `device`.
    ///
    /// # Errors
    /// [`Error::Missing`], [`Error::Read`], or [`Error::Damaged`] for a truncated file or a header
    /// that lies.
    pub fn open(files: &ModelFiles, dtype: DType, device: &Device) -> Result<Self> {
        let mut found = Self { shards: Vec::new(), tensors: HashMap::new(), dtype, device: device.clone() };
        for (number, file) in files.weights()?.into_iter().enumerate() {
            let (path, promised, data) = match file {
                WeightFile::BuiltIn(path, content) => (path, Vec::new(), Data::BuiltIn(content)),
                WeightFile::OnDisk(path, promised) => {
                    let file = File::open(&path).map_err(|source| Error::Read { path: path.clone(), source })?;
                    (path, promised, Data::File(Arc::new(file)))
                }
            };
            let damaged = |why: String| Error::Damaged { path: path.clone(), why };
            let whole = read(&data, 0, None).map_err(|source| Error::Read { path: path.clone(), source })?;
            if formats::is_lfs_pointer(whole.as_ref()) {
                return Err(formats::lfs_pointer().error(&path));
            }
            let (header, metadata) = SafeTensors::read_metadata(whole.as_ref())
                .map_err(|e| damaged(format!("its header does not describe its content ({e})")))?;
            if let Some(name) = promised.iter().find(|name| metadata.info(name).is_none()) {
                return Err(damaged(format!("the index says that it holds the tensor `{name}`, which it does not")));
            }
            for (name, info) in metadata.tensors() {
                let place = Place { shard: number, info: info.clone() };
                if found.tensors.insert(name.clone(), place).is_some() {
                    return Err(damaged(format!("the tensor `{name}` is in two files")));
                }
            }
            found.shards.push(Shard { data, start: HEADER_LENGTH + header, path });
        }
        Ok(found)
    }

    /// Whether a tensor of this name is there.
    pub fn has(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }

    /// Loads the tensor `name`, which must have the shape `dims`.
    ///
    /// # Errors
    /// [`Error::Weights`] when it is absent or of another shape, [`Error::Read`] when it can't be
    /// mapped.
    pub fn tensor(&self, name: &str, dims: &[usize]) -> Result<Tensor> {
        let (shard, (begin, end), stored) = self.find(name, dims)?;
        let bytes = read(&shard.data, begin, Some(end - begin))
            .map_err(|source| Error::Read { path: shard.path.clone(), source })?;
        made(bytes.as_ref(), stored, dims, self.dtype, &self.device)
    }

    /// The tensor `name` of this many rows, each `width` long, left where it is.
    ///
    /// # Errors
    /// [`Error::Weights`] when it is absent or of another shape.
    pub fn rows(&self, name: &str, count: usize, width: usize) -> Result<Rows> {
        let (shard, (start, _), stored) = self.find(name, &[count, width])?;
        let (data, path) = (shard.data.clone(), shard.path.clone());
        Ok(Rows { data, path, start, width, stored, dtype: self.dtype, device: self.device.clone() })
    }

    /// The shard of a tensor, where it lies in the shard's file, and in which format.
    fn find(&self, name: &str, dims: &[usize]) -> Result<(&Shard, (usize, usize), DType)> {
        let Some(place) = self.tensors.get(name) else {
            return Err(Error::Weights { why: format!("there is no tensor `{name}`") });
        };
        if place.info.shape != dims {
            let why = format!("the tensor `{name}` has the shape {:?} and should have {dims:?}", place.info.shape);
            return Err(Error::Weights { why });
        }
        let Some(stored) = supported(place.info.dtype) else {
            return Err(Error::Weights { why: format!("the tensor `{name}` is stored as {:?}", place.info.dtype) });
        };
        let shard = &self.shards[place.shard];
        let (begin, end) = place.info.data_offsets;
        Ok((shard, (shard.start + begin, shard.start + end), stored))
    }
}

/// A tensor of stored bytes. It is converted before it goes to a GPU, so that what a card can't
/// convert it need not.
fn made(bytes: &[u8], stored: DType, dims: &[usize], dtype: DType, device: &Device) -> Result<Tensor> {
    Ok(Tensor::from_raw_buffer(bytes, stored, dims, &Device::Cpu)?.to_dtype(dtype)?.to_device(device)?)
}

/// The stored formats that are read, and candle's name for each.
fn supported(dtype: Dtype) -> Option<DType> {
    match dtype {
        Dtype::F32 => Some(DType::F32),
        Dtype::F16 => Some(DType::F16),
        Dtype::BF16 => Some(DType::BF16),
        _ => None,
    }
}

/// `length` bytes from `start` on, or all that follow.
fn read(data: &Data, start: usize, length: Option<usize>) -> std::io::Result<Bytes> {
    match data {
        Data::BuiltIn(content) => {
            let end = length.map_or(content.len(), |n| start + n);
            content.get(start..end).map(Bytes::BuiltIn).ok_or_else(|| std::io::ErrorKind::UnexpectedEof.into())
        }
        Data::File(file) => map(file, start, length),
    }
}

/// Maps a part of a file for reading.
#[allow(unsafe_code, reason = "mapping a file is unsafe by nature; the argument stands at the call")]
fn map(file: &File, start: usize, length: Option<usize>) -> std::io::Result<Bytes> {
    let total = file.metadata()?.len() as usize;
    let length = length.unwrap_or(total.saturating_sub(start));
    if total < start + length {
        return Err(std::io::ErrorKind::UnexpectedEof.into());
    }
    if length == 0 {
        return Ok(Bytes::BuiltIn(&[]));
    }
    let mut options = memmap2::MmapOptions::new();
    options.offset(start as u64).len(length);
    // SAFETY: the map is read-only, lies within the file as its length was checked just above, and
    // lives only while one tensor, or a row of it, is copied out of it. Another process that
    // truncates the file within that moment ends this one; hub caches and model folders are written
    // under another name and renamed, so no well-behaved program does.
    Ok(Bytes::Mapped(unsafe { options.map(file)? }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use safetensors::tensor::TensorView;
    use std::fs;

    fn folder(weights: &[u8]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("config.json"), "{}").unwrap();
        fs::write(folder.path().join("model.safetensors"), weights).unwrap();
        folder
    }

    fn open(folder: &tempfile::TempDir) -> Result<Checkpoint> {
        Checkpoint::open(&ModelFiles::in_folder(folder.path()).unwrap(), DType::F32, &Device::Cpu)
    }

    fn bytes(dtype: Dtype, data: &[u8]) -> Vec<u8> {
        let view = TensorView::new(dtype, vec![2, 2], data).unwrap();
        safetensors::serialize([("x", view)], None).unwrap()
    }

    fn values() -> Vec<u8> {
        [1f32, -2.0, 0.5, 4.0].iter().flat_map(|x| x.to_le_bytes()).collect()
    }

    #[test]
    fn stored_formats_become_the_one_asked_for() {
        let half: Vec<u8> = [0x3c00u16, 0xc000, 0x3800, 0x4400].iter().flat_map(|x| x.to_le_bytes()).collect();
        let brain: Vec<u8> = [0x3f80u16, 0xc000, 0x3f00, 0x4080].iter().flat_map(|x| x.to_le_bytes()).collect();
        for (dtype, data) in [(Dtype::F32, values()), (Dtype::F16, half), (Dtype::BF16, brain)] {
            let f = folder(&bytes(dtype, &data));
            let x = open(&f).unwrap().tensor("x", &[2, 2]).unwrap();
            assert_eq!(x.to_vec2::<f32>().unwrap(), [[1.0, -2.0], [0.5, 4.0]], "{dtype:?}");
            let rows = open(&f).unwrap().rows("x", 2, 2).unwrap().of(&[1, 0, 1]).unwrap();
            assert_eq!(rows.to_vec2::<f32>().unwrap(), [[0.5, 4.0], [1.0, -2.0], [0.5, 4.0]], "{dtype:?}");
        }
    }

    #[test]
    fn rows_that_the_file_has_lost_are_an_error() {
        let f = folder(&bytes(Dtype::F32, &values()));
        let rows = open(&f).unwrap().rows("x", 2, 2).unwrap();
        let file = fs::OpenOptions::new().write(true).open(f.path().join("model.safetensors")).unwrap();
        file.set_len(file.metadata().unwrap().len() - 1).unwrap();
        assert!(rows.of(&[0]).is_ok());
        assert!(matches!(rows.of(&[1]), Err(Error::Read { .. })));
    }

    #[test]
    fn a_truncated_file_and_a_lying_header_are_damaged() {
        let good = bytes(Dtype::F32, &values());
        let mut lying = good.clone();
        lying[..8].copy_from_slice(&u64::MAX.to_le_bytes());
        for bad in [&good[..good.len() - 1], &good[..4], &good[..20], &[][..], &lying, &b"not a safetensors file"[..]] {
            let f = folder(bad);
            let e = open(&f).err().unwrap();
            assert!(matches!(e, Error::Damaged { .. }), "{e}");
        }
    }

    #[test]
    fn a_wrong_shape_and_an_absent_tensor_are_named() {
        let f = folder(&bytes(Dtype::F32, &values()));
        let c = open(&f).unwrap();
        let e = c.tensor("x", &[4]).unwrap_err().to_string();
        assert!(e.contains("`x` has the shape [2, 2] and should have [4]"), "{e}");
        let e = c.tensor("y", &[4]).unwrap_err().to_string();
        assert!(e.contains("no tensor `y`"), "{e}");
    }

    #[test]
    fn a_folder_without_weights_says_which_file_is_missing() {
        let f = folder(&[]);
        fs::remove_file(f.path().join("model.safetensors")).unwrap();
        let e = open(&f).err().unwrap().to_string();
        assert!(e.contains("model.safetensors is missing"), "{e}");
    }
}

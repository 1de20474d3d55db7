//! The tensors of a checkpoint's files, in a chosen shape, number format and device.
//!
//! Tensors are read one at a time, so that loading needs the memory of the weights and of one
//! tensor more, whatever format they are stored in. A table of which few rows are wanted at a time
//! stays in its file ([`Rows`]).

use std::collections::HashMap;
use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

use candle_core::{DType, Device, Tensor};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorInfo};

use crate::checkpoint::files::{ModelFiles, WeightFile};
use crate::checkpoint::formats;
use crate::checkpoint::mapped::Data;
use crate::checkpoint::stored::{Format, Stored};
use crate::error::{Error, Result};

/// Bytes of the number before the header that says how long the header is.
const HEADER_LENGTH: usize = 8;

/// The weights of one checkpoint, not yet loaded.
pub(crate) struct Checkpoint {
    shards: Vec<Shard>,
    /// Each with the number of its shard.
    tensors: HashMap<String, (usize, Stored)>,
    dtype: DType,
    device: Device,
}

struct Shard {
    path: PathBuf,
    data: Data,
}

/// A tensor of two dimensions that stays where it is stored.
pub(crate) struct Rows {
    data: Data,
    path: PathBuf,
    /// Where the first row begins.
    start: usize,
    /// Numbers, and bytes, of a row.
    width: usize,
    length: usize,
    format: Format,
    dtype: DType,
    device: Device,
}

impl Rows {
    /// The rows of these numbers, `[numbers, width]`, as the checkpoint makes its tensors.
    ///
    /// # Errors
    /// [`Error::Read`] when the file can't be read any more, or has fewer rows.
    pub fn of(&self, numbers: &[u32]) -> Result<Tensor> {
        let mut bytes = Vec::with_capacity(numbers.len() * self.length);
        for number in numbers {
            let row = self.data.read(self.start + *number as usize * self.length, Some(self.length));
            let row = row.map_err(|source| Error::Read { path: self.path.clone(), source })?;
            bytes.extend_from_slice(row.as_ref());
        }
        Ok(self.format.tensor(&bytes, &[numbers.len(), self.width], self.dtype, &self.device)?)
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
        for file in files.weights()? {
            match file {
                WeightFile::BuiltIn(path, content) => found.add_safetensors(path, Data::BuiltIn(content), &[])?,
                WeightFile::OnDisk(path, promised) => {
                    let data = opened(&path)?;
                    found.add_safetensors(path, data, &promised)?;
                }
                WeightFile::Gguf(path, tensors) => {
                    let data = opened(&path)?;
                    found.add(Shard { path, data }, tensors)?;
                }
            }
        }
        Ok(found)
    }

    /// Adds a file of safetensors, which must hold the tensors that an index has `promised`.
    fn add_safetensors(&mut self, path: PathBuf, data: Data, promised: &[String]) -> Result<()> {
        let damaged = |why: String| Error::Damaged { path: path.clone(), why };
        let whole = data.read(0, None).map_err(|source| Error::Read { path: path.clone(), source })?;
        if formats::is_lfs_pointer(whole.as_ref()) {
            return Err(formats::lfs_pointer().error(&path));
        }
        let (header, metadata) = SafeTensors::read_metadata(whole.as_ref())
            .map_err(|e| damaged(format!("its header does not describe its content ({e})")))?;
        if let Some(name) = promised.iter().find(|name| metadata.info(name).is_none()) {
            return Err(damaged(format!("the index says that it holds the tensor `{name}`, which it does not")));
        }
        let start = HEADER_LENGTH + header;
        let tensors = metadata.tensors().into_iter().map(|(name, info)| (name, stored(info, start))).collect();
        self.add(Shard { path, data }, tensors)
    }

    fn add(&mut self, shard: Shard, tensors: Vec<(String, Stored)>) -> Result<()> {
        for (name, stored) in tensors {
            if self.tensors.contains_key(&name) {
                let why = format!("the tensor `{name}` is in two files");
                return Err(Error::Damaged { path: shard.path, why });
            }
            self.tensors.insert(name, (self.shards.len(), stored));
        }
        self.shards.push(shard);
        Ok(())
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
        let (shard, stored) = self.find(name, dims)?;
        let bytes = shard
            .data
            .read(stored.range.start, Some(stored.range.len()))
            .map_err(|source| Error::Read { path: shard.path.clone(), source })?;
        let tensor = stored.format.tensor(bytes.as_ref(), dims, self.dtype, &self.device)?;
        Ok(stored.in_order(tensor)?)
    }

    /// The tensor `name` of this many rows, each `width` long, left where it is.
    ///
    /// # Errors
    /// [`Error::Weights`] when it is absent or of another shape.
    pub fn rows(&self, name: &str, count: usize, width: usize) -> Result<Rows> {
        let (shard, stored) = self.find(name, &[count, width])?;
        let (data, path, format) = (shard.data.clone(), shard.path.clone(), stored.format.clone());
        let length = stored.range.len() / count.max(1);
        let (start, dtype, device) = (stored.range.start, self.dtype, self.device.clone());
        Ok(Rows { data, path, start, width, length, format, dtype, device })
    }

    /// A tensor, and the file that it is in.
    fn find(&self, name: &str, dims: &[usize]) -> Result<(&Shard, &Stored)> {
        let Some((shard, stored)) = self.tensors.get(name) else {
            return Err(Error::Weights { why: format!("there is no tensor `{name}`") });
        };
        if stored.shape != dims {
            let why = format!("the tensor `{name}` has the shape {:?} and should have {dims:?}", stored.shape);
            return Err(Error::Weights { why });
        }
        if let Format::Unread(format) = &stored.format {
            return Err(Error::Weights { why: format!("the tensor `{name}` is stored as {format}") });
        }
        Ok((&self.shards[*shard], stored))
    }
}

fn opened(path: &PathBuf) -> Result<Data> {
    let file = File::open(path).map_err(|source| Error::Read { path: path.clone(), source })?;
    Ok(Data::File(Arc::new(file)))
}

/// A tensor of safetensors, whose bytes are counted from `start`.
fn stored(info: &TensorInfo, start: usize) -> Stored {
    let format = match info.dtype {
        Dtype::F32 => Format::Plain(DType::F32),
        Dtype::F16 => Format::Plain(DType::F16),
        Dtype::BF16 => Format::Plain(DType::BF16),
        other => Format::Unread(format!("{other:?}")),
    };
    let (begin, end) = info.data_offsets;
    Stored { shape: info.shape.clone(), range: start + begin..start + end, format, interleaved: None }
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

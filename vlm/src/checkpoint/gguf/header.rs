//! The header of a GGUF file: what it says of itself by key, and where its tensors lie. Candle
//! reads it (the format: `docs/gguf.md` of ggml); here it is bounded, and checked against the file.
//!
//! Knows no model.

use std::collections::HashMap;
use std::fs::File;
use std::io::Cursor;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use candle_core::DType;
use candle_core::quantized::GgmlDType;
use candle_core::quantized::gguf_file::{Content, TensorInfo, Value};

use crate::checkpoint::formats;
use crate::checkpoint::mapped::Data;
use crate::checkpoint::stored::{Format, Stored};
use crate::error::{Error, Result};

/// What a GGUF file begins with.
const MAGIC: &[u8] = b"GGUF";
/// The longest header that is read. A vocabulary of 49,000 tokens with its merges takes 2 MB, one
/// of 128,000 takes 8 MB.
const LONGEST: usize = 16 << 20;
/// What every tensor's place is a multiple of, whatever alignment the file names: the format wants
/// an alignment that is a multiple of this.
const LEAST_ALIGNMENT: usize = 8;

/// The header of one file.
pub(super) struct Header {
    path: PathBuf,
    values: HashMap<String, Value>,
    /// By their names in the file, in no order.
    pub tensors: HashMap<String, Stored>,
}

impl Header {
    /// Reads a file's header.
    ///
    /// # Errors
    /// [`Error::Missing`], [`Error::Read`], [`Error::OtherFormat`] when Git LFS has not fetched the
    /// file, [`Error::Unsupported`] for a number format that is not read, and [`Error::Damaged`].
    pub fn read(path: &Path) -> Result<Self> {
        if !path.is_file() {
            return Err(Error::Missing { path: path.into() });
        }
        let damaged = |why: String| Error::Damaged { path: path.into(), why };
        let unread = |source| Error::Read { path: path.into(), source };
        let data = Data::File(Arc::new(File::open(path).map_err(unread)?));
        let length = usize::try_from(data.len().map_err(unread)?).unwrap_or(usize::MAX);
        let beginning = data.read(0, Some(length.min(LONGEST))).map_err(unread)?;
        let beginning = beginning.as_ref();
        if formats::is_lfs_pointer(beginning) {
            return Err(formats::lfs_pointer().error(path));
        }
        if !beginning.starts_with(MAGIC) {
            return Err(damaged("it does not begin as a GGUF file does".into()));
        }
        // The library panics at an alignment of zero.
        let content = catch_unwind(|| Content::read(&mut Cursor::new(beginning)))
            .map_err(|_| damaged("its header makes no sense".into()))?
            .map_err(|e| refused(path, &e))?;
        let start = usize::try_from(content.tensor_data_offset).unwrap_or(usize::MAX);
        let mut tensors = HashMap::new();
        for (name, info) in content.tensor_infos {
            let stored = stored(&info, start, length).ok_or_else(|| {
                damaged(format!("the tensor `{name}` does not lie within the file, which may be cut short"))
            })?;
            tensors.insert(name, stored);
        }
        Ok(Self { path: path.into(), values: content.metadata, tensors })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it says anything under `key`.
    pub fn has(&self, key: &str) -> bool {
        self.values.contains_key(key)
    }

    /// A whole number that is not negative.
    ///
    /// # Errors
    /// [`Error::Damaged`] when there is none.
    pub fn number(&self, key: &str) -> Result<u64> {
        self.value(key, "a whole number", whole)
    }

    /// The same where it may be left out.
    ///
    /// # Errors
    /// [`Error::Damaged`] when it is something else.
    pub fn number_if_any(&self, key: &str) -> Result<Option<u64>> {
        self.has(key).then(|| self.number(key)).transpose()
    }

    /// A number. Those in f32 become the decimal that they were written from: the f64 that a
    /// checkpoint's JSON gives.
    ///
    /// # Errors
    /// [`Error::Damaged`] when there is none.
    pub fn real(&self, key: &str) -> Result<f64> {
        self.value(key, "a number", real)
    }

    /// Some numbers.
    ///
    /// # Errors
    /// [`Error::Damaged`] when there are none.
    pub fn reals(&self, key: &str) -> Result<Vec<f64>> {
        self.value(key, "a list of numbers", |value| list(value)?.iter().map(real).collect())
    }

    /// Some whole numbers that are not negative.
    ///
    /// # Errors
    /// [`Error::Damaged`] when there are none.
    pub fn numbers(&self, key: &str) -> Result<Vec<u64>> {
        self.value(key, "a list of whole numbers", |value| list(value)?.iter().map(whole).collect())
    }

    /// A text.
    ///
    /// # Errors
    /// [`Error::Damaged`] when there is none.
    pub fn text(&self, key: &str) -> Result<&str> {
        self.value(key, "a text", text)
    }

    /// Some texts.
    ///
    /// # Errors
    /// [`Error::Damaged`] when there are none.
    pub fn texts(&self, key: &str) -> Result<Vec<&str>> {
        self.value(key, "a list of texts", |value| list(value)?.iter().map(text).collect())
    }

    /// Whether `key` is set and true.
    pub fn is_true(&self, key: &str) -> bool {
        matches!(self.values.get(key), Some(Value::Bool(true)))
    }

    fn value<'a, T>(&'a self, key: &str, what: &str, read: impl FnOnce(&'a Value) -> Option<T>) -> Result<T> {
        let damaged = |why| Error::Damaged { path: self.path.clone(), why };
        let value = self.values.get(key).ok_or_else(|| damaged(format!("it does not say {key}")))?;
        read(value).ok_or_else(|| damaged(format!("{key} is not {what}")))
    }
}

fn whole(value: &Value) -> Option<u64> {
    match value {
        Value::I8(n) => u64::try_from(*n).ok(),
        Value::I16(n) => u64::try_from(*n).ok(),
        Value::I32(n) => u64::try_from(*n).ok(),
        Value::I64(n) => u64::try_from(*n).ok(),
        Value::Bool(_) => None,
        other => other.to_u64().ok(),
    }
}

fn real(value: &Value) -> Option<f64> {
    let number = match value {
        Value::F32(x) => x.to_string().parse().ok()?,
        Value::F64(x) => *x,
        _ => return None,
    };
    number.is_finite().then_some(number)
}

fn text(value: &Value) -> Option<&str> {
    if let Value::String(text) = value { Some(text) } else { None }
}

fn list(value: &Value) -> Option<&[Value]> {
    if let Value::Array(values) = value { Some(values) } else { None }
}

/// Why the library refuses a header. It knows fewer number formats than llama.cpp.
fn refused(path: &Path, error: &candle_core::Error) -> Error {
    let said = error.to_string();
    let said = said.lines().next().unwrap_or_default();
    let number = said.split("unknown dtype for tensor ").nth(1).and_then(|number| number.trim().parse().ok());
    let Some(number) = number else {
        return Error::Damaged { path: path.into(), why: format!("its header does not describe its content ({said})") };
    };
    let name = ggml_name(number).map_or_else(|| format!("GGML's number {number}"), str::to_owned);
    Error::Unsupported {
        path: path.into(),
        why: format!("its weights are stored as {name}, a format that is not read"),
    }
}

/// The number formats of ggml that are not read, by their numbers in `ggml.h`.
fn ggml_name(number: u32) -> Option<&'static str> {
    Some(match number {
        16 => "IQ2_XXS",
        17 => "IQ2_XS",
        18 => "IQ3_XXS",
        19 => "IQ1_S",
        20 => "IQ4_NL",
        21 => "IQ3_S",
        22 => "IQ2_S",
        23 => "IQ4_XS",
        24 => "I8",
        25 => "I16",
        26 => "I32",
        27 => "I64",
        28 => "F64",
        29 => "IQ1_M",
        34 => "TQ1_0",
        35 => "TQ2_0",
        39 => "MXFP4",
        _ => return None,
    })
}

/// A tensor's place in a file of `length` bytes whose tensors begin at `start`; nothing when it is
/// not within the file.
fn stored(info: &TensorInfo, start: usize, length: usize) -> Option<Stored> {
    let shape = info.shape.dims().to_vec();
    let numbers = shape.iter().try_fold(1, |all: usize, one| all.checked_mul(*one))?;
    let format = match info.ggml_dtype {
        GgmlDType::F32 => Format::Plain(DType::F32),
        GgmlDType::F16 => Format::Plain(DType::F16),
        GgmlDType::BF16 => Format::Plain(DType::BF16),
        // What sums are quantised to while they are computed: no file's weights are.
        other @ (GgmlDType::Q8_1 | GgmlDType::Q8K) => Format::Unread(format!("{other:?}")),
        blocks => Format::Blocks(blocks),
    };
    let begin = start.checked_add(usize::try_from(info.offset).ok()?)?;
    let bytes = match &format {
        Format::Unread(_) => 0,
        // Rows are whole blocks.
        Format::Blocks(_) => format.bytes(*shape.last()?)?.checked_mul(numbers.checked_div(*shape.last()?)?)?,
        Format::Plain(_) => format.bytes(numbers)?,
    };
    let end = begin.checked_add(bytes)?;
    let is_within = end <= length && begin.is_multiple_of(LEAST_ALIGNMENT);
    is_within.then_some(Stored { shape, range: begin..end, format, interleaved: None })
}

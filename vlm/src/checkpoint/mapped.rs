//! The bytes of a file of weights: mapped, a part at a time, or built into the program.
//!
//! A part's pages are released as soon as it was converted, so that loading needs the memory of the
//! weights and of one tensor more. Knows no format.

use std::fs::File;
use std::io;
use std::sync::Arc;

use memmap2::{Mmap, MmapOptions};

/// Where the bytes of a file are.
#[derive(Clone)]
pub(crate) enum Data {
    /// On the disk.
    File(Arc<File>),
    /// In the program.
    BuiltIn(&'static [u8]),
}

/// Some bytes of a file, mapped or built in.
pub(crate) enum Bytes {
    /// Of a file on the disk.
    Mapped(Mmap),
    /// Of the program.
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

impl Data {
    /// How many bytes there are.
    ///
    /// # Errors
    /// When the system can't tell.
    pub fn len(&self) -> io::Result<u64> {
        match self {
            Self::File(file) => Ok(file.metadata()?.len()),
            Self::BuiltIn(content) => Ok(content.len() as u64),
        }
    }

    /// `length` bytes from `start` on, or all that follow.
    ///
    /// # Errors
    /// When the file is shorter, or can't be mapped.
    pub fn read(&self, start: usize, length: Option<usize>) -> io::Result<Bytes> {
        match self {
            Self::BuiltIn(content) => {
                let end = length.map_or(content.len(), |n| start + n);
                content.get(start..end).map(Bytes::BuiltIn).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
            }
            Self::File(file) => map(file, start, length),
        }
    }
}

/// Maps a part of a file for reading.
#[allow(unsafe_code, reason = "mapping a file is unsafe by nature; the argument stands at the call")]
fn map(file: &File, start: usize, length: Option<usize>) -> io::Result<Bytes> {
    let total = file.metadata()?.len() as usize;
    let length = length.unwrap_or(total.saturating_sub(start));
    if start.checked_add(length).is_none_or(|end| total < end) {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    if length == 0 {
        return Ok(Bytes::BuiltIn(&[]));
    }
    let mut options = MmapOptions::new();
    options.offset(start as u64).len(length);
    options.offset(start as u64).len(length);
    // SAFETY: the map is read-only, lies within the file as its length was checked just above, and
    // lives only while one tensor, or a row of it, is copied out of it. Another process that
    // truncates the file within that moment ends this one; hub caches and model folders are written
    // under another name and renamed, so no well-behaved program does.
    Ok(Bytes::Mapped(unsafe { options.map(file)? }))
}

//! The file that weights in bytes are kept in: a safetensors file that holds the digest of its own
//! content, names and shapes included.
//!
//! Every token reads all of the text's weights, which goes faster from memory of large pages than
//! from a file that is mapped, whose pages are small. So the file is copied as long as that is
//! quick: memory that the system has at hand is, but a machine that must find it first, as many a
//! virtual one, would keep a user waiting. The rest is mapped.

#![allow(unsafe_code, reason = "mapping a file is unsafe by nature; the argument stands at the call")]

use std::collections::HashMap;
use std::fs::{self, File};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use memmap2::{Mmap, MmapMut, MmapOptions};
use rayon::prelude::*;
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use xxhash_rust::xxh3::{Xxh3, xxh3_128};

use crate::kernels::int8::{Bytes, Levels, Packed};

/// What every such file's name ends in.
pub(super) const SUFFIX: &str = ".int8.safetensors";
/// Where the digest of the file stands in its own description: that of the digests of all pieces,
/// and of which tensors lie where.
const DIGEST: &str = "xxh3-names-and-pieces";
/// Bytes that are copied, and have a digest, together.
const PIECE: usize = 4 << 20;
/// No further piece is copied when it has taken this long, in which the tokenizer is still being
/// read, and the time that what was copied takes at this speed.
const GRACE: Duration = Duration::from_millis(95);
const BYTES_A_SECOND: f64 = 2.5e9;

/// A file of matrices, in memory.
pub(super) struct Kept {
    mapped: Arc<Mmap>,
    /// Of the same length; only the pieces that are `copied` hold anything.
    copy: Arc<Mmap>,
    copied: Vec<bool>,
    /// Where the tensors begin.
    start: usize,
    /// For each tensor where its bytes lie in the file.
    tensors: HashMap<String, Range<usize>>,
}

impl Kept {
    /// The file, if there is one.
    ///
    /// # Errors
    /// Why it can't be used.
    pub(super) fn open(path: &Path) -> Result<Option<Self>, String> {
        let began = Instant::now();
        let file = match File::open(path) {
            Ok(file) => file,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(e.to_string()),
        };
        // SAFETY: the map is read-only. The file is this program's own, which writes it under
        // another name, renames it when it is whole and never touches it again but to remove it,
        // which leaves the map as it is. Who cuts it short by hand while it is in use ends the
        // program.
        let mapped = unsafe { MmapOptions::new().map(&file) }.map_err(|e| e.to_string())?;
        let (header, metadata) = SafeTensors::read_metadata(&mapped).map_err(|e| e.to_string())?;
        let start = size_of::<u64>() + header;
        let digest = metadata.metadata().as_ref().and_then(|m| m.get(DIGEST)).ok_or("it holds no digest")?;
        let mut copy = large_pages(mapped.len()).map_err(|e| e.to_string())?;

        let pieces = mapped[start..].par_chunks(PIECE).zip(copy[start..].par_chunks_mut(PIECE));
        let done = AtomicUsize::new(0);
        let taken = pieces.enumerate().map(|(number, (mapped, copy))| {
            let allowed = GRACE.as_secs_f64() + done.load(Ordering::Relaxed) as f64 / BYTES_A_SECOND;
            let copied = began.elapsed().as_secs_f64() < allowed && read(&file, copy, start + number * PIECE);
            if copied {
                done.fetch_add(copy.len(), Ordering::Relaxed);
            }
            (copied, xxh3_128(if copied { copy } else { mapped }))
        });
        let (copied, digests): (Vec<bool>, Vec<u128>) = taken.unzip();
        let tensors = metadata.tensors();
        let described = tensors.iter().map(|(name, info)| (name.as_str(), info.dtype, &*info.shape, info.data_offsets));
        if *digest != of_all(names(described), &digests) {
            return Err("its content is damaged".into());
        }
        let place = |info: &safetensors::tensor::TensorInfo| start + info.data_offsets.0..start + info.data_offsets.1;
        let tensors = tensors.into_iter().map(|(name, info)| (name, place(info))).collect();
        let copy = copy.make_read_only().map_err(|e| e.to_string())?;
        Ok(Some(Self { mapped: Arc::new(mapped), copy: Arc::new(copy), copied, start, tensors }))
    }

    /// A matrix, if it is there as it should be.
    pub(super) fn packed(&self, name: &str, outputs: usize, inputs: usize, levels: Levels) -> Option<Packed> {
        let place = |part: &str| {
            let range = self.tensors.get(&format!("{name}.{part}"))?.clone();
            Some((self.memory(&range), range))
        };
        let numbers = |part: &str| {
            let (memory, range) = place(part)?;
            let (numbers, []) = memory[range].as_chunks::<4>() else { return None };
            Some(numbers.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
        };
        let (memory, range) = place("bytes")?;
        let bytes = Bytes::Mapped(Arc::clone(memory), range);
        Packed::from_parts(outputs, inputs, levels, bytes, numbers("scale")?, numbers("sums")?)
    }

    /// The memory that holds this part of the file.
    fn memory(&self, range: &Range<usize>) -> &Arc<Mmap> {
        let pieces = (range.start - self.start) / PIECE..(range.end - self.start).div_ceil(PIECE);
        if self.copied[pieces].iter().all(|copied| *copied) { &self.copy } else { &self.mapped }
    }
}

/// Memory of large pages, where the system has them; where it refuses, they are as small as ever.
/// What is not written to takes none.
fn large_pages(length: usize) -> std::io::Result<MmapMut> {
    let memory = MmapMut::map_anon(length)?;
    #[cfg(target_os = "linux")]
    let _ = memory.advise(memmap2::Advice::HugePage);
    Ok(memory)
}

/// Reads a piece from its place in the file, where there are large pages to be had. Returns whether
/// it did.
#[cfg(target_os = "linux")]
fn read(file: &File, piece: &mut [u8], at: usize) -> bool {
    std::os::unix::fs::FileExt::read_exact_at(file, piece, at as u64).is_ok()
}

#[cfg(not(target_os = "linux"))]
fn read(_: &File, _: &mut [u8], _: usize) -> bool {
    false
}

fn of_all(names: u128, pieces: &[u128]) -> String {
    let bytes: Vec<u8> = [names].iter().chain(pieces).flat_map(|digest| digest.to_le_bytes()).collect();
    format!("{:032x}", xxh3_128(&bytes))
}

/// The digest of what a header says: of each tensor, whatever their order, its name, its numbers'
/// format, its shape and its place.
fn names<'a>(tensors: impl Iterator<Item = (&'a str, Dtype, &'a [usize], (usize, usize))>) -> u128 {
    let mut lines: Vec<_> = tensors.map(|tensor| format!("{tensor:?}")).collect();
    lines.sort_unstable();
    xxh3_128(lines.join("\n").as_bytes())
}

/// The digests of the pieces of all these bytes, one after the other.
fn digests<'a>(parts: impl Iterator<Item = &'a [u8]>) -> Vec<u128> {
    let (mut digests, mut piece, mut room) = (Vec::new(), Xxh3::new(), PIECE);
    for mut part in parts {
        while !part.is_empty() {
            let (own, rest) = part.split_at(room.min(part.len()));
            piece.update(own);
            (room, part) = (room - own.len(), rest);
            if room == 0 {
                digests.push(piece.digest128());
                (piece, room) = (Xxh3::new(), PIECE);
            }
        }
    }
    if room < PIECE {
        digests.push(piece.digest128());
    }
    digests
}

/// Writes the file under another name, and renames it when it is whole.
pub(super) fn write(path: &Path, made: &[(String, Arc<Packed>)]) -> Result<(), Box<dyn std::error::Error>> {
    let little = |numbers: &[f32]| numbers.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>();
    let numbers: Vec<_> = made.iter().map(|(_, packed)| (little(packed.scale()), little(packed.sums()))).collect();
    let mut views = Vec::new();
    for ((name, packed), (scale, sums)) in made.iter().zip(&numbers) {
        let bytes = packed.tile_bytes();
        views.push((format!("{name}.bytes"), TensorView::new(Dtype::U8, vec![bytes.len()], bytes)?));
        for (part, numbers) in [("scale", scale), ("sums", sums)] {
            views.push((format!("{name}.{part}"), TensorView::new(Dtype::F32, vec![numbers.len() / 4], numbers)?));
        }
    }
    // The format puts tensors of wider numbers first, and those of one kind by their names.
    views.sort_by(|(a, x), (b, y)| y.dtype().cmp(&x.dtype()).then(a.cmp(b)));
    let mut end = 0;
    let described = views.iter().map(|(name, view)| {
        let start = end;
        end += view.data().len();
        (name.as_str(), view.dtype(), view.shape(), (start, end))
    });
    let names = names(described);
    let digest = of_all(names, &digests(views.iter().map(|(_, view)| view.data())));
    let metadata = HashMap::from([(DIGEST.to_owned(), digest)]);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_do_not_depend_on_how_bytes_are_parted() {
        let bytes: Vec<u8> = (0..2 * PIECE + 77).map(|i| (i * 31 + i / 251) as u8).collect();
        let whole: Vec<u128> = bytes.chunks(PIECE).map(xxh3_128).collect();
        assert_eq!(whole.len(), 3);
        for part in [1000, PIECE - 1, PIECE, PIECE + 1, bytes.len()] {
            assert_eq!(digests(bytes.chunks(part)), whole, "parts of {part}");
        }
        assert_eq!(digests(bytes[..PIECE].chunks(PIECE)), whole[..1]);
        assert_eq!(digests(std::iter::empty()), []);
    }
}

//! Whether the content of a file is what its name in the cache says: the SHA-256 of a large file,
//! git's hash of a small one.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use sha1::Sha1;
use sha2::{Digest, Sha256};
use vlm::{Cancel, ModelFiles};

use crate::models::error::DownloadError;

/// Bytes that are read at a time.
const PIECE: usize = 1 << 20;

/// What is wrong with the content of a file, if its etag tells and anything is. Etags that are not
/// hashes tell nothing.
///
/// # Errors
/// When the file can't be read, or `cancel` was raised.
pub fn check(path: &Path, etag: &str, cancel: &Cancel) -> Result<Option<String>, DownloadError> {
    let is_hash = etag.bytes().all(|digit| digit.is_ascii_hexdigit());
    let hash = match etag.len() {
        64 if is_hash => hash::<Sha256>(path, |_| String::new(), cancel)?,
        // As git hashes a file: with its kind and its length before it.
        40 if is_hash => hash::<Sha1>(path, |length| format!("blob {length}\0"), cancel)?,
        _ => return Ok(None),
    };
    Ok((hash != etag.to_ascii_lowercase()).then(|| "its checksum is another".to_owned()))
}

fn hash<D: Digest>(path: &Path, head: impl Fn(u64) -> String, cancel: &Cancel) -> Result<String, DownloadError> {
    let disk = |source| DownloadError::Disk { path: path.into(), source };
    let mut content = File::open(path).map_err(disk)?;
    let length = content.metadata().map_err(disk)?.len();
    let (mut hash, mut piece) = (D::new(), vec![0; PIECE]);
    hash.update(head(length));
    loop {
        if cancel.is_cancelled() {
            return Err(DownloadError::Cancelled);
        }
        match content.read(&mut piece).map_err(disk)? {
            0 => return Ok(hexadecimal(&hash.finalize())),
            length => hash.update(&piece[..length]),
        }
    }
}

/// The first file of a model in the cache whose content is not what its name says. Only links into
/// the cache's store have such names: files that were copied there are taken as they are.
///
/// # Errors
/// As [`check`].
pub fn first_damaged(
    files: &ModelFiles,
    cancel: &Cancel,
    mut on_file: impl FnMut(&str),
) -> Result<Option<String>, DownloadError> {
    let entries = files.folder().and_then(|folder| fs::read_dir(folder).ok()).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(|path| path.is_symlink()).collect();
    paths.sort();
    for path in paths {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let Some(blob) = fs::canonicalize(&path).ok().filter(|blob| blob.is_file()) else { continue };
        let etag = blob.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        on_file(&name);
        if check(&blob, &etag, cancel)?.is_some() {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

/// As hashes are written.
pub fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a text does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_of_git_and_sha256() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        fs::write(file.path(), "test content\n").expect("written");
        let wrong = |etag: &str| check(file.path(), etag, &Cancel::default()).expect("read").is_some();
        // `git hash-object` of the same, from the book "Pro Git", and `sha256sum`.
        assert!(!wrong("d670460b4b4aece5915caf5c68d12f560a9fe3e4"));
        assert!(!wrong("a1fff0ffefb9eace7230c24e50731f0a91c62f9cefdfe77121c2f607125dffae"));
        assert!(wrong("d670460b4b4aece5915caf5c68d12f560a9fe3e5"));
        assert!(wrong("a1fff0ffefb9eace7230c24e50731f0a91c62f9cefdfe77121c2f607125dffaf"));
        assert!(!wrong("5f3a-12") && !wrong(&"g".repeat(40)), "these say nothing of the content");
    }
}

//! Files and folders that only their owner reads, and files that are there whole or not at all.
//! Knows nothing of what is in them.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, BufWriter, Read as _, Write as _};
use std::path::{Path, PathBuf};

/// How the name of a file begins that is not whole yet. What follows can't be guessed.
const UNFINISHED: &str = ".sightline-";

/// The longest file of a password that is read, in bytes.
const LONGEST_SECRET: u64 = 4096;
/// The longest text that is read whole, in bytes: far more than anybody writes by hand.
const LONGEST_TEXT: u64 = 1 << 20;

/// Who may read a file that is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readers {
    /// Its owner alone: it tells what happens at home, or what somebody likes.
    Owner,
    /// Whoever reads other files that the user makes (the umask says who): several users share it.
    AsUsual,
}

/// Makes a folder, and those above it, that only their owner reads. One that is there is left as it
/// is.
///
/// # Errors
/// When the system lets none be made there.
pub fn private_folder(folder: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// Makes an empty file that only its owner reads. One that is there is left as it is.
///
/// # Errors
/// When the system lets none be made there.
pub fn private_file(path: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(|_| ())
}

/// The first line of a small file, such as one that holds a password alone.
///
/// # Errors
/// When it can't be read, or is not text.
pub fn first_line(path: &Path) -> io::Result<String> {
    let mut content = String::new();
    File::open(path)?.take(LONGEST_SECRET).read_to_string(&mut content)?;
    Ok(content.lines().next().unwrap_or_default().to_owned())
}

/// A text that people write by hand, such as a file in TOML.
///
/// # Errors
/// When it can't be read, is not text, or is longer than a megabyte.
pub fn text_of(path: &Path) -> io::Result<String> {
    let mut content = String::new();
    File::open(path)?.take(LONGEST_TEXT + 1).read_to_string(&mut content)?;
    if content.len() as u64 > LONGEST_TEXT {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "it is longer than 1 MB"));
    }
    Ok(content)
}

/// The place of a path that is written in a file: meant from the file's own folder, with `~` and
/// variables expanded.
#[must_use]
pub fn named_in(file: &Path, written: &Path) -> PathBuf {
    file.parent().unwrap_or(Path::new("")).join(vlm::expand_path(written.as_os_str()))
}

/// How sure it has to be that a file outlives the machine's next crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// On the disk before it takes its place.
    Synced,
    /// Whenever the system writes it: the next one replaces it in a moment.
    Lazy,
}

/// Writes a file that is there only when it is whole, and on the disk by then.
///
/// # Errors
/// As [`replace`].
pub fn write_whole<T, E: From<io::Error>>(
    path: &Path,
    readers: Readers,
    write: impl FnOnce(&mut BufWriter<&mut File>) -> Result<T, E>,
) -> Result<T, E> {
    replace(path, readers, Durability::Synced, write)
}

/// Writes a text that only its owner reads, whole or not at all, and makes its folder where it is
/// not there.
///
/// # Errors
/// When the folder or the file can't be made or written.
pub fn write_text(path: &Path, content: &str) -> io::Result<()> {
    fs::create_dir_all(folder_of(path))?;
    write_whole(path, Readers::Owner, |out| out.write_all(content.as_bytes()))
}

/// Writes a file that is there only when it is whole: into a file made new beside it (`O_EXCL`, a
/// name that can't be guessed), which then takes its place. What fails leaves nothing behind.
///
/// # Errors
/// With the error of `write`, or when the file can't be made, written to the disk or moved to its
/// place.
pub fn replace<T, E: From<io::Error>>(
    path: &Path,
    readers: Readers,
    durability: Durability,
    write: impl FnOnce(&mut BufWriter<&mut File>) -> Result<T, E>,
) -> Result<T, E> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(UNFINISHED);
    #[cfg(unix)]
    if readers == Readers::AsUsual {
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    }
    #[cfg(not(unix))]
    let _ = readers;
    let mut unfinished = builder.tempfile_in(folder_of(path))?;
    let mut out = BufWriter::new(unfinished.as_file_mut());
    let done = write(&mut out)?;
    out.flush()?;
    drop(out);
    if durability == Durability::Synced {
        unfinished.as_file().sync_all()?;
    }
    unfinished.persist(path).map_err(|failed| failed.error)?;
    Ok(done)
}

/// The folder that a file is in; the one where the program was started for a plain name.
#[must_use]
pub fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(folder)
            .expect("a folder")
            .map(|entry| entry.expect("an entry").file_name().into_string().expect("a plain name"))
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_is_whole_or_as_it_was() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("words.txt");
        let written = write_whole(&path, Readers::Owner, |out| {
            out.write_all(b"all of it")?;
            Ok::<_, io::Error>(7)
        });
        assert_eq!(written.expect("written"), 7);
        let failed = write_whole(&path, Readers::Owner, |out| {
            out.write_all(b"half of")?;
            Err::<(), _>(io::Error::other("enough"))
        });
        assert!(failed.is_err());
        assert_eq!(fs::read_to_string(&path).expect("read"), "all of it");
        assert_eq!(names(folder.path()), ["words.txt"]);
    }

    #[test]
    fn a_text_is_read_whole_or_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("made/rules.toml");
        let longest = "x".repeat(LONGEST_TEXT as usize);
        write_text(&path, &longest).expect("written");
        assert_eq!(text_of(&path).expect("read"), longest);
        write_text(&path, &(longest + "x")).expect("written");
        assert_eq!(text_of(&path).expect_err("too long").kind(), io::ErrorKind::FileTooLarge);
    }

    #[cfg(unix)]
    #[test]
    fn what_is_made_is_readable_by_its_owner_alone() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().expect("a folder");
        let within = folder.path().join("within");
        private_folder(&within).expect("made");
        private_file(&within.join("empty")).expect("made");
        write_whole(&within.join("words"), Readers::Owner, |out| out.write_all(b"x")).expect("written");
        let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
        assert_eq!((mode(&within), mode(&within.join("empty")), mode(&within.join("words"))), (0o700, 0o600, 0o600));
    }

    #[cfg(unix)]
    #[test]
    fn a_link_in_the_place_of_the_file_is_replaced_and_not_followed() {
        let folder = tempfile::tempdir().expect("a folder");
        let (victim, path) = (folder.path().join("victim"), folder.path().join("words"));
        fs::write(&victim, "precious").expect("written");
        std::os::unix::fs::symlink(&victim, &path).expect("linked");
        write_whole(&path, Readers::Owner, |out| out.write_all(b"x")).expect("written");
        assert_eq!(fs::read_to_string(&victim).expect("read"), "precious");
        assert!(!path.is_symlink());
    }
}

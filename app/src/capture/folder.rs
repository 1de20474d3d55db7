//! Which files stand beside one in its folder, as a player goes on to the next. Reads no file.

use std::io;
use std::path::{Path, PathBuf};

use crate::capture::open::is_video_name;
use crate::capture::picture::files::{is_picture_name, natural_order};

/// The most files of a folder that are looked at.
const MOST_FILES: usize = 100_000;

/// What stands beside a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Neighbours {
    /// The file before it.
    pub previous: Option<PathBuf>,
    /// The file behind it.
    pub next: Option<PathBuf>,
    /// Its place, counted from 1.
    pub number: usize,
    /// How many there are, with itself.
    pub count: usize,
}

/// The pictures and videos beside this one, by their names, in natural order (`2.mp4` before
/// `10.mp4`). Blocks while the folder is read.
///
/// # Errors
/// When the folder can't be read.
pub fn neighbours(path: &Path) -> io::Result<Neighbours> {
    let path = std::path::absolute(path)?;
    let Some(folder) = path.parent() else { return Ok(Neighbours::default()) };
    let is_shown = |file: &PathBuf| *file == path || is_picture_name(file) || is_video_name(file);
    let entries = folder.read_dir()?.take(MOST_FILES).filter_map(Result::ok).map(|entry| entry.path());
    let mut files: Vec<_> = entries.filter(|file| is_shown(file) && file.is_file()).collect();
    files.sort_by(|a, b| natural_order(&a.to_string_lossy(), &b.to_string_lossy()));
    let Some(place) = files.iter().position(|file| *file == path) else { return Ok(Neighbours::default()) };
    Ok(Neighbours {
        previous: place.checked_sub(1).map(|before| files[before].clone()),
        next: files.get(place + 1).cloned(),
        number: place + 1,
        count: files.len(),
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn films_and_pictures_of_a_folder_stand_in_natural_order() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = |name: &str| folder.path().join(name);
        for name in ["film 10.mp4", "film 2.MKV", "notes.txt", "a.png"] {
            fs::write(file(name), "").expect("written");
        }
        fs::create_dir(file("b.mp4")).expect("made");
        let second = neighbours(&file("film 2.MKV")).expect("read");
        assert_eq!((second.number, second.count), (2, 3));
        assert_eq!((second.previous, second.next), (Some(file("a.png")), Some(file("film 10.mp4"))));
        let last = neighbours(&file("film 10.mp4")).expect("read");
        assert_eq!((last.number, last.next), (3, None));
        let other = neighbours(&file("notes.txt")).expect("read");
        assert_eq!((other.number, other.count), (4, 4), "what is played has a place, however it is called");
        assert_eq!(neighbours(&file("gone.mp4")).expect("read"), Neighbours::default());
        assert!(neighbours(Path::new("/no/such/folder/a.mp4")).is_err());
    }
}

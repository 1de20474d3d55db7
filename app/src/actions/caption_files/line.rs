//! A text file that has the captions that hold now, a line each, and nothing else. It is replaced
//! as a whole: whoever reads it, whenever, sees whole lines. Empty while no caption holds.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::base::files::{self, Durability, Readers};
use crate::base::{text, webvtt};

/// See the module.
pub struct CaptionFile {
    path: PathBuf,
    /// What stands before each view's caption.
    labels: Vec<String>,
    captions: Vec<String>,
    /// What is in the file, as far as is known.
    written: Option<String>,
}

impl CaptionFile {
    /// Begins an empty file. The captions of several sources have their names before them.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn begin(path: &Path, names: &[String]) -> io::Result<Self> {
        let labels = match names {
            [] | [_] => vec![String::new()],
            names => names.iter().map(|name| format!("{}: ", text::one_line(name))).collect(),
        };
        let captions = vec![String::new(); labels.len()];
        let mut file = Self { path: path.to_owned(), labels, captions, written: None };
        file.write()?;
        Ok(file)
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Another caption of a view; an empty one is none.
    pub fn set(&mut self, view: usize, caption: &str) {
        self.captions[view] = webvtt::words(caption);
    }

    /// Writes what changed.
    pub fn write(&mut self) -> io::Result<()> {
        let lines = self.labels.iter().zip(&self.captions).filter(|(_, caption)| !caption.is_empty());
        let text: String = lines.flat_map(|(label, caption)| [label.as_str(), caption, "\n"]).collect();
        if self.written.as_ref() == Some(&text) {
            return Ok(());
        }
        self.written = None;
        // Readable as the user's other files are: it is there for other programs.
        files::replace(&self.path, Readers::AsUsual, Durability::Lazy, |out| out.write_all(text.as_bytes()))?;
        self.written = Some(text);
        Ok(())
    }

    /// No caption holds any more.
    pub fn end(&mut self) -> io::Result<()> {
        self.captions.iter_mut().for_each(String::clear);
        self.write()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn one_sources_caption_stands_alone_and_those_of_several_have_names() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("caption.txt");
        let read = || fs::read_to_string(&path).expect("there");
        let mut one = CaptionFile::begin(&path, &["camera:0".to_owned()]).expect("begun");
        one.set(0, " A cup\nof tea. ");
        one.write().expect("written");
        assert_eq!(read(), "A cup of tea.\n");
        let mut two = CaptionFile::begin(&path, &["door".to_owned(), "yard".to_owned()]).expect("begun");
        two.set(1, "A cat.");
        two.write().expect("written");
        assert_eq!(read(), "yard: A cat.\n");
        two.set(0, "A parcel.");
        two.write().expect("written");
        assert_eq!(read(), "door: A parcel.\nyard: A cat.\n");
        two.end().expect("written");
        assert_eq!(read(), "");
    }

    #[test]
    fn the_same_again_is_not_written() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("caption.txt");
        let mut file = CaptionFile::begin(&path, &[]).expect("begun");
        file.set(0, "A cup.");
        file.write().expect("written");
        fs::remove_file(&path).expect("removed");
        file.write().expect("nothing to write");
        assert!(!path.exists());
        file.set(0, "A jug.");
        file.write().expect("written");
        assert!(path.exists());
    }
}

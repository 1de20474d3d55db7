//! A text file that has the captions that hold now, a line each, and nothing else. It is replaced
//! as a whole: whoever reads it, whenever, sees whole lines. Empty while no caption holds.

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::actions::caption_files::names::Names;
use crate::base::files::{self, Durability, Readers};
use crate::base::{text, webvtt};

/// See the module.
pub struct CaptionFile {
    path: PathBuf,
    names: Names,
    /// By the numbers of their views.
    captions: BTreeMap<usize, String>,
    /// What is in the file, as far as is known.
    written: Option<String>,
}

impl CaptionFile {
    /// Begins an empty file. The captions of several sources have their names before them.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn begin(path: &Path, names: &[String]) -> io::Result<Self> {
        let (names, captions) = (Names::of(names), BTreeMap::new());
        let mut file = Self { path: path.to_owned(), names, captions, written: None };
        file.write()?;
        Ok(file)
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Another caption of a view; an empty one is none.
    pub fn set(&mut self, view: usize, caption: &str) {
        self.captions.insert(view, webvtt::words(caption));
    }

    /// What a view is called from now on.
    pub fn name(&mut self, view: usize, name: &str) {
        self.names.set(view, name);
    }

    /// A view is not there any more, nor its caption.
    pub fn remove(&mut self, view: usize) {
        self.names.remove(view);
        self.captions.remove(&view);
    }

    /// Writes what changed.
    pub fn write(&mut self) -> io::Result<()> {
        let line = |(view, caption): (&usize, &String)| match self.names.before(*view) {
            Some(name) => format!("{}: {caption}\n", text::one_line(name)),
            None => format!("{caption}\n"),
        };
        let text: String = self.captions.iter().filter(|(_, caption)| !caption.is_empty()).map(line).collect();
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
        self.captions.clear();
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
        two.remove(0);
        two.write().expect("written");
        assert_eq!(read(), "A cat.\n", "alone, it needs no name");
        two.name(4, "gate");
        two.set(4, "A van.");
        two.write().expect("written");
        assert_eq!(read(), "yard: A cat.\ngate: A van.\n");
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

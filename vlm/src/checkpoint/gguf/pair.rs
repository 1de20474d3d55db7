//! Which two files are a model: llama.cpp keeps the text model in one GGUF file and the vision part
//! in another, whose name has `mmproj` in it. Tells them by their names, and opens none.

use std::fs;
use std::path::{Path, PathBuf};

/// How GGUF files' names end.
const ENDING: &str = "gguf";
/// What the name of a file with a vision part has in it.
const VISION: &str = "mmproj";
/// Names that are looked at in a folder.
const MOST_NAMES: usize = 1000;

/// Whether a file is a GGUF file by its name.
pub(in crate::checkpoint) fn is_gguf(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case(ENDING))
}

/// Whether a file holds a vision part by its name.
fn is_vision(path: &Path) -> bool {
    name(path).contains(VISION)
}

/// The text models in a folder, in order of their names.
pub(in crate::checkpoint) fn text_models(folder: &Path) -> Vec<PathBuf> {
    gguf_files(folder).into_iter().filter(|path| !is_vision(path)).collect()
}

/// The vision part beside a text model: of several the one whose name has most words in common with
/// the text model's from its beginning on, and of those the largest, which has lost least.
pub(super) fn vision_beside(text: &Path) -> Option<PathBuf> {
    let folder = text.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let wanted = name(text);
    let alike = |path: &PathBuf| {
        let own = name(path);
        words(&own).filter(|word| *word != VISION).zip(words(&wanted)).take_while(|(a, b)| a == b).count()
    };
    let length = |path: &PathBuf| fs::metadata(path).map_or(0, |file| file.len());
    gguf_files(folder).into_iter().filter(|path| is_vision(path)).max_by_key(|path| (alike(path), length(path)))
}

fn gguf_files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().take(MOST_NAMES);
    let mut files: Vec<_> = entries.map(|entry| entry.path()).filter(|path| is_gguf(path) && path.is_file()).collect();
    files.sort();
    files
}

/// The words of a name, its ending set aside.
fn words(name: &str) -> impl Iterator<Item = &str> {
    name.trim_end_matches(".gguf").split(['-', '_', '.', ' '])
}

/// A file's name in small letters.
fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder with files of these names and lengths.
    fn folder(files: &[(&str, usize)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, length) in files {
            fs::write(folder.path().join(name), vec![0; *length]).unwrap();
        }
        folder
    }

    fn beside(files: &[(&str, usize)], text: &str) -> Option<String> {
        let folder = folder(files);
        let found = vision_beside(&folder.path().join(text))?;
        Some(found.file_name()?.to_str()?.to_owned())
    }

    /// The names that published repositories have.
    #[test]
    fn the_vision_part_is_found_by_its_name() {
        let tiny = ("SmolVLM-256M-Instruct-Q8_0.gguf", 9);
        let parts = [("mmproj-SmolVLM-256M-Instruct-Q8_0.gguf", 1), ("mmproj-SmolVLM-256M-Instruct-f16.gguf", 2)];
        assert_eq!(beside(&[tiny, parts[0], parts[1]], tiny.0).as_deref(), Some(parts[0].0));
        assert_eq!(beside(&[tiny, parts[1]], tiny.0).as_deref(), Some(parts[1].0));
        let other = "SmolVLM-256M-Instruct-Q4_K_M.gguf";
        assert_eq!(beside(&[(other, 9), parts[0], parts[1]], other).as_deref(), Some(parts[1].0), "the largest");
        let large = ("mmproj-SmolVLM-500M-Instruct-f16.gguf", 7);
        assert_eq!(beside(&[tiny, parts[1], large], tiny.0).as_deref(), Some(parts[1].0), "of two models");
        assert_eq!(beside(&[("a.gguf", 9), ("a.mmproj-F16.GGUF", 1)], "a.gguf").as_deref(), Some("a.mmproj-F16.GGUF"));
        assert_eq!(beside(&[tiny, ("mmproj.bin", 1), ("b.gguf", 1)], tiny.0), None);
    }

    #[test]
    fn text_models_of_a_folder_are_those_that_are_no_vision_part() {
        let folder = folder(&[("b.gguf", 1), ("a.GGUF", 1), ("MMPROJ-a.gguf", 1), ("a.safetensors", 1)]);
        let names: Vec<_> = text_models(folder.path()).iter().map(|path| name(path)).collect();
        assert_eq!(names, ["a.gguf", "b.gguf"]);
    }
}

//! What must hold for any bytes whatever: each function is given some, and panics when it does not
//! hold.
//!
//! The fuzzers call them (`fuzz_targets/`), and `app/tests/mutations.rs` with a few hundred mutated
//! inputs in every run of the tests.

use std::fmt::Display;
use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock};

use sightline::actions;
use sightline::capture::SourceOptions;
use sightline::capture::camera::{self, Format, Pixels};
use sightline::capture::picture::decode::picture_in_memory;
use sightline::engine::remote::StreamReader;
use sightline::live::Settings;
use sightline::log::{Filter, ImportLines, Store};
use sightline::{plan, rules};
use tempfile::TempDir;
use vlm::{LoadOptions, Model, ModelFiles, Tiling};

/// The files of a checkpoint that are read when it is loaded.
pub const CHECKPOINT_FILES: [&str; 4] =
    ["config.json", "preprocessor_config.json", "tokenizer.json", "model.safetensors"];

/// A small checkpoint.
#[must_use]
pub fn small_checkpoint() -> PathBuf {
    // Beside the package that is being built, whichever of the two it is.
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../vlm/fixtures/tiny-2b")
}

/// A file in the place of a picture becomes pixels, or a sentence.
///
/// # Panics
/// When neither is so.
pub fn picture(data: &[u8]) {
    match picture_in_memory(Path::new("picture"), data) {
        Ok(picture) => assert!(picture.width() > 0 && picture.height() > 0),
        Err(error) => assert!(error.to_string().contains("picture")),
    }
}

/// A checkpoint in which one file is replaced loads, or is refused with a sentence. The first byte
/// says which file.
///
/// # Panics
/// When neither is so.
pub fn checkpoint(data: &[u8]) {
    let Some((which, content)) = data.split_first() else { return };
    let replaced = CHECKPOINT_FILES[usize::from(*which) % CHECKPOINT_FILES.len()];
    let folder = tempfile::tempdir().expect("a folder");
    for name in CHECKPOINT_FILES {
        let copy = folder.path().join(name);
        if name == replaced {
            fs::write(copy, content).expect("room on the disk");
        } else {
            fs::copy(small_checkpoint().join(name), copy).expect("room on the disk");
        }
    }
    let loaded = ModelFiles::in_folder(folder.path()).and_then(|files| Model::load(&files, LoadOptions::default()));
    if let Err(error) = loaded {
        assert!(!error.to_string().is_empty());
    }
}

/// A file that is imported into a log is taken whole or not at all, and the log can be read
/// afterwards.
///
/// # Panics
/// When it is not so.
pub fn import(data: &[u8]) {
    let folder = tempfile::tempdir().expect("a folder");
    let mut store = Store::open(&folder.path().join("log.db")).expect("a new log");
    let imported = ImportLines::kept(Cursor::new(data)).and_then(|lines| store.import(lines));
    let found = store.search(&Filter::default(), None, 10).expect("the log can be read");
    assert!(imported.is_ok() || found.is_empty(), "a part of a refused file was taken");
    assert!(store.check().expect("the log can be checked").is_empty());
}

/// Any words can be searched for: what is no search in FTS5's grammar is taken as plain words.
///
/// # Panics
/// When a search fails though it has a letter in it.
pub fn search(data: &[u8]) {
    static LOG: OnceLock<(TempDir, Mutex<Store>)> = OnceLock::new();
    let (_, store) = LOG.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::open(&folder.path().join("log.db")).expect("a new log");
        (folder, Mutex::new(store))
    });
    let words = String::from_utf8_lossy(data).into_owned();
    let has_words = words.chars().any(|character| character.is_ascii_alphanumeric());
    let filter = Filter { words: Some(words), ..Filter::default() };
    let found = store.lock().expect("no search has panicked").search(&filter, None, 10);
    assert!(found.is_ok() || !has_words, "{filter:?}: {found:?}");
}

/// A text that people write is understood, or refused with one sentence that can be shown.
fn understood<T, E: Display>(data: &[u8], read: impl FnOnce(&Path) -> Result<T, E>) -> Option<T> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("written.toml");
    fs::write(&path, data).expect("room on the disk");
    let refused = |error: &E| {
        let said = error.to_string();
        assert!(!said.is_empty() && !said.contains(char::is_control), "{said}");
    };
    read(&path).inspect_err(refused).ok()
}

/// A file of actions is understood, or refused with one sentence.
///
/// # Panics
/// When neither is so.
pub fn actions(data: &[u8]) {
    if let Some(specs) = understood(data, actions::read) {
        assert!(!specs.is_empty() && specs.iter().all(|spec| !spec.words().is_empty()));
    }
}

/// A file of rules is understood, or refused with one sentence. What was understood is understood
/// again when it is written.
///
/// # Panics
/// When neither is so.
pub fn rules(data: &[u8]) {
    let Some(specs) = understood(data, rules::file::read) else { return };
    let again = understood(rules::file::written(&specs).as_bytes(), rules::file::read);
    assert_eq!(again.as_ref(), Some(&specs));
}

/// A plan is understood, or refused with one sentence.
///
/// # Panics
/// When neither is so.
pub fn plan(data: &[u8]) {
    let (options, settings) = (SourceOptions::default(), Settings::default());
    let defaults = plan::Defaults { options, settings, tiling: &|_| Tiling::One };
    if let Some(plan) = understood(data, |path| plan::read(path, &defaults)) {
        assert!((1..=plan::MOST_VIEWS).contains(&plan.views.len()));
    }
}

/// A model in GGUF whose one half is this loads, or is refused with a sentence. The first byte says
/// which half.
///
/// # Panics
/// When neither is so.
pub fn gguf(data: &[u8]) {
    static HALVES: [&[u8]; 2] = [include_bytes!("../corpus/gguf/text"), include_bytes!("../corpus/gguf/vision")];
    let Some((which, content)) = data.split_first() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let paths = [folder.path().join("model.gguf"), folder.path().join("mmproj.gguf")];
    for (place, path) in paths.iter().enumerate() {
        let content = if usize::from(*which) % 2 == place { content } else { &HALVES[place][1..] };
        fs::write(path, content).expect("room on the disk");
    }
    let [text, vision] = &paths;
    let files = ModelFiles::gguf(text, Some(vision));
    if let Err(error) = files.and_then(|files| Model::load(&files, LoadOptions::default())) {
        assert!(!error.to_string().is_empty());
    }
}

/// What a camera's buffer holds becomes a picture of the size that was agreed, or a sentence. The
/// first three bytes say which format and size.
///
/// # Panics
/// When neither is so.
pub fn camera(data: &[u8]) {
    const ALL: [Pixels; 6] = [Pixels::Mjpeg, Pixels::Yuyv, Pixels::Nv12, Pixels::Rgb, Pixels::Bgr, Pixels::Grey];
    let Some(([which, width, height], bytes)) = data.split_first_chunk() else { return };
    let pixels = ALL[usize::from(*which) % ALL.len()];
    // Cameras share a colour between pixels that lie side by side: their sizes are even.
    let size = |size: u8| u32::from(if pixels == Pixels::Mjpeg { size } else { size & !1 });
    let (width, height) = (size(*width), size(*height));
    let format = Format { width, height, fps: 30, pixels };
    match camera::decode(format, bytes.to_vec()) {
        Ok(picture) => assert_eq!(picture.dimensions(), (width, height)),
        Err(why) => assert!(!why.is_empty()),
    }
}

/// Whatever a server streams is words, or a sentence.
///
/// # Panics
/// When neither is so.
pub fn events(data: &[u8]) {
    thread_local! {
        static READER: StreamReader = StreamReader::new().expect("room");
    }
    if let Err(error) = READER.with(|reader| reader.words(data)) {
        assert!(!error.message.what().is_empty());
    }
}

//! What the window needs of the rest of the program: sources and engines by name, and what can be chosen.
//!
//! A trait, so that the tests put a fake camera and a fake engine behind it.

use std::path::PathBuf;

use vlm::Cancel;

use crate::live::{OpenEngine, OpenSource};
use crate::log::export::Format;
use crate::models::{Fault, Progress};
use crate::ui::preferences::Preferences;

/// Ways out of the window. Calls that say so block, and are made on threads of their own.
pub trait Doors: Send + Sync {
    /// How to open the source that is written like this after `--source`.
    ///
    /// # Errors
    /// A sentence saying why this names no source. Whether it can be opened shows later.
    fn source(&self, spec: &str) -> Result<OpenSource, String>;

    /// How to open the model that is written like this after `--model`.
    ///
    /// # Errors
    /// A sentence saying why this names no model. Whether it can be opened shows later.
    fn engine(&self, model: &str) -> Result<OpenEngine, String>;

    /// Whether a model has to be downloaded before it can be opened. Looks at the disk only.
    fn is_absent(&self, _model: &str) -> bool {
        false
    }

    /// Downloads a model. Blocks until it is there, it can't be had or `cancel` is raised.
    ///
    /// # Errors
    /// What went wrong, as a sentence.
    fn fetch(&self, _model: &str, _cancel: &Cancel, _on_progress: &mut dyn FnMut(&Progress)) -> Result<(), Fault> {
        Ok(())
    }

    /// The models that have names.
    fn models(&self) -> Vec<Choice>;

    /// The cameras of this machine. Blocks while they are asked who they are.
    ///
    /// # Errors
    /// A sentence saying why they can't be listed.
    fn cameras(&self) -> Result<Vec<Choice>, String>;

    /// Lets the user choose a file or folder in a dialog of the desktop. Blocks until they did; `None` when they did not.
    fn choose(&self, wanted: Wanted) -> Option<PathBuf>;

    /// What the user chose once and for all. Reads a small file, before there is a window.
    ///
    /// # Errors
    /// A sentence saying why it can't be read.
    fn preferences(&self) -> Result<Preferences, String> {
        Ok(Preferences::default())
    }

    /// Keeps that for the next start. Blocks until it is on the disk.
    ///
    /// # Errors
    /// A sentence saying why it can't be kept.
    fn remember(&self, _preferences: &Preferences) -> Result<(), String> {
        Ok(())
    }
}

/// Something that can be chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// As it is written on the command line.
    pub value: String,
    /// What people call it.
    pub label: String,
    /// A few words more, or nothing.
    pub detail: String,
}

/// What the user is asked for in a dialog.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// A picture or a video.
    PictureOrVideo,
    /// A folder of pictures.
    PictureFolder,
    /// A folder with a model.
    ModelFolder,
    /// A name for the file of an export in this format.
    Export(Format),
}

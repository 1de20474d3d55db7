//! What the window needs of the rest of the program: how sources and engines are opened, what can
//! be chosen, and dialogs of the desktop.
//!
//! A trait, so that the tests put a fake camera and a fake engine behind it.

use std::path::PathBuf;

use image::RgbImage;
use vlm::{Cancel, Tiling};

use crate::actions::speech::OpenVoice;
use crate::base::message::Message;
use crate::capture::camera::WantedFormat;
use crate::capture::{SourceOptions, SourceSpec};
use crate::engine::options::DeviceChoice;
use crate::live::{OpenEngine, OpenSource, Waker};
use crate::log::export::Format;
use crate::log::{OpenEmbedder, no_embedder};
use crate::models::spec::ModelSpec;
use crate::models::{DownloadError, ModelFacts, Progress};
use crate::ui::preferences::Preferences;
use crate::ui::run_choice::RunChoice;

/// The machine that the window runs on. Calls that say so block, and are made on threads of their
/// own.
pub trait Platform: Send + Sync {
    /// How to open this source. Whether it can be opened shows later.
    fn source(&self, spec: &SourceSpec, options: &SourceOptions) -> OpenSource;

    /// How to open this model. Whether it can be opened shows later.
    fn engine(&self, model: &ModelSpec) -> OpenEngine;

    /// The same, run as the user chose. What a command line says goes before that.
    fn engine_as(&self, model: &ModelSpec, _run: RunChoice) -> OpenEngine {
        self.engine(model)
    }

    /// How a model is run that the user wants to be run so: a command line may say otherwise.
    fn runs_as(&self, wanted: RunChoice) -> RunChoice {
        wanted
    }

    /// Where models can be run, besides on the best device there is.
    fn devices(&self) -> Vec<DeviceChoice> {
        vec![DeviceChoice::Cpu]
    }

    /// Whether a model has to be downloaded before it can be opened. Looks at the disk only.
    fn is_absent(&self, _model: &ModelSpec) -> bool {
        false
    }

    /// Downloads a model. Blocks until it is there, it can't be had or `cancel` is raised.
    ///
    /// # Errors
    /// What went wrong.
    fn fetch(
        &self,
        _model: &ModelSpec,
        _cancel: &Cancel,
        _on_progress: &mut dyn FnMut(&Progress),
    ) -> Result<(), DownloadError> {
        Ok(())
    }

    /// The models that have names.
    fn models(&self) -> Vec<Choice<ModelSpec>>;

    /// What is known of them and of others that are here. Blocks while the disk is looked at.
    fn model_facts(&self) -> Vec<ModelFacts> {
        Vec::new()
    }

    /// Takes a model away from the disk. Gives how many bytes are free now. Blocks.
    ///
    /// # Errors
    /// Why it is still there.
    fn remove(&self, model: &ModelSpec) -> Result<u64, Message> {
        Err(Message::new(format!("{model} can't be removed here.")))
    }

    /// What finds entries of the log by meaning, if the model for it is on this machine.
    fn embedder(&self) -> OpenEmbedder {
        no_embedder()
    }

    /// The cameras of this machine. Blocks while they are asked who they are.
    ///
    /// # Errors
    /// Why they can't be listed.
    fn cameras(&self) -> Result<Vec<FoundCamera>, Message>;

    /// One picture of a source, for a menu. Blocks until it is there or can't be had.
    ///
    /// # Errors
    /// Why there is none.
    fn still(&self, _spec: &SourceSpec) -> Result<RgbImage, Message> {
        Err(Message::new("Stills are not taken here."))
    }

    /// How pictures of a source are cut that is chosen in the window: what is mostly text, into
    /// tiles.
    fn tiling(&self, spec: &SourceSpec) -> Tiling {
        if spec.is_mostly_text() { Tiling::Split } else { Tiling::One }
    }

    /// Lets the user choose a file or folder in a dialog of the desktop. Blocks until they did.
    fn choose(&self, wanted: Wanted) -> Chosen;

    /// The name that is proposed for what is written.
    fn proposed(&self, _wanted: Wanted) -> Option<PathBuf> {
        None
    }

    /// Writes a picture that the model is to know, for the next start. Blocks until it is on the
    /// disk.
    ///
    /// # Errors
    /// Why it can't be kept.
    fn keep_reference(&self, _picture: &RgbImage) -> Result<PathBuf, Message> {
        Err(Message::new("Reference pictures are not kept here."))
    }

    /// The file that choices are kept in.
    fn settings_file(&self) -> Option<PathBuf> {
        None
    }

    /// Whether a window may ask to stay above all others.
    fn can_stay_on_top(&self) -> bool {
        true
    }

    /// How to open the voice that captions are read aloud by. None where this program has none.
    fn voice(&self) -> Option<OpenVoice> {
        None
    }

    /// Has `wake` called when the program is asked to end otherwise than by its window, with Ctrl-C
    /// say.
    fn wake_at_end(&self, _wake: Waker) {}

    /// Whether the program was asked to end in such a way.
    fn is_ending(&self) -> bool {
        false
    }

    /// Keeps the user's choices for the next start. Blocks until it is on the disk.
    ///
    /// # Errors
    /// Why it can't be kept.
    fn remember(&self, _preferences: &Preferences) -> Result<(), Message> {
        Ok(())
    }
}

/// Something that can be chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice<T> {
    /// What is chosen.
    pub value: T,
    /// What people call it.
    pub label: String,
    /// A few words more, or nothing.
    pub detail: String,
}

/// A camera that can be chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundCamera {
    /// Which.
    pub choice: Choice<SourceSpec>,
    /// Sizes and rates that it offers, from the one that would be chosen to the worst.
    pub formats: Vec<WantedFormat>,
}

/// What came of a dialog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Chosen {
    /// This.
    Path(PathBuf),
    /// Nothing.
    Nothing,
    /// The desktop has no such dialog.
    NoDialog,
}

/// What the user is asked for in a dialog.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// A source by its name: a path or an address, for which no desktop has a dialog.
    Source,
    /// A picture that the model is to know.
    Reference,
    /// A name for the file of the picture on screen.
    Picture,
    /// A name for the file of the last half minute.
    Clip,
    /// A picture or a video.
    PictureOrVideo,
    /// A folder of pictures.
    PictureFolder,
    /// A folder with a model.
    ModelFolder,
    /// A name for the file of an export in this format.
    Export(Format),
}

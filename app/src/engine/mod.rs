//! Who turns pictures into words. The pipeline asks an [`Engine`] and knows no model; an engine knows no thread.

pub mod local;
pub mod options;
pub mod place;

use std::fmt;

use image::RgbImage;
use vlm::{Cancel, Reply, Same};

/// A model that looks at one view at a time and answers about it.
///
/// Calls block until they are done or `cancel` is raised; a cancelled call leaves the engine ready for the next one.
pub trait Engine: Send {
    /// Who answers, for people and logs.
    fn card(&self) -> EngineCard;

    /// Takes `picture` as the view that later calls are about, in place of the one before; where it shows the `same`, that one stays.
    ///
    /// # Errors
    /// When the picture can't be used, or the model fails. The view is then empty.
    fn look(&mut self, picture: &RgbImage, same: Same, cancel: &Cancel) -> Result<(), EngineError>;

    /// Describes the view. The caption before it serves as a draft, which never changes a word.
    ///
    /// `on_text` gets each new piece of text as it is decoded.
    ///
    /// # Errors
    /// When there is no view, the prompt is too long, or the model fails.
    fn caption(
        &mut self,
        request: &Request,
        cancel: &Cancel,
        on_text: &mut dyn FnMut(&str),
    ) -> Result<Reply, EngineError>;

    /// Answers a question about the view. Leaves no trace: captions before and after are the same as without it.
    ///
    /// # Errors
    /// As [`Engine::caption`].
    fn ask(&mut self, request: &Request, cancel: &Cancel, on_text: &mut dyn FnMut(&str)) -> Result<Reply, EngineError>;
}

/// What is asked of the model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The instruction or question.
    pub prompt: String,
    /// The most tokens to write.
    pub max_tokens: usize,
    /// Go on to `max_tokens` even when the model ends its turn, and leave the repetition guard off: for comparisons.
    pub ignore_end: bool,
}

/// Who answers, for people and logs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EngineCard {
    /// The model as the user named it, or its folder's name.
    pub model: String,
    /// Where it runs, such as `cpu` or `cuda:0`.
    pub device: String,
    /// Number format of weights and sums, such as `f32`.
    pub precision: String,
    /// Why it runs there, in a sentence; nothing where the user decided. Not kept in logs.
    pub why: String,
}

impl EngineCard {
    /// Where it runs and why, in a line.
    #[must_use]
    pub fn words(&self) -> String {
        let Self { model, device, precision, why } = self;
        format!("The model {model} runs on {device} in {precision}. {why}").trim_end().to_owned()
    }

    /// The same where the user left it to the program.
    #[must_use]
    pub fn taken(&self) -> Option<String> {
        (!self.why.is_empty()).then(|| self.words())
    }
}

/// Why an engine gave no reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineError {
    /// A sentence: what happened and what to do.
    pub message: String,
    /// Whether only this request is at fault (a prompt that is too long, say), so that the engine can go on. Otherwise
    /// the worker opens it anew.
    pub only_this_request: bool,
}

impl fmt::Display for EngineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for EngineError {}

//! The engine on this machine.

use std::convert::Infallible;

use image::RgbImage;
use vlm::{Cancel, Reply};

use super::spec::{EngineOptions, ModelSpec};
use super::{Engine, EngineCard, EngineError, Request};

/// A model on this machine.
pub struct LocalEngine {
    never: Infallible,
}

/// Loads a model.
///
/// # Errors
/// When there is no such model, or it can't be run.
pub fn open(model: &ModelSpec, _options: &EngineOptions) -> Result<LocalEngine, EngineError> {
    Err(EngineError { message: format!("The model {model} can't be loaded yet."), only_this_request: false })
}

impl LocalEngine {
    /// One turn about all of `pictures`.
    ///
    /// # Errors
    /// As [`Engine::caption`].
    pub fn describe(
        &mut self,
        _pictures: &[RgbImage],
        _split: bool,
        _request: &Request,
        _cancel: &Cancel,
        _on_text: &mut dyn FnMut(&str),
    ) -> Result<Reply, EngineError> {
        match self.never {}
    }
}

impl Engine for LocalEngine {
    fn card(&self) -> EngineCard {
        match self.never {}
    }

    fn look(&mut self, _picture: &RgbImage, _cancel: &Cancel) -> Result<(), EngineError> {
        match self.never {}
    }

    fn caption(
        &mut self,
        _request: &Request,
        _cancel: &Cancel,
        _on_text: &mut dyn FnMut(&str),
    ) -> Result<Reply, EngineError> {
        match self.never {}
    }

    fn ask(
        &mut self,
        _request: &Request,
        _cancel: &Cancel,
        _on_text: &mut dyn FnMut(&str),
    ) -> Result<Reply, EngineError> {
        match self.never {}
    }
}

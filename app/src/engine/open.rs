//! The one way to an engine, for window and commands alike.

use crate::engine::options::EngineOptions;
use crate::engine::{Engine, EngineError, local};
use crate::models::spec::ModelSpec;

/// Opens the engine that runs `model`. Blocks for as long as loading takes.
///
/// # Errors
/// When there is no such model here, it can't be run, or the device or precision can't be had.
pub fn open(model: &ModelSpec, options: &EngineOptions) -> Result<Box<dyn Engine>, EngineError> {
    Ok(Box::new(local::open(model, options)?))
}

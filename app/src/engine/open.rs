//! The one way to an engine, for window and commands alike.

use crate::base::message::Message;
use crate::engine::options::EngineOptions;
use crate::engine::remote::RemoteEngine;
use crate::engine::{Engine, EngineError, local};
use crate::models::spec::ModelSpec;

/// Opens the engine that runs `model`: the one on this machine, or a server for a model that is
/// served. Blocks for as long as loading takes; a server is asked when the first turn comes.
///
/// # Errors
/// When there is no such model here, it can't be run, or the device or precision can't be had.
pub fn open(model: &ModelSpec, options: &EngineOptions) -> Result<Box<dyn Engine>, EngineError> {
    match (model, &options.remote) {
        (ModelSpec::Served(id), Some(remote)) => Ok(Box::new(RemoteEngine::new(id, remote.clone())?)),
        (ModelSpec::Served(id), None) => {
            let message = Message::new(format!("The model {id} is another machine's, and none was named."));
            Err(EngineError::lasting(message.hint("Name its server with --engine, or choose a model on this machine.")))
        }
        _ => Ok(Box::new(local::open(model, options)?)),
    }
}

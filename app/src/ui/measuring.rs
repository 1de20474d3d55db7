//! A model whose speed is being measured. Plain data.

use crossbeam_channel::Receiver;
use vlm::Cancel;

use crate::models::spec::ModelSpec;
use crate::ui::preferences::KeptSpeed;

/// See the module.
pub struct Measuring {
    /// Which one.
    pub model: ModelSpec,
    /// The model that was in use, where that was another one.
    pub back: Option<ModelSpec>,
    /// Raised to stop it.
    pub cancel: Cancel,
    /// What comes of it; nothing where it was stopped.
    pub measured: Receiver<Option<KeptSpeed>>,
}

//! A view's side in an engine: opened when it is first asked, and again when its prefix is another.
//! Knows no frame.

use std::sync::Arc;

use crate::engine::prefix::Prefix;
use crate::engine::{Engine, EngineError, ViewId, ViewOptions};

/// What a view has open in one engine, and behind which prefix.
#[derive(Clone, Debug, Default)]
pub struct Opened(Option<(ViewId, Arc<Prefix>)>);

impl Opened {
    /// The engine's view behind this prefix; one behind another is closed.
    pub fn behind(&mut self, prefix: &Arc<Prefix>, engine: &mut dyn Engine) -> Result<ViewId, EngineError> {
        if let Some((id, of)) = &self.0 {
            if Arc::ptr_eq(of, prefix) {
                return Ok(*id);
            }
            engine.close_view(*id);
            self.0 = None;
        }
        let id = engine.open_view(ViewOptions { prefix: &prefix.turns(), ..ViewOptions::default() })?;
        self.0 = Some((id, Arc::clone(prefix)));
        Ok(id)
    }
}

//! A view's side in an engine: opened when it is first asked, and again where its prefix is another
//! or its pictures are cut otherwise. Knows no frame.

use std::sync::Arc;

use vlm::Tiling;

use crate::engine::prefix::Prefix;
use crate::engine::{Engine, EngineError, ViewId, ViewOptions};
use crate::live::asides::Asked;
use crate::live::talks::Talks;

/// What a view has open in one engine.
#[derive(Clone, Debug, Default)]
pub struct Opened {
    open: Option<Open>,
    /// What is asked of each new view besides, and what this engine says of the baseline.
    pub asked: Asked,
    /// Conversations about pictures, which go on whatever becomes of the view.
    pub talks: Talks,
}

#[derive(Clone, Debug)]
struct Open {
    id: ViewId,
    prefix: Arc<Prefix>,
    tiling: Tiling,
}

impl Opened {
    /// The engine's view behind this prefix, with pictures cut so; one that is otherwise is closed.
    pub fn view(
        &mut self,
        engine: &mut dyn Engine,
        prefix: &Arc<Prefix>,
        tiling: Tiling,
    ) -> Result<ViewId, EngineError> {
        if let Some(open) = &self.open {
            if Arc::ptr_eq(&open.prefix, prefix) && open.tiling == tiling {
                return Ok(open.id);
            }
            engine.close_view(open.id);
            *self = Self { talks: std::mem::take(&mut self.talks), ..Self::default() };
        }
        let id = engine.open_view(ViewOptions { prefix: &prefix.turns(), tiling })?;
        self.open = Some(Open { id, prefix: Arc::clone(prefix), tiling });
        Ok(id)
    }

    /// Whether anything is open.
    pub fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Closes what is open.
    pub fn close(&mut self, engine: &mut dyn Engine) {
        if let Some(open) = std::mem::take(self).open {
            engine.close_view(open.id);
        }
    }
}

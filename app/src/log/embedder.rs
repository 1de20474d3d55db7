//! What turns words into vectors whose angles tell how near their meanings are: a trait, and behind
//! it the model of this machine. Knows no log.
//!
//! The model is opened by the thread that first wants a vector, and only where it is on this
//! machine. Nothing is downloaded here.

use std::num::NonZeroUsize;
use std::sync::Arc;

use vlm::{Cancel, SentenceModel};

use crate::base::message::Message;
use crate::models::{self, SENTENCES};

/// Turns words into vectors.
pub trait Embedder: Send {
    /// What its vectors are known by: those of different models are never compared.
    fn model(&self) -> &str;

    /// The vectors of these texts, all of one width and of length 1.
    ///
    /// # Errors
    /// When the model fails, or `cancel` was raised before all were made.
    fn embed(&mut self, texts: &[&str], cancel: &Cancel) -> Result<Vec<Vec<f32>>, Message>;
}

/// Opens an embedder; gives none where there is none on this machine.
pub type OpenEmbedder = Arc<dyn Fn() -> Result<Option<Box<dyn Embedder>>, Message> + Send + Sync>;

/// There never is one.
#[must_use]
pub fn no_embedder() -> OpenEmbedder {
    Arc::new(|| Ok(None))
}

/// The one of this machine, if its model was downloaded. It computes on so many threads; on as many
/// as there are cores when not said.
#[must_use]
pub fn local_embedder(threads: Option<NonZeroUsize>) -> OpenEmbedder {
    Arc::new(move || {
        let Some(files) = models::in_cache(SENTENCES.hub_id) else { return Ok(None) };
        let model = SentenceModel::load(&files, threads).map_err(|error| failed(&error))?;
        Ok(Some(Box::new(LocalEmbedder(model)) as Box<dyn Embedder>))
    })
}

/// What is wrong with the model. Its files are mended by a command, whatever is wrong with them.
fn failed(error: &vlm::Error) -> Message {
    let what = Message::new(error.to_string());
    match error {
        vlm::Error::Cancelled => what,
        _ => what.hint(format!("`sightline models download {}` checks the model and mends it.", SENTENCES.name)),
    }
}

struct LocalEmbedder(SentenceModel);

impl Embedder for LocalEmbedder {
    fn model(&self) -> &str {
        SENTENCES.hub_id
    }

    fn embed(&mut self, texts: &[&str], cancel: &Cancel) -> Result<Vec<Vec<f32>>, Message> {
        self.0.embed(texts, cancel).map_err(|error| failed(&error))
    }
}

/// An embedder that is opened when it is first wanted. One that can't be opened is not tried again;
/// where there is none, it is looked again each time.
pub struct LazyEmbedder {
    open: OpenEmbedder,
    opened: Option<Box<dyn Embedder>>,
    has_failed: bool,
}

impl LazyEmbedder {
    /// Not opened yet.
    pub fn new(open: OpenEmbedder) -> Self {
        Self { open, opened: None, has_failed: false }
    }

    /// The embedder, if there is one that works.
    pub fn get(&mut self) -> Option<&mut dyn Embedder> {
        if self.opened.is_none() && !self.has_failed {
            match (self.open)() {
                Ok(opened) => self.opened = opened,
                Err(message) => self.fail(&message),
            }
        }
        Some(&mut **self.opened.as_mut()?)
    }

    /// The vector of a text, with the model's name. None where there is no model, or it fails.
    pub fn vector(&mut self, text: &str) -> Option<(String, Vec<f32>)> {
        let embedder = self.get()?;
        let model = embedder.model().to_owned();
        match embedder.embed(&[text], &Cancel::default()) {
            Ok(vectors) => Some((model, vectors.into_iter().next()?)),
            Err(message) => {
                self.fail(&message);
                None
            }
        }
    }

    fn fail(&mut self, message: &Message) {
        tracing::warn!(%message, "nothing is found by meaning");
        (self.opened, self.has_failed) = (None, true);
    }
}

//! What a model of the hub is for, and so which files make it whole and runnable.

use vlm::{ModelFiles, SentenceModel};

use crate::models::released::SENTENCES;

/// What a model is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ModelKind {
    /// It tells what is in a picture.
    Captions,
    /// It turns sentences into vectors, for search by meaning.
    Sentences,
}

impl ModelKind {
    /// Of the model with this id. Nothing is asked: one model for sentences is known.
    #[must_use]
    pub fn of(hub_id: &str) -> Self {
        if hub_id == SENTENCES.hub_id { Self::Sentences } else { Self::Captions }
    }

    /// Whether every file that the model needs is there, whatever is in it.
    #[must_use]
    pub fn is_complete(self, files: &ModelFiles) -> bool {
        match self {
            Self::Captions => files.is_complete(),
            Self::Sentences => SentenceModel::is_complete(files),
        }
    }

    /// Checks that the small files describe a model that runs.
    ///
    /// # Errors
    /// What is wrong with which file.
    pub fn check(self, files: &ModelFiles) -> vlm::Result<()> {
        match self {
            Self::Captions => files.check(),
            Self::Sentences => SentenceModel::check(files),
        }
    }

    /// Whether what is said of pictures has to be among the files.
    #[must_use]
    pub fn has_processor(self) -> bool {
        self == Self::Captions
    }
}

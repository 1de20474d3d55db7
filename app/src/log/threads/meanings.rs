//! Vectors of what was recorded, for the search by meaning: made by the writer thread while no
//! record waits for it, one at a time. Knows no log.
//!
//! What does not fit the queue, or can't be turned into a vector, is left to `log embed`: recording
//! loses nothing by it.

use std::collections::VecDeque;

use crate::log::embedder::{LazyEmbedder, OpenEmbedder};
use crate::log::store::meaning::EntryWords;

/// Entries that wait for their vectors. Newer ones take the places of the oldest.
const MOST: usize = 16;

/// A vector of an entry's words.
#[derive(Clone, Debug, PartialEq)]
pub struct Meaning {
    /// The entry's number.
    pub entry: i64,
    /// The model that made the vector.
    pub model: String,
    /// The vector.
    pub vector: Vec<f32>,
}

/// Entries whose words are to become vectors.
pub struct Meanings {
    embedder: LazyEmbedder,
    waiting: VecDeque<EntryWords>,
    /// The words that became a vector last, for scenes that come again.
    last: Option<(String, Meaning)>,
}

impl Meanings {
    pub fn new(open: OpenEmbedder) -> Self {
        Self { embedder: LazyEmbedder::new(open), waiting: VecDeque::new(), last: None }
    }

    /// An entry was recorded.
    pub fn offer(&mut self, words: EntryWords) {
        if self.waiting.len() == MOST {
            self.waiting.pop_front();
        }
        self.waiting.push_back(words);
    }

    /// What waits is in a file that is gone, or that can't be written.
    pub fn forget(&mut self) {
        self.waiting.clear();
    }

    /// The next vector, which is made now. None where nothing waits, or there is no model.
    pub fn next(&mut self) -> Option<Meaning> {
        let EntryWords { entry, text } = self.waiting.pop_front()?;
        if let Some((_, meaning)) = self.last.as_ref().filter(|(last, _)| *last == text) {
            return Some(Meaning { entry, ..meaning.clone() });
        }
        let Some((model, vector)) = self.embedder.vector(&text) else {
            self.waiting.clear();
            return None;
        };
        let meaning = Meaning { entry, model, vector };
        self.last = Some((text, meaning.clone()));
        Some(meaning)
    }
}

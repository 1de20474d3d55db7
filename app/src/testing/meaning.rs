//! Words as vectors of a few numbers, one for each thing that the tests speak of: an embedder whose
//! answers can be told by hand.

use std::sync::Arc;

use vlm::Cancel;

use crate::base::message::Message;
use crate::log::{Embedder, Meant, OpenEmbedder};

pub const MODEL: &str = "by-hand";

/// Dogs, cats, what holds a drink, and how much of it each word means.
const THINGS: [&[(&str, f32)]; 3] = [
    &[("dog", 1.0), ("puppy", 0.8), ("hound", 0.9)],
    &[("cat", 1.0), ("kitten", 0.8)],
    &[("cup", 1.0), ("jug", 0.7), ("teapot", 0.6)],
];

/// What a text is about.
pub fn vector(text: &str) -> Vec<f32> {
    let lower = text.to_lowercase();
    // A number for each thing, then one for what else its words mean, then one for all other words.
    let mut vector = vec![0.0_f32; 2 * THINGS.len() + 1];
    for (place, thing) in THINGS.iter().enumerate() {
        for (_, much) in thing.iter().filter(|(word, _)| lower.contains(word)) {
            vector[place] += much;
            vector[THINGS.len() + place] += 1.0 - much;
        }
    }
    if vector.iter().all(|x| *x == 0.0) {
        vector[2 * THINGS.len()] = 1.0;
    }
    let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
    for x in &mut vector {
        *x /= length;
    }
    vector
}

/// A text to look for.
pub fn meant(text: &str) -> Meant {
    Meant { model: MODEL.to_owned(), vector: vector(text) }
}

/// See the module.
pub struct FakeEmbedder;

impl Embedder for FakeEmbedder {
    fn model(&self) -> &str {
        MODEL
    }

    fn embed(&mut self, texts: &[&str], _: &Cancel) -> Result<Vec<Vec<f32>>, Message> {
        if texts.iter().any(|text| text.contains("unspeakable")) {
            return Err(Message::new("The model failed."));
        }
        Ok(texts.iter().map(|text| vector(text)).collect())
    }
}

pub fn fake_embedder() -> OpenEmbedder {
    Arc::new(|| Ok(Some(Box::new(FakeEmbedder) as Box<dyn Embedder>)))
}

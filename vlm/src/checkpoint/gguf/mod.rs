//! A model in two GGUF files, as llama.cpp has them: read as if it were a checkpoint.
//!
//! The files that a checkpoint has besides its weights are made of what the two say of themselves;
//! tensors are found under a checkpoint's names, and stay in the files. So nothing behind this
//! folder knows which of the two formats a model came in.

mod describe;
mod header;
mod names;
mod pair;
mod tokenizer;

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

pub(in crate::checkpoint) use pair::{is_gguf, text_models};

use crate::checkpoint::gguf::describe::Half;
use crate::checkpoint::gguf::header::Header;
use crate::checkpoint::gguf::tokenizer::Vocabulary;
use crate::checkpoint::stored::Stored;
use crate::error::{Error, Result};

/// What stands for a feature of a picture in the vocabulary of SmolVLM.
const IMAGE: &str = "<image>";
/// The file of a checkpoint that tells how pictures are prepared.
const PREPROCESSOR: &str = "preprocessor_config.json";

/// A model in two files.
#[derive(Debug)]
pub(crate) struct Gguf {
    text: GgufFile,
    vision: GgufFile,
    /// What a checkpoint has besides its weights: name and content.
    files: Vec<(&'static str, Vec<u8>)>,
}

/// One of the two.
#[derive(Debug)]
pub(crate) struct GgufFile {
    /// Where it is.
    pub path: PathBuf,
    /// Its tensors, under the names that checkpoints have for them.
    pub tensors: Vec<(String, Stored)>,
}

impl Gguf {
    /// Reads what the file of a text model says, and that of its vision part: `vision`, or the one
    /// that is found beside it.
    ///
    /// # Errors
    /// [`Error::OtherFormat`] when a half is absent or the two are taken for each other,
    /// [`Error::Unsupported`] for another model, and what is wrong with which file.
    pub fn open(text: &Path, vision: Option<&Path>) -> Result<Self> {
        let header = Header::read(text)?;
        if describe::half(&header)? == Half::Vision {
            let hint = "Name the text model's file with --model, and this one with --mmproj.";
            return Err(other(text, "the vision part of a model without its text model", hint));
        }
        let found = vision.map(Path::to_owned).or_else(|| pair::vision_beside(text));
        let Some(path) = found else {
            let what = "a text model, and no file beside it whose name has mmproj in it holds its vision part";
            return Err(other(text, what, "Name the file of the vision part with --mmproj."));
        };
        let vision = Header::read(&path)?;
        if describe::half(&vision)? == Half::Text {
            let hint = "Name the file of the vision part, which often has mmproj in its name, with --mmproj.";
            return Err(other(&path, "another text model instead of a vision part", hint));
        }
        Self::of(header, vision)
    }

    fn of(text: Header, vision: Header) -> Result<Self> {
        let files = files(&text, &vision)?;
        let number = |header: &Header, key: &str| Ok::<_, Error>(header.number(key)? as usize);
        let heads = number(&text, "llama.attention.head_count")?;
        let kv_heads = text.number_if_any("llama.attention.head_count_kv")?.map_or(heads, |heads| heads as usize);
        let width = number(&vision, "clip.vision.embedding_length")?;
        let renamed = |header: Header, rename: &dyn Fn(_) -> std::result::Result<_, String>| {
            let path = header.path().to_owned();
            match rename(header.tensors) {
                Ok(tensors) => Ok(GgufFile { path, tensors }),
                Err(name) => {
                    let why = format!("it has the tensor `{name}`, which no SmolVLM has");
                    Err(Error::Unsupported { path, why })
                }
            }
        };
        Ok(Self {
            text: renamed(text, &|tensors| names::text(tensors, heads, kv_heads))?,
            vision: renamed(vision, &|tensors| names::vision(tensors, width))?,
            files,
        })
    }

    /// The content of a file that a checkpoint has besides its weights.
    pub fn file(&self, name: &str) -> Option<&[u8]> {
        self.files.iter().find(|(known, _)| *known == name).map(|(_, content)| content.as_slice())
    }

    /// Which of the two files says what a checkpoint's file `name` does.
    pub fn path(&self, name: &str) -> &Path {
        if name == PREPROCESSOR { &self.vision.path } else { &self.text.path }
    }

    /// The folder that the text model is in.
    pub fn folder(&self) -> Option<&Path> {
        self.text.path.parent()
    }

    /// The two files.
    pub fn weights(&self) -> [&GgufFile; 2] {
        [&self.text, &self.vision]
    }
}

/// What a checkpoint has besides its weights.
fn files(text: &Header, vision: &Header) -> Result<Vec<(&'static str, Vec<u8>)>> {
    let vocabulary = Vocabulary::of(text)?;
    let Some(image_id) = vocabulary.id(IMAGE) else {
        let why = format!("its vocabulary lacks {IMAGE}, so it is a text model alone");
        return Err(Error::Unsupported { path: text.path().into(), why });
    };
    let mut files = vec![
        ("config.json", describe::config(text, vision, vocabulary.len(), image_id)?),
        (PREPROCESSOR, describe::preprocessor(vision)?),
        ("tokenizer.json", vocabulary.json(text)?),
    ];
    let template = "tokenizer.chat_template";
    if text.has(template) {
        files.push(("tokenizer_config.json", json!({"chat_template": text.text(template)?})));
    }
    let bytes = |(name, value): (_, Value)| (name, value.to_string().into_bytes());
    Ok(files.into_iter().map(bytes).collect())
}

fn other(path: &Path, what: &str, hint: &'static str) -> Error {
    Error::OtherFormat { path: path.into(), what: what.to_owned(), hint }
}

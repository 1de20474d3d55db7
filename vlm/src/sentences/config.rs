//! What a sentence model's files say of its shape, checked before anything is made of it.

use candle_transformers::models::bert::Config;
use serde::Deserialize;
use serde_json::Value;

use crate::checkpoint::files::ModelFiles;
use crate::checkpoint::json;
use crate::error::{Error, Result};

const CONFIG: &str = "config.json";
/// Where sentence-transformers says how long a sentence may be.
const LENGTHS: &str = "sentence_bert_config.json";
/// The one kind of model that is run.
const KIND: &str = "bert";
/// Tokens that a sentence has at least: a mark at each end, and one between.
const SHORTEST: usize = 3;

/// Reads and checks `config.json`.
///
/// # Errors
/// [`Error::Unsupported`] for another kind of model, [`Error::Damaged`] where its numbers
/// contradict each other, and what else is wrong with the file.
pub fn read(files: &ModelFiles) -> Result<Config> {
    let path = files.path(CONFIG);
    let written: Value = json::parse(&files.read(CONFIG)?, &path)?;
    let kind = written.get("model_type").and_then(Value::as_str).unwrap_or("none");
    if kind != KIND {
        let why = format!("its model_type is `{kind}`, where sentences take `{KIND}`");
        return Err(Error::Unsupported { path, why });
    }
    let config: Config = json::from_value(written, &path)?;
    let Config { hidden_size, num_attention_heads, max_position_embeddings, .. } = config;
    let why = if num_attention_heads == 0 || hidden_size == 0 || !hidden_size.is_multiple_of(num_attention_heads) {
        format!("a width of {hidden_size} can't be shared by {num_attention_heads} heads")
    } else if max_position_embeddings < SHORTEST {
        format!("it has {max_position_embeddings} positions")
    } else {
        return Ok(config);
    };
    Err(Error::Damaged { path, why })
}

/// Tokens of the longest sentence: as sentence-transformers has it, or else as many as there are
/// positions.
///
/// # Errors
/// What is wrong with the file that says so.
pub fn longest(files: &ModelFiles, config: &Config) -> Result<usize> {
    #[derive(Deserialize)]
    struct Lengths {
        max_seq_length: Option<usize>,
    }
    let positions = config.max_position_embeddings;
    if !files.has(LENGTHS) {
        return Ok(positions);
    }
    let lengths: Lengths = json::parse(&files.read(LENGTHS)?, &files.path(LENGTHS))?;
    Ok(lengths.max_seq_length.map_or(positions, |longest| longest.clamp(SHORTEST, positions)))
}

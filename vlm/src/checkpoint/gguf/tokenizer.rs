//! The tokenizer that a GGUF file holds, as the `tokenizer.json` of a checkpoint.
//!
//! Byte-level BPE with the way of cutting words that `smollm` names: digits one by one, then
//! GPT-2's pattern (`LLAMA_VOCAB_PRE_TYPE_SMOLLM` in llama.cpp's `llama-vocab.cpp`).

use serde_json::{Map, Value, json};

use crate::checkpoint::gguf::header::Header;
use crate::error::{Error, Result};

const MODEL: &str = "tokenizer.ggml.model";
const PRE_TOKENIZER: &str = "tokenizer.ggml.pre";
const TOKENS: &str = "tokenizer.ggml.tokens";
const KINDS: &str = "tokenizer.ggml.token_type";
const MERGES: &str = "tokenizer.ggml.merges";
/// Kinds of tokens, by their numbers in `gguf.TokenType`.
const CONTROL: u64 = 3;
const USER_DEFINED: u64 = 4;
const UNUSED: u64 = 5;

/// A vocabulary: each token's text and kind, by its id.
pub(super) struct Vocabulary<'a> {
    tokens: Vec<&'a str>,
    kinds: Vec<u64>,
}

impl<'a> Vocabulary<'a> {
    /// Reads the tokens of a file.
    ///
    /// # Errors
    /// [`Error::Damaged`], or [`Error::Unsupported`] for another kind of tokenizer.
    pub fn of(header: &'a Header) -> Result<Self> {
        let unsupported = |why: String| Error::Unsupported { path: header.path().into(), why };
        let (model, pre) = (header.text(MODEL)?, header.text(PRE_TOKENIZER)?);
        if model != "gpt2" {
            return Err(unsupported(format!("its tokenizer is `{model}`")));
        }
        if pre != "smollm" {
            return Err(unsupported(format!("its tokenizer cuts words as `{pre}` does")));
        }
        let (tokens, kinds) = (header.texts(TOKENS)?, header.numbers(KINDS)?);
        if tokens.len() != kinds.len() {
            let why = format!("it has {} tokens and {} kinds of them", tokens.len(), kinds.len());
            return Err(Error::Damaged { path: header.path().into(), why });
        }
        Ok(Self { tokens, kinds })
    }

    /// How many tokens there are.
    pub fn len(&self) -> usize {
        self.tokens.len()
    }

    /// The id of a token of the model's own format.
    pub fn id(&self, token: &str) -> Option<usize> {
        self.tokens.iter().position(|known| *known == token)
    }

    /// What `tokenizer.json` would say.
    ///
    /// # Errors
    /// [`Error::Damaged`] when the merges are not usable.
    pub fn json(&self, header: &Header) -> Result<Value> {
        let damaged = |why: String| Error::Damaged { path: header.path().into(), why };
        let (mut vocabulary, mut added) = (Map::new(), Vec::new());
        for (id, (token, kind)) in self.tokens.iter().zip(&self.kinds).enumerate() {
            if *kind == UNUSED {
                continue;
            }
            if vocabulary.insert((*token).to_owned(), id.into()).is_some() {
                return Err(damaged(format!("it has the token `{token}` twice")));
            }
            if [CONTROL, USER_DEFINED].contains(kind) {
                added.push(json!({
                    "id": id, "content": token, "single_word": false, "lstrip": false, "rstrip": false,
                    "normalized": false, "special": *kind == CONTROL,
                }));
            }
        }
        let pair = |merge: &str| {
            let (left, right) = merge.split_once(' ')?;
            Some(json!([left, right]))
        };
        let merges = header.texts(MERGES)?;
        let merges: Option<Vec<Value>> = merges.into_iter().map(pair).collect();
        let byte_level = |space: bool| json!({"type": "ByteLevel", "add_prefix_space": space, "trim_offsets": true, "use_regex": true});
        Ok(json!({
            "version": "1.0", "truncation": null, "padding": null, "added_tokens": added, "normalizer": null,
            "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
                {"type": "Digits", "individual_digits": true}, byte_level(false),
            ]},
            "post_processor": null, "decoder": byte_level(true),
            "model": {
                "type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
                "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false, "ignore_merges": false,
                "vocab": vocabulary,
                "merges": merges.ok_or_else(|| damaged(format!("{MERGES} are not pairs")))?,
            },
        }))
    }
}

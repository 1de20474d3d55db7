//! A conversation as token ids, and ids as text.
//!
//! What people say and what a model's format adds stay apart until they are ids: words are cut into
//! tokens without the tokenizer's added tokens, so that no text can end a turn or stand for a
//! picture that is not there. Every cut between separately tokenised pieces lies beside a marker,
//! where no token can span it; so the pieces' ids are those of the whole text.

use std::panic::catch_unwind;

use image::RgbImage;
use serde::de::IgnoredAny;
use serde_json::Value;
use tokenizers::{
    AddedToken, DecodeStream, DecoderWrapper, Model as _, ModelWrapper, Normalizer as _, NormalizerWrapper, OffsetType,
    PostProcessorWrapper, PreTokenizedString, PreTokenizer as _, PreTokenizerWrapper, Tokenizer,
};

use crate::checkpoint::config::{Config, token_ids};
use crate::checkpoint::files::ModelFiles;
use crate::checkpoint::json;
use crate::error::{Error, Result};
use crate::input::format::{Piece, PromptFormat, Role, Script};
use crate::input::image::Grid;

/// Turns the ids of a reply into pieces of text as they come, holding back what is not a whole
/// character yet.
pub(crate) type TextStream<'a> =
    DecodeStream<'a, ModelWrapper, NormalizerWrapper, PreTokenizerWrapper, PostProcessorWrapper, DecoderWrapper>;

/// A piece of a turn.
#[derive(Clone, Debug)]
pub enum Part {
    /// Words.
    Text(String),
    /// A picture, shown as a single tile unless said otherwise.
    Picture(RgbImage),
}

impl Part {
    /// The picture, if it is one.
    pub(crate) fn picture(&self) -> Option<&RgbImage> {
        match self {
            Self::Picture(picture) => Some(picture),
            Self::Text(_) => None,
        }
    }

    /// Whether there is nothing to it.
    fn is_blank(&self) -> bool {
        matches!(self, Self::Text(words) if words.trim().is_empty())
    }
}

/// One turn of the conversation that a prefix holds.
#[derive(Clone, Debug)]
pub struct Turn {
    /// Who speaks.
    pub role: Role,
    /// What is said and shown, in order. A picture before its question: with the text first,
    /// SmolVLM2 ignores the question.
    pub parts: Vec<Part>,
}

/// The tokenizer, the format of prompts, and the ids that end a reply.
pub(crate) struct Prompter {
    tokenizer: Tokenizer,
    format: PromptFormat,
    image_id: u32,
    end_ids: Vec<u32>,
    tokens_per_tile: usize,
}

impl Prompter {
    /// Reads `tokenizer.json` and checks that it belongs to the model: the format's markers are
    /// there and every id lies within the rows of the embeddings. What training left in it besides,
    /// a length to cut or to fill prompts to and merges left out at random, is set aside, as
    /// transformers does.
    ///
    /// # Errors
    /// [`Error::Missing`], [`Error::Read`] or [`Error::Damaged`].
    pub fn load(files: &ModelFiles, config: &Config) -> Result<Self> {
        let format = PromptFormat::SMOLVLM;
        let damaged = |why: String| Error::Damaged { path: files.path("tokenizer.json"), why };
        let (image_id, vocabulary) = (config.image_token_id, config.text.vocab_size);
        let tokenizer = read_tokenizer(&files.read("tokenizer.json")?).map_err(damaged)?;
        let tokenizer = without_leftovers(tokenizer).map_err(|e| damaged(e.to_string()))?;
        for marker in format.needed() {
            let Some(id) = tokenizer.token_to_id(marker) else {
                return Err(damaged(format!("it does not know SmolVLM's token {marker}")));
            };
            if marker == format.feature && id != image_id {
                return Err(damaged(format!("{marker} is token {id} there, but {image_id} in config.json")));
            }
        }
        check_template(files, &format)?;
        if let Some((token, outside)) = tokenizer.get_vocab(true).into_iter().find(|(_, i)| *i as usize >= vocabulary) {
            return Err(damaged(format!("its token `{token}` ({outside}) lies outside the model's {vocabulary}")));
        }
        let mut end_ids = config.end_ids();
        end_ids.extend(generation_end_ids(files)?);
        let ends = [format.turn_end].into_iter().chain(format.other_ends.iter().copied());
        end_ids.extend(ends.filter_map(|marker| tokenizer.token_to_id(marker)));
        Ok(Self { tokenizer, format, image_id, end_ids, tokens_per_tile: config.tokens_per_tile() })
    }

    /// Whether `id` ends a reply.
    pub fn is_end(&self, id: u32) -> bool {
        self.end_ids.contains(&id)
    }

    /// Whether `id` stands for one image feature.
    pub fn is_image(&self, id: u32) -> bool {
        id == self.image_id
    }

    /// The prefix up to the head of the turn that the view opens: `<|im_start|>`, earlier turns,
    /// `User:`. Pictures in `turns` are single tiles.
    pub fn prefix(&self, turns: &[Turn]) -> Result<Vec<u32>> {
        let mut script = Script::default();
        script.marker(self.format.start);
        for turn in turns {
            let grids = vec![Grid::default(); turn.parts.len()];
            self.said(&mut script, turn.role, &turn.parts, &grids);
            self.format.end_turn(&mut script);
        }
        self.format.open_turn(&mut script, Role::User, true);
        self.ids(&script)
    }

    /// Earlier turns up to the end of the last one, which belongs to the turn that follows; nothing
    /// where there are none. Pictures in `turns` are single tiles.
    pub fn opening(&self, turns: &[Turn]) -> Result<Vec<u32>> {
        let mut script = Script::default();
        for (number, turn) in turns.iter().enumerate() {
            if number == 0 {
                script.marker(self.format.start);
            } else {
                self.format.end_turn(&mut script);
            }
            self.said(&mut script, turn.role, &turn.parts, &vec![Grid::default(); turn.parts.len()]);
        }
        self.ids(&script)
    }

    /// A turn without its end. `grids` are those of its pictures, in order.
    fn said(&self, script: &mut Script, role: Role, parts: &[Part], grids: &[Grid]) {
        self.format.open_turn(script, role, matches!(parts.first(), Some(Part::Picture(_))));
        self.pieces(script, parts, grids);
    }

    /// Words and pictures. `grids` are those of the pictures, in order.
    fn pieces(&self, script: &mut Script, parts: &[Part], grids: &[Grid]) {
        let mut grids = grids.iter();
        for part in parts {
            match part {
                Part::Text(words) => script.words(words),
                Part::Picture(_) => {
                    let grid = grids.next().copied().unwrap_or_default();
                    self.format.picture(script, grid, self.tokens_per_tile);
                }
            }
        }
    }

    /// A user's turn and the head of the reply. `first` says whether it opens the conversation;
    /// otherwise it follows a reply, whose end comes before it. `grids` are those of its pictures,
    /// in order.
    ///
    /// # Errors
    /// [`Error::EmptyPrompt`] when nothing is said.
    pub fn user_turn(&self, parts: &[Part], grids: &[Grid], first: bool) -> Result<Vec<u32>> {
        if parts.iter().filter(|part| part.picture().is_none()).all(Part::is_blank) {
            return Err(Error::EmptyPrompt);
        }
        let mut script = Script::default();
        if first {
            script.marker(self.format.start);
        } else {
            self.format.end_turn(&mut script);
        }
        self.said(&mut script, Role::User, parts, grids);
        self.head(&mut script);
        self.ids(&script)
    }

    /// The rest of a turn that began with a view, and the head of the reply.
    ///
    /// # Errors
    /// As [`Prompter::user_turn`].
    pub fn rest_of_turn(&self, parts: &[Part], grids: &[Grid]) -> Result<Vec<u32>> {
        if parts.iter().filter(|part| part.picture().is_none()).all(Part::is_blank) {
            return Err(Error::EmptyPrompt);
        }
        let mut script = Script::default();
        self.pieces(&mut script, parts, grids);
        self.head(&mut script);
        self.ids(&script)
    }

    /// The end of a turn, and what the reply follows.
    fn head(&self, script: &mut Script) {
        self.format.end_turn(script);
        self.format.open_turn(script, Role::Assistant, true);
    }

    /// The pictures of a view, one after the other.
    pub fn view(&self, grids: &[Grid]) -> Result<Vec<u32>> {
        let mut script = Script::default();
        for grid in grids {
            self.format.picture(&mut script, *grid, self.tokens_per_tile);
        }
        self.ids(&script)
    }

    /// What follows the view: the instruction, the end of the turn and the head of the reply.
    ///
    /// # Errors
    /// [`Error::EmptyPrompt`] when nothing is said.
    pub fn instruction(&self, prompt: &str) -> Result<Vec<u32>> {
        if prompt.trim().is_empty() {
            return Err(Error::EmptyPrompt);
        }
        let mut script = Script::default();
        script.words(prompt);
        self.head(&mut script);
        self.ids(&script)
    }

    /// The beginning of a reply in these words, as it follows an instruction.
    ///
    /// # Errors
    /// [`Error::EmptyPrompt`] when there are no words.
    pub fn answer(&self, words: &str) -> Result<Vec<u32>> {
        let words = words.trim();
        if words.is_empty() {
            return Err(Error::EmptyPrompt);
        }
        self.words(&format!(" {words}"))
    }

    /// The text of a reply's ids, without special tokens.
    pub fn decode(&self, ids: &[u32]) -> Result<String> {
        self.tokenizer.decode(ids, true).map_err(failed)
    }

    /// A stream of the text of a reply, without special tokens.
    pub fn stream(&self) -> TextStream<'_> {
        self.tokenizer.decode_stream(true)
    }

    /// The ids of a script. A marker that the tokenizer does not have is words, as those beside it
    /// are.
    fn ids(&self, script: &Script) -> Result<Vec<u32>> {
        let (mut ids, mut words) = (Vec::new(), String::new());
        // Some added tokens take the white space beside them.
        let mut strips_next = false;
        for piece in script.pieces() {
            let (marker, times) = match piece {
                Piece::Words(more) => {
                    words.push_str(if strips_next { more.trim_start() } else { more });
                    strips_next = false;
                    continue;
                }
                Piece::Marker(marker, times) => (marker, *times),
            };
            let Some(id) = self.tokenizer.token_to_id(marker) else {
                words.push_str(&marker.repeat(times));
                continue;
            };
            let strips = |side: fn(&AddedToken) -> bool| {
                self.tokenizer.get_added_vocabulary().get_added_tokens_decoder().get(&id).is_some_and(side)
            };
            let before = if strips(|token| token.lstrip) { words.trim_end() } else { &words };
            ids.extend(self.words(before)?);
            words.clear();
            ids.extend(std::iter::repeat_n(id, times));
            strips_next = strips(|token| token.rstrip);
        }
        ids.extend(self.words(&words)?);
        Ok(ids)
    }

    /// The ids of words in which nothing is a marker: what the tokenizer does with a text, but for
    /// its added tokens.
    fn words(&self, words: &str) -> Result<Vec<u32>> {
        if words.is_empty() {
            return Ok(Vec::new());
        }
        let cut = || -> tokenizers::Result<Vec<u32>> {
            let mut text = PreTokenizedString::from(words);
            if let Some(normalizer) = self.tokenizer.get_normalizer() {
                text.normalize(|part| normalizer.normalize(part))?;
            }
            if let Some(pre_tokenizer) = self.tokenizer.get_pre_tokenizer() {
                pre_tokenizer.pre_tokenize(&mut text)?;
            }
            text.tokenize(|part| self.tokenizer.get_model().tokenize(part.get()))?;
            Ok(text.into_encoding(None, 0, OffsetType::None)?.get_ids().to_vec())
        };
        cut().map_err(failed)
    }

    /// The ids of a text in which markers are markers, as the tokenizer alone gives them.
    #[cfg(test)]
    pub fn encode(&self, text: &str) -> Result<Vec<u32>> {
        Ok(self.tokenizer.encode(text, false).map_err(failed)?.get_ids().to_vec())
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that `map_err` wants")]
fn failed(error: tokenizers::Error) -> Error {
    Error::Tokenizer(error.to_string())
}

/// A tokenizer that neither cuts nor fills nor leaves anything to chance.
fn without_leftovers(mut tokenizer: Tokenizer) -> tokenizers::Result<Tokenizer> {
    tokenizer.with_truncation(None)?;
    tokenizer.with_padding(None);
    if let ModelWrapper::BPE(model) = tokenizer.get_model()
        && model.dropout.is_some()
    {
        let mut model = model.clone();
        model.dropout = None;
        tokenizer.with_model(model);
    }
    Ok(tokenizer)
}

/// Where a checkpoint says what ends a reply, besides its configuration.
const GENERATION: &str = "generation_config.json";

/// The tokens that end a reply by that file, if there is one.
fn generation_end_ids(files: &ModelFiles) -> Result<Vec<u32>> {
    if !files.has(GENERATION) {
        return Ok(Vec::new());
    }
    let config: Value = json::parse(&files.read(GENERATION)?, &files.path(GENERATION))?;
    Ok(config.get("eos_token_id").map(token_ids).unwrap_or_default())
}

/// Where a checkpoint says how turns are laid out.
const TEMPLATES: [&str; 3] = ["chat_template.json", "chat_template.jinja", "tokenizer_config.json"];

/// Turns are laid out here as the format does, whatever a checkpoint's template says; so that has
/// to be the format's, if there is one. It is known by its markers, for that of any other model
/// lacks one of them.
fn check_template(files: &ModelFiles, format: &PromptFormat) -> Result<()> {
    for name in TEMPLATES.into_iter().filter(|name| files.has(name)) {
        let text = files.read(name)?;
        let text = if name == "chat_template.jinja" {
            String::from_utf8_lossy(&text).into_owned()
        } else {
            let json: Value = json::parse(&text, &files.path(name))?;
            // None, or several under names of their own: then the other files tell.
            let Some(template) = json.get("chat_template").and_then(Value::as_str) else { continue };
            template.to_owned()
        };
        if let Some(marker) = [format.start, format.turn_end].into_iter().find(|marker| !text.contains(marker)) {
            let why = format!("its chat template is that of another model, for it lacks {marker}");
            return Err(Error::Damaged { path: files.path(name), why });
        }
    }
    Ok(())
}

/// Reads `tokenizer.json`. The library panics where a part of it breaks JSON's grammar, so that is
/// looked at first; whatever else it panics at is an error, too.
pub(crate) fn read_tokenizer(json: &[u8]) -> std::result::Result<Tokenizer, String> {
    serde_json::from_slice::<IgnoredAny>(json).map_err(|e| e.to_string())?;
    catch_unwind(|| Tokenizer::from_bytes(json))
        .map_err(|_| "the tokenizer library failed at it".to_owned())?
        .map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests;

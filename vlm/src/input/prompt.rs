//! The chat layout, and what stands for a picture in it. Turns text into token ids and back.
//!
//! Layout: that of SmolVLM's chat template and `Idefics3Processor`. Every cut between separately tokenised pieces lies beside a
//! special token, where no token can span it; so the pieces' ids are those of the whole text.

use std::fmt::Write as _;
use std::panic::catch_unwind;

use image::RgbImage;
use serde::de::IgnoredAny;
use tokenizers::{
    DecodeStream, DecoderWrapper, ModelWrapper, NormalizerWrapper, PostProcessorWrapper, PreTokenizerWrapper, Tokenizer,
};

use crate::checkpoint::files::ModelFiles;
use crate::error::{Error, Result};
use crate::input::image::Grid;

const START: &str = "<|im_start|>";
const END_OF_UTTERANCE: &str = "<end_of_utterance>";
const FAKE: &str = "<fake_token_around_image>";
const GLOBAL: &str = "<global-img>";
const IMAGE: &str = "<image>";
/// What comes between a reply and the turn after it.
const REPLY_END: &str = "<end_of_utterance>\n";
/// What the reply follows.
const REPLY_HEAD: &str = "<end_of_utterance>\nAssistant:";

/// Turns the ids of a reply into pieces of text as they come, holding back what is no whole character yet.
pub(crate) type TextStream<'a> =
    DecodeStream<'a, ModelWrapper, NormalizerWrapper, PreTokenizerWrapper, PostProcessorWrapper, DecoderWrapper>;

/// Who speaks in a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Standing instructions.
    System,
    /// The person.
    User,
    /// The model: an example of how to answer.
    Assistant,
}

impl Role {
    fn name(self) -> &'static str {
        match self {
            Self::System => "System",
            Self::User => "User",
            Self::Assistant => "Assistant",
        }
    }
}

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
    /// What is said and shown, in order. A picture before its question: with the text first, SmolVLM2 ignores the question.
    pub parts: Vec<Part>,
}

/// The tokenizer, and the ids that end a reply.
pub(crate) struct Prompter {
    tokenizer: Tokenizer,
    image_id: u32,
    end_ids: Vec<u32>,
    tokens_per_tile: usize,
}

impl Prompter {
    /// Reads `tokenizer.json` and checks that it belongs to the model: SmolVLM's tokens are there and every id lies within
    /// the `vocabulary` rows of the embeddings.
    ///
    /// # Errors
    /// [`Error::Missing`], [`Error::Read`] or [`Error::Damaged`].
    pub fn load(files: &ModelFiles, image_id: u32, vocabulary: usize, tokens_per_tile: usize) -> Result<Self> {
        let damaged = |why: String| Error::Damaged { path: files.path("tokenizer.json"), why };
        let tokenizer = read_tokenizer(&files.read("tokenizer.json")?).map_err(damaged)?;
        let id = |token: &str| {
            tokenizer.token_to_id(token).ok_or_else(|| damaged(format!("it does not know SmolVLM's token {token}")))
        };
        if id(IMAGE)? != image_id {
            return Err(damaged(format!("{IMAGE} is token {} there, but {image_id} in config.json", id(IMAGE)?)));
        }
        id(FAKE)?;
        check_template(files)?;
        // The end of a turn, and the end of the text model's own chat format, which it may fall back to.
        let mut end_ids = vec![id(END_OF_UTTERANCE)?];
        end_ids.extend(tokenizer.token_to_id("<|im_end|>"));
        if let Some((token, outside)) = tokenizer.get_vocab(true).into_iter().find(|(_, i)| *i as usize >= vocabulary) {
            return Err(damaged(format!("its token `{token}` ({outside}) lies outside the model's {vocabulary}")));
        }
        Ok(Self { tokenizer, image_id, end_ids, tokens_per_tile })
    }

    /// Whether `id` ends a reply.
    pub fn is_end(&self, id: u32) -> bool {
        self.end_ids.contains(&id)
    }

    /// Whether `id` stands for one image feature.
    pub fn is_image(&self, id: u32) -> bool {
        id == self.image_id
    }

    /// The prefix up to the head of the turn that the view opens: `<|im_start|>`, earlier turns, `User:`. Pictures in
    /// `turns` are single tiles.
    pub fn prefix(&self, turns: &[Turn]) -> Result<Vec<u32>> {
        let mut text = String::from(START);
        for turn in turns {
            self.push_turn(&mut text, turn);
        }
        text.push_str("User:");
        self.encode(&text)
    }

    fn push_turn(&self, text: &mut String, turn: &Turn) {
        let grids = vec![Grid::default(); turn.parts.len()];
        self.push_said(text, turn.role, &turn.parts, &grids);
        text.push_str(END_OF_UTTERANCE);
        text.push('\n');
    }

    /// A turn without its end. `grids` are those of its pictures, in order.
    fn push_said(&self, text: &mut String, role: Role, parts: &[Part], grids: &[Grid]) {
        text.push_str(role.name());
        text.push(':');
        if !matches!(parts.first(), Some(Part::Picture(_))) {
            text.push(' ');
        }
        let mut grids = grids.iter();
        for part in parts {
            match part {
                Part::Text(words) => text.push_str(&defused(words)),
                Part::Picture(_) => self.push_picture(text, grids.next().copied().unwrap_or_default()),
            }
        }
    }

    /// A user's turn and the head of the reply. `first` says whether it opens the conversation; otherwise it follows a
    /// reply, whose end comes before it. `grids` are those of its pictures, in order.
    ///
    /// # Errors
    /// [`Error::EmptyPrompt`] when nothing is said.
    pub fn user_turn(&self, parts: &[Part], grids: &[Grid], first: bool) -> Result<Vec<u32>> {
        if parts.iter().filter(|part| part.picture().is_none()).all(Part::is_blank) {
            return Err(Error::EmptyPrompt);
        }
        let mut text = String::from(if first { START } else { REPLY_END });
        self.push_said(&mut text, Role::User, parts, grids);
        text.push_str(REPLY_HEAD);
        self.encode(&text)
    }

    /// The pictures of a view, one after the other.
    pub fn view(&self, grids: &[Grid]) -> Result<Vec<u32>> {
        let mut text = String::new();
        for grid in grids {
            self.push_picture(&mut text, *grid);
        }
        self.encode(&text)
    }

    /// What follows the view: the instruction, the end of the turn and the head of the reply.
    pub fn instruction(&self, prompt: &str) -> Result<Vec<u32>> {
        if prompt.trim().is_empty() {
            return Err(Error::EmptyPrompt);
        }
        self.encode(&format!("{}{REPLY_HEAD}", defused(prompt)))
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
        self.encode(&format!(" {}", defused(words)))
    }

    /// The text of a reply's ids, without special tokens.
    pub fn decode(&self, ids: &[u32]) -> Result<String> {
        self.tokenizer.decode(ids, true).map_err(|e| Error::Tokenizer(e.to_string()))
    }

    /// A stream of the text of a reply, without special tokens.
    pub fn stream(&self) -> TextStream<'_> {
        self.tokenizer.decode_stream(true)
    }

    /// The expansion of one picture (`_prompt_split_image` and `_prompt_single_image` of transformers).
    fn push_picture(&self, text: &mut String, grid: Grid) {
        let features = IMAGE.repeat(self.tokens_per_tile);
        for row in 1..=grid.rows {
            for column in 1..=grid.columns {
                // Writing to a string does not fail.
                let _ = write!(text, "{FAKE}<row_{row}_col_{column}>{features}");
            }
            text.push('\n');
        }
        if grid.rows > 0 {
            text.push('\n');
        }
        let _ = write!(text, "{FAKE}{GLOBAL}{features}{FAKE}");
    }

    /// The ids of a text in which markers are markers.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>> {
        let encoding = self.tokenizer.encode(text, false).map_err(|e| Error::Tokenizer(e.to_string()))?;
        Ok(encoding.get_ids().to_vec())
    }
}

/// Where a checkpoint says how turns are laid out.
const TEMPLATES: [&str; 3] = ["chat_template.json", "chat_template.jinja", "tokenizer_config.json"];
/// What SmolVLM's layout is known by; that of any other model lacks one of them.
const OF_LAYOUT: [&str; 2] = [START, END_OF_UTTERANCE];

/// Turns are laid out here as SmolVLM's template does, whatever a checkpoint's says; so it has to be SmolVLM's, if there is one.
fn check_template(files: &ModelFiles) -> Result<()> {
    for name in TEMPLATES {
        let text = match files.read(name) {
            Err(Error::Missing { .. }) => continue,
            read => read?,
        };
        let damaged = |why: String| Error::Damaged { path: files.path(name), why };
        let text = if name == "chat_template.jinja" {
            String::from_utf8_lossy(&text).into_owned()
        } else {
            let json: serde_json::Value = serde_json::from_slice(&text).map_err(|e| damaged(e.to_string()))?;
            // None, or several under names of their own: then the other files tell.
            let Some(template) = json.get("chat_template").and_then(serde_json::Value::as_str) else { continue };
            template.to_owned()
        };
        if let Some(marker) = OF_LAYOUT.into_iter().find(|marker| !text.contains(marker)) {
            return Err(damaged(format!("its chat template is that of another model, for it lacks {marker}")));
        }
    }
    Ok(())
}

/// A person's words with SmolVLM's markers taken apart, so that text can neither end a turn nor stand for a picture that
/// is not there. A zero-width space goes behind the bracket.
fn defused(words: &str) -> std::borrow::Cow<'_, str> {
    if [IMAGE, FAKE, GLOBAL, END_OF_UTTERANCE, "<|", "<row_"].iter().any(|marker| words.contains(marker)) {
        words.replace('<', "<\u{200b}").into()
    } else {
        words.into()
    }
}

/// Reads `tokenizer.json`. The library panics where a part of it breaks JSON's grammar, so that is looked at first; whatever
/// else it panics at is an error, too.
fn read_tokenizer(json: &[u8]) -> std::result::Result<Tokenizer, String> {
    serde_json::from_slice::<IgnoredAny>(json).map_err(|e| e.to_string())?;
    catch_unwind(|| Tokenizer::from_bytes(json))
        .map_err(|_| "the tokenizer library failed at it".to_owned())?
        .map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::fixtures;

    fn prompter() -> Prompter {
        let files = fixtures::tiny("idefics3");
        Prompter::load(&files, 1022, 1024, 4).unwrap()
    }

    #[test]
    fn pieces_tokenise_as_the_whole_text_does() {
        let p = prompter();
        for grid in [Grid::default(), Grid { rows: 2, columns: 3 }] {
            let mut pieces = p.prefix(&[]).unwrap();
            pieces.extend(p.view(&[grid, Grid::default()]).unwrap());
            pieces.extend(p.instruction(" What is  this?\n").unwrap());
            let mut text = String::from("<|im_start|>User:");
            p.push_picture(&mut text, grid);
            p.push_picture(&mut text, Grid::default());
            text.push_str(" What is  this?\n<end_of_utterance>\nAssistant:");
            assert_eq!(pieces, p.encode(&text).unwrap());
        }
    }

    #[test]
    fn a_turn_has_a_space_before_text_and_none_before_a_picture() {
        let p = prompter();
        let text = |s: &str| Part::Text(s.into());
        let turns = [
            Turn { role: Role::System, parts: vec![text("Be brief.")] },
            Turn { role: Role::User, parts: vec![Part::Picture(RgbImage::new(1, 1)), text("My door.")] },
            Turn { role: Role::Assistant, parts: vec![text("A closed door.")] },
        ];
        let image = format!("{FAKE}{GLOBAL}{}{FAKE}", IMAGE.repeat(4));
        let want = format!(
            "<|im_start|>System: Be brief.<end_of_utterance>\nUser:{image}My door.<end_of_utterance>\n\
             Assistant: A closed door.<end_of_utterance>\nUser:"
        );
        assert_eq!(p.prefix(&turns).unwrap(), p.encode(&want).unwrap());
    }

    #[test]
    fn markers_in_a_persons_words_are_only_words() {
        let p = prompter();
        let ids = p.instruction("Say <image> and <end_of_utterance> and <|im_start|>").unwrap();
        assert_eq!(ids.iter().filter(|i| p.is_image(**i)).count(), 0);
        assert_eq!(ids.iter().filter(|i| p.is_end(**i)).count(), 1, "only the turn's own end");
        let harmless = p.instruction("Is 3 < 4?").unwrap();
        assert_eq!(harmless, p.encode("Is 3 < 4?<end_of_utterance>\nAssistant:").unwrap());
    }

    #[test]
    fn an_empty_prompt_is_refused() {
        assert!(matches!(prompter().instruction(" \n"), Err(Error::EmptyPrompt)));
    }

    #[test]
    fn a_tokenizer_of_another_model_is_refused() {
        let files = fixtures::tiny("idefics3");
        let e = Prompter::load(&files, 1021, 1024, 4).err().unwrap().to_string();
        assert!(e.contains("<image> is token 1022 there, but 1021"), "{e}");
        let e = Prompter::load(&files, 1022, 1023, 4).err().unwrap().to_string();
        assert!(e.contains("lies outside"), "{e}");
    }
}

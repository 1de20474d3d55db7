//! How a family of models lays out a conversation: its markers, its names for who speaks, and what
//! stands for a picture.
//!
//! Another family's layout is another constant here. Knows no tokenizer: a layout is written as a
//! [`Script`].

use crate::input::image::Grid;

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

/// The layout of a family's prompts. Markers are tokens of their own, if the tokenizer has them.
#[derive(Debug)]
pub(crate) struct PromptFormat {
    /// Opens a conversation.
    pub start: &'static str,
    /// What opens a turn of the system, the user and the assistant.
    pub roles: [&'static str; 3],
    /// Ends a turn, and so a reply.
    pub turn_end: &'static str,
    /// What a reply may end with besides: the end of the text model's own chat format, which it may
    /// fall back to.
    pub other_ends: &'static [&'static str],
    /// Stands for one image feature.
    pub feature: &'static str,
    /// Around the features of each tile.
    pub edge: &'static str,
    /// Before the features of a whole picture.
    pub whole: &'static str,
}

impl PromptFormat {
    /// That of SmolVLM and SmolVLM2: the chat template of their releases, and transformers'
    /// `Idefics3Processor`.
    pub const SMOLVLM: Self = Self {
        start: "<|im_start|>",
        roles: ["System:", "User:", "Assistant:"],
        turn_end: "<end_of_utterance>",
        other_ends: &["<|im_end|>"],
        feature: "<image>",
        edge: "<fake_token_around_image>",
        whole: "<global-img>",
    };

    /// The markers without which a tokenizer is that of another family.
    pub fn needed(&self) -> [&'static str; 4] {
        [self.start, self.turn_end, self.feature, self.edge]
    }

    /// Opens a turn of somebody; `is_picture` says whether it begins with one.
    pub fn open_turn(&self, script: &mut Script, role: Role, is_picture: bool) {
        let [system, user, assistant] = self.roles;
        script.words(match role {
            Role::System => system,
            Role::User => user,
            Role::Assistant => assistant,
        });
        if !is_picture {
            script.words(" ");
        }
    }

    /// Ends a turn.
    pub fn end_turn(&self, script: &mut Script) {
        script.marker(self.turn_end);
        script.words("\n");
    }

    /// The expansion of one picture (`_prompt_split_image` and `_prompt_single_image` of
    /// transformers), each tile of which takes `features` tokens.
    pub fn picture(&self, script: &mut Script, grid: Grid, features: usize) {
        for row in 1..=grid.rows {
            for column in 1..=grid.columns {
                script.marker(self.edge);
                script.marker(format!("<row_{row}_col_{column}>"));
                script.repeat(self.feature, features);
            }
            script.words("\n");
        }
        if grid.rows > 0 {
            script.words("\n");
        }
        script.marker(self.edge);
        script.marker(self.whole);
        script.repeat(self.feature, features);
        script.marker(self.edge);
    }
}

/// A text in which markers are told from words, so that no words can be taken for a marker.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Script(Vec<Piece>);

/// A piece of a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// A marker, so many times.
    Marker(String, usize),
    /// Words, with no others beside them.
    Words(String),
}

impl Script {
    /// Adds words.
    pub fn words(&mut self, words: &str) {
        match self.0.last_mut() {
            Some(Piece::Words(before)) => before.push_str(words),
            _ => self.0.push(Piece::Words(words.to_owned())),
        }
    }

    /// Adds a marker.
    pub fn marker(&mut self, marker: impl Into<String>) {
        self.0.push(Piece::Marker(marker.into(), 1));
    }

    fn repeat(&mut self, marker: &str, times: usize) {
        self.0.push(Piece::Marker(marker.to_owned(), times));
    }

    /// In order.
    pub fn pieces(&self) -> &[Piece] {
        &self.0
    }
}

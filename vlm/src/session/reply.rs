//! What a session gives back: the text, how it came to be and how long each stage took. Plain data,
//! no tensors.

use std::time::Duration;

use serde::Serialize;

/// Why decoding stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Stop {
    /// The model ended its turn.
    End,
    /// The most tokens allowed were written.
    Length,
    /// A [`Cancel`](crate::Cancel) flag was raised.
    Cancelled,
    /// The repetition guard saw the model go round in circles.
    Repetition,
}

/// How drafts fared in speculative decoding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Draft {
    /// Tokens that rode along in a pass: the last caption in that of the instruction, and in later
    /// ones what followed the same words before.
    pub offered: usize,
    /// How many of them decoding agreed with.
    pub accepted: usize,
    /// Passes of the text model, that of the prompt included. 0 where the engine does not tell.
    pub passes: usize,
}

/// Wall-clock time of each stage of one reply.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timings {
    /// Resizing, cutting and normalising pictures. Zero when the view was in hand.
    pub preprocess: Duration,
    /// Vision encoder, pixel shuffle and connector. Zero when the view was in hand.
    pub vision: Duration,
    /// The text model's pass over view, instruction and draft.
    pub prefill: Duration,
    /// Every later pass.
    pub decode: Duration,
}

impl Timings {
    /// All stages together.
    #[must_use]
    pub fn total(&self) -> Duration {
        self.preprocess + self.vision + self.prefill + self.decode
    }

    /// Time to first token: everything before decoding.
    #[must_use]
    pub fn first_token(&self) -> Duration {
        self.preprocess + self.vision + self.prefill
    }
}

/// One finished (or cancelled) reply.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply {
    /// The text, without special tokens and surrounding white space.
    pub text: String,
    /// The tokens that greedy decoding chose, without the one that ended the turn.
    pub token_ids: Vec<u32>,
    /// The ids of the whole prompt: prefix, view and instruction.
    pub prompt_ids: Vec<u32>,
    /// Tokens of the prompt and of the reply as a server counts them, which tells no ids.
    pub counted: Option<(usize, usize)>,
    /// Why it stopped.
    pub stop: Stop,
    /// How the draft fared.
    pub draft: Draft,
    /// The last caption still holds, and these are its words: see
    /// [`Steadiness`](crate::Steadiness).
    pub is_kept: bool,
    /// The words are kept for now, though the view speaks against them: another look decides.
    pub is_doubted: bool,
    /// The mean log-probability of `token_ids` under the model's own distribution, drafted tokens
    /// included: 0 is certain. None when there are no tokens, or the model does not tell.
    pub mean_log_prob: Option<f32>,
    /// Where the time went.
    pub timings: Timings,
}

impl Reply {
    /// Tokens of the whole prompt.
    #[must_use]
    pub fn prompt_tokens(&self) -> usize {
        self.counted.map_or(self.prompt_ids.len(), |(prompt, _)| prompt)
    }

    /// Tokens of the reply.
    #[must_use]
    pub fn tokens(&self) -> usize {
        self.counted.map_or(self.token_ids.len(), |(_, reply)| reply)
    }

    /// The reply of a request that was cancelled before its first pass.
    #[must_use]
    pub fn cancelled() -> Self {
        Self {
            text: String::new(),
            token_ids: Vec::new(),
            prompt_ids: Vec::new(),
            counted: None,
            stop: Stop::Cancelled,
            draft: Draft::default(),
            is_kept: false,
            is_doubted: false,
            mean_log_prob: None,
            timings: Timings::default(),
        }
    }
}

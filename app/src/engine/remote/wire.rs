//! The objects of the OpenAI chat API that are sent and read, as far as they are used. Source: the
//! API reference of chat completions; what vLLM, llama-server, Ollama and transformers leave out is
//! optional here.

use serde::{Deserialize, Serialize};

/// A request for a chat completion.
#[derive(Clone, Debug, Serialize)]
pub struct Request<'a> {
    pub model: &'a str,
    pub messages: &'a [Turn],
    pub stream: bool,
    pub stream_options: StreamOptions,
    pub max_tokens: usize,
    pub temperature: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logprobs: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_logprobs: Option<u32>,
}

#[derive(Clone, Copy, Debug, Serialize)]
pub struct StreamOptions {
    pub include_usage: bool,
}

/// A turn of the conversation.
#[derive(Clone, Debug, Serialize)]
pub struct Turn {
    pub role: &'static str,
    pub content: Vec<Piece>,
}

/// A piece of a turn.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Piece {
    Text { text: String },
    ImageUrl { image_url: ImageUrl },
}

#[derive(Clone, Debug, Serialize)]
pub struct ImageUrl {
    /// A `data:` address that holds the picture itself.
    pub url: String,
}

/// A chunk of a streamed completion, or a whole one from servers that do not stream.
#[derive(Debug, Default, Deserialize)]
pub struct Chunk {
    #[serde(default)]
    pub choices: Vec<Choice>,
    #[serde(default)]
    pub usage: Option<Usage>,
    /// Some servers fail in the middle of a stream with status 200.
    #[serde(default)]
    pub error: Option<serde_json::Value>,
}

#[derive(Debug, Default, Deserialize)]
pub struct Choice {
    #[serde(default)]
    pub delta: Option<Words>,
    #[serde(default)]
    pub message: Option<Words>,
    #[serde(default)]
    pub finish_reason: Option<String>,
    #[serde(default)]
    pub logprobs: Option<LogProbs>,
}

#[derive(Debug, Default, Deserialize)]
pub struct Words {
    #[serde(default)]
    pub content: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
pub struct LogProbs {
    #[serde(default)]
    pub content: Option<Vec<Token>>,
}

/// A token and how likely it was, in nats.
#[derive(Debug, Deserialize)]
#[expect(clippy::struct_field_names, reason = "named as the API names them")]
pub struct Token {
    pub token: String,
    pub logprob: f32,
    #[serde(default)]
    pub top_logprobs: Vec<Likely>,
}

/// A token that might have stood there.
#[derive(Debug, Deserialize)]
pub struct Likely {
    pub token: String,
    pub logprob: f32,
}

/// What a request cost, as the server counts.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
pub struct Usage {
    #[serde(default)]
    pub prompt_tokens: usize,
    #[serde(default)]
    pub completion_tokens: usize,
}

/// The models of a server.
#[derive(Debug, Default, Deserialize)]
pub struct Models {
    #[serde(default)]
    pub data: Vec<Model>,
}

#[derive(Debug, Deserialize)]
pub struct Model {
    pub id: String,
}

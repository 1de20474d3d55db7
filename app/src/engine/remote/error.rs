//! What can go wrong with a server, each as what happened and what to do. Nothing of a key is in
//! it.

use std::time::Duration;

use crate::base::message::Message;
use crate::base::text::one_line;
use crate::engine::EngineError;

/// What can go wrong with a server. `host` is what people know it by.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RemoteError {
    /// The client could not be made: certificates, or no room.
    #[error("The connection can't be set up: {0}.")]
    Setup(String),
    /// Nobody answers there.
    #[error("The server {host} can't be reached: {why}.")]
    Unreachable { host: String, why: String },
    /// Its certificate is not one to trust.
    #[error("The server {host} can't be trusted: {why}.")]
    Untrusted { host: String, why: String },
    /// It answers too late.
    #[error("The server {host} has said nothing for {} seconds.", waited.as_secs_f32().ceil())]
    Silent { host: String, waited: Duration },
    /// It wants a key, or another one.
    #[error("The server {host} refuses the key (HTTP {status}).")]
    Key { host: String, status: u16 },
    /// It has no such model, or is no server of this API.
    #[error("The server {host} does not know the model {model} at this address (HTTP 404{}).", said(why))]
    Unknown { host: String, model: String, why: String },
    /// It has too much to do.
    #[error("The server {host} is busy (HTTP {status}).")]
    Busy { host: String, status: u16, again_in: Option<Duration> },
    /// It takes no pictures of this size.
    #[error("The picture is too large for the server {host} (HTTP 413).")]
    TooLarge { host: String },
    /// It does not do what it was asked.
    #[error("The server {host} refuses the request (HTTP {status}{}).", said(why))]
    Refused { host: String, status: u16, why: String },
    /// It failed.
    #[error("The server {host} failed (HTTP {status}{}).", said(why))]
    Failed { host: String, status: u16, why: String },
    /// Its answer can't be read.
    #[error("The answer of the server {host} can't be read: {why}.")]
    Unreadable { host: String, why: String },
    /// It ended its answer in the middle.
    #[error("The server {host} broke off in the middle of its answer.")]
    Cut { host: String },
    /// Its answer has no words in it.
    #[error("The server {host} answered with no words.")]
    Empty { host: String },
    /// It tells no probabilities.
    #[error("The server {host} does not tell how likely its words are.")]
    NoProbabilities { host: String },
    /// The picture could not be made ready.
    #[error("The picture can't be sent: {0}.")]
    Picture(String),
}

/// What a server says of a failure, at the end of a sentence.
fn said(why: &str) -> String {
    if why.is_empty() { String::new() } else { format!(": {}", one_line(why)) }
}

impl RemoteError {
    /// What to do about it.
    fn hint(&self) -> &'static str {
        match self {
            Self::Setup(_) => "Check the file of --engine-ca.",
            Self::Unreachable { .. } => "Check that it runs, its address, and the network between.",
            Self::Untrusted { .. } => {
                "Name the file of its authority's certificate with --engine-ca, and the server as the certificate does."
            }
            Self::Silent { .. } => "It may be loading its model; otherwise start it again, or allow it more time.",
            Self::Key { .. } => "Give the right key with --engine-key-file or SIGHTLINE_ENGINE_KEY.",
            Self::Unknown { .. } => {
                "Check the address, and the name with `sightline engine test`, which lists those it has."
            }
            Self::Busy { .. } => "Wait, or allow fewer requests at a time.",
            Self::TooLarge { .. } => "Send JPEG, or raise the server's limit.",
            Self::Refused { .. } => "Check with `sightline engine test` whether its model takes pictures.",
            Self::Failed { .. } | Self::Cut { .. } => "What it wrote to its own log may say why.",
            Self::Unreadable { .. } => "Check that the address is that of a server of the OpenAI chat API.",
            Self::Empty { .. } => "Check with `sightline engine test` whether it sees pictures.",
            Self::NoProbabilities { .. } => "Use vLLM, Ollama from 0.12.11, or a model on this machine.",
            Self::Picture(_) => "Use another picture.",
        }
    }

    /// Whether the next request may fare better, so that the engine need not be opened anew.
    fn only_this_request(&self) -> bool {
        matches!(
            self,
            Self::TooLarge { .. }
                | Self::Refused { .. }
                | Self::Empty { .. }
                | Self::NoProbabilities { .. }
                | Self::Picture(_)
        )
    }
}

impl From<RemoteError> for EngineError {
    fn from(error: RemoteError) -> Self {
        let message = Message::new(error.to_string()).hint(error.hint());
        Self { message, only_this_request: error.only_this_request() }
    }
}

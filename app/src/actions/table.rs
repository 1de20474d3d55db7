//! What may stand in an `[action.NAME]` of a TOML file, as it is written. What it means is made of
//! it in `spec`. A key that is not here is refused.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use jiff::SignedDuration;
use serde::Deserialize;

/// The longest length of time, in seconds: a year.
const LONGEST: i64 = 365 * 24 * 3600;

/// The tables `[action.NAME]` of a file, by their names.
pub type ActionTables = BTreeMap<String, ActionTable>;

/// One action. One key says what is done: `desktop`, `sound`, `command`, `webhook`, `ntfy` or
/// `mqtt`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActionTable {
    /// Show a notice on the desktop.
    pub desktop: Option<bool>,
    /// Play a sound: `true` for the one that is built in, or a file.
    pub sound: Option<Sound>,
    /// Run a program: its name and its arguments.
    pub command: Option<Vec<String>>,
    /// Send JSON to this address.
    pub webhook: Option<String>,
    /// The same with the address in a file, where it is a secret.
    pub webhook_file: Option<PathBuf>,
    /// Publish to this topic of an ntfy server.
    pub ntfy: Option<String>,
    /// The same with the address in a file.
    pub ntfy_file: Option<PathBuf>,
    /// Publish to this MQTT broker.
    pub mqtt: Option<String>,

    /// Whether captions that changed are told.
    pub captions: Option<bool>,
    /// Which rules are told of.
    pub rules: Option<Rules>,
    /// Whether the picture is sent along.
    pub picture: Option<bool>,
    /// How long one telling may take.
    pub timeout: Option<Length>,
    /// How long what could not be told is kept.
    pub keep: Option<Length>,

    /// The name of a sound of the desktop's theme, played with its notice.
    pub sound_name: Option<String>,
    /// Header lines of a webhook.
    pub headers: Option<BTreeMap<String, String>>,
    /// Who asks.
    pub user: Option<String>,
    /// A file with the password.
    pub password_file: Option<PathBuf>,
    /// A file with a token.
    pub token_file: Option<PathBuf>,
    /// How urgent it is to ntfy, from 1 to 5.
    pub priority: Option<u8>,
    /// Tags of ntfy, which shows some as pictures.
    pub tags: Option<Vec<String>>,
    /// Where Home Assistant looks for what there is: the first part of its topics.
    pub discovery: Option<String>,
    /// What topics begin with after `sightline/`: this machine's name.
    pub node: Option<String>,
}

/// A length of time, such as `10s` or `1h 30m`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Length(pub Duration);

impl TryFrom<String> for Length {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let read = text.trim().parse::<SignedDuration>().ok();
        let read = read.filter(|length| length.is_positive() && length.as_secs() <= LONGEST);
        let length = read.and_then(|length| Duration::try_from(length).ok());
        length.map(Self).ok_or("write a length of time such as \"10s\" or \"24h\"")
    }
}

/// Which rules are told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rules {
    /// All of them.
    All,
    /// Those that name the action.
    Named,
    /// None.
    None,
}

/// Which sound.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged, expecting = "write true, or the name of a sound file")]
pub enum Sound {
    /// The one that is built in.
    BuiltIn(bool),
    /// This file.
    File(PathBuf),
}

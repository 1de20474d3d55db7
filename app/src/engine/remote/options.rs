//! How a server is reached: its address, what it wants to know of us, and how long it may take.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;

use crate::engine::remote::address::Address;

/// How many requests may be under way at a time where nothing was said.
pub const DEFAULT_PARALLEL: usize = 4;

/// How a server is reached.
#[derive(Clone, Debug)]
pub struct RemoteOptions {
    /// Where it is.
    pub address: Address,
    /// What it knows us by, if it asks.
    pub key: Option<Key>,
    /// A file in PEM with certificates to trust besides the system's.
    pub authority: Option<PathBuf>,
    /// How pictures are sent.
    pub picture: PictureFormat,
    /// How long it may take.
    pub patience: Patience,
    /// How many requests may be under way at a time, where several views ask.
    pub parallel: usize,
}

/// A key, which is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Key(String);

impl Key {
    /// A key as it stands in a file or a variable: without the white space around it. `None` where
    /// nothing is left, or where a request can't carry it.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let text = text.trim();
        let is_sendable = !text.is_empty() && text.bytes().all(|byte| (0x21..0x7f).contains(&byte));
        is_sendable.then(|| Self(text.to_owned()))
    }

    /// What the header `Authorization` carries.
    pub(super) fn header(&self) -> String {
        format!("Bearer {}", self.0)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}

/// How pictures are sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum PictureFormat {
    /// JPEG of quality 92, which every server reads.
    #[default]
    Jpeg,
    /// PNG, which loses nothing and is several times as large.
    Png,
}

/// How long a server may take before it counts as gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// To be connected to.
    pub connect: Duration,
    /// From the request to the first word: it loads, waits for its turn and reads the prompt.
    pub first: Duration,
    /// From one word to the next.
    pub silence: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { connect: Duration::from_secs(3), first: Duration::from_secs(30), silence: Duration::from_secs(15) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_sent_and_never_shown() {
        let key = Key::new(" sk-secret\n").expect("a key");
        assert_eq!(key.header(), "Bearer sk-secret");
        assert!(!format!("{key:?}").contains("secret"));
        for text in ["", " \n", "a b", "a\u{0}", "schlüssel"] {
            assert_eq!(Key::new(text), None, "{text:?}");
        }
    }
}

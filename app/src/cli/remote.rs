//! Arguments that name a server to run the model on, and what they become. A key never comes from
//! an argument, where every user of the machine could read it.

use std::env;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;

use crate::base::message::Message;
use crate::base::text;
use crate::cli::parse::seconds;
use crate::engine::remote::address::Address;
use crate::engine::remote::options::{Key, Patience, PictureFormat, RemoteOptions};

/// The variable that holds the server's key.
const KEY: &str = "SIGHTLINE_ENGINE_KEY";
/// The longest file of a key that is read, in bytes.
const LONGEST_KEY: u64 = 64 << 10;

/// Which server, and how it is reached.
#[derive(Args, Clone, Debug)]
pub struct RemoteArgs {
    /// The address of a server of the OpenAI chat API to run the model on; pictures are sent there,
    /// and --model is the name that the server has for it
    #[arg(long, value_name = "URL", requires = "model")]
    pub engine: Option<Address>,

    /// A file that holds the server's key [default: the variable `SIGHTLINE_ENGINE_KEY`, if it is
    /// set]
    #[arg(long, value_name = "FILE", requires = "engine")]
    pub engine_key_file: Option<PathBuf>,

    /// A file in PEM with certificates to trust besides the system's
    #[arg(long, value_name = "FILE", requires = "engine")]
    pub engine_ca: Option<PathBuf>,

    /// How pictures are sent to the server
    #[arg(long, value_name = "FORMAT", default_value = "jpeg", ignore_case = true, requires = "engine")]
    pub remote_picture: PictureFormat,

    /// Seconds until the server must accept a connection
    #[arg(long, value_name = "SECONDS", default_value = "3", value_parser = seconds, requires = "engine")]
    pub engine_connect: Duration,

    /// Seconds until the server must say its first word
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = seconds, requires = "engine")]
    pub engine_first: Duration,

    /// Seconds that the server may be silent between two words
    #[arg(long, value_name = "SECONDS", default_value = "15", value_parser = seconds, requires = "engine")]
    pub engine_silence: Duration,
}

impl RemoteArgs {
    /// How the server is reached, if one was named.
    ///
    /// # Errors
    /// When the key can't be read.
    pub fn options(&self) -> Result<Option<RemoteOptions>, Message> {
        let Some(address) = self.engine.clone() else { return Ok(None) };
        let key = match (&self.engine_key_file, env::var(KEY)) {
            (Some(path), _) => Some(key_in(path)?),
            (None, Ok(text)) if !text.trim().is_empty() => Some(Key::new(&text).ok_or_else(|| {
                Message::new(format!("The key in {KEY} holds characters that can't be sent.")).hint("Set it anew.")
            })?),
            (None, _) => None,
        };
        Ok(Some(RemoteOptions {
            address,
            key,
            authority: self.engine_ca.clone(),
            picture: self.remote_picture,
            patience: Patience { connect: self.engine_connect, first: self.engine_first, silence: self.engine_silence },
        }))
    }
}

/// The key in a file.
fn key_in(path: &Path) -> Result<Key, Message> {
    let refused = |why: &str| {
        let message = Message::new(format!("The key file {} {why}.", text::path(path)));
        message.hint("Write the key alone into a file that you can read.")
    };
    let mut text = String::new();
    let read = File::open(path).and_then(|file| file.take(LONGEST_KEY).read_to_string(&mut text));
    read.map_err(|error| refused(&format!("can't be read: {}", text::system(&error))))?;
    Key::new(&text).ok_or_else(|| refused("holds no key"))
}

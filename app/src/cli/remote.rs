//! Arguments that name a server to run the model on, and what they become. A key never comes from
//! an argument, where every user of the machine could read it.

use std::env;
use std::fs::File;
use std::io::Read as _;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{ArgGroup, Args};
use vlm::Cancel;

use crate::base::message::Message;
use crate::base::text;
use crate::cli::parse::{seconds, whole};
use crate::engine::remote::RemoteEngine;
use crate::engine::remote::address::Address;
use crate::engine::remote::options::{DEFAULT_PARALLEL, Key, Patience, PictureFormat, RemoteOptions};
use crate::models::spec::ModelSpec;
use crate::ui::Choice;

/// The variable that holds the server's key.
const KEY: &str = "SIGHTLINE_ENGINE_KEY";
/// The longest file of a key that is read, in bytes.
const LONGEST_KEY: u64 = 64 << 10;

/// How long a window waits for the list of a server's models before it opens without.
const SOON: Duration = Duration::from_secs(1);
/// The most models of a server that a menu lists.
const MOST_LISTED: usize = 50;

/// Which server, and how it is reached.
#[derive(Args, Clone, Debug)]
#[command(group(ArgGroup::new("reached").args(REACHED).multiple(true).requires("engine")))]
pub struct RemoteArgs {
    /// The address of a server of the OpenAI chat API to run the model on; pictures are sent there,
    /// and --model is the name that the server has for it
    #[arg(long, value_name = "URL", requires = "model")]
    pub engine: Option<Address>,

    #[command(flatten)]
    server: ServerArgs,
}

/// How a server is reached, whichever it is.
#[derive(Args, Clone, Debug)]
#[group(skip)]
pub struct ServerArgs {
    /// A file that holds the server's key [default: the variable `SIGHTLINE_ENGINE_KEY`, if it is
    /// set]
    #[arg(long, value_name = "FILE")]
    engine_key_file: Option<PathBuf>,

    /// A file in PEM with certificates to trust besides the system's
    #[arg(long, value_name = "FILE")]
    engine_ca: Option<PathBuf>,

    /// How pictures are sent to the server
    #[arg(long, value_name = "FORMAT", default_value = "jpeg", ignore_case = true)]
    remote_picture: PictureFormat,

    /// The most requests under way at a time, where several sources are watched; each has one at
    /// most
    #[arg(long, value_name = "N", default_value_t = parallel(), value_parser = whole::<NonZeroUsize, 1, 64>)]
    engine_parallel: NonZeroUsize,

    /// Seconds until the server must accept a connection
    #[arg(long, value_name = "SECONDS", default_value = "3", value_parser = seconds)]
    engine_connect: Duration,

    /// Seconds until the server must say its first word
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = seconds)]
    engine_first: Duration,

    /// Seconds that the server may be silent between two words
    #[arg(long, value_name = "SECONDS", default_value = "15", value_parser = seconds)]
    engine_silence: Duration,
}

fn parallel() -> NonZeroUsize {
    NonZeroUsize::new(DEFAULT_PARALLEL).unwrap_or(NonZeroUsize::MIN)
}

/// What of [`ServerArgs`] has no meaning without a server.
const REACHED: [&str; 7] = [
    "engine_key_file",
    "engine_ca",
    "remote_picture",
    "engine_parallel",
    "engine_connect",
    "engine_first",
    "engine_silence",
];

impl RemoteArgs {
    /// How the server is reached, if one was named.
    ///
    /// # Errors
    /// When the key can't be read.
    pub fn options(&self) -> Result<Option<RemoteOptions>, Message> {
        self.engine.clone().map(|address| self.server.options(address)).transpose()
    }
}

impl ServerArgs {
    /// How the server at this address is reached.
    ///
    /// # Errors
    /// When the key can't be read.
    pub fn options(&self, address: Address) -> Result<RemoteOptions, Message> {
        let key = match (&self.engine_key_file, env::var(KEY)) {
            (Some(path), _) => Some(key_in(path)?),
            (None, Ok(text)) if !text.trim().is_empty() => Some(Key::new(&text).ok_or_else(|| {
                Message::new(format!("The key in {KEY} holds characters that can't be sent.")).hint("Set it anew.")
            })?),
            (None, _) => None,
        };
        Ok(RemoteOptions {
            address,
            key,
            authority: self.engine_ca.clone(),
            picture: self.remote_picture,
            patience: Patience { connect: self.engine_connect, first: self.engine_first, silence: self.engine_silence },
            parallel: self.engine_parallel.get(),
        })
    }
}

/// The models of a server, for a menu; none where it does not answer soon.
pub fn served(options: &RemoteOptions) -> Vec<Choice<ModelSpec>> {
    let patience = Patience { connect: SOON, first: SOON, silence: SOON };
    let asked = RemoteEngine::new("", RemoteOptions { patience, ..options.clone() });
    let listed = asked.and_then(|engine| engine.models(&Cancel::default()));
    let choice =
        |id: String| Choice { label: id.clone(), detail: options.address.host(), value: ModelSpec::Served(id) };
    listed.unwrap_or_default().into_iter().take(MOST_LISTED).map(choice).collect()
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

//! What is done outside of this program about what it sees. Listens to the events of the pipeline
//! and of rules and tells them nothing; whatever waits for a disk or a network is a thread of its
//! own.

mod address;
mod announced;
mod caption_files;
mod changes;
mod command;
mod deliver;
mod desktop;
mod file;
mod http;
mod mqtt;
mod ntfy;
pub(crate) mod occurrence;
mod of_rule;
mod open;
mod process;
mod queue;
mod running;
mod secret;
mod sound;
pub(crate) mod spec;
pub(crate) mod speech;
pub(crate) mod table;
mod webhook;
mod worker;

pub use crate::actions::announced::{Announced, RuleName};
pub use crate::actions::caption_files::{CaptionFileNews, CaptionFileOptions, CaptionFiles};
pub use crate::actions::deliver::Undelivered;
pub use crate::actions::file::{beside_rules, read, specs};
pub use crate::actions::occurrence::{Kind, Occurrence, RuleTold, rfc3339};
pub use crate::actions::open::try_now;
pub use crate::actions::running::{Actions, default_folder};
pub use crate::actions::spec::ActionSpec;
pub use crate::actions::table::ActionTables;
pub use crate::actions::worker::{ActionNews, NewsKind};

//! The log as files that other programs read. Each format is a module that is given entries one
//! after the other and writes them: none holds more than one in memory.

mod csv;
mod error;
mod file;
mod format;
mod html;
mod jsonl;
mod markdown;
mod run;
mod subtitles;
#[cfg(test)]
mod tests;

pub use crate::log::export::error::ExportError;
pub use crate::log::export::file::ExportJob;
pub use crate::log::export::format::Format;
pub use crate::log::export::run::Export;

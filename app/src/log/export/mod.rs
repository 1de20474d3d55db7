//! The log as files that other programs read. Each format is a module that is given entries one after the other and writes
//! them: none holds more than one in memory.

mod csv;
mod file;
mod html;
mod jsonl;
mod markdown;
mod subtitles;
#[cfg(test)]
mod tests;

use std::fmt;
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::str::FromStr;

pub use crate::log::export::file::Job;

use crate::log::data::entry::{Found, Kind, Session};
use crate::log::data::filter::{Filter, Sort};
use crate::log::error::LogError;
use crate::log::store::Store;

/// A file format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// An object a line; the one that can be imported again.
    Jsonl,
    /// A table for spreadsheets (RFC 4180).
    Csv,
    /// Subtitles for most players.
    Srt,
    /// Subtitles for browsers.
    Vtt,
    /// Text for notes.
    Md,
    /// One page with everything in it.
    Html,
}

impl Format {
    /// The ending of its files.
    #[must_use]
    pub fn extension(self) -> &'static str {
        match self {
            Self::Jsonl => "jsonl",
            Self::Csv => "csv",
            Self::Srt => "srt",
            Self::Vtt => "vtt",
            Self::Md => "md",
            Self::Html => "html",
        }
    }

    /// Whether it counts from the start of a session, and so holds one only.
    #[must_use]
    pub fn is_subtitles(self) -> bool {
        matches!(self, Self::Srt | Self::Vtt)
    }
}

impl FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.to_ascii_lowercase().as_str() {
            "jsonl" => Ok(Self::Jsonl),
            "csv" => Ok(Self::Csv),
            "srt" => Ok(Self::Srt),
            "vtt" => Ok(Self::Vtt),
            "md" => Ok(Self::Md),
            "html" => Ok(Self::Html),
            _ => Err(format!("`{text}` is no format. Write jsonl, csv, srt, vtt, md or html.")),
        }
    }
}

/// Why an export did not come to its end.
#[derive(Debug)]
pub enum ExportError {
    /// The log can't be read, or does not fit the format.
    Log(LogError),
    /// The file can't be written.
    Output(io::Error),
    /// It was told to stop.
    Stopped,
}

impl fmt::Display for ExportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Log(error) => error.fmt(f),
            Self::Stopped => f.write_str("The export was stopped, and no file was written."),
            Self::Output(error) => write!(f, "The export can't be written ({error}). Check the disk and the path."),
        }
    }
}

impl std::error::Error for ExportError {}

impl From<LogError> for ExportError {
    fn from(error: LogError) -> Self {
        Self::Log(error)
    }
}

impl From<io::Error> for ExportError {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

/// What is exported, and how.
#[derive(Clone, Debug)]
pub struct Export {
    /// The format.
    pub format: Format,
    /// Which entries.
    pub filter: Filter,
    /// Whether JSONL has the thumbnails in it. HTML always has.
    pub thumbnails: bool,
}

/// One format.
trait Writer {
    /// Before everything.
    fn begin(&mut self) -> io::Result<()> {
        Ok(())
    }

    /// Before a session's entries.
    fn session(&mut self, _session: &Session) -> io::Result<()> {
        Ok(())
    }

    /// Whether it wants thumbnails.
    fn wants_thumbnails(&self) -> bool {
        false
    }

    /// An entry.
    fn entry(&mut self, found: Found, thumbnail: Option<&[u8]>) -> io::Result<()>;

    /// After everything.
    fn end(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Export {
    /// Writes everything that the filter lets through. Returns how many entries these are.
    ///
    /// # Errors
    /// When the log can't be read or `out` can't be written, or when subtitles are wanted of several sessions.
    pub fn write(&self, store: &Store, out: &mut impl Write) -> Result<u64, ExportError> {
        self.write_with(store, out, &mut |_| ControlFlow::Continue(()))
    }

    /// The same; `progress` is told how many entries are written, and may end it.
    fn write_with(
        &self,
        store: &Store,
        out: &mut impl Write,
        progress: &mut dyn FnMut(u64) -> ControlFlow<()>,
    ) -> Result<u64, ExportError> {
        let export = self.narrowed(store)?;
        match self.format {
            Format::Jsonl => export.run(store, jsonl::Jsonl::new(out, self.thumbnails), progress),
            Format::Csv => export.run(store, csv::Csv::new(out), progress),
            Format::Md => export.run(store, markdown::Markdown::new(out), progress),
            Format::Html => export.run(store, html::Html::new(out), progress),
            Format::Srt => export.run(store, subtitles::Subtitles::srt(out), progress),
            Format::Vtt => export.run(store, subtitles::Subtitles::vtt(out), progress),
        }
    }

    /// What the format can hold of it: subtitles are captions, and their times are those of one session.
    fn narrowed(&self, store: &Store) -> Result<Self, LogError> {
        let mut only = self.clone();
        if !self.format.is_subtitles() {
            return Ok(only);
        }
        if only.filter.sorts.is_empty() {
            only.filter.sorts = vec![Sort::Of(Kind::Caption)];
        }
        let sessions = store.sessions(&only.filter)?;
        if sessions.len() > 1 {
            let ids: Vec<_> = sessions.iter().map(|session| session.id.to_string()).collect();
            return Err(LogError::Request(format!(
                "Subtitles run from the start of one session, and these captions are of {}. Choose one with --session: {}.",
                ids.len(),
                ids.join(", ")
            )));
        }
        Ok(only)
    }

    fn run(
        &self,
        store: &Store,
        mut writer: impl Writer,
        progress: &mut dyn FnMut(u64) -> ControlFlow<()>,
    ) -> Result<u64, ExportError> {
        let mut sessions = store.sessions(&self.filter)?.into_iter().peekable();
        let wants_thumbnails = writer.wants_thumbnails();
        let mut count = 0;
        writer.begin()?;
        store.each(&self.filter, |found| {
            while let Some(session) = sessions.next_if(|session| session.id <= found.entry.session) {
                writer.session(&session)?;
            }
            let thumbnail = if wants_thumbnails { store.thumbnail(found.entry.id)? } else { None };
            count += 1;
            writer.entry(found, thumbnail.as_deref())?;
            if progress(count).is_break() { Err(ExportError::Stopped) } else { Ok(()) }
        })?;
        for session in sessions {
            writer.session(&session)?;
        }
        writer.end()?;
        Ok(count)
    }
}

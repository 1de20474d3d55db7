//! The formats of an export, and what each of them does: it is given sessions and entries one after
//! the other.

use std::io;
use std::str::FromStr;

use crate::log::data::entry::{FoundEntry, Session};

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
            _ => Err("write jsonl, csv, srt, vtt, md or html".to_owned()),
        }
    }
}

/// One format.
pub trait FormatWriter {
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
    fn entry(&mut self, found: FoundEntry, thumbnail: Option<&[u8]>) -> io::Result<()>;

    /// After everything.
    fn end(&mut self) -> io::Result<()> {
        Ok(())
    }
}

//! An object a line: a session's before its entries'.

use std::io::{self, Write};

use crate::log::data::entry::{FoundEntry, Session};
use crate::log::export::format::FormatWriter;
use crate::log::json::{EntryLine, ExportLine, SessionLine};

/// Writes JSONL.
pub struct Jsonl<'a, W> {
    out: &'a mut W,
    thumbnails: bool,
}

impl<'a, W: Write> Jsonl<'a, W> {
    pub fn new(out: &'a mut W, thumbnails: bool) -> Self {
        Self { out, thumbnails }
    }

    fn line(&mut self, line: &ExportLine) -> io::Result<()> {
        serde_json::to_writer(&mut *self.out, line)?;
        self.out.write_all(b"\n")
    }
}

impl<W: Write> FormatWriter for Jsonl<'_, W> {
    fn session(&mut self, session: &Session) -> io::Result<()> {
        self.line(&ExportLine::Session(Box::new(SessionLine::from(session.clone()))))
    }

    fn wants_thumbnails(&self) -> bool {
        self.thumbnails
    }

    fn entry(&mut self, found: FoundEntry, thumbnail: Option<&[u8]>) -> io::Result<()> {
        self.line(&ExportLine::Entry(Box::new(EntryLine::exported(found.entry, thumbnail))))
    }
}

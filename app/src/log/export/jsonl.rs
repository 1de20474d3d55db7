//! An object a line: a session's before its entries'.

use std::io::{self, Write};

use crate::log::data::entry::{Found, Session};
use crate::log::export::Writer;
use crate::log::json::{EntryLine, Line, SessionLine};

/// Writes JSONL.
pub struct Jsonl<'a, W> {
    out: &'a mut W,
    thumbnails: bool,
}

impl<'a, W: Write> Jsonl<'a, W> {
    pub fn new(out: &'a mut W, thumbnails: bool) -> Self {
        Self { out, thumbnails }
    }

    fn line(&mut self, line: &Line) -> io::Result<()> {
        serde_json::to_writer(&mut *self.out, line)?;
        self.out.write_all(b"\n")
    }
}

impl<W: Write> Writer for Jsonl<'_, W> {
    fn session(&mut self, session: &Session) -> io::Result<()> {
        self.line(&Line::Session(SessionLine::from(session.clone())))
    }

    fn wants_thumbnails(&self) -> bool {
        self.thumbnails
    }

    fn entry(&mut self, found: Found, thumbnail: Option<&[u8]>) -> io::Result<()> {
        self.line(&Line::Entry(Box::new(EntryLine::exported(found.entry, thumbnail))))
    }
}

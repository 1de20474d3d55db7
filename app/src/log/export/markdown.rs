//! The log as text for notes: a heading a session, a line an entry. What a caption says is never
//! taken for markup.

use std::io::{self, Write};

use crate::base::text;
use crate::log::data::entry::{FoundEntry, Session};
use crate::log::export::format::FormatWriter;

/// What Markdown gives a meaning to, here or at the beginning of a line.
const MARKUP: &str = "\\`*_{}[]<>()#+-.!|~&";

/// Writes Markdown.
pub struct Markdown<'a, W> {
    out: &'a mut W,
}

impl<'a, W: Write> Markdown<'a, W> {
    pub fn new(out: &'a mut W) -> Self {
        Self { out }
    }
}

impl<W: Write> FormatWriter for Markdown<'_, W> {
    fn begin(&mut self) -> io::Result<()> {
        writeln!(self.out, "# Captions")
    }

    fn session(&mut self, session: &Session) -> io::Result<()> {
        let began = session.start.began.civil().strftime("%Y-%m-%d %H:%M");
        let (source, model) = (escaped(&session.start.source), escaped(&session.start.card.model));
        write!(self.out, "\n## {began}, {source}\n\nSession {}, captioned by {model}.", session.id)?;
        if session.lost > 0 {
            write!(self.out, " {} lost while recording.", text::entries(session.lost.unsigned_abs()))?;
        }
        self.out.write_all(b"\n\n")
    }

    fn entry(&mut self, found: FoundEntry, _thumbnail: Option<&[u8]>) -> io::Result<()> {
        let entry = found.entry;
        let star = if entry.bookmarked { "★ " } else { "" };
        write!(self.out, "- **{}** {star}", entry.at.civil().strftime("%H:%M:%S"))?;
        if let Some(question) = &entry.question {
            write!(self.out, "*{}* ", escaped(question))?;
        }
        write!(self.out, "{}", escaped(&entry.text))?;
        if let Some(note) = &entry.note {
            write!(self.out, " (note: {})", escaped(note))?;
        }
        self.out.write_all(b"\n")
    }
}

/// One line of plain text.
fn escaped(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        if MARKUP.contains(c) && c != '.' || c == '.' && line.chars().all(|c| c.is_ascii_digit()) {
            line.push('\\');
        }
        line.push(if c.is_control() { ' ' } else { c });
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_in_captions_is_plain_text() {
        assert_eq!(escaped("A <b>*cat*</b>\n# [x](y)"), "A \\<b\\>\\*cat\\*\\</b\\> \\# \\[x\\]\\(y\\)");
        assert_eq!(escaped("1. A cat."), "1\\. A cat.");
    }
}

//! Captions as subtitles, for `SubRip` players and for browsers. Times run from the session's
//! start, so that they play beside a recording of it. A caption stays until the next one's frame,
//! but no longer than it is known to have held.

use std::io::{self, Write};

use crate::base::webvtt;
use crate::log::data::entry::FoundEntry;
use crate::log::export::format::FormatWriter;

/// How long a caption is shown of which it is not known how long it held: one that was cut off by a
/// kill.
const AT_LEAST_MS: i64 = 1000;

/// Which of the two formats.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flavour {
    Srt,
    Vtt,
}

/// Writes subtitles.
pub struct Subtitles<'a, W> {
    out: &'a mut W,
    flavour: Flavour,
    number: u64,
    /// The one that waits for the next one's beginning: from, to, text.
    waiting: Option<(i64, i64, String)>,
}

impl<'a, W: Write> Subtitles<'a, W> {
    pub fn srt(out: &'a mut W) -> Self {
        Self { out, flavour: Flavour::Srt, number: 0, waiting: None }
    }

    pub fn vtt(out: &'a mut W) -> Self {
        Self { out, flavour: Flavour::Vtt, number: 0, waiting: None }
    }

    fn cue(&mut self, until: Option<i64>) -> io::Result<()> {
        let Some((from, to, text)) = self.waiting.take() else { return Ok(()) };
        let to = until.map_or(to, |until| to.min(until));
        // Two captions of one millisecond, or nothing to read.
        if to <= from || text.is_empty() {
            return Ok(());
        }
        self.number += 1;
        let (from, to) = (self.clock(from), self.clock(to));
        if self.flavour == Flavour::Srt {
            writeln!(self.out, "{}", self.number)?;
        }
        write!(self.out, "{from} --> {to}\n{text}\n\n")
    }

    fn clock(&self, ms: i64) -> String {
        webvtt::clock(ms, if self.flavour == Flavour::Srt { ',' } else { '.' })
    }

    /// One line, with nothing in it that means something to a player.
    fn line(&self, text: &str) -> String {
        match self.flavour {
            Flavour::Vtt => webvtt::line(text),
            // SubRip has no way to write these: players take `<b>` and `{\b1}` for markup.
            Flavour::Srt => {
                let line = webvtt::words(text);
                line.replace("-->", "→").replace('<', "‹").replace('>', "›").replace('{', "(").replace('}', ")")
            }
        }
    }
}

impl<W: Write> FormatWriter for Subtitles<'_, W> {
    fn begin(&mut self) -> io::Result<()> {
        if self.flavour == Flavour::Vtt { self.out.write_all(webvtt::HEADER.as_bytes()) } else { Ok(()) }
    }

    fn entry(&mut self, found: FoundEntry, _thumbnail: Option<&[u8]>) -> io::Result<()> {
        let entry = found.entry;
        self.cue(Some(entry.since_ms))?;
        let to = entry.since_ms.saturating_add(entry.duration_ms.max(AT_LEAST_MS));
        self.waiting = Some((entry.since_ms, to, self.line(&entry.text)));
        Ok(())
    }

    fn end(&mut self) -> io::Result<()> {
        self.cue(None)
    }
}

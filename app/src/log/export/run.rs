//! From a log to a file format: which entries, in which order, with which sessions before them.

use std::io::Write;
use std::ops::ControlFlow;

use crate::log::data::entry::EntryKind;
use crate::log::data::filter::{EntryFilter, Filter};
use crate::log::error::LogError;
use crate::log::export::error::ExportError;
use crate::log::export::format::{Format, FormatWriter};
use crate::log::export::{csv, html, jsonl, markdown, subtitles};
use crate::log::store::Store;

const BYTE_ORDER_MARK: &str = "\u{FEFF}";

/// What is exported, and how.
#[derive(Clone, Debug)]
pub struct Export {
    /// The format.
    pub format: Format,
    /// Which entries.
    pub filter: Filter,
    /// Whether JSONL has the thumbnails in it. HTML always has.
    pub thumbnails: bool,
    /// Whether the file begins with a byte order mark, without which some programs of Windows take
    /// UTF-8 for something else.
    pub byte_order_mark: bool,
}

impl Export {
    /// Writes everything that the filter lets through. Returns how many entries these are.
    ///
    /// # Errors
    /// When the log can't be read or `out` can't be written, or when subtitles are wanted of
    /// several sessions.
    pub fn write(&self, store: &Store, out: &mut impl Write) -> Result<u64, ExportError> {
        self.write_with(store, out, &mut |_| ControlFlow::Continue(()))
    }

    /// The same; `progress` is told how many entries are written, and may end it.
    pub(super) fn write_with(
        &self,
        store: &Store,
        out: &mut impl Write,
        progress: &mut dyn FnMut(u64) -> ControlFlow<()>,
    ) -> Result<u64, ExportError> {
        let export = self.narrowed(store)?;
        if self.byte_order_mark {
            out.write_all(BYTE_ORDER_MARK.as_bytes())?;
        }
        match self.format {
            Format::Jsonl => export.run(store, jsonl::Jsonl::new(out, self.thumbnails), progress),
            Format::Csv => export.run(store, csv::Csv::new(out), progress),
            Format::Md => export.run(store, markdown::Markdown::new(out), progress),
            Format::Html => export.run(store, html::Html::new(out), progress),
            Format::Srt => export.run(store, subtitles::Subtitles::srt(out), progress),
            Format::Vtt => export.run(store, subtitles::Subtitles::vtt(out), progress),
        }
    }

    /// What the format can hold of it: subtitles are captions, and their times are those of one
    /// session.
    pub(super) fn narrowed(&self, store: &Store) -> Result<Self, LogError> {
        let mut only = self.clone();
        if !self.format.is_subtitles() {
            return Ok(only);
        }
        if only.filter.kinds.is_empty() {
            only.filter.kinds = vec![EntryFilter::Of(EntryKind::Caption)];
        }
        let sessions = store.sessions(&only.filter)?;
        if sessions.len() > 1 {
            let ids: Vec<_> = sessions.iter().map(|session| session.id.to_string()).collect();
            return Err(LogError::request(
                format!("Subtitles run from the start of one session, and these captions are of {}.", ids.len()),
                &format!("Choose one with --session: {}.", ids.join(", ")),
            ));
        }
        Ok(only)
    }

    fn run(
        &self,
        store: &Store,
        mut writer: impl FormatWriter,
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

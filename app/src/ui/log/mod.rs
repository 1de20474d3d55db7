//! The Log panel: a live list of what was recorded, with search, a timeline and each entry large.
//! It shows what the log's reader thread tells and gives it orders; it reads no file itself and
//! holds only what is on screen and a little more.

pub(super) mod cache;
mod entry;
mod export;
mod panel;
mod row;
mod rows;
mod similar;
mod timeline;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use egui::{Context, Frame, Id, Key, Margin, Panel, Ui};

use crate::live::Waker;
use crate::log::export::Format;
use crate::log::{EntryFilter, EntryKind, Filter, LogError, OpenEmbedder, Reader, ReaderNews, ReaderOrder, no_folder};
use crate::ui::log::cache::Cache;
use crate::ui::log::entry::{Detail, EntryAction};
use crate::ui::log::export::ExportDialog;
use crate::ui::log::rows::Scroll;
use crate::ui::log::similar::Similar;
use crate::ui::log::timeline::{PARTS, Timeline, TimelineAction};
use crate::ui::{Clock, theme};

/// How often the timeline is read again while the log grows.
const MARKS_EVERY: Duration = Duration::from_secs(3);

/// What the panel wants of the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogAction {
    /// The desktop's dialog, for the file of an export.
    SaveAs(Format),
    /// To record.
    Record,
    /// To record whenever the window opens, or no longer.
    AlwaysRecord(bool),
}

/// What sort of entries the list shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Shown {
    #[default]
    All,
    Captions,
    Answers,
    Events,
    Bookmarks,
    Notes,
}

impl Shown {
    const ALL: [(Self, &'static str); 6] = [
        (Self::All, "All"),
        (Self::Captions, "Captions"),
        (Self::Answers, "Answers"),
        (Self::Events, "Events"),
        (Self::Bookmarks, "Bookmarks"),
        (Self::Notes, "Notes"),
    ];

    fn kinds(self) -> Vec<EntryFilter> {
        match self {
            Self::All => Vec::new(),
            Self::Captions => vec![EntryFilter::Of(EntryKind::Caption)],
            Self::Answers => vec![EntryFilter::Of(EntryKind::Answer)],
            Self::Events => vec![EntryFilter::Of(EntryKind::Event), EntryFilter::Of(EntryKind::NearMiss)],
            Self::Bookmarks => vec![EntryFilter::Bookmarked],
            Self::Notes => vec![EntryFilter::Noted],
        }
    }
}

/// The panel.
pub struct LogPanel {
    path: Option<PathBuf>,
    embedder: OpenEmbedder,
    clock: Clock,
    wake: Waker,
    /// There once the panel was opened.
    reader: Option<Reader>,
    is_open: bool,
    wants_focus: bool,
    search: String,
    shown: Shown,
    /// The number of the list that was asked for.
    list: u64,
    /// It has not come yet: what is shown is the one before.
    is_waiting: bool,
    /// The rows of the list that is shown.
    rows: Option<u64>,
    cache: Cache,
    scroll: Scroll,
    /// The chosen row, counted from the oldest.
    chosen: Option<u64>,
    detail: Option<Detail>,
    /// The entry that was deleted last and can be put back.
    deleted: Option<i64>,
    /// The entry that was put back and is yet to be found in the list.
    restored: Option<i64>,
    trouble: Option<LogError>,
    timeline: Timeline,
    marks_asked: Option<Instant>,
    export: ExportDialog,
}

impl LogPanel {
    /// A closed panel of the log at `path`, which is searched by meaning as far as there is an
    /// embedder, and whose times are told by `clock`. `wake` is called when there is news for it.
    pub fn new(path: Option<PathBuf>, embedder: OpenEmbedder, clock: Clock, wake: Waker) -> Self {
        Self {
            path,
            embedder,
            clock,
            wake,
            reader: None,
            is_open: false,
            wants_focus: false,
            search: String::new(),
            shown: Shown::All,
            list: 0,
            is_waiting: false,
            rows: None,
            cache: Cache::default(),
            scroll: Scroll::default(),
            chosen: None,
            detail: None,
            deleted: None,
            restored: None,
            trouble: None,
            timeline: Timeline::new(clock),
            marks_asked: None,
            export: ExportDialog::default(),
        }
    }

    /// Whether it is open.
    pub fn is_open(&self) -> bool {
        self.is_open
    }

    /// Whether a dialog stands before everything else.
    pub fn has_dialog(&self) -> bool {
        self.export.is_open()
    }

    /// Whether an entry is shown large, in place of the live picture.
    pub fn shows_entry(&self) -> bool {
        self.is_open && self.detail.is_some()
    }

    /// Opens or closes it.
    pub fn set_open(&mut self, open: bool) {
        self.is_open = open;
        if open && self.reader.is_none() {
            self.begin();
        }
        if let Some(reader) = &self.reader
            && !reader.order(ReaderOrder::Watch(open))
        {
            tracing::warn!("the log's reader is too busy to look for changes");
        }
        if !open {
            self.detail = None;
            self.deleted = None;
        }
        self.wants_focus = open;
    }

    fn begin(&mut self) {
        let Some(path) = self.path.clone() else {
            self.trouble = Some(no_folder());
            return;
        };
        match Reader::start_with(path, Arc::clone(&self.embedder), Arc::clone(&self.wake)) {
            Ok(reader) => self.reader = Some(reader),
            Err(error) => self.trouble = Some(error),
        }
        self.relist();
    }

    fn filter(&self) -> Filter {
        // Until there is a letter, there is nothing to search for.
        let words = Some(self.search.trim().to_owned()).filter(|words| words.chars().any(char::is_alphanumeric));
        Filter { kinds: self.shown.kinds(), words, ..Filter::default() }
    }

    /// Wants the list that search and filter describe.
    fn relist(&mut self) {
        let filter = self.filter();
        let Some(reader) = &self.reader else { return };
        self.list = reader.list(filter);
        self.is_waiting = true;
        self.chosen = None;
        if let Some(detail) = &mut self.detail {
            // What was under way is given up for the new list.
            detail.similar = Similar::NotAsked;
        }
        self.timeline.is_stale = true;
        self.marks_asked = None;
    }

    /// From now on there is an embedder: a search in hand is made anew.
    pub fn finds_by_meaning(&mut self) {
        if self.reader.is_some() && !self.search.is_empty() {
            self.relist();
        }
    }

    /// Takes in what the reader and an export tell.
    pub fn catch_up(&mut self, ctx: &Context) {
        self.export.catch_up();
        while let Some(news) = self.reader.as_ref().and_then(Reader::news) {
            self.apply(ctx, news);
        }
    }

    fn apply(&mut self, ctx: &Context, news: ReaderNews) {
        match news {
            ReaderNews::Listed { list, rows } if list == self.list => {
                self.trouble = None;
                self.timeline.is_stale = true;
                if std::mem::take(&mut self.is_waiting) {
                    self.cache.clear();
                    self.scroll.go_to_newest();
                } else {
                    self.cache.grow_stale();
                    self.scroll.grown(rows.saturating_sub(self.rows.unwrap_or(rows)));
                }
                if let Some(id) = self.detail.as_ref().map(|detail| detail.id).filter(|id| *id != 0) {
                    self.order(ReaderOrder::Entry(id));
                }
                self.rows = Some(rows);
                self.chosen = self.chosen.filter(|_| rows > 0).map(|row| row.min(rows - 1));
            }
            ReaderNews::Page { list, page, entries } if list == self.list && !self.is_waiting => {
                self.cache.put_page(page, entries);
            }
            ReaderNews::Thumbnail(id, picture) => self.cache.put_picture(ctx, id, picture.as_ref()),
            ReaderNews::Entry(id, told) => {
                if let Some(detail) = self.detail.as_mut().filter(|detail| detail.id == id) {
                    match told {
                        Some(told) => {
                            let at_ms = told.0.entry.at.ms;
                            if self.timeline.choose(at_ms) {
                                self.marks_asked = None;
                            }
                            detail.set(told);
                            if self.restored.take() == Some(id) {
                                self.order(ReaderOrder::RowAt(at_ms));
                            }
                        }
                        None => self.detail = None,
                    }
                }
            }
            ReaderNews::Marks { list, from_ms, marks } if list == self.list => self.timeline.set_marks(from_ms, marks),
            ReaderNews::Row { list, row: Some(row) } if list == self.list => {
                self.choose(row);
                self.scroll.centre(self.flipped(row));
                // It is shown once its page is here.
                self.detail.get_or_insert_with(|| Detail::new(0));
            }
            ReaderNews::Deleted(id) => {
                self.deleted = Some(id);
                // Its number may be given to another entry.
                self.cache.forget(id);
                if self.detail.as_ref().is_some_and(|detail| detail.id == id) {
                    self.go_on_from_deleted();
                }
            }
            ReaderNews::Restored(id) => {
                self.deleted = None;
                self.cache.forget(id);
                self.open(id);
            }
            ReaderNews::Similar(id, found) => {
                if let Some(detail) = self.detail.as_mut().filter(|detail| detail.id == id) {
                    detail.similar = found.map_or(Similar::NotKept, Similar::Found);
                }
            }
            ReaderNews::Trouble(error) => {
                self.cache.grow_stale();
                self.trouble = Some(error);
            }
            // Of a list that is no longer wanted, or never asked for here.
            ReaderNews::Listed { .. }
            | ReaderNews::Page { .. }
            | ReaderNews::Marks { .. }
            | ReaderNews::Row { .. }
            | ReaderNews::Ticks(..) => {}
        }
    }

    /// Shows an entry; its row is known once it was read.
    fn open(&mut self, id: i64) {
        (self.chosen, self.restored) = (None, Some(id));
        self.detail = Some(Detail::new(id));
        self.order(ReaderOrder::Entry(id));
    }

    /// A row counted from the newest, given from the oldest, and the other way round.
    fn flipped(&self, row: u64) -> u64 {
        self.rows.unwrap_or(0).saturating_sub(1).saturating_sub(row)
    }

    /// The entry that is shown was deleted: shows the next one of the list.
    fn go_on_from_deleted(&mut self) {
        self.detail = match (self.chosen, self.rows) {
            (Some(row), Some(rows)) if rows > 1 => {
                // The older one has its row already. Of the oldest, the newer one moves there.
                if row == 0 {
                    self.cache.clear();
                }
                self.choose(row.saturating_sub(1));
                Some(Detail::new(0))
            }
            _ => None,
        };
    }

    /// Puts back what was deleted last. Says whether anything was.
    pub fn undo(&mut self) -> bool {
        let can_undo = self.is_open && self.deleted.is_some();
        if can_undo {
            self.order(ReaderOrder::Undo);
        }
        can_undo
    }

    fn choose(&mut self, row: u64) {
        self.chosen = Some(row);
        self.scroll.reveal(self.flipped(row));
    }

    /// Moves the choice by so many rows towards older ones.
    fn move_by(&mut self, by: i64) {
        let Some(last) = self.rows.and_then(|rows| rows.checked_sub(1)) else { return };
        let here = self.chosen.map_or(-1, |row| self.flipped(row) as i64);
        let there = here.saturating_add(by).clamp(0, last as i64);
        self.choose(self.flipped(there as u64));
    }

    fn order(&mut self, order: ReaderOrder) {
        if let Some(reader) = &self.reader
            && !reader.order(order)
        {
            self.trouble =
                Some(LogError::request("The disk of the caption log is too busy.", "Try again in a moment."));
        }
    }

    /// Carries out what the keys say, unless words are being typed.
    pub fn take_keys(&mut self, ui: &Ui) {
        if !self.is_open {
            return;
        }
        if ui.input(|input| input.modifiers.command && input.key_pressed(Key::F)) {
            self.wants_focus = true;
        }
        let is_busy = ui.ctx().text_edit_focused() || egui::Popup::is_any_open(ui.ctx()) || self.has_dialog();
        if is_busy || self.detail.is_none() {
            return;
        }
        let pressed = |key: Key| ui.input(|input| input.key_pressed(key));
        let in_list = ui.memory(|memory| memory.focused().is_some());
        let wanted = if pressed(Key::Escape) {
            Some(EntryAction::Close)
        } else if pressed(Key::Delete) {
            Some(EntryAction::Delete)
        } else if pressed(Key::B) {
            self.detail.as_ref().map(|detail| EntryAction::Bookmark(!detail.is_bookmarked()))
        } else if ui.input(|input| input.key_pressed(Key::C) && input.modifiers.is_none()) {
            self.detail.as_ref().and_then(Detail::words).map(EntryAction::Copy)
        } else if pressed(Key::ArrowDown) && !in_list {
            Some(EntryAction::Older)
        } else if pressed(Key::ArrowUp) && !in_list {
            Some(EntryAction::Newer)
        } else {
            None
        };
        if let Some(action) = wanted {
            self.carry_out(ui.ctx(), action);
        }
    }

    fn carry_out(&mut self, ctx: &Context, action: EntryAction) {
        let Some(id) = self.detail.as_ref().map(|detail| detail.id) else { return };
        // One that is not read yet has no number.
        if id == 0 && !matches!(action, EntryAction::Close | EntryAction::Newer | EntryAction::Older) {
            return;
        }
        match action {
            EntryAction::Close => self.detail = None,
            EntryAction::Newer => self.move_by(-1),
            EntryAction::Older => self.move_by(1),
            EntryAction::Copy(words) => ctx.copy_text(words),
            EntryAction::Bookmark(on) => self.order(ReaderOrder::Bookmark(id, on)),
            EntryAction::Note(note) => self.order(ReaderOrder::Note(id, Some(note).filter(|note| !note.is_empty()))),
            EntryAction::Similar => {
                self.order(ReaderOrder::Similar(id, similar::MOST));
                if let Some(detail) = &mut self.detail {
                    detail.similar = Similar::Asked;
                }
            }
            EntryAction::Open(other) => self.open(other),
            EntryAction::Delete => self.order(ReaderOrder::Delete(id)),
        }
    }

    /// Asks for the chosen entry and for the day's marks, where they are not here.
    fn ask(&mut self, ui: &Ui) {
        let Some(reader) = &self.reader else { return };
        if let (Some(detail), Some(row)) = (&mut self.detail, self.chosen)
            && !self.is_waiting
            && let Some(found) = self.cache.entry(Some(reader), row)
            && found.entry.id != detail.id
            && reader.order(ReaderOrder::Entry(found.entry.id))
        {
            *detail = Detail::new(found.entry.id);
        }
        if self.timeline.is_stale && !self.is_waiting && self.rows.is_some() {
            let wait = self.marks_asked.map_or(Duration::ZERO, |asked| MARKS_EVERY.saturating_sub(asked.elapsed()));
            if let Some((from_ms, to_ms)) = self.timeline.span()
                && wait.is_zero()
                && reader.order(ReaderOrder::Marks { from_ms, to_ms, parts: PARTS })
            {
                self.timeline.is_stale = false;
                self.marks_asked = Some(Instant::now());
            } else {
                ui.ctx().request_repaint_after(wait.max(Duration::from_millis(50)));
            }
        }
    }

    /// How many small pictures are held.
    #[cfg(test)]
    pub fn pictures(&self) -> usize {
        self.cache.held().1
    }

    /// Draws the timeline, above the question box.
    pub fn show_timeline(&mut self, ui: &mut Ui) {
        if !self.is_open {
            return;
        }
        let frame = Frame::new().fill(theme::palette(ui.visuals()).panel).inner_margin(timeline::MARGIN);
        let shown =
            Panel::bottom("timeline").frame(frame).show_separator_line(false).show(ui, |ui| self.timeline.show(ui));
        match shown.inner {
            Some(TimelineAction::Go(at_ms)) => self.order(ReaderOrder::RowAt(at_ms)),
            Some(TimelineAction::Day) => self.marks_asked = None,
            None => {}
        }
    }

    /// Draws the chosen entry large.
    pub fn show_entry(&mut self, ui: &mut Ui) {
        let (cache, reader) = (&mut self.cache, self.reader.as_ref());
        let mut picture = |entry: i64| reader.and_then(|reader| cache.picture(reader, entry));
        let Some(detail) = &mut self.detail else { return };
        let frame = Frame::new().fill(theme::palette(ui.visuals()).panel).inner_margin(Margin::same(16));
        let action = frame.show(ui, |ui| detail.show(ui, &mut picture)).inner;
        if let Some(action) = action {
            self.carry_out(ui.ctx(), action);
        }
    }

    /// The desktop's dialog gave the export its file.
    pub fn export_to(&mut self, to: PathBuf) {
        if let Some(path) = self.path.as_deref().map(Path::to_owned) {
            self.export.begin(&path, to, Arc::clone(&self.wake));
        }
    }
}

fn list_id() -> Id {
    Id::unique("log list")
}

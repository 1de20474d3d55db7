//! The Log panel: a live list of what was recorded, with search, a timeline and each entry large. It shows what the log's
//! reader thread tells and gives it orders; it reads no file itself and holds only what is on screen and a little more.

mod cache;
mod entry;
mod export;
mod row;
mod rows;
mod timeline;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use egui::accesskit::{Live, Role};
use egui::{Align, Button, Context, Frame, Id, Key, Label, Layout, Margin, Panel, RichText, TextEdit, Ui, WidgetInfo};

use super::icon::{self, Icon, Look};
use super::{theme, wording};
use crate::log::export::Format;
use crate::log::{Filter, Kind, LogError, News, Order, Reader, Sort};
use crate::pipeline::Waker;
use cache::Cache;
use entry::{Detail, EntryAction};
use export::{ExportDialog, Parts};
use rows::Scroll;
use timeline::{PARTS, Timeline, TimelineAction};

pub use export::extension;

/// The width of the panel, in points.
const WIDTH: f32 = 400.0;
/// The accessible name of the search box.
const SEARCH: &str = "Search the log";
/// How often the timeline is read again while the log grows.
const MARKS_EVERY: Duration = Duration::from_secs(3);

/// What the panel wants of the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogAction {
    /// The desktop's dialog, for the file of an export.
    SaveAs(Format),
    /// To record.
    Record,
}

/// What sort of entries the list shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Shown {
    #[default]
    All,
    Captions,
    Answers,
    Bookmarks,
    Notes,
}

impl Shown {
    const ALL: [(Self, &'static str); 5] = [
        (Self::All, "All"),
        (Self::Captions, "Captions"),
        (Self::Answers, "Answers"),
        (Self::Bookmarks, "Bookmarks"),
        (Self::Notes, "Notes"),
    ];

    fn sorts(self) -> Vec<Sort> {
        match self {
            Self::All => Vec::new(),
            Self::Captions => vec![Sort::Of(Kind::Caption)],
            Self::Answers => vec![Sort::Of(Kind::Answer)],
            Self::Bookmarks => vec![Sort::Bookmarked],
            Self::Notes => vec![Sort::Noted],
        }
    }
}

/// The panel.
pub struct LogPanel {
    path: Option<PathBuf>,
    wake: Waker,
    /// There once the panel was opened.
    reader: Option<Reader>,
    is_open: bool,
    wants_focus: bool,
    search: String,
    shown: Shown,
    /// The number of the list that was asked for, and its rows once it came.
    list: u64,
    rows: Option<u64>,
    cache: Cache,
    scroll: Scroll,
    /// The chosen row, counted from the oldest.
    chosen: Option<u64>,
    detail: Option<Detail>,
    /// An entry was deleted and can be put back.
    can_undo: bool,
    trouble: Option<LogError>,
    timeline: Timeline,
    marks_asked: Option<Instant>,
    export: ExportDialog,
}

impl LogPanel {
    /// A closed panel of the log at `path`. `wake` is called when there is news for it.
    pub fn new(path: Option<PathBuf>, wake: Waker) -> Self {
        Self {
            path,
            wake,
            reader: None,
            is_open: false,
            wants_focus: false,
            search: String::new(),
            shown: Shown::All,
            list: 0,
            rows: None,
            cache: Cache::default(),
            scroll: Scroll::default(),
            chosen: None,
            detail: None,
            can_undo: false,
            trouble: None,
            timeline: Timeline::new(),
            marks_asked: None,
            export: ExportDialog::default(),
        }
    }

    /// Whether it is open.
    pub fn is_open(&self) -> bool {
        self.is_open
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
            && !reader.order(Order::Watch(open))
        {
            tracing::warn!("the log's reader is too busy to look for changes");
        }
        if !open {
            self.detail = None;
            self.can_undo = false;
        }
        self.wants_focus = open;
    }

    fn begin(&mut self) {
        let Some(path) = self.path.clone() else {
            let sentence = "The system knows no folder for your data. Start Sightline with --log FILE to name one.";
            self.trouble = Some(LogError::Request(sentence.to_owned()));
            return;
        };
        match Reader::start(path, Arc::clone(&self.wake)) {
            Ok(reader) => self.reader = Some(reader),
            Err(error) => self.trouble = Some(error),
        }
        self.relist();
    }

    fn filter(&self) -> Filter {
        // Until there is a letter, there is nothing to search for.
        let words = Some(self.search.trim().to_owned()).filter(|words| words.chars().any(char::is_alphanumeric));
        Filter { sorts: self.shown.sorts(), words, ..Filter::default() }
    }

    /// Wants the list that search and filter describe.
    fn relist(&mut self) {
        let filter = self.filter();
        let Some(reader) = &self.reader else { return };
        self.list = reader.list(filter);
        self.rows = None;
        self.chosen = None;
        self.cache.clear();
        self.scroll.to_newest();
        self.timeline.is_stale = true;
        self.marks_asked = None;
    }

    /// Takes in what the reader and an export tell.
    pub fn catch_up(&mut self, ctx: &Context) {
        self.export.catch_up();
        while let Some(news) = self.reader.as_ref().and_then(Reader::news) {
            self.apply(ctx, news);
        }
    }

    fn apply(&mut self, ctx: &Context, news: News) {
        match news {
            News::Listed { list, rows } if list == self.list => {
                self.trouble = None;
                self.cache.grow_stale();
                self.timeline.is_stale = true;
                if let Some(before) = self.rows {
                    self.scroll.grown(rows.saturating_sub(before));
                }
                self.rows = Some(rows);
                self.chosen = self.chosen.filter(|_| rows > 0).map(|row| row.min(rows - 1));
            }
            News::Page { list, page, entries } if list == self.list => self.cache.put_page(page, entries),
            News::Thumbnail(id, picture) => self.cache.put_picture(ctx, id, picture.as_ref()),
            News::Entry(id, told) => {
                if let Some(detail) = self.detail.as_mut().filter(|detail| detail.id == id) {
                    match told {
                        Some(told) => {
                            if self.timeline.choose(told.0.entry.at.ms) {
                                self.marks_asked = None;
                            }
                            detail.set(told);
                        }
                        None => self.detail = None,
                    }
                }
            }
            News::Marks { list, from_ms, marks } if list == self.list => self.timeline.set_marks(from_ms, marks),
            News::Row { list, row: Some(row) } if list == self.list => {
                self.choose(row);
                self.scroll.centre(self.from_newest(row));
                // It is shown once its page is here.
                self.detail.get_or_insert_with(|| Detail::new(0));
            }
            News::Deleted(id) => {
                self.can_undo = true;
                if self.detail.as_ref().is_some_and(|detail| detail.id == id) {
                    self.detail = None;
                }
            }
            News::Restored(_) => self.can_undo = false,
            News::Trouble(error) => {
                self.cache.grow_stale();
                self.trouble = Some(error);
            }
            // Of a list that is no longer wanted.
            News::Listed { .. } | News::Page { .. } | News::Marks { .. } | News::Row { .. } => {}
        }
    }

    /// A row counted from the newest, given from the oldest, and the other way round.
    fn from_newest(&self, row: u64) -> u64 {
        self.rows.unwrap_or(0).saturating_sub(1).saturating_sub(row)
    }

    fn choose(&mut self, row: u64) {
        self.chosen = Some(row);
        self.scroll.reveal(self.from_newest(row));
    }

    /// Moves the choice by so many rows towards older ones.
    fn move_by(&mut self, by: i64) {
        let Some(last) = self.rows.and_then(|rows| rows.checked_sub(1)) else { return };
        let here = self.chosen.map_or(-1, |row| self.from_newest(row) as i64);
        let there = here.saturating_add(by).clamp(0, last as i64);
        self.choose(self.from_newest(there as u64));
    }

    fn order(&mut self, order: Order) {
        if let Some(reader) = &self.reader
            && !reader.order(order)
        {
            let sentence = "The disk of the caption log is too busy. Try again in a moment.";
            self.trouble = Some(LogError::Request(sentence.to_owned()));
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
        if ui.ctx().text_edit_focused() || egui::Popup::is_any_open(ui.ctx()) || self.detail.is_none() {
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
        match action {
            EntryAction::Close => self.detail = None,
            EntryAction::Newer => self.move_by(-1),
            EntryAction::Older => self.move_by(1),
            EntryAction::Copy(words) => ctx.copy_text(words),
            EntryAction::Bookmark(on) => self.order(Order::Bookmark(id, on)),
            EntryAction::Note(note) => self.order(Order::Note(id, note)),
            EntryAction::Delete => self.order(Order::Delete(id)),
        }
    }

    /// Asks for the chosen entry and for the day's marks, where they are not here.
    fn ask(&mut self, ui: &Ui) {
        let Some(reader) = &self.reader else { return };
        if let (Some(detail), Some(row)) = (&mut self.detail, self.chosen)
            && let Some(found) = self.cache.entry(reader, row)
            && found.entry.id != detail.id
            && reader.order(Order::Entry(found.entry.id))
        {
            *detail = Detail::new(found.entry.id);
        }
        if self.timeline.is_stale && self.rows.is_some() {
            let wait = self.marks_asked.map_or(Duration::ZERO, |asked| MARKS_EVERY.saturating_sub(asked.elapsed()));
            if let Some((from_ms, to_ms)) = self.timeline.span()
                && wait.is_zero()
                && reader.order(Order::Marks { from_ms, to_ms, parts: PARTS })
            {
                self.timeline.is_stale = false;
                self.marks_asked = Some(Instant::now());
            } else {
                ui.ctx().request_repaint_after(wait.max(Duration::from_millis(50)));
            }
        }
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
            Some(TimelineAction::Go(at_ms)) => self.order(Order::RowAt(at_ms)),
            Some(TimelineAction::Day) => self.marks_asked = None,
            None => {}
        }
    }

    /// Draws the panel at the right, if it is open, and the export dialog.
    pub fn show_panel(&mut self, ui: &mut Ui, is_recording: bool) -> Option<LogAction> {
        let wanted = self.export.show(ui).map(LogAction::SaveAs);
        if !self.is_open {
            return wanted;
        }
        self.ask(ui);
        let frame = Frame::new().fill(theme::palette(ui.visuals()).panel).inner_margin(Margin::same(12));
        let panel = Panel::right("log").frame(frame).default_size(WIDTH).size_range(300.0..=640.0);
        let inner = panel.show(ui, |ui| {
            self.heading(ui);
            self.search_box(ui);
            self.kinds(ui);
            let wanted = self.remarks(ui, is_recording);
            self.list(ui);
            wanted
        });
        wanted.or(inner.inner)
    }

    fn heading(&mut self, ui: &mut Ui) {
        ui.horizontal(|ui| {
            ui.heading("Log");
            if let Some(rows) = self.rows {
                let what = if self.filter() == Filter::default() { "" } else { " found" };
                ui.label(RichText::new(format!("{}{what}", wording::entries(rows))).small().weak());
            }
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                if icon::button(ui, Icon::Close, Look::Quiet, true, "Close log", "Close the log (L)").clicked() {
                    self.set_open(false);
                }
                let can_export = self.rows.is_some_and(|rows| rows > 0);
                let hint = "Write the log to a file for other programs";
                if icon::button(ui, Icon::Export, Look::Quiet, can_export, "Export…", hint).clicked() && can_export {
                    let parts = self.parts();
                    self.export.open(parts);
                }
            });
        });
    }

    fn parts(&mut self) -> Parts {
        let filter = self.filter();
        let newest = self.rows.and_then(|rows| rows.checked_sub(1));
        let row = self.chosen.or(newest);
        let session = self.reader.as_ref().zip(row).and_then(|(reader, row)| {
            self.cache
                .entry(reader, row)
                .map(|found| Filter { session: Some(found.entry.session), ..Filter::default() })
        });
        let day = self.timeline.span().map(|(from, to)| Filter {
            since_ms: Some(from),
            until_ms: Some(to),
            ..Filter::default()
        });
        Parts { listed: Some(filter).filter(|filter| *filter != Filter::default()), day, session }
    }

    fn search_box(&mut self, ui: &mut Ui) {
        let id = Id::unique("log search");
        let hint = RichText::new("Search…  \"a phrase\"  begin*  NOT").color(theme::palette(ui.visuals()).weak);
        let field = TextEdit::singleline(&mut self.search).id(id).hint_text(hint).desired_width(f32::INFINITY);
        let response = ui.add(field.margin(Margin::symmetric(10, 8)));
        ui.ctx().accesskit_node_builder(id, |node| node.set_label(SEARCH));
        if std::mem::take(&mut self.wants_focus) {
            response.request_focus();
        }
        if response.changed() {
            self.relist();
        }
        if response.has_focus() && ui.input(|input| input.key_pressed(Key::ArrowDown)) {
            ui.memory_mut(|memory| memory.request_focus(list_id()));
            self.move_by(1);
        }
    }

    fn kinds(&mut self, ui: &mut Ui) {
        let mut wanted = None;
        ui.horizontal_wrapped(|ui| {
            ui.spacing_mut().item_spacing.x = theme::GRID;
            ui.spacing_mut().button_padding = egui::vec2(2.0 * theme::GRID, 0.5 * theme::GRID);
            ui.spacing_mut().interact_size.y = 6.0 * theme::GRID;
            for (shown, name) in Shown::ALL {
                let chip = Button::selectable(self.shown == shown, RichText::new(name).size(13.0));
                if ui.add(chip).clicked() && self.shown != shown {
                    wanted = Some(shown);
                }
            }
        });
        if let Some(shown) = wanted {
            self.shown = shown;
            self.relist();
        }
    }

    /// What is to be said besides the list: trouble, what was deleted, and that there is nothing.
    fn remarks(&mut self, ui: &mut Ui, is_recording: bool) -> Option<LogAction> {
        let mut wanted = None;
        let colours = theme::palette(ui.visuals());
        match &self.trouble {
            // Nothing was ever recorded: no mistake of anyone's.
            Some(LogError::Missing(_)) => {}
            Some(error) => {
                let message = error.to_string();
                let response = ui.add(Label::new(RichText::new(&message).color(colours.warning)).wrap());
                response.widget_info(|| WidgetInfo::labeled(Role::Alert, true, &message));
            }
            None => {}
        }
        if self.can_undo {
            ui.horizontal(|ui| {
                let said = ui.label("Deleted.");
                ui.ctx().accesskit_node_builder(said.id, |node| node.set_live(Live::Polite));
                if ui.button("Undo").on_hover_text("Put the entry back").clicked() {
                    self.order(Order::Undo);
                }
                if icon::button(ui, Icon::Close, Look::Quiet, true, "Keep deleted", "It stays deleted").clicked() {
                    self.can_undo = false;
                }
            });
        }
        let is_missing = matches!(self.trouble, Some(LogError::Missing(_)));
        let is_unfiltered = self.filter() == Filter::default();
        if self.rows == Some(0) && !is_unfiltered {
            ui.label(RichText::new("Nothing was found. Try fewer words, or another kind above.").weak());
        } else if (self.rows == Some(0) || is_missing) && is_recording {
            ui.label(RichText::new("Recording. The first caption will stand here.").weak());
        } else if self.rows == Some(0) || is_missing {
            ui.label(
                RichText::new("Nothing was recorded yet. Captions and answers that you record stand here.").weak(),
            );
            if ui.button("Record (R)").clicked() {
                wanted = Some(LogAction::Record);
            }
        } else if self.rows.is_none() && self.trouble.is_none() {
            ui.label(RichText::new("Searching…").weak());
        }
        wanted
    }

    fn list(&mut self, ui: &mut Ui) {
        let (Some(rows), Some(reader)) = (self.rows.filter(|rows| *rows > 0), &self.reader) else { return };
        let (cache, chosen, today) = (&mut self.cache, self.chosen, jiff::ZonedDateTime::now().date());
        let mut draw = |ui: &mut Ui, from_newest: u64, place: egui::Rect, response: &egui::Response| {
            let row = rows - 1 - from_newest;
            let found = cache.entry(reader, row).cloned();
            let picture = found.as_ref().and_then(|found| cache.picture(reader, found.entry.id));
            row::draw(ui, place, response, found.as_ref(), picture.as_ref(), chosen == Some(row), today);
        };
        let listed = rows::show(ui, list_id(), &mut self.scroll, rows, &mut draw);
        if let Some(clicked) = listed.clicked {
            self.choose(self.from_newest(clicked));
            self.detail.get_or_insert_with(|| Detail::new(0));
        }
        if listed.moved != 0 {
            self.move_by(listed.moved);
        }
        if listed.opened && self.chosen.is_some() {
            self.detail.get_or_insert_with(|| Detail::new(0));
        }
    }

    /// Draws the chosen entry large.
    pub fn show_entry(&mut self, ui: &mut Ui) {
        let picture = match (&self.detail, &self.reader) {
            (Some(detail), Some(reader)) if detail.id != 0 => self.cache.picture(reader, detail.id),
            _ => None,
        };
        let Some(detail) = &mut self.detail else { return };
        let frame = Frame::new().fill(theme::palette(ui.visuals()).panel).inner_margin(Margin::same(16));
        let action = frame.show(ui, |ui| detail.show(ui, picture.as_ref())).inner;
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

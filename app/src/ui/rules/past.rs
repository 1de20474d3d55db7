//! What rules had to tell before, as the log has it, with what the user says of it. It shows what
//! the log's reader thread tells; it reads no file itself.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use egui::accesskit::Role;
use egui::{Align, Button, Context, Image, Label, Layout, RichText, Ui, Vec2, WidgetInfo, vec2};

use crate::base::text;
use crate::live::Waker;
use crate::log::{EntryFilter, EntryKind, Filter, FoundEntry, Reader, ReaderNews, ReaderOrder};
use crate::rules::calibrate::Tick;
use crate::ui::log::cache::Cache;
use crate::ui::theme;

/// The most that are shown, newest first.
const MOST: u64 = 60;
/// The size of a small picture, in points.
const PICTURE: Vec2 = vec2(22.0 * theme::GRID, 12.5 * theme::GRID);

/// See the module.
pub struct Past {
    path: Option<PathBuf>,
    wake: Waker,
    reader: Option<Reader>,
    list: u64,
    rows: u64,
    cache: Cache,
    /// The ticks of sentences, each with its model.
    ticks: BTreeMap<String, Vec<(String, Tick)>>,
    asked: Option<String>,
    /// Sentences of which an event was ticked just now.
    ticked: Vec<String>,
    has_failed: bool,
}

impl Past {
    /// Nothing is read of the log at `path` before it is opened.
    pub fn new(path: Option<PathBuf>, wake: Waker) -> Self {
        Self {
            path,
            wake,
            reader: None,
            list: 0,
            rows: 0,
            cache: Cache::default(),
            ticks: BTreeMap::new(),
            asked: None,
            ticked: Vec::new(),
            has_failed: false,
        }
    }

    /// Reads from now on, or no longer.
    pub fn set_open(&mut self, open: bool) {
        if !open {
            // Its thread ends with it.
            self.reader = None;
            return;
        }
        let Some(path) = self.path.clone().filter(|_| self.reader.is_none()) else { return };
        match Reader::start(path, Arc::clone(&self.wake)) {
            Ok(reader) => {
                let kinds = vec![EntryFilter::Of(EntryKind::Event), EntryFilter::Of(EntryKind::NearMiss)];
                self.list = reader.list(Filter { kinds, ..Filter::default() });
                self.asked = None;
                if !reader.order(ReaderOrder::Watch(true)) {
                    tracing::warn!("the log's reader is too busy to look for changes");
                }
                self.reader = Some(reader);
            }
            Err(error) => {
                tracing::warn!("past events can't be read: {error}");
                self.has_failed = true;
            }
        }
    }

    /// Takes in what the reader tells. Gives the sentences whose ticks the user has changed, with
    /// all of them.
    pub fn catch_up(&mut self, ctx: &Context) -> Vec<(String, Vec<(String, Tick)>)> {
        let mut changed = Vec::new();
        while let Some(news) = self.reader.as_ref().and_then(Reader::news) {
            match news {
                ReaderNews::Listed { list, rows } if list == self.list => {
                    (self.rows, self.has_failed) = (rows, false);
                    self.cache.grow_stale();
                }
                ReaderNews::Page { list, page, entries } if list == self.list => self.cache.put_page(page, entries),
                ReaderNews::Thumbnail(id, picture) => self.cache.put_picture(ctx, id, picture.as_ref()),
                ReaderNews::Ticks(says, ticks) => {
                    if self.ticked.contains(&says) {
                        self.ticked.retain(|ticked| *ticked != says);
                        changed.push((says.clone(), ticks.clone()));
                    }
                    self.ticks.insert(says, ticks);
                }
                ReaderNews::Trouble(error) => {
                    tracing::debug!("past events: {error}");
                    self.has_failed = true;
                }
                _ => {}
            }
        }
        changed
    }

    /// What the user says of a sentence with a model.
    pub fn ticks(&mut self, says: &str, model: &str) -> Vec<Tick> {
        if self.asked.as_deref() != Some(says)
            && self.reader.as_ref().is_some_and(|reader| reader.order(ReaderOrder::Ticks(says.to_owned())))
        {
            self.asked = Some(says.to_owned());
        }
        let known = self.ticks.get(says).map(Vec::as_slice).unwrap_or_default();
        known.iter().filter(|(with, _)| with == model).map(|(_, tick)| *tick).collect()
    }

    /// Draws the newest of all rules, or of one sentence.
    pub fn show(&mut self, ui: &mut Ui, says: Option<&str>) {
        let mut told = None;
        let mut shown = 0;
        for row in (self.rows.saturating_sub(MOST)..self.rows).rev() {
            let Some(found) = self.cache.entry(self.reader.as_ref(), row).cloned() else { continue };
            if says.is_some_and(|says| says != found.entry.text) {
                continue;
            }
            shown += 1;
            let picture = self.reader.as_ref().and_then(|reader| self.cache.picture(reader, found.entry.id));
            ui.horizontal(|ui| {
                match &picture {
                    Some(picture) => {
                        let image = Image::from_texture(picture).fit_to_exact_size(PICTURE).maintain_aspect_ratio(true);
                        ui.add(image.corner_radius(4).alt_text("The view in which it held most strongly"));
                    }
                    None => drop(ui.allocate_space(PICTURE)),
                }
                told = told.take().or(event(ui, &found));
            });
        }
        if shown == 0 {
            let words = if self.has_failed {
                "Nothing of this log can be read yet."
            } else {
                "Nothing was told yet. Record (R) so that events are kept, and say whether they were right."
            };
            ui.add(Label::new(RichText::new(words).small().weak()).wrap());
        }
        let Some((says, id, tick)) = told else { return };
        if self.reader.as_ref().is_some_and(|reader| reader.order(ReaderOrder::Tick(id, tick))) {
            self.ticked.push(says);
        } else {
            tracing::warn!("the disk of the caption log is too busy for a tick");
        }
    }
}

/// Draws an event. Gives what the user says of it now.
fn event(ui: &mut Ui, found: &FoundEntry) -> Option<(String, i64, Option<bool>)> {
    let entry = &found.entry;
    let event = entry.event.as_ref()?;
    let kind = if entry.kind == EntryKind::Event { "" } else { "near miss, " };
    let when = entry.at.civil().strftime("%-d %b %H:%M:%S");
    let details = format!("{when} · {kind}{:.0} % · {}", event.probability * 100.0, text::length(entry.duration_ms));
    let mut told = None;
    ui.vertical(|ui| {
        ui.spacing_mut().item_spacing.y = theme::GRID / 2.0;
        ui.add(Label::new(RichText::new(text::one_line(&event.rule)).size(13.0)).truncate());
        ui.add(Label::new(RichText::new(details).small().weak()).truncate());
        ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
            for (verdict, name) in [(true, "Right"), (false, "Wrong")] {
                let is_chosen = event.tick == Some(verdict);
                let response = ui.add(Button::selectable(is_chosen, RichText::new(name).size(12.0)));
                let label = format!("{name}: {} at {when}", event.rule);
                response.widget_info(|| WidgetInfo::selected(Role::RadioButton, true, is_chosen, &label));
                if response.clicked() {
                    told = Some((entry.text.clone(), entry.id, (!is_chosen).then_some(verdict)));
                }
            }
        });
    });
    told
}

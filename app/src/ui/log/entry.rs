//! One entry large: the frame, its words, its times, and what one can do with it.

use egui::{Grid, Image, Label, Layout, RichText, ScrollArea, TextEdit, TextureHandle, Ui, vec2};

use crate::base::text;
use crate::log::{EntryKind, FoundEntry, Session};
use crate::ui::icon;
use crate::ui::icon::{Icon, Look};
use crate::ui::log::similar::{Similar, SimilarAction};
use crate::ui::{theme, wording};

/// The widest that the words get, in points.
const WIDEST: f32 = 720.0;
/// The largest a small picture is drawn, as a multiple of its own size.
const LARGEST: f32 = 2.0;
/// The part of the height that is the picture's.
const PICTURE: f32 = 0.6;
/// The room of the button that keeps a note, in points.
const SAVE: f32 = 90.0;
/// The accessible name of the note's box.
const NOTE: &str = "Note";

/// The entry that is shown.
pub struct Detail {
    /// Its number.
    pub id: i64,
    /// What is known of it, once it was read.
    pub told: Option<Box<(FoundEntry, Session)>>,
    note: String,
    /// Views that are like it.
    pub similar: Similar,
}

/// What the user did with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntryAction {
    /// Wants the live picture back.
    Close,
    /// Wants the entry that came after.
    Newer,
    /// Wants the entry that came before.
    Older,
    /// Wants the words in the clipboard.
    Copy(String),
    /// Sets or takes away the bookmark.
    Bookmark(bool),
    /// Wrote this beside it; nothing takes the note away.
    Note(String),
    /// Wants more like it.
    Similar,
    /// Wants another one.
    Open(i64),
    /// Wants it gone.
    Delete,
}

impl Detail {
    /// An entry that has to be read yet.
    pub fn new(id: i64) -> Self {
        Self { id, told: None, note: String::new(), similar: Similar::default() }
    }

    /// Takes in what was read.
    pub fn set(&mut self, told: Box<(FoundEntry, Session)>) {
        let noted = told.0.entry.note.clone().unwrap_or_default();
        let before = self.told.as_ref().map(|told| told.0.entry.note.clone().unwrap_or_default());
        // What is being typed is not taken away by a bookmark.
        if before.is_none_or(|before| before != noted) {
            self.note = noted;
        }
        self.told = Some(told);
    }

    /// Its words, with the question before an answer.
    pub fn words(&self) -> Option<String> {
        let entry = &self.told.as_ref()?.0.entry;
        Some(match &entry.question {
            Some(question) => format!("{question}\n{}", entry.text),
            None => entry.text.clone(),
        })
    }

    /// Whether the user marked it.
    pub fn is_bookmarked(&self) -> bool {
        self.told.as_ref().is_some_and(|told| told.0.entry.bookmarked)
    }

    /// Draws it in place of the live picture.
    /// `picture` gives the small picture of an entry, once it was read.
    pub fn show(&mut self, ui: &mut Ui, picture: &mut dyn FnMut(i64) -> Option<TextureHandle>) -> Option<EntryAction> {
        let mut action = self.bar(ui);
        ui.add_space(2.0 * theme::GRID);
        ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
            ui.set_max_width(ui.available_width().min(WIDEST));
            if let Some(picture) = Some(self.id).filter(|id| *id != 0).and_then(&mut *picture) {
                let room = vec2(ui.available_width(), (ui.available_height() * PICTURE).max(160.0));
                let size = room.min(picture.size_vec2() * LARGEST);
                let image = Image::from_texture(&picture).fit_to_exact_size(size).maintain_aspect_ratio(true);
                ui.add(image.corner_radius(theme::RADIUS).alt_text("The picture that the words are about"));
                ui.add_space(theme::GRID);
            }
            let Some(told) = &self.told else { return };
            let (found, session) = &**told;
            if let Some(question) = &found.entry.question {
                ui.add(Label::new(RichText::new(question).font(theme::strong(16.0))).wrap());
            }
            ui.add(Label::new(RichText::new(&found.entry.text).size(18.0)).wrap());
            ui.add_space(theme::GRID);
            let saved = found.entry.note.clone().unwrap_or_default();
            if let Some(note) = note(ui, &mut self.note, &saved) {
                action = Some(EntryAction::Note(note));
            }
            ui.add_space(theme::GRID);
            match self.similar.show(ui, picture) {
                Some(SimilarAction::Look) => action = Some(EntryAction::Similar),
                Some(SimilarAction::Open(id)) => action = Some(EntryAction::Open(id)),
                None => {}
            }
            ui.add_space(theme::GRID);
            ui.scope(|ui| facts(ui, found, session));
        });
        action
    }

    fn bar(&self, ui: &mut Ui) -> Option<EntryAction> {
        let mut action = None;
        ui.horizontal(|ui| {
            if ui.button("Back to live").on_hover_text("Show the live picture (Esc)").clicked() {
                action = Some(EntryAction::Close);
            }
            ui.with_layout(Layout::right_to_left(egui::Align::Center), |ui| {
                let mut button = |sign, label: &str, hint: &str, wanted: EntryAction| {
                    if icon::button(ui, sign, Look::Quiet, true, label, hint).clicked() {
                        action = Some(wanted);
                    }
                };
                button(
                    Icon::Delete,
                    "Delete entry",
                    "Delete this entry (Delete); it can be undone",
                    EntryAction::Delete,
                );
                let marked = self.is_bookmarked();
                let (sign, label) = if marked { (Icon::Marked, "Remove bookmark") } else { (Icon::Mark, "Bookmark") };
                button(
                    sign,
                    label,
                    "Bookmark: found again by the filter, spared by pruning (B)",
                    EntryAction::Bookmark(!marked),
                );
                if let Some(words) = self.words() {
                    button(Icon::Copy, "Copy words", "Copy the words (C)", EntryAction::Copy(words));
                }
                button(Icon::Down, "Older entry", "The entry before (Down)", EntryAction::Older);
                button(Icon::Up, "Newer entry", "The entry after (Up)", EntryAction::Newer);
            });
        });
        action
    }
}

fn facts(ui: &mut Ui, found: &FoundEntry, session: &Session) {
    let (entry, metrics) = (&found.entry, &found.entry.metrics);
    let mut rows: Vec<(&str, String)> = Vec::new();
    rows.push(("Captured", format!("{}, picture {}", wording::moment(entry.at), entry.frame)));
    if entry.kind == EntryKind::Caption {
        let said = if entry.repeats > 0 { format!(", said {} times", entry.repeats + 1) } else { String::new() };
        rows.push(("Held", format!("{}{said}", text::length(entry.duration_ms))));
    }
    let card = &session.start.card;
    rows.push(("Source", found.source.clone()));
    rows.push(("Model", format!("{} · {} · {}", wording::last_part(&found.model), card.device, card.precision)));
    rows.push(("Instruction", session.start.instruction.clone()));
    let prefix = &session.start.prefix;
    if !prefix.standing.is_empty() {
        rows.push(("Standing text", prefix.standing.clone()));
    }
    if !prefix.references.is_empty() {
        rows.push(("References", prefix.references.join(", ")));
    }
    let ms = |us: i64| us / 1000;
    rows.push((
        "Stages",
        format!(
            "preprocess {} · vision {} · prefill {} · decode {} ms",
            ms(metrics.preprocess_us),
            ms(metrics.vision_us),
            ms(metrics.prefill_us),
            ms(metrics.decode_us)
        ),
    ));
    rows.push((
        "Tokens",
        format!("{} of {} drafted, {} written", metrics.draft_accepted, metrics.draft_offered, metrics.tokens),
    ));
    if let Some(mean) = metrics.mean_log_prob {
        // The geometric mean of the tokens' probabilities, which people read more easily than its
        // logarithm.
        rows.push(("Confidence", format!("{:.0} % a token (mean log-probability {mean:.3})", 100.0 * mean.exp())));
    }
    ui.spacing_mut().interact_size.y = 0.0;
    Grid::new("facts").num_columns(2).spacing(vec2(4.0 * theme::GRID, theme::GRID)).show(ui, |ui| {
        for (what, value) in rows {
            ui.label(RichText::new(what).small().weak());
            ui.add(Label::new(RichText::new(value).small()).wrap());
            ui.end_row();
        }
    });
}

/// The box of the note. Gives what is to be kept when the user says so.
fn note(ui: &mut Ui, note: &mut String, saved: &str) -> Option<String> {
    let mut kept = None;
    ui.horizontal(|ui| {
        let hint = RichText::new("Write a note…").color(theme::palette(ui.visuals()).weak);
        let width = (ui.available_width() - SAVE - ui.spacing().item_spacing.x).max(80.0);
        let field = ui.add(TextEdit::singleline(note).hint_text(hint).desired_width(width));
        ui.ctx().accesskit_node_builder(field.id, |node| node.set_label(NOTE));
        let entered = field.lost_focus() && ui.input(|input| input.key_pressed(egui::Key::Enter));
        let is_changed = note.as_str() != saved;
        let pressed = ui.add_enabled(is_changed, egui::Button::new("Save note")).clicked();
        if is_changed && (entered || pressed) {
            kept = Some(note.trim().to_owned());
        }
    });
    kept
}

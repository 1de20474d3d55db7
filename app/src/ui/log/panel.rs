//! The panel at the right as it is drawn: search, kinds of entry, what is to be said, and the list.

use egui::accesskit::{Live, Role};
use egui::{
    Align, Button, Frame, Id, Key, Label, Layout, Margin, Modifiers, Panel, RichText, TextEdit, Ui, UiBuilder,
    WidgetInfo,
};

use crate::base::text;
use crate::log::{Filter, LogError, ReaderOrder};
use crate::ui::icon;
use crate::ui::icon::{Icon, Look};
use crate::ui::log::entry::Detail;
use crate::ui::log::export::ExportScopes;
use crate::ui::log::{LogAction, LogPanel, Shown, list_id, row, rows};
use crate::ui::room::{LOG_WIDTH, Place, Room};
use crate::ui::theme;

/// The width of the panel, in points.
const WIDTH: f32 = 400.0;
/// The accessible name of the search box.
const SEARCH: &str = "Search the log";

impl LogPanel {
    /// Draws the panel at the right, if that is its place, and the export dialog. `width` is what
    /// the user chose.
    pub fn show_panel(
        &mut self,
        ui: &mut Ui,
        place: Place,
        width: &mut Option<u32>,
        is_recording: bool,
        always: bool,
    ) -> Option<LogAction> {
        // What the list has of the newest entry may come while the dialog is open.
        let parts = if self.export.is_choosing() { self.parts() } else { ExportScopes::default() };
        let wanted = self.export.show(ui, &parts).map(LogAction::SaveAs);
        let Place::Beside(most) = place else { return wanted };
        let frame = Frame::new().fill(theme::palette(ui.visuals()).panel).inner_margin(Margin::same(12));
        let wide = width.map_or(WIDTH, |width| width as f32);
        let panel = Panel::right("log").frame(frame).default_size(wide).size_range(LOG_WIDTH[0]..=most);
        let inner = panel.show(ui, |ui| self.show_content(ui, is_recording, always));
        *width = Room::chosen(inner.response.rect.width(), LOG_WIDTH[0], most, LOG_WIDTH[1]).or(*width);
        wanted.or(inner.inner)
    }

    /// Draws what is in the panel.
    pub fn show_content(&mut self, ui: &mut Ui, is_recording: bool, always: bool) -> Option<LogAction> {
        self.ask(ui);
        theme::name_region(ui, "Log");
        self.heading(ui);
        self.search_box(ui);
        self.kinds(ui);
        let wanted = self.remarks(ui, is_recording);
        let foot = Panel::bottom("log foot").frame(Frame::NONE).show_separator_line(false);
        let chosen = foot.show(ui, |ui| always_record(ui, always)).inner;
        self.list(ui);
        wanted.or(chosen)
    }

    fn heading(&mut self, ui: &mut Ui) {
        ui.horizontal(|ui| {
            ui.heading("Log");
            if self.is_waiting && self.trouble.is_none() {
                ui.label(RichText::new("Searching…").small().weak());
            } else if let Some(rows) = self.rows {
                let what = if self.filter() == Filter::default() { "" } else { " found" };
                ui.label(RichText::new(format!("{}{what}", text::entries(rows))).small().weak());
            }
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                if icon::button(ui, Icon::Close, Look::Quiet, true, "Close log", "Close the log (L)").clicked() {
                    self.set_open(false);
                }
                let can_export = self.rows.is_some_and(|rows| rows > 0);
                let hint = "Write the log to a file for other programs";
                if icon::button(ui, Icon::Export, Look::Quiet, can_export, "Export…", hint).clicked() && can_export {
                    self.export.open();
                }
            });
        });
    }

    fn parts(&mut self) -> ExportScopes {
        let filter = self.filter();
        let newest = self.rows.and_then(|rows| rows.checked_sub(1));
        let row = self.chosen.or(newest);
        let whose = if self.chosen.is_some() { "The chosen entry's session" } else { "The newest session" };
        let session = self.reader.as_ref().zip(row).and_then(|(reader, row)| {
            let found = self.cache.entry(Some(reader), row)?;
            Some((whose, Filter { session: Some(found.entry.session), ..Filter::default() }))
        });
        let day = self.timeline.span().map(|(from, to)| Filter {
            since_ms: Some(from),
            until_ms: Some(to),
            ..Filter::default()
        });
        ExportScopes { listed: Some(filter).filter(|filter| *filter != Filter::default()), day, session }
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
        // Taken here, so that the list does not go down by one more.
        if response.has_focus() && ui.input_mut(|input| input.consume_key(Modifiers::NONE, Key::ArrowDown)) {
            ui.memory_mut(|memory| memory.request_focus(list_id()));
            self.move_by(1);
        }
    }

    fn kinds(&mut self, ui: &mut Ui) {
        let mut wanted = None;
        ui.horizontal_wrapped(|ui| {
            ui.spacing_mut().item_spacing.x = theme::GRID;
            ui.spacing_mut().button_padding = egui::vec2(1.25 * theme::GRID, 0.5 * theme::GRID);
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
            Some(LogError::Missing(_)) | None => {}
            Some(error) => {
                let message = error.message().to_string();
                let response = ui.add(Label::new(RichText::new(&message).color(colours.warning)).wrap());
                response.widget_info(|| WidgetInfo::labeled(Role::Alert, true, &message));
            }
        }
        if self.deleted.is_some() {
            ui.horizontal(|ui| {
                let said = ui.label("Deleted.");
                ui.ctx().accesskit_node_builder(said.id, |node| node.set_live(Live::Polite));
                if ui.button("Undo").on_hover_text("Put the entry back (Ctrl+Z)").clicked() {
                    self.order(ReaderOrder::Undo);
                }
                if icon::button(ui, Icon::Close, Look::Quiet, true, "Keep deleted", "It stays deleted").clicked() {
                    self.deleted = None;
                }
            });
        }
        if self.is_waiting && self.trouble.is_none() {
            return wanted;
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
        }
        wanted
    }

    fn list(&mut self, ui: &mut Ui) {
        let (Some(rows), Some(reader)) = (self.rows.filter(|rows| *rows > 0), &self.reader) else { return };
        // Of a list that is no longer wanted nothing more is read.
        let wanted = (!self.is_waiting).then_some(reader);
        let (cache, chosen, today) = (&mut self.cache, self.chosen, (self.clock)().date());
        let mut draw = |ui: &mut Ui, from_newest: u64, place: egui::Rect, response: &egui::Response| {
            let row = rows - 1 - from_newest;
            let found = cache.entry(wanted, row).cloned();
            let picture = found.as_ref().and_then(|found| cache.picture(reader, found.entry.id));
            row::draw(ui, place, response, found.as_ref(), picture.as_ref(), chosen == Some(row), today);
        };
        let listed = rows::show(ui, list_id(), &mut self.scroll, rows, &mut draw);
        if let Some(clicked) = listed.clicked {
            self.choose(self.flipped(clicked));
            self.detail.get_or_insert_with(|| Detail::new(0));
        }
        if listed.moved != 0 {
            self.move_by(listed.moved);
        }
        if listed.opened && self.chosen.is_some() {
            self.detail.get_or_insert_with(|| Detail::new(0));
        }
    }
}

/// The choice to record whenever the window opens.
fn always_record(ui: &mut Ui, always: bool) -> Option<LogAction> {
    let mut wanted = always;
    ui.add_space(theme::GRID);
    // An identity of its own: remarks come and go above, and a press must not be lost between them.
    let place = UiBuilder::new().scope_id(Id::unique("always record"));
    let text = RichText::new("Always record").small();
    let response = ui.scope_builder(place, |ui| theme::tick_box(ui, &mut wanted, text)).inner;
    let response = response.on_hover_text("Record now, and whenever the window opens");
    response.changed().then_some(LogAction::AlwaysRecord(wanted))
}

//! The export dialog: format and part of the log, then the file's name by the desktop's own dialog,
//! then how far it is.

use std::path::{Path, PathBuf};

use egui::accesskit::Role;
use egui::{Button, Frame, Id, Label, Modal, ProgressBar, RichText, Ui, WidgetInfo};

use crate::base::text;
use crate::live::Waker;
use crate::log::export::{Export, ExportError, ExportJob, Format};
use crate::log::{Filter, LogError};
use crate::ui::theme;

/// The dialog's width, in points.
const WIDTH: f32 = 400.0;

/// From its edge to what is in it.
const MARGIN: f32 = 5.0 * theme::GRID;

/// The formats, with what people know them by and are good for.
const FORMATS: [(Format, &str, &str); 6] = [
    (Format::Jsonl, "JSON lines", "for programs, and to import again"),
    (Format::Csv, "CSV", "for spreadsheets"),
    (Format::Srt, "SRT subtitles", "of one session, beside its video"),
    (Format::Vtt, "WebVTT subtitles", "the same for browsers"),
    (Format::Md, "Markdown", "for notes"),
    (Format::Html, "Web page", "one file with pictures and search"),
];

/// Which part of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum ExportScope {
    #[default]
    Everything,
    Listed,
    Day,
    Session,
}

/// What there is to choose from.
#[derive(Clone, Debug, Default)]
pub struct ExportScopes {
    /// What the list shows, when that is not everything.
    pub listed: Option<Filter>,
    /// The day of the timeline.
    pub day: Option<Filter>,
    /// The session of the chosen or the newest entry, and which of them it is.
    pub session: Option<(&'static str, Filter)>,
}

impl ExportScopes {
    /// The entries of a part, as a format can hold them. None where there is no such part, or it
    /// does not fit.
    fn filter(&self, part: ExportScope, format: Format) -> Option<Filter> {
        match part {
            ExportScope::Session => self.session.as_ref().map(|(_, filter)| filter.clone()),
            _ if format.is_subtitles() => None,
            ExportScope::Everything => Some(Filter::default()),
            ExportScope::Listed => self.listed.clone(),
            ExportScope::Day => self.day.clone(),
        }
    }
}

/// How it is doing.
#[derive(Default)]
enum Phase {
    #[default]
    Closed,
    Choosing,
    Writing(ExportJob),
    Over(String),
}

/// The dialog.
#[derive(Default)]
pub struct ExportDialog {
    phase: Phase,
    format: Option<Format>,
    part: ExportScope,
    thumbnails: bool,
    /// What is written once the file has a name.
    wanted: Option<Export>,
}

impl ExportDialog {
    /// Whether it stands before everything else.
    pub fn is_open(&self) -> bool {
        !matches!(self.phase, Phase::Closed)
    }

    /// Whether the user chooses what to export.
    pub fn is_choosing(&self) -> bool {
        matches!(self.phase, Phase::Choosing)
    }

    /// Opens it, unless an export is under way: then that is shown.
    pub fn open(&mut self) {
        if !matches!(self.phase, Phase::Writing(_)) {
            self.phase = Phase::Choosing;
        }
    }

    /// Takes in an export that is over.
    pub fn catch_up(&mut self) {
        let Phase::Writing(job) = &self.phase else { return };
        let Some(done) = job.outcome() else { return };
        let over = match done {
            Ok(entries) => format!("Wrote {} to {}.", text::entries(entries), text::path(job.to())),
            Err(ExportError::Stopped) => ExportError::Stopped.to_string(),
            Err(error) => format!("{} was not written. {}", text::path(job.to()), error.message()),
        };
        self.phase = Phase::Over(over);
    }

    /// The file has a name: begins to write it.
    pub fn begin(&mut self, log: &Path, mut to: PathBuf, wake: Waker) {
        let Some(export) = self.wanted.take() else { return };
        if to.extension().is_none() {
            to.set_extension(export.format.extension());
            if to.exists() {
                // The desktop's dialog asked about the name without the ending only.
                self.phase = Phase::Over(format!("{} is there already. Choose another name.", text::path(&to)));
                return;
            }
        }
        self.phase = match ExportJob::start(log.to_owned(), export, to, wake) {
            Ok(job) => Phase::Writing(job),
            Err(error @ LogError::NoThread(_)) => Phase::Over(error.message().to_string()),
            Err(error) => Phase::Over(format!("Nothing was exported. {}", error.message())),
        };
    }

    /// Draws it, if it is open, with what there is to choose from now. Gives the format for which a
    /// file is to be chosen.
    pub fn show(&mut self, ui: &Ui, parts: &ExportScopes) -> Option<Format> {
        if matches!(self.phase, Phase::Closed) {
            return None;
        }
        let mut wanted = None;
        // On the panel's ground, so that buttons stand out from it.
        let frame = Frame::popup(ui.style()).fill(theme::palette(ui.visuals()).panel).inner_margin(MARGIN);
        let response = Modal::new(Id::unique("export")).frame(frame).show(ui.ctx(), |ui| {
            ui.set_width(WIDTH);
            ui.heading("Export the log");
            ui.add_space(theme::GRID);
            match &self.phase {
                Phase::Closed => {}
                Phase::Choosing => wanted = self.choose(ui, parts),
                Phase::Writing(job) => writing(ui, job),
                Phase::Over(sentence) => {
                    if over(ui, sentence) {
                        self.close();
                    }
                }
            }
        });
        if response.should_close() && !matches!(self.phase, Phase::Writing(_)) {
            self.close();
        }
        wanted
    }

    /// Closes it. A file that is chosen later is not written any more.
    fn close(&mut self) {
        (self.phase, self.wanted) = (Phase::Closed, None);
    }

    fn choose(&mut self, ui: &mut Ui, parts: &ExportScopes) -> Option<Format> {
        let format = self.choose_format(ui);
        ui.add_space(theme::GRID);
        let filter = self.choose_part(ui, parts, format);
        if format == Format::Jsonl {
            theme::tick_box(ui, &mut self.thumbnails, "With the small pictures");
        }
        ui.add_space(2.0 * theme::GRID);
        let mut chosen = None;
        ui.horizontal(|ui| {
            if ui.add_enabled(filter.is_some(), Button::new("Choose file…")).clicked()
                && let Some(filter) = filter
            {
                self.wanted = Some(Export { format, filter, thumbnails: self.thumbnails, byte_order_mark: false });
                chosen = Some(format);
            }
            if ui.button("Cancel").clicked() {
                self.close();
            }
        });
        chosen
    }

    fn choose_format(&mut self, ui: &mut Ui) -> Format {
        let format = self.format.get_or_insert(Format::Jsonl);
        for (choice, name, detail) in FORMATS {
            let is_chosen = *format == choice;
            let detail = theme::aside(detail, is_chosen);
            let row = Button::selectable(is_chosen, name).right_text(detail).min_size(egui::vec2(WIDTH, 0.0));
            let response = ui.add(row);
            response.widget_info(|| WidgetInfo::selected(Role::RadioButton, true, is_chosen, name));
            if response.clicked() {
                *format = choice;
            }
        }
        *format
    }

    /// The part that was chosen, or the one that the format can hold. None where it can hold none.
    fn choose_part(&mut self, ui: &mut Ui, parts: &ExportScopes, format: Format) -> Option<Filter> {
        let fits = |part: &ExportScope| parts.filter(*part, format).is_some();
        let chosen = [self.part, ExportScope::Everything, ExportScope::Session].into_iter().find(fits);
        let session = parts.session.as_ref().map_or("One session", |(name, _)| name);
        let choices = [
            (ExportScope::Everything, "All"),
            (ExportScope::Listed, "What the list shows"),
            (ExportScope::Day, "The day on the timeline"),
            (ExportScope::Session, session),
        ];
        ui.label(RichText::new("Which entries").small().weak());
        ui.horizontal_wrapped(|ui| {
            ui.spacing_mut().item_spacing.x = theme::GRID;
            ui.spacing_mut().button_padding = egui::vec2(2.0 * theme::GRID, theme::GRID);
            for (part, name) in choices {
                let (is_chosen, enabled) = (chosen == Some(part), fits(&part));
                let response = ui.add_enabled(enabled, Button::selectable(is_chosen, RichText::new(name).size(13.0)));
                response.widget_info(|| WidgetInfo::selected(Role::RadioButton, enabled, is_chosen, name));
                if response.clicked() {
                    self.part = part;
                }
            }
        });
        chosen.and_then(|part| parts.filter(part, format))
    }
}

fn writing(ui: &mut Ui, job: &ExportJob) {
    let (written, total) = job.progress();
    let text = if total == 0 {
        "Counting…".to_owned()
    } else {
        format!("{} of {}", text::number(written), text::entries(total))
    };
    ui.add(ProgressBar::new(written as f32 / total.max(1) as f32).text(text).desired_width(WIDTH));
    ui.add_space(2.0 * theme::GRID);
    if ui.button("Stop export").clicked() {
        job.stop();
    }
}

fn over(ui: &mut Ui, sentence: &str) -> bool {
    ui.add(Label::new(sentence).wrap());
    ui.add_space(2.0 * theme::GRID);
    ui.button("Close").clicked()
}

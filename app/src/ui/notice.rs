//! Bars that say what went wrong and what to do. The window stays usable under them.

use std::time::Instant;

use egui::text::{LayoutJob, TextFormat};
use egui::{Frame, Label, Layout, Margin, Panel, RichText, TextStyle, Ui};

use crate::base::message::Message;
use crate::ui::icon;
use crate::ui::icon::{Icon, Look};
use crate::ui::state::{Notices, Topic};
use crate::ui::{theme, wording};

/// What the user did with a notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoticeAction {
    /// Read it.
    Dismiss(Topic),
    /// Wants to choose a folder with a model.
    OpenModelFolder,
}

/// Draws a bar for each notice.
pub fn show(ui: &mut Ui, notices: &Notices, now: Instant) -> Option<NoticeAction> {
    let mut action = None;
    // What is wrong with the source stands in its place.
    for notice in notices.iter().filter(|notice| notice.topic != Topic::Source) {
        let colours = theme::palette(ui.visuals());
        let is_news = notice.topic == Topic::Kept;
        let ground = if is_news { colours.card } else { colours.warning_panel };
        let frame = Frame::new().fill(ground).inner_margin(Margin::symmetric(16, 6));
        Panel::top(("notice", notice.topic as u8)).frame(frame).show_separator_line(false).show(ui, |ui| {
            ui.horizontal(|ui| {
                if !is_news {
                    icon::show(ui, Icon::Warning, colours.warning);
                }
                ui.with_layout(Layout::right_to_left(egui::Align::Center), |ui| {
                    if icon::button(ui, Icon::Close, Look::Quiet, true, "Dismiss", "Dismiss this notice").clicked() {
                        action = Some(NoticeAction::Dismiss(notice.topic));
                    }
                    if notice.topic == Topic::Model
                        && ui.button("Open model folder…").on_hover_text("Choose a folder with a SmolVLM").clicked()
                    {
                        action = Some(NoticeAction::OpenModelFolder);
                    }
                    if let Some(left) = notice.until_retry(now) {
                        let text = format!("Trying again in {}", wording::countdown(left));
                        ui.label(RichText::new(text).color(colours.warning));
                    }
                    ui.with_layout(Layout::left_to_right(egui::Align::Center).with_main_wrap(true), |ui| {
                        ui.add(Label::new(words(ui, &notice.message)).wrap());
                    });
                });
            });
        });
    }
    action
}

/// A message as text: what happened stands out, and what to do follows in the weaker colour.
pub fn words(ui: &Ui, message: &Message) -> LayoutJob {
    let colours = theme::palette(ui.visuals());
    let font = TextStyle::Body.resolve(ui.style());
    let mut job = LayoutJob::default();
    job.append(message.what(), 0.0, TextFormat::simple(font.clone(), ui.visuals().strong_text_color()));
    if let Some(hint) = message.advice() {
        job.append(" ", 0.0, TextFormat::simple(font.clone(), colours.weak));
        job.append(hint, 0.0, TextFormat::simple(font, colours.weak));
    }
    job
}

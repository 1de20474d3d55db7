//! "More like this" below an entry: small pictures of the views that are most like its own.

use egui::accesskit::Role;
use egui::{Align2, FontId, Image, Label, Rect, RichText, Sense, TextureHandle, Ui, Vec2, WidgetInfo, vec2};

use crate::log::SimilarView;
use crate::ui::{theme, wording};

/// The most that are asked for.
pub const MOST: usize = 12;
/// The size of a small picture, in points.
const PICTURE: Vec2 = vec2(32.0 * theme::GRID, 18.0 * theme::GRID);

/// What is known.
#[derive(Debug, Default)]
pub enum Similar {
    /// Nobody asked.
    #[default]
    NotAsked,
    /// It is being looked for.
    Asked,
    /// The view was not kept.
    NotKept,
    /// These, nearest first.
    Found(Vec<SimilarView>),
}

/// What the user did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SimilarAction {
    /// Wants them looked for.
    Look,
    /// Wants this entry.
    Open(i64),
}

impl Similar {
    /// Draws it. `picture` gives the small picture of an entry, once it was read.
    pub fn show(&self, ui: &mut Ui, picture: &mut dyn FnMut(i64) -> Option<TextureHandle>) -> Option<SimilarAction> {
        let mut action = None;
        let weak = |ui: &mut Ui, words: &str| drop(ui.add(Label::new(RichText::new(words).small().weak()).wrap()));
        match self {
            Self::NotAsked => {
                let hint = "Find the views of the log that are most like this one";
                if ui.button("More like this").on_hover_text(hint).clicked() {
                    action = Some(SimilarAction::Look);
                }
            }
            Self::Asked => weak(ui, "Looking for more like this…"),
            Self::NotKept => weak(
                ui,
                "What stands for this view was not kept. Start with --keep-views, and views recorded from then on can \
                 be compared.",
            ),
            Self::Found(views) if views.is_empty() => weak(ui, "No other views were kept."),
            Self::Found(views) => {
                ui.label(RichText::new("More like this").font(theme::strong(13.0)));
                ui.horizontal_wrapped(|ui| {
                    ui.spacing_mut().item_spacing = vec2(2.0 * theme::GRID, 2.0 * theme::GRID);
                    for view in views {
                        let shown = view.entry.and_then(&mut *picture);
                        if one(ui, view, shown.as_ref()) {
                            action = view.entry.map(SimilarAction::Open);
                        }
                    }
                });
            }
        }
        action
    }
}

/// Draws one, and says whether it was chosen.
fn one(ui: &mut Ui, view: &SimilarView, picture: Option<&TextureHandle>) -> bool {
    let colours = theme::palette(ui.visuals());
    let when = wording::moment(view.at);
    let label = format!("{when}, {:.0} % alike", view.cosine * 100.0);
    let size = vec2(PICTURE.x, PICTURE.y + 5.0 * theme::GRID);
    let sense = if view.entry.is_some() { Sense::click() } else { Sense::hover() };
    let (place, response) = ui.allocate_exact_size(size, sense);
    let above = Rect::from_min_size(place.min, PICTURE);
    ui.painter().rect_filled(above, 6.0, if response.hovered() { colours.lifted } else { colours.card });
    if let Some(picture) = picture {
        let scale = (above.width() / picture.size_vec2().x).min(above.height() / picture.size_vec2().y);
        let shape = Rect::from_center_size(above.center(), picture.size_vec2() * scale);
        Image::from_texture(picture).corner_radius(6).paint_at(ui, shape);
    }
    if response.has_focus() || response.hovered() {
        ui.painter().rect_stroke(above, 6.0, egui::Stroke::new(1.5, colours.accent), egui::StrokeKind::Inside);
    }
    let at = view.at.civil().strftime("%-d %b %H:%M:%S").to_string();
    let below = above.left_bottom() + vec2(0.0, theme::GRID);
    ui.painter().text(below, Align2::LEFT_TOP, at, FontId::proportional(11.0), colours.weak);
    response.widget_info(|| WidgetInfo::labeled(Role::Button, view.entry.is_some(), &label));
    response.on_hover_text(&label).clicked()
}

//! The look: typeface, colours and spacing, set once. Widgets take their colours from here or from
//! egui's visuals.

use std::sync::Arc;

use egui::accesskit::Role;
use egui::{
    Color32, Context, CornerRadius, FontData, FontDefinitions, FontFamily, FontId, Margin, Response, RichText, Shadow,
    Stroke, Style, TextStyle, Theme, ThemePreference, Ui, Vec2, Visuals,
};

use crate::ui::preferences::ThemeChoice;

/// Every distance is a multiple of this many points.
pub const GRID: f32 = 4.0;
/// Corners of buttons, boxes and cards, in points.
pub const RADIUS: u8 = 8;
/// The usual size of the subtitle's letters, in points.
pub const SUBTITLE_SIZE: f32 = crate::ui::preferences::USUAL_CAPTION;
/// The colour of a subtitle.
pub const SUBTITLE: Color32 = Color32::from_rgb(0xFF, 0xFF, 0xFF);
/// The part of a subtitle that is not confirmed yet.
pub const SUBTITLE_TENTATIVE: Color32 = Color32::from_rgb(0xA4, 0xAC, 0xB6);
/// What a subtitle stands on, over any picture and in either theme.
pub const PLATE: Color32 = Color32::from_rgba_premultiplied(5, 7, 9, 205);
/// The plate of a subtitle that is this dark, in per cent.
#[must_use]
pub fn plate(per_cent: u8) -> Color32 {
    Color32::from_rgba_unmultiplied(6, 9, 11, (f32::from(per_cent.min(100)) * 2.55) as u8)
}

/// What surrounds the picture, in either theme.
pub const STAGE: Color32 = Color32::from_rgb(0x07, 0x09, 0x0C);

/// How much accent there is in the ground of what is chosen.
const CHOSEN: f32 = 0.35;
const STRONG: &str = "strong";
const REGULAR: &[u8] = include_bytes!("../../../ui-assets/fonts/Inter-Regular.otf");
const SEMI_BOLD: &[u8] = include_bytes!("../../../ui-assets/fonts/Inter-SemiBold.otf");

/// The colours of one theme.
#[derive(Clone, Copy, Debug)]
pub struct Palette {
    /// Bars and panels.
    pub panel: Color32,
    /// Cards, buttons and boxes on a panel.
    pub card: Color32,
    /// Cards under the pointer.
    pub lifted: Color32,
    /// Hairlines.
    pub line: Color32,
    /// What is read.
    pub text: Color32,
    /// What is read second.
    pub weak: Color32,
    /// What the eye is led to.
    pub accent: Color32,
    /// Text on the accent.
    pub on_accent: Color32,
    /// What is going on is recorded.
    pub recording: Color32,
    /// Something went wrong.
    pub warning: Color32,
    /// What a warning stands on.
    pub warning_panel: Color32,
}

const DARK: Palette = Palette {
    panel: Color32::from_rgb(0x12, 0x16, 0x1C),
    card: Color32::from_rgb(0x1D, 0x23, 0x2C),
    lifted: Color32::from_rgb(0x29, 0x31, 0x3C),
    line: Color32::from_rgb(0x2A, 0x32, 0x3D),
    text: Color32::from_rgb(0xE8, 0xEC, 0xF1),
    weak: Color32::from_rgb(0x93, 0x9F, 0xAE),
    accent: Color32::from_rgb(0x3F, 0xD4, 0xB0),
    on_accent: Color32::from_rgb(0x05, 0x1F, 0x19),
    recording: Color32::from_rgb(0xFF, 0x6B, 0x6B),
    warning: Color32::from_rgb(0xF4, 0xB7, 0x4A),
    warning_panel: Color32::from_rgb(0x2B, 0x23, 0x13),
};

const LIGHT: Palette = Palette {
    panel: Color32::from_rgb(0xFA, 0xFB, 0xFC),
    card: Color32::from_rgb(0xEC, 0xEF, 0xF3),
    lifted: Color32::from_rgb(0xDF, 0xE4, 0xEA),
    line: Color32::from_rgb(0xD6, 0xDC, 0xE3),
    text: Color32::from_rgb(0x17, 0x20, 0x2B),
    weak: Color32::from_rgb(0x56, 0x63, 0x73),
    accent: Color32::from_rgb(0x08, 0x80, 0x68),
    on_accent: Color32::from_rgb(0xFF, 0xFF, 0xFF),
    recording: Color32::from_rgb(0xC2, 0x1F, 0x2B),
    warning: Color32::from_rgb(0x9A, 0x5F, 0x00),
    warning_panel: Color32::from_rgb(0xFD, 0xF3, 0xDC),
};

/// The colours that belong to these visuals.
#[must_use]
pub fn palette(visuals: &Visuals) -> &'static Palette {
    if visuals.dark_mode { &DARK } else { &LIGHT }
}

/// The heavier cut of the typeface, at `size` points.
#[must_use]
pub fn strong(size: f32) -> FontId {
    FontId::new(size, FontFamily::Name(STRONG.into()))
}

/// Small words beside a choice. On the ground of what is chosen, weak ones would be too weak.
pub fn aside(text: &str, is_chosen: bool) -> RichText {
    let text = RichText::new(text).small();
    if is_chosen { text } else { text.weak() }
}

/// Gives the surroundings of what is drawn in `ui` a name for screen readers.
pub fn name_region(ui: &Ui, name: &str) {
    ui.ctx().accesskit_node_builder(ui.unique_id(), |node| {
        node.set_role(Role::Region);
        node.set_label(name);
    });
}

/// Makes the buttons of `ui` seen on a card, whose ground is theirs elsewhere.
pub fn on_card(ui: &mut Ui) {
    let colours = palette(ui.visuals());
    let widgets = &mut ui.visuals_mut().widgets;
    (widgets.inactive.bg_fill, widgets.inactive.weak_bg_fill) = (colours.lifted, colours.lifted);
    (widgets.hovered.bg_fill, widgets.hovered.weak_bg_fill) = (colours.line, colours.line);
}

/// A box to tick. Unlike a button it is nothing but its outline, which therefore is seen on any
/// ground.
pub fn tick_box(ui: &mut Ui, ticked: &mut bool, text: impl Into<RichText>) -> Response {
    let outline = Stroke::new(1.0, palette(ui.visuals()).weak);
    ui.scope(|ui| {
        let widgets = &mut ui.visuals_mut().widgets;
        (widgets.inactive.bg_stroke, widgets.hovered.bg_stroke) = (outline, outline);
        ui.checkbox(ticked, text.into())
    })
    .inner
}

/// Sets typeface, colours and spacing of both themes. Dark unless the system asks for light.
pub fn install(ctx: &Context) {
    ctx.set_fonts(fonts());
    ctx.options_mut(|options| {
        options.fallback_theme = Theme::Dark;
        options.zoom_with_keyboard = true;
    });
    ctx.style_mut_of(Theme::Dark, |style| restyle(style, &DARK));
    ctx.style_mut_of(Theme::Light, |style| restyle(style, &LIGHT));
}

/// Light or dark, as was chosen.
pub fn choose(ctx: &Context, choice: ThemeChoice) {
    ctx.set_theme(match choice {
        ThemeChoice::System => ThemePreference::System,
        ThemeChoice::Light => ThemePreference::Light,
        ThemeChoice::Dark => ThemePreference::Dark,
    });
}

/// Inter before egui's own fonts, which still have the letters and signs that Inter lacks.
fn fonts() -> FontDefinitions {
    let mut fonts = FontDefinitions::default();
    let own = fonts.families.get(&FontFamily::Proportional).cloned().unwrap_or_default();
    let cuts = [
        (FontFamily::Proportional, "Inter-Regular", REGULAR),
        (FontFamily::Name(STRONG.into()), "Inter-SemiBold", SEMI_BOLD),
    ];
    for (family, name, data) in cuts {
        fonts.font_data.insert(name.to_owned(), Arc::new(FontData::from_static(data)));
        let order = std::iter::once(name.to_owned()).chain(own.iter().cloned()).collect();
        fonts.families.insert(family, order);
    }
    fonts
}

fn restyle(style: &mut Style, colours: &Palette) {
    style.text_styles = [
        (TextStyle::Heading, strong(18.0)),
        (TextStyle::Body, FontId::proportional(14.0)),
        (TextStyle::Button, FontId::proportional(14.0)),
        (TextStyle::Monospace, FontId::monospace(13.0)),
        (TextStyle::Small, FontId::proportional(12.0)),
    ]
    .into();

    let spacing = &mut style.spacing;
    spacing.item_spacing = Vec2::splat(2.0 * GRID);
    spacing.button_padding = Vec2::new(3.0 * GRID, 1.5 * GRID);
    spacing.interact_size.y = 8.0 * GRID;
    spacing.menu_margin = Margin::same(6);
    spacing.menu_spacing = 1.0;
    spacing.tooltip_width = 420.0;

    let radius = CornerRadius::same(RADIUS);
    let visuals = &mut style.visuals;
    visuals.panel_fill = colours.panel;
    visuals.window_fill = colours.card;
    visuals.window_stroke = Stroke::new(1.0, colours.line);
    visuals.window_corner_radius = CornerRadius::same(10);
    visuals.menu_corner_radius = CornerRadius::same(10);
    visuals.extreme_bg_color = colours.card;
    visuals.faint_bg_color = colours.card;
    visuals.weak_text_color = Some(colours.weak);
    visuals.hyperlink_color = colours.accent;
    visuals.warn_fg_color = colours.warning;
    visuals.error_fg_color = colours.warning;
    visuals.selection.bg_fill = colours.accent.gamma_multiply(CHOSEN);
    visuals.selection.stroke = Stroke::new(1.0, colours.text);
    visuals.text_cursor.stroke = Stroke::new(2.0, colours.accent);
    let shadow = Shadow { offset: [0, 6], blur: 20, spread: 0, color: Color32::from_black_alpha(96) };
    visuals.popup_shadow = shadow;
    visuals.window_shadow = shadow;

    let widgets = &mut visuals.widgets;
    widgets.noninteractive.bg_stroke = Stroke::new(1.0, colours.line);
    widgets.noninteractive.fg_stroke = Stroke::new(1.0, colours.text);
    widgets.noninteractive.corner_radius = radius;
    let fills = [
        (&mut widgets.inactive, colours.card, colours.card),
        (&mut widgets.hovered, colours.lifted, colours.line),
        (&mut widgets.active, colours.lifted, colours.accent),
        (&mut widgets.open, colours.lifted, colours.line),
    ];
    for (widget, fill, line) in fills {
        widget.bg_fill = fill;
        widget.weak_bg_fill = fill;
        widget.bg_stroke = Stroke::new(1.0, line);
        widget.fg_stroke = Stroke::new(1.5, colours.text);
        widget.corner_radius = radius;
        widget.expansion = 0.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The contrast ratio of the Web Content Accessibility Guidelines 2.2.
    fn contrast(a: Color32, b: Color32) -> f32 {
        let luminance = |colour: Color32| {
            let linear = |channel: u8| {
                let value = f32::from(channel) / 255.0;
                if value <= 0.040_45 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
            };
            0.2126 * linear(colour.r()) + 0.7152 * linear(colour.g()) + 0.0722 * linear(colour.b())
        };
        let (a, b) = (luminance(a), luminance(b));
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    #[test]
    fn everything_that_is_read_has_the_contrast_to_be_read() {
        for colours in [&DARK, &LIGHT] {
            for ground in [colours.panel, colours.card] {
                assert!(contrast(colours.text, ground) >= 7.0);
                assert!(contrast(colours.weak, ground) >= 4.5);
                let chosen = ground.blend(colours.accent.gamma_multiply(CHOSEN));
                assert!(contrast(colours.text, chosen) >= 4.5);
                // Marks and signs.
                assert!(contrast(colours.accent, ground) >= 3.0 && contrast(colours.warning, ground) >= 3.0);
            }
            assert!(contrast(colours.text, colours.lifted) >= 7.0);
            assert!(contrast(colours.weak, colours.lifted) >= 4.5);
            assert!(contrast(colours.on_accent, colours.accent) >= 4.5);
            assert!(contrast(colours.accent, colours.panel) >= 4.5);
            assert!(contrast(colours.recording, colours.panel) >= 4.5);
            assert!(contrast(colours.warning, colours.warning_panel) >= 4.5);
            assert!(contrast(colours.text, colours.warning_panel) >= 7.0);
        }
        let over_white = PLATE.blend_over_white();
        assert!(contrast(SUBTITLE, over_white) >= 7.0);
        assert!(contrast(SUBTITLE_TENTATIVE, over_white) >= 4.5);
    }

    trait OverWhite {
        fn blend_over_white(self) -> Self;
    }

    impl OverWhite for Color32 {
        fn blend_over_white(self) -> Self {
            Self::WHITE.blend(self)
        }
    }
}

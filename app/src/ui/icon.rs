//! The few signs that the window needs, drawn with lines so that they are sharp at every scale, and
//! buttons of them.

use egui::accesskit::Role;
use egui::{Color32, Painter, Pos2, Rect, Response, Sense, Stroke, StrokeKind, Ui, Vec2, WidgetInfo, pos2, vec2};

use crate::ui::theme;

/// What a sign says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Icon {
    /// Two bars.
    Pause,
    /// A triangle that points back to a bar.
    Previous,
    /// A triangle that points on to a bar.
    Next,
    /// An arrow in a circle.
    Again,
    /// Two arrows round and round.
    Loop,
    /// A triangle that points on.
    Play,
    /// A square.
    Stop,
    /// A cross.
    Close,
    /// An arrow that points up: away it goes.
    Send,
    /// A camera.
    Camera,
    /// A chip.
    Model,
    /// A triangle with an exclamation mark.
    Warning,
    /// A small arrow that points down: there is more.
    More,
    /// A disc.
    Record,
    /// Lines beside small pictures.
    Log,
    /// A speech bubble.
    Questions,
    /// Three dots: everything else.
    Menu,
    /// A bell.
    Bell,
    /// A ribbon.
    Mark,
    /// A filled ribbon.
    Marked,
    /// Two sheets.
    Copy,
    /// A bin.
    Delete,
    /// An arrow that leaves a tray.
    Export,
    /// Small arrows.
    Left,
    /// See [`Icon::Left`].
    Right,
    /// See [`Icon::Left`].
    Up,
    /// See [`Icon::Left`].
    Down,
}

/// The side of a round or square button that bears a sign, in points.
const BUTTON: f32 = 8.0 * theme::GRID;
/// The side of the sign on it.
const SIGN: f32 = 4.0 * theme::GRID;

/// Draws a sign into a square.
#[expect(clippy::too_many_lines, reason = "a few strokes for each sign")]
pub fn paint(painter: &Painter, icon: Icon, rect: Rect, colour: Color32) {
    let at = |x: f32, y: f32| pos2(rect.left() + x * rect.width() / 16.0, rect.top() + y * rect.height() / 16.0);
    let line = Stroke::new(1.5 * rect.width() / 16.0, colour);
    let bar = |a: Pos2, b: Pos2| painter.rect_filled(Rect::from_two_pos(a, b), 1.0, colour);
    match icon {
        Icon::Pause => {
            bar(at(4.0, 3.0), at(6.8, 13.0));
            bar(at(9.2, 3.0), at(12.0, 13.0));
        }
        Icon::Play => {
            painter.add(egui::Shape::convex_polygon(
                vec![at(4.5, 2.5), at(13.0, 8.0), at(4.5, 13.5)],
                colour,
                Stroke::NONE,
            ));
        }
        Icon::Previous | Icon::Next => {
            let side = |x: f32| if icon == Icon::Next { x } else { 16.0 - x };
            let triangle = vec![at(side(3.5), 3.0), at(side(10.5), 8.0), at(side(3.5), 13.0)];
            painter.add(egui::Shape::convex_polygon(triangle, colour, Stroke::NONE));
            bar(at(side(11.0), 3.0), at(side(12.8), 13.0));
        }
        Icon::Again => {
            let on_circle = |turn: f32| {
                let angle = turn * std::f32::consts::TAU;
                at(8.0 + 5.2 * angle.sin(), 8.5 - 5.2 * angle.cos())
            };
            painter.line((0..=20).map(|step| on_circle(0.06 + 0.82 * step as f32 / 20.0)).collect(), line);
            painter.line(vec![at(10.6, 0.9), at(9.2, 3.4), at(12.0, 4.6)], line);
        }
        Icon::Loop => {
            painter.line(vec![at(2.5, 8.0), at(2.5, 5.0), at(13.0, 5.0)], line);
            painter.line(vec![at(10.8, 2.6), at(13.2, 5.0), at(10.8, 7.4)], line);
            painter.line(vec![at(13.5, 8.0), at(13.5, 11.0), at(3.0, 11.0)], line);
            painter.line(vec![at(5.2, 8.6), at(2.8, 11.0), at(5.2, 13.4)], line);
        }
        Icon::Stop => {
            painter.rect_filled(Rect::from_two_pos(at(4.0, 4.0), at(12.0, 12.0)), 2.0, colour);
        }
        Icon::Close => {
            painter.line_segment([at(4.5, 4.5), at(11.5, 11.5)], line);
            painter.line_segment([at(11.5, 4.5), at(4.5, 11.5)], line);
        }
        Icon::Send => {
            painter.line_segment([at(8.0, 13.0), at(8.0, 3.5)], line);
            painter.line(vec![at(4.0, 7.5), at(8.0, 3.5), at(12.0, 7.5)], line);
        }
        Icon::Camera => {
            painter.rect_stroke(Rect::from_two_pos(at(1.5, 4.5), at(10.5, 11.5)), 2.0, line, StrokeKind::Middle);
            painter.line(vec![at(10.5, 7.5), at(14.5, 5.0), at(14.5, 11.0), at(10.5, 8.5)], line);
        }
        Icon::Model => {
            painter.rect_stroke(Rect::from_two_pos(at(4.0, 4.0), at(12.0, 12.0)), 2.0, line, StrokeKind::Middle);
            for along in [6.0, 10.0] {
                painter.line_segment([at(along, 1.5), at(along, 4.0)], line);
                painter.line_segment([at(along, 12.0), at(along, 14.5)], line);
                painter.line_segment([at(1.5, along), at(4.0, along)], line);
                painter.line_segment([at(12.0, along), at(14.5, along)], line);
            }
        }
        Icon::Warning => {
            painter.add(egui::Shape::closed_line(vec![at(8.0, 2.0), at(14.5, 13.5), at(1.5, 13.5)], line));
            painter.line_segment([at(8.0, 6.5), at(8.0, 9.7)], line);
            painter.circle_filled(at(8.0, 11.6), 0.9 * rect.width() / 16.0, colour);
        }
        Icon::More | Icon::Down => {
            painter.line(vec![at(4.0, 6.0), at(8.0, 10.0), at(12.0, 6.0)], line);
        }
        Icon::Up => {
            painter.line(vec![at(4.0, 10.0), at(8.0, 6.0), at(12.0, 10.0)], line);
        }
        Icon::Left => {
            painter.line(vec![at(10.0, 4.0), at(6.0, 8.0), at(10.0, 12.0)], line);
        }
        Icon::Right => {
            painter.line(vec![at(6.0, 4.0), at(10.0, 8.0), at(6.0, 12.0)], line);
        }
        Icon::Record => {
            painter.circle_filled(at(8.0, 8.0), 4.8 * rect.width() / 16.0, colour);
        }
        Icon::Log => {
            for along in [4.0, 8.0, 12.0] {
                bar(at(2.0, along - 1.2), at(4.6, along + 1.2));
                painter.line_segment([at(6.8, along), at(14.0, along)], line);
            }
        }
        Icon::Menu => {
            for down in [3.5, 8.0, 12.5] {
                painter.circle_filled(at(8.0, down), 1.5 * rect.width() / 16.0, colour);
            }
        }
        Icon::Questions => {
            let bubble = vec![
                at(2.0, 3.0),
                at(14.0, 3.0),
                at(14.0, 11.0),
                at(8.0, 11.0),
                at(5.0, 14.0),
                at(5.0, 11.0),
                at(2.0, 11.0),
            ];
            painter.add(egui::Shape::closed_line(bubble, line));
        }
        Icon::Bell => {
            let body = vec![at(4.0, 11.0), at(4.6, 6.4), at(6.2, 3.8), at(9.8, 3.8), at(11.4, 6.4), at(12.0, 11.0)];
            painter.add(egui::Shape::convex_polygon(body, colour, Stroke::NONE));
            painter.line_segment([at(2.6, 11.4), at(13.4, 11.4)], line);
            painter.line_segment([at(8.0, 2.0), at(8.0, 4.0)], line);
            painter.circle_filled(at(8.0, 13.4), 1.4 * rect.width() / 16.0, colour);
        }
        Icon::Mark => {
            let ribbon = vec![at(4.0, 2.0), at(12.0, 2.0), at(12.0, 13.5), at(8.0, 10.5), at(4.0, 13.5)];
            painter.add(egui::Shape::closed_line(ribbon, line));
        }
        Icon::Marked => {
            // Two convex halves, for the notch at the foot is not.
            for (outer, inner) in [(4.0, 8.0), (8.0, 12.0)] {
                let (foot, notch) = if outer < 8.0 { (13.5, 10.5) } else { (10.5, 13.5) };
                let half = vec![at(outer, 2.0), at(inner, 2.0), at(inner, notch), at(outer, foot)];
                painter.add(egui::Shape::convex_polygon(half, colour, Stroke::NONE));
            }
        }
        Icon::Copy => {
            painter.rect_stroke(Rect::from_two_pos(at(5.5, 5.5), at(13.5, 13.5)), 2.0, line, StrokeKind::Middle);
            painter.line(vec![at(10.5, 2.5), at(2.5, 2.5), at(2.5, 10.5)], line);
        }
        Icon::Delete => {
            painter.line_segment([at(2.5, 4.0), at(13.5, 4.0)], line);
            painter.line_segment([at(6.5, 2.0), at(9.5, 2.0)], line);
            painter.line(vec![at(4.0, 4.0), at(4.8, 13.8), at(11.2, 13.8), at(12.0, 4.0)], line);
        }
        Icon::Export => {
            painter.line_segment([at(8.0, 10.0), at(8.0, 2.0)], line);
            painter.line(vec![at(4.8, 5.2), at(8.0, 2.0), at(11.2, 5.2)], line);
            painter.line(vec![at(2.5, 9.0), at(2.5, 13.5), at(13.5, 13.5), at(13.5, 9.0)], line);
        }
    }
}

/// Draws a sign in its usual size at the place of the cursor.
pub fn show(ui: &mut Ui, icon: Icon, colour: Color32) {
    let (rect, _) = ui.allocate_exact_size(Vec2::splat(SIGN), Sense::hover());
    paint(ui.painter(), icon, rect, colour);
}

/// How a button of a sign looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// On a ground only under the pointer.
    Quiet,
    /// On a ground.
    Filled,
    /// On the accent colour: the one that is meant to be pressed.
    Accent,
    /// On a ground, the sign in the colour of what is being recorded.
    Recording,
}

/// A button that bears a sign. `label` is what a screen reader says, `hint` what the pointer finds.
pub fn button(ui: &mut Ui, icon: Icon, look: Look, enabled: bool, label: &str, hint: &str) -> Response {
    let sense = if enabled { Sense::click() } else { Sense::hover() };
    let (rect, response) = ui.allocate_exact_size(vec2(BUTTON, BUTTON), sense);
    response.widget_info(|| WidgetInfo::labeled(Role::Button, enabled, label));
    if ui.is_rect_visible(rect) {
        let colours = theme::palette(ui.visuals());
        let near = response.hovered() && enabled;
        let ground = match look {
            Look::Accent if enabled => Some(if near { colours.accent.gamma_multiply(0.88) } else { colours.accent }),
            Look::Quiet if !near => None,
            _ => Some(if near { colours.lifted } else { colours.card }),
        };
        if let Some(ground) = ground {
            ui.painter().rect_filled(rect, theme::RADIUS, ground);
        }
        let colour = match (look, enabled) {
            (_, false) => colours.weak.gamma_multiply(0.6),
            (Look::Accent, true) => colours.on_accent,
            (Look::Recording, true) => colours.recording,
            _ => colours.text,
        };
        paint(ui.painter(), icon, Rect::from_center_size(rect.center(), Vec2::splat(SIGN)), colour);
    }
    response.on_hover_text(hint)
}

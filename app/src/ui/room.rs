//! How the window's room is shared between the picture and everything else. A pure function of the
//! window's size: knows no widget.
//!
//! The picture keeps a least width. A panel that then has no place beside it becomes a tab in the
//! picture's place, and bars go one after the other where the window is low: first the timeline,
//! then the status line, then the question box.

use egui::Vec2;

/// The least width of the picture beside a panel, in points.
const LEAST_PICTURE: f32 = 320.0;
/// The least and the largest width of the log beside the picture, in points.
pub const LOG_WIDTH: [f32; 2] = [300.0, 640.0];
/// The same of the questions.
pub const QUESTIONS_WIDTH: [f32; 2] = [240.0, 520.0];
/// The same of the rules.
pub const RULES_WIDTH: [f32; 2] = [280.0, 480.0];
/// Heights of the window from which on a bar is shown, in points.
const TIMELINE_FROM: f32 = 460.0;
const STATUS_FROM: f32 = 240.0;
const QUESTION_FROM: f32 = 180.0;
const BAR_FROM: f32 = 120.0;

/// Where a panel is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Place {
    /// It is closed.
    Closed,
    /// At the right of the picture, at most so wide.
    Beside(f32),
    /// In the place of the picture, when its tab is chosen.
    Tab,
}

/// What has room.
#[derive(Clone, Copy, Debug, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a bar of the window")]
pub struct Room {
    /// The log.
    pub log: Place,
    /// Questions and answers.
    pub questions: Place,
    /// The rules.
    pub rules: Place,
    /// The bar at the top.
    pub bar: bool,
    /// The strip of the day, which belongs to the log.
    pub timeline: bool,
    /// The line at the bottom.
    pub status: bool,
    /// The question box.
    pub question: bool,
}

impl Room {
    /// What has room in a window of this size, in points, in which these panels are open.
    pub fn of(size: Vec2, log: bool, questions: bool, rules: bool) -> Self {
        let spare = size.x - LEAST_PICTURE;
        let place = |open: bool, spare: f32, [least, most]: [f32; 2]| match open {
            false => Place::Closed,
            true if spare >= least => Place::Beside(spare.min(most)),
            true => Place::Tab,
        };
        // The others keep their least widths beside a log that could take all.
        let keep = |room: f32, open: bool, other: [f32; 2], own: [f32; 2]| {
            if open && room >= own[0] + other[0] { room - other[0] } else { room }
        };
        let for_log = keep(spare, questions, QUESTIONS_WIDTH, LOG_WIDTH);
        let for_log = keep(for_log, rules, RULES_WIDTH, LOG_WIDTH);
        let log = place(log, for_log, LOG_WIDTH);
        let left = if let Place::Beside(_) = log { spare - LOG_WIDTH[0] } else { spare };
        let questions = place(questions, keep(left, rules, RULES_WIDTH, QUESTIONS_WIDTH), QUESTIONS_WIDTH);
        let left = if let Place::Beside(_) = questions { left - QUESTIONS_WIDTH[0] } else { left };
        Self {
            log,
            questions,
            rules: place(rules, left, RULES_WIDTH),
            bar: size.y >= BAR_FROM,
            timeline: size.y >= TIMELINE_FROM,
            status: size.y >= STATUS_FROM,
            question: size.y >= QUESTION_FROM,
        }
    }

    /// A panel's width beside the picture, in points, as far as it is its user's choice and not
    /// that of a narrow window.
    pub fn chosen(width: f32, least: f32, most: f32, largest: f32) -> Option<u32> {
        let is_free = width < most - 1.0 || most >= largest;
        (is_free && width >= least).then_some(width.round() as u32)
    }

    /// Whether anything is a tab in the place of the picture.
    pub fn has_tabs(&self) -> bool {
        [self.log, self.questions, self.rules].contains(&Place::Tab)
    }
}

#[cfg(test)]
mod tests {
    use egui::vec2;

    use super::*;

    #[test]
    fn the_picture_keeps_its_least_width_at_every_size() {
        for width in (100..4000).step_by(7) {
            for open in 1..8 {
                let [log, questions, rules] = [1, 2, 4].map(|bit| open & bit != 0);
                let room = Room::of(vec2(width as f32, 800.0), log, questions, rules);
                let least = |place: Place, [least, _]: [f32; 2]| match place {
                    Place::Beside(most) => {
                        assert!(most >= least, "{width} {room:?}");
                        least
                    }
                    _ => 0.0,
                };
                let taken = least(room.log, LOG_WIDTH)
                    + least(room.questions, QUESTIONS_WIDTH)
                    + least(room.rules, RULES_WIDTH);
                assert!(taken == 0.0 || width as f32 - taken >= LEAST_PICTURE, "{width} {room:?}");
                assert_eq!((room.log == Place::Closed, room.rules == Place::Closed), (!log, !rules));
            }
        }
    }

    #[test]
    fn a_width_is_its_users_choice_unless_the_window_is_too_narrow_for_more() {
        assert_eq!(Room::chosen(400.4, 300.0, 640.0, 640.0), Some(400));
        assert_eq!(Room::chosen(640.0, 300.0, 640.0, 640.0), Some(640));
        assert_eq!(Room::chosen(350.0, 300.0, 350.0, 640.0), None, "the window allows no more");
        assert_eq!(Room::chosen(20.0, 300.0, 640.0, 640.0), None, "it is being opened");
    }

    #[test]
    fn panels_become_tabs_and_bars_go_where_there_is_no_room() {
        let wide = Room::of(vec2(1280.0, 800.0), true, true, false);
        assert!(matches!((wide.log, wide.questions), (Place::Beside(_), Place::Beside(_))) && !wide.has_tabs());
        let middle = Room::of(vec2(800.0, 600.0), true, true, false);
        assert!(matches!((middle.log, middle.questions), (Place::Beside(_), Place::Tab)));
        let small = Room::of(vec2(480.0, 360.0), true, true, true);
        assert_eq!((small.log, small.questions, small.rules), (Place::Tab, Place::Tab, Place::Tab));
        assert_eq!((small.timeline, small.status), (false, true));
        let tiny = Room::of(vec2(160.0, 120.0), false, false, false);
        assert!(tiny.bar && !tiny.question && !tiny.status && !tiny.has_tabs());
    }
}

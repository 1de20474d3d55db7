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
    pub fn of(size: Vec2, log: bool, questions: bool) -> Self {
        let spare = size.x - LEAST_PICTURE;
        let place = |open: bool, spare: f32, [least, most]: [f32; 2]| match open {
            false => Place::Closed,
            true if spare >= least => Place::Beside(spare.min(most)),
            true => Place::Tab,
        };
        // The questions keep their least width beside a log that could take all.
        let for_log =
            if questions && spare >= LOG_WIDTH[0] + QUESTIONS_WIDTH[0] { spare - QUESTIONS_WIDTH[0] } else { spare };
        let log = place(log, for_log, LOG_WIDTH);
        let left = if let Place::Beside(_) = log { spare - LOG_WIDTH[0] } else { spare };
        Self {
            log,
            questions: place(questions, left, QUESTIONS_WIDTH),
            bar: size.y >= BAR_FROM,
            timeline: size.y >= TIMELINE_FROM,
            status: size.y >= STATUS_FROM,
            question: size.y >= QUESTION_FROM,
        }
    }

    /// Whether anything is a tab in the place of the picture.
    pub fn has_tabs(&self) -> bool {
        self.log == Place::Tab || self.questions == Place::Tab
    }
}

#[cfg(test)]
mod tests {
    use egui::vec2;

    use super::*;

    #[test]
    fn the_picture_keeps_its_least_width_at_every_size() {
        for width in (100..4000).step_by(7) {
            for (log, questions) in [(true, true), (true, false), (false, true)] {
                let room = Room::of(vec2(width as f32, 800.0), log, questions);
                let least = |place: Place, [least, _]: [f32; 2]| match place {
                    Place::Beside(most) => {
                        assert!(most >= least, "{width} {room:?}");
                        least
                    }
                    _ => 0.0,
                };
                let taken = least(room.log, LOG_WIDTH) + least(room.questions, QUESTIONS_WIDTH);
                assert!(taken == 0.0 || width as f32 - taken >= LEAST_PICTURE, "{width} {room:?}");
                assert_eq!(room.log == Place::Closed, !log);
            }
        }
    }

    #[test]
    fn panels_become_tabs_and_bars_go_where_there_is_no_room() {
        let wide = Room::of(vec2(1280.0, 800.0), true, true);
        assert!(matches!((wide.log, wide.questions), (Place::Beside(_), Place::Beside(_))) && !wide.has_tabs());
        let middle = Room::of(vec2(800.0, 600.0), true, true);
        assert!(matches!((middle.log, middle.questions), (Place::Beside(_), Place::Tab)));
        let small = Room::of(vec2(480.0, 360.0), true, true);
        assert_eq!((small.log, small.questions, small.timeline, small.status), (Place::Tab, Place::Tab, false, true));
        let tiny = Room::of(vec2(160.0, 120.0), false, false);
        assert!(tiny.bar && !tiny.question && !tiny.status && !tiny.has_tabs());
    }
}

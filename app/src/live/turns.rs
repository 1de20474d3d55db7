//! Whose turn it is, of the views that wait for a caption. A pure function of their states and a
//! clock: knows no thread, engine or pixel. (Questions go before all of this.)
//!
//! The turn goes to the view with the largest product of change and time waited, so that what moves
//! is told often and what hardly moves is told at times. That alone could starve a still view
//! beside a busy one: a view that was passed by twice as often as there are views that wait goes
//! first, the one that was passed by most before the others.

use std::time::{Duration, Instant};

/// The least that a change counts for, in the gate's thresholds: a view that is captioned for being
/// silent for too long has not changed at all.
const LEAST_CHANGE: f32 = 1.0;
/// The least that counts as waited, so that of two views that came at once the one that changed
/// more goes first.
const LEAST_WAIT: Duration = Duration::from_millis(1);
/// How many times its fair share a view waits at most: a view's fair share is to let each of the
/// others go before it once.
const MOST_SHARES: u32 = 2;

/// A view that waits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Waiting {
    /// How much its frame differs from the last one captioned, in the gate's thresholds: above 1 is
    /// a change.
    pub change: f32,
    /// Since when it waits; newer frames do not begin this anew.
    pub since: Instant,
    /// How many turns others took meanwhile.
    pub passed_by: u32,
}

/// The place of the view whose turn it is, if any waits (`None`: that view does not).
pub fn next(views: &[Option<Waiting>], now: Instant) -> Option<usize> {
    let waiting = || views.iter().enumerate().filter_map(|(place, view)| Some((place, (*view)?)));
    let patience = MOST_SHARES * waiting().count() as u32;
    // The first of equals: `max_by` takes the last.
    let overdue = waiting().rev().filter(|(_, view)| view.passed_by >= patience).max_by_key(|(_, view)| view.passed_by);
    let urgency = |view: &Waiting| {
        let waited = now.saturating_duration_since(view.since).max(LEAST_WAIT);
        view.change.max(LEAST_CHANGE) * waited.as_secs_f32()
    };
    let most_urgent = || waiting().rev().max_by(|(_, a), (_, b)| urgency(a).total_cmp(&urgency(b)));
    overdue.or_else(most_urgent).map(|(place, _)| place)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Views with a changed frame at all times, and how much it changed. Gives how many turns each
    /// got, and how many turns of others each waited at most. A turn takes a second.
    fn simulate(changes: &[f32], turns: u32) -> (Vec<u32>, Vec<u32>) {
        let start = Instant::now();
        let mut views: Vec<_> =
            changes.iter().map(|&change| Some(Waiting { change, since: start, passed_by: 0 })).collect();
        let (mut got, mut longest) = (vec![0; changes.len()], vec![0; changes.len()]);
        for turn in 0..turns {
            let now = start + Duration::from_secs(turn.into());
            let chosen = next(&views, now).expect("all wait");
            for (place, view) in views.iter_mut().enumerate() {
                let view = view.as_mut().expect("all wait");
                if place == chosen {
                    got[place] += 1;
                    *view = Waiting { since: now + Duration::from_secs(1), passed_by: 0, ..*view };
                } else {
                    view.passed_by += 1;
                    longest[place] = longest[place].max(view.passed_by);
                }
            }
        }
        (got, longest)
    }

    #[test]
    fn equal_views_take_turns() {
        let (got, longest) = simulate(&[2.0; 4], 400);
        assert_eq!(got, [100; 4]);
        assert!(longest.iter().all(|&turns| turns == 3), "{longest:?}");
    }

    #[test]
    fn what_changes_more_is_told_more_often_and_nobody_starves() {
        let (got, longest) = simulate(&[18.0, 4.0, 1.0, 1.0], 1000);
        assert!(got[0] > got[1] && got[1] > got[2] && got[2] > 50, "{got:?}");
        // Twice the fair share, and the others that are overdue at the same time.
        assert!(longest.iter().all(|&turns| turns <= 2 * 4 + 3), "{longest:?}");
        let (got, longest) = simulate(&[1e9, 1e9, 0.0], 300);
        assert!(got[2] >= 300 / 9 && longest[2] <= 2 * 3 + 2, "{got:?} {longest:?}");
        let sixteen = [&[18.0; 8][..], &[1.0; 8]].concat();
        let (got, longest) = simulate(&sixteen, 1600);
        assert!(got.iter().all(|&turns| turns >= 1600 / 48), "{got:?}");
        assert!(longest.iter().all(|&turns| turns <= 2 * 16 + 15), "{longest:?}");
    }

    #[test]
    fn a_view_without_a_changed_frame_takes_no_turn() {
        let now = Instant::now();
        let waits = Waiting { change: 1.0, since: now, passed_by: 0 };
        assert_eq!(next(&[], now), None);
        assert_eq!(next(&[None, None], now), None);
        assert_eq!(next(&[None, Some(waits), None], now), Some(1));
    }

    #[test]
    fn of_views_that_came_at_once_the_one_that_changed_more_goes_first() {
        let now = Instant::now();
        let waits = |change| Some(Waiting { change, since: now, passed_by: 0 });
        assert_eq!(next(&[waits(2.0), waits(5.0), waits(3.0)], now), Some(1));
        assert_eq!(next(&[waits(2.0), waits(2.0)], now), Some(0));
        // One that waited three times as long goes before one that changed twice as much.
        let before = |seconds| now.checked_sub(Duration::from_secs(seconds)).expect("a moment ago");
        let long = Some(Waiting { change: 2.0, since: before(3), passed_by: 1 });
        let busy = Some(Waiting { change: 4.0, since: before(1), passed_by: 0 });
        assert_eq!(next(&[busy, long], now), Some(1));
    }
}

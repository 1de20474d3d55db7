//! From scores to events: when a rule begins to hold, when it ceases to, and when it nearly held.
//! A pure function of what it is shown: it has no clock, and knows no engine, frame or log.
//!
//! A view counts when its score reaches the threshold. A rule holds while at least `n` of its last
//! `m` views count, so a few that were misread neither begin an event nor end one. An event's start
//! is the first view that counts of those `m`; its end is the first one after the last that counts.
//!
//! A run of views that came near, and made no event, is a near miss: fewer than `n` of `m` counted,
//! or none did and the best was within `NEAR` of the threshold, or the hold-off had not passed.

use std::collections::VecDeque;
use std::time::Duration;

use jiff::ZonedDateTime;

use crate::rules::event::EventKind;
use crate::rules::score::Score;
use crate::rules::spec::RuleSpec;

/// How far below the threshold a score is near it, in nats. At a threshold of 50 % that is 27 %, at
/// 80 % it is 60 %.
const NEAR: f32 = 1.0;

/// When a view was captured.
#[derive(Clone, Debug, PartialEq)]
pub struct When {
    /// On a clock that is never set back, from any moment on.
    pub since: Duration,
    /// For people.
    pub time: ZonedDateTime,
}

/// What became of a rule. `F` stands for the view in which it held most strongly.
#[derive(Clone, Debug, PartialEq)]
pub struct Change<F> {
    /// Began, ended or nearly held.
    pub kind: EventKind,
    /// When the first view was captured that counts.
    pub start: When,
    /// When the first one was that no longer counts.
    pub end: Option<When>,
    /// The best score.
    pub peak: Score,
    /// The view that had it.
    pub at_peak: F,
    /// It began in quiet hours.
    pub is_quiet: bool,
    /// It ended because nothing more is known, not because a view no longer counts.
    pub is_cut_off: bool,
}

/// One rule's state for one source.
#[derive(Clone, Debug)]
pub struct RuleState<F> {
    /// The last views.
    window: VecDeque<Seen<F>>,
    span: Option<Span<F>>,
    /// No event begins before this.
    free_at: Duration,
}

#[derive(Clone, Debug)]
struct Seen<F> {
    when: When,
    /// Its score and view, where it counts.
    counts: Option<(Score, F)>,
}

/// What is going on: an event, or what may become one or a near miss.
#[derive(Clone, Debug)]
struct Span<F> {
    is_event: bool,
    start: When,
    /// The first view since the last that counts, or since the last that is near where this is no
    /// event.
    over_since: Option<When>,
    peak: Score,
    at_peak: F,
    is_quiet: bool,
    /// It would be an event if the hold-off had passed.
    is_held: bool,
}

impl<F> Default for RuleState<F> {
    fn default() -> Self {
        Self { window: VecDeque::new(), span: None, free_at: Duration::ZERO }
    }
}

impl<F: Clone> RuleState<F> {
    /// Whether an event is going on.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.span.as_ref().is_some_and(|span| span.is_event)
    }

    /// What is going on, as it would be told when it begins: an event, or what may become one or a
    /// near miss.
    #[must_use]
    pub fn going_on(&self) -> Option<Change<F>> {
        self.span.as_ref().map(|span| span.change(EventKind::Begin, None))
    }

    /// Takes the score of a new view. Views come in the order in which they were captured.
    pub fn observe(&mut self, rule: &RuleSpec, when: &When, score: Score, view: &F) -> Option<Change<F>> {
        let threshold = Score::of(rule.threshold);
        let counts = score.nats >= threshold.nats;
        let is_near = score.nats >= threshold.nats - NEAR;
        self.window.push_back(Seen { when: when.clone(), counts: counts.then(|| (score, view.clone())) });
        while self.window.len() > rule.of.views {
            self.window.pop_front();
        }
        let counted = self.window.iter().filter(|seen| seen.counts.is_some()).count();
        self.extend(when, score, view, counts, is_near);
        let is_enough = counted >= rule.of.least;
        match &mut self.span {
            Some(span) if span.is_event && !is_enough => {
                self.free_at = when.since + rule.hold;
                // What counted for this event counts for no other.
                self.window.clear();
                self.end(when)
            }
            Some(span) if !span.is_event && is_enough => {
                if !std::mem::replace(&mut span.is_held, true) {
                    span.gather(&self.window);
                }
                if when.since < self.free_at {
                    return None;
                }
                span.is_event = true;
                span.is_quiet = rule.is_quiet(span.start.time.time());
                Some(span.change(EventKind::Begin, None))
            }
            Some(span) if !span.is_event => {
                span.is_held = false;
                if is_near || counted > 0 { None } else { self.end(when) }
            }
            _ => None,
        }
    }

    /// Nothing more is known: the source ended, or there is another source or model. What was going
    /// on ends with the last view.
    pub fn finish(&mut self) -> Option<Change<F>> {
        let last = self.window.back().map(|seen| seen.when.clone());
        self.window.clear();
        let last = last.or_else(|| self.span.as_ref().map(|span| span.start.clone()))?;
        self.end(&last).map(|change| Change { is_cut_off: true, ..change })
    }

    fn end(&mut self, now: &When) -> Option<Change<F>> {
        let span = self.span.take()?;
        let kind = if span.is_event { EventKind::End } else { EventKind::NearMiss };
        let end = span.over_since.clone().unwrap_or_else(|| now.clone());
        Some(span.change(kind, Some(end)))
    }

    fn extend(&mut self, when: &When, score: Score, view: &F, counts: bool, is_near: bool) {
        let Some(span) = &mut self.span else {
            self.span = is_near.then(|| Span {
                is_event: false,
                start: when.clone(),
                over_since: None,
                peak: score,
                at_peak: view.clone(),
                is_quiet: false,
                is_held: false,
            });
            return;
        };
        if score.nats > span.peak.nats {
            (span.peak, span.at_peak) = (score, view.clone());
        }
        let goes_on = if span.is_event { counts } else { is_near };
        if goes_on {
            span.over_since = None;
        } else {
            span.over_since.get_or_insert_with(|| when.clone());
        }
    }
}

impl<F: Clone> Span<F> {
    /// Begins with the views that count, whatever came near before.
    fn gather(&mut self, window: &VecDeque<Seen<F>>) {
        let counting = || window.iter().filter_map(|seen| Some((&seen.when, seen.counts.as_ref()?)));
        if let Some((first, _)) = counting().next() {
            self.start = first.clone();
        }
        // The last counts, or was the first of too few.
        if window.back().is_some_and(|seen| seen.counts.is_some()) {
            self.over_since = None;
        }
        // The first of equals.
        let best = counting().map(|(_, best)| best).rev().max_by(|(a, _), (b, _)| a.nats.total_cmp(&b.nats));
        if let Some((score, view)) = best {
            (self.peak, self.at_peak) = (*score, view.clone());
        }
    }

    fn change(&self, kind: EventKind, end: Option<When>) -> Change<F> {
        let Self { start, peak, at_peak, is_quiet, .. } = self;
        let (start, at_peak) = (start.clone(), at_peak.clone());
        Change { kind, start, end, peak: *peak, at_peak, is_quiet: *is_quiet, is_cut_off: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::rules::rule;

    /// What is told, in a line: kind, start and end in seconds, view at the peak.
    fn line(change: &Change<u32>) -> String {
        let seconds = |when: &When| when.since.as_secs();
        let end = change.end.as_ref().map_or_else(String::new, |end| format!("-{}", seconds(end)));
        let quiet = if change.is_quiet { " quiet" } else { "" };
        format!("{} {}{end} at {}{quiet}", change.kind.word(), seconds(&change.start), change.at_peak)
    }

    /// Shows a rule of `more` keys a view a second from 21:59:50 on, each with a probability in per
    /// cent.
    fn told(more: &str, percents: &[u32]) -> Vec<String> {
        let rule = rule(&format!("says = \"there is a cup\"\n{more}"));
        let start: ZonedDateTime = "2025-03-01T21:59:50+01:00[Europe/Berlin]".parse().expect("a time");
        let mut state = RuleState::default();
        let mut told = Vec::new();
        for (second, percent) in (0_u32..).zip(percents) {
            let since = Duration::from_secs(second.into());
            let when = When { since, time: start.saturating_add(jiff::Span::new().seconds(second)) };
            let score = Score::of(f64::from(*percent) as f32 / 100.0);
            told.extend(state.observe(&rule, &when, score, &second).iter().map(line));
        }
        told.extend(state.finish().iter().map(|change| format!("finish: {}", line(change))));
        told
    }

    #[test]
    fn one_view_is_enough_where_one_of_one_is() {
        let told = told("of = [1, 1]", &[5, 90, 95, 5, 5, 60]);
        assert_eq!(told, ["begin 1 at 1", "end 1-3 at 2", "begin 5 at 5", "finish: end 5-5 at 5"]);
    }

    #[test]
    fn a_view_that_was_misread_neither_begins_nor_ends() {
        let told = told("of = [2, 3]", &[90, 5, 5, 5, 90, 91, 5, 92, 5, 5, 5]);
        assert_eq!(told, ["near_miss 0-1 at 0", "begin 4 at 5", "end 4-8 at 7"]);
    }

    #[test]
    fn an_event_begins_with_the_first_view_that_counts() {
        let told = told("of = [3, 5]", &[90, 5, 90, 5, 90, 90, 90, 5, 5, 5]);
        assert_eq!(told, ["begin 0 at 0", "end 0-7 at 0"]);
    }

    #[test]
    fn what_came_near_is_told_when_it_is_over() {
        assert_eq!(told("threshold = 0.8", &[10, 61, 79, 70, 10, 10]), ["near_miss 1-4 at 2"]);
        assert_eq!(told("threshold = 0.8", &[10, 59, 10]), [""; 0]);
        assert_eq!(told("threshold = 0.8", &[10, 79]), ["finish: near_miss 1-1 at 1"]);
    }

    #[test]
    fn another_event_begins_after_the_hold_off() {
        let told = told("of = [1, 1]\nhold = \"5s\"", &[90, 5, 90, 5, 90, 90, 90, 90, 5]);
        let expected = ["begin 0 at 0", "end 0-1 at 0", "near_miss 2-3 at 2", "begin 4 at 4", "end 4-8 at 4"];
        assert_eq!(told, expected);
    }

    #[test]
    fn what_begins_in_quiet_hours_is_marked_so_to_its_end() {
        let quiet = "of = [1, 1]\nquiet = [\"22:00-07:00\"]";
        let mut percents = [5; 16];
        percents[3] = 90;
        percents[12] = 90;
        let told = told(quiet, &percents);
        assert_eq!(told, ["begin 3 at 3", "end 3-4 at 3", "begin 12 at 12 quiet", "end 12-13 at 12 quiet"]);
    }

    #[test]
    fn a_rule_that_never_comes_near_tells_nothing() {
        assert_eq!(told("", &[0, 10, 20, 25, 0]), [""; 0]);
    }
}

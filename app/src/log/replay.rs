//! What rules would have said of views that a log keeps. The same states as live, fed from the log;
//! knows rules and engines, and no pipeline.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone};
use vlm::{Cancel, Features};

use crate::engine::{Engine, EngineError, ViewOptions};
use crate::log::data::entry::Moment;
use crate::log::data::views::{KeptView, ViewFilter};
use crate::log::error::LogError;
use crate::log::store::Store;
use crate::rules::calibrate::Calibration;
use crate::rules::score::{Score, Scorer};
use crate::rules::spec::RuleSpec;
use crate::rules::state::{Change, RuleState, When};
use crate::rules::statement::Statement;

/// Views whose features are scored together: as many as a pass takes of short questions, so that
/// weights are read once for all of them.
const TOGETHER: usize = 16;
/// The most views that wait for that: views that look the same have their features once.
const MOST_WAITING: usize = 4096;

/// A view as a rule's state knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeenView {
    /// The number of its session.
    pub session: i64,
    /// The frame's number.
    pub frame: i64,
    /// When it was captured.
    pub at: Moment,
}

/// What a rule would have told.
#[derive(Clone, Debug)]
pub struct Replayed {
    /// Which rule, by its place.
    pub rule: usize,
    /// What.
    pub change: Change<SeenView>,
}

/// Why a replay did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The log can't be read.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The engine failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// It was cancelled.
    #[error("The replay was stopped.")]
    Cancelled,
}

/// Rules with their calibrations.
pub type Calibrated = (Arc<RuleSpec>, Calibration);

/// Scores every view that the filter lets through and that is wanted, in the order of sessions and
/// time, and gives what the rules make of it to `on_told`. `prior` is what else speaks for them at
/// a view, in nats, which is added to scores; `None` where a view is not wanted. What goes on ends
/// at such a view. Says how many views were scored.
///
/// # Errors
/// When the log can't be read, the engine can't score or fails, or `cancel` is raised.
pub fn replay(
    store: &Store,
    filter: &ViewFilter,
    prior: &dyn Fn(&KeptView) -> Option<f32>,
    engine: &mut dyn Engine,
    rules: &[Calibrated],
    cancel: &Cancel,
    on_told: &mut dyn FnMut(Replayed),
) -> Result<u64, ReplayError> {
    let statements: Vec<Statement> = rules.iter().map(|(rule, _)| rule.says.clone()).collect();
    let view = engine.open_view(ViewOptions::default())?;
    let scorer = Scorer::new(&statements, engine, view, cancel)?.ok_or(ReplayError::Cancelled)?;
    let states = rules.iter().map(|_| RuleState::default()).collect();
    let mut observer = Observer { rules, states, last: None, count: 0, on_told };
    let (mut waiting, mut wanted): (Vec<Waiting>, Vec<Arc<Features>>) = (Vec::new(), Vec::new());
    let mut score = |waiting: &mut Vec<Waiting>, wanted: &mut Vec<Arc<Features>>| -> Result<(), ReplayError> {
        let scores = scorer.score_kept(engine, view, wanted, cancel)?.ok_or(ReplayError::Cancelled)?;
        wanted.clear();
        for Waiting { kept, prior, scores: number } in waiting.drain(..) {
            observer.observe(&kept, prior.zip(number.and_then(|number| scores.get(number))));
        }
        Ok(())
    };
    store.each_view(filter, |kept: KeptView| -> Result<(), ReplayError> {
        let prior = prior(&kept);
        let scores = prior.map(|_| {
            if wanted.last().is_none_or(|last| !Arc::ptr_eq(last, &kept.features)) {
                wanted.push(Arc::clone(&kept.features));
            }
            wanted.len() - 1
        });
        waiting.push(Waiting { kept, prior, scores });
        if wanted.len() >= TOGETHER || waiting.len() >= MOST_WAITING {
            score(&mut waiting, &mut wanted)?;
        }
        Ok(())
    })?;
    score(&mut waiting, &mut wanted)?;
    finish(&mut observer.states, observer.on_told);
    engine.close_view(view);
    Ok(observer.count)
}

/// A view whose scores are on their way.
struct Waiting {
    kept: KeptView,
    prior: Option<f32>,
    /// Which of the features that are scored next are its own; none where it is not wanted.
    scores: Option<usize>,
}

/// What rules make of one view after the other.
struct Observer<'a> {
    rules: &'a [Calibrated],
    states: Vec<RuleState<SeenView>>,
    /// The session of the last view.
    last: Option<i64>,
    count: u64,
    on_told: &'a mut dyn FnMut(Replayed),
}

impl Observer<'_> {
    /// Takes in a view with what else speaks for it and its scores; none where it is not wanted.
    fn observe(&mut self, kept: &KeptView, scored: Option<(f32, &Vec<Score>)>) {
        if self.last.is_some_and(|session| session != kept.session) {
            finish(&mut self.states, self.on_told);
        }
        let Some((prior, scores)) = scored else {
            finish(&mut self.states, self.on_told);
            return;
        };
        let when = when(kept);
        let seen = SeenView { session: kept.session, frame: kept.frame, at: kept.at };
        let rules = self.rules.iter().zip(&mut self.states).zip(scores).enumerate();
        for (place, (((rule, calibration), state), score)) in rules {
            let score = calibration.apply(*score);
            let change = state.observe(rule, &when, Score { nats: score.nats + prior }, &seen);
            if let Some(change) = change {
                (self.on_told)(Replayed { rule: place, change });
            }
        }
        self.last = Some(kept.session);
        self.count += 1;
    }
}

fn finish(states: &mut [RuleState<SeenView>], on_told: &mut dyn FnMut(Replayed)) {
    for (rule, state) in states.iter_mut().enumerate() {
        if let Some(change) = state.finish() {
            on_told(Replayed { rule, change });
        }
    }
}

fn when(kept: &KeptView) -> When {
    let Moment { ms, offset_s } = kept.at;
    let zone = TimeZone::fixed(Offset::from_seconds(offset_s).unwrap_or(Offset::UTC));
    let time = Timestamp::from_millisecond(ms).unwrap_or(Timestamp::UNIX_EPOCH).to_zoned_datetime(zone);
    When { since: Duration::from_millis(u64::try_from(kept.since_ms).unwrap_or_default()), time }
}

#[cfg(test)]
mod tests {
    use vlm::{Along, Reuse};

    use super::*;
    use crate::demo::{World, paint};
    use crate::engine;
    use crate::engine::options::EngineOptions;
    use crate::engine::{Limits, Shown, Task, Turn};
    use crate::models::spec::ModelSpec;
    use crate::rules::score;
    use crate::testing::log::{Scratch, moment};
    use crate::testing::rules::rule;

    /// What is told, in a line. Features are kept in bytes: which of two views that score all but
    /// the same is the peak may differ.
    fn line(rule: usize, change: &Change<SeenView>) -> String {
        let since = |when: &When| when.since.as_millis();
        let end = change.end.as_ref().map_or_else(String::new, |end| since(end).to_string());
        format!("{rule} {} {}-{end}, {:.1} nats", change.kind.word(), since(&change.start), change.peak.nats)
    }

    /// A film of the demo scene is watched with rules while its views are kept, and replayed.
    #[test]
    fn a_replay_tells_what_was_told_live() {
        let mut engine = engine::open(&ModelSpec::Demo, &EngineOptions::default()).expect("built in");
        let cancel = Cancel::default();
        let rules: Vec<Calibrated> = ["circle", "square", "star"]
            .iter()
            .map(|shape| (Arc::new(rule(&format!("says = \"there is a {shape}\""))), Calibration::default()))
            .collect();
        let mut log = Scratch::new();
        let card = engine.card();
        let began = moment("2026-11-23T10:00:00.000+01:00");
        let session = log.session("demo", &card.model, "2026-11-23T10:00:00.000+01:00");
        let precision = &card.precision;
        log.store
            .change(|c| c.execute("UPDATE session SET precision = ?1", [precision]))
            .expect("the demo's precision");

        let asides = score::asides(rules.iter().map(|(rule, _)| &rule.says));
        let choices = ["Yes", "yes", "No", "no"];
        let questions: Vec<vlm::Scored<'_>> =
            asides.questions.iter().map(|aside| vlm::Scored { question: &aside.question, choices: &choices }).collect();
        let view = engine.open_view(ViewOptions::default()).expect("a view");
        let blank = asides.baseline.as_ref().expect("a blank picture");
        let shown = Shown { pictures: &[blank], scene: None, reuse: Reuse::IfIdentical };
        let blank = engine.score(view, shown, &questions, &cancel).expect("scored").expect("not cancelled");
        let mut states: Vec<RuleState<SeenView>> = rules.iter().map(|_| RuleState::default()).collect();
        let (mut world, mut live) = (World::new(31), Vec::new());
        for frame in 0..24 {
            world.advance(0.75);
            let picture = paint(&world);
            let shown = Shown { pictures: &[&picture], scene: Some(frame), reuse: Reuse::IfIdentical };
            let task = Task::Caption { shown, instruction: "Describe this image." };
            let turn = Turn { view, task, limits: Limits::tokens(4) };
            let mut scores = Vec::new();
            let along = Along { questions: &questions, steady: None };
            engine
                .reply_along(turn, along, &cancel, &mut |piece| {
                    if let vlm::Piece::Scores(told) = piece {
                        scores = told;
                    }
                })
                .expect("told");
            let features = engine.features(view).expect("kept").expect("a picture");
            let (frame, since_ms) = (frame as i64, 750 * frame as i64);
            let kept = KeptView { session, frame, at: began.plus_ms(since_ms), since_ms, features };
            log.store.add_view(&kept).expect("written");
            let seen = SeenView { session, frame, at: kept.at };
            for (place, (((rule, _), state), (scores, blank))) in
                rules.iter().zip(&mut states).zip(scores.iter().zip(&blank)).enumerate()
            {
                let score = score::read(&rule.says, scores, blank);
                live.extend(state.observe(rule, &when(&kept), score, &seen).map(|change| line(place, &change)));
            }
        }
        finish(&mut states, &mut |told| live.push(line(told.rule, &told.change)));

        let mut replayed = Vec::new();
        let filter = ViewFilter::of(&card.model, &card.precision);
        let count = replay(&log.store, &filter, &|_| Some(0.0), &mut *engine, &rules, &cancel, &mut |told| {
            replayed.push(line(told.rule, &told.change));
        });
        assert_eq!(count.expect("replayed"), 24);
        assert_eq!(replayed, live);
        assert!(
            live.iter().any(|line| line.contains("begin")) && live.iter().any(|line| line.contains("end")),
            "{live:?}"
        );
    }
}

//! From what a pipeline tells of one view to the events of its rules. Knows no engine and no
//! thread: the pipeline scores the rules' questions, this reads the scores.

use std::sync::Arc;
use std::time::Instant;

use vlm::Stop;

use crate::live::frame::Frame;
use crate::live::{Asides, Caption, Event, ScoredFrame, Worker};
use crate::rules::calibrate::Calibration;
use crate::rules::calibrations::Calibrations;
use crate::rules::event::{EventKind, RuleEvent};
use crate::rules::score;
use crate::rules::score::Score;
use crate::rules::spec::RuleSpec;
use crate::rules::state::{Change, RuleState, When};

/// The rules of one view.
#[derive(Debug)]
pub struct RuleWatch {
    rules: Vec<Watched>,
    asides: Arc<Asides>,
    calibrations: Arc<Calibrations>,
    /// What the view is called in events.
    source: Arc<str>,
    /// It is called as what the pipeline opened calls itself.
    is_unnamed: bool,
    /// The name of what the pipeline opened for it.
    opened: Option<String>,
    model: Option<String>,
    began: Instant,
    /// The frame that was scored last: one whose caption was cut short is scored again.
    last: Option<u64>,
}

/// A view that was scored.
#[derive(Clone, Debug)]
struct Seen {
    frame: Arc<Frame>,
    /// As the model says.
    score: Score,
}

#[derive(Debug)]
struct Watched {
    rule: Arc<RuleSpec>,
    state: RuleState<Seen>,
    calibration: Calibration,
    /// The last score.
    score: Score,
    /// What the model says of a frame, by its number: the one at the peak.
    words: Option<(u64, Arc<str>)>,
    /// An event began without words.
    owes_words: bool,
}

impl RuleWatch {
    /// Watches rules from now on, of a view that is called `source` in events.
    #[must_use]
    pub fn new(rules: &[Arc<RuleSpec>], source: &str) -> Self {
        Self {
            asides: asides_of(rules),
            rules: rules.iter().map(Watched::new).collect(),
            calibrations: Arc::default(),
            source: source.into(),
            is_unnamed: false,
            opened: None,
            model: None,
            began: Instant::now(),
            last: None,
        }
    }

    /// The same of a view whose source is called as it calls itself, whichever that is.
    #[must_use]
    pub fn unnamed(rules: &[Arc<RuleSpec>]) -> Self {
        Self { is_unnamed: true, ..Self::new(rules, "") }
    }

    /// The view is called as its source calls itself, from the next source on.
    pub fn unname(&mut self) {
        self.is_unnamed = true;
    }

    /// Watches these rules from now on. What goes on of one that stays goes on; what goes on of the
    /// others ends, and is given.
    pub fn set_rules(&mut self, rules: &[Arc<RuleSpec>]) -> Vec<RuleEvent> {
        let mut before = std::mem::take(&mut self.rules);
        for rule in rules {
            let is_same =
                |known: &Watched| known.rule.name() == rule.name() && known.rule.says.text() == rule.says.text();
            let watched = match before.iter().position(is_same) {
                Some(place) => Watched { rule: Arc::clone(rule), ..before.swap_remove(place) },
                None => Watched::new(rule),
            };
            self.rules.push(watched);
        }
        let asides = asides_of(rules);
        if *asides != *self.asides {
            self.asides = asides;
            // The frame in hand is asked anew.
            self.last = None;
        }
        self.calibrate();
        let source = &self.source;
        before
            .iter_mut()
            .filter_map(|watched| watched.state.finish().map(|change| watched.told(change, source)))
            .collect()
    }

    /// Takes what the user's ticks make of scores from now on.
    pub fn set_calibrations(&mut self, calibrations: Arc<Calibrations>) {
        self.calibrations = calibrations;
        self.calibrate();
    }

    fn calibrate(&mut self) {
        let Some(model) = &self.model else { return };
        for watched in &mut self.rules {
            watched.calibration = self.calibrations.of(watched.rule.says.text(), model);
        }
    }

    /// Whether an event of the rule of this name goes on.
    #[must_use]
    pub fn holds(&self, name: &str) -> bool {
        self.rules.iter().any(|watched| watched.rule.name() == name && watched.state.holds())
    }

    /// The same with what the user's ticks made of the rules.
    #[must_use]
    pub fn calibrated(self, calibrations: Arc<Calibrations>) -> Self {
        Self { calibrations, ..self }
    }

    /// What the pipeline is to ask of each view:
    /// [`Settings::asides`](crate::live::Settings::asides).
    #[must_use]
    pub fn asides(&self) -> Arc<Asides> {
        Arc::clone(&self.asides)
    }

    /// The last score of each rule, in their order.
    pub fn scores(&self) -> impl Iterator<Item = (&Arc<RuleSpec>, Score)> {
        self.rules.iter().map(|watched| (&watched.rule, watched.score))
    }

    /// Takes what the pipeline tells of this view or of all. Gives what the rules have to tell.
    pub fn observe(&mut self, event: &Event) -> Vec<RuleEvent> {
        match event {
            Event::Scored(scored) if Arc::ptr_eq(&scored.asides, &self.asides) => self.scored(scored),
            Event::Captioned(caption) if caption.reply.stop != Stop::Cancelled => self.captioned(caption),
            Event::SourceOpened { name } => {
                let is_other = self.opened.as_ref().is_some_and(|opened| opened != name);
                self.opened = Some(name.clone());
                let told = if is_other { self.finish() } else { Vec::new() };
                if self.is_unnamed {
                    self.source = name.as_str().into();
                }
                told
            }
            Event::ModelReady(card) => {
                let is_other = self.model.as_ref().is_some_and(|model| *model != card.model);
                self.model = Some(card.model.clone());
                let told = if is_other { self.finish() } else { Vec::new() };
                self.calibrate();
                told
            }
            Event::Done | Event::Failed { worker: Worker::Capture, retry_in: None, .. } => self.finish(),
            _ => Vec::new(),
        }
    }

    /// Nothing more is known of the view: what goes on is over.
    pub fn finish(&mut self) -> Vec<RuleEvent> {
        self.last = None;
        let source = &self.source;
        self.rules
            .iter_mut()
            .filter_map(|watched| watched.state.finish().map(|change| watched.told(change, source)))
            .collect()
    }

    fn scored(&mut self, scored: &ScoredFrame) -> Vec<RuleEvent> {
        let frame = &scored.frame;
        if self.last.replace(frame.id) == Some(frame.id) {
            return Vec::new();
        }
        let when = When { since: frame.captured_at.saturating_duration_since(self.began), time: frame.time.clone() };
        let (source, pairs) = (&self.source, scored.scores.iter().zip(scored.baseline.iter()));
        let mut told = Vec::new();
        for (watched, (scores, blank)) in self.rules.iter_mut().zip(pairs) {
            let seen = Seen { frame: Arc::clone(frame), score: score::read(&watched.rule.says, scores, blank) };
            watched.score = watched.calibration.apply(seen.score);
            let change = watched.state.observe(&watched.rule, &when, watched.score, &seen);
            told.extend(change.map(|change| watched.told(change, source)));
        }
        told
    }

    fn captioned(&mut self, caption: &Caption) -> Vec<RuleEvent> {
        let mut told = Vec::new();
        for watched in &mut self.rules {
            let Some(now) = watched.state.going_on() else { continue };
            if now.at_peak.frame.id != caption.frame.id {
                continue;
            }
            watched.words = Some((caption.frame.id, caption.reply.text.as_str().into()));
            if std::mem::take(&mut watched.owes_words) {
                told.push(watched.told(Change { kind: EventKind::Words, ..now }, &self.source));
            }
        }
        told
    }
}

fn asides_of(rules: &[Arc<RuleSpec>]) -> Arc<Asides> {
    Arc::new(score::asides(rules.iter().map(|rule| &rule.says)))
}

impl Watched {
    fn new(rule: &Arc<RuleSpec>) -> Self {
        Self {
            rule: Arc::clone(rule),
            state: RuleState::default(),
            calibration: Calibration::default(),
            score: Score { nats: f32::NEG_INFINITY },
            words: None,
            owes_words: false,
        }
    }

    fn told(&mut self, change: Change<Seen>, source: &Arc<str>) -> RuleEvent {
        let Change { kind, start, end, peak, at_peak: Seen { frame, score: model_peak }, is_quiet, .. } = change;
        let caption = self.words.as_ref().filter(|(at, _)| *at == frame.id).map(|(_, text)| Arc::clone(text));
        match kind {
            EventKind::Begin => self.owes_words = caption.is_none(),
            EventKind::Words => {}
            EventKind::End | EventKind::NearMiss => (self.owes_words, self.words) = (false, None),
        }
        RuleEvent {
            rule: Arc::clone(&self.rule),
            source: Arc::clone(source),
            kind,
            start: start.time,
            end: end.map(|end| end.time),
            score: self.score,
            peak,
            model_peak,
            frame,
            caption,
            is_quiet,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use vlm::Scores;

    use super::*;
    use crate::testing::log::{caption, frame};
    use crate::testing::rules::rule;

    const START: &str = "2025-03-01T12:00:00+01:00[Europe/Berlin]";

    /// A view with rules, and a pipeline that tells of it.
    struct Scene {
        watch: RuleWatch,
        start: Instant,
        frames: u64,
    }

    impl Scene {
        fn of(rules: &[&str]) -> Self {
            let rules: Vec<_> =
                rules.iter().map(|says| Arc::new(rule(&format!("says = \"{says}\"\nof = [1, 1]")))).collect();
            Self { watch: RuleWatch::new(&rules, "door"), start: Instant::now(), frames: 0 }
        }

        /// A new frame of which these are log P(yes) - log P(no) of the rules' questions.
        fn score(&mut self, nats: &[f32]) -> Vec<String> {
            self.frames += 1;
            self.again(nats)
        }

        /// The same frame once more.
        fn again(&mut self, nats: &[f32]) -> Vec<String> {
            let scores = |nats: f32| Scores {
                log_probs: vec![nats, f32::NEG_INFINITY, 0.0, f32::NEG_INFINITY],
                tokens: vec![1; 4],
            };
            let scored = ScoredFrame {
                frame: Arc::new(frame(self.frames, self.start, Duration::from_secs(self.frames), START)),
                asides: self.watch.asides(),
                scores: nats.iter().map(|nats| scores(*nats)).collect(),
                // This model leans to yes by half a nat.
                baseline: nats.iter().map(|_| scores(0.5)).collect(),
            };
            lines(&self.watch.observe(&Event::Scored(scored)))
        }

        fn caption(&mut self, text: &str) -> Vec<String> {
            let frame = frame(self.frames, self.start, Duration::from_secs(self.frames), START);
            lines(&self.watch.observe(&caption(frame, text)))
        }
    }

    fn lines(events: &[RuleEvent]) -> Vec<String> {
        let line = |event: &RuleEvent| {
            let words = event.caption.as_deref().unwrap_or("-");
            format!("{} {} at {}: {words}", event.rule.name(), event.kind.word(), event.frame.id)
        };
        events.iter().map(line).collect()
    }

    #[test]
    fn an_event_is_told_at_once_and_its_words_when_they_come() {
        let mut scene = Scene::of(&["there is a cup"]);
        assert_eq!(scene.score(&[0.4]), [""; 0], "the lean to yes is taken off");
        assert_eq!(scene.caption("A table."), [""; 0]);
        assert_eq!(scene.score(&[1.0]), ["there is a cup begin at 2: -"]);
        assert_eq!(scene.again(&[1.0]), [""; 0], "its caption was cut short and is taken up again");
        assert_eq!(scene.caption("A cup."), ["there is a cup words at 2: A cup."]);
        assert_eq!(scene.score(&[0.9]), [""; 0]);
        assert_eq!(scene.caption("A mug."), [""; 0]);
        assert_eq!(scene.score(&[-5.0]), ["there is a cup end at 2: A cup."]);
    }

    #[test]
    fn a_negated_rule_holds_where_its_opposite_does_not() {
        let mut scene = Scene::of(&["there is no cup", "there is a jug"]);
        assert_eq!(scene.score(&[3.0, 3.0]), ["there is a jug begin at 1: -"]);
        assert_eq!(scene.score(&[-3.0, 3.0]), ["there is no cup begin at 2: -"]);
        let scores: Vec<f32> = scene.watch.scores().map(|(_, score)| score.nats).collect();
        assert_eq!(scores, [3.5, 2.5]);
    }

    #[test]
    fn what_was_ticked_decides_what_a_score_is_worth() {
        let mut known = Calibrations::default();
        known.set("there is a cup", "256m", Some(Calibration { slope: 1.0, offset: -3.0 }));
        let mut scene = Scene::of(&["there is a cup"]);
        scene.watch = scene.watch.calibrated(Arc::new(known));
        scene.watch.observe(&Event::ModelReady(crate::testing::log::card("256m")));
        assert_eq!(scene.score(&[3.0]), [""; 0], "2.5 nats of this model are worth -0.5");
        assert_eq!(scene.score(&[4.0]), ["there is a cup begin at 2: -"]);
        scene.watch.observe(&Event::ModelReady(crate::testing::log::card("500m")));
        let scores: Vec<f32> = scene.watch.scores().map(|(_, score)| score.nats).collect();
        assert_eq!(scene.score(&[3.0]), ["there is a cup begin at 3: -"], "another model was not ticked: {scores:?}");
    }

    #[test]
    fn rules_that_stay_go_on_when_others_come_and_go() {
        let mut scene = Scene::of(&["there is a cup", "there is a jug"]);
        assert_eq!(scene.score(&[3.0, 3.0]).len(), 2);
        let asides = scene.watch.asides();
        let cup = Arc::new(rule("says = \"there is a cup\"\nof = [1, 1]\nthreshold = 0.9"));
        let mug = Arc::new(rule("says = \"there is a mug\"\nof = [1, 1]"));
        assert_eq!(lines(&scene.watch.set_rules(&[mug, Arc::clone(&cup)])), ["there is a jug end at 1: -"]);
        assert!(!Arc::ptr_eq(&asides, &scene.watch.asides()), "other questions");
        assert!(scene.watch.holds("there is a cup") && !scene.watch.holds("there is a mug"));
        assert_eq!(scene.again(&[3.0, 3.0]), ["there is a mug begin at 1: -"], "the frame in hand is asked anew");
        assert_eq!(scene.score(&[3.0, 1.0]), ["there is a cup end at 1: -"], "by its new threshold");
        let asides = scene.watch.asides();
        let lower = RuleSpec::clone(&cup).with_threshold(0.2);
        let mug = Arc::new(rule("says = \"there is a mug\"\nof = [1, 1]"));
        assert_eq!(lines(&scene.watch.set_rules(&[mug, Arc::new(lower)])), [""; 0]);
        assert!(Arc::ptr_eq(&asides, &scene.watch.asides()), "the same questions");
    }

    #[test]
    fn a_source_without_a_name_is_called_what_it_calls_itself() {
        let mut scene = Scene::of(&["there is a cup"]);
        let rules: Vec<_> = scene.watch.rules.iter().map(|watched| Arc::clone(&watched.rule)).collect();
        scene.watch = RuleWatch::unnamed(&rules);
        for name in ["Webcam", "Demo scene"] {
            let ended = scene.watch.observe(&Event::SourceOpened { name: name.to_owned() });
            assert!(ended.iter().all(|event| &*event.source == "Webcam" && event.kind == EventKind::End));
            scene.score(&[3.0]);
            assert_eq!(&*scene.watch.finish()[0].source, name);
            scene.score(&[3.0]);
        }
    }

    #[test]
    fn what_goes_on_ends_with_the_source_or_the_model() {
        let card = |model| Event::ModelReady(crate::testing::log::card(model));
        let opened = |name: &str| Event::SourceOpened { name: name.to_owned() };
        for (same, other) in
            [(opened("camera"), opened("film.mp4")), (card("256m"), card("500m")), (opened("camera"), Event::Done)]
        {
            let mut scene = Scene::of(&["there is a cup"]);
            scene.watch.observe(&same);
            assert_eq!(scene.score(&[3.0]).len(), 1);
            assert_eq!(lines(&scene.watch.observe(&same)), [""; 0], "it was opened again");
            assert_eq!(lines(&scene.watch.observe(&other)), ["there is a cup end at 1: -"]);
            assert_eq!(scene.again(&[3.0]).len(), 1, "the same frame counts anew");
        }
    }
}

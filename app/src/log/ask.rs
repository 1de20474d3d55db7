//! Questions about the past: at which times something was there. Captions with its words are
//! candidates, the views that were kept decide; no words are made up. Knows rules and engines, and
//! no pipeline.
//!
//! What is asked for is seldom there, and a model that is asked again and again is wrong now and
//! then: of the demo model's many views without a red circle it takes a few with a red square and a
//! blue circle for one. So a caption counts as evidence of its own. Where it does not say what is
//! asked for, the model has to be the surer.

use std::time::Duration;

use vlm::Cancel;

use crate::engine::Engine;
use crate::log::data::entry::{EntryKind, Moment};
use crate::log::data::filter::{EntryFilter, Filter};
use crate::log::data::views::{KeptView, ViewFilter};
use crate::log::error::LogError;
use crate::log::replay::{Calibrated, ReplayError, Replayed, replay};
use crate::log::store::Store;
use crate::rules::calibrate::Calibration;
use crate::rules::event::EventKind;
use crate::rules::score::Score;
use crate::rules::statement::Statement;

/// So many views are all scored. Of more, those that captions make candidates.
const FEW_VIEWS: u64 = 1000;
/// The most captions that are candidates.
const MOST_CAPTIONS: usize = 10_000;
/// How much less likely something is where the caption does not say it, in nats. Chosen on 150
/// scenes of the demo world (seed 500).
const UNSAID: f32 = 4.0;
/// How long before and after a candidate's caption views are scored, too, in milliseconds.
const AROUND_MS: i64 = 2000;
/// Two times that are less than this apart are one, where captions alone tell.
const TOGETHER_MS: i64 = 1000;
/// Words that say nothing about what is looked for.
const LITTLE_WORDS: [&str; 26] = [
    "a", "an", "and", "any", "are", "answer", "at", "by", "does", "in", "is", "it", "no", "not", "of", "on", "or",
    "some", "that", "the", "there", "true", "was", "were", "with", "yes",
];

/// A time at which something was there.
#[derive(Clone, Debug, PartialEq)]
pub struct Time {
    /// The number of its session.
    pub session: i64,
    /// The caption that was shown when it was seen most plainly, whose picture shows it.
    pub entry: Option<i64>,
    /// When it was seen first.
    pub start: Moment,
    /// For how long, in milliseconds.
    pub duration_ms: i64,
    /// How strongly the model thinks so at most; `None` where captions alone tell.
    pub score: Option<Score>,
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Found {
    /// Oldest first, session by session.
    pub times: Vec<Time>,
    /// Views that were scored.
    pub views: u64,
}

/// When a statement held, by the views that were kept. With `all`, every view of that time is
/// scored, and captions say nothing; otherwise what captions say counts, too, and where there are
/// many views, those about which a caption has its words are scored.
///
/// # Errors
/// As [`replay`].
pub fn ask(
    store: &Store,
    filter: &ViewFilter,
    rule: &Calibrated,
    all: bool,
    engine: &mut dyn Engine,
    cancel: &Cancel,
) -> Result<Found, ReplayError> {
    let (spec, line) = rule;
    let is_narrow = !all && store.count_views(filter)? > FEW_VIEWS;
    let candidates = if all { Vec::new() } else { candidates(store, filter, &spec.says)? };
    // Whoever ticked what was right has told what a score is worth.
    let counts_words = !all && *line == Calibration::default();
    let prior = |kept: &KeptView| {
        let of_session = || candidates.iter().filter(|candidate| candidate.session == kept.session);
        if is_narrow && !of_session().any(|candidate| candidate.is_near(kept.since_ms)) {
            return None;
        }
        let is_said = of_session().any(|candidate| candidate.says_so && candidate.is_at(kept.since_ms));
        Some(match (counts_words, is_said, spec.says.is_negated()) {
            (false, ..) | (_, true, _) => 0.0,
            (true, false, negated) => {
                if negated {
                    UNSAID
                } else {
                    -UNSAID
                }
            }
        })
    };
    let mut told = Vec::new();
    let views =
        replay(store, filter, &prior, engine, std::slice::from_ref(rule), cancel, &mut |replayed| told.push(replayed))?;
    let times = told.iter().filter_map(|told| time(store, told).transpose()).collect::<Result<_, _>>()?;
    Ok(Found { times, views })
}

/// When captions have a statement's words.
///
/// # Errors
/// When the log can't be read.
pub fn ask_captions(store: &Store, since_ms: i64, until_ms: i64, says: &Statement) -> Result<Found, LogError> {
    let Some(words) = words(says) else { return Ok(Found::default()) };
    let filter = captions(since_ms, until_ms, words);
    let mut found = store.search(&filter, None, MOST_CAPTIONS)?;
    found.sort_by_key(|found| (found.entry.session, found.entry.since_ms));
    let mut times: Vec<Time> = Vec::new();
    let mut last_end = 0;
    for entry in found.into_iter().map(|found| found.entry) {
        let end = entry.since_ms.saturating_add(entry.duration_ms);
        match times.last_mut() {
            Some(last) if last.session == entry.session && entry.since_ms <= last_end + TOGETHER_MS => {
                last.duration_ms += (end - last_end).max(0);
            }
            _ => times.push(Time {
                session: entry.session,
                entry: Some(entry.id),
                start: entry.at,
                duration_ms: entry.duration_ms,
                score: None,
            }),
        }
        last_end = end;
    }
    Ok(Found { times, views: 0 })
}

/// A caption that has the words.
struct Candidate {
    session: i64,
    /// When its words held, in milliseconds from the session's start.
    from: i64,
    until: i64,
    /// Whether the words stand together.
    says_so: bool,
}

impl Candidate {
    fn is_near(&self, since_ms: i64) -> bool {
        (self.from - AROUND_MS..=self.until.saturating_add(AROUND_MS)).contains(&since_ms)
    }

    fn is_at(&self, since_ms: i64) -> bool {
        since_ms == self.from || (self.from..self.until).contains(&since_ms)
    }
}

fn candidates(store: &Store, filter: &ViewFilter, says: &Statement) -> Result<Vec<Candidate>, LogError> {
    let Some(words) = words(says) else { return Ok(Vec::new()) };
    let found = store.search(&captions(filter.since_ms, filter.until_ms, words), None, MOST_CAPTIONS)?;
    let wanted = telling(says.question());
    let candidates = found.into_iter().map(|found| {
        let entry = found.entry;
        let (from, until) = (entry.since_ms, entry.since_ms.saturating_add(entry.duration_ms));
        let says_so = telling(&entry.text).windows(wanted.len()).any(|words| words == wanted);
        Candidate { session: entry.session, from, until, says_so }
    });
    Ok(candidates.collect())
}

fn captions(since_ms: i64, until_ms: i64, words: String) -> Filter {
    Filter {
        since_ms: Some(since_ms),
        until_ms: Some(until_ms),
        kinds: vec![EntryFilter::Of(EntryKind::Caption)],
        words: Some(words),
        ..Filter::default()
    }
}

/// The words that a caption of what is looked for has, all of them.
fn words(says: &Statement) -> Option<String> {
    let words: Vec<String> = telling(says.question()).iter().map(|word| format!("\"{word}\"")).collect();
    (!words.is_empty()).then(|| words.join(" "))
}

/// The words of a text that say something, in their order.
fn telling(text: &str) -> Vec<String> {
    let lower = text.to_lowercase();
    let words = lower.split(|c: char| !c.is_alphanumeric());
    words.filter(|word| !word.is_empty() && !LITTLE_WORDS.contains(word)).map(str::to_owned).collect()
}

/// An event as a time; `None` for what is none.
fn time(store: &Store, told: &Replayed) -> Result<Option<Time>, LogError> {
    let change = &told.change;
    let (EventKind::End, Some(end)) = (change.kind, &change.end) else { return Ok(None) };
    let ms = |duration: Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
    let seen = &change.at_peak;
    let shown = store.caption_at(seen.session, seen.frame)?;
    let start = ms(change.start.since);
    // What is cut off held as long as the caption of that view.
    let held = shown.filter(|_| change.is_cut_off).map_or(0, |(_, until)| until);
    Ok(Some(Time {
        session: seen.session,
        entry: shown.map(|(entry, _)| entry),
        start: Moment::of(&change.start.time),
        duration_ms: ms(end.since).max(held) - start,
        score: Some(change.peak),
    }))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use vlm::Reuse;

    use super::*;
    use crate::demo::{Object, World, paint};
    use crate::engine;
    use crate::engine::options::EngineOptions;
    use crate::engine::{Limits, Shown, Task, Turn, ViewOptions};
    use crate::log::Entry;
    use crate::models::spec::ModelSpec;
    use crate::rules::spec::{Of, RuleSpec};
    use crate::testing::log::{Scratch, entry, moment};

    fn said(text: &str) -> Option<String> {
        words(&text.parse().expect("a statement"))
    }

    #[test]
    fn words_that_say_nothing_are_left_out() {
        assert_eq!(said("there is a red circle").as_deref(), Some("\"red\" \"circle\""));
        assert_eq!(said("the door is open").as_deref(), Some("\"door\" \"open\""));
        assert_eq!(said("it is"), None);
    }

    #[test]
    fn captions_with_the_words_make_times() {
        let mut log = Scratch::new();
        let door = log.session("door", "256m", "2026-11-23T10:00:00.000+01:00");
        let mut add = |second: i64, text: &str| {
            let plain = entry(door, "2026-11-23T10:00:01.000+01:00", second * 1000, text);
            log.add(&Entry { duration_ms: 2000, ..plain });
        };
        add(1, "A red circle");
        add(3, "A large red circle and a star");
        add(5, "A star");
        add(20, "A circle, red");
        let says: Statement = "there is a red circle".parse().expect("a statement");
        let found = ask_captions(&log.store, i64::MIN, i64::MAX, &says).expect("read");
        let told: Vec<_> = found.times.iter().map(|time| (time.entry, time.duration_ms)).collect();
        assert_eq!(told, [(Some(1), 4000), (Some(4), 2000)]);
        assert!(found.times.iter().all(|time| time.score.is_none()));
    }

    /// Scenes of the demo world, unlike those that [`UNSAID`] was chosen on, are captioned and
    /// kept, and asked about one shape after the other.
    #[test]
    fn what_was_there_is_found_and_little_else() {
        const SCENES: i64 = 24;
        let mut engine = engine::open(&ModelSpec::Demo, &EngineOptions::default()).expect("built in");
        let (card, cancel, mut log) = (engine.card(), Cancel::default(), Scratch::new());
        let session = log.session("demo", &card.model, "2026-11-23T10:00:00.000+01:00");
        let precision = &card.precision;
        let change = |c: &rusqlite::Connection| c.execute("UPDATE session SET precision = ?1", [precision]);
        log.store.change(change).expect("the demo's precision");
        let began = moment("2026-11-23T10:00:00.000+01:00");
        let view = engine.open_view(ViewOptions::default()).expect("a view");
        let mut truth = Vec::new();
        for scene in 0..SCENES {
            let mut world = World::new(7000 + scene as u64);
            (0..300).for_each(|_| world.advance(1.0 / 30.0));
            world.settle();
            let (picture, since_ms) = (paint(&world), 1000 * scene);
            let shown = Shown { pictures: &[&picture], scene: Some(scene as u64), reuse: Reuse::IfIdentical };
            let task = Task::Caption { shown, instruction: "Describe this image in one sentence." };
            let turn = Turn { view, task, limits: Limits::tokens(60) };
            let reply = engine.reply(turn, &cancel, &mut |_| {}).expect("a caption");
            let features = engine.features(view).expect("kept").expect("a picture");
            let at = began.plus_ms(since_ms);
            log.store.add_view(&KeptView { session, frame: scene, at, since_ms, features }).expect("written");
            let plain = entry(session, "2026-11-23T10:00:01.000+01:00", since_ms, &reply.text);
            log.add(&Entry { frame: scene, at, duration_ms: 1000, ..plain });
            truth.push(world.truth());
        }
        engine.close_view(view);
        let filter = ViewFilter::of(&card.model, &card.precision);
        let (mut was, mut found, mut right) = (0, 0, 0);
        let looks = |object: &Object| (object.color.word(), object.shape.word());
        let first: BTreeSet<_> = truth.iter().step_by(2).filter_map(|objects| objects.first()).map(looks).collect();
        for wanted in first {
            let says = format!("there is a {} {}", wanted.0, wanted.1).parse().expect("a statement");
            let mut rule = RuleSpec::new(says);
            rule.of = Of { least: 1, views: 1 };
            let rule = (Arc::new(rule), Calibration::default());
            let told = ask(&log.store, &filter, &rule, false, &mut *engine, &cancel).expect("asked");
            assert_eq!(told.views, SCENES as u64);
            for (scene, objects) in truth.iter().enumerate() {
                let at = began.plus_ms(1000 * scene as i64).ms;
                let is_found =
                    told.times.iter().any(|time| (time.start.ms..time.start.ms + time.duration_ms).contains(&at));
                let was_there = objects.iter().any(|object| looks(object) == wanted);
                (was, found) = (was + i32::from(was_there), found + i32::from(is_found));
                right += i32::from(was_there && is_found);
            }
        }
        assert!(was >= 10, "{was} to be found");
        assert!(right * 100 >= was * 95, "{right} of {was} found");
        assert!((found - right) * 100 <= found * 5, "{} of {found} false", found - right);
    }
}

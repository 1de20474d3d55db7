//! `sightline bench rules`: how true rules are of the demo scene, and what they cost.
//!
//! The model sees films of scenes that it was never trained on, four views a second. While nothing
//! is on its way, a rule is right of a view when it holds of what is there. Its events are right
//! when they begin and end within a second of what they tell of. What rules cost does not depend on
//! what there is to see: a new view is captioned with none, one and two rules in its pass, with the
//! same two in a pass of their own, and they are scored of a view whose features were kept.

use std::io::Write as _;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::Args;
use jiff::{Timestamp, ToSpan as _, tz::TimeZone};
use serde::Serialize;
use vlm::{Along, Cancel, Reuse, Scored};

use crate::base::message::Message;
use crate::cli::args::ModelArgs;
use crate::cli::bench::spread::{Spread, ms};
use crate::cli::download;
use crate::cli::output::{Notes, Output};
use crate::cli::parse::{seed, whole};
use crate::demo::{Color, Object, Random, Shape, World, paint};
use crate::engine;
use crate::engine::{Engine, EngineError, Limits, Shown, Task, Turn, ViewId, ViewOptions};
use crate::rules::event::EventKind;
use crate::rules::score::Scorer;
use crate::rules::spec::RuleSpec;
use crate::rules::state::{RuleState, When};
use crate::rules::statement::Statement;

/// Time between two views of a film.
const STEP: Duration = Duration::from_millis(250);
/// How long a film is, in views: 40 seconds.
const VIEWS: u32 = 160;
/// Steps in which the scene moves from one view to the next.
const MOVES: u32 = 8;
/// How much sooner or later than what it tells of an event may begin and end.
const ON_TIME: Duration = Duration::from_secs(1);
/// Films unless told otherwise.
const FILMS: u32 = 10;
/// Rules of a film: each is about things of one colour and shape, or of one shape. Half of them are
/// of what comes by.
const RULES: usize = 8;
/// Tokens of a caption, as in the published comparisons.
const TOKENS: usize = 30;
/// Kept views that are scored at a time, as a replay does.
const REPLAYED: usize = 16;
/// The rules whose cost is measured.
const COSTED: [&str; 2] = ["there is a parcel on the mat", "a person stands at the door"];

/// The command's arguments.
#[derive(Args, Clone, Debug)]
pub struct RulesArgs {
    /// Which films: the same number gives the same ones
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = seed)]
    pub seed: u64,

    /// How many films of 40 seconds; 0 measures the cost alone
    #[arg(long, value_name = "K", default_value_t = FILMS, value_parser = whole::<u32, 0, 9_999>)]
    pub count: u32,

    /// Rounds in which the cost is measured
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = whole::<usize, 1, 10_000>)]
    pub rounds: usize,

    #[command(flatten)]
    pub model: ModelArgs,
}

/// The line on standard output.
#[derive(Serialize)]
struct Report {
    model: String,
    device: String,
    precision: String,
    seed: u64,
    films: u32,
    views: Share,
    events: Events,
    cost: Cost,
}

/// How many of how many are right.
#[derive(Clone, Copy, Default, Serialize)]
struct Share {
    right: usize,
    of: usize,
}

/// How events are beside what they tell of.
#[derive(Clone, Copy, Default, Serialize)]
struct Events {
    /// Times in which something was there, each two seconds long or longer.
    truth: usize,
    /// Of these, those whose event begins and ends on time.
    on_time: usize,
    /// Events of what was not there.
    wrong: usize,
}

/// Milliseconds.
#[derive(Serialize)]
struct Cost {
    caption: Spread,
    one_rule: Spread,
    two_rules: Spread,
    two_rules_apart: Spread,
    /// Two rules of a view whose features were kept.
    kept_view: Spread,
    /// The same of each of several such views, as a replay scores them.
    replayed_view: Spread,
    /// Making the features of a view fit to be kept.
    features: Spread,
    /// The medians' shares of the caption's.
    one_rule_adds: f64,
    two_rules_add: f64,
}

/// Measures and prints.
///
/// # Errors
/// When the model can't be used, or standard output can't be written.
pub fn run(args: &RulesArgs) -> anyhow::Result<ExitCode> {
    download::fetch(&args.model.model, &Cancel::default())?;
    let mut engine = engine::open(&args.model.model, &args.model.engine_options())?;
    let card = engine.card();
    if !(card.can.scores && card.can.features) {
        let message = Message::new("This engine does not tell how likely answers are.");
        return Err(message.hint("Use a model on this machine.").into());
    }
    let failed = "The model failed while it was measured";
    let (mut views, mut events) = (Share::default(), Events::default());
    for film in 0..args.count {
        watch_film(&mut *engine, (args.seed, film), VIEWS, &mut views, &mut events).context(failed)?;
    }
    let cost = cost(&mut *engine, args.rounds, &args.model.prompt).context(failed)?;
    let report = Report {
        model: card.model,
        device: card.device,
        precision: card.precision,
        seed: args.seed,
        films: args.count,
        views,
        events,
        cost,
    };
    writeln!(Output::new(), "{}", serde_json::to_string(&report)?)?;
    for_people(&report)?;
    Ok(ExitCode::SUCCESS)
}

/// From when to when; without an end, to that of the film.
type Span = (Duration, Option<Duration>);

/// A rule, and the things that it is about.
struct Watched {
    rule: RuleSpec,
    shape: Shape,
    color: Option<Color>,
    state: RuleState<u32>,
    /// From when to when something of the kind was there, by the truth; none while it is.
    truth: Vec<Span>,
    told: Vec<Span>,
}

impl Watched {
    fn is_there(&self, objects: &[Object]) -> bool {
        objects.iter().any(|object| object.shape == self.shape && self.color.is_none_or(|color| object.color == color))
    }

    fn tell(&mut self, change: Option<crate::rules::state::Change<u32>>) {
        match change.map(|change| (change.kind, change.start.since, change.end)) {
            Some((EventKind::Begin, start, _)) => self.told.push((start, None)),
            Some((EventKind::End, _, Some(end))) => {
                if let Some(last) = self.told.last_mut() {
                    last.1 = Some(end.since);
                }
            }
            _ => {}
        }
    }
}

/// Watches one film, and counts.
fn watch_film(
    engine: &mut dyn Engine,
    (seed, film): (u64, u32),
    length: u32,
    views: &mut Share,
    events: &mut Events,
) -> Result<(), EngineError> {
    let cancel = Cancel::default();
    let mut random = Random::new(seed.wrapping_mul(0x0100_0000_01B3) ^ u64::from(film) ^ 0xF11);
    let mut world = World::new(random.bits());
    let comes_by = comes_by(world.clone(), length);
    let mut watched: Vec<Watched> = (0..RULES).filter_map(|number| watched(&mut random, number, &comes_by)).collect();
    let statements: Vec<Statement> = watched.iter().map(|watched| watched.rule.says.clone()).collect();
    let view = engine.open_view(ViewOptions::default())?;
    let Some(scorer) = Scorer::new(&statements, engine, view, &cancel)? else { return Ok(()) };
    let start = Timestamp::UNIX_EPOCH.to_zoned_datetime(TimeZone::UTC);
    for number in 0..length {
        for _ in 0..MOVES {
            world.advance(STEP.as_secs_f32() / MOVES as f32);
        }
        let (objects, since) = (world.truth(), STEP * number);
        let Some(scores) = scorer.score(engine, view, &paint(&world), &cancel)? else { return Ok(()) };
        let time = start.saturating_add(i64::from(number).milliseconds() * 250);
        for (watched, score) in watched.iter_mut().zip(scores) {
            let is_there = watched.is_there(&objects);
            if world.is_settled() {
                views.right += usize::from(score.holds() == is_there);
                views.of += 1;
            }
            match (watched.truth.last_mut(), is_there) {
                (Some((_, end @ None)), false) => *end = Some(since),
                (None | Some((_, Some(_))), true) => watched.truth.push((since, None)),
                _ => {}
            }
            let when = When { since, time: time.clone() };
            let change = watched.state.observe(&watched.rule, &when, score, &number);
            watched.tell(change);
        }
    }
    engine.close_view(view);
    for Watched { truth, told, .. } in &watched {
        count(truth, told, STEP * length, events);
    }
    Ok(())
}

/// What a world shows in the course of a film.
fn comes_by(mut world: World, views: u32) -> Vec<Object> {
    let mut seen = Vec::new();
    for _ in 0..views {
        world.advance(STEP.as_secs_f32());
        seen.extend(world.truth());
    }
    seen
}

/// A rule about things of a shape, and mostly of a colour.
fn watched(random: &mut Random, number: usize, comes_by: &[Object]) -> Option<Watched> {
    let (color, shape) = if number.is_multiple_of(2) || comes_by.is_empty() {
        (random.pick(Color::ALL), random.pick(Shape::ALL))
    } else {
        let object = random.pick(comes_by);
        (object.color, object.shape)
    };
    let color = (number % 4 != 1).then_some(color);
    let thing = color.map_or_else(String::new, |color| format!("{} ", color.word())) + shape.word();
    let article = if thing.starts_with('o') { "an" } else { "a" };
    let rule = RuleSpec::new(format!("there is {article} {thing}").parse().ok()?);
    Some(Watched { rule, shape, color, state: RuleState::default(), truth: Vec::new(), told: Vec::new() })
}

/// Counts which of the times that are true were told on time. Short ones, which n of m views may
/// leave out, count neither way.
fn count(truth: &[Span], told: &[Span], film: Duration, events: &mut Events) {
    let length = |(from, to): &Span| to.unwrap_or(film).saturating_sub(*from);
    let near = |a: Option<Duration>, b: Option<Duration>| a.unwrap_or(film).abs_diff(b.unwrap_or(film)) <= ON_TIME;
    for time in truth.iter().filter(|time| length(time) >= 2 * ON_TIME) {
        events.truth += 1;
        events.on_time +=
            usize::from(told.iter().any(|event| near(Some(event.0), Some(time.0)) && near(event.1, time.1)));
    }
    let meets = |event: &Span| {
        truth
            .iter()
            .any(|time| event.0 <= time.1.unwrap_or(film) + ON_TIME && event.1.unwrap_or(film) + ON_TIME >= time.0)
    };
    events.wrong += told.iter().filter(|event| !meets(event)).count();
}

fn cost(engine: &mut dyn Engine, rounds: usize, instruction: &str) -> Result<Cost, EngineError> {
    let cancel = Cancel::default();
    let statements: Vec<Statement> = COSTED.iter().filter_map(|says| says.parse().ok()).collect();
    let questions: Vec<Scored<'_>> = statements
        .iter()
        .map(|rule| Scored { question: rule.question(), choices: &["Yes", "yes", "No", "no"] })
        .collect();
    let picture = paint(&World::new(1));
    let limits = Limits { ignore_end: true, ..Limits::tokens(TOKENS) };
    let shown = Shown { pictures: &[&picture], scene: Some(1), reuse: Reuse::IfIdentical };
    let turn = |view: ViewId| Turn { view, task: Task::Caption { shown, instruction }, limits };
    let mut took: [Vec<f64>; 7] = Default::default();
    for round in 0..=rounds {
        let mut times = [0.0; 7];
        for riding in 0..=questions.len() {
            let view = engine.open_view(ViewOptions::default())?;
            let start = Instant::now();
            let along = Along { questions: &questions[..riding], steady: None };
            engine.reply_along(turn(view), along, &cancel, &mut |_| {})?;
            times[riding] = ms(start.elapsed());
            engine.close_view(view);
        }
        let view = engine.open_view(ViewOptions::default())?;
        let start = Instant::now();
        engine.reply(turn(view), &cancel, &mut |_| {})?;
        engine.score(view, shown, &questions, &cancel)?;
        times[3] = ms(start.elapsed());
        let start = Instant::now();
        let features = engine.features(view)?;
        times[5] = ms(start.elapsed());
        if let Some(features) = features {
            let start = Instant::now();
            engine.score_kept(view, std::slice::from_ref(&features), &questions, &cancel)?;
            times[4] = ms(start.elapsed());
            let many = vec![features; REPLAYED];
            let start = Instant::now();
            engine.score_kept(view, &many, &questions, &cancel)?;
            times[6] = ms(start.elapsed()) / REPLAYED as f64;
        }
        engine.close_view(view);
        // The first fills caches.
        if round > 0 {
            took.iter_mut().zip(times).for_each(|(took, time)| took.push(time));
        }
    }
    let [caption, one_rule, two_rules, two_rules_apart, kept_view, features, replayed_view] =
        took.map(|took| Spread::of(took.into_iter()));
    let adds = |spread: Spread| spread.median / caption.median - 1.0;
    let (one_rule_adds, two_rules_add) = (adds(one_rule), adds(two_rules));
    Ok(Cost {
        caption,
        one_rule,
        two_rules,
        two_rules_apart,
        kept_view,
        replayed_view,
        features,
        one_rule_adds,
        two_rules_add,
    })
}

fn for_people(report: &Report) -> std::io::Result<()> {
    let mut err = Notes::new(false);
    let Report { views, events, cost, .. } = report;
    let percent = |right: usize, of: usize| 100.0 * right as f64 / of.max(1) as f64;
    if report.films > 0 {
        writeln!(err, "rules right of {:.1} % of {} views", percent(views.right, views.of), views.of)?;
        let Events { truth, on_time, wrong } = events;
        writeln!(err, "{on_time} of {truth} events on time, {wrong} of what was not there")?;
    }
    for (name, spread) in [
        ("caption of a new view", cost.caption),
        ("with one rule in its pass", cost.one_rule),
        ("with two", cost.two_rules),
        ("with two in a pass of their own", cost.two_rules_apart),
        ("two rules of a view that was kept", cost.kept_view),
        ("the same of several at a time, each", cost.replayed_view),
        ("features of a view", cost.features),
    ] {
        writeln!(err, "{name:<36} {:9.1} ms   ({:.1} to {:.1})", spread.median, spread.least, spread.most)?;
    }
    let Cost { one_rule_adds, two_rules_add, .. } = cost;
    writeln!(err, "one rule adds {:.1} %, two {:.1} %", 100.0 * one_rule_adds, 100.0 * two_rules_add)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::options::EngineOptions;
    use crate::models::spec::ModelSpec;

    #[test]
    fn events_are_held_against_the_truth() {
        let s = |seconds: u64| Duration::from_secs(seconds);
        let mut events = Events::default();
        let truth = [(s(2), Some(s(8))), (s(12), Some(s(13))), (s(30), None)];
        let told = [(s(3), Some(s(9))), (s(20), Some(s(21))), (s(33), None)];
        count(&truth, &told, s(40), &mut events);
        assert_eq!((events.truth, events.on_time, events.wrong), (2, 1, 1));
    }

    #[test]
    fn the_demo_models_rules_are_right_and_their_events_on_time() {
        let mut engine = engine::open(&ModelSpec::Demo, &EngineOptions::default()).expect("built in");
        let (mut views, mut events) = (Share::default(), Events::default());
        watch_film(&mut *engine, (77, 0), 32, &mut views, &mut events).expect("watched");
        assert!(views.of > 50 && views.right * 100 >= views.of * 95, "{} of {}", views.right, views.of);
        assert!(events.wrong <= 1, "{}", events.wrong);
        let cost = cost(&mut *engine, 1, "Describe.").expect("measured");
        assert!(cost.caption.median > 0.0 && cost.kept_view.median > 0.0);
    }
}

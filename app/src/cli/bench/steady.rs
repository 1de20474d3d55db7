//! `sightline bench steady`: how often words change that need not, and whether those that must do.
//!
//! Films of things that stay where they are, four views a second, as a camera might see them: with
//! noise, a lamp that flickers, a camera that shakes, light that comes and goes, a curtain that
//! sways. Some things can be told in two ways, and now and then one truly changes
//! ([`Film`]). Each view goes through the gate and the engine as it does in use, without steady
//! captions and with all thresholds that are asked for, in turns.
//!
//! A rewording is needless where nothing was on its way for two seconds before it, unless it puts
//! untrue words right. A change is missed where two seconds after everything has come to its place
//! the words are those from before it.

use std::io::Write as _;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::Args;
use serde::Serialize;
use vlm::{Along, Cancel, Reply, Reuse, Steadiness};

use crate::cli::args::ModelArgs;
use crate::cli::download;
use crate::cli::output::{Notes, Output};
use crate::cli::parse::{seed, whole};
use crate::demo::{Camera, Film, Random, Trouble};
use crate::engine;
use crate::engine::{Engine, EngineError, Limits, Shown, Task, Turn, ViewId, ViewOptions};
use crate::live::gate::{Gate, Sketch};
use crate::live::{GateSettings, STEADY};

/// Time between two views.
const STEP: Duration = Duration::from_millis(250);
/// How long a film is, in views: 60 seconds.
const VIEWS: u32 = 240;
/// How long nothing was on its way before a rewording that is needless, and how long words may lag,
/// in views: two seconds.
const SETTLED: u32 = 8;
/// Films of each kind unless told otherwise.
const FILMS: u32 = 3;

/// The command's arguments.
#[derive(Args, Clone, Debug)]
pub struct SteadyArgs {
    /// Which films: the same number gives the same ones
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = seed)]
    pub seed: u64,

    /// How many films of a minute of each kind
    #[arg(long, value_name = "K", default_value_t = FILMS, value_parser = whole::<u32, 1, 9_999>)]
    pub count: u32,

    /// From which distance of its features on a view counts as changed; several are tried in turns
    #[arg(long, value_name = "SHARE", value_delimiter = ',', default_values_t = [STEADY.change], value_parser = amount)]
    pub change: Vec<f32>,

    /// From which loss on a caption counts as no longer likely, in nats; several are tried in turns
    #[arg(long, value_name = "NATS", value_delimiter = ',', default_values_t = [STEADY.loss], value_parser = amount)]
    pub loss: Vec<f32>,

    /// How many views in a row have to speak against a caption; several are tried in turns
    #[arg(long, value_name = "N", value_delimiter = ',', default_values_t = [STEADY.views], value_parser = whole::<u32, 1, 99>)]
    pub views: Vec<u32>,

    #[command(flatten)]
    pub model: ModelArgs,
}

/// How captions of some films went.
#[derive(Clone, Copy, Debug, Default, Serialize)]
struct Count {
    /// Views that the model captioned.
    captioned: u32,
    /// Of these, those whose caption stayed.
    kept: u32,
    /// Words that changed while nothing did.
    needless: u32,
    /// Times when something else was to be seen.
    changes: u32,
    /// Of these, those after which the old words stayed for too long.
    missed: u32,
    /// Views of which nothing was on its way for two seconds.
    settled: u32,
    /// Of these, those whose words were true.
    right: u32,
}

impl Count {
    fn add(&mut self, other: Self) {
        self.captioned += other.captioned;
        self.kept += other.kept;
        self.needless += other.needless;
        self.changes += other.changes;
        self.missed += other.missed;
        self.settled += other.settled;
        self.right += other.right;
    }
}

/// A line on standard output: one kind of film, without steady captions or with one set of
/// thresholds.
#[derive(Serialize)]
struct Report<'a> {
    model: &'a str,
    precision: &'a str,
    seed: u64,
    films: u32,
    trouble: Trouble,
    /// None where captions come as they do.
    change: Option<f32>,
    loss: Option<f32>,
    views: Option<u32>,
    #[serde(flatten)]
    count: Count,
}

/// Measures and prints.
///
/// # Errors
/// When the model can't be used, or standard output can't be written.
pub fn run(args: &SteadyArgs) -> anyhow::Result<ExitCode> {
    download::fetch(&args.model.model, &Cancel::default())?;
    let mut engine = engine::open(&args.model.model, &args.model.engine_options())?;
    let card = engine.card();
    let (mut out, mut err) = (Output::new(), Notes::new(false));
    let pairs = args.change.iter().flat_map(|&change| args.loss.iter().map(move |&loss| (change, loss)));
    let triples =
        pairs.flat_map(|(change, loss)| args.views.iter().map(move |&views| Steadiness { change, loss, views }));
    let settings: Vec<Option<Steadiness>> = std::iter::once(None).chain(triples.map(Some)).collect();
    let mut all = vec![Count::default(); settings.len()];
    for trouble in Trouble::ALL {
        let mut counts = vec![Count::default(); settings.len()];
        for film in 0..args.count {
            let of = (args.seed, film, VIEWS);
            let watched = watch(&mut *engine, of, trouble, &settings, &args.model.prompt);
            let watched = watched.context("The model failed while it was measured")?;
            counts.iter_mut().zip(watched).for_each(|(count, watched)| count.add(watched));
        }
        for ((steady, count), all) in settings.iter().zip(counts).zip(&mut all) {
            all.add(count);
            let (change, loss) = (steady.map(|steady| steady.change), steady.map(|steady| steady.loss));
            let views = steady.map(|steady| steady.views);
            let (model, precision) = (&card.model, &card.precision);
            let films = args.count;
            let report = Report { model, precision, seed: args.seed, films, trouble, change, loss, views, count };
            writeln!(out, "{}", serde_json::to_string(&report)?)?;
        }
        out.flush()?;
    }
    for (steady, count) in settings.iter().zip(all) {
        let name = steady.map_or_else(
            || "as they come".to_owned(),
            |Steadiness { change, loss, views }| format!("steady, {change} and {loss} nats in {views}"),
        );
        let Count { captioned, kept, needless, changes, missed, settled, right } = count;
        writeln!(
            err,
            "{name:<26} {captioned} captions, {kept} kept; {needless} needless rewordings; {missed} of {changes} changes \
             missed; {right} of {settled} settled views told truly"
        )?;
    }
    Ok(ExitCode::SUCCESS)
}

fn amount(text: &str) -> Result<f32, String> {
    let amount = text.trim().parse().ok().filter(|amount| (0.0..=1000.0).contains(amount));
    amount.ok_or_else(|| "write a number from 0 to 1000".to_owned())
}

/// One way to caption a film.
struct Watcher {
    view: ViewId,
    steady: Option<Steadiness>,
    gate: Gate,
    words: String,
    /// The words before the last change.
    before: String,
    count: Count,
}

impl Watcher {
    /// What is said of a picture.
    fn say(&mut self, engine: &mut dyn Engine, shown: Shown<'_>, instruction: &str) -> Result<Reply, EngineError> {
        let limits = Limits::tokens(crate::live::DEFAULT_MAX_TOKENS);
        let turn = Turn { view: self.view, task: Task::Caption { shown, instruction }, limits };
        let along = Along { questions: &[], steady: self.steady };
        let reply = engine.reply_along(turn, along, &Cancel::default(), &mut |_| {})?;
        self.count.captioned += 1;
        self.count.kept += u32::from(reply.is_kept);
        Ok(reply)
    }
}

/// Watches one film as pipelines with these settings do, and counts.
fn watch(
    engine: &mut dyn Engine,
    (seed, number, length): (u64, u32, u32),
    trouble: Trouble,
    settings: &[Option<Steadiness>],
    instruction: &str,
) -> Result<Vec<Count>, EngineError> {
    let mut random = Random::new(seed.wrapping_mul(0x0100_0000_01B3) ^ u64::from(number) ^ 0x57EA);
    let (mut film, mut camera) = (Film::new(random.bits()), Camera::new(trouble, random.bits()));
    let start = Instant::now();
    let mut watchers = Vec::with_capacity(settings.len());
    for steady in settings {
        watchers.push(Watcher {
            view: engine.open_view(ViewOptions::default())?,
            steady: *steady,
            gate: Gate::new(GateSettings::default()),
            words: String::new(),
            before: String::new(),
            count: Count::default(),
        });
    }
    // Views since the last in which something was on its way, and what was true before that.
    let (mut settled, mut truth) = (SETTLED, film.readings());
    for number in 0..length {
        film.advance(STEP.as_secs_f32());
        let picture = camera.take(&film.paint(), (STEP * number).as_secs_f32());
        let (sketch, now) = (Sketch::of(&picture), start + STEP * number);
        let has_begun = !film.is_settled() && settled > 0;
        settled = if film.is_settled() { settled + 1 } else { 0 };
        let is_new = settled == SETTLED && truth != film.readings();
        if settled >= SETTLED {
            truth = film.readings();
        }
        for watcher in &mut watchers {
            let mut said = watcher.words.clone();
            if !watcher.gate.passes_over(&sketch, now) {
                let shown = Shown { pictures: &[&picture], scene: None, reuse: Reuse::IfNearlyIdentical };
                let reply = watcher.say(engine, shown, instruction)?;
                if !reply.is_doubted {
                    watcher.gate.captioned(sketch.clone(), now);
                }
                said = reply.text;
            }
            if has_begun {
                watcher.before = watcher.words.clone();
            }
            let count = &mut watcher.count;
            if settled >= SETTLED {
                let (is_right, was_right) = (truth.contains(&said), truth.contains(&watcher.words));
                count.settled += 1;
                count.right += u32::from(is_right);
                let is_reworded = settled > SETTLED && said != watcher.words && !watcher.words.is_empty();
                count.needless += u32::from(is_reworded && (was_right || !is_right));
                if is_new {
                    count.changes += 1;
                    count.missed += u32::from(said == watcher.before && !is_right);
                }
            }
            watcher.words = said;
        }
    }
    for watcher in &watchers {
        engine.close_view(watcher.view);
    }
    Ok(watchers.into_iter().map(|watcher| watcher.count).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::options::EngineOptions;
    use crate::models::spec::ModelSpec;

    #[test]
    fn steady_captions_are_reworded_less_often() {
        let mut engine = engine::open(&ModelSpec::Demo, &EngineOptions::default()).expect("built in");
        let settings = [None, Some(STEADY)];
        let watched = watch(&mut *engine, (5, 0, 40), Trouble::Shake, &settings, "Describe this image.");
        let [off, on] = watched.expect("watched").try_into().expect("two ways");
        assert_eq!((off.kept, off.settled, off.changes), (0, on.settled, on.changes));
        assert!(on.kept > 0 && on.needless <= off.needless, "{off:?} {on:?}");
    }
}

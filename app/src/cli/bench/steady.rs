//! `sightline bench steady`: how often words change that need not, and whether those that must do.
//!
//! Films of the demo scene, four views a second, as a camera might see them: with noise, a lamp
//! that flickers, a camera that shakes, light that slowly comes and goes. Each view goes through
//! the gate and the engine as it does in use, once with steady captions and once without.
//!
//! A rewording is needless where nothing was on its way for two seconds before it. A change is
//! missed where two seconds after everything has come to its place the words are those from before
//! it.

use std::io::Write as _;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::Args;
use image::RgbImage;
use serde::Serialize;
use vlm::{Along, Cancel, Reuse, Steadiness};

use crate::cli::args::ModelArgs;
use crate::cli::download;
use crate::cli::output::{Notes, Output};
use crate::cli::parse::{seed, whole};
use crate::demo::{Random, World, caption, paint};
use crate::engine;
use crate::engine::{Engine, EngineError, Limits, Shown, Task, Turn, ViewOptions};
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

    /// From which distance of its features on a view counts as changed
    #[arg(long, value_name = "SHARE", default_value_t = STEADY.change, value_parser = amount)]
    pub change: f32,

    /// From which loss on a caption counts as no longer likely, in nats
    #[arg(long, value_name = "NATS", default_value_t = STEADY.loss, value_parser = amount)]
    pub loss: f32,

    #[command(flatten)]
    pub model: ModelArgs,
}

/// What a camera does to a film.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Trouble {
    Noise,
    Flicker,
    Shake,
    Light,
}

impl Trouble {
    const ALL: [Self; 4] = [Self::Noise, Self::Flicker, Self::Shake, Self::Light];

    /// View `number` of a film as the camera gives it.
    fn seen(self, picture: &RgbImage, number: u32, random: &mut Random) -> RgbImage {
        let seconds = number as f32 * STEP.as_secs_f32();
        let (gain, noise, shift) = match self {
            Self::Noise => (1.0, 12.0, (0, 0)),
            Self::Flicker => (if number.is_multiple_of(2) { 1.08 } else { 0.92 }, 3.0, (0, 0)),
            Self::Shake => (1.0, 3.0, (random.between(-6.0, 6.0) as i32, random.between(-6.0, 6.0) as i32)),
            Self::Light => (1.0 + 0.25 * (0.2 * seconds).sin(), 3.0, (0, 0)),
        };
        let (width, height) = picture.dimensions();
        let mut seen = RgbImage::from_fn(width, height, |x, y| {
            let at = |v: u32, by: i32, most: u32| v.saturating_add_signed(by).min(most - 1);
            *picture.get_pixel(at(x, shift.0, width), at(y, shift.1, height))
        });
        for value in seen.iter_mut() {
            // Two even spreads have together a variance of 2/3 of their width's square.
            let off = (random.unit() + random.unit() - 1.0) * noise * 6.0_f32.sqrt();
            *value = (f32::from(*value) * gain + off).round().clamp(0.0, 255.0) as u8;
        }
        seen
    }
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
    /// Of these, those whose words were the true ones.
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

/// The line on standard output, one for each kind of film.
#[derive(Serialize)]
struct Report {
    model: String,
    precision: String,
    seed: u64,
    films: u32,
    trouble: Trouble,
    off: Count,
    on: Count,
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
    let (mut all_off, mut all_on) = (Count::default(), Count::default());
    for trouble in Trouble::ALL {
        let (mut off, mut on) = (Count::default(), Count::default());
        for film in 0..args.count {
            let steady = Steadiness { change: args.change, loss: args.loss };
            for (steady, count) in [(None, &mut off), (Some(steady), &mut on)] {
                let watched = watch(&mut *engine, (args.seed, film, VIEWS), trouble, steady, &args.model.prompt);
                count.add(watched.context("The model failed while it was measured")?);
            }
        }
        all_off.add(off);
        all_on.add(on);
        let (model, precision) = (card.model.clone(), card.precision.clone());
        let report = Report { model, precision, seed: args.seed, films: args.count, trouble, off, on };
        writeln!(out, "{}", serde_json::to_string(&report)?)?;
    }
    for (name, count) in [("as they come", all_off), ("steady", all_on)] {
        let Count { captioned, kept, needless, changes, missed, settled, right } = count;
        writeln!(
            err,
            "{name:<14} {captioned} captions, {kept} kept; {needless} needless rewordings; {missed} of {changes} changes \
             missed; {right} of {settled} settled views told truly"
        )?;
    }
    Ok(ExitCode::SUCCESS)
}

fn amount(text: &str) -> Result<f32, String> {
    let amount = text.trim().parse().ok().filter(|amount| (0.0..=1000.0).contains(amount));
    amount.ok_or_else(|| "write a number from 0 to 1000".to_owned())
}

/// Watches one film as a pipeline does, and counts.
fn watch(
    engine: &mut dyn Engine,
    (seed, film, length): (u64, u32, u32),
    trouble: Trouble,
    steady: Option<Steadiness>,
    instruction: &str,
) -> Result<Count, EngineError> {
    let mut random = Random::new(seed.wrapping_mul(0x0100_0000_01B3) ^ u64::from(film) ^ 0x57EA);
    let mut world = World::new(random.bits());
    let (start, cancel) = (Instant::now(), Cancel::default());
    let mut gate = Gate::new(GateSettings::default());
    let view = engine.open_view(ViewOptions::default())?;
    let limits = Limits::tokens(crate::live::DEFAULT_MAX_TOKENS);
    let (mut count, mut words, mut truth) = (Count::default(), String::new(), String::new());
    // Views since the last in which something was on its way; what was said and true before that.
    let (mut settled, mut before, mut was_true) = (0_u32, String::new(), String::new());
    for number in 0..length {
        for _ in 0..8 {
            world.advance(STEP.as_secs_f32() / 8.0);
        }
        let picture = trouble.seen(&paint(&world), number, &mut random);
        let (sketch, now) = (Sketch::of(&picture), start + STEP * number);
        let mut said = words.clone();
        if !gate.passes_over(&sketch, now) {
            let shown = Shown { pictures: &[&picture], scene: None, reuse: Reuse::IfNearlyIdentical };
            let turn = Turn { view, task: Task::Caption { shown, instruction }, limits };
            let along = Along { questions: &[], steady };
            let reply = engine.reply_along(turn, along, &cancel, &mut |_| {})?;
            gate.captioned(sketch, now);
            count.captioned += 1;
            count.kept += u32::from(reply.is_kept);
            said = reply.text;
        }
        if world.is_settled() {
            settled += 1;
        } else {
            if settled > SETTLED {
                (before, was_true) = (words.clone(), truth.clone());
            }
            settled = 0;
        }
        count.needless += u32::from(settled > SETTLED && said != words);
        if settled >= SETTLED {
            truth = caption(&world.truth());
            count.settled += 1;
            count.right += u32::from(said == truth);
            if settled == SETTLED && !before.is_empty() && truth != was_true {
                count.changes += 1;
                count.missed += u32::from(said == before && said != truth);
            }
        }
        words = said;
    }
    engine.close_view(view);
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::options::EngineOptions;
    use crate::models::spec::ModelSpec;

    #[test]
    fn steady_captions_are_reworded_less_often() {
        let mut engine = engine::open(&ModelSpec::Demo, &EngineOptions::default()).expect("built in");
        let mut watched = |steady| watch(&mut *engine, (5, 0, 24), Trouble::Shake, steady, "Describe this image.");
        let (off, on) = (watched(None).expect("watched"), watched(Some(STEADY)).expect("watched"));
        assert_eq!((off.kept, off.settled, off.changes), (0, on.settled, on.changes));
        assert!(on.kept > 0 && on.needless <= off.needless, "{off:?} {on:?}");
    }
}

//! `sightline bench changed`: how true it is what is told to have changed between two pictures, and
//! how much of what changed is told.
//!
//! Pairs are stills of a film of known truth, as a camera takes them: before and after one true
//! change, and every fourth of them some seconds apart in which nothing changed.

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use image::RgbImage;
use serde::Serialize;
use vlm::Cancel;

use crate::cli::args::ModelArgs;
use crate::cli::changed::cannot;
use crate::cli::download;
use crate::cli::output::{Notes, Output};
use crate::cli::parse::{seed, whole};
use crate::demo::{Camera, Film, Object, Random, Trouble, place};
use crate::engine;
use crate::engine::{Engine, EngineError, ViewOptions};
use crate::rules::changed::{Changed, Compared, compare_pictures};

/// Seconds between two steps of a film.
const STEP: f32 = 0.25;
/// Steps in which something changes for sure.
const MOST_STEPS: u32 = 240;
/// Of so many pairs one is of the same scene.
const UNCHANGED: u32 = 4;
/// Pairs unless told otherwise.
const PAIRS: u32 = 100;

/// The command's arguments.
#[derive(Args, Clone, Debug)]
pub struct ChangedArgs {
    /// Which pairs: the same number gives the same ones
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = seed)]
    pub seed: u64,

    /// How many pairs
    #[arg(long, value_name = "K", default_value_t = PAIRS, value_parser = whole::<u32, 1, 100_000>)]
    pub count: u32,

    #[command(flatten)]
    pub model: ModelArgs,
}

/// How many of how many.
#[derive(Clone, Copy, Debug, Default, Serialize)]
struct Share {
    right: u32,
    of: u32,
}

impl Share {
    fn count(&mut self, is_right: bool) {
        self.right += u32::from(is_right);
        self.of += 1;
    }
}

/// How true what is told is.
#[derive(Clone, Copy, Debug, Default, Serialize)]
struct Count {
    pairs: u32,
    /// Of what is told, what is true.
    told: Share,
    /// Of pairs of the same scene, those of which nothing is told.
    unchanged: Share,
    /// Of what came, what is told.
    came: Share,
    /// Of what went, what is told.
    went: Share,
    /// Of what is in another place, what is told.
    moved: Share,
}

/// The line on standard output.
#[derive(Serialize)]
struct Report {
    model: String,
    precision: String,
    seed: u64,
    #[serde(flatten)]
    count: Count,
}

/// Measures and prints.
///
/// # Errors
/// When the model can't be used, or standard output can't be written.
pub fn run(args: &ChangedArgs) -> anyhow::Result<ExitCode> {
    download::fetch(&args.model.model, &Cancel::default())?;
    let mut engine = engine::open(&args.model.model, &args.model.engine_options())?;
    let card = engine.card();
    if !card.can.scores {
        return Err(cannot().into());
    }
    let count = measure(&mut *engine, args.seed, args.count, &args.model.prompt);
    let count = count.context("The model failed while it was measured")?;
    let report = Report { model: card.model, precision: card.precision, seed: args.seed, count };
    writeln!(Output::new(), "{}", serde_json::to_string(&report)?)?;
    let Count { pairs, told, unchanged, came, went, moved } = count;
    writeln!(
        Notes::new(false),
        "{pairs} pairs: {} of {} told changes are true; of {} that came {} are told, of {} that went {}, of {} that moved \
         {}; {} of {} pairs of the same scene are told to be the same",
        told.right,
        told.of,
        came.of,
        came.right,
        went.of,
        went.right,
        moved.of,
        moved.right,
        unchanged.right,
        unchanged.of,
    )?;
    Ok(ExitCode::SUCCESS)
}

fn measure(engine: &mut dyn Engine, seed: u64, pairs: u32, instruction: &str) -> Result<Count, EngineError> {
    let (mut count, cancel) = (Count::default(), Cancel::default());
    let view = engine.open_view(ViewOptions::default())?;
    for number in 0..pairs {
        let pair = Pair::new(seed.wrapping_mul(0x0100_0000_01B3) ^ u64::from(number), number.is_multiple_of(UNCHANGED));
        let [before, after] = &pair.pictures;
        let compared = compare_pictures(engine, view, [before, after], instruction, &cancel)?;
        if let Some(Compared { changed, .. }) = compared {
            count.add(&pair, &changed);
        }
    }
    engine.close_view(view);
    Ok(count)
}

/// Two pictures, and what is true of them.
struct Pair {
    pictures: [RgbImage; 2],
    truth: [Vec<Object>; 2],
}

impl Pair {
    fn new(seed: u64, is_unchanged: bool) -> Self {
        let mut random = Random::new(seed ^ 0xC4A6);
        let (mut film, mut camera) = (Film::plain(random.bits()), Camera::new(Trouble::All, random.bits()));
        let before = (camera.take(&film.paint(), 0.0), film.truth());
        let mut steps = 0;
        // The first change comes later than that.
        let least = if is_unchanged { 16 } else { 1 };
        while steps < least || !film.is_settled() || (!is_unchanged && steps < MOST_STEPS && film.truth() == before.1) {
            film.advance(STEP);
            steps += 1;
        }
        let after = (camera.take(&film.paint(), steps as f32 * STEP), film.truth());
        Self { pictures: [before.0, after.0], truth: [before.1, after.1] }
    }
}

impl Count {
    fn add(&mut self, pair: &Pair, changed: &Changed) {
        let [before, after] = &pair.truth;
        self.pairs += 1;
        if before == after {
            self.unchanged.count(changed.is_empty());
        }
        for told in &changed.appeared {
            self.told.count(!is_there(&told.thing, before) && is_there(&told.thing, after));
        }
        for told in &changed.gone {
            self.told.count(is_there(&told.thing, before) && !is_there(&told.thing, after));
        }
        for told in &changed.moved {
            let is_at = |place_told: &str, objects: &[Object]| {
                objects.iter().any(|object| fits(&told.thing, object) && place(object) == place_told)
            };
            self.told.count(is_at(&told.from, before) && is_at(&told.to, after) && !is_at(&told.to, before));
        }
        let same = |a: &Object, b: &Object| (a.shape, a.color, a.size) == (b.shape, b.color, b.size);
        for object in after.iter().filter(|object| !before.iter().any(|other| same(object, other))) {
            self.came.count(changed.appeared.iter().any(|told| fits(&told.thing, object)));
        }
        for object in before.iter().filter(|object| !after.iter().any(|other| same(object, other))) {
            self.went.count(changed.gone.iter().any(|told| fits(&told.thing, object)));
        }
        for object in before {
            let there = after.iter().find(|other| same(object, other));
            if there.is_some_and(|other| place(object) != place(other)) {
                self.moved.count(changed.moved.iter().any(|told| fits(&told.thing, object)));
            }
        }
    }
}

/// Whether something of which "a small red star" can be said is among the objects.
fn is_there(thing: &str, objects: &[Object]) -> bool {
    objects.iter().any(|object| fits(thing, object))
}

fn fits(thing: &str, object: &Object) -> bool {
    let names = [object.size.word(), object.color.word(), object.shape.word()];
    thing.split(' ').all(|word| ["a", "an"].contains(&word) || names.contains(&word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::options::EngineOptions;
    use crate::models::spec::ModelSpec;

    #[test]
    fn what_the_demo_model_tells_is_true_and_most_is_told() {
        let mut engine = engine::open(&ModelSpec::Demo, &EngineOptions::default()).expect("built in");
        let count = measure(&mut *engine, 40, 12, "Describe this image.").expect("measured");
        assert!(count.told.of >= 8 && count.told.right + 1 >= count.told.of, "{count:?}");
        assert!(count.unchanged.of == 3 && count.unchanged.right >= 2, "{count:?}");
    }
}

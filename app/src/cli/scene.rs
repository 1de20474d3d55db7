//! `sightline scene`: stills of the demo scene with their truth, to check a model's words against.

use std::fs;
use std::io::{BufWriter, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::Args;
use serde::Serialize;

use crate::cli::parse::{seed, whole};
use crate::demo::{Object, Question, Random, World, caption, paint, questions};

/// Write stills of the demo scene and what is true of them.
#[derive(Args, Clone, Debug)]
pub struct SceneArgs {
    /// Which scenes: the same number gives the same ones.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = seed)]
    pub seed: u64,
    /// How many stills.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = whole::<u32, 1, 99_999>)]
    pub count: u32,
    /// The folder for the pictures (PNG) and truth.jsonl; made if it is not there.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
}

/// What is true of one still.
#[derive(Debug, Serialize)]
struct Truth<'a> {
    image: &'a str,
    objects: &'a [Object],
    caption: String,
    questions: Vec<Question>,
}

/// Still `number` of the scenes of `seed`, and the chance that chooses its questions. Nothing in it
/// is on its way.
#[must_use]
pub fn still(seed: u64, number: u32) -> (World, Random) {
    let mut random = Random::new(seed.wrapping_mul(0x0100_0000_01B3) ^ u64::from(number));
    let mut world = World::new(random.bits());
    for _ in 0..random.below(20 * 30) {
        world.advance(1.0 / 30.0);
    }
    world.settle();
    (world, random)
}

/// Writes the stills.
///
/// # Errors
/// If the folder or a file in it cannot be written.
pub fn run(args: &SceneArgs) -> Result<ExitCode> {
    let folder = &args.out;
    let cannot_write = || format!("Cannot write to the folder {}.", folder.display());
    fs::create_dir_all(folder).with_context(cannot_write)?;
    let mut truths = BufWriter::new(fs::File::create(folder.join("truth.jsonl")).with_context(cannot_write)?);
    for number in 0..args.count {
        let (world, mut random) = still(args.seed, number);
        let objects = world.truth();
        let name = format!("scene-{number:05}.png");
        paint(&world).save(folder.join(&name)).with_context(cannot_write)?;
        let questions = questions(&objects, &mut random);
        let truth = Truth { image: &name, objects: &objects, caption: caption(&objects), questions };
        serde_json::to_writer(&mut truths, &truth).with_context(cannot_write)?;
        truths.write_all(b"\n").with_context(cannot_write)?;
    }
    truths.flush().with_context(cannot_write)?;
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stills_and_truth_are_written() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let args = SceneArgs { seed: 4, count: 3, out: folder.path().join("stills") };
        run(&args).expect("stills are written");
        let text = fs::read_to_string(args.out.join("truth.jsonl")).expect("truth.jsonl");
        let lines = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON"));
        let lines = lines.collect::<Vec<_>>();
        assert_eq!(lines.len(), 3);
        for line in lines {
            let picture = image::open(args.out.join(line["image"].as_str().expect("a name"))).expect("a picture");
            assert_eq!((picture.width(), picture.height()), (1280, 720));
            assert!(line["caption"].as_str().expect("a caption").ends_with('.'));
            assert!(!line["questions"].as_array().expect("questions").is_empty());
        }
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_told() {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        let args = SceneArgs { seed: 1, count: 1, out: file.path().join("below") };
        let error = run(&args).expect_err("a file is no folder");
        assert!(error.to_string().starts_with("Cannot write to the folder"));
    }
}

//! A few hundred damaged inputs of each kind in every run of the tests: what the fuzzers of `fuzz/`
//! do for hours.
//!
//! `SIGHTLINE_FUZZ_ROUNDS=100000` makes as many of each kind as it says.

use std::fs;
use std::path::{Path, PathBuf};

use sightline::demo::Random;

#[path = "../../fuzz/src/lib.rs"]
mod fuzz;

/// Damaged inputs of each kind.
const ROUNDS: usize = 200;
/// The most places that are damaged in one input.
const MOST_CHANGES: usize = 8;
/// What parsers count, open and end with.
const TELLING: [u8; 12] = *b"\0\x01\x7f\x80\xff\"{}[]\\9";

fn rounds() -> usize {
    std::env::var("SIGHTLINE_FUZZ_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(ROUNDS)
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The files of a folder, in order.
fn files(folder: &str) -> Vec<Vec<u8>> {
    let mut paths: Vec<PathBuf> =
        fs::read_dir(root().join(folder)).expect("the folder").map(|entry| entry.expect("a file").path()).collect();
    paths.sort();
    paths.iter().filter(|path| path.is_file()).map(|path| fs::read(path).expect("the file")).collect()
}

/// Changes, cuts, repeats or removes some of `bytes`.
fn damage(random: &mut Random, bytes: &mut Vec<u8>) {
    for _ in 0..=random.below(MOST_CHANGES) {
        if bytes.is_empty() {
            return;
        }
        let at = random.below(bytes.len());
        let end = (at + 1 + random.below(16)).min(bytes.len());
        match random.below(6) {
            0 => bytes[at] ^= 1 << random.below(8),
            1 => bytes[at] = random.pick(&TELLING),
            2 => bytes.insert(at, random.pick(&TELLING)),
            3 => drop(bytes.drain(at..end)),
            4 => {
                let part = bytes[at..end].to_vec();
                bytes.splice(at..at, part);
            }
            // Seldom, since little is left of it.
            _ if random.chance(0.2) => bytes.truncate(at),
            _ => {}
        }
    }
}

/// Calls `target` with each seed as it is, and with as many damaged ones as [`rounds`] says.
fn run(seeds: &[Vec<u8>], target: fn(&[u8])) {
    assert!(!seeds.is_empty());
    for seed in seeds {
        target(seed);
    }
    let mut random = Random::new(1);
    for round in 0..rounds() {
        let mut bytes = seeds[round % seeds.len()].clone();
        damage(&mut random, &mut bytes);
        target(&bytes);
    }
}

#[test]
fn damaged_pictures_become_pixels_or_a_sentence() {
    run(&[files("vlm/fixtures/pictures"), files("app/fixtures/jpeg")].concat(), fuzz::picture);
}

#[test]
fn damaged_checkpoints_load_or_are_refused() {
    let seeds: Vec<Vec<u8>> = (0u8..)
        .zip(fuzz::CHECKPOINT_FILES)
        .map(|(which, name)| {
            let content = fs::read(fuzz::small_checkpoint().join(name)).expect("the checkpoint");
            [vec![which], content].concat()
        })
        .collect();
    run(&seeds, fuzz::checkpoint);
}

#[test]
fn damaged_exports_are_imported_whole_or_not_at_all() {
    run(&files("fuzz/corpus/import"), fuzz::import);
}

#[test]
fn damaged_files_of_actions_are_understood_or_refused() {
    run(&files("fuzz/corpus/actions"), fuzz::actions);
}

#[test]
fn damaged_plans_are_understood_or_refused() {
    run(&files("fuzz/corpus/plan"), fuzz::plan);
}

#[test]
fn damaged_files_of_rules_are_understood_or_refused() {
    run(&files("fuzz/corpus/rules"), fuzz::rules);
}

#[test]
fn damaged_halves_of_a_gguf_load_or_are_refused() {
    run(&files("fuzz/corpus/gguf"), fuzz::gguf);
}

#[test]
fn damaged_frames_of_a_camera_become_pixels_or_a_sentence() {
    run(&files("fuzz/corpus/camera"), fuzz::camera);
}

#[test]
fn damaged_streams_of_a_server_are_words_or_a_sentence() {
    run(&files("fuzz/corpus/events"), fuzz::events);
}

#[test]
fn any_words_can_be_searched_for() {
    run(&files("fuzz/corpus/search"), fuzz::search);
}

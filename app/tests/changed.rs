//! What changed, as a person asks: of two pictures, and of two entries of a log whose views were
//! kept.

#![allow(clippy::unwrap_used, reason = "a test that can't go on ends there")]

use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

use crate::film::film;

#[path = "common/film.rs"]
mod film;

/// Runs the program in a folder of its own.
fn run(folder: &TempDir, line: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_sightline"))
        .args(line.split(' '))
        .current_dir(folder)
        .env("HOME", folder.path())
        .env("XDG_CONFIG_HOME", folder.path().join("config"))
        .env("XDG_DATA_HOME", folder.path().join("data"))
        .output()
        .unwrap()
}

/// What it printed; it must succeed.
fn told(folder: &TempDir, line: &str) -> String {
    let Output { status, stdout, stderr } = run(folder, line);
    assert!(status.success(), "{line}: {}", String::from_utf8_lossy(&stderr));
    String::from_utf8(stdout).unwrap()
}

/// The sentence with which it fails.
fn refused(folder: &TempDir, line: &str) -> String {
    let Output { status, stderr, .. } = run(folder, line);
    assert!(!status.success(), "{line}");
    String::from_utf8(stderr).unwrap()
}

/// The things of a list of what came or went.
fn things(told: &Value, list: &str) -> String {
    told[list].as_array().unwrap().iter().map(|one| one["thing"].as_str().unwrap().to_owned() + " ").collect()
}

#[test]
fn what_changed_is_told_of_pictures_and_of_kept_views_alike() {
    let folder = tempfile::tempdir().unwrap();
    // A star comes with the second picture, and has gone in the third.
    film(&folder.path().join("pictures"), &[false, true, false]);
    let watch = "watch --source pictures --every-frame --model demo --log seen.db --keep-views --json";
    assert_eq!(told(&folder, watch).lines().count(), 3);

    let came: Value = serde_json::from_str(&told(&folder, "log changed 2 --log seen.db --model demo --json")).unwrap();
    assert!(things(&came, "appeared").contains("star"), "{came}");
    assert!(!things(&came, "gone").contains("star"), "{came}");
    assert_eq!((&came["before"], &came["after"]), (&"1".into(), &"2".into()));

    let went: Value = serde_json::from_str(&told(&folder, "log changed 3 --log seen.db --model demo --json")).unwrap();
    assert!(things(&went, "gone").contains("star"), "{went}");

    // The view itself, and the picture that it is of.
    let mut pictures: Vec<_> =
        folder.path().join("pictures").read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    pictures.sort();
    let [first, second, ..] = &pictures[..] else { panic!("{pictures:?}") };
    let line = format!("changed {} {} --model demo --json", first.display(), second.display());
    let seen: Value = serde_json::from_str(&told(&folder, &line)).unwrap();
    // Kept in bytes, a view's probabilities differ in their last digits.
    assert_eq!(things(&seen, "appeared"), things(&came, "appeared"));
    assert_eq!(seen["sentence"], came["sentence"], "kept views say what the pictures say");

    assert_eq!(told(&folder, "log changed 3 2 --log seen.db --model demo").lines().count(), 1);
    assert!(refused(&folder, "log changed 1 --log seen.db --model demo").contains("no caption before entry 1"));
    assert!(refused(&folder, "log changed 77 --log seen.db --model demo").contains("77"));
    let other = refused(&folder, "log changed 2 --log seen.db --model demo --precision f32");
    assert!(other.contains("These views are of demo in int8"), "{other}");
}

#[test]
fn entries_without_a_kept_view_are_refused_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    film(&folder.path().join("pictures"), &[false, true]);
    told(&folder, "watch --source pictures --every-frame --model demo --log seen.db --json");
    let why = refused(&folder, "log changed 2 --log seen.db --model demo");
    assert!(why.contains("--keep-views"), "{why}");
}

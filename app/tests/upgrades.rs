//! What every version has kept is there in this one: the log, choices, rules, downloads.
//!
//! `app/fixtures/released` has a folder of each version with what it wrote. That of this one is
//! written by `cargo test --release --workspace --test upgrades -- --ignored`, before a release.

#![allow(clippy::unwrap_used, reason = "a test that can't go on ends there")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use sightline::ui::preferences::Preferences;
use tempfile::TempDir;

#[path = "common/film.rs"]
mod film;
#[path = "network/loopback.rs"]
#[allow(dead_code, reason = "a hub that does as it should")]
mod loopback;

const LOG: &str = "captions.db";
/// The log as that version exported it.
const EXPORT: &str = "captions.jsonl";
const CHOICES: &str = "settings.toml";
const RULES: &str = "rules.toml";
/// Where the names of a download lead to, a line each: `snapshots/COMMIT/FILE BLOB`. What they lead
/// to are the files of `vlm/fixtures/tiny-2b`.
const DOWNLOAD: &str = "download.txt";

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/released")
}

/// The folders of all versions.
fn versions() -> Vec<PathBuf> {
    let mut versions: Vec<_> = fs::read_dir(fixtures()).unwrap().map(|entry| entry.unwrap().path()).collect();
    versions.sort();
    assert!(!versions.is_empty());
    versions
}

/// A folder of a person's own, and the program in it.
struct Home(TempDir);

impl Home {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// With a copy of a file that a version kept.
    fn with(version: &Path, file: &str) -> Self {
        let home = Self::new();
        fs::copy(version.join(file), home.path(file)).unwrap();
        home
    }

    fn path(&self, file: &str) -> PathBuf {
        self.0.path().join(file)
    }

    fn command(&self, arguments: &str) -> Command {
        self.command_of(&arguments.split(' ').collect::<Vec<_>>())
    }

    fn command_of(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sightline"));
        command.args(arguments).current_dir(&self.0).stdin(Stdio::null());
        for name in ["HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_TOKEN", "HF_ENDPOINT", "http_proxy", "HTTP_PROXY"] {
            command.env_remove(name);
        }
        for name in ["HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME", "HF_HOME"] {
            command.env(name, self.0.path());
        }
        command
    }

    /// What a command printed; it must succeed.
    fn run(&self, arguments: &str) -> String {
        told(arguments, &mut self.command(arguments))
    }
}

fn told(arguments: &str, command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{arguments}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
}

/// Whether all that `old` has is in `new`, which may have more.
fn holds(new: &Value, old: &Value) -> bool {
    match (new, old) {
        (Value::Object(new), Value::Object(old)) => {
            old.iter().all(|(key, old)| new.get(key).is_some_and(|new| holds(new, old)))
        }
        (Value::Array(new), Value::Array(old)) => {
            new.len() == old.len() && new.iter().zip(old).all(|(new, old)| holds(new, old))
        }
        _ => new == old,
    }
}

#[test]
fn logs_are_read_searched_and_written_to() {
    for version in versions() {
        let home = Home::with(&version, LOG);
        let old = lines(&fs::read_to_string(version.join(EXPORT)).unwrap());
        home.run("log export --format jsonl --output now.jsonl --log captions.db");
        let new = lines(&fs::read_to_string(home.path("now.jsonl")).unwrap());
        assert_eq!(new.len(), old.len(), "{}", version.display());
        for (new, old) in new.iter().zip(&old) {
            assert!(holds(new, old), "{}: {new} for {old}", version.display());
        }
        home.run("log check --log captions.db");
        let found = lines(&home.run("log search kept --json --log captions.db"));
        assert!(matches!(&found[..], [only] if only["note"] == "kept by a fixture"), "{found:?}");
        let ask =
            ["log", "ask", "when was there a star?", "--json", "--precision", "int8", "--model", "demo", "--log", LOG];
        let asked = lines(&told("log ask", &mut home.command_of(&ask)));
        assert_eq!(asked.last().unwrap()["views"], 5, "the views that it keeps are looked at: {asked:?}");
        let before = lines(&home.run("log list --json --log captions.db")).len();
        home.run("watch --source demo --model demo --frames 1 --log captions.db");
        assert_eq!(lines(&home.run("log list --json --log captions.db")).len(), before + 1);
        home.run("log check --log captions.db");
    }
}

#[test]
fn choices_hold() {
    for version in versions() {
        let home = Home::with(&version, CHOICES);
        let (choices, trouble) = Preferences::load(&home.path(CHOICES));
        assert_eq!(trouble, None);
        assert_eq!(choices.source.as_deref(), Some("demo"));
        choices.save(&home.path(CHOICES)).unwrap();
        let read =
            |folder: &Path| -> Value { toml::from_str(&fs::read_to_string(folder.join(CHOICES)).unwrap()).unwrap() };
        let (new, old) = (read(home.0.path()), read(&version));
        assert!(holds(&new, &old), "{}: {new} for {old}", version.display());
    }
}

#[test]
fn rules_hold() {
    for version in versions() {
        let home = Home::with(&version, RULES);
        let listed = home.run("rules list --file rules.toml");
        assert!(listed.contains("there is a star") && listed.contains("there is a red circle"), "{listed}");
        assert!(home.run("rules show star --file rules.toml").contains("threshold = 0.4"));
    }
}

/// Lays a version's download out as it was, with the first bytes alone of its weights or with all.
fn download(version: &Path, home: &Home, weights: Option<usize>) {
    let model = home.path("hub/models--someone--tiny");
    fs::create_dir_all(model.join("blobs")).unwrap();
    for line in fs::read_to_string(version.join(DOWNLOAD)).unwrap().lines() {
        let (name, blob) = line.split_once(' ').unwrap();
        let (name, blob) = (model.join(name), model.join("blobs").join(blob));
        fs::create_dir_all(name.parent().unwrap()).unwrap();
        let content = fs::read(checkpoint().join(name.file_name().unwrap())).unwrap();
        if let Some(some) = weights.filter(|_| name.ends_with("model.safetensors")) {
            fs::write(format!("{}.incomplete", blob.display()), &content[..some]).unwrap();
        } else {
            fs::write(&blob, content).unwrap();
            link(&blob, &name);
        }
    }
    if weights.is_none() {
        fs::create_dir_all(model.join("refs")).unwrap();
        fs::write(model.join("refs/main"), loopback::COMMIT).unwrap();
    }
}

#[cfg(unix)]
fn link(blob: &Path, name: &Path) {
    let relative = Path::new("../../blobs").join(blob.file_name().unwrap());
    std::os::unix::fs::symlink(relative, name).unwrap();
}

#[cfg(not(unix))]
fn link(blob: &Path, name: &Path) {
    fs::hard_link(blob, name).unwrap();
}

fn checkpoint() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../vlm/fixtures/tiny-2b")
}

#[test]
fn downloads_are_used_and_gone_on_with() {
    for version in versions() {
        let whole = Home::new();
        download(&version, &whole, None);
        let described = |home: &Home| {
            let mut command = home.command("describe --model someone/tiny --max-tokens 4 --precision f32");
            command.arg(checkpoint().join("../pictures/coffee.png")).env("HF_HUB_OFFLINE", "1");
            told("describe", &mut command)
        };
        let words = described(&whole);
        let begun = Home::new();
        download(&version, &begun, Some(1000));
        let hub = loopback::Hub::of(&checkpoint());
        let fetch = "models download someone/tiny";
        told(fetch, begun.command(fetch).env("HF_ENDPOINT", hub.endpoint()));
        let ranges = hub.store.ranges("model.safetensors");
        assert!(matches!(&ranges[..], [Some(range)] if range.starts_with("bytes=1000-")), "{ranges:?}");
        assert_eq!(described(&begun), words);
    }
}

#[test]
#[ignore = "it writes the fixture of this version"]
fn what_this_version_keeps_is_written() {
    let folder = fixtures().join(env!("CARGO_PKG_VERSION"));
    fs::create_dir_all(&folder).unwrap();
    let home = Home::new();
    let keep = |file: &str| fs::copy(home.path(file), folder.join(file)).unwrap();

    for rule in [&["there is a star", "--name", "star", "--threshold", "0.4"][..], &["there is a red circle"]] {
        let arguments = [&["rules", "add", "--file", RULES], rule].concat();
        told("rules add", &mut home.command_of(&arguments));
    }
    keep(RULES);

    film::film(&home.path("film"), &[false, true, true, false, false]);
    let watch = "watch --source film --every-frame --model demo --precision int8 --rules rules.toml";
    home.run(&format!("{watch} --log captions.db --keep-views"));
    let mark = ["log", "mark", "2", "--note", "kept by a fixture", "--log", LOG];
    told("log mark", &mut home.command_of(&mark));
    home.run("log export --format jsonl --output captions.jsonl --log captions.db");
    keep(LOG);
    keep(EXPORT);

    let mut choices = Preferences::default();
    choices.source = Some("demo".to_owned());
    choices.own_instructions = vec!["Which colours are there?".to_owned()];
    choices.always_record = true;
    choices.captions.background = 60;
    choices.panels.log_width = Some(333);
    choices.save(&home.path(CHOICES)).unwrap();
    keep(CHOICES);

    let hub = loopback::Hub::of(&checkpoint());
    let fetch = "models download someone/tiny";
    told(fetch, home.command(fetch).env("HF_ENDPOINT", hub.endpoint()));
    let model = home.path("hub/models--someone--tiny");
    let snapshot = Path::new("snapshots").join(loopback::COMMIT);
    let mut lines: Vec<_> = fs::read_dir(model.join(&snapshot))
        .unwrap()
        .map(|entry| {
            let name = entry.unwrap().path();
            let blob = fs::read_link(&name).unwrap();
            let (name, blob) = (name.file_name().unwrap().display(), blob.file_name().unwrap().display());
            format!("{}/{name} {blob}\n", snapshot.display())
        })
        .collect();
    lines.sort();
    fs::write(folder.join(DOWNLOAD), lines.concat()).unwrap();
}

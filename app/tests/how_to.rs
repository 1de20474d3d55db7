//! The recipes of docs/how-to/tell-me-when.md, followed to the letter: each file is written as it
//! stands there, each command is run, with a film of the demo scene in the place of a camera and
//! the built-in model in that of the one that is named.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test that can't go on ends there")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use sightline::demo::{World, paint};
use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_sightline");
const PAGE: &str = include_str!("../../docs/how-to/tell-me-when.md");

/// What stands in a fence of the page.
struct Block<'a> {
    language: &'a str,
    lines: Vec<&'a str>,
}

fn blocks(page: &str) -> Vec<Block<'_>> {
    let mut blocks = Vec::new();
    let mut open: Option<Block<'_>> = None;
    for line in page.lines() {
        match (line.strip_prefix("```"), &mut open) {
            (Some(language), None) => open = Some(Block { language, lines: Vec::new() }),
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (None, Some(block)) => block.lines.push(line),
            (None, None) => {}
        }
    }
    blocks
}

/// The words of a command line; quotes keep some together.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut is_quoted) = (Vec::new(), String::new(), false);
    for letter in line.chars() {
        match letter {
            '"' => is_quoted = !is_quoted,
            ' ' if !is_quoted => words.push(std::mem::take(&mut word)),
            letter => word.push(letter),
        }
    }
    words.push(word);
    words
}

/// A command of the page for a machine without camera and weights.
fn in_the_demo(line: &str, event: Option<i64>) -> Vec<String> {
    let mut words = words(line);
    assert_eq!(words.remove(0), "sightline", "{line}");
    for at in 0..words.len() {
        match words[at].as_str() {
            "--source" => "film".clone_into(&mut words[at + 1]),
            "--model" => "demo".clone_into(&mut words[at + 1]),
            "41" => words[at] = event.unwrap().to_string(),
            _ => {}
        }
    }
    words
}

struct Bench(TempDir);

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("film")).unwrap();
        for (number, seed) in (7000..7004).enumerate() {
            let mut world = World::new(seed);
            world.settle();
            paint(&world).save(folder.path().join(format!("film/{number}.png"))).unwrap();
        }
        for name in ["open.jpg", "shut.jpg"] {
            paint(&World::new(7000)).save(folder.path().join(name)).unwrap();
        }
        // The script of the reader's own.
        let script = folder.path().join("stop-printer");
        fs::write(&script, "#!/bin/sh\ncat > \"$(dirname \"$0\")/stopped\"\n").unwrap();
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
        Self(folder)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn run(&self, words: &[String]) -> String {
        let mut command = Command::new(PROGRAM);
        command.args(words).current_dir(&self.0).stdin(Stdio::null());
        for (variable, folder) in [("HOME", "home"), ("XDG_DATA_HOME", "data"), ("XDG_CONFIG_HOME", "config")] {
            command.env(variable, self.path().join(folder));
        }
        // Nobody's desktop is to be disturbed.
        let output = command.env_remove("DBUS_SESSION_BUS_ADDRESS").env_remove("DISPLAY").output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "sightline {}: {told}", words.join(" "));
        String::from_utf8(output.stdout).unwrap()
    }

    /// The number of an event, as a reader finds it in the list. There may be none of a rule that
    /// the demo model knows nothing of; one is made by a rule that it knows.
    fn event(&self) -> i64 {
        let rules = "[[rule]]\nname = \"anything\"\nsays = \"there is a circle\"\nthreshold = 0.01\nof = [1, 3]\n";
        fs::write(self.path().join("anything.toml"), rules).unwrap();
        let line = "sightline watch --source camera --model 256m --rules anything.toml --log --keep-views";
        self.run(&in_the_demo(line, None));
        let list = self.run(&words("log list --kind event --json"));
        let first: serde_json::Value = serde_json::from_str(list.lines().next().unwrap()).unwrap();
        first["id"].as_i64().unwrap()
    }
}

#[test]
fn the_recipes_do_what_they_say() {
    let bench = Bench::new();
    let event = bench.event();
    let (mut files, mut commands) = (0, 0);
    for Block { language, lines } in blocks(PAGE) {
        match language {
            "toml" => {
                let name = lines[0].strip_prefix("# ").unwrap();
                fs::write(bench.path().join(name), lines.join("\n")).unwrap();
                files += 1;
            }
            "sh" => {
                for line in lines {
                    bench.run(&in_the_demo(line, Some(event)));
                    commands += 1;
                }
            }
            other => panic!("{other}"),
        }
    }
    assert!(files >= 4 && commands >= 10, "{files} {commands}");
    let stopped = fs::read_to_string(bench.path().join("stopped")).unwrap();
    assert!(stopped.contains("\"kind\":\"test\""), "{stopped}");
}

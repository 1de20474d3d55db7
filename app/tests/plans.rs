//! Plans as people run them: the program itself, with a file in TOML and the built-in model.

#![allow(clippy::unwrap_used, reason = "a test that can't go on ends there")]

use std::collections::BTreeSet;
use std::fs;
use std::process::{Command, Output, Stdio};

use image::RgbImage;
use serde_json::Value;
use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_sightline");

/// A folder with two pictures and a plan.
struct House(TempDir);

impl House {
    fn new(plan: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, colour) in [("red.png", [220, 20, 20]), ("blue.png", [20, 20, 220])] {
            RgbImage::from_pixel(64, 48, image::Rgb(colour)).save(folder.path().join(name)).unwrap();
        }
        fs::write(folder.path().join("house.toml"), plan).unwrap();
        Self(folder)
    }

    /// Runs the program from another folder than the plan's.
    fn run(&self, words: &[&str]) -> Output {
        let elsewhere = self.0.path().join("elsewhere");
        fs::create_dir_all(&elsewhere).unwrap();
        let mut command = Command::new(PROGRAM);
        command.args(words).current_dir(&elsewhere).stdin(Stdio::null()).env("HOME", &elsewhere);
        for variable in ["XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"] {
            command.env(variable, &elsewhere);
        }
        command.output().unwrap()
    }

    fn watch(&self) -> Output {
        self.run(&["watch", "--config", "../house.toml", "--json", "--prompt", "What is it?"])
    }
}

fn objects(bytes: &[u8]) -> Vec<Value> {
    String::from_utf8_lossy(bytes).lines().map(|line| serde_json::from_str(line).expect(line)).collect()
}

#[test]
fn each_view_is_told_by_its_name_and_its_instruction() {
    let house = House::new(
        "[engine]\nmodel = \"demo\"\n[log]\nfile = \"kept/house.db\"\n[[view]]\nname = \"left\"\nsource = \"red.png\"\ninstruction = \"Which colour?\"\n[[view]]\nsource = \"blue.png\"\n",
    );
    let watched = house.watch();
    let said = String::from_utf8_lossy(&watched.stderr).into_owned();
    assert!(watched.status.success(), "{said}");
    let lines = objects(&watched.stdout);
    let told: BTreeSet<_> = lines.iter().map(|line| (line["source"].as_str(), line["prompt"].as_str())).collect();
    assert_eq!(told, BTreeSet::from([(Some("left"), Some("Which colour?")), (Some("blue.png"), Some("What is it?"))]));
    assert!(lines.iter().all(|line| line["model"] == "demo"));
    assert!(house.0.path().join("kept/house.db").exists(), "{said}");
}

#[test]
fn a_wrong_key_is_said_with_its_line_before_anything_starts() {
    let house = House::new("[[view]]\nsource = \"red.png\"\nrotat = 90\n");
    let refused = house.watch();
    assert_eq!((refused.status.code(), refused.stdout.len()), (Some(1), 0));
    let [error] = &objects(&refused.stderr)[..] else { panic!("one line") };
    let what = error["error"].as_str().unwrap();
    assert!(what.starts_with("../house.toml, line 3, view.rotat: Unknown key `rotat`"), "{what}");
    let missing = house.run(&["watch", "--config", "no.toml"]);
    assert!(String::from_utf8_lossy(&missing.stderr).starts_with("The plan no.toml can't be read (No such file"));
}

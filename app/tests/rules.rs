//! Rules as a person uses them: watched for, recorded, replayed, ticked and asked about, with the
//! demo scene before a camera's place.

#![allow(clippy::unwrap_used, reason = "a test that can't go on ends there")]

use std::fs;
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

use crate::film::film;

#[path = "common/film.rs"]
mod film;

const RULES: &str = "[[rule]]\nname = \"star\"\nsays = \"there is a star\"\n";

/// The program in a folder of its own, with pictures of the demo scene.
struct Bench(TempDir);

impl Bench {
    /// Pictures with a star in them or without, in this order.
    fn new(stars: &[bool]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        film(&folder.path().join("pictures"), stars);
        fs::write(folder.path().join("rules.toml"), RULES).unwrap();
        Self(folder)
    }

    fn run(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_sightline"))
            .args(arguments)
            .current_dir(&self.0)
            .env("HOME", self.0.path())
            .env("XDG_CONFIG_HOME", self.0.path().join("config"))
            .env("XDG_DATA_HOME", self.0.path().join("data"))
            .output()
            .unwrap()
    }

    /// What a command printed; it must succeed.
    fn out(&self, arguments: &[&str]) -> String {
        let Output { status, stdout, stderr } = self.run(arguments);
        assert!(status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&stderr));
        String::from_utf8(stdout).unwrap()
    }

    fn lines(&self, arguments: &[&str]) -> Vec<Value> {
        self.out(arguments).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The sentence with which a command fails.
    fn refused(&self, arguments: &[&str]) -> String {
        let Output { status, stderr, .. } = self.run(arguments);
        assert!(!status.success(), "{arguments:?}");
        String::from_utf8(stderr).unwrap()
    }
}

#[test]
fn a_rule_is_watched_recorded_replayed_asked_about_and_ticked() {
    let bench = Bench::new(&[false, true, true, true, false, false, false]);
    let watch =
        "watch --source pictures --every-frame --model demo --rules rules.toml --log seen.db --keep-views --json";
    let lines = bench.lines(&watch.split(' ').collect::<Vec<_>>());
    let told: Vec<&Value> = lines.iter().filter(|line| line["event"].is_string()).collect();
    let kinds: Vec<&str> = told.iter().map(|line| line["event"].as_str().unwrap()).collect();
    // The first of the two views that make it an event is the peak here: its words are known by
    // then.
    assert_eq!(kinds, ["begin", "end"], "{told:?}");
    let (words, end) = (told[0], told[1]);
    assert_eq!(
        (&end["rule"], &end["says"], &end["source"]),
        (&"star".into(), &"there is a star".into(), &"pictures".into())
    );
    assert!(words["caption"].as_str().unwrap().contains("star"), "{words}");
    let peak = lines.iter().find(|line| line["frame"] == end["frame"] && line["text"].is_string()).unwrap();
    assert_eq!(peak["text"], end["caption"]);
    assert_eq!(lines.iter().filter(|line| line["text"].is_string()).count(), 7);

    let kept = bench.lines(&["log", "list", "--kind", "event", "--json", "--log", "seen.db"]);
    let [event] = &kept[..] else { panic!("{kept:?}") };
    assert_eq!((&event["event"]["rule"], &event["event"]["over"]), (&"star".into(), &true.into()));
    assert_eq!((&event["time"], &event["frame"]), (&end["start"], &end["frame"]));
    let id = event["id"].to_string();
    let shown = bench.out(&["log", "show", &id, "--log", "seen.db"]);
    assert!(shown.contains("there is a star") && shown.contains("Rule        star, event"), "{shown}");

    let replay = ["rules", "replay", "--file", "rules.toml", "--log", "seen.db", "--model", "demo", "--json"];
    let replayed = bench.lines(&replay);
    for key in ["event", "rule", "start", "end", "frame"] {
        assert_eq!(replayed[0][key], end[key], "{key}: {replayed:?}");
    }

    let asked = bench.lines(&["log", "ask", "when was there a star?", "--log", "seen.db", "--model", "demo", "--json"]);
    let [time, sums] = &asked[..] else { panic!("{asked:?}") };
    assert_eq!((&time["start"], &sums["times"], &sums["views"]), (&end["start"], &1.into(), &7.into()));
    let by_words = ["log", "ask", "how often was there a star?", "--by-words", "--log", "seen.db"];
    assert!(bench.out(&by_words).ends_with("1 time.\n"));

    let ticked = bench.out(&["rules", "tick", &id, "right", "--log", "seen.db"]);
    assert!(ticked.contains("holds in 1 ticked views") && ticked.contains("Too few ticks"), "{ticked}");
    let show = bench.out(&["rules", "show", "star", "--file", "rules.toml", "--log", "seen.db"]);
    assert!(show.contains("says = \"there is a star\"") && show.contains("Too few ticks"), "{show}");
    assert!(
        bench
            .refused(&["rules", "tick", "1", "right", "--log", "seen.db"])
            .contains("Entry 1 is not an event of a rule.")
    );
}

#[test]
fn rules_are_added_listed_and_removed() {
    let bench = Bench::new(&[]);
    assert_eq!(bench.out(&["rules", "list"]), "");
    assert!(bench.refused(&["watch", "--source", "demo", "--model", "demo", "--rules"]).contains("no rules yet"));
    bench.out(&[
        "rules",
        "add",
        "there is no cup",
        "--name",
        "cup",
        "--of",
        "1,1",
        "--hold",
        "10m",
        "--quiet",
        "22:00-07:00",
    ]);
    bench.out(&["rules", "add", "there is a jug"]);
    let rules = bench.lines(&["rules", "list", "--json"]);
    assert_eq!(
        (&rules[0]["name"], &rules[0]["hold"], &rules[1]["name"]),
        (&"cup".into(), &"10m".into(), &"there is a jug".into())
    );
    assert!(bench.refused(&["rules", "add", "there is a mug", "--name", "cup"]).contains("two rules are called `cup`"));
    assert!(bench.refused(&["rules", "add", "is there a mug?"]).contains("in the place of a question"));
    bench.out(&["rules", "remove", "cup"]);
    assert!(bench.refused(&["rules", "remove", "cup"]).contains("Unknown rule `cup`."));
    assert_eq!(bench.out(&["rules", "list"]).lines().count(), 1);
    fs::write(bench.0.path().join("wrong.toml"), "[[rule]]\nsays = \"there is a cup\"\ntreshold = 0.8\n").unwrap();
    let said = bench.refused(&["watch", "--source", "demo", "--model", "demo", "--rules", "wrong.toml"]);
    assert!(said.contains("wrong.toml, line 3") && said.contains("treshold"), "{said}");
}

#[test]
fn what_was_never_kept_is_not_made_up() {
    let bench = Bench::new(&[true]);
    bench.out(&["watch", "--source", "pictures", "--model", "demo", "--log", "seen.db"]);
    let replay = ["rules", "replay", "--file", "rules.toml", "--log", "seen.db", "--model", "demo"];
    assert!(bench.refused(&replay).contains("keeps no views"));
    let asked = bench.out(&["log", "ask", "when was there an elephant?", "--log", "seen.db", "--model", "demo"]);
    assert_eq!(asked, "Never, as far as is known.\n");
    let negated = ["log", "ask", "when was there no star?", "--log", "seen.db", "--model", "demo"];
    assert!(bench.refused(&negated).contains("do not say what is not there"));
}

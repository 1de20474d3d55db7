//! Search by meaning, by the program as it is run, with the small sentence model of `vlm`'s
//! fixtures in the place of the released one. Its weights are random: what is near to what is of no
//! meaning, but words that are the same are the nearest.

#![allow(clippy::unwrap_used, reason = "a test that can't go on ends there")]

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_sightline");
const REPOSITORY: &str = "hf/hub/models--sentence-transformers--all-MiniLM-L6-v2";
const TEXTS: [&str; 4] = ["A dog runs.", "A cup of tea on a table.", "A red car on the street.", "A dog runs."];

/// A person's home folder with a log in it.
struct Home(TempDir);

/// What a command said.
struct Told {
    out: String,
    err: String,
    is_done: bool,
}

impl Home {
    fn new() -> Self {
        let home = Self(tempfile::tempdir().unwrap());
        let session = r#"{"type":"session","id":1,"source":"x","model":"demo","device":"cpu","precision":"f32","prompt":"What?","began":"2026-11-24T15:00:00.000+00:00","ended_ms":null,"lost":0}"#;
        let mut lines = format!("{session}\n");
        for (number, text) in (1..).zip(TEXTS) {
            writeln!(
                lines,
                r#"{{"type":"entry","id":{number},"session":1,"kind":"caption","frame":{number},"time":"2026-11-24T15:00:0{number}.000+00:00","since_ms":{number}000,"duration_ms":900,"text":"{text}","question":null,"note":null,"bookmarked":false,"repeats":0,"age_ms":null,"ms":{{"preprocess":1,"vision":1,"prefill":1,"decode":1}},"prompt_tokens":1,"tokens":1,"stop":"end","draft":{{"offered":0,"accepted":0}},"dropped":null,"skipped":null,"mean_log_prob":null}}"#
            )
            .unwrap();
        }
        fs::write(home.0.path().join("lines.jsonl"), lines).unwrap();
        home.run(&["log", "import", "lines.jsonl"]).done();
        home
    }

    /// As a download leaves a model.
    fn with_model(self) -> Self {
        let (repository, commit) = (self.0.path().join(REPOSITORY), "0123456789abcdef0123456789abcdef01234567");
        let snapshot = repository.join("snapshots").join(commit);
        fs::create_dir_all(&snapshot).unwrap();
        fs::create_dir_all(repository.join("refs")).unwrap();
        fs::write(repository.join("refs/main"), commit).unwrap();
        let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("../vlm/fixtures/tiny-bert");
        for file in fs::read_dir(fixture).unwrap() {
            let file = file.unwrap();
            fs::copy(file.path(), snapshot.join(file.file_name())).unwrap();
        }
        self
    }

    fn run(&self, words: &[&str]) -> Told {
        let mut command = Command::new(PROGRAM);
        for name in ["HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_ENDPOINT", "SIGHTLINE_LOG"] {
            command.env_remove(name);
        }
        command.env("HF_HOME", self.0.path().join("hf")).env("HF_HUB_OFFLINE", "1");
        command.args(words).args(["--log", "seen.db"]).current_dir(self.0.path()).stdin(Stdio::null());
        let output = command.output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Told { out: text(output.stdout), err: text(output.stderr), is_done: output.status.success() }
    }

    /// The numbers of the entries that a search finds, and how near in meaning they are.
    fn search(&self, words: &[&str]) -> Vec<(i64, Option<f64>)> {
        let told = self.run(&[&["log", "search", "--json"], words].concat()).done();
        let lines = told.out.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.map(|line| (line["id"].as_i64().unwrap(), line["similarity"].as_f64())).collect()
    }
}

impl Told {
    #[track_caller]
    fn done(self) -> Self {
        assert!(self.is_done, "{}{}", self.out, self.err);
        self
    }
}

#[test]
fn without_the_model_words_are_searched_and_a_hint_says_what_else_there_is() {
    let home = Home::new();
    assert_eq!(home.search(&["dog"]), [(4, None), (1, None)]);
    assert_eq!(home.run(&["log", "search", "dog"]).done().err, "", "nobody is told of it who has found something");
    let none = home.run(&["log", "search", "puppy"]).done();
    let lines: Vec<&str> = none.err.lines().collect();
    assert_eq!((none.out.as_str(), lines.len(), lines[0]), ("", 2, "No entry was found."), "{}", none.err);
    assert!(lines[1].contains("`sightline models download minilm`") && lines[1].contains("91 MB"), "{}", none.err);
    let by_words = home.run(&["log", "search", "puppy", "--by", "words"]).done();
    assert_eq!(by_words.err, "No entry was found.\n");
    for words in [&["log", "search", "puppy", "--by", "meaning"][..], &["log", "embed"]] {
        let refused = home.run(words);
        assert!(
            !refused.is_done && refused.err.contains("takes a model that is not on this machine"),
            "{}",
            refused.err
        );
    }
}

#[test]
fn what_was_recorded_before_is_found_by_meaning_once_it_was_embedded() {
    let home = Home::new().with_model();
    assert_eq!(home.search(&["dog"]), [(4, None), (1, None)], "no entry has a vector yet");
    let none = home.run(&["log", "search", "A dog runs.", "--by", "meaning"]).done();
    assert!(none.err.contains("4 entries can't be found by meaning yet: run `sightline log embed`"), "{}", none.err);
    let embedded = home.run(&["log", "embed"]).done();
    assert_eq!(embedded.err, "4 entries can be found by meaning now.\n");
    assert_eq!(home.run(&["log", "embed"]).done().err, "All entries can be found by meaning already.\n");

    let by_meaning = home.search(&["A red car on the street.", "--by", "meaning"]);
    assert!(by_meaning[0].0 == 3 && by_meaning[0].1.unwrap() > 0.99, "{by_meaning:?}");
    let same = home.search(&["A dog runs.", "--by", "meaning", "--limit", "2"]);
    assert_eq!(same.iter().map(|hit| hit.0).collect::<Vec<_>>(), [4, 1], "those as near newest first");
    let narrowed = home.search(&["A dog runs.", "--by", "meaning", "--until", "2026-11-24T15:00:02Z"]);
    assert_eq!(narrowed.iter().map(|hit| hit.0).collect::<Vec<_>>(), [1]);
    // By itself, both: what has the words comes with how near it is.
    let both = home.search(&["tea"]);
    assert!(both[0].0 == 2 && both[0].1.is_some(), "{both:?}");
    assert_eq!(home.search(&["tea OR car"]), [(3, None), (2, None)], "who says how to search is taken at their word");
    assert_eq!(home.search(&["tea", "--by", "words"]), [(2, None)]);
}

#[test]
fn what_is_recorded_is_found_by_meaning_at_once() {
    let home = Home::new().with_model();
    home.run(&["log", "embed"]).done();
    home.run(&["watch", "--source", "demo", "--model", "demo", "--frames", "2"]).done();
    let all = home.run(&["log", "list", "--json"]).done().out.lines().count();
    assert!(all > TEXTS.len(), "nothing was recorded");
    assert_eq!(home.run(&["log", "embed"]).done().err, "All entries can be found by meaning already.\n");
}

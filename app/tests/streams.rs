//! The two streams, signals, numbers and limits of the system, as scripts meet them: the program
//! itself, with the built-in model and a tiny one.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test that can't go on ends there")]

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::Duration;

use image::RgbImage;
use serde_json::{Value, json};
use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_sightline");

/// A folder with pictures, and the program in it.
struct Bench(TempDir);

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a.png", "b.png", "c.png"] {
            RgbImage::from_pixel(64, 48, image::Rgb([200, 30, 30])).save(folder.path().join(name)).unwrap();
        }
        Self(folder)
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The program with these words; what it keeps goes into the folder.
    fn command(&self, words: &[&str]) -> Command {
        self.prepared(Command::new(PROGRAM), words)
    }

    /// The same within limits of the system, such as `ulimit -n 8`.
    fn limited(&self, limits: &str, words: &[&str]) -> Command {
        let mut shell = Command::new("bash");
        shell.args(["-c", &format!("{limits} && exec \"$0\" \"$@\""), PROGRAM]);
        self.prepared(shell, words)
    }

    fn prepared(&self, mut command: Command, words: &[&str]) -> Command {
        command.args(words).current_dir(&self.0).stdin(Stdio::null());
        for (variable, folder) in
            [("HOME", "home"), ("XDG_DATA_HOME", "data"), ("XDG_CONFIG_HOME", "config"), ("XDG_CACHE_HOME", "cache")]
        {
            command.env(variable, self.at(folder));
        }
        command.env_remove("NO_COLOR").env_remove("SIGHTLINE_LOG");
        command
    }

    fn run(&self, words: &[&str]) -> Output {
        self.command(words).output().unwrap()
    }

    /// Records a few captions of the tiny model.
    fn record(&self, log: &str) {
        let model = tiny();
        let output = self.run(&[
            "watch",
            "--source",
            ".",
            "--every-frame",
            "--max-tokens",
            "200",
            "--model",
            &model,
            "--log",
            log,
        ]);
        assert!(output.status.success(), "{}", text(&output.stderr));
    }
}

fn tiny() -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../vlm/fixtures/tiny-2b").display().to_string()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Each line as JSON.
fn objects(bytes: &[u8]) -> Vec<Value> {
    text(bytes).lines().map(|line| serde_json::from_str(line).expect(line)).collect()
}

/// Runs a command whose reader goes away: before the first byte, or after one.
fn abandoned(mut command: Command, read: usize) -> (ExitStatus, String) {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut out = child.stdout.take().unwrap();
    out.read_exact(&mut vec![0; read]).unwrap();
    drop(out);
    let output = child.wait_with_output().unwrap();
    (output.status, text(&output.stderr))
}

#[test]
fn a_reader_that_has_read_enough_is_no_error_in_any_command() {
    let bench = Bench::new();
    bench.record("l.db");
    for words in [
        &["describe", "a.png", "b.png", "c.png", "--model", "demo"][..],
        &["describe", "a.png", "b.png", "c.png", "--model", "demo", "--json"],
        &["models", "list"],
        &["models", "list", "--json"],
        &["models", "show", "demo"],
        &["log", "list", "--json", "--log", "l.db"],
        &["log", "show", "1", "--log", "l.db"],
        &["log", "stats", "--json", "--log", "l.db"],
        &["log", "path", "--log", "l.db"],
        &["log", "export", "--format", "jsonl", "--log", "l.db"],
        &["log", "export", "--format", "html", "--log", "l.db"],
        &["--help"],
        &["watch", "--help"],
    ] {
        let (status, said) = abandoned(bench.command(words), 0);
        assert_eq!((status.code(), said.as_str()), (Some(0), ""), "{words:?}");
    }
    let watch = ["watch", "--source", "demo", "--model", "demo", "--every-frame", "--log", "l.db"];
    let (status, said) = abandoned(bench.command(&watch), 1);
    assert!(status.success() && said.contains("Recorded"), "{said}");
}

#[test]
fn an_output_that_cannot_be_written_is_a_sentence() {
    let bench = Bench::new();
    bench.record("l.db");
    for words in [
        &["describe", "a.png", "--model", "demo"][..],
        &["describe", "a.png", "--model", "demo", "--json"],
        &["models", "list"],
        &["log", "list", "--log", "l.db"],
        &["log", "list", "--json", "--log", "l.db"],
        &["log", "export", "--format", "csv", "--log", "l.db"],
        &["watch", "--source", "demo", "--model", "demo"],
        &["--version"],
    ] {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let output = bench.command(words).stdout(full).output().unwrap();
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{words:?}: {said}");
        let is_json = words.contains(&"--json");
        let last = said.lines().last().unwrap();
        if is_json {
            let last: Value = serde_json::from_str(last).unwrap();
            assert_eq!(last["error"], "Standard output can't be written (No space left on device).", "{words:?}");
        } else {
            assert!(
                last.starts_with("Standard output can't be written (No space left on device). "),
                "{words:?}: {said}"
            );
        }
    }
}

#[test]
fn what_standard_error_does_not_take_changes_nothing() {
    let bench = Bench::new();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let words = ["watch", "--source", "demo", "--model", "demo", "--every-frame", "--frames", "2", "--log", "l.db"];
    let output = bench.command(&words).stderr(writer).output().unwrap();
    assert!(output.status.success());
    assert_eq!(text(&output.stdout).lines().count(), 2);
    let stats = bench.run(&["log", "stats", "--json", "--log", "l.db"]);
    // The same words twice are one entry.
    assert!(objects(&stats.stdout)[0]["captions"].as_u64().is_some_and(|captions| captions > 0));
}

/// A recording that has begun.
fn recording(bench: &Bench, log: &str) -> (Child, BufReader<std::process::ChildStdout>) {
    let words = ["watch", "--source", "demo", "--model", "demo", "--every-frame", "--log", log];
    let mut child = bench.command(&words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    out.read_line(&mut String::new()).unwrap();
    (child, out)
}

fn signal(child: &Child, name: &str) {
    // The second may come too late.
    let _ = Command::new("kill").args(["-s", name, &child.id().to_string()]).stderr(Stdio::null()).status().unwrap();
}

#[test]
fn signals_in_pairs_end_a_recording_in_good_order() {
    let bench = Bench::new();
    for (first, second) in [("TERM", "TERM"), ("INT", "INT"), ("TERM", "HUP"), ("HUP", "HUP")] {
        let log = format!("{first}-{second}.db");
        let (child, out) = recording(&bench, &log);
        signal(&child, first);
        signal(&child, second);
        drop(std::thread::spawn(move || out.lines().count()));
        let output = child.wait_with_output().unwrap();
        let said = text(&output.stderr);
        assert!(output.status.success() && said.contains("Recorded"), "{first} {second}: {:?}, {said}", output.status);
        let export = bench.run(&["log", "export", "--format", "jsonl", "--log", &log]);
        let session = objects(&export.stdout).into_iter().find(|line| line["type"] == "session").unwrap();
        assert!(session["ended_ms"].is_number(), "{session}");
    }
}

#[test]
fn a_signal_ends_a_chat_that_waits_for_its_input() {
    let bench = Bench::new();
    let words = ["chat", "--model", "demo"];
    let mut child =
        bench.command(&words).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // It would end by itself at the end of its input.
    let input = child.stdin.take().unwrap();
    std::thread::sleep(Duration::from_secs(2));
    signal(&child, "TERM");
    assert_eq!(child.wait().unwrap().code(), Some(143), "nothing ran that could be waited for");
    drop(input);
}

#[test]
fn with_json_every_line_of_standard_error_is_an_object() {
    let bench = Bench::new();
    let missing = bench.run(&["describe", "no-such.png", "a.png", "--model", "demo", "--json"]);
    assert_eq!(missing.status.code(), Some(1));
    assert_eq!(objects(&missing.stdout).len(), 1);
    let errors = objects(&missing.stderr);
    let error = errors.iter().find(|line| !line["error"].is_null()).unwrap();
    assert!(error["error"].as_str().unwrap().contains("no-such.png"), "{error}");
    assert!(error["hint"].is_string(), "{error}");

    let usage = bench.run(&["watch", "--source", "demo", "--json", "--frames", "0"]);
    assert_eq!(usage.status.code(), Some(2));
    let errors = objects(&usage.stderr);
    assert_eq!(errors.len(), 1);
    let said = errors[0]["error"].as_str().unwrap();
    assert!(said.contains("--frames") && said.ends_with("write a whole number from 1 to 1000000000."), "{said}");

    let watched = bench.run(&["watch", "--source", "demo", "--model", "demo", "--json", "--frames", "1"]);
    assert!(watched.status.success());
    assert!(objects(&watched.stderr).iter().all(|line| line["note"].is_string()), "{}", text(&watched.stderr));

    let log = bench.run(&["log", "list", "--json", "--log", "none.db"]);
    assert_eq!(log.status.code(), Some(1));
    let errors = objects(&log.stderr);
    assert_eq!(errors[0]["error"], "There is no caption log at none.db.");
    assert_ne!(errors[0]["hint"], json!(null));
}

#[test]
fn nothing_is_coloured_in_a_file() {
    let bench = Bench::new();
    let words = ["describe", "a.png", "--model", "demo"];
    let traced = bench.command(&words).env("SIGHTLINE_LOG", "trace").output().unwrap();
    assert!(!text(&traced.stderr).is_empty() && !text(&traced.stderr).contains('\u{1b}'));
    for words in [&["--help"][..], &["watch"], &["describe", "\u{1b}[2Jno.png", "--model", "demo"]] {
        let output = bench.run(words);
        assert!(!text(&[output.stdout, output.stderr].concat()).contains('\u{1b}'), "{words:?}");
    }
}

#[test]
fn with_few_descriptors_or_little_memory_it_says_so() {
    let bench = Bench::new();
    bench.record("l.db");
    let model = tiny();
    for limits in
        ["ulimit -n 4", "ulimit -n 5", "ulimit -n 6", "ulimit -n 7", "ulimit -n 8", "ulimit -n 10", "ulimit -n 12"]
    {
        for words in [
            &["describe", "a.png", "--model", "demo"][..],
            &["describe", "a.png", "--model", &model, "--max-tokens", "2"],
            &["watch", "--source", "a.png", "--model", "demo", "--log", "m.db"],
            &["watch", "--source", "demo", "--model", "demo", "--frames", "1"],
            &["chat", "a.png", "--model", "demo", "--prompt", "What is it?"],
            &["models", "list"],
            &["models", "download", "someone/some-model"],
            &["cameras"],
            &["log", "list", "--log", "l.db"],
            &["log", "export", "--format", "csv", "--output", "l.csv", "--log", "l.db"],
            &["scene", "--count", "1", "--out", "stills"],
        ] {
            let mut command = bench.limited(limits, words);
            // Nothing is fetched: nobody listens there.
            command.env("HF_ENDPOINT", "http://127.0.0.1:9");
            let output = command.output().unwrap();
            let said = text(&output.stderr);
            let code = output.status.code();
            assert!(code == Some(0) || code == Some(1), "{limits}, {words:?}: {:?}, {said}", output.status);
            assert!(code == Some(0) || said.trim_end().ends_with('.'), "{limits}, {words:?}: {said}");
            assert!(
                !said.contains("panicked") && !said.contains("not foreseen") && !said.contains(".: "),
                "{limits}, {words:?}: {said}"
            );
            let _ = fs::remove_file(bench.at("l.csv"));
        }
    }
}

#[test]
fn the_same_seed_says_the_same_words() {
    let bench = Bench::new();
    let model = tiny();
    let say = |words: &[&str]| {
        let output = bench.run(&[&["describe", "a.png", "--model", &model, "--max-tokens", "12"], words].concat());
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stdout)
    };
    let drawn = |seed| say(&["--temperature", "1.5", "--top-p", "0.95", "--seed", seed]);
    assert_eq!(drawn("1"), drawn("1"));
    assert!(["2", "3", "4"].into_iter().any(|seed| drawn(seed) != drawn("1")));
    assert_eq!(say(&["--temperature", "0"]), say(&[]), "0 is the likeliest");
}

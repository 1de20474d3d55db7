//! From a rule to its actions, as people run them: the program itself with the built-in model, a
//! film of the demo scene, a web server and a command of the test's own.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test that can't go on ends there")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::film::film;
use crate::server::Server;

#[path = "common/film.rs"]
mod film;
#[path = "common/server.rs"]
mod server;

const PROGRAM: &str = env!("CARGO_BIN_EXE_sightline");
/// Far more than a busy machine needs.
const PATIENCE: Duration = Duration::from_mins(4);

/// A folder with a film, a rule about it and what is to be done.
struct Bench {
    folder: TempDir,
    server: Server,
}

impl Bench {
    /// A film with a star in its views or without, in this order.
    fn new(stars: &[bool], status: u16) -> Self {
        let folder = tempfile::tempdir().unwrap();
        film(&folder.path().join("film"), stars);
        let server = Server::new(status);
        let rules = format!(
            "[[rule]]\nname = \"star\"\nsays = \"there is a star\"\nof = [1, 1]\ndo = [\"hook\", \"note\"]\n\n\
             [action.hook]\nwebhook = \"http://{}/secret\"\npicture = true\n\n\
             [action.note]\ncommand = [\"./note\", \"{{rule}} {{kind}}\"]\n",
            server.address
        );
        fs::write(folder.path().join("rules.toml"), rules).unwrap();
        Self { folder, server }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Makes the command: it takes note of its argument and of its standard input.
    fn make_command(&self) {
        let script = "#!/bin/sh\ncd \"$(dirname \"$0\")\"\nprintf '%s\\n' \"$1\" >> said\n\
                      { cat; echo; } >> told\n";
        // Made under another name: one that is being written can't be run.
        fs::write(self.path("note.new"), script).unwrap();
        fs::set_permissions(self.path("note.new"), fs::Permissions::from_mode(0o755)).unwrap();
        fs::rename(self.path("note.new"), self.path("note")).unwrap();
    }

    fn watch(&self, more: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        command.args(["watch", "--source", "film", "--every-frame", "--model", "demo", "--rules", "rules.toml"]);
        command.args(more).current_dir(&self.folder).stdin(Stdio::null());
        for (variable, folder) in [("HOME", "home"), ("XDG_DATA_HOME", "data"), ("XDG_CONFIG_HOME", "config")] {
            command.env(variable, self.path(folder));
        }
        command
    }

    /// What the command was told.
    fn noted(&self) -> Vec<Value> {
        let noted = fs::read_to_string(self.path("told")).unwrap_or_default();
        // The last line may be under way.
        let whole = noted.split_inclusive('\n').filter(|line| line.ends_with('\n'));
        whole.map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// What waits for an action, oldest first.
    fn waiting(&self, action: &str) -> Vec<Value> {
        let queue = self.path("data/sightline/actions.db");
        let read = || -> rusqlite::Result<Vec<String>> {
            let connection = rusqlite::Connection::open_with_flags(queue, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY)?;
            let mut rows = connection.prepare("SELECT occurrence FROM waiting WHERE action = ?1 ORDER BY id")?;
            rows.query_map([action], |row| row.get(0))?.collect()
        };
        // Not made yet, or not whole.
        read().unwrap_or_default().iter().map(|json| serde_json::from_str(json).unwrap()).collect()
    }
}

fn kinds(told: &[Value]) -> Vec<&str> {
    told.iter().map(|told| told["kind"].as_str().unwrap()).collect()
}

fn ids(told: &[Value]) -> Vec<&str> {
    told.iter().map(|told| told["id"].as_str().unwrap()).collect()
}

#[test]
fn an_event_reaches_a_server_and_a_command_the_alert_first_and_its_words_later() {
    let bench = Bench::new(&[false, true, true, false, false], 200);
    bench.make_command();
    let output = bench.watch(&["--json"]).output().unwrap();
    let notes = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{notes}");
    let told = bench.server.told();
    assert_eq!(kinds(&told), ["begin", "words", "end"], "{notes}");
    let [begin, words, end] = &told[..] else { panic!("{told:?}") };
    assert!(begin["text"].is_null() && words["text"].as_str().unwrap().contains("star"), "{told:?}");
    for each in &told {
        assert_eq!((&each["rule"]["name"], &each["rule"]["says"]), (&"star".into(), &"there is a star".into()));
        assert_eq!((&each["source"], &each["rule"]["start"]), (&"film".into(), &begin["rule"]["start"]));
        assert_eq!(each["picture"]["type"], "image/jpeg");
    }
    assert!(begin["rule"]["end"].is_null() && end["rule"]["end"].is_string(), "{told:?}");
    assert!(begin["rule"]["probability"].as_f64().unwrap() > 0.5, "{begin}");

    let noted = bench.noted();
    assert_eq!(ids(&noted), ids(&told), "each is told the same occurrences");
    assert!(noted.iter().all(|noted| noted["picture"].is_null()));
    assert_eq!(fs::read_to_string(bench.path("said")).unwrap(), "star begin\nstar words\nstar end\n");

    // What standard output says is the same.
    let lines = String::from_utf8(output.stdout).unwrap();
    let events: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let events: Vec<&Value> = events.iter().filter(|line| line["event"].is_string()).collect();
    assert_eq!(events.iter().map(|event| event["event"].as_str().unwrap()).collect::<Vec<_>>(), kinds(&told));
    assert_eq!((&events[2]["start"], &events[2]["end"]), (&end["rule"]["start"], &end["rule"]["end"]));
    assert_eq!(events[1]["caption"], words["text"]);
}

#[test]
fn what_a_kill_leaves_in_the_queue_is_told_by_the_next_run() {
    // The server refuses, and there is no command yet.
    let bench = Bench::new(&[true, false], 503);
    let mut watching = bench.watch(&["--loop"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let began = Instant::now();
    while ["hook", "note"].iter().any(|action| bench.waiting(action).len() < 5) {
        assert!(began.elapsed() < PATIENCE && watching.try_wait().unwrap().is_none());
        thread::sleep(Duration::from_millis(5));
    }
    // SIGKILL: nothing of the program runs any more.
    watching.kill().unwrap();
    watching.wait().unwrap();
    let left = ["hook", "note"].map(|action| bench.waiting(action));
    assert_eq!(kinds(&left[0])[..5], ["begin", "words", "end", "begin", "words"]);
    assert_eq!((bench.server.told(), bench.noted()), (Vec::new(), Vec::new()));

    bench.server.answer_with(200);
    bench.make_command();
    // As long as it takes to tell what was left; nothing of it is told twice.
    let mut again = bench.watch(&["--loop"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let began = Instant::now();
    while bench.server.told().len() < left[0].len() || bench.noted().len() < left[1].len() {
        assert!(began.elapsed() < PATIENCE && again.try_wait().unwrap().is_none());
        thread::sleep(Duration::from_millis(5));
    }
    again.kill().unwrap();
    again.wait().unwrap();
    for (told, left) in [bench.server.told(), bench.noted()].iter().zip(&left) {
        assert_eq!(ids(told)[..left.len()], ids(left), "in the order in which it happened");
        assert_eq!(kinds(told)[..left.len()], kinds(left));
    }
}

#[test]
fn a_rule_that_names_an_action_that_is_not_there_is_told_before_anything_starts() {
    let bench = Bench::new(&[true], 200);
    let rules = "[[rule]]\nname = \"star\"\nsays = \"there is a star\"\ndo = [\"hok\"]\n";
    fs::write(bench.path("rules.toml"), rules).unwrap();
    let output = bench.watch(&[]).output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0), "{told}");
    assert!(told.contains("The rule star is to set off the unknown action `hok`."), "{told}");
    assert!(told.contains("[action.hok]") && told.lines().count() == 1, "{told}");
}

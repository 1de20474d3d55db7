//! Actions as people run them: the program itself, with the built-in model and a web server of the
//! test's own.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test that can't go on ends there")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::server::Server;

#[path = "common/server.rs"]
mod server;

const PROGRAM: &str = env!("CARGO_BIN_EXE_sightline");
/// Far more than a busy machine needs.
const PATIENCE: Duration = Duration::from_mins(2);

/// The words of what a server was told.
fn texts(server: &Server) -> Vec<String> {
    server.told().iter().map(|body| body["text"].as_str().unwrap().to_owned()).collect()
}

/// A folder with a file of actions, and the program in it.
struct Bench(TempDir);

impl Bench {
    fn new(actions: &str) -> Self {
        let bench = Self(tempfile::tempdir().unwrap());
        bench.write(actions);
        bench
    }

    fn write(&self, actions: &str) {
        fs::write(self.0.path().join("actions.toml"), actions).unwrap();
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = self.prepared(words);
        command.args(["--actions", "actions.toml"]);
        command
    }

    fn prepared(&self, words: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        command.args(words).current_dir(&self.0).stdin(Stdio::null());
        for (variable, folder) in [("HOME", "home"), ("XDG_DATA_HOME", "data"), ("XDG_CONFIG_HOME", "config")] {
            command.env(variable, self.0.path().join(folder));
        }
        command
    }

    fn run(&self, words: &[&str]) -> Output {
        self.command(words).output().unwrap()
    }

    fn queue(&self) -> PathBuf {
        self.0.path().join("data/sightline/actions.db")
    }
}

fn hook(server: &Server) -> String {
    format!("[action.hook]\nwebhook = \"http://{}/secret\"\ncaptions = true\n", server.address)
}

/// What waits in a queue, oldest first.
fn waiting(queue: &Path) -> Vec<String> {
    let read = || -> rusqlite::Result<Vec<String>> {
        let connection = rusqlite::Connection::open_with_flags(queue, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        let mut rows = connection.prepare("SELECT occurrence FROM waiting ORDER BY id")?;
        rows.query_map([], |row| row.get(0))?.collect()
    };
    let text = |json: String| serde_json::from_str::<Value>(&json).unwrap()["text"].as_str().unwrap().to_owned();
    // Not made yet, or not whole.
    read().unwrap_or_default().into_iter().map(text).collect()
}

#[test]
fn what_waits_outlives_a_kill_and_is_told_in_order_by_the_next_run() {
    let (away, back) = (Server::new(503), Server::new(200));
    let bench = Bench::new(&hook(&away));
    let watch = ["watch", "--source", "demo", "--model", "demo"];
    let mut watching = bench.command(&watch).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let began = Instant::now();
    while waiting(&bench.queue()).len() < 3 {
        assert!(began.elapsed() < PATIENCE && watching.try_wait().unwrap().is_none());
        thread::sleep(Duration::from_millis(5));
    }
    // SIGKILL: nothing of the program runs any more.
    watching.kill().unwrap();
    watching.wait().unwrap();
    let left = waiting(&bench.queue());
    assert!(left.len() >= 3 && texts(&back).is_empty(), "{left:?}");

    bench.write(&hook(&back));
    let output = bench.run(&[&watch[..], &["--frames", "1"]].concat());
    let notes = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{notes}");
    let told = texts(&back);
    assert_eq!(told[..left.len()], left);
    assert_eq!(waiting(&bench.queue()), [""; 0], "{notes}");
}

#[test]
fn a_test_says_what_came_of_it_and_shows_no_secret() {
    let (well, refusing) = (Server::new(200), Server::new(404));
    let bench = Bench::new(&hook(&well));
    let output = bench.run(&["actions", "test", "hook", "--json"]);
    let tested: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((tested["action"].as_str(), well.told().len()), (Some("hook"), 1));
    assert_eq!(well.told()[0]["kind"], "test");

    bench.write(&hook(&refusing));
    for (words, said) in [
        (&["actions", "test", "hook"][..], "answered 404"),
        (&["actions", "test", "bell"], "Unknown action bell in actions.toml. It has hook."),
    ] {
        let output = bench.run(words);
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{told}");
        assert!(told.contains(said) && !told.contains("/secret"), "{told}");
    }
    let listed = bench.run(&["actions", "list"]);
    assert_eq!(
        String::from_utf8(listed.stdout).unwrap(),
        format!("hook             a webhook at {}\n", refusing.address)
    );
}

#[test]
fn a_plan_may_have_actions() {
    let server = Server::new(200);
    let bench = Bench::new("");
    let plan = format!("[[view]]\nname = \"porch\"\nsource = \"demo\"\n\n{}", hook(&server));
    fs::write(bench.0.path().join("plan.toml"), plan).unwrap();
    let words = ["watch", "--config", "plan.toml", "--model", "demo", "--frames", "1"];
    let output = bench.prepared(&words).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let bodies = server.told();
    assert_eq!((bodies[0]["source"].as_str(), bodies[0]["kind"].as_str()), (Some("porch"), Some("caption")));
}

#[test]
fn a_wrong_key_is_told_before_anything_starts() {
    let bench = Bench::new("[action.hook]\nwebhok = \"http://127.0.0.1:9/\"\n");
    let output = bench.run(&["watch", "--source", "demo", "--model", "demo"]);
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0));
    assert!(told.contains("actions.toml, line 2: unknown key `webhok`") && told.lines().count() == 1, "{told}");
}

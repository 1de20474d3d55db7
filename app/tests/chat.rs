//! `sightline chat` as people and scripts meet it: the program itself, with the built-in model.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};
#[cfg(unix)]
use std::time::{Duration, Instant};

const PROGRAM: &str = env!("CARGO_BIN_EXE_sightline");

/// Stills of the demo scene.
fn stills(folder: &Path) -> Vec<String> {
    let made = Command::new(PROGRAM).args(["scene", "--seed", "7", "--count", "2", "--out"]).arg(folder).status();
    assert!(made.expect("the program starts").success());
    let mut stills: Vec<String> = std::fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "png"))
        .map(|path| path.display().to_string())
        .collect();
    stills.sort();
    stills
}

fn chat(arguments: &[&str], input: &str) -> Output {
    let mut program = Command::new(PROGRAM)
        .args(["chat", "--model", "demo"])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    program.stdin.take().expect("a pipe").write_all(input.as_bytes()).expect("written");
    program.wait_with_output().expect("the program ends")
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("UTF-8")
}

#[test]
fn a_pipe_is_answered_line_by_line_and_nothing_else_is_printed() {
    let folder = tempfile::tempdir().expect("a folder");
    let stills = stills(folder.path());
    let saved = folder.path().join("talk.json");
    let input = format!(
        "{}\n\nDescribe this image in one sentence.\n\nHow many objects are there?\n/undo\n/save {}\n/quit\n",
        stills[0],
        saved.display()
    );
    let told = chat(&[], &input);
    let (out, err) = (text(&told.stdout), text(&told.stderr));
    assert!(told.status.success(), "{err}");
    let answers: Vec<_> = out.lines().collect();
    assert_eq!(answers.len(), 2, "{out}");
    assert!(!out.contains('\x1b') && !out.contains("img>") && !err.contains("img>"), "{out}{err}");

    let alone =
        Command::new(PROGRAM).args(["describe", "--model", "demo"]).arg(&stills[0]).output().expect("described");
    assert_eq!(answers[0], text(&alone.stdout).trim_end(), "a first question is answered as describe answers it");
    let talk: serde_json::Value = serde_json::from_slice(&std::fs::read(&saved).expect("saved")).expect("JSON");
    assert_eq!(talk["exchanges"].as_array().expect("an array").len(), 1);
    assert_eq!(talk["exchanges"][0]["answer"], answers[0]);
}

#[test]
fn in_a_pipe_what_could_not_be_done_is_in_the_exit_code() {
    let told = chat(&["/no/such/picture.png"], "What is it?\n");
    assert_eq!(told.status.code(), Some(1));
    assert_eq!(text(&told.stdout).lines().count(), 1, "the conversation went on");
    assert!(text(&told.stderr).contains("/no/such/picture.png"), "{}", text(&told.stderr));
}

/// A terminal, and the program in it.
#[cfg(unix)]
struct Tmux(String);

#[cfg(unix)]
impl Tmux {
    /// Nothing where tmux is not installed.
    fn start(name: &str, folder: &Path) -> Option<Self> {
        let tmux = Self(format!("sightline-test-{}-{name}", std::process::id()));
        // Its number goes to a file, and what it left the terminal in to the screen.
        let program = format!("sh -c 'echo $$ > pid; exec \"$0\" chat --model demo' '{PROGRAM}'");
        let line = format!("{program}; echo Left with $?; stty -a | grep -o ' icanon'; sleep 600");
        let size = ["new-session", "-d", "-x", "120", "-y", "50", "-c"];
        let started = tmux.command(&size).arg(folder).arg(line).status().ok()?;
        started.success().then_some(tmux)
    }

    /// A command for a tmux of its own.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("tmux");
        command.args(["-L", &self.0, "-f", "/dev/null"]).args(arguments);
        command
    }

    fn press(&self, keys: &[&str]) {
        assert!(self.command(&["send-keys"]).args(keys).status().expect("tmux").success());
    }

    /// The screen, once it holds `text` so many times.
    fn wait(&self, text: &str, times: usize) -> String {
        let start = Instant::now();
        loop {
            let screen = self.command(&["capture-pane", "-p"]).output().expect("tmux").stdout;
            let screen = String::from_utf8(screen).expect("UTF-8");
            if screen.matches(text).count() >= times {
                return screen;
            }
            assert!(start.elapsed() < Duration::from_mins(2), "no {text:?}, {times} times, in:\n{screen}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

#[cfg(unix)]
impl Drop for Tmux {
    fn drop(&mut self) {
        let _ = self.command(&["kill-server"]).status();
    }
}

#[cfg(unix)]
#[test]
fn at_a_terminal_lines_are_edited_and_ctrl_c_clears_them() {
    let folder = tempfile::tempdir().expect("a folder");
    stills(folder.path());
    let Some(tmux) = Tmux::start("edit", folder.path()) else { return };
    // One is in the greeting.
    tmux.wait("img>", 2);
    tmux.press(&["scene-00000.p", "Tab"]);
    tmux.wait("scene-00000.png", 1);
    tmux.press(&["Enter"]);
    tmux.wait("1280 x 720 pixels", 1);
    tmux.press(&["Enter"]);
    tmux.wait("txt>", 2);
    tmux.press(&["How many shapes do you see?", "Enter"]);
    let screen = tmux.wait("img>", 4);
    let after = screen.split("txt> How many shapes do you see?\n").nth(1).expect("the question");
    assert!(after.starts_with(char::is_alphabetic), "no answer in:\n{screen}");
    // The history has the question, and a line that is given up is not sent.
    tmux.press(&["Up"]);
    tmux.wait("How many shapes do you see?", 2);
    tmux.press(&["C-c"]);
    tmux.wait("again to quit", 1);
    tmux.press(&["/images", "Enter"]);
    tmux.wait("turn 1", 1);
    tmux.press(&["C-d"]);
    let screen = tmux.wait("Left with 0", 1);
    assert!(!screen.contains("turn 2"), "{screen}");
}

#[cfg(unix)]
#[test]
fn lines_that_come_all_at_once_are_all_answered() {
    let folder = tempfile::tempdir().expect("a folder");
    stills(folder.path());
    let Some(tmux) = Tmux::start("ahead", folder.path()) else { return };
    tmux.wait("img>", 2);
    let question = "How many shapes do you see?";
    tmux.press(&[
        "scene-00000.png",
        "Enter",
        question,
        "Enter",
        "What is it?",
        "Enter",
        "/images",
        "Enter",
        question,
        "Enter",
    ]);
    tmux.wait("turn 1", 1);
    let screen = tmux.wait(question, 2);
    tmux.press(&["/save", "Space", "talk.json", "Enter"]);
    tmux.wait("Saved as", 1);
    let talk: serde_json::Value =
        serde_json::from_slice(&std::fs::read(folder.path().join("talk.json")).expect("saved")).expect("JSON");
    assert_eq!(talk["exchanges"].as_array().expect("an array").len(), 3, "{screen}");
}

#[cfg(unix)]
#[test]
fn a_polite_kill_leaves_the_terminal_as_it_was() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(tmux) = Tmux::start("kill", folder.path()) else { return };
    tmux.wait("img>", 2);
    let pid = std::fs::read_to_string(folder.path().join("pid")).expect("its number");
    assert!(Command::new("kill").arg(pid.trim()).status().expect("kill").success());
    tmux.wait("Left with 143", 1);
    tmux.wait(" icanon", 1);
}

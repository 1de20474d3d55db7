//! `sightline chat` as people and scripts meet it: the program itself, with the built-in model.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

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

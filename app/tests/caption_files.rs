//! Captions in files for other programs, by the program itself with what is built in.

#![allow(clippy::unwrap_used, reason = "a test that can't go on ends there")]

use std::fs;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

const PROGRAM: &str = env!("CARGO_BIN_EXE_sightline");
/// Far more than a busy machine needs.
const PATIENCE: Duration = Duration::from_mins(1);

#[test]
fn another_program_reads_whole_captions_while_they_are_made() {
    let folder = tempfile::tempdir().unwrap();
    let (captions, subtitles) = (folder.path().join("now.txt"), folder.path().join("live.vtt"));
    let mut watching = Command::new(PROGRAM)
        .args(["watch", "--source", "demo", "--model", "demo", "--frames", "3", "--caption-file"])
        .arg(&captions)
        .arg("--vtt-live")
        .arg(&subtitles)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let began = Instant::now();
    let mut seen = String::new();
    while watching.try_wait().unwrap().is_none() {
        assert!(began.elapsed() < PATIENCE);
        let text = fs::read_to_string(&captions).unwrap_or_default();
        if !text.is_empty() {
            assert!(text.ends_with(".\n") && text.lines().count() == 1, "{text:?}");
            seen = text;
        }
        thread::sleep(Duration::from_millis(5));
    }
    let output = watching.wait_with_output().unwrap();
    let (told, notes) =
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8_lossy(&output.stderr).into_owned());
    assert!(output.status.success(), "{notes}");
    assert!(told.lines().any(|line| line == seen.trim_end()), "{told}\n{seen}");
    assert_eq!(fs::read_to_string(&captions).unwrap(), "", "no caption holds any more");
    let subtitles = fs::read_to_string(&subtitles).unwrap();
    let mut said: Vec<_> = told.lines().collect();
    said.dedup();
    let cues: Vec<_> = subtitles.lines().filter(|line| !line.is_empty() && !line.contains("-->")).skip(1).collect();
    assert_eq!(cues, said, "{subtitles}");
}

#[test]
fn a_caption_file_that_cannot_be_written_is_refused_before_anything_starts() {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(PROGRAM)
        .args(["watch", "--source", "demo", "--model", "demo", "--caption-file"])
        .arg(folder.path().join("no/such/folder.txt"))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty());
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("can't be written") && told.lines().count() == 1, "{told}");
}

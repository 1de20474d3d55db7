//! The cap on instruction sets, as a person sets it.
#![cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]

use std::process::{Command, Output};

fn bench(cap: &str, arguments: &[&str]) -> Output {
    let mut program = Command::new(env!("CARGO_BIN_EXE_sightline"));
    program.env("SIGHTLINE_MAX_ISA", cap).args(["bench", "--model", "demo", "--rounds", "1", "--device", "cpu"]);
    program.args(arguments).output().expect("the program runs")
}

#[test]
fn a_cap_is_obeyed_and_shown() {
    for precision in ["f32", "int8"] {
        let output = bench("generic", &["--precision", precision]);
        let line: serde_json::Value = serde_json::from_slice(&output.stdout).expect("a line of JSON");
        assert_eq!(line["instructions"], "generic", "{line}");
    }
    let output = bench("generic", &[]);
    let line: serde_json::Value = serde_json::from_slice(&output.stdout).expect("a line of JSON");
    assert_eq!(line["precision"], "f32", "without vectors bytes are no faster");
}

#[test]
fn an_unknown_instruction_set_is_a_sentence() {
    let output = bench("mmx", &[]);
    let message = String::from_utf8(output.stderr).expect("text");
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(message.contains("Unknown instruction set `mmx`.") && message.contains("generic"), "{message}");
    assert!(output.stdout.is_empty());
}

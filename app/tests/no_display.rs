//! The program on a machine without a display, run as a person runs it.
#![cfg(target_os = "linux")]

use std::process::Command;

#[test]
fn without_a_display_it_says_how_to_go_on_without_a_window() {
    let mut program = Command::new(env!("CARGO_BIN_EXE_sightline"));
    for variable in ["DISPLAY", "WAYLAND_DISPLAY", "WAYLAND_SOCKET"] {
        program.env_remove(variable);
    }
    let output = program.output().expect("the program runs");
    let message = String::from_utf8(output.stderr).expect("text");
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(message.contains("no display") && message.contains("sightline watch"), "{message}");
    assert!(output.stdout.is_empty());
}

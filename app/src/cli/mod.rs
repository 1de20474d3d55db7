//! The command line: one file a command. Prints; everything below it does not.

pub mod scene;

use std::process::ExitCode;

/// Runs the program with this process's arguments.
#[must_use]
pub fn main() -> ExitCode {
    ExitCode::SUCCESS
}

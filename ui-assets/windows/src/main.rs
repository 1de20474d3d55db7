//! `sightlinew.exe`, for the start menu of Windows: starts `sightline.exe`, which lies beside it,
//! without the console that a program of the command line would open there.

#![windows_subsystem = "windows"]

use std::process::ExitCode;

#[cfg(windows)]
fn main() -> ExitCode {
    use std::os::windows::process::CommandExt as _;
    use std::process::Command;

    /// `CREATE_NO_WINDOW` of `CreateProcess`.
    const NO_CONSOLE: u32 = 0x0800_0000;

    let Ok(ours) = std::env::current_exe() else { return ExitCode::FAILURE };
    let mut program = Command::new(ours.with_file_name("sightline.exe"));
    let status = program.args(std::env::args_os().skip(1)).creation_flags(NO_CONSOLE).status();
    if status.is_ok_and(|status| status.success()) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

#[cfg(not(windows))]
fn main() -> ExitCode {
    ExitCode::FAILURE
}

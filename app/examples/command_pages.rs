//! Writes what packages bring besides the program: `command_pages FOLDER` makes `man/` with a page
//! a command, and `completions/` for bash, fish and zsh.

use std::io;
use std::path::{Path, PathBuf};

use clap_complete::Shell;

fn main() -> io::Result<()> {
    let folder = std::env::args_os().nth(1).map(PathBuf::from);
    let folder = folder.ok_or_else(|| io::Error::other("Name the folder to write to."))?;
    let command = sightline::cli::command();

    let man = folder.join("man");
    empty(&man)?;
    clap_mangen::generate_to(command.clone(), &man)?;

    let completions = folder.join("completions");
    empty(&completions)?;
    for shell in [Shell::Bash, Shell::Fish, Shell::Zsh] {
        clap_complete::generate_to(shell, &mut command.clone(), "sightline", &completions)?;
    }
    Ok(())
}

/// Makes `folder`, with nothing in it.
fn empty(folder: &Path) -> io::Result<()> {
    if folder.exists() {
        std::fs::remove_dir_all(folder)?;
    }
    std::fs::create_dir_all(folder)
}

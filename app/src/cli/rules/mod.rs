//! `sightline rules`: sentences that are watched for. One file a part: the user's own rules,
//! pictures to try a rule on, ticks, the past.

mod book;
mod own;
mod replay;
mod test;
mod tick;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};

use crate::cli::parse;
use crate::cli::rules::book::no_folder;
pub use crate::cli::rules::book::{Book, known_calibrations};
use crate::rules::file;

/// Sentences that hold of a picture or do not, and are watched for
#[derive(Args, Clone, Debug)]
pub struct RulesArgs {
    #[command(subcommand)]
    command: Command,

    /// The file of rules [default: your own, in the folder for configuration]
    #[arg(long, value_name = "FILE", global = true, value_parser = parse::file())]
    file: Option<PathBuf>,
}

#[derive(Clone, Debug, Subcommand)]
enum Command {
    /// Add a rule
    Add(own::AddArgs),
    /// List your rules
    List(own::ListArgs),
    /// Show a rule, and how well it tells by your ticks
    Show(tick::ShowArgs),
    /// Remove a rule
    Remove(own::RemoveArgs),
    /// Tell whether a sentence holds of pictures
    Test(test::TestArgs),
    /// Say of an event or near miss in the log whether it was right, so that scores are worth what
    /// they say
    Tick(tick::TickArgs),
    /// Tell what rules would have said of views that the log keeps
    Replay(replay::ReplayArgs),
}

/// Does what was asked for.
///
/// # Errors
/// When the rules, the log or the model can't be used, or standard output can't be written.
pub fn run(args: &RulesArgs) -> anyhow::Result<ExitCode> {
    let path = || args.file.clone().or_else(file::default_path).ok_or_else(no_folder);
    match &args.command {
        Command::Add(args) => own::add(args, &path()?),
        Command::List(args) => own::list(args, &path()?),
        Command::Show(args) => tick::show(args, &path()?),
        Command::Remove(args) => own::remove(args, &path()?),
        Command::Test(args) => test::run(args),
        Command::Tick(args) => tick::run(args),
        Command::Replay(args) => replay::run(args, &path()?),
    }
}

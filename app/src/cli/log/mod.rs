//! `sightline log`: finding, showing, exporting and keeping what was recorded.

mod args;
mod ask;
mod changed;
mod digest;
mod keep;
mod meaning;
mod outward;
mod show;
mod similar;

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};

use crate::base::text;
pub(crate) use crate::cli::log::show::no_entry;
use crate::cli::output::{Notes, Output};
use crate::cli::{interrupt, parse};
use crate::log;
use crate::log::Store;

/// The command's arguments.
#[derive(Args, Clone, Debug)]
pub struct LogArgs {
    #[command(subcommand)]
    command: LogCommand,

    /// The log's file [default: your caption log, see `sightline log path`]
    #[arg(long, value_name = "FILE", global = true, value_parser = parse::file())]
    log: Option<PathBuf>,
}

#[derive(Clone, Debug, Subcommand)]
enum LogCommand {
    /// List entries, the newest first
    List(show::ListArgs),
    /// Search for words, "a phrase", begin*, NOT and OR, or for what words mean
    Search(show::SearchArgs),
    /// Ask when something was there: "when was there a red circle?"
    Ask(Box<ask::AskArgs>),
    /// Make what was recorded before be found by meaning, too
    Embed,
    /// Find views that are like an entry's or a picture
    Similar(Box<similar::SimilarArgs>),
    /// Tell what changed from one caption to another, by the views that were kept
    Changed(Box<changed::ChangedArgs>),
    /// Show everything about an entry
    Show(show::ShowArgs),
    /// Count: captions an hour, the longest still scene, the most common words
    Stats(show::StatsArgs),
    /// Tell of each hour: how much, from when to when, the longest still scene, the events of rules
    Digest(digest::DigestArgs),
    /// Bookmark an entry, or write a note beside it
    Mark(keep::MarkArgs),
    /// Write entries to a file that other programs read
    Export(outward::ExportArgs),
    /// Read an exported JSONL file back into the log
    Import(outward::ImportArgs),
    /// Remove what is too old or too much
    Prune(keep::PruneArgs),
    /// Print where the log is
    Path,
    /// Copy the log to another file, also while it is written
    Backup(keep::BackupArgs),
    /// Look for damage
    Check,
}

/// Does what was asked for.
///
/// # Errors
/// When the log can't be used, or the output can't be written.
pub fn run(args: &LogArgs) -> anyhow::Result<ExitCode> {
    let path = args.log.clone().or_else(log::default_path).ok_or_else(log::no_folder)?;
    let (mut out, mut err) = (Output::new(), Notes::new(false));
    let open = || Store::open_existing(&path);
    match &args.command {
        LogCommand::List(args) => show::list(&open()?, args, &mut out, &mut err)?,
        LogCommand::Search(args) => show::search(&open()?, args, &interrupt::flag()?, &mut out, &mut err)?,
        LogCommand::Embed => meaning::embed(&mut open()?, &interrupt::flag()?, &mut err)?,
        LogCommand::Ask(args) => ask::run(&open()?, args, &interrupt::flag()?, &mut out)?,
        LogCommand::Similar(args) => similar::run(&open()?, args, &interrupt::flag()?, &mut out)?,
        LogCommand::Changed(args) => changed::run(&open()?, args, &interrupt::flag()?, &mut out)?,
        LogCommand::Show(args) => show::show(&open()?, args, &mut out)?,
        LogCommand::Stats(args) => show::stats(&open()?, args, &mut out)?,
        LogCommand::Digest(args) => digest::run(&open()?, args, &mut out, &mut err)?,
        LogCommand::Mark(args) => keep::mark(&mut open()?, args)?,
        LogCommand::Export(args) => outward::export(&open()?, args, &mut out, &mut err)?,
        LogCommand::Import(args) => outward::import(&path, args, &mut err)?,
        LogCommand::Prune(args) => keep::prune(&mut open()?, args, &mut err)?,
        LogCommand::Path => print_path(&path, &mut out)?,
        LogCommand::Backup(args) => keep::backup(&open()?, args, &mut err)?,
        LogCommand::Check => return keep::check(open(), &mut err),
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes the path as it is, so that programs can use it; to a terminal, without control
/// characters.
fn print_path(path: &Path, out: &mut Output) -> io::Result<()> {
    if out.is_terminal() {
        return writeln!(out, "{}", text::path(path));
    }
    out.write_all(path.as_os_str().as_encoded_bytes())?;
    writeln!(out)
}

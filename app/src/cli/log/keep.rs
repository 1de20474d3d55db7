//! `log mark`, `log prune`, `log backup` and `log check`.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use crate::base::message::Message;
use crate::base::{quantity, text};
use crate::cli::log::show::no_entry;

use crate::log::{Keep, LogError, PruneCount, Store};

/// The arguments of `mark`.
#[derive(Args, Clone, Debug)]
pub struct MarkArgs {
    /// The entry's number
    #[arg(value_name = "ID")]
    pub id: i64,

    /// Write this beside it; an empty note is taken away
    #[arg(long, value_name = "TEXT")]
    pub note: Option<String>,

    /// Take the bookmark away
    #[arg(long)]
    pub off: bool,
}

/// The arguments of `prune`.
#[derive(Args, Clone, Debug)]
pub struct PruneArgs {
    /// Remove entries that are older than this, such as 30d
    #[arg(long, value_name = "AGE", value_parser = quantity::length_of_time, required_unless_present = "max_size")]
    pub older_than: Option<Duration>,

    /// Then make the log smaller than this, such as 500MB: the oldest thumbnails go first
    #[arg(long, value_name = "SIZE", value_parser = quantity::size)]
    pub max_size: Option<u64>,

    /// Leave bookmarked entries and their thumbnails
    #[arg(long)]
    pub keep_bookmarked: bool,
}

/// The arguments of `backup`.
#[derive(Args, Clone, Debug)]
pub struct BackupArgs {
    /// The copy; it must not be there yet
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}

/// Sets or takes away a bookmark, or writes a note.
///
/// # Errors
/// When there is no such entry, or the log can't be written.
pub fn mark(store: &mut Store, args: &MarkArgs) -> anyhow::Result<()> {
    let mut is_there = true;
    if let Some(note) = &args.note {
        is_there = store.set_note(args.id, Some(note))?;
    }
    if args.note.is_none() || args.off {
        is_there = store.set_bookmark(args.id, !args.off)?;
    }
    if is_there { Ok(()) } else { Err(no_entry(args.id).into()) }
}

/// Removes what is too old or too much.
///
/// # Errors
/// When the log or `err` can't be written.
pub fn prune(store: &mut Store, args: &PruneArgs, err: &mut impl Write) -> anyhow::Result<()> {
    let keep = Keep {
        at_most_old: args.older_than,
        at_most_bytes: args.max_size,
        views_at_most_bytes: None,
        bookmarked: args.keep_bookmarked,
    };
    let PruneCount { entries, thumbnails, views } = store.keep_to(&keep)?;
    let megabytes = store.bytes_in_use()? as f64 / 1e6;
    let (entries, thumbnails) = (text::entries(entries), text::count(thumbnails, "thumbnail", "thumbnails"));
    let views =
        if views > 0 { format!(", {} that were kept", text::count(views, "view", "views")) } else { String::new() };
    writeln!(err, "Removed {entries}, {thumbnails} of others{views}. The log has {megabytes:.1} MB.")?;
    Ok(())
}

/// Copies the log.
///
/// # Errors
/// When the copy or `err` can't be written.
pub fn backup(store: &Store, args: &BackupArgs, err: &mut impl Write) -> anyhow::Result<()> {
    store.back_up(&args.file)?;
    writeln!(err, "Copied the log to {}.", text::path(&args.file))?;
    Ok(())
}

/// Looks for damage.
///
/// # Errors
/// When the log can't be read or `err` can't be written.
pub fn check(store: Result<Store, LogError>, err: &mut impl Write) -> anyhow::Result<ExitCode> {
    let found = match store.and_then(|store| store.check()) {
        // What is said elsewhere sends people here.
        Err(LogError::Damaged(path, why)) => {
            let why = text::one_line(&why);
            let what = format!("The caption log {} is damaged beyond reading: {why}.", text::path(&path));
            let hint = "Put a backup in its place, or go on with a new file by --log FILE.";
            return Err(Message::new(what).hint(hint).into());
        }
        found => found?,
    };
    if found.is_empty() {
        writeln!(err, "The log is sound.")?;
        return Ok(ExitCode::SUCCESS);
    }
    for line in found {
        writeln!(err, "{}", text::one_line(&line))?;
    }
    writeln!(err, "Save what can be read with `sightline log export --format jsonl`, and import it into a new log.")?;
    Ok(ExitCode::FAILURE)
}

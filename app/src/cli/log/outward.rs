//! `log export` and `log import`.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::base::message::Message;
use crate::base::text;
use crate::cli::log::args::FilterArgs;
use crate::cli::parse;
use crate::log::export::{Export, ExportError, Format};
use crate::log::{ImportLines, Imported, Store};

/// The arguments of `export`.
#[derive(Args, Clone, Debug)]
pub struct ExportArgs {
    /// jsonl, csv, srt, vtt, md or html
    #[arg(long, value_name = "FORMAT")]
    pub format: Format,

    /// The file to write; - for standard output, as without it
    #[arg(long, short, value_name = "FILE", value_parser = parse::file())]
    pub output: Option<PathBuf>,

    /// Only entries with these words
    #[arg(long, value_name = "WORDS")]
    pub search: Option<String>,

    /// Put the thumbnails into JSONL
    #[arg(long)]
    pub thumbnails: bool,

    /// Begin with a byte order mark, by which Excel knows UTF-8
    #[arg(long)]
    pub bom: bool,

    #[command(flatten)]
    pub filter: FilterArgs,
}

/// The arguments of `import`.
#[derive(Args, Clone, Debug)]
pub struct ImportArgs {
    /// A file made by `log export --format jsonl`; - for standard input
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}

/// Writes entries to a file, or to `out`. A file is written whole or not at all.
///
/// # Errors
/// When the log can't be read, or the file or `out` can't be written.
pub fn export(store: &Store, args: &ExportArgs, out: &mut impl Write, err: &mut impl Write) -> anyhow::Result<()> {
    let export = Export {
        format: args.format,
        filter: args.filter.filter(args.search.clone()),
        thumbnails: args.thumbnails,
        byte_order_mark: args.bom,
    };
    let Some(path) = args.output.as_ref().filter(|path| path.as_os_str() != "-") else {
        let mut out = BufWriter::new(out);
        return match export.write(store, &mut out).and_then(|_| Ok(out.flush()?)) {
            // Told from other errors by whoever runs commands: a reader that has read enough is no
            // failure.
            Err(ExportError::Output(error)) => Err(error.into()),
            Err(error) => Err(error.message().into()),
            Ok(()) => Ok(()),
        };
    };
    let written = export.write_file(store, path, &mut |_| ControlFlow::Continue(()));
    let count = written.map_err(|error| not_written(path, &error))?;
    writeln!(err, "Wrote {} to {}.", text::entries(count), text::path(path))?;
    Ok(())
}

fn not_written(path: &Path, error: &ExportError) -> Message {
    let message = error.message();
    let what = Message::new(format!("{} was not written. {}", text::path(path), message.what()));
    match message.advice() {
        Some(hint) => what.hint(hint),
        None => what,
    }
}

/// Takes in an export. All of it is read before the log is written to, so that whoever records does
/// not wait for a slow pipe.
///
/// # Errors
/// When the file can't be read or is something else, or the log can't be written.
pub fn import(log: &Path, args: &ImportArgs, err: &mut impl Write) -> anyhow::Result<()> {
    let lines = if args.file.as_os_str() == "-" {
        ImportLines::kept(io::stdin().lock())?
    } else {
        let file = File::open(&args.file).map_err(|error| unreadable(&args.file, &error))?;
        ImportLines::of_file(file)?
    };
    let Imported { sessions, entries, known } = Store::open(log)?.import(lines)?;
    let in_sessions = |count| text::count(count, "session", "sessions");
    write!(err, "Imported {} in {}.", text::entries(entries), in_sessions(sessions))?;
    if known > 0 {
        write!(err, " Left out {} that the log has already.", in_sessions(known))?;
    }
    writeln!(err)?;
    Ok(())
}

fn unreadable(path: &Path, error: &io::Error) -> Message {
    Message::new(format!("{} can't be read: {error}.", text::path(path))).hint("Check the path.")
}

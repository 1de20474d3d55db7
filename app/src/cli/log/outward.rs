//! `log export` and `log import`.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Write};
use std::ops::ControlFlow;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;

use crate::base::text;
use crate::cli::log::args::FilterArgs;
use crate::log::export::{Export, ExportError, Format};
use crate::log::{Imported, Store};

/// The arguments of `export`.
#[derive(Args, Clone, Debug)]
pub struct ExportArgs {
    /// jsonl, csv, srt, vtt, md or html
    #[arg(long, value_name = "FORMAT")]
    pub format: Format,

    /// The file to write [default: standard output]
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,

    /// Only entries with these words
    #[arg(long, value_name = "WORDS")]
    pub search: Option<String>,

    /// Put the thumbnails into JSONL
    #[arg(long)]
    pub thumbnails: bool,

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
    let export =
        Export { format: args.format, filter: args.filter.filter(args.search.clone()), thumbnails: args.thumbnails };
    let Some(path) = &args.output else {
        let mut out = BufWriter::new(out);
        return match export.write(store, &mut out).and_then(|_| Ok(out.flush()?)) {
            // Told from other errors by whoever runs commands: a reader that has read enough is no failure.
            Err(ExportError::Output(error)) => Err(error.into()),
            done => Ok(done?),
        };
    };
    let written = export.write_file(store, path, &mut |_| ControlFlow::Continue(()));
    let count = written.with_context(|| format!("{} was not written", path.display()))?;
    writeln!(err, "Wrote {} to {}.", text::entries(count), path.display())?;
    Ok(())
}

/// Takes in an export.
///
/// # Errors
/// When the file can't be read or is no export, or the log can't be written.
pub fn import(store: &mut Store, args: &ImportArgs, err: &mut impl Write) -> anyhow::Result<()> {
    let Imported { sessions, entries, known } = if args.file.as_os_str() == "-" {
        store.import(io::stdin().lock())?
    } else {
        let file =
            File::open(&args.file).with_context(|| format!("{} can't be read. Check the path", args.file.display()))?;
        store.import(BufReader::new(file))?
    };
    let in_sessions = |count| text::count(count, "session", "sessions");
    write!(err, "Imported {} in {}.", text::entries(entries), in_sessions(sessions))?;
    if known > 0 {
        write!(err, " Left out {} that the log has already.", in_sessions(known))?;
    }
    writeln!(err)?;
    Ok(())
}

//! The two streams of a command. Standard output carries what was asked for, standard error what is
//! said besides: notes and errors, in plain words or, with `--json`, as an object a line.
//!
//! What can't be written to standard output ends the command: quietly when its reader has read
//! enough, otherwise with a sentence. What can't be written to standard error is lost: nobody is
//! there to be told.

use std::ffi::OsStr;
use std::io::{self, IsTerminal as _, Stderr, Stdout, Write};

use serde::Serialize;

use crate::base::message::Message;
use crate::base::text::{one_line, without_number};

/// Standard output. Its errors carry an [`Unwritten`], by which they are told from those of files
/// and pipes.
#[derive(Debug)]
pub struct Output<W = Stdout>(W);

impl Output {
    /// The process's.
    pub fn new() -> Self {
        Self(io::stdout())
    }

    pub fn is_terminal(&self) -> bool {
        self.0.is_terminal()
    }
}

#[cfg(test)]
impl<W: Write> Output<W> {
    /// Another place to write to.
    pub fn over(to: W) -> Self {
        Self(to)
    }
}

impl<W: Write> Write for Output<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes).map_err(unwritten)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush().map_err(unwritten)
    }
}

/// Why standard output was not written.
#[derive(Debug, thiserror::Error)]
#[error("Standard output can't be written ({0}).")]
pub struct Unwritten(String);

impl Unwritten {
    /// The one in `error`, if it is about standard output.
    pub fn of(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }
}

/// Marks an error as one of standard output.
pub fn unwritten(error: io::Error) -> io::Error {
    // Whoever writes tries an interrupted call again, by its kind.
    if error.kind() == io::ErrorKind::Interrupted {
        return error;
    }
    io::Error::new(error.kind(), Unwritten(without_number(&error.to_string()).to_owned()))
}

/// Standard error.
#[derive(Debug)]
pub struct Notes<W = Stderr> {
    to: W,
    json: bool,
}

/// A line of standard error for programs.
#[derive(Serialize)]
#[serde(untagged)]
enum Line<'a> {
    Note { note: &'a str },
    Error { error: &'a str, hint: Option<&'a str> },
}

impl Notes {
    /// The process's. With `json`, each note and each error is an object on a line of its own.
    pub fn new(json: bool) -> Self {
        Self::to(io::stderr(), json)
    }
}

impl<W: Write> Notes<W> {
    /// Another place to write to.
    pub fn to(to: W, json: bool) -> Self {
        Self { to, json }
    }

    #[cfg(test)]
    pub fn into_inner(self) -> W {
        self.to
    }

    /// Says something that is no error.
    pub fn note(&mut self, sentence: &str) {
        let note = &one_line(sentence);
        if self.json { self.line(&Line::Note { note }) } else { self.plain(note) }
    }

    /// Says what went wrong and what to do.
    pub fn error(&mut self, message: &Message) {
        let (what, hint) = (one_line(message.what()), message.advice().map(one_line));
        if self.json {
            self.line(&Line::Error { error: &what, hint: hint.as_deref() });
        } else {
            self.plain(&hint.map_or_else(|| what.clone(), |hint| format!("{what} {hint}")));
        }
    }

    fn line(&mut self, line: &Line<'_>) {
        if let Ok(line) = serde_json::to_string(line) {
            self.plain(&line);
        }
    }

    fn plain(&mut self, line: &str) {
        // Nobody is there to be told when this fails.
        let _ = writeln!(self.to, "{line}").and_then(|()| self.to.flush());
    }
}

/// As it is, for what is laid out in lines or on a terminal.
impl<W: Write> Write for Notes<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // As above.
        let _ = self.to.write_all(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let _ = self.to.flush();
        Ok(())
    }
}

/// Whether the command line asks for JSON: also one that can't be parsed.
pub fn asks_for_json(arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> bool {
    let mut arguments = arguments.into_iter();
    arguments.by_ref().take_while(|argument| argument.as_ref() != "--").any(|argument| argument.as_ref() == "--json")
}

/// Whether standard error may be coloured: it is a terminal, and nobody asked for none
/// (<https://no-color.org>).
pub fn may_colour() -> bool {
    io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails as a pipe without a reader does, or a full disk.
    struct Broken(io::ErrorKind);

    impl Write for Broken {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Err(self.0.into())
        }
    }

    #[test]
    fn an_error_of_standard_output_is_told_from_others_and_keeps_its_kind() {
        let error = writeln!(Output(Broken(io::ErrorKind::StorageFull)), "a").expect_err("full");
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        assert!(Unwritten::of(&error).is_some());
        assert!(Unwritten::of(&io::Error::from(io::ErrorKind::StorageFull)).is_none());
    }

    #[test]
    fn notes_and_errors_are_lines_or_objects_without_control_characters() {
        let said = |json| {
            let mut notes = Notes::to(Vec::new(), json);
            notes.note("Watching a\u{1b}[2J.");
            notes.error(&Message::new("It is\ngone.").hint("Plug it in."));
            notes.error(&Message::new("It is odd."));
            String::from_utf8(notes.to).expect("UTF-8")
        };
        assert_eq!(said(false), "Watching a [2J.\nIt is gone. Plug it in.\nIt is odd.\n");
        let lines = said(true);
        let lines: Vec<serde_json::Value> = lines.lines().map(|l| serde_json::from_str(l).expect("JSON")).collect();
        assert_eq!(lines[0], serde_json::json!({"note": "Watching a [2J."}));
        assert_eq!(lines[1], serde_json::json!({"error": "It is gone.", "hint": "Plug it in."}));
        assert_eq!(lines[2], serde_json::json!({"error": "It is odd.", "hint": null}));
    }

    #[test]
    fn what_standard_error_does_not_take_is_lost_and_nothing_else() {
        let mut notes = Notes::to(Broken(io::ErrorKind::BrokenPipe), false);
        notes.note("Watching.");
        assert!(writeln!(notes, "a").and_then(|()| notes.flush()).is_ok());
    }

    #[test]
    fn json_is_asked_for_by_a_flag_and_not_by_a_files_name() {
        assert!(asks_for_json(["sightline", "describe", "a.png", "--json"]));
        assert!(!asks_for_json(["sightline", "describe", "--", "--json"]));
    }
}

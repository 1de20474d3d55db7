//! Where the chat's lines come from: a person at a terminal, who can edit them, or a pipe. Knows
//! not what they mean.

use std::io::{self, BufRead, Read as _, Write as _};

use rustyline::completion::{Completer, FilenameCompleter, Pair};
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::DefaultHistory;
use rustyline::validate::Validator;
use rustyline::{Context, Editor, Helper};

use crate::cli::chat::entry::COMMANDS;
use crate::cli::output::Notes;

/// The longest line that is read from a pipe, in bytes: more than any model's context.
const LONGEST: u64 = 1 << 20;

/// What came.
#[derive(Debug, PartialEq, Eq)]
pub enum Line {
    Text(String),
    /// Ctrl-C in a line that is being edited.
    Interrupted,
    /// Ctrl-D, or the end of the pipe.
    End,
}

/// Gives lines, one at a time.
pub trait Lines {
    /// Asks for a line.
    ///
    /// # Errors
    /// When nothing can be read, or a line is longer than a mebibyte.
    fn next(&mut self, prompt: &str) -> io::Result<Line>;
}

/// A pipe or a file, or a terminal whose output is elsewhere.
pub struct Plain<R> {
    pub input: R,
    /// Whether a person waits for a prompt, which then goes to standard error.
    pub prompts: bool,
}

impl<R: BufRead> Lines for Plain<R> {
    fn next(&mut self, prompt: &str) -> io::Result<Line> {
        if self.prompts {
            write!(Notes::new(false), "{prompt}")?;
        }
        let mut bytes = Vec::new();
        self.input.by_ref().take(LONGEST + 1).read_until(b'\n', &mut bytes)?;
        if bytes.len() as u64 > LONGEST {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "A line is longer than a mebibyte."));
        }
        if bytes.is_empty() {
            return Ok(Line::End);
        }
        let text = String::from_utf8_lossy(&bytes);
        Ok(Line::Text(text.trim_end_matches(['\n', '\r']).to_owned()))
    }
}

/// A terminal, with line editing, completion and a history for as long as the program runs.
pub struct Terminal(Editor<Completion, DefaultHistory>);

impl Terminal {
    /// To be made before a handler of Ctrl-C is set: the editor sets one of its own, which does
    /// nothing between prompts.
    ///
    /// # Errors
    /// When the terminal can't be used so.
    pub fn new() -> io::Result<Self> {
        let config = rustyline::Config::builder().completion_type(rustyline::CompletionType::List).build();
        let mut editor = Editor::with_config(config).map_err(of_editor)?;
        editor.set_helper(Some(Completion(FilenameCompleter::new())));
        Ok(Self(editor))
    }
}

/// What puts the terminal back as it is now, from another thread, while a line is being edited.
#[cfg(unix)]
pub fn restorer() -> Box<dyn Fn() + Send> {
    use nix::sys::termios::{SetArg, tcgetattr, tcsetattr};

    // As xterm calls it; the editor has switched it on.
    const NO_BRACKETED_PASTE: &str = "\x1b[?2004l";
    let before = tcgetattr(io::stdin()).ok();
    Box::new(move || {
        if let Some(before) = &before {
            // The program ends: there is nobody to be told when this fails.
            let _ = tcsetattr(io::stdin(), SetArg::TCSANOW, before);
            let _ = writeln!(io::stdout(), "{NO_BRACKETED_PASTE}");
        }
    })
}

/// There a terminal is put back by itself.
#[cfg(not(unix))]
pub fn restorer() -> Box<dyn Fn() + Send> {
    Box::new(|| {})
}

impl Lines for Terminal {
    fn next(&mut self, prompt: &str) -> io::Result<Line> {
        match self.0.readline(prompt) {
            Ok(line) => {
                if !line.trim().is_empty() {
                    self.0.add_history_entry(&line).map_err(of_editor)?;
                }
                Ok(Line::Text(line))
            }
            Err(ReadlineError::Interrupted) => Ok(Line::Interrupted),
            Err(ReadlineError::Eof) => Ok(Line::End),
            Err(error) => Err(of_editor(error)),
        }
    }
}

fn of_editor(error: ReadlineError) -> io::Error {
    match error {
        ReadlineError::Io(error) => error,
        other => io::Error::other(other),
    }
}

/// Completes commands at the beginning of a line, and file names everywhere.
struct Completion(FilenameCompleter);

impl Completer for Completion {
    type Candidate = Pair;

    fn complete(&self, line: &str, end: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<Pair>)> {
        let commands = commands(&line[..end]);
        if commands.is_empty() { self.0.complete_path(line, end) } else { Ok((0, commands)) }
    }
}

/// The commands that begin so.
fn commands(beginning: &str) -> Vec<Pair> {
    if beginning.is_empty() {
        return Vec::new();
    }
    let named = COMMANDS.iter().filter(|(name, _)| name.starts_with(beginning));
    named
        .map(|(name, _)| {
            let (word, argument) = name.split_once(' ').unwrap_or((name, ""));
            let space = if argument.is_empty() { "" } else { " " };
            Pair { display: (*name).to_owned(), replacement: format!("{word}{space}") }
        })
        .collect()
}

impl Hinter for Completion {
    type Hint = String;
}

impl Highlighter for Completion {}

impl Validator for Completion {}

impl Helper for Completion {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipe_gives_its_lines_and_then_its_end() {
        let mut lines = Plain { input: &b"one\r\n\ntw\xffo\nthree"[..], prompts: false };
        for want in ["one", "", "tw\u{fffd}o", "three"] {
            assert_eq!(lines.next("txt> ").expect("a line"), Line::Text(want.to_owned()));
        }
        assert_eq!(lines.next("txt> ").expect("the end"), Line::End);
    }

    #[test]
    fn an_endless_line_is_refused() {
        let mut lines = Plain { input: io::BufReader::new(io::repeat(b'a')), prompts: false };
        assert!(lines.next("txt> ").is_err());
    }

    #[test]
    fn commands_complete_with_room_for_what_they_need() {
        let replacements = |text: &str| commands(text).into_iter().map(|pair| pair.replacement).collect::<Vec<_>>();
        assert_eq!(replacements("/s"), ["/save "]);
        assert_eq!(replacements("/un"), ["/undo"]);
        assert_eq!(replacements("/").len(), COMMANDS.len());
        assert!(replacements("").is_empty() && replacements("/tmp/a").is_empty());
    }
}

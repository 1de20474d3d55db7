//! Asking a person for consent.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};

/// Whether a person agrees; nothing where there is none to be asked.
///
/// # Errors
/// When the terminal can't be read or written.
pub fn ask(question: &str) -> io::Result<Option<bool>> {
    let (stdin, mut err) = (io::stdin(), io::stderr());
    if !stdin.is_terminal() || !err.is_terminal() {
        return Ok(None);
    }
    write!(err, "{question} [y/N] ")?;
    err.flush()?;
    let mut answer = String::new();
    stdin.lock().read_line(&mut answer)?;
    Ok(Some(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes")))
}

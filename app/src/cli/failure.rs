//! The one place where an error becomes what people are told: what happened, and what to do about
//! it.

use std::error::Error;
use std::io;

use crate::base::message::Message;
use crate::base::text::one_line;
use crate::capture::SourceError;
use crate::cli::output::{Unwritten, without_number};
use crate::engine::EngineError;
use crate::log::LogError;
use crate::models::DownloadError;

/// What to do when standard output takes no more.
const OUTPUT_HINT: &str = "Free some space, or write to another place.";

/// How an error that ends a command is told; `None` where nobody is to be told: whoever read
/// standard output has read enough (`sightline watch … | head -1`).
///
/// An error and its causes become sentences, one after the other; so do their hints.
pub fn message(error: anyhow::Error) -> Option<Message> {
    // What JSON is written to has errors of its own inside.
    let error = match error.downcast::<serde_json::Error>() {
        Ok(json) => io::Error::from(json).into(),
        Err(error) => error,
    };
    let unwritten =
        error.chain().find_map(|link| link.downcast_ref::<io::Error>().filter(|e| Unwritten::of(e).is_some()));
    if let Some(unwritten) = unwritten {
        return (unwritten.kind() != io::ErrorKind::BrokenPipe)
            .then(|| Message::new(unwritten.to_string()).hint(OUTPUT_HINT));
    }
    let (mut what, mut hints) = (Vec::<String>::new(), Vec::<String>::new());
    for link in error.chain() {
        let told = of_link(link);
        // Some errors say what their cause says.
        let cause = told.what().trim_end_matches('.').to_lowercase();
        let is_said = |said: &String| said.to_lowercase().contains(&cause);
        if !what.iter().any(is_said) {
            what.push(told.what().to_owned());
        }
        hints.extend(told.advice().map(str::to_owned).filter(|hint| !hints.contains(hint)));
    }
    let message = Message::new(what.join(" "));
    Some(if hints.is_empty() { message } else { message.hint(hints.join(" ")) })
}

/// One error of a chain.
fn of_link(link: &(dyn Error + 'static)) -> Message {
    if let Some(message) = link.downcast_ref::<Message>() {
        return message.clone();
    }
    if let Some(error) = link.downcast_ref::<SourceError>() {
        return error.message.clone();
    }
    if let Some(error) = link.downcast_ref::<EngineError>() {
        return error.message.clone();
    }
    if let Some(error) = link.downcast_ref::<DownloadError>() {
        return error.message();
    }
    if let Some(error) = link.downcast_ref::<LogError>() {
        return error.message();
    }
    let text = link.to_string();
    if link.is::<io::Error>() { sentences(without_number(&text)) } else { sentences(&text) }
}

/// A text that says what happened in its first sentence and what to do in those that follow, as the
/// errors of this program do.
pub fn sentences(text: &str) -> Message {
    let text = one_line(text);
    let text = text.trim();
    match end_of_first(text) {
        Some(end) => Message::new(sentence(&text[..end])).hint(sentence(text[end..].trim_start())),
        None => Message::new(sentence(text)),
    }
}

/// Where the first sentence ends, if another follows: at a full stop before a space and a capital
/// letter, outside of brackets and quotes.
fn end_of_first(text: &str) -> Option<usize> {
    let (mut depth, mut quoted) = (0_usize, false);
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            '`' | '"' => quoted = !quoted,
            '.' if depth == 0 && !quoted => {
                let rest = &text[at + 1..];
                let next = rest.strip_prefix(' ').and_then(|rest| rest.chars().next());
                if next.is_some_and(char::is_uppercase) {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
    }
    None
}

/// With a capital letter and a full stop, unless it begins with a name or ends otherwise.
fn sentence(text: &str) -> String {
    let first = text.split(' ').next().unwrap_or_default();
    let is_word = first.chars().all(|c| c.is_ascii_lowercase() || matches!(c, '\'' | ','));
    let mut letters = text.chars();
    let begun = match letters.next() {
        Some(letter) if is_word => letter.to_uppercase().chain(letters).collect(),
        _ => text.to_owned(),
    };
    if begun.ends_with(['.', '!', '?', '…']) { begun } else { begun + "." }
}

/// What clap says of a command line that it can't follow.
pub fn of_usage(usage: &clap::Error) -> Message {
    let text = usage.to_string();
    let text = text.trim().trim_start_matches("error: ");
    let (what, rest) = text.split_once("\n\n").unwrap_or((text, ""));
    let flat = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let what = Message::new(sentence(&flat(&one_line(what))));
    let hint = flat(&one_line(rest));
    if hint.is_empty() { what } else { what.hint(sentence(&hint)) }
}

#[cfg(test)]
mod tests {
    use anyhow::Context as _;

    use super::*;

    fn told(error: anyhow::Error) -> (String, Option<String>) {
        let message = message(error).expect("something to tell");
        (message.what().to_owned(), message.advice().map(str::to_owned))
    }

    #[test]
    fn an_error_and_its_causes_are_sentences_one_after_the_other() {
        let full = || io::Error::from_raw_os_error(24);
        let error = Err::<(), _>(full()).context("The system starts no more threads.").expect_err("an error");
        assert_eq!(told(error), ("The system starts no more threads. Too many open files.".to_owned(), None));
        let error = Err::<(), _>(full()).context("a.jsonl can't be read. Check the path").expect_err("an error");
        let (what, hint) = told(error);
        assert_eq!(what, "a.jsonl can't be read. Too many open files.");
        assert_eq!(hint.as_deref(), Some("Check the path."));
        let error = Err::<(), _>(std::fmt::Error).context(Message::new("It is full.").hint("Free some space."));
        let (what, hint) = told(error.expect_err("an error"));
        assert!(what.starts_with("It is full. An error occurred"), "{what}");
        assert_eq!(hint.as_deref(), Some("Free some space."));
    }

    #[test]
    fn a_cause_that_was_said_is_not_said_again() {
        #[derive(Debug, thiserror::Error)]
        #[error("a.png can't be read: {source}.")]
        struct Unreadable {
            source: std::fmt::Error,
        }
        let text = Unreadable { source: std::fmt::Error }.to_string();
        assert_eq!(told(Unreadable { source: std::fmt::Error }.into()), (text, None));
    }

    #[test]
    fn a_reader_that_has_read_enough_is_no_error_and_a_full_output_is() {
        let write = |kind: io::ErrorKind| {
            struct Fails(io::ErrorKind);
            impl io::Write for Fails {
                fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                    Err(self.0.into())
                }
                fn flush(&mut self) -> io::Result<()> {
                    Ok(())
                }
            }
            serde_json::to_writer(crate::cli::output::Output::over(Fails(kind)), &1)
        };
        let closed = write(io::ErrorKind::BrokenPipe).expect_err("closed");
        assert_eq!(message(closed.into()), None);
        let closed: io::Error = write(io::ErrorKind::BrokenPipe).expect_err("closed").into();
        assert_eq!(message(anyhow::Error::from(closed).context("list")), None);
        let (what, hint) = told(write(io::ErrorKind::StorageFull).expect_err("full").into());
        assert!(what.starts_with("Standard output can't be written (") && what.ends_with(")."), "{what}");
        assert_eq!(hint.as_deref(), Some(OUTPUT_HINT));
        // A pipe to another program is something else.
        assert!(message(io::Error::from(io::ErrorKind::BrokenPipe).into()).is_some());
    }

    #[test]
    fn what_happened_and_what_to_do_are_told_apart() {
        for (text, what, hint) in [
            ("It is full. Free some space. Or wait.", "It is full.", Some("Free some space. Or wait.")),
            ("a. Bc (x. Y) failed", "a.", Some("Bc (x. Y) failed.")),
            ("`my. File` is odd. Use another", "`my. File` is odd.", Some("Use another.")),
            ("v1.2.png is 3.5 MB.", "v1.2.png is 3.5 MB.", None),
            ("no such file", "No such file.", None),
        ] {
            let told = sentences(text);
            assert_eq!((told.what(), told.advice()), (what, hint), "{text}");
        }
    }
}

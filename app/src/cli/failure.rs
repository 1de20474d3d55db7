//! The one place where an error becomes what people are told: what happened, and what to do about
//! it.

use std::error::Error;
use std::io;

use crate::base::message::Message;
use crate::base::text;
use crate::base::text::{one_line, without_number};
use crate::capture::SourceError;
use crate::cli::output::Unwritten;
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
    if link.is::<io::Error>() { Message::read(without_number(&text)) } else { Message::read(&text) }
}

/// What clap says of a command line that it can't follow.
pub fn of_usage(usage: &clap::Error) -> Message {
    let said = usage.to_string();
    let said = said.trim().trim_start_matches("error: ");
    let (what, rest) = said.split_once("\n\n").unwrap_or((said, ""));
    let flat = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let what = Message::new(text::sentence(&flat(&one_line(what))));
    let hint = flat(&one_line(rest));
    if hint.is_empty() { what } else { what.hint(text::sentence(&hint)) }
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
}

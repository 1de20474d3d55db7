//! What people are told: what happened, and what to do about it, as two sentences that stay apart
//! until they are shown.
//!
//! A terminal shows both in one line, the window sets the hint off, `--json` carries them as two
//! keys. Every error of the program can be made into one of these; none is a sentence with its
//! advice glued to it. What they quote, such as a file's name or another program's words, is
//! harmless to a terminal.

use std::fmt;

use crate::base::text;

/// What happened, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    what: String,
    hint: Option<String>,
}

impl Message {
    /// What happened, as a sentence with its full stop, where there is nothing to do about it.
    pub fn new(what: impl Into<String>) -> Self {
        Self { what: text::one_line(&what.into()), hint: None }
    }

    /// With what to do about it, as a sentence with its full stop.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(text::one_line(&hint.into())), ..self }
    }

    /// A text that says what happened in its first sentence and what to do in those that follow, as
    /// the errors of this program do.
    #[must_use]
    pub fn read(text: &str) -> Self {
        let text = text::one_line(text);
        let text = text.trim();
        match text::end_of_first_sentence(text) {
            Some(end) => Self::new(text::sentence(&text[..end])).hint(text::sentence(text[end..].trim_start())),
            None => Self::new(text::sentence(text)),
        }
    }

    /// What happened.
    #[must_use]
    pub fn what(&self) -> &str {
        &self.what
    }

    /// What to do about it.
    #[must_use]
    pub fn advice(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

/// Both sentences, one after the other.
impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        self.hint.as_ref().map_or(Ok(()), |hint| write!(f, " {hint}"))
    }
}

impl std::error::Error for Message {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_quoted_is_harmless() {
        let message = Message::new("There is no file a\u{1b}[2J\n.").hint("Use \u{202e}.");
        assert_eq!(message.to_string(), "There is no file a [2J . Use  .");
    }

    #[test]
    fn both_sentences_are_shown_and_stay_apart() {
        let plain = Message::new("The disk is full.");
        assert_eq!((plain.to_string().as_str(), plain.advice()), ("The disk is full.", None));
        let advised = plain.hint("Free some space.");
        assert_eq!(advised.to_string(), "The disk is full. Free some space.");
        assert_eq!((advised.what(), advised.advice()), ("The disk is full.", Some("Free some space.")));
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
            let told = Message::read(text);
            assert_eq!((told.what(), told.advice()), (what, hint), "{text}");
        }
    }
}

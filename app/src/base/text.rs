//! Text and numbers made fit to be shown, on a terminal or in the window: nothing that a model, a
//! file's name or another program says may move a cursor, change colours or turn the order of what
//! is read; and numbers and lengths of time can be read.
//!
//! This is the one place where that is decided. [`crate::base::message::Message`] goes through it,
//! so that whatever an error quotes is harmless.

use std::io;
use std::path::Path;

/// Without control characters, line breaks included.
pub fn one_line(text: &str) -> String {
    text.chars().map(|c| if is_harmless(c) { c } else { ' ' }).collect()
}

/// Without control characters other than line breaks.
pub fn lines(text: &str) -> String {
    text.chars().map(|c| if is_harmless(c) || c == '\n' { c } else { ' ' }).collect()
}

/// The number of the line that this byte of a text is in, counted from 1.
pub fn line_at(text: &str, byte: usize) -> usize {
    text.bytes().take(byte).filter(|&byte| byte == b'\n').count() + 1
}

/// What is wrong with a text in TOML. TOML has keys, whatever a library calls them.
pub fn of_toml(error: &toml::de::Error) -> String {
    error.message().replace("unknown field", "unknown key").replace("missing field", "missing key")
}

/// A path to be shown, whatever bytes it has.
pub fn path(path: &Path) -> String {
    one_line(&path.to_string_lossy())
}

/// What the system says, without the number that it has for it.
pub fn without_number(text: &str) -> &str {
    text.find(" (os error ").map_or(text, |at| &text[..at])
}

/// The same of an error of the system.
pub fn system(error: &io::Error) -> String {
    without_number(&error.to_string()).to_owned()
}

/// Not a control character, a break of line or paragraph, or a command that turns the direction of
/// what follows (Unicode Standard Annex 9, 2): those let a name pretend to be another.
fn is_harmless(c: char) -> bool {
    !c.is_control() && !matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// How long something was on screen: `1.5 s`, `2 min`, `3.5 h`.
pub fn length(ms: i64) -> String {
    let seconds = ms as f64 / 1000.0;
    if seconds < 99.95 {
        format!("{seconds:.1} s")
    } else if seconds < 5970.0 {
        format!("{:.0} min", seconds / 60.0)
    } else {
        format!("{:.1} h", seconds / 3600.0)
    }
}

/// A number with its thousands apart, such as `12,345`.
pub fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number of things, such as `1 session` or `2,000 sessions`.
pub fn count(count: u64, one: &str, many: &str) -> String {
    format!("{} {}", number(count), if count == 1 { one } else { many })
}

/// A number of entries of the log.
pub fn entries(entries: u64) -> String {
    count(entries, "entry", "entries")
}

/// Where the first sentence ends, if another follows: at a full stop before a space and a capital
/// letter, outside of brackets and quotes.
pub fn end_of_first_sentence(text: &str) -> Option<usize> {
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
pub fn sentence(text: &str) -> String {
    let first = text.split(' ').next().unwrap_or_default();
    let is_word = first.chars().all(|c| c.is_ascii_lowercase() || matches!(c, '\'' | ','));
    let mut letters = text.chars();
    let begun = match letters.next() {
        Some(letter) if is_word => letter.to_uppercase().chain(letters).collect(),
        _ => text.to_owned(),
    };
    if begun.ends_with(['.', '!', '?', '…']) { begun } else { begun + "." }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_can_be_read() {
        assert_eq!([0, 999, 1000, 1_234_567].map(number), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([1, 2, 2000].map(entries), ["1 entry", "2 entries", "2,000 entries"]);
    }

    #[test]
    fn lengths_have_the_unit_that_fits() {
        for (ms, text) in [(0, "0.0 s"), (99_900, "99.9 s"), (120_000, "2 min"), (12_600_000, "3.5 h")] {
            assert_eq!(length(ms), text);
        }
    }

    #[test]
    fn control_characters_become_spaces() {
        assert_eq!(one_line("A cup\nof \x1b[2Jtea"), "A cup of  [2Jtea");
        assert_eq!(one_line("a\nb\u{1b}c"), "a b c");
        assert_eq!(lines("A cup\nof \x1b[2Jtea\r"), "A cup\nof  [2Jtea ");
        assert_eq!(one_line("gpj.\u{202e}exe\u{2069}\u{9b}2J\u{2028}é"), "gpj. exe  2J é");
        assert_eq!(path(Path::new("a\u{7}b/c.png")), "a b/c.png");
    }
}

//! Where in a TOML file something is wrong: its line and its key. Knows no key by name.

use std::ops::Range;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::base::message::Message;
use crate::base::text;

/// A file that was read.
#[derive(Clone, Copy)]
pub struct Document<'a> {
    /// Its name, for people.
    pub path: &'a Path,
    /// What it says.
    pub text: &'a str,
}

impl Document<'_> {
    /// What the reader of the file says.
    pub fn refused(&self, error: &toml::de::Error) -> Message {
        self.wrong(error.span(), &Message::read(&text::of_toml(error)))
    }

    /// What is wrong with what stands at these bytes, with the file, the line and the key before
    /// it.
    pub fn wrong(&self, at: Option<Range<usize>>, message: &Message) -> Message {
        let mut place = text::path(self.path);
        if let Some(at) = at {
            place.extend([", line ", &text::line_at(self.text, at.start).to_string()]);
            if let Some(key) = key(self.text, &at) {
                place.extend([", ", &key]);
            }
        }
        let told = Message::new(format!("{place}: {}", message.what()));
        match message.advice() {
            Some(hint) => told.hint(hint),
            None => told,
        }
    }
}

/// The key whose value stands at these bytes, or that stands there itself, such as `view.region`.
fn key(text: &str, at: &Range<usize>) -> Option<String> {
    let document = DeTable::parse(text).ok()?;
    within_table(document.get_ref(), at)
}

fn within_table(table: &DeTable<'_>, at: &Range<usize>) -> Option<String> {
    table.iter().find_map(|(key, value)| {
        let name = key.get_ref();
        match within_value(value, at) {
            Some(rest) if rest.is_empty() => Some(name.to_string()),
            Some(rest) => Some(format!("{name}.{rest}")),
            None => contains(&key.span(), at).then(|| name.to_string()),
        }
    })
}

/// Where the place is in a value: a key below it, or nothing more than that it is the value itself.
fn within_value(value: &Spanned<DeValue<'_>>, at: &Range<usize>) -> Option<String> {
    let itself = || contains(&value.span(), at).then(String::new);
    match value.get_ref() {
        DeValue::Table(table) => within_table(table, at).or_else(itself),
        DeValue::Array(items) if items.iter().any(|item| item.get_ref().is_table()) => {
            items.iter().find_map(|item| within_value(item, at))
        }
        _ => itself(),
    }
}

fn contains(span: &Range<usize>, at: &Range<usize>) -> bool {
    span.start <= at.start && at.end <= span.end
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_named_by_its_line_and_its_key() {
        let text =
            "top = 1\n\n[[view]]\nname = \"a\"\n\n[[view]]\nregion = [\n 1,\n 2,\n]\n[view.deep]\nkey = { x = 5 }\n";
        let place = |part: &str| {
            let at = text.find(part).expect(part);
            let at = at..at + part.len();
            (text::line_at(text, at.start), key(text, &at).unwrap_or_default())
        };
        assert_eq!(place("1"), (1, "top".to_owned()));
        assert_eq!(place("\"a\""), (4, "view.name".to_owned()));
        assert_eq!(place("name"), (4, "view.name".to_owned()));
        assert_eq!(place("2"), (9, "view.region".to_owned()));
        assert_eq!(place("5"), (12, "view.deep.key.x".to_owned()));
        assert_eq!(place("{ x = 5 }"), (12, "view.deep.key".to_owned()));
        assert_eq!(place("[[view]]").0, 3);
    }
}

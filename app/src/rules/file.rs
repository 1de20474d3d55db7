//! A file of rules: `[[rule]]` in TOML. What is wrong with it is said with its line. Knows no
//! engine, and nothing of the actions that may stand in the same file.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::base::message::Message;
use crate::base::{files, folders, text};
use crate::rules::spec::RuleSpec;

/// The most rules of one view: together they fit a pass of the model.
pub const MOST_RULES: usize = 32;

/// What is in the file.
#[derive(Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rules {
    #[serde(default)]
    pub rule: Vec<RuleSpec>,
    /// What rules set off: read by whoever does it, and kept as it is.
    #[serde(default, skip_serializing_if = "toml::Table::is_empty")]
    pub action: toml::Table,
}

/// Reads a file of rules.
///
/// # Errors
/// When it can't be read, or says something that can't be meant.
pub fn read(path: &Path) -> Result<Vec<Arc<RuleSpec>>, Message> {
    let content = content_of(path)?;
    parse(&content, path).map(shared)
}

/// The user's own rules. None where the system knows no home.
#[must_use]
pub fn default_path() -> Option<PathBuf> {
    Some(folders::config()?.join("rules.toml"))
}

/// The same, without any where there is no file.
///
/// # Errors
/// As [`read`].
pub fn read_or_none(path: &Path) -> Result<Vec<Arc<RuleSpec>>, Message> {
    if path.exists() { read(path) } else { Ok(Vec::new()) }
}

/// Rules as a file has them.
#[must_use]
pub fn written<R: AsRef<RuleSpec>>(rules: &[R]) -> String {
    // Plain tables of texts and numbers can always be written.
    let rule = rules.iter().map(|rule| rule.as_ref().clone()).collect();
    toml::to_string(&Rules { rule, action: toml::Table::new() }).unwrap_or_default()
}

pub(super) fn content_of(path: &Path) -> Result<String, Message> {
    files::text_of(path).map_err(|error| {
        Message::new(format!("The rules {} can't be read ({}).", text::path(path), error))
            .hint("Check the path, and that it is a text of less than 1 MB.")
    })
}

fn shared(rules: Rules) -> Vec<Arc<RuleSpec>> {
    rules.rule.into_iter().map(Arc::new).collect()
}

pub(super) fn parse(content: &str, path: &Path) -> Result<Rules, Message> {
    let wrong = |line: Option<usize>, what: &str| {
        let place = line.map_or_else(String::new, |line| format!(", line {line}"));
        Message::new(format!("{}{place}: {what}.", text::path(path)))
            .hint("See `sightline rules --help` for what a rule can have.")
    };
    let rules: Rules = toml::from_str(content).map_err(|error| {
        let what = text::one_line(text::of_toml(&error).trim().trim_end_matches('.'));
        wrong(error.span().map(|span| text::line_at(content, span.start)), &what)
    })?;
    check(&rules.rule).map_err(|what| wrong(None, &what))?;
    Ok(rules)
}

/// Whether these may be the rules of one view.
///
/// # Errors
/// With a sentence, when there are too many, or two of one name.
pub fn check<'a>(rules: impl IntoIterator<Item = &'a RuleSpec>) -> Result<(), String> {
    let mut names = BTreeSet::new();
    for rule in rules {
        if !names.insert(rule.name()) {
            return Err(format!("two rules are called `{}`", text::one_line(rule.name())));
        }
    }
    if names.len() > MOST_RULES {
        return Err(format!("there are {} rules, and {MOST_RULES} may be watched at once", names.len()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(content: &str) -> String {
        parse(content, Path::new("rules.toml")).expect_err(content).what().to_owned()
    }

    #[test]
    fn what_is_wrong_is_said_with_file_and_line() {
        let said = refused("[[rule]]\nsays = \"there is a cup\"\nof = [3, 2]\n");
        assert!(said.starts_with("rules.toml, line 3: write two numbers"), "{said}");
        let said = refused("[[rule]]\nsays = \"there is a cup\"\ntreshold = 0.8\n");
        assert!(said.contains("line 3: unknown key `treshold`"), "{said}");
        assert!(refused("[[rules]]\n").contains("line 1: unknown key `rules`"));
        assert!(refused("[[rule]]\nname = \"cup\"\n").contains("missing key `says`"));
        let twice = "[[rule]]\nsays = \"a cup is there\"\n".repeat(2);
        assert_eq!(refused(&twice), "rules.toml: two rules are called `a cup is there`.");
        let many: Vec<String> = (0..40).map(|n| format!("[[rule]]\nsays = \"there are {n} cups\"\n")).collect();
        assert!(refused(&many.concat()).contains("there are 40 rules, and 32"));
        assert!(read(Path::new("/no/such.toml")).expect_err("no file").what().contains("can't be read"));
    }
}

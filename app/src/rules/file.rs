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
struct Rules {
    #[serde(default)]
    rule: Vec<RuleSpec>,
    /// What rules set off: read by whoever does it, and kept as it is.
    #[serde(default, skip_serializing_if = "toml::Table::is_empty")]
    action: toml::Table,
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

/// Adds a rule at the end of a file, which is made where there is none. What stands in it stays as
/// it is, comments too.
///
/// # Errors
/// When the file can't be read or written, or the rule does not go with those in it.
pub fn add(path: &Path, rule: &RuleSpec) -> Result<(), Message> {
    let mut content = if path.exists() { content_of(path)? } else { String::new() };
    if !content.is_empty() {
        content.push_str(if content.ends_with('\n') { "\n" } else { "\n\n" });
    }
    content.push_str(&written(std::slice::from_ref(rule)));
    let refused = |message: Message| Message::new(message.what()).hint("Choose another name, or remove the other.");
    parse(&content, path).map_err(refused)?;
    write(path, &content)
}

/// Removes the rule of this name. Says whether there was one. The rest stays as it is, comments
/// too.
///
/// # Errors
/// When the file can't be read or written.
pub fn remove(path: &Path, name: &str) -> Result<bool, Message> {
    let content = content_of(path)?;
    let mut rules = parse(&content, path)?;
    let Some(place) = rules.rule.iter().position(|rule| rule.name() == name) else { return Ok(false) };
    rules.rule.remove(place);
    let cut = without_table(&content, place);
    // Where a header stands within a text of several lines, the file is written anew.
    let is_right = parse(&cut, path).is_ok_and(|left| left == rules);
    write(path, &if is_right { cut } else { toml::to_string(&rules).unwrap_or_default() })?;
    Ok(true)
}

/// The text without the table of `[[rule]]` number `place`.
fn without_table(content: &str, place: usize) -> String {
    let (mut number, mut is_rule) = (None, false);
    let mut kept = String::new();
    for line in content.split_inclusive('\n') {
        let begins = line.trim_start();
        is_rule = if begins.starts_with("[[rule]]") {
            number = Some(number.map_or(0, |number| number + 1));
            true
        } else {
            is_rule && !begins.starts_with("[action")
        };
        if !(is_rule && number == Some(place)) {
            kept.push_str(line);
        }
    }
    kept.trim_end().to_owned() + if kept.trim().is_empty() { "" } else { "\n" }
}

/// Rules as a file has them.
#[must_use]
pub fn written<R: AsRef<RuleSpec>>(rules: &[R]) -> String {
    // Plain tables of texts and numbers can always be written.
    let rule = rules.iter().map(|rule| rule.as_ref().clone()).collect();
    toml::to_string(&Rules { rule, action: toml::Table::new() }).unwrap_or_default()
}

fn write(path: &Path, content: &str) -> Result<(), Message> {
    files::write_text(path, content).map_err(|error| {
        Message::new(format!("The rules {} can't be written ({}).", text::path(path), error))
            .hint("Check the permissions of its folder.")
    })
}

fn content_of(path: &Path) -> Result<String, Message> {
    files::text_of(path).map_err(|error| {
        Message::new(format!("The rules {} can't be read ({}).", text::path(path), error))
            .hint("Check the path, and that it is a text of less than 1 MB.")
    })
}

fn shared(rules: Rules) -> Vec<Arc<RuleSpec>> {
    rules.rule.into_iter().map(Arc::new).collect()
}

fn parse(content: &str, path: &Path) -> Result<Rules, Message> {
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

    fn names(rules: &[Arc<RuleSpec>]) -> Vec<&str> {
        rules.iter().map(|rule| rule.name()).collect()
    }

    #[test]
    fn rules_come_and_go_and_the_rest_of_the_file_stays() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("new/rules.toml");
        assert!(read_or_none(&path).expect("none").is_empty());
        let rule = |says: &str| RuleSpec::new(says.parse().expect("a sentence"));
        add(&path, &rule("there is a cup")).expect("added");
        let by_hand = std::fs::read_to_string(&path).expect("read") + "hold = \"5s\" # not too often\n";
        std::fs::write(&path, "# My rules\n\n".to_owned() + &by_hand).expect("written");
        add(&path, &rule("there is no jug").named("jug").expect("a name")).expect("added");
        assert_eq!(names(&read(&path).expect("rules")), ["there is a cup", "jug"]);
        let said = add(&path, &rule("there is a jug").named("jug").expect("a name")).expect_err("twice");
        assert!(said.what().contains("two rules are called `jug`"), "{said}");
        assert!(remove(&path, "jug").expect("removed") && !remove(&path, "jug").expect("gone"));
        let left = std::fs::read_to_string(&path).expect("read");
        assert!(left.starts_with("# My rules") && left.contains("# not too often") && !left.contains("jug"), "{left}");
        assert!(remove(&path, "there is a cup").expect("removed"));
        assert_eq!(std::fs::read_to_string(&path).expect("read"), "# My rules\n");
    }

    #[test]
    fn a_header_within_a_text_removes_no_other_rule() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("rules.toml");
        let content =
            "[[rule]]\nsays = \"a\"\ndo = [\"\"\"\n[[rule]]\n\"\"\"]\n[[rule]]\nsays = \"b\"\n[[rule]]\nsays = \"c\"\n";
        std::fs::write(&path, content).expect("written");
        assert!(remove(&path, "b").expect("removed"));
        assert_eq!(names(&read(&path).expect("rules")), ["a", "c"]);
    }

    #[test]
    fn actions_in_the_file_stay_when_a_rule_goes() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("rules.toml");
        let action = "[action.desk]\ndesktop = true # here\n";
        for odd in ["", "do = [\"\"\"\n[[rule]]\n\"\"\"]\n"] {
            std::fs::write(&path, format!("[[rule]]\nsays = \"a\"\n{odd}\n{action}\n[[rule]]\nsays = \"b\"\n"))
                .expect("written");
            assert!(remove(&path, "a").expect("removed"));
            assert_eq!(names(&read(&path).expect("rules")), ["b"]);
            let left = std::fs::read_to_string(&path).expect("read");
            assert!(left.contains("[action.desk]\ndesktop = true"), "{left}");
            assert!(!odd.is_empty() || left.contains("# here"), "{left}");
        }
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

//! Changes a file of rules: rules come and go, are switched and get other thresholds. What else
//! stands in it stays as it is, comments too.

use std::fmt::Write as _;
use std::path::Path;

use crate::base::message::Message;
use crate::base::{files, text};
use crate::rules::file::{Rules, content_of, parse, written};
use crate::rules::spec::RuleSpec;

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
    write(path, &checked(without_table(&content, place), &rules, path))?;
    Ok(true)
}

/// Has the rule of this name the threshold and the switch of `rule` from now on. Says whether there
/// is one.
///
/// # Errors
/// When the file can't be read or written.
pub fn change(path: &Path, rule: &RuleSpec) -> Result<bool, Message> {
    let content = content_of(path)?;
    let mut rules = parse(&content, path)?;
    let Some(place) = rules.rule.iter().position(|known| known.name() == rule.name()) else { return Ok(false) };
    let known = &mut rules.rule[place];
    let mut changed = content;
    if std::mem::replace(&mut known.threshold, rule.threshold).to_bits() != rule.threshold.to_bits() {
        changed = with_key(&changed, place, "threshold", &rule.threshold.to_string());
    }
    if std::mem::replace(&mut known.on, rule.on) != rule.on {
        changed = with_key(&changed, place, "on", if rule.on { "true" } else { "false" });
    }
    write(path, &checked(changed, &rules, path))?;
    Ok(true)
}

/// The text that was made by looking at lines, where it means these rules: a header or a key may
/// stand within a text of several lines. Otherwise they are written anew.
fn checked(made: String, rules: &Rules, path: &Path) -> String {
    let is_right = parse(&made, path).is_ok_and(|read| read == *rules);
    if is_right { made } else { toml::to_string(rules).unwrap_or_default() }
}

/// Whether each line belongs to the table of `[[rule]]` number `place`, from its header on.
fn lines_of(content: &str, place: usize) -> impl Iterator<Item = (&str, bool)> {
    let (mut number, mut is_rule) = (None, false);
    content.split_inclusive('\n').map(move |line| {
        let begins = line.trim_start();
        is_rule = if begins.starts_with("[[rule]]") {
            number = Some(number.map_or(0, |number| number + 1));
            true
        } else {
            is_rule && !begins.starts_with("[action")
        };
        (line, is_rule && number == Some(place))
    })
}

/// The text without the table of `[[rule]]` number `place`.
fn without_table(content: &str, place: usize) -> String {
    let kept: String = lines_of(content, place).filter(|(_, is_its)| !is_its).map(|(line, _)| line).collect();
    kept.trim_end().to_owned() + if kept.trim().is_empty() { "" } else { "\n" }
}

/// The text with a key of the table of `[[rule]]` number `place` set: where it stands, or below the
/// header.
fn with_key(content: &str, place: usize, key: &str, value: &str) -> String {
    let is_key = |line: &str| {
        line.split_once('=').is_some_and(|(name, value)| name.trim() == key && !value.trim_start().starts_with('='))
    };
    let stands = lines_of(content, place).any(|(line, is_its)| is_its && is_key(line));
    let mut made = String::new();
    for (line, is_its) in lines_of(content, place) {
        if is_its && is_key(line) {
            let comment = line.find('#').map_or("", |at| line[at..].trim_end());
            made.push_str(format!("{key} = {value} {comment}").trim_end());
            made.push('\n');
            continue;
        }
        made.push_str(line);
        if !stands && is_its && line.trim_start().starts_with("[[rule]]") {
            let end = if line.ends_with('\n') { "" } else { "\n" };
            // Writing to a text does not fail.
            let _ = writeln!(made, "{end}{key} = {value}");
        }
    }
    made
}

fn write(path: &Path, content: &str) -> Result<(), Message> {
    files::write_text(path, content).map_err(|error| {
        Message::new(format!("The rules {} can't be written ({}).", text::path(path), error))
            .hint("Check the permissions of its folder.")
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::rules::file::{read, read_or_none};

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
    fn a_threshold_and_a_switch_are_changed_where_they_stand() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("rules.toml");
        let content = "# Mine\n[[rule]]\nsays = \"a\" # first\n\n[[rule]]\nsays = \"b\"\nthreshold = 0.5 # so\n\n\
                       [action.desk]\ndesktop = true\n";
        std::fs::write(&path, content).expect("written");
        for (name, threshold, on) in [("b", 0.75, true), ("a", 0.25, false), ("a", 0.5, true)] {
            let mut rule = RuleSpec::new(name.parse().expect("a sentence"));
            (rule.threshold, rule.on) = (threshold, on);
            assert!(change(&path, &rule).expect("changed"));
            let rules = read(&path).expect("rules");
            let found = rules.iter().find(|known| known.name() == name).expect("there");
            assert_eq!((found.threshold, found.on), (threshold, on));
        }
        assert_eq!(
            std::fs::read_to_string(&path).expect("read"),
            "# Mine\n[[rule]]\non = true\nthreshold = 0.5\nsays = \"a\" # first\n\n[[rule]]\n\
             says = \"b\"\nthreshold = 0.75 # so\n\n[action.desk]\ndesktop = true\n"
        );
        assert!(!change(&path, &RuleSpec::new("c".parse().expect("a sentence"))).expect("none"));
    }
}

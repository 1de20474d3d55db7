//! Reads a TOML file with `[action.NAME]` tables, beside which rules may stand. What is wrong is
//! said with the file and the line. Paths in it are meant from the file's own folder; `~` and
//! variables in them are expanded.

use std::path::Path;

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::actions::spec::{ActionSpec, Context};
use crate::actions::table::ActionTables;
use crate::base::message::Message;
use crate::base::{files, text};

/// The most actions: each takes a thread.
const MOST_ACTIONS: usize = 16;

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    action: ActionTables,
    #[serde(default)]
    #[expect(dead_code, reason = "rules are read by whoever watches them")]
    rule: IgnoredAny,
}

/// Reads the actions of a file, in the order of their names.
///
/// # Errors
/// What is wrong with the file, or with one that it names.
pub fn read(path: &Path) -> Result<Vec<ActionSpec>, Message> {
    let written = parsed(path)?;
    if written.action.is_empty() {
        return Err(Message::new(format!("{} has no action.", text::path(path)))
            .hint("Write [action.NAME], and below it what is done, such as desktop = true."));
    }
    specs(written.action, path)
}

/// Reads the actions of a file of rules, which may have none.
///
/// # Errors
/// As [`read`].
pub fn beside_rules(path: &Path) -> Result<Vec<ActionSpec>, Message> {
    specs(parsed(path)?.action, path)
}

fn parsed(path: &Path) -> Result<Written, Message> {
    let content = files::text_of(path).map_err(|error| {
        Message::new(format!("{} can't be read ({}).", text::path(path), text::system(&error)))
            .hint("Check the path, and that it is a text of less than 1 MB.")
    })?;
    toml::from_str(&content).map_err(|error| {
        let line = error.span().map_or(1, |span| text::line_at(&content, span.start));
        let said = text::one_line(&text::of_toml(&error));
        Message::new(format!("{}, line {line}: {}.", text::path(path), said.trim_end_matches('.')))
    })
}

/// What tables in a file mean.
///
/// # Errors
/// What is wrong with one of them.
pub fn specs(tables: ActionTables, file: &Path) -> Result<Vec<ActionSpec>, Message> {
    if tables.len() > MOST_ACTIONS {
        return Err(Message::new(format!("{} has more than {MOST_ACTIONS} actions.", text::path(file))));
    }
    let path = |path: &Path| files::named_in(file, path);
    let context = Context { path: &path, variable: &|name| std::env::var(name).ok() };
    tables.into_iter().map(|(name, table)| ActionSpec::read(&name, table, context)).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn read_text(text: &str) -> Result<Vec<ActionSpec>, Message> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("actions.toml");
        fs::write(folder.path().join("token"), "s3cret").expect("written");
        fs::write(&path, text).expect("written");
        read(&path)
    }

    #[test]
    fn actions_are_read_with_what_lies_beside_the_file() {
        let text = "[action.phone]\nntfy = \"https://ntfy.invalid/t\"\ntoken_file = \"token\"\n\n[action.desk]\ndesktop = true\n";
        let names: Vec<_> = read_text(text).expect("actions").into_iter().map(|spec| spec.name).collect();
        assert_eq!(names, ["desk", "phone"]);
    }

    #[test]
    fn actions_may_stand_beside_rules() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("rules.toml");
        for (text, count) in [
            ("[[rule]]\nsays = \"there is a cup\"\n[action.desk]\ndesktop = true\n", 1),
            ("[[rule]]\nsays = \"there is a cup\"\n", 0),
            ("", 0),
        ] {
            fs::write(&path, text).expect("written");
            assert_eq!(beside_rules(&path).expect("read").len(), count, "{text}");
        }
        fs::write(&path, "[action.desk]\ndesktop = \"yes\"\n").expect("written");
        assert!(beside_rules(&path).expect_err("no truth value").what().contains("rules.toml, line 2"));
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        for (text, said) in [
            ("[action.a]\ndesktop = true\ntopik = 1\n", "line 3: unknown key `topik`"),
            ("[action.a]\ndesktop = \"yes\"\n", "line 2"),
            ("[action.a]\nsound = 3\n", "write true, or the name of a sound file"),
            ("[rules]\n", "unknown key `rules`"),
            ("", "has no action"),
            ("[action.a]\n", "The action a does not do exactly one thing"),
            ("[action.a", "line 1"),
        ] {
            let message = read_text(text).expect_err(text);
            assert!(message.what().contains(said), "{text}: {message}");
        }
        assert!(read(Path::new("no/such.toml")).expect_err("missing").what().contains("can't be read"));
    }
}

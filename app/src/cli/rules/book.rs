//! The user's own rules and calibrations, as several commands need them.

use std::path::Path;
use std::sync::Arc;

use crate::actions::{self, ActionSpec};
use crate::base::message::Message;
use crate::rules::calibrations::Calibrations;
use crate::rules::spec::RuleSpec;
use crate::rules::{calibrations, file};

/// What stands in a file of rules.
#[derive(Clone, Debug, Default)]
pub struct Book {
    /// The rules.
    pub rules: Vec<Arc<RuleSpec>>,
    /// What they set off, as far as it stands beside them.
    pub actions: Vec<ActionSpec>,
}

impl Book {
    /// Reads a file.
    ///
    /// # Errors
    /// When it can't be read, or something in it can't be meant.
    pub fn read(path: &Path) -> Result<Self, Message> {
        Ok(Self { rules: file::read(path)?, actions: actions::beside_rules(path)? })
    }

    /// The user's own, which may be empty.
    ///
    /// # Errors
    /// As [`Book::read`].
    pub fn own() -> Result<Self, Message> {
        let path = file::default_path().ok_or_else(no_folder)?;
        if path.exists() { Self::read(&path) } else { Ok(Self::default()) }
    }
}

/// What the user's ticks made of rules; nothing where there are no rules to ask for.
///
/// # Errors
/// When the file can't be read.
pub fn known_calibrations(rules: &[Arc<RuleSpec>]) -> Result<Calibrations, Message> {
    match calibrations::default_path() {
        Some(path) if !rules.is_empty() => Calibrations::load(&path),
        _ => Ok(Calibrations::default()),
    }
}

/// The rule of this name.
///
/// # Errors
/// When there is none.
pub fn named(rules: &[Arc<RuleSpec>], name: &str) -> Result<Arc<RuleSpec>, Message> {
    let found = rules.iter().find(|rule| rule.name() == name);
    found.cloned().ok_or_else(|| no_rule(name))
}

/// What is said of a name that no rule has.
pub fn no_rule(name: &str) -> Message {
    Message::new(format!("Unknown rule `{name}`.")).hint("See `sightline rules list`.")
}

/// What is said where the system knows no home.
pub fn no_folder() -> Message {
    Message::new("The system knows no folder for your rules.").hint("Name a file with --file FILE.")
}

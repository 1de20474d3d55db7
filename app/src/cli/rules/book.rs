//! The user's own rules and calibrations, as several commands need them.

use std::sync::Arc;

use crate::base::message::Message;
use crate::rules::calibrations::Calibrations;
use crate::rules::spec::RuleSpec;
use crate::rules::{calibrations, file};

/// The user's own rules.
///
/// # Errors
/// When their file can't be read.
pub fn own_rules() -> Result<Vec<Arc<RuleSpec>>, Message> {
    file::read_or_none(&file::default_path().ok_or_else(no_folder)?)
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

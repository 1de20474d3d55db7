//! What the user's ticks made of each rule and model, kept in a small TOML file beside the rules.
//! Knows no log: whoever has ticks fits and sets.

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::base::message::Message;
use crate::base::{files, folders, text};
use crate::rules::calibrate::Calibration;

/// Rules and models at most: the oldest are forgotten.
const MOST: usize = 1000;

/// Calibrations of rules, each for one model.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Calibrations {
    #[serde(default)]
    calibration: Vec<Calibrated>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Calibrated {
    says: String,
    model: String,
    #[serde(flatten)]
    line: Calibration,
}

/// The file of this user. None where the system knows no home.
#[must_use]
pub fn default_path() -> Option<PathBuf> {
    Some(folders::config()?.join("calibration.toml"))
}

impl Calibrations {
    /// Reads the file. Where there is none, nothing was ticked yet.
    ///
    /// # Errors
    /// Why, when it can't be read or is something else.
    pub fn load(path: &Path) -> Result<Self, Message> {
        let wrong = |why: &str| {
            Message::new(format!("The calibrations {} can't be read ({}).", text::path(path), text::one_line(why)))
                .hint("Delete the file; `sightline rules tick` makes it anew.")
        };
        match files::text_of(path) {
            Ok(content) => toml::from_str(&content).map_err(|error| wrong(error.message())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(wrong(&error.to_string())),
        }
    }

    /// Writes the file, whole or not at all, and its folder when it is not there.
    ///
    /// # Errors
    /// Why, when it can't be written.
    pub fn save(&self, path: &Path) -> Result<(), Message> {
        let content = toml::to_string(self).unwrap_or_default();
        files::write_text(path, &content).map_err(|error| {
            Message::new(format!("The calibrations {} can't be written ({}).", text::path(path), error))
                .hint("Check the permissions of its folder.")
        })
    }

    /// What a rule's scores are worth with a model; as the model gives them where nothing was
    /// ticked.
    #[must_use]
    pub fn of(&self, says: &str, model: &str) -> Calibration {
        let found = self.calibration.iter().find(|known| known.says == says && known.model == model);
        found.map(|known| known.line).unwrap_or_default()
    }

    /// Sets it, or forgets it.
    pub fn set(&mut self, says: &str, model: &str, line: Option<Calibration>) {
        self.calibration.retain(|known| known.says != says || known.model != model);
        let (says, model) = (says.to_owned(), model.to_owned());
        self.calibration.extend(line.map(|line| Calibrated { says, model, line }));
        let excess = self.calibration.len().saturating_sub(MOST);
        self.calibration.drain(..excess);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_and_a_model_have_a_line_that_stays() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("new/calibration.toml");
        let mut known = Calibrations::load(&path).expect("none yet");
        let line = Calibration { slope: 0.5, offset: -1.25 };
        known.set("there is a cup", "256m", Some(line));
        known.set("there is a jug", "256m", Some(Calibration::default()));
        known.set("there is a jug", "256m", None);
        known.save(&path).expect("written");
        let read = Calibrations::load(&path).expect("read");
        assert_eq!(
            (read.of("there is a cup", "256m"), read.of("there is a cup", "500m")),
            (line, Calibration::default())
        );
        assert_eq!(read, known);
        std::fs::write(&path, "calibration = 3").expect("written");
        assert!(Calibrations::load(&path).expect_err("something else").what().contains("can't be read"));
    }

    #[test]
    fn the_oldest_are_forgotten() {
        let mut known = Calibrations::default();
        for number in 0..MOST + 5 {
            known.set(&number.to_string(), "m", Some(Calibration { slope: 2.0, offset: 0.0 }));
        }
        assert_eq!(known.calibration.len(), MOST);
        assert_eq!((known.of("4", "m"), known.of("5", "m").slope), (Calibration::default(), 2.0));
    }
}

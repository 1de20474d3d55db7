//! What the user chose once and for all, kept between starts in a small JSON file in the platform's
//! folder for configuration. Knows no window.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::base::files::{self, Readers};
use crate::base::message::Message;

/// The choices.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub struct Preferences {
    /// Whether the window begins to record when it opens.
    pub always_record: bool,
    /// What another version of the program keeps here. It stays as it is.
    #[serde(flatten)]
    others: Map<String, Value>,
}

/// The file of this user's choices. None where the system knows no home.
#[must_use]
pub fn default_path() -> Option<PathBuf> {
    let folders = directories::ProjectDirs::from("", "", "sightline")?;
    Some(folders.config_dir().join("preferences.json"))
}

impl Preferences {
    /// Reads the file. Where there is none, nothing was chosen yet.
    ///
    /// # Errors
    /// Why, when it can't be read or is something else.
    pub fn load(path: &Path) -> Result<Self, Message> {
        let text = match fs::read(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(unreadable(path, &error.to_string())),
        };
        serde_json::from_slice(&text).map_err(|error| unreadable(path, &error.to_string()))
    }

    /// Writes the file, whole or not at all, and its folder when it is not there.
    ///
    /// # Errors
    /// Why, when it can't be written.
    pub fn save(&self, path: &Path) -> Result<(), Message> {
        let written = || -> io::Result<()> {
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder)?;
            }
            files::write_whole(path, Readers::Owner, |out| {
                serde_json::to_writer_pretty(&mut *out, self)?;
                out.write_all(b"\n")
            })
        };
        written().map_err(|error| {
            let what = format!(
                "Your choice holds until the window closes, but can't be remembered: {} was not written ({error}).",
                path.display()
            );
            Message::new(what).hint("Check the disk and the permissions of its folder.")
        })
    }
}

fn unreadable(path: &Path, why: &str) -> Message {
    let what = format!("What you chose last time can't be read from {} ({why}).", path.display());
    Message::new(what).hint("Fix or delete the file; it is rewritten when you next change a setting.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_chosen_is_there_the_next_time() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("below/preferences.json");
        assert_eq!(Preferences::load(&path), Ok(Preferences::default()));
        assert!(!Preferences::default().always_record, "nothing is recorded unless the user says so");
        let chosen = Preferences { always_record: true, ..Preferences::default() };
        chosen.save(&path).expect("written");
        assert_eq!(Preferences::load(&path), Ok(chosen));
        assert_eq!(fs::read_dir(folder.path().join("below")).expect("a folder").count(), 1);
    }

    #[test]
    fn what_another_version_keeps_there_stays() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("preferences.json");
        fs::write(&path, r#"{"voice": {"pitch": 2}}"#).expect("written");
        let mut chosen = Preferences::load(&path).expect("read");
        chosen.always_record = true;
        chosen.save(&path).expect("written");
        let kept: Value = serde_json::from_slice(&fs::read(&path).expect("read")).expect("JSON");
        assert_eq!(kept, serde_json::json!({"always_record": true, "voice": {"pitch": 2}}));
    }

    #[test]
    fn what_cannot_be_read_or_written_is_said() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("preferences.json");
        for text in ["", "[]", r#"{"always_record": "perhaps"}"#] {
            fs::write(&path, text).expect("written");
            let said = Preferences::load(&path).expect_err("no preferences");
            assert!(said.what().contains("preferences.json") && said.to_string().contains("Fix or delete"), "{said}");
        }
        let said = Preferences::default().save(&path.join("preferences.json")).expect_err("no folder");
        assert!(said.what().contains("can't be remembered"), "{said}");
    }
}

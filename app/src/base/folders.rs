//! Where the platform keeps what belongs to this program and this user. `None` where the system
//! knows no home.

use std::path::PathBuf;

use directories::ProjectDirs;

fn ours() -> Option<ProjectDirs> {
    ProjectDirs::from("", "", "sightline")
}

/// What the user chose.
pub fn config() -> Option<PathBuf> {
    Some(ours()?.config_dir().to_owned())
}

/// What the program keeps for the user.
pub fn data() -> Option<PathBuf> {
    Some(ours()?.data_dir().to_owned())
}

/// What can be made again; the system may empty it.
pub fn cache() -> Option<PathBuf> {
    Some(ours()?.cache_dir().to_owned())
}

//! Dialogs of the desktop for files and folders, and whether it has any.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use jiff::ZonedDateTime;

use crate::ui::{Chosen, Wanted};

/// Endings of the files that a dialog offers first; it shows others as well when told to.
const PICTURES: [&str; 8] = ["png", "jpg", "jpeg", "webp", "bmp", "gif", "tif", "tiff"];
/// The same of videos.
const VIDEOS: [&str; 9] = ["mp4", "m4v", "mov", "mkv", "webm", "avi", "mpg", "mpeg", "ts"];
/// Nobody closes a dialog as fast as this: it did not come up.
const TOO_FAST: Duration = Duration::from_millis(250);

/// Asks for a file or folder. Blocks until the user chose.
pub fn choose(wanted: Wanted) -> Chosen {
    if !has_dialog() {
        return Chosen::NoDialog;
    }
    let start = Instant::now();
    match ask(wanted) {
        Some(path) => Chosen::Path(path),
        None if start.elapsed() < TOO_FAST => Chosen::NoDialog,
        None => Chosen::Nothing,
    }
}

fn ask(wanted: Wanted) -> Option<PathBuf> {
    let dialog = rfd::FileDialog::new();
    match wanted {
        Wanted::Source => None,
        Wanted::PictureOrVideo => dialog
            .set_title("Open picture or video")
            .add_filter("Pictures and videos", &[&PICTURES[..], &VIDEOS[..]].concat())
            .add_filter("All files", &["*"])
            .pick_file(),
        Wanted::Reference => {
            dialog.set_title("Choose a reference picture").add_filter("Pictures", &PICTURES).pick_file()
        }
        Wanted::PictureFolder => dialog.set_title("Open folder of pictures").pick_folder(),
        Wanted::ModelFolder => dialog.set_title("Open model folder").pick_folder(),
        Wanted::Picture => {
            dialog.set_title("Save picture").set_file_name(name(wanted)).add_filter("PNG", &["png"]).save_file()
        }
        Wanted::Clip => {
            dialog.set_title("Save clip").set_file_name(name(wanted)).add_filter("MP4", &["mp4"]).save_file()
        }
        Wanted::Export(format) => {
            let ending = format.extension();
            let dialog = dialog.set_title("Export the log").set_file_name(name(wanted));
            dialog.add_filter(ending.to_uppercase(), &[ending]).save_file()
        }
    }
}

/// The name that is proposed for what is written; nothing for what is read.
fn name(wanted: Wanted) -> String {
    let now = ZonedDateTime::now();
    match wanted {
        Wanted::Picture => format!("sightline-{}.png", now.strftime("%Y-%m-%d-%H%M%S")),
        Wanted::Clip => format!("sightline-{}.mp4", now.strftime("%Y-%m-%d-%H%M%S")),
        Wanted::Export(format) => format!("captions-{}.{}", now.date(), format.extension()),
        _ => String::new(),
    }
}

/// The path that is proposed where the desktop has no dialog: in the user's folder for such files.
pub fn proposed(wanted: Wanted) -> Option<PathBuf> {
    let folders = directories::UserDirs::new()?;
    let within = match wanted {
        Wanted::Picture => folders.picture_dir(),
        Wanted::Clip => folders.video_dir(),
        Wanted::Export(_) => folders.document_dir(),
        _ => return None,
    };
    Some(within.unwrap_or(folders.home_dir()).join(name(wanted)))
}

/// Whether the desktop has such dialogs. Asked first, because whatever stands in for a dialog that
/// fails writes to standard error.
#[cfg(target_os = "linux")]
fn has_dialog() -> bool {
    let folders_of = |variable: &str| -> Vec<PathBuf> {
        std::env::var_os(variable).map(|paths| std::env::split_paths(&paths).collect()).unwrap_or_default()
    };
    let is_in_path = |program: &str| folders_of("PATH").iter().any(|folder| folder.join(program).is_file());
    if is_in_path("zenity") {
        return true;
    }
    let has_bus = std::env::var_os("DBUS_SESSION_BUS_ADDRESS").is_some()
        || folders_of("XDG_RUNTIME_DIR").iter().any(|folder| folder.join("bus").exists());
    let mut shared = folders_of("XDG_DATA_DIRS");
    shared.extend([PathBuf::from("/usr/local/share"), PathBuf::from("/usr/share")]);
    has_bus && shared.iter().any(|folder| has_portal(folder))
}

#[cfg(not(target_os = "linux"))]
fn has_dialog() -> bool {
    true
}

/// Whether a portal for files is installed below this folder.
#[cfg(target_os = "linux")]
fn has_portal(shared: &Path) -> bool {
    let Ok(portals) = std::fs::read_dir(shared.join("xdg-desktop-portal/portals")) else { return false };
    portals
        .flatten()
        .filter_map(|portal| std::fs::read_to_string(portal.path()).ok())
        .any(|text| text.contains("org.freedesktop.impl.portal.FileChooser"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_proposed_for_what_is_written_only() {
        assert!(Path::new(&name(Wanted::Picture)).extension().is_some_and(|ending| ending == "png"));
        assert!(name(Wanted::PictureOrVideo).is_empty() && proposed(Wanted::PictureOrVideo).is_none());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_portal_without_files_is_no_dialog() {
        let folder = tempfile::tempdir().expect("a folder");
        let portals = folder.path().join("xdg-desktop-portal/portals");
        std::fs::create_dir_all(&portals).expect("made");
        let write = |interfaces: &str| {
            let text = format!("[portal]\nDBusName=x\nInterfaces={interfaces}\n");
            std::fs::write(portals.join("some.portal"), text).expect("written");
        };
        assert!(!has_portal(folder.path()));
        write("org.freedesktop.impl.portal.Settings");
        assert!(!has_portal(folder.path()));
        write("org.freedesktop.impl.portal.Settings;org.freedesktop.impl.portal.FileChooser");
        assert!(has_portal(folder.path()));
    }
}

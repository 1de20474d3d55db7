//! What ffmpeg opens: an address, what may be opened from there, and what people call it.

use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

use crate::base::text;

/// What ffmpeg opens.
#[derive(Clone, Debug)]
pub(crate) struct Input {
    /// What messages call it. Fit to be shown.
    pub(crate) name: String,
    options: Vec<OsString>,
    address: OsString,
}

impl Input {
    /// A file. Files alone are opened from there: a playlist that names an address would reach out to it.
    pub(crate) fn file(path: &Path) -> Self {
        // With the scheme, so that ffmpeg takes it for a path whatever it begins with.
        let mut address = OsString::from("file:");
        address.push(path);
        Self {
            name: text::path(Path::new(path.file_name().unwrap_or(path.as_os_str()))),
            options: vec!["-protocol_whitelist".into(), "file".into()],
            address,
        }
    }

    /// Adds it to a command, behind what goes before an input.
    pub(super) fn add_to(&self, command: &mut Command) {
        command.args(&self.options).arg("-i").arg(&self.address);
    }
}

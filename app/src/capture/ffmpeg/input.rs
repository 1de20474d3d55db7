//! What ffmpeg opens: an address, what may be opened from there, and what people call it.

use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

use crate::base::text;
use crate::capture::address::Address;

/// What ffmpeg opens.
#[derive(Clone, Debug)]
pub(crate) struct Input {
    /// What messages call it. Fit to be shown.
    pub(crate) name: String,
    /// Whether it comes over the network.
    pub(crate) is_stream: bool,
    options: Vec<OsString>,
    address: OsString,
    list: Option<List>,
}

/// What ffmpeg reads from its standard input. Secret.
#[derive(Clone)]
struct List(Vec<u8>);

impl std::fmt::Debug for List {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("List")
    }
}

impl Input {
    /// A file. Files alone are opened from there: a playlist that names an address would reach out
    /// to it.
    pub(crate) fn file(path: &Path) -> Self {
        // With the scheme, so that ffmpeg takes it for a path whatever it begins with.
        let mut address = OsString::from("file:");
        address.push(path);
        Self {
            name: text::path(Path::new(path.file_name().unwrap_or(path.as_os_str()))),
            is_stream: false,
            options: ["-protocol_whitelist", "file"].map(OsString::from).to_vec(),
            address,
            list: None,
        }
    }

    /// A network stream. No file is opened from there, whatever a playlist says.
    ///
    /// The address goes to ffmpeg as a list of one, through its standard input: whoever lists the
    /// machine's processes sees their arguments, and no password among them.
    pub(crate) fn stream(address: &Address) -> Self {
        let (protocols, query) = match address.scheme() {
            // Over TCP: UDP loses packets, and firewalls stop it. This part of its query is for
            // ffmpeg, in every version.
            "rtsp" | "rtsps" => ("pipe,rtsp,rtsps,rtp,srtp,tcp,tls,udp", "tcp"),
            "udp" => ("pipe,udp", ""),
            "srt" => ("pipe,srt,udp", ""),
            _ => ("pipe,http,https,tcp,tls,crypto,httpproxy", ""),
        };
        let list = format!("ffconcat version 1.0\nfile '{}'\n", address.secret(query));
        // As little as possible is held back.
        let options = [
            "-fflags",
            "nobuffer",
            "-flags",
            "low_delay",
            "-f",
            "concat",
            "-safe",
            "0",
            "-protocol_whitelist",
            protocols,
        ];
        Self {
            name: text::one_line(&address.to_string()),
            is_stream: true,
            options: options.map(OsString::from).to_vec(),
            address: "pipe:0".into(),
            list: Some(List(list.into_bytes())),
        }
    }

    /// Adds it to a command, behind what goes before an input.
    pub(super) fn add_to(&self, command: &mut Command) {
        command.args(&self.options).arg("-i").arg(&self.address);
    }

    /// What the command is to read from its standard input.
    pub(super) fn feed(&self) -> Option<&[u8]> {
        self.list.as_ref().map(|list| list.0.as_slice())
    }
}

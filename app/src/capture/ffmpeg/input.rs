//! What ffmpeg opens: an address, what may be opened from there, and what people call it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::base::text;
use crate::capture::address::Address;

/// What ffmpeg opens.
#[derive(Clone, Debug)]
pub(crate) struct Input {
    /// What messages call it. Fit to be shown.
    pub(crate) name: String,
    pub(crate) kind: InputKind,
    options: Vec<OsString>,
    address: OsString,
    list: Option<List>,
}

/// Where an input is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InputKind {
    /// On the disk.
    File,
    /// On the network.
    Stream,
    /// On the screen.
    Screen,
}

/// How a stream is received.
#[derive(Clone, Debug, Default)]
pub(crate) struct Receiving {
    /// A file in PEM with certificates to trust in place of the system's.
    pub(crate) authority: Option<PathBuf>,
    /// How long ffmpeg may look at a stream to know what it is; none as long as it wants.
    pub(crate) analysis: Option<Duration>,
    /// The port on loopback from which what is sent goes on to the camera.
    pub(crate) relay: Option<u16>,
    /// Whether this ffmpeg takes options in its list, as it does from version 5 on.
    pub(crate) takes_options: bool,
}

/// A text as ffmpeg's list takes it, whatever is in it.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
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
            kind: InputKind::File,
            options: ["-protocol_whitelist", "file"].map(OsString::from).to_vec(),
            address,
            list: None,
        }
    }

    /// A network stream. No file is opened from there, whatever a playlist says.
    ///
    /// The address goes to ffmpeg as a list of one, through its standard input: whoever lists the
    /// machine's processes sees their arguments, and no password among them.
    pub(crate) fn stream(address: &Address, receiving: &Receiving) -> Self {
        let (protocols, query) = match address.scheme() {
            // Over TCP: UDP loses packets, and firewalls stop it. This part of its query is for
            // ffmpeg, in every version.
            "rtsp" | "rtsps" => ("pipe,rtsp,rtsps,rtp,srtp,tcp,tls,udp", "tcp"),
            "udp" => ("pipe,udp", ""),
            "srt" => ("pipe,srt,udp", ""),
            _ => ("pipe,http,https,tcp,tls,crypto,httpproxy", ""),
        };
        let secret = match receiving.relay {
            Some(port) => address.relayed(port).secret(query),
            None => address.secret(query),
        };
        let mut list = format!("ffconcat version 1.0\nfile '{secret}'\n");
        // As little as possible is held back.
        let mut options = vec!["-fflags", "nobuffer", "-flags", "low_delay"];
        let analysis = receiving.analysis.map(|longest| longest.as_micros().to_string());
        if let Some(longest) = &analysis {
            options.extend(["-analyzeduration", longest]);
        }
        if receiving.takes_options {
            if let Some(longest) = &analysis {
                list.extend(["option analyzeduration ", longest, "\n"]);
            }
            if address.scheme() == "https" {
                list.push_str("option tls_verify 1\n");
                if let Some(authority) = &receiving.authority {
                    list.extend(["option ca_file ", &quoted(&authority.to_string_lossy()), "\n"]);
                }
            }
        }
        options.extend(["-f", "concat", "-safe", "0", "-protocol_whitelist", protocols]);
        Self {
            name: text::one_line(&address.to_string()),
            kind: InputKind::Stream,
            options: options.into_iter().map(OsString::from).collect(),
            address: "pipe:0".into(),
            list: Some(List(list.into_bytes())),
        }
    }

    /// A screen or window, as ffmpeg calls it with these options.
    pub(crate) fn screen<'a>(name: &str, options: impl Iterator<Item = &'a String>, address: &str) -> Self {
        Self {
            name: text::one_line(name),
            kind: InputKind::Screen,
            options: options.map(OsString::from).collect(),
            address: address.into(),
            list: None,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_a_list_of_one_with_its_options() {
        let list = |address: &str, receiving: &Receiving| {
            let input = Input::stream(&Address::parse(address).expect(address), receiving);
            String::from_utf8(input.feed().expect("a list").to_vec()).expect("text")
        };
        let plain = Receiving::default();
        assert_eq!(list("http://a.invalid/b", &plain), "ffconcat version 1.0\nfile 'http://a.invalid/b'\n");
        let receiving = Receiving {
            authority: Some("/my 'own'.pem".into()),
            analysis: Some(Duration::from_secs(1)),
            takes_options: true,
            relay: None,
        };
        let lines = list("https://a.invalid/b", &receiving);
        assert!(lines.contains("\noption analyzeduration 1000000\noption tls_verify 1\n"), "{lines}");
        assert!(lines.ends_with("\noption ca_file '/my '\\''own'\\''.pem'\n"), "{lines}");
        assert!(!list("rtsp://a.invalid/b", &receiving).contains("tls_verify"));
        let relayed = list("rtsps://me:a b@a.invalid:322/b", &Receiving { relay: Some(4444), ..Receiving::default() });
        assert!(relayed.ends_with("file 'rtsp://me:a%20b@127.0.0.1:4444/b?tcp'\n"), "{relayed}");
        let old = Receiving { takes_options: false, ..receiving };
        assert_eq!(list("https://a.invalid/b", &old).lines().count(), 2);
    }
}

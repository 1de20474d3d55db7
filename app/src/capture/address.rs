//! The address of a network stream, with its user and password apart, so that they are never shown.
//! Knows no network.

use std::fmt;

/// The variable of the environment that has the password of a stream. It is not handed on to
/// ffmpeg.
pub const PASSWORD_VARIABLE: &str = "SIGHTLINE_STREAM_PASSWORD";

/// Who may see a stream. Never shown, not even for debugging.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    user: String,
    password: String,
}

impl Login {
    /// Any characters, as people write them.
    #[must_use]
    pub fn new(user: impl Into<String>, password: impl Into<String>) -> Self {
        Self { user: user.into(), password: password.into() }
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Login")
    }
}

/// Where a stream is. Displays without what may be secret: user, password and query.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    scheme: String,
    login: Option<Login>,
    /// With its port.
    host: String,
    /// Path, query and fragment.
    rest: String,
}

impl Address {
    /// Reads an address such as `rtsp://user:password@door/1`; `None` when it names no host. User
    /// and password may have any characters, also those that an address would have to escape: the
    /// host is behind the last `@` that a host can be behind.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        let scheme = scheme.to_ascii_lowercase();
        let listens = matches!(scheme.as_str(), "udp" | "srt");
        let split = |at: usize| {
            let after = &rest[at..];
            let end = after.find(['/', '?', '#']).unwrap_or(after.len());
            is_host(&after[..end], listens).then(|| (after[..end].to_owned(), after[end..].to_owned()))
        };
        // Without a login, a host comes first, and an `@` behind it belongs to the path.
        let found = split(0).map(|(host, rest)| (None, host, rest)).or_else(|| {
            rest.rmatch_indices('@').find_map(|(at, _)| {
                let (host, behind) = split(at + 1)?;
                let (user, password) = rest[..at].split_once(':').unwrap_or((&rest[..at], ""));
                let login = (!user.is_empty()).then(|| Login::new(unescaped(user), unescaped(password)));
                Some((login, host, behind))
            })
        });
        let (login, host, rest) = found?;
        Some(Self { scheme, login, host, rest })
    }

    /// What stands before `://`, in small letters.
    #[must_use]
    pub fn scheme(&self) -> &str {
        &self.scheme
    }

    /// Host and port, which is this one where none is written.
    pub(super) fn host_and_port(&self, usual: u16) -> (&str, u16) {
        let (host, port) = match self.host.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (host, port.parse().unwrap_or(usual)),
            _ => (self.host.as_str(), usual),
        };
        (host.trim_start_matches('[').trim_end_matches(']'), port)
    }

    /// The same through a port on loopback from which all goes on, and is encrypted there.
    pub(super) fn relayed(&self, port: u16) -> Self {
        let scheme = self.scheme.trim_end_matches('s').to_owned();
        Self { scheme, host: format!("127.0.0.1:{port}"), ..self.clone() }
    }

    /// With this login, unless it has one of its own. A user of its own may have its password from
    /// there.
    #[must_use]
    pub fn with_login(self, login: Option<Login>) -> Self {
        let login = match (self.login, login) {
            (Some(own), Some(other)) if own.password.is_empty() => Some(Login { password: other.password, ..own }),
            (own, other) => own.or(other),
        };
        Self { login, ..self }
    }

    /// All of it, escaped as an address has to be, with this added to its query. Secret: for ffmpeg
    /// alone.
    pub(super) fn secret(&self, query: &str) -> String {
        let login = self
            .login
            .as_ref()
            .map_or_else(String::new, |login| format!("{}:{}@", escaped(&login.user), escaped(&login.password)));
        let rest: String =
            self.rest.chars().map(|c| if is_unsafe(c) { escaped(&c.to_string()) } else { c.into() }).collect();
        let rest = rest.split('#').next().unwrap_or_default();
        let joint = match (query, rest.contains('?')) {
            ("", _) => "",
            (_, true) => "&",
            (_, false) => "?",
        };
        format!("{}://{login}{}{rest}{joint}{query}", self.scheme, self.host)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Cameras have passwords in paths, too: /user=admin_password=…
        let path = self.rest.split(['?', '#']).next().unwrap_or_default();
        let path = if path.contains('=') || path.to_lowercase().contains("%3d") { "/…" } else { path };
        write!(f, "{}://{}{path}", self.scheme, self.host)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A name or number, and a port. Those that listen may have a port alone.
fn is_host(text: &str, listens: bool) -> bool {
    let (host, port) = match text.strip_prefix('[').and_then(|text| text.split_once(']')) {
        Some((host, port)) if host.contains(':') => (host, port.strip_prefix(':').or(port.is_empty().then_some(""))),
        Some(_) => return false,
        None => text.split_once(':').map_or((text, Some("")), |(host, port)| (host, Some(port))),
    };
    let letters = |c: char| c.is_alphanumeric() || "-._:%".contains(c);
    (listens || !host.is_empty())
        && host.chars().all(letters)
        && port.is_some_and(|port| port.is_empty() && !host.is_empty() || port.parse::<u16>().is_ok())
}

/// What would end a quoted text or line in the list that ffmpeg reads.
fn is_unsafe(c: char) -> bool {
    c.is_control() || c.is_whitespace() || "'\"\\".contains(c)
}

/// With `%XX` for all but letters and digits (RFC 3986, 2.1).
fn escaped(text: &str) -> String {
    text.bytes()
        .map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

/// With each `%XX` as what it stands for. Where that is not text, nothing was escaped.
fn unescaped(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&first, behind)) = rest.split_first() {
        let digits = behind.get(..2).filter(|_| first == b'%').and_then(|two| std::str::from_utf8(two).ok());
        let value = digits.filter(|two| two.bytes().all(|c| c.is_ascii_hexdigit()));
        if let Some(value) = value.and_then(|two| u8::from_str_radix(two, 16).ok()) {
            bytes.push(value);
            rest = &behind[2..];
        } else {
            bytes.push(first);
            rest = behind;
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> (Option<(String, String)>, String, String) {
        let address = Address::parse(text).expect(text);
        (address.login.map(|login| (login.user, login.password)), address.host, address.rest)
    }

    #[expect(clippy::unnecessary_wraps, reason = "the table below reads better so")]
    fn login(user: &str, password: &str) -> Option<(String, String)> {
        Some((user.to_owned(), password.to_owned()))
    }

    #[test]
    fn a_host_has_its_port_or_the_usual_one() {
        for (text, wanted) in [
            ("rtsps://door.invalid/1", ("door.invalid", 322)),
            ("rtsps://me:a:b@door.invalid:8322/1", ("door.invalid", 8322)),
            ("rtsps://[::1]/x", ("::1", 322)),
            ("rtsps://[::1]:8322/x", ("::1", 8322)),
        ] {
            assert_eq!(Address::parse(text).expect(text).host_and_port(322), wanted, "{text}");
        }
    }

    #[test]
    fn a_login_may_have_any_characters() {
        for (text, wanted, rest) in [
            ("rtsp://door.invalid/1", None, "/1"),
            ("rtsp://door.invalid/a@b", None, "/a@b"),
            ("rtsp://me:secret@door.invalid/1", login("me", "secret"), "/1"),
            ("rtsp://me:p@ss:w/o?r#d@door.invalid/1?a=b", login("me", "p@ss:w/o?r#d"), "/1?a=b"),
            ("rtsp://me:p%40%2Fs@door.invalid", login("me", "p@/s"), ""),
            ("rtsp://me:100%@door.invalid", login("me", "100%"), ""),
            ("rtsp://me:%ff@door.invalid", login("me", "%ff"), ""),
            ("rtsp://me@door.invalid", login("me", ""), ""),
            ("udp://@door.invalid", None, ""),
        ] {
            assert_eq!(parts(text), (wanted, "door.invalid".to_owned(), rest.to_owned()), "{text}");
        }
        assert_eq!(parts("srt://:9000?mode=listener").1, ":9000");
        assert_eq!(parts("rtsp://a:b@[::1]:554/x").1, "[::1]:554");
        for text in
            ["rtsp://", "rtsp:///path", "http://:80/", "http://a:b/", "http://door.invalid:99999/", "http://[x]/"]
        {
            assert!(Address::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn what_is_secret_is_not_shown() {
        for text in [
            "rtsp://me:secret@door.invalid/1",
            "http://door.invalid/video?pwd=secret",
            "rtsp://door.invalid/user=me_password=secret_channel=1",
            "http://door.invalid/#secret",
        ] {
            let address = Address::parse(text).expect(text);
            for shown in [format!("{address}"), format!("{address:?}")] {
                assert!(
                    !shown.contains("secret") && !shown.contains("me") && shown.contains("door.invalid"),
                    "{shown}"
                );
            }
        }
        assert_eq!(format!("{:?}", Login::new("me", "secret")), "Login");
        assert_eq!(Address::parse("RTSP://door.invalid:554/1").expect("read").to_string(), "rtsp://door.invalid:554/1");
    }

    #[test]
    fn ffmpeg_gets_all_of_it_escaped() {
        let secret = |text: &str, query: &str| Address::parse(text).expect(text).secret(query);
        assert_eq!(secret("rtsp://me:p@'s@door.invalid/1", "tcp"), "rtsp://me:p%40%27s@door.invalid/1?tcp");
        assert_eq!(secret("http://door.invalid/a'b?c=d", "e"), "http://door.invalid/a%27b?c=d&e");
        let address = Address::parse("rtsp://door.invalid").expect("read");
        let other = address.clone().with_login(Some(Login::new("a b", "c\n")));
        assert_eq!(other.secret(""), "rtsp://a%20b:c%0A@door.invalid");
        assert_eq!(other.clone().with_login(Some(Login::new("x", "y"))), other, "its own login stays");
        let user = Address::parse("rtsp://me@door.invalid").expect("read");
        assert_eq!(user.with_login(Some(Login::new("", "y"))).secret(""), "rtsp://me:y@door.invalid");
    }
}

//! The address of a server of the OpenAI chat API, as people write it: with or without `/v1`, with
//! it twice, with the path of one of its calls behind it. Connects to nothing.

use std::fmt;
use std::str::FromStr;

use reqwest::Url;

/// Paths of calls, which people copy along with the address.
const CALLS: [&str; 3] = ["/chat/completions", "/completions", "/models"];

/// Where a server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// Ends in `/v1/`, so that the name of a call can be joined to it.
    base: Url,
}

impl Address {
    /// The address of a call, such as `chat/completions`.
    #[must_use]
    pub fn of(&self, call: &str) -> Url {
        let mut url = self.base.clone();
        url.set_path(&format!("{}{call}", self.base.path()));
        url
    }

    /// Host and, if it was given, port: what people know the server by.
    #[must_use]
    pub fn host(&self) -> String {
        let host = self.base.host_str().unwrap_or_default();
        self.base.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.base.as_str().trim_end_matches('/'))
    }
}

/// Why a text can't be the address of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// It is not written as an address of the web.
    #[error("write the server's address, such as http://127.0.0.1:8000/v1")]
    NotAnAddress,
    /// It carries a name or password, which would show in lists of processes.
    #[error("leave name and password out of the address; give a key with --engine-key-file or SIGHTLINE_ENGINE_KEY")]
    Credentials,
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let mut base = Url::parse(text.trim()).map_err(|_| AddressError::NotAnAddress)?;
        if !matches!(base.scheme(), "http" | "https") || base.host_str().is_none_or(str::is_empty) {
            return Err(AddressError::NotAnAddress);
        }
        if !base.username().is_empty() || base.password().is_some() {
            return Err(AddressError::Credentials);
        }
        base.set_query(None);
        base.set_fragment(None);
        let mut path = base.path().trim_end_matches('/').to_owned();
        for call in CALLS {
            if let Some(before) = path.strip_suffix(call) {
                path = before.trim_end_matches('/').to_owned();
                break;
            }
        }
        while let Some(before) = path.strip_suffix("/v1") {
            path = before.trim_end_matches('/').to_owned();
        }
        base.set_path(&format!("{path}/v1/"));
        Ok(Self { base })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(text: &str) -> String {
        text.parse::<Address>().expect(text).of("chat/completions").to_string()
    }

    #[test]
    fn however_it_is_written_it_is_the_same_server() {
        for text in [
            "http://box.invalid:8000/v1",
            "http://box.invalid:8000",
            "http://box.invalid:8000/",
            " http://box.invalid:8000/v1/ ",
            "http://box.invalid:8000/v1/v1",
            "http://box.invalid:8000/v1/chat/completions",
            "http://box.invalid:8000/v1/models/",
            "HTTP://box.invalid:8000/v1?x=y#z",
        ] {
            assert_eq!(call(text), "http://box.invalid:8000/v1/chat/completions", "{text}");
        }
        assert_eq!(call("https://box.invalid/gpu/v1"), "https://box.invalid/gpu/v1/chat/completions");
        assert_eq!("http://[::1]:80/v1".parse::<Address>().expect("an address").host(), "[::1]");
        let address: Address = "http://box.invalid:8000".parse().expect("an address");
        assert_eq!(
            (address.host().as_str(), address.to_string().as_str()),
            ("box.invalid:8000", "http://box.invalid:8000/v1")
        );
    }

    #[test]
    fn what_is_none_is_refused_and_a_password_is_not_repeated() {
        for text in ["", "box:8000", "ftp://box.invalid/v1", "file:///v1", "http://", "//box.invalid"] {
            assert_eq!(text.parse::<Address>(), Err(AddressError::NotAnAddress), "{text}");
        }
        let error = "http://me:secret@box.invalid/v1".parse::<Address>().expect_err("refused");
        assert!(error == AddressError::Credentials && !error.to_string().contains("secret"));
    }
}

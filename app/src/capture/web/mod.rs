//! Pictures on the web: an address becomes bytes, within limits of size, time and place.
//!
//! An address that people paste may lead anywhere. So each hop of it is looked at before it is
//! followed: `http` or `https`, and every address of its host public; and the connection goes to
//! the very addresses that were looked at, so that a name which means something else a moment later
//! leads nowhere else. Knows no picture format.

mod public;

use std::fmt;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};
use std::time::Duration;

use futures_util::StreamExt as _;
use reqwest::header::LOCATION;
use reqwest::{Client, Response, StatusCode, Url, redirect};
use vlm::Cancel;

use crate::base::http::{USER_AGENT, Waiter, cause};
use crate::base::message::Message;
pub use crate::capture::web::public::is_public;

/// The most that a picture may have, in bytes: a photograph of 100 megapixels has about as many.
pub const MOST_BYTES: u64 = 32 << 20;
/// How often an address may lead to another one.
const MOST_REDIRECTS: usize = 5;
/// How long a host may take to accept a connection, and to say something.
const SILENCE: Duration = Duration::from_secs(10);
/// How long all of it may take.
const LONGEST: Duration = Duration::from_mins(1);

/// Why there is no picture. Displays as a sentence for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebError {
    address: String,
    why: Why,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Why {
    NotAnAddress,
    Scheme(String),
    Hidden(String),
    Redirects,
    TooLarge,
    TooSlow,
    Status(StatusCode),
    Unreachable(String),
    Cancelled,
}

impl WebError {
    /// The same for people.
    #[must_use]
    pub fn message(&self) -> Message {
        let address = &self.address;
        let (what, hint) = match &self.why {
            Why::NotAnAddress => (format!("The address {address} can't be read."), "Check how it is written."),
            Why::Scheme(scheme) => (
                format!("{address} leads to a `{scheme}:` address. Pictures are fetched by http and https only."),
                "Name a file by its path.",
            ),
            Why::Hidden(host) => (
                format!(
                    "{address} leads to {host}, on this machine or its own network. Pictures are fetched from public \
                     addresses only."
                ),
                "Save the picture and name its file.",
            ),
            Why::Redirects => {
                (format!("{address} leads from one address to the next without end."), "Use the picture's own address.")
            }
            Why::TooLarge => (
                format!("What {address} gives is larger than {} MB, or has no end.", MOST_BYTES >> 20),
                "Save a smaller picture and name its file.",
            ),
            Why::TooSlow => (format!("{address} takes too long."), "Try again, or save the picture and name its file."),
            Why::Status(status) => {
                (format!("There is no picture at {address} (HTTP {}).", status.as_u16()), "Check the address.")
            }
            Why::Unreachable(why) => {
                (format!("{address} can't be reached ({why})."), "Check the address and the network.")
            }
            Why::Cancelled => return Message::new(format!("{address} was not fetched.")),
        };
        Message::new(what).hint(hint)
    }
}

/// Both sentences of its message.
impl fmt::Display for WebError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.message().fmt(f)
    }
}

impl std::error::Error for WebError {}

/// Whether a text is written as an address on the web.
#[must_use]
pub fn is_address(text: &str) -> bool {
    let begins = |scheme: &str| text.get(..scheme.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(scheme));
    begins("http://") || begins("https://")
}

/// Fetches pictures.
#[derive(Clone, Copy, Debug)]
pub struct Fetcher {
    allows: fn(IpAddr) -> bool,
}

impl Default for Fetcher {
    /// From public addresses only.
    fn default() -> Self {
        Self { allows: is_public }
    }
}

impl Fetcher {
    /// From the addresses that `allows` says yes to, for tests with a server of their own.
    #[must_use]
    pub fn with_policy(allows: fn(IpAddr) -> bool) -> Self {
        Self { allows }
    }

    /// What is at an address. Blocks, a minute at most, or until `cancel` is raised.
    ///
    /// # Errors
    /// When it leads where it may not, there is nothing, too much of it, or it takes too long.
    pub fn fetch(&self, address: &str, cancel: &Cancel) -> Result<Vec<u8>, WebError> {
        let fetched = Waiter::new().map_err(|error| Why::Unreachable(error.to_string())).and_then(|waiter| {
            let work = in_time(LONGEST, self.follow(address));
            waiter.wait(cancel, work).unwrap_or(Err(Why::Cancelled))
        });
        fetched.map_err(|why| WebError { address: address.to_owned(), why })
    }

    async fn follow(&self, address: &str) -> Result<Vec<u8>, Why> {
        let mut url = Url::parse(address.trim()).map_err(|_| Why::NotAnAddress)?;
        for _ in 0..=MOST_REDIRECTS {
            let response = self.ask(&url).await?;
            let place = response.headers().get(LOCATION).filter(|_| response.status().is_redirection());
            match place {
                Some(place) => {
                    let place = place.to_str().map_err(|_| Why::NotAnAddress)?;
                    url = url.join(place).map_err(|_| Why::NotAnAddress)?;
                }
                None if response.status().is_success() => return read(response).await,
                None => return Err(Why::Status(response.status())),
            }
        }
        Err(Why::Redirects)
    }

    /// Asks one host, once it was looked at.
    async fn ask(&self, url: &Url) -> Result<Response, Why> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(Why::Scheme(url.scheme().to_owned()));
        }
        let host = url.host_str().ok_or(Why::NotAnAddress)?.to_owned();
        let addresses = self.resolve(url, &host).await?;
        // The environment's proxies would look the name up again, and their own addresses are
        // seldom public.
        let client = Client::builder().user_agent(USER_AGENT).no_proxy().redirect(redirect::Policy::none());
        let client = client.connect_timeout(SILENCE).read_timeout(SILENCE).resolve_to_addrs(&host, &addresses);
        let client = client.build().map_err(|error| unreachable(&error))?;
        client.get(url.clone()).send().await.map_err(|error| unreachable(&error))
    }

    /// The addresses of a host, if all of them may be connected to.
    async fn resolve(&self, url: &Url, host: &str) -> Result<Vec<SocketAddr>, Why> {
        let port = url.port_or_known_default().ok_or(Why::NotAnAddress)?;
        // An address of version 6 stands in brackets there.
        let bare = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let found = if let Ok(address) = bare.parse::<IpAddr>() {
            vec![SocketAddr::new(address, port)]
        } else {
            let looked_up = tokio::task::spawn_blocking(move || (bare.as_str(), port).to_socket_addrs());
            let found = looked_up.await.map_err(|error| Why::Unreachable(error.to_string()))?;
            found.map_err(|_| Why::Unreachable("no such host".to_owned()))?.collect()
        };
        match found.iter().find(|found| !(self.allows)(found.ip())) {
            Some(hidden) => {
                let ip = hidden.ip().to_string();
                let name = if host.contains(&ip) { host.to_owned() } else { format!("{host} ({ip})") };
                Err(Why::Hidden(name))
            }
            None => Ok(found),
        }
    }
}

async fn in_time<T>(longest: Duration, work: impl Future<Output = Result<T, Why>>) -> Result<T, Why> {
    tokio::time::timeout(longest, work).await.unwrap_or(Err(Why::TooSlow))
}

/// Reads what comes, as long as it is not too much.
async fn read(response: Response) -> Result<Vec<u8>, Why> {
    if response.content_length().is_some_and(|length| length > MOST_BYTES) {
        return Err(Why::TooLarge);
    }
    let mut stream = std::pin::pin!(response.bytes_stream());
    let mut content = Vec::new();
    while let Some(piece) = stream.next().await {
        content.extend_from_slice(&piece.map_err(|error| unreachable(&error))?);
        if content.len() as u64 > MOST_BYTES {
            return Err(Why::TooLarge);
        }
    }
    Ok(content)
}

fn unreachable(error: &reqwest::Error) -> Why {
    if error.is_timeout() {
        return Why::TooSlow;
    }
    Why::Unreachable(cause(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(address: &str) -> String {
        Fetcher::default().fetch(address, &Cancel::default()).expect_err(address).to_string()
    }

    #[test]
    fn what_is_not_public_is_not_asked() {
        for address in [
            "http://127.0.0.1:9/a.png",
            "http://localhost:9/a.png",
            "http://[::1]:9/",
            "http://2130706433/",
            "http://0x7f.1/",
            "https://127.0.0.2/latest",
            "http://[::ffff:127.0.0.1]/",
            "http://someone@127.1/",
        ] {
            let sentence = refused(address);
            assert!(sentence.contains("public addresses only"), "{sentence}");
        }
        assert!(refused("file:///etc/passwd").contains("`file:` address"));
        assert!(refused("http://").contains("can't be read"));
    }

    #[test]
    fn addresses_are_known_however_they_are_written() {
        assert!(is_address("HTTPS://example.org/a.png") && is_address("http://x"));
        for text in ["http.png", "httpß", "ftp://x", "", "https:/x"] {
            assert!(!is_address(text), "{text}");
        }
    }

    #[test]
    fn who_stops_it_is_told_so() {
        let cancel = Cancel::default();
        cancel.cancel();
        let error = Fetcher::default().fetch("http://nowhere.invalid/", &cancel).expect_err("stopped");
        assert_eq!(error.why, Why::Cancelled);
    }
}

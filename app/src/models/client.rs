//! The hub over HTTP: listings, and with the crate hf-hub the bytes of files, from plain storage or
//! Xet.
//!
//! What hf-hub 1.0 does not give is done here: a limit to how long a listing is, the hash and
//! length of a large file (its metadata request follows the redirect to where the bytes are, and
//! loses them), and an end within a tenth of a second when the user wants it. Keeps nothing on the
//! disk.

use std::fmt;
use std::fs::File;
use std::future::Future;
use std::io::Read as _;
use std::path::Path;
use std::time::Duration;

use futures_util::StreamExt as _;
use hf_hub::repository::RepoTypeModel;
use hf_hub::{HFClient, HFError, HFRepository};
use reqwest::header::{AUTHORIZATION, CONTENT_LENGTH, ETAG, HeaderMap, LOCATION, RETRY_AFTER};
use reqwest::{Client, Method, Response, StatusCode, Url, redirect};
use serde::Deserialize;
use vlm::Cancel;

use crate::base::http::{USER_AGENT, Waiter, cause};
use crate::models::error::DownloadError;
use crate::models::hub::{Hub, Listing, Piece, RemoteFile, Sink};

const PUBLIC: &str = "https://huggingface.co";
/// The file that stands for all of them while they are not listed yet.
const FIRST: &str = "config.json";
/// The branch that models are taken from.
const REVISION: &str = "main";
/// How long a hub may take to accept a connection.
const CONNECTING: Duration = Duration::from_secs(10);
/// How long a hub may be silent.
const SILENCE: Duration = Duration::from_secs(30);
/// How long the list of a model's files may take, and how long it may be, in bytes: real ones take
/// some thousand.
const LISTING: Duration = Duration::from_mins(1);
const LONGEST_LISTING: usize = 16 << 20;
/// What is read of the file that holds a token.
const LONGEST_TOKEN: u64 = 1 << 12;
/// How often a file may have moved within the hub: once for a model that was renamed.
const MOST_MOVES: usize = 5;
/// Headers of the hub, as `huggingface_hub` reads them.
const LINKED_SIZE: &str = "x-linked-size";
const LINKED_ETAG: &str = "x-linked-etag";

/// What the hub says of a model, as far as it is used.
#[derive(Deserialize)]
struct Told {
    sha: Option<String>,
    #[serde(default)]
    siblings: Vec<Sibling>,
}

#[derive(Deserialize)]
struct Sibling {
    rfilename: String,
}

/// See the module.
pub struct HubClient {
    endpoint: String,
    authorization: Option<String>,
    hub: HFClient,
    /// Follows no redirect.
    plain: Client,
    waiter: Waiter,
}

/// Whether the user wants no connections (`HF_HUB_OFFLINE` or `TRANSFORMERS_OFFLINE`, with the
/// values that Python takes).
pub fn is_offline() -> bool {
    ["HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"].into_iter().find_map(variable).is_some_and(|value| is_true(&value))
}

/// What `huggingface_hub` takes for true.
fn is_true(value: &str) -> bool {
    matches!(value.to_ascii_uppercase().as_str(), "1" | "ON" | "YES" | "TRUE")
}

impl HubClient {
    /// The hub of `HF_ENDPOINT`, as the owner of `HF_TOKEN` or of the token that Python keeps.
    ///
    /// # Errors
    /// When the endpoint is no address, or the system lets no connections be made.
    pub fn from_environment() -> Result<Self, DownloadError> {
        let endpoint = variable("HF_ENDPOINT").unwrap_or_else(|| PUBLIC.to_owned());
        Self::new(endpoint.trim_end_matches('/'), token())
    }

    fn new(endpoint: &str, token: Option<String>) -> Result<Self, DownloadError> {
        let odd = |why: &dyn fmt::Display| DownloadError::Odd { endpoint: endpoint.to_owned(), why: why.to_string() };
        let web = || Client::builder().user_agent(USER_AGENT).connect_timeout(CONNECTING).read_timeout(SILENCE);
        // Faults are dealt with here, where the user can be told of them.
        let builder = HFClient::builder().endpoint(endpoint).client(web().build().map_err(|e| odd(&e))?);
        let builder = builder.user_agent(USER_AGENT).cache_enabled(false).retry_max_attempts(0);
        let builder = match &token {
            Some(token) => builder.token(token),
            None => builder,
        };
        Ok(Self {
            endpoint: endpoint.to_owned(),
            authorization: token.map(|token| format!("Bearer {token}")),
            hub: builder.build().map_err(|e| odd(&e))?,
            plain: web().redirect(redirect::Policy::none()).build().map_err(|e| odd(&e))?,
            waiter: Waiter::new().map_err(|e| odd(&e))?,
        })
    }

    fn repository(&self, id: &str) -> HFRepository<RepoTypeModel> {
        let (owner, name) = hf_hub::split_id(id);
        self.hub.model(owner, name)
    }

    fn wait<T>(&self, cancel: &Cancel, work: impl Future<Output = T>) -> Result<T, DownloadError> {
        self.waiter.wait(cancel, work).ok_or(DownloadError::Cancelled)
    }

    /// Asks for what is at an address, wherever in the hub it moved to; not of where files' bytes
    /// are.
    async fn ask(&self, method: Method, address: &str, about: (&str, &str)) -> Result<Response, DownloadError> {
        let odd = |why: String| DownloadError::Odd { endpoint: self.endpoint.clone(), why };
        let mut url = Url::parse(address).map_err(|error| odd(error.to_string()))?;
        for _ in 0..=MOST_MOVES {
            let request = self.plain.request(method.clone(), url.clone());
            let request = match &self.authorization {
                Some(authorization) => request.header(AUTHORIZATION, authorization),
                None => request,
            };
            let response = request.send().await.map_err(|error| self.unreachable(about.0, about.1, &error))?;
            match text(response.headers(), LOCATION.as_str()).filter(|_| response.status().is_redirection()) {
                Some(place) if place.starts_with('/') && !place.starts_with("//") => {
                    url = url.join(place).map_err(|error| odd(error.to_string()))?;
                }
                _ => return Ok(response),
            }
        }
        Err(odd("it sends every request elsewhere".to_owned()))
    }

    /// The main revision of a model, as the hub describes it. An answer without end, or a very slow
    /// one, is given up.
    async fn told(&self, id: &str) -> Result<Told, DownloadError> {
        let odd = |why: &str| DownloadError::Odd { endpoint: self.endpoint.clone(), why: why.to_owned() };
        let address = format!("{}/api/models/{id}/revision/{REVISION}", self.endpoint);
        let mut response = self.ask(Method::GET, &address, (id, FIRST)).await?;
        if !response.status().is_success() {
            return Err(self.refused(id, None, response.status(), retry_after(response.headers())));
        }
        let mut body = Vec::new();
        while let Some(piece) = response.chunk().await.map_err(|error| self.unreachable(id, FIRST, &error))? {
            body.extend_from_slice(&piece);
            if body.len() > LONGEST_LISTING {
                return Err(odd("its list of files is too long"));
            }
        }
        serde_json::from_slice(&body).map_err(|error| odd(&error.to_string()))
    }

    fn unreachable(&self, id: &str, file: &str, error: &dyn std::error::Error) -> DownloadError {
        let (endpoint, id, file) = (self.endpoint.clone(), id.to_owned(), file.to_owned());
        DownloadError::Unreachable { endpoint, id, file, why: cause(error) }
    }

    fn refused(
        &self,
        id: &str,
        file: Option<&str>,
        status: StatusCode,
        retry_after: Option<Duration>,
    ) -> DownloadError {
        let (endpoint, id) = (self.endpoint.clone(), id.to_owned());
        match status.as_u16() {
            401 | 403 => DownloadError::Refused { endpoint, id },
            404 => DownloadError::Missing { endpoint, id, file: file.map(str::to_owned) },
            429 => DownloadError::Busy { endpoint, retry_after },
            500..=599 => {
                let file = file.unwrap_or(FIRST).to_owned();
                DownloadError::Unreachable { endpoint, id, file, why: format!("HTTP {status}") }
            }
            _ => DownloadError::Odd { endpoint, why: format!("HTTP {status}") },
        }
    }

    fn of_hub(&self, id: &str, file: Option<&str>, error: HFError) -> DownloadError {
        let refused = |status, after| self.refused(id, file, status, after);
        match error {
            HFError::AuthRequired { .. } => refused(StatusCode::UNAUTHORIZED, None),
            HFError::Forbidden { .. } => refused(StatusCode::FORBIDDEN, None),
            HFError::RepoNotFound { .. } | HFError::RevisionNotFound { .. } | HFError::EntryNotFound { .. } => {
                refused(StatusCode::NOT_FOUND, None)
            }
            HFError::RateLimited { retry_after, .. } => refused(StatusCode::TOO_MANY_REQUESTS, retry_after),
            HFError::Http { context } => refused(context.status, None),
            error @ (HFError::Request { .. } | HFError::Xet { .. }) => {
                self.unreachable(id, file.unwrap_or(FIRST), &error)
            }
            error => DownloadError::Odd { endpoint: self.endpoint.clone(), why: error.to_string() },
        }
    }
}

impl Hub for HubClient {
    fn endpoint(&self) -> &str {
        &self.endpoint
    }

    fn listing(&self, id: &str, cancel: &Cancel) -> Result<Listing, DownloadError> {
        let odd = |why: &str| DownloadError::Odd { endpoint: self.endpoint.clone(), why: why.to_owned() };
        let told = self.wait(cancel, async { tokio::time::timeout(LISTING, self.told(id)).await })?;
        let told = told.map_err(|_| odd("its list of files does not end"))??;
        let files = told.siblings.into_iter().map(|file| file.rfilename).collect();
        Ok(Listing { commit: told.sha.ok_or_else(|| odd("no revision"))?, files })
    }

    fn describe(&self, id: &str, commit: &str, file: &str, cancel: &Cancel) -> Result<RemoteFile, DownloadError> {
        let address = format!("{}/{id}/resolve/{commit}/{file}", self.endpoint);
        let response = self.wait(cancel, self.ask(Method::HEAD, &address, (id, file)))??;
        let (status, headers) = (response.status(), response.headers());
        if !status.is_success() && !status.is_redirection() {
            return Err(self.refused(id, Some(file), status, retry_after(headers)));
        }
        let of = |linked: &str, plain: &str| text(headers, linked).or_else(|| text(headers, plain));
        let size = of(LINKED_SIZE, CONTENT_LENGTH.as_str()).and_then(|size| size.parse().ok());
        let etag =
            of(LINKED_ETAG, ETAG.as_str()).map(|etag| etag.trim_start_matches("W/").trim_matches('"').to_owned());
        match (size, etag) {
            (Some(size), Some(etag)) => Ok(RemoteFile { name: file.to_owned(), size, etag }),
            _ => Err(DownloadError::Odd {
                endpoint: self.endpoint.clone(),
                why: format!("neither length nor hash of {file}"),
            }),
        }
    }

    fn fetch(&self, piece: &Piece<'_>, cancel: &Cancel, sink: &mut Sink<'_>) -> Result<(), DownloadError> {
        let Piece { id, commit, file, from } = *piece;
        let repository = self.repository(id);
        let request = repository.download_file_stream().filename(file.name.as_str()).revision(commit);
        let begun = request.maybe_range((from > 0).then_some(from..file.size)).send();
        let (_, mut stream) = self.wait(cancel, begun)?.map_err(|error| self.of_hub(id, Some(&file.name), error))?;
        let mut done = from;
        loop {
            match self.wait(cancel, stream.next())? {
                None => return Ok(()),
                Some(Ok(bytes)) => {
                    done += bytes.len() as u64;
                    sink(&bytes)?;
                }
                Some(Err(error)) => {
                    tracing::debug!(%error, file = file.name, done, "the transfer was cut");
                    return Err(DownloadError::Cut { file: file.name.clone(), tries: 1, done, size: file.size });
                }
            }
        }
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// When the hub may be asked again, in seconds from now.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    text(headers, RETRY_AFTER.as_str()).and_then(|secs| secs.trim().parse().ok()).map(Duration::from_secs)
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The user's token: `HF_TOKEN`, what that was called before, or what is in the file that Python
/// keeps it in. None with `HF_HUB_DISABLE_IMPLICIT_TOKEN`.
fn token() -> Option<String> {
    if variable("HF_HUB_DISABLE_IMPLICIT_TOKEN").is_some_and(|value| is_true(&value)) {
        return None;
    }
    let given = ["HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"].into_iter().find_map(variable);
    let path = || {
        let named = std::env::var_os("HF_TOKEN_PATH").filter(|path| !path.is_empty());
        named.map(|path| vlm::expand_path(&path)).or_else(|| Some(vlm::hub_home()?.join("token")))
    };
    clean(&given.or_else(|| kept_token(&path()?))?)
}

/// What a file holds that is no longer than a token.
fn kept_token(path: &Path) -> Option<String> {
    let mut token = String::new();
    path.is_file().then(|| File::open(path))?.ok()?.take(LONGEST_TOKEN).read_to_string(&mut token).ok()?;
    Some(token)
}

/// A token without what editors and shells leave around it; nothing when nothing is left, or what
/// could not be sent.
fn clean(token: &str) -> Option<String> {
    let token = token.replace(['\r', '\n'], "").trim().to_owned();
    let is_plain = token.bytes().all(|c| c.is_ascii_graphic());
    Some(token).filter(|token| !token.is_empty() && is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_those_that_python_takes_for_true() {
        assert!(["1", "on", "Yes", "TRUE"].into_iter().all(is_true));
        assert!(["", "0", "no", "False", "2", "y", " 1"].into_iter().all(|value| !is_true(value)));
    }

    #[test]
    fn a_token_is_read_as_it_was_kept() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), " hf_abc\r\n\n").expect("written");
        assert_eq!(clean(&kept_token(file.path()).expect("read")).as_deref(), Some("hf_abc"));
        assert_eq!((clean(" \n"), clean("hf_\u{fc}"), kept_token(Path::new("/"))), (None, None, None));
    }
}

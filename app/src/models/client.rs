//! The hub over HTTP, with the crate hf-hub: listings and the bytes of files, from plain storage or Xet.
//!
//! What hf-hub 1.0 does not give is done here: the hash and length of a large file (its metadata request follows the redirect to
//! where the bytes are, and loses them), and an end within a tenth of a second when the user wants it. Keeps nothing on the disk.

use std::fmt;
use std::future::Future;
use std::path::PathBuf;
use std::time::Duration;

use futures_util::StreamExt as _;
use hf_hub::repository::RepoTypeModel;
use hf_hub::{HFClient, HFError, HFRepository};
use reqwest::header::{AUTHORIZATION, CONTENT_LENGTH, ETAG, HeaderMap, LOCATION, RETRY_AFTER};
use reqwest::{Client, Response, StatusCode, Url, redirect};
use vlm::Cancel;

use crate::base::http::{USER_AGENT, Waiter, cause};
use crate::models::hub::{Fault, Hub, Listing, Piece, RemoteFile, Sink};

const PUBLIC: &str = "https://huggingface.co";
/// The file that stands for all of them while they are not listed yet.
const FIRST: &str = "config.json";
/// The branch that models are taken from.
const REVISION: &str = "main";
/// How long a hub may take to accept a connection.
const CONNECTING: Duration = Duration::from_secs(10);
/// How long a hub may be silent.
const SILENCE: Duration = Duration::from_secs(30);
/// How often a file may have moved within the hub: once for a model that was renamed.
const MOST_MOVES: usize = 5;
/// Headers of the hub, as `huggingface_hub` reads them.
const LINKED_SIZE: &str = "x-linked-size";
const LINKED_ETAG: &str = "x-linked-etag";

/// See the module.
pub struct HubClient {
    endpoint: String,
    authorization: Option<String>,
    hub: HFClient,
    /// Follows no redirect.
    plain: Client,
    waiter: Waiter,
}

/// Whether the user wants no connections (`HF_HUB_OFFLINE` or `TRANSFORMERS_OFFLINE`, with the values that Python takes).
pub fn is_offline() -> bool {
    ["HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"]
        .into_iter()
        .find_map(variable)
        .is_some_and(|value| matches!(value.to_ascii_uppercase().as_str(), "1" | "ON" | "YES" | "TRUE"))
}

impl HubClient {
    /// The hub of `HF_ENDPOINT`, as the owner of `HF_TOKEN` or of the token that Python keeps.
    ///
    /// # Errors
    /// When the endpoint is no address, or the system lets no connections be made.
    pub fn from_environment() -> Result<Self, Fault> {
        let endpoint = variable("HF_ENDPOINT").unwrap_or_else(|| PUBLIC.to_owned());
        Self::new(endpoint.trim_end_matches('/'), token())
    }

    fn new(endpoint: &str, token: Option<String>) -> Result<Self, Fault> {
        let odd = |why: &dyn fmt::Display| Fault::Odd { endpoint: endpoint.to_owned(), why: why.to_string() };
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

    fn wait<T>(&self, cancel: &Cancel, work: impl Future<Output = T>) -> Result<T, Fault> {
        self.waiter.wait(cancel, work).ok_or(Fault::Cancelled)
    }

    /// Asks for the headers of a file, wherever in the hub it is; not of where its bytes are.
    async fn head(&self, id: &str, commit: &str, file: &str) -> Result<Response, Fault> {
        let odd = |why: String| Fault::Odd { endpoint: self.endpoint.clone(), why };
        let address = format!("{}/{id}/resolve/{commit}/{file}", self.endpoint);
        let mut url = Url::parse(&address).map_err(|error| odd(error.to_string()))?;
        for _ in 0..=MOST_MOVES {
            let request = self.plain.head(url.clone());
            let request = match &self.authorization {
                Some(authorization) => request.header(AUTHORIZATION, authorization),
                None => request,
            };
            let response = request.send().await.map_err(|error| self.unreachable(id, file, &error))?;
            match text(response.headers(), LOCATION.as_str()).filter(|_| response.status().is_redirection()) {
                Some(place) if place.starts_with('/') && !place.starts_with("//") => {
                    url = url.join(place).map_err(|error| odd(error.to_string()))?;
                }
                _ => return Ok(response),
            }
        }
        Err(odd("it sends every request elsewhere".to_owned()))
    }

    fn unreachable(&self, id: &str, file: &str, error: &dyn std::error::Error) -> Fault {
        let (endpoint, id, file) = (self.endpoint.clone(), id.to_owned(), file.to_owned());
        Fault::Unreachable { endpoint, id, file, why: cause(error) }
    }

    fn refused(&self, id: &str, file: Option<&str>, status: StatusCode, retry_after: Option<Duration>) -> Fault {
        let (endpoint, id) = (self.endpoint.clone(), id.to_owned());
        match status.as_u16() {
            401 | 403 => Fault::Refused { endpoint, id },
            404 => Fault::Missing { endpoint, id, file: file.map(str::to_owned) },
            429 => Fault::Busy { endpoint, retry_after },
            500..=599 => {
                let file = file.unwrap_or(FIRST).to_owned();
                Fault::Unreachable { endpoint, id, file, why: format!("HTTP {status}") }
            }
            _ => Fault::Odd { endpoint, why: format!("HTTP {status}") },
        }
    }

    fn of_hub(&self, id: &str, file: Option<&str>, error: HFError) -> Fault {
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
            error => Fault::Odd { endpoint: self.endpoint.clone(), why: error.to_string() },
        }
    }
}

impl Hub for HubClient {
    fn endpoint(&self) -> &str {
        &self.endpoint
    }

    fn listing(&self, id: &str, cancel: &Cancel) -> Result<Listing, Fault> {
        let repository = self.repository(id);
        let told = self.wait(cancel, repository.info().revision(REVISION).send())?;
        let told = told.map_err(|error| self.of_hub(id, None, error))?;
        let files = told.siblings.unwrap_or_default().into_iter().map(|file| file.rfilename).collect();
        match told.sha {
            Some(commit) => Ok(Listing { commit, files }),
            None => Err(Fault::Odd { endpoint: self.endpoint.clone(), why: "no revision".to_owned() }),
        }
    }

    fn describe(&self, id: &str, commit: &str, file: &str, cancel: &Cancel) -> Result<RemoteFile, Fault> {
        let response = self.wait(cancel, self.head(id, commit, file))??;
        let (status, headers) = (response.status(), response.headers());
        if !status.is_success() && !status.is_redirection() {
            let retry_after = text(headers, RETRY_AFTER.as_str()).and_then(|secs| secs.trim().parse().ok());
            return Err(self.refused(id, Some(file), status, retry_after.map(Duration::from_secs)));
        }
        let of = |linked: &str, plain: &str| text(headers, linked).or_else(|| text(headers, plain));
        let size = of(LINKED_SIZE, CONTENT_LENGTH.as_str()).and_then(|size| size.parse().ok());
        let etag =
            of(LINKED_ETAG, ETAG.as_str()).map(|etag| etag.trim_start_matches("W/").trim_matches('"').to_owned());
        match (size, etag) {
            (Some(size), Some(etag)) => Ok(RemoteFile { name: file.to_owned(), size, etag }),
            _ => Err(Fault::Odd { endpoint: self.endpoint.clone(), why: format!("neither length nor hash of {file}") }),
        }
    }

    fn fetch(&self, piece: &Piece<'_>, cancel: &Cancel, sink: &mut Sink<'_>) -> Result<(), Fault> {
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
                    return Err(Fault::Cut { file: file.name.clone(), tries: 1, done, size: file.size });
                }
            }
        }
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The user's token: `HF_TOKEN`, or what is in the file that Python keeps it in. None with `HF_HUB_DISABLE_IMPLICIT_TOKEN`.
fn token() -> Option<String> {
    if variable("HF_HUB_DISABLE_IMPLICIT_TOKEN").is_some() {
        return None;
    }
    let kept = || {
        let path = variable("HF_TOKEN_PATH").map_or_else(|| hf_hub::hf_home().join("token"), PathBuf::from);
        std::fs::read_to_string(path).ok()
    };
    variable("HF_TOKEN").or_else(kept).map(|token| token.trim().to_owned()).filter(|token| !token.is_empty())
}

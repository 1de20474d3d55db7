//! The connection to a server: requests, streamed answers, time limits, and what a status means.
//! Knows no view and no picture.
//!
//! Nothing is unbounded: an answer that is longer than [`MOST_BYTES`] is cut off, redirects are not
//! followed (pictures go where the user said and nowhere else), and every wait has its limit.

use std::convert::Infallible;
use std::fs;
use std::time::Duration;

use eventsource_stream::{EventStreamError, Eventsource as _};
use futures_util::{Stream, StreamExt as _, stream};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use reqwest::{Certificate, RequestBuilder, Response, StatusCode, redirect};
use tokio::time::timeout;
use vlm::Cancel;

use crate::base::http::{USER_AGENT, Waiter, cause};
use crate::engine::remote::error::RemoteError;
use crate::engine::remote::options::RemoteOptions;
use crate::engine::remote::wire::{Chunk, Models, Request};

/// The longest answer that is read, in bytes: a thousand times what a caption takes.
const MOST_BYTES: usize = 4 << 20;
/// How long a connection gets to close once its answer is over or no longer wanted.
const CLOSING: Duration = Duration::from_millis(2);
/// The longest explanation of a failure that is read, in bytes.
const MOST_EXPLANATION: usize = 64 << 10;
/// The longest explanation that is shown, in characters.
const MOST_SHOWN: usize = 200;

/// A connection to a server, opened when it is first needed.
pub struct Client {
    http: reqwest::Client,
    waiter: Waiter,
    options: RemoteOptions,
}

impl Client {
    /// Makes ready; connects to nothing yet.
    ///
    /// # Errors
    /// [`RemoteError::Setup`] when the certificates can't be read or the system has no room.
    pub fn new(options: RemoteOptions) -> Result<Self, RemoteError> {
        let setup = |why: String| RemoteError::Setup(why.trim_end_matches('.').to_owned());
        let mut builder = reqwest::Client::builder()
            .user_agent(USER_AGENT)
            .redirect(redirect::Policy::none())
            // A connection that is kept is watched only while somebody waits, so that one which the
            // server has closed meanwhile would be written to.
            .pool_max_idle_per_host(0)
            .connect_timeout(options.patience.connect);
        if is_loopback(&options) {
            builder = builder.no_proxy();
        }
        if let Some(path) = &options.authority {
            let pem = fs::read(path).map_err(|error| setup(format!("{}: {error}", path.display())))?;
            let certificates = Certificate::from_pem_bundle(&pem).map_err(|error| setup(cause(&error)))?;
            if certificates.is_empty() {
                return Err(setup(format!("{} holds no certificate in PEM", path.display())));
            }
            for certificate in certificates {
                builder = builder.add_root_certificate(certificate);
            }
        }
        let http = builder.build().map_err(|error| setup(cause(&error)))?;
        let waiter = Waiter::new().map_err(|error| setup(error.to_string()))?;
        Ok(Self { http, waiter, options })
    }

    /// What people know the server by.
    pub fn host(&self) -> String {
        self.options.address.host()
    }

    /// How it is reached.
    pub fn options(&self) -> &RemoteOptions {
        &self.options
    }

    /// The ids of the server's models; `None` when `cancel` was raised first.
    ///
    /// # Errors
    /// When it can't be asked or gives something else.
    pub fn models(&self, cancel: &Cancel) -> Result<Option<Vec<String>>, RemoteError> {
        let work = async {
            let response = self.send(self.http.get(self.options.address.of("models")), "").await?;
            let body = self.body(response, MOST_BYTES).await?;
            let models: Models = serde_json::from_slice(&body).map_err(|_| self.unreadable(&body))?;
            Ok(models.data.into_iter().map(|model| model.id).collect())
        };
        self.waiter.wait(cancel, work).transpose()
    }

    /// Asks for a completion. `on_chunk` gets its chunks as they come and says whether to go on;
    /// when it does not, or `cancel` is raised, the connection is closed at once. `None` when
    /// `cancel` was raised first.
    ///
    /// # Errors
    /// What went wrong; chunks that came before it count for nothing.
    pub fn complete(
        &self,
        request: &Request<'_>,
        cancel: &Cancel,
        on_chunk: &mut dyn FnMut(Chunk) -> bool,
    ) -> Result<Option<()>, RemoteError> {
        let body = serde_json::to_vec(request).map_err(|error| RemoteError::Setup(error.to_string()))?;
        let work = async {
            let call = self.http.post(self.options.address.of("chat/completions"));
            let call = call.header(CONTENT_TYPE, "application/json").body(body);
            let response = self.send(call, request.model).await?;
            if is_stream(response.headers()) {
                return self.follow(response.bytes_stream(), on_chunk).await;
            }
            let body = self.body(response, MOST_BYTES).await?;
            on_chunk(self.chunk(&body)?);
            Ok(())
        };
        let done = self.waiter.wait(cancel, work);
        // The connection is a task of the runtime, which runs while somebody waits: until it has
        // seen that nobody reads any more, the server goes on writing.
        self.rest(CLOSING, &Cancel::default());
        done.transpose()
    }

    /// Waits for a while; `false` when `cancel` was raised first.
    pub fn rest(&self, wait: Duration, cancel: &Cancel) -> bool {
        self.waiter.wait(cancel, async { tokio::time::sleep(wait).await }).is_some()
    }

    async fn send(&self, call: RequestBuilder, model: &str) -> Result<Response, RemoteError> {
        let call = match &self.options.key {
            Some(key) => call.header(AUTHORIZATION, key.header()),
            None => call,
        };
        let first = self.options.patience.first;
        let response = timeout(first, call.send()).await.map_err(|_| self.silent(first))?;
        let response = response.map_err(|error| self.unreachable(&error))?;
        if response.status().is_success() {
            return Ok(response);
        }
        Err(self.refused(response, model).await)
    }

    /// Reads a whole stream of events that some server sent.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(&self, body: &[u8], on_chunk: &mut dyn FnMut(Chunk) -> bool) -> Result<(), RemoteError> {
        let pieces = stream::iter([Ok::<_, Infallible>(body)]);
        self.waiter.wait(&Cancel::default(), self.follow(pieces, on_chunk)).unwrap_or(Ok(()))
    }

    /// Reads a stream of events to its end.
    async fn follow<B: AsRef<[u8]>, E>(
        &self,
        bytes: impl Stream<Item = Result<B, E>>,
        on_chunk: &mut dyn FnMut(Chunk) -> bool,
    ) -> Result<(), RemoteError> {
        let mut events = std::pin::pin!(bounded(bytes).eventsource());
        let (mut has_begun, mut has_finished) = (false, false);
        loop {
            let patience = if has_begun { self.options.patience.silence } else { self.options.patience.first };
            let next = timeout(patience, events.next()).await.map_err(|_| self.silent(patience))?;
            let data = match next {
                Some(Ok(event)) => event.data,
                Some(Err(EventStreamError::Transport(Interrupted::TooLong))) => {
                    return Err(self.unreadable_because("it has no end"));
                }
                Some(Err(EventStreamError::Transport(Interrupted::Lost))) => return Err(self.cut()),
                Some(Err(_)) => return Err(self.unreadable_because("it is not text")),
                // Some servers end without the last mark.
                None if has_finished => return Ok(()),
                None => return Err(self.cut()),
            };
            if data.trim() == "[DONE]" {
                return Ok(());
            }
            let chunk = self.chunk(data.as_bytes())?;
            has_begun |= chunk.choices.iter().any(|choice| words_of(choice).is_some_and(|words| !words.is_empty()));
            has_finished |= chunk.choices.iter().any(|choice| choice.finish_reason.is_some());
            if !on_chunk(chunk) {
                return Ok(());
            }
        }
    }

    fn chunk(&self, body: &[u8]) -> Result<Chunk, RemoteError> {
        let chunk: Chunk = serde_json::from_slice(body).map_err(|_| self.unreadable(body))?;
        match &chunk.error {
            Some(error) => Err(RemoteError::Failed { host: self.host(), status: 200, why: explanation(error) }),
            None => Ok(chunk),
        }
    }

    /// All that a server answers, if it is not too much.
    async fn body(&self, response: Response, most: usize) -> Result<Vec<u8>, RemoteError> {
        let silence = self.options.patience.first;
        let mut stream = std::pin::pin!(response.bytes_stream());
        let mut body = Vec::new();
        while let Some(piece) = timeout(silence, stream.next()).await.map_err(|_| self.silent(silence))? {
            body.extend_from_slice(&piece.map_err(|_| self.cut())?);
            if body.len() > most {
                return Err(self.unreadable_because("it is too long"));
            }
        }
        Ok(body)
    }

    /// What a status that is not success means.
    async fn refused(&self, response: Response, model: &str) -> RemoteError {
        let (status, again_in) = (response.status(), retry_after(response.headers()));
        let body = self.body(response, MOST_EXPLANATION).await.unwrap_or_default();
        let why = serde_json::from_slice(&body).map_or_else(|_| String::new(), |body| explanation(&body));
        let (host, code) = (self.host(), status.as_u16());
        match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => RemoteError::Key { host, status: code },
            StatusCode::NOT_FOUND => RemoteError::Unknown { host, model: model.to_owned(), why },
            StatusCode::PAYLOAD_TOO_LARGE => RemoteError::TooLarge { host },
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
                RemoteError::Busy { host, status: code, again_in }
            }
            _ if status.is_server_error() => RemoteError::Failed { host, status: code, why },
            _ => RemoteError::Refused { host, status: code, why },
        }
    }

    fn unreachable(&self, error: &reqwest::Error) -> RemoteError {
        if error.is_timeout() {
            return self.silent(self.options.patience.connect);
        }
        let (host, why) = (self.host(), cause(error));
        // The library has no other way to tell.
        if why.contains("certificate") {
            return RemoteError::Untrusted { host, why };
        }
        RemoteError::Unreachable { host, why }
    }

    fn silent(&self, waited: Duration) -> RemoteError {
        RemoteError::Silent { host: self.host(), waited }
    }

    fn cut(&self) -> RemoteError {
        RemoteError::Cut { host: self.host() }
    }

    fn unreadable(&self, body: &[u8]) -> RemoteError {
        let is_page = body.trim_ascii_start().first() == Some(&b'<');
        self.unreadable_because(if is_page { "it is a web page" } else { "it is not what the API says" })
    }

    fn unreadable_because(&self, why: &str) -> RemoteError {
        RemoteError::Unreadable { host: self.host(), why: why.to_owned() }
    }
}

/// The words that a choice of a chunk brings.
pub fn words_of(choice: &crate::engine::remote::wire::Choice) -> Option<&str> {
    choice.delta.as_ref().or(choice.message.as_ref()).and_then(|words| words.content.as_deref())
}

/// Why a stream of bytes ended early.
#[derive(Debug)]
enum Interrupted {
    TooLong,
    Lost,
}

impl std::fmt::Display for Interrupted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::TooLong => "too long",
            Self::Lost => "lost",
        })
    }
}

impl std::error::Error for Interrupted {}

/// The stream as far as [`MOST_BYTES`].
fn bounded<B: AsRef<[u8]>, E>(stream: impl Stream<Item = Result<B, E>>) -> impl Stream<Item = Result<B, Interrupted>> {
    let mut left = MOST_BYTES;
    stream.map(move |piece| {
        let piece = piece.map_err(|_| Interrupted::Lost)?;
        left = left.checked_sub(piece.as_ref().len()).ok_or(Interrupted::TooLong)?;
        Ok(piece)
    })
}

fn is_stream(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    kind.is_some_and(|kind| kind.trim_start().to_ascii_lowercase().starts_with("text/event-stream"))
}

fn is_loopback(options: &RemoteOptions) -> bool {
    let host = options.address.of("").host_str().unwrap_or_default().to_owned();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare == "localhost" || bare.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// How long a server asks to be left alone, where it says so in seconds.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?;
    text.trim().parse().ok().map(Duration::from_secs)
}

/// What a failure says of itself, in whatever form.
fn explanation(body: &serde_json::Value) -> String {
    let inner = body.get("error").or_else(|| body.get("detail")).unwrap_or(body);
    let text = inner.get("message").unwrap_or(inner).as_str().unwrap_or_default();
    text.chars().take(MOST_SHOWN).collect::<String>().trim().trim_end_matches('.').to_owned()
}

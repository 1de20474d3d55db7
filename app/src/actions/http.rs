//! What webhooks and ntfy have in common: one request, its time limit, and what a status means.
//! Redirects are not followed: what is told goes where the user said and nowhere else.

use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{StatusCode, redirect};
use vlm::Cancel;

use crate::actions::address::Address;
use crate::actions::deliver::Undelivered;
use crate::actions::spec::Login;
use crate::base::http::{USER_AGENT, Waiter, cause};
use crate::base::message::Message;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// A server and how it is asked.
pub struct Http {
    client: reqwest::Client,
    waiter: Waiter,
    address: Address,
    headers: HeaderMap,
    limit: Duration,
}

impl Http {
    /// Makes ready; connects to nothing yet.
    ///
    /// # Errors
    /// When the secret can't be sent, or the system has no room.
    pub fn new(address: Address, login: Option<&Login>, limit: Duration) -> Result<Self, Message> {
        let refused = |why: String| Message::new(format!("{} can't be asked ({why}).", address.host()));
        let mut builder = reqwest::Client::builder()
            .user_agent(USER_AGENT)
            .redirect(redirect::Policy::none())
            // A connection that is kept is watched only while somebody waits.
            .pool_max_idle_per_host(0);
        if address.is_loopback() {
            builder = builder.no_proxy();
        }
        let client = builder.build().map_err(|error| refused(cause(&error)))?;
        let waiter = Waiter::new().map_err(|error| refused(error.to_string()))?;
        let mut headers = HeaderMap::new();
        if let Some(login) = login {
            let value = match login {
                Login::Token(token) => format!("Bearer {}", token.reveal()),
                Login::Password(user, password) => {
                    format!("Basic {}", STANDARD.encode(format!("{user}:{}", password.reveal())))
                }
            };
            let value = HeaderValue::from_str(&value);
            let mut value = value.map_err(|_| refused("its secret holds characters that can't be sent".to_owned()))?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        Ok(Self { client, waiter, address, headers, limit })
    }

    /// Sends a body with these header lines besides.
    ///
    /// # Errors
    /// What came of it.
    pub fn post(&self, headers: &HeaderMap, body: Vec<u8>, cancel: &Cancel) -> Result<(), Undelivered> {
        let call = self.client.post(self.address.url().clone()).timeout(self.limit);
        let call = call.headers(self.headers.clone()).headers(headers.clone()).body(body);
        let host = self.address.host();
        let response = match self.waiter.wait(cancel, async { call.send().await }) {
            None => return Err(Undelivered::Cancelled),
            Some(Ok(response)) => response,
            Some(Err(error)) => {
                let why = if error.is_timeout() {
                    format!("{host} did not answer within {} s.", self.limit.as_secs())
                } else {
                    // Its own words name the whole address.
                    format!("{host} can't be reached ({}).", cause(&error.without_url()))
                };
                return Err(Undelivered::later(Message::new(why).hint("Check the network; it is tried again.")));
            }
        };
        let status = response.status();
        if status.is_success() {
            return Ok(());
        }
        let message = Message::new(format!("{host} answered {status}."));
        let may_pass =
            matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS);
        if status.is_server_error() || may_pass {
            return Err(Undelivered::Later { message, after: after(response.headers()) });
        }
        Err(Undelivered::Never(match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => message.hint("Check its user, password or token."),
            StatusCode::NOT_FOUND => message.hint("Check its address."),
            _ if status.is_redirection() => message.hint("Use the address that it leads to."),
            _ => message,
        }))
    }
}

/// How long the server wants to be left alone.
fn after(headers: &HeaderMap) -> Option<Duration> {
    headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}

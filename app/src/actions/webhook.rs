//! Sends what happened to a web server, as JSON.

use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use vlm::Cancel;

use crate::actions::address::Address;
use crate::actions::command::json;
use crate::actions::deliver::{Deliver, Told, Undelivered};
use crate::actions::http::Http;
use crate::actions::spec::Login;
use crate::base::message::Message;

/// See the module.
pub struct Webhook {
    http: Http,
    headers: HeaderMap,
}

impl Webhook {
    /// Makes ready; connects to nothing yet.
    ///
    /// # Errors
    /// When a header line can't be sent.
    pub fn new(
        address: Address,
        headers: &[(String, String)],
        login: Option<&Login>,
        limit: Duration,
    ) -> Result<Self, Message> {
        let mut lines = HeaderMap::new();
        lines.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        for (name, value) in headers {
            let line = name.parse::<HeaderName>().ok().zip(HeaderValue::from_str(value).ok());
            let (name, value) =
                line.ok_or_else(|| Message::new(format!("`{name}` is not a header line that can be sent.")))?;
            lines.insert(name, value);
        }
        Ok(Self { http: Http::new(address, login, limit)?, headers: lines })
    }
}

impl Deliver for Webhook {
    fn deliver(&mut self, told: Told<'_>, cancel: &Cancel) -> Result<(), Undelivered> {
        self.http.post(&self.headers, json(told), cancel)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actions::secret::Secret;
    use crate::testing::actions::{WebServer, began};

    const LONG: Duration = Duration::from_mins(1);

    fn deliver(server: &WebServer, login: Option<&Login>, limit: Duration) -> Result<(), Undelivered> {
        let address = server.url().parse().expect("an address");
        let headers = [("X-Place".to_owned(), "porch".to_owned())];
        let mut webhook = Webhook::new(address, &headers, login, limit).expect("ready");
        webhook.deliver(Told { occurrence: &began("parcel", "door"), picture: None }, &Cancel::default())
    }

    #[test]
    fn the_server_gets_json_its_header_lines_and_who_asks() {
        let server = WebServer::new([]);
        deliver(&server, Some(&Login::Password("me".to_owned(), Secret::new("word".to_owned()))), LONG).expect("sent");
        deliver(&server, Some(&Login::Token(Secret::new("key".to_owned()))), LONG).expect("sent");
        let asked = server.asked();
        let json: serde_json::Value = serde_json::from_slice(&asked[0].body).expect("JSON");
        assert_eq!((&json["kind"], &json["rule"]["name"]), (&"begin".into(), &"parcel".into()));
        assert_eq!(asked[0].header("authorization"), Some("Basic bWU6d29yZA=="));
        assert_eq!(asked[1].header("authorization"), Some("Bearer key"));
        assert_eq!(asked[0].header("x-place"), Some("porch"));
        assert_eq!(asked[0].header("content-type"), Some("application/json"));
    }

    #[test]
    fn what_may_pass_is_tried_again_and_what_may_not_is_given_up() {
        let server = WebServer::new([
            (503, "Retry-After: 7\r\n"),
            (429, ""),
            (401, ""),
            (302, "Location: http://elsewhere.invalid/\r\n"),
        ]);
        let told = || deliver(&server, None, LONG).expect_err("refused");
        assert!(matches!(told(), Undelivered::Later { after: Some(after), .. } if after == Duration::from_secs(7)));
        assert!(matches!(told(), Undelivered::Later { after: None, .. }));
        for hint in ["password", "leads to"] {
            let Undelivered::Never(message) = told() else { panic!("{hint}") };
            assert!(message.advice().is_some_and(|advice| advice.contains(hint)), "{message}");
        }
    }

    #[test]
    fn a_server_that_hangs_or_is_away_is_told_without_the_path_of_its_address() {
        let server = WebServer::new([WebServer::SILENT]);
        let hanging = deliver(&server, None, Duration::from_millis(50)).expect_err("it hangs");
        let gone = server.url();
        drop(server);
        let mut webhook = Webhook::new(gone.parse().expect("an address"), &[], None, LONG).expect("ready");
        let away = webhook.deliver(Told { occurrence: &began("a", "b"), picture: None }, &Cancel::default());
        for (told, said) in [(hanging, "did not answer within"), (away.expect_err("away"), "can't be reached")] {
            let Undelivered::Later { message, .. } = told else { panic!("{told:?}") };
            assert!(message.what().contains(said) && !message.to_string().contains("secret"), "{message}");
        }
    }

    #[test]
    fn a_header_line_that_can_not_be_sent_is_refused() {
        let headers = [("X Place".to_owned(), "porch".to_owned())];
        let address = "http://127.0.0.1:9/".parse().expect("an address");
        assert!(Webhook::new(address, &headers, None, LONG).is_err());
    }
}

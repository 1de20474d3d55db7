//! Publishes what happened to a topic of an ntfy server (<https://docs.ntfy.sh/publish/>), which
//! shows it on telephones. With a picture, that is the body, and the words are a header line.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{HeaderMap, HeaderValue};
use vlm::Cancel;

use crate::actions::address::Address;
use crate::actions::deliver::{Deliver, Told, Undelivered};
use crate::actions::http::Http;
use crate::actions::occurrence::Kind;
use crate::actions::spec::Login;
use crate::base::message::Message;
use crate::base::text;

/// How urgent words are that follow an alert, and its end: they make no sound.
const QUIET: u8 = 2;
/// The longest message, in bytes: what is longer a server takes for a file.
const LONGEST: usize = 4096;

/// See the module.
pub struct Ntfy {
    http: Http,
    priority: Option<u8>,
    tags: String,
}

impl Ntfy {
    /// Makes ready; connects to nothing yet.
    ///
    /// # Errors
    /// When the system has no room.
    pub fn new(
        address: Address,
        priority: Option<u8>,
        tags: &[String],
        login: Option<&Login>,
        limit: Duration,
    ) -> Result<Self, Message> {
        Ok(Self { http: Http::new(address, login, limit)?, priority, tags: tags.join(",") })
    }
}

impl Deliver for Ntfy {
    fn deliver(&mut self, told: Told<'_>, cancel: &Cancel) -> Result<(), Undelivered> {
        let occurrence = told.occurrence;
        let mut headers = HeaderMap::new();
        headers.insert("title", line(occurrence.title()));
        let priority = match occurrence.kind {
            Kind::Words | Kind::End => Some(self.priority.map_or(QUIET, |priority| priority.min(QUIET))),
            _ => self.priority,
        };
        if let Some(priority) = priority {
            headers.insert("priority", HeaderValue::from(u16::from(priority)));
        }
        if !self.tags.is_empty() {
            headers.insert("tags", line(&self.tags));
        }
        let mut body = occurrence.body();
        body.truncate(body.floor_char_boundary(LONGEST));
        let body = match told.picture {
            Some(picture) => {
                headers.insert("message", line(&body));
                headers.insert("filename", HeaderValue::from_static("sightline.jpg"));
                picture.to_vec()
            }
            None => body.into_bytes(),
        };
        self.http.post(&headers, body, cancel)
    }
}

/// A text as a header line: what is more than ASCII as RFC 2047 has it, which ntfy reads.
fn line(text: &str) -> HeaderValue {
    let text = text::one_line(text);
    let plain = text.bytes().all(|byte| (b' '..=b'~').contains(&byte)).then(|| HeaderValue::from_str(&text).ok());
    plain.flatten().unwrap_or_else(|| {
        // Letters of base 64 alone.
        let encoded = format!("=?UTF-8?B?{}?=", STANDARD.encode(&text));
        HeaderValue::from_str(&encoded).unwrap_or(HeaderValue::from_static("Sightline"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actions::occurrence::Occurrence;
    use crate::testing::actions::{WebServer, began, caption};

    fn ntfy(server: &WebServer) -> Ntfy {
        let address = server.url().parse().expect("an address");
        let tags = ["door".to_owned(), "Tür".to_owned()];
        Ntfy::new(address, Some(4), &tags, None, Duration::from_mins(1)).expect("ready")
    }

    #[test]
    fn an_alert_is_urgent_and_its_words_are_quiet() {
        let server = WebServer::new([]);
        let mut ntfy = ntfy(&server);
        let alert = began("parcel", "door");
        let words = Occurrence { kind: Kind::Words, text: Some("Ein Päckchen.".to_owned()), ..alert.clone() };
        for occurrence in [&alert, &words] {
            ntfy.deliver(Told { occurrence, picture: None }, &Cancel::default()).expect("sent");
        }
        let asked = server.asked();
        assert_eq!(String::from_utf8_lossy(&asked[0].body), "It began at door (92 %).");
        assert_eq!(String::from_utf8_lossy(&asked[1].body), "Ein Päckchen.");
        assert_eq!(asked[0].header("title"), Some("parcel"));
        assert_eq!(asked[0].header("tags"), Some("=?UTF-8?B?ZG9vcixUw7xy?="));
        assert_eq!((asked[0].header("priority"), asked[1].header("priority")), (Some("4"), Some("2")));
    }

    #[test]
    fn a_picture_is_the_body_and_the_words_a_line_of_the_header() {
        let server = WebServer::new([]);
        let told = Told { occurrence: &caption("door", "A \"cup\"\nof tea."), picture: Some(b"jpeg") };
        ntfy(&server).deliver(told, &Cancel::default()).expect("sent");
        let asked = server.asked();
        assert_eq!((asked[0].body.as_slice(), asked[0].header("filename")), (&b"jpeg"[..], Some("sightline.jpg")));
        assert_eq!(asked[0].header("message"), Some("A \"cup\" of tea."));
    }
}

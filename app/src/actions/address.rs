//! Where servers and brokers are. Paths and queries of web addresses are secrets more often than
//! not, so that only hosts are ever shown.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use reqwest::Url;

use crate::base::text;

/// The port of MQTT without encryption.
const MQTT_PORT: u16 = 1883;

/// The address of a web server, with its path.
#[derive(Clone, PartialEq, Eq)]
pub struct Address(Url);

impl Address {
    /// The whole of it, for whom it is meant.
    #[must_use]
    pub fn url(&self) -> &Url {
        &self.0
    }

    /// What people know the server by.
    #[must_use]
    pub fn host(&self) -> String {
        let host = self.0.host_str().unwrap_or_default();
        self.0.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
    }

    /// Whether it is this machine.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        let host = self.0.host_str().unwrap_or_default();
        let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        host == "localhost" || address.is_ok_and(|address| address.is_loopback())
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/***", self.host())
    }
}

impl FromStr for Address {
    type Err = String;

    /// What is wrong quotes nothing of it.
    fn from_str(text: &str) -> Result<Self, String> {
        let url = Url::parse(text.trim()).ok();
        let url = url.filter(|url| matches!(url.scheme(), "http" | "https") && url.host_str().is_some());
        let url = url.ok_or("its address has to begin with http:// or https:// and a host")?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err("a password does not belong in the address; use user and password_file".to_owned());
        }
        Ok(Self(url))
    }
}

/// Where an MQTT broker is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broker {
    /// Its name or number.
    pub host: String,
    /// Its port.
    pub port: u16,
}

impl Broker {
    /// What people know it by.
    #[must_use]
    pub fn host(&self) -> String {
        let host = text::one_line(&self.host);
        if self.port == MQTT_PORT { host } else { format!("{host}:{}", self.port) }
    }
}

impl FromStr for Broker {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text.starts_with("mqtts://") || text.starts_with("ssl://") {
            return Err("this program speaks MQTT without encryption only; \
                        use mqtt:// within your own network, or a broker on this machine that passes it on"
                .to_owned());
        }
        let unknown = || "mqtt has to be a broker such as mqtt://broker.lan or mqtt://192.168.1.5:1883".to_owned();
        let url = Url::parse(text).map_err(|_| unknown())?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err("a password does not belong in the address; use user and password_file".to_owned());
        }
        let host = url.host_str().filter(|host| url.scheme() == "mqtt" && !host.is_empty()).ok_or_else(unknown)?;
        if !matches!(url.path(), "" | "/") || url.query().is_some() {
            return Err(unknown());
        }
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        Ok(Self { host, port: url.port().unwrap_or(MQTT_PORT) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_host_of_an_address_is_ever_shown() {
        let address: Address = "https://hooks.example.invalid:8443/T0/secret?key=1".parse().expect("an address");
        assert_eq!(address.host(), "hooks.example.invalid:8443");
        assert!(!format!("{address:?}").contains("secret"));
        for text in ["ftp://a/b", "hooks.example.invalid/secret", "https://me:secret@a.invalid/"] {
            let why = text.parse::<Address>().expect_err(text);
            assert!(!why.contains("secret"), "{why}");
        }
        for (text, is_loopback) in
            [("http://[::1]:1/", true), ("http://localhost/", true), ("http://a.invalid/", false)]
        {
            assert_eq!(text.parse::<Address>().expect(text).is_loopback(), is_loopback, "{text}");
        }
    }

    #[test]
    fn a_broker_is_a_host_and_a_port() {
        let broker = |text: &str| text.parse::<Broker>();
        assert_eq!(broker("mqtt://broker.lan"), Ok(Broker { host: "broker.lan".to_owned(), port: 1883 }));
        assert_eq!(broker("mqtt://[::1]:1884/"), Ok(Broker { host: "::1".to_owned(), port: 1884 }));
        assert_eq!(broker("mqtt://a.lan:1884").expect("a broker").host(), "a.lan:1884");
        for (text, said) in [
            ("mqtts://broker.lan", "without encryption"),
            ("broker.lan", "has to be a broker"),
            ("mqtt://", "has to be a broker"),
            ("mqtt://broker.lan/topic", "has to be a broker"),
            ("mqtt://me:word@broker.lan", "password"),
        ] {
            let why = broker(text).expect_err(text);
            assert!(why.contains(said) && !why.contains("word@"), "{text}: {why}");
        }
    }
}

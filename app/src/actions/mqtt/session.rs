//! One connection to a broker, from its greeting to its end: it is never mended, but made anew.
//! Knows no topic.
//!
//! The connection lives on a thread of its own, which answers the broker's questions whether or not
//! there is anything to publish. What is published counts when the broker has confirmed it.

use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use rumqttc::{Client, Connection, Event, LastWill, MqttOptions, NetworkOptions, Outgoing, Packet, QoS};
use vlm::Cancel;

use crate::base::thread::Thread;
use crate::base::{http, text};

/// How often whoever waits looks at the flag.
const LOOK_UP: Duration = Duration::from_millis(100);
/// What the broker takes for the end when it hears nothing for half as long again.
const KEEP_ALIVE: Duration = Duration::from_secs(30);
/// The largest packet that is sent, in bytes: a picture.
const LARGEST_OUT: usize = 8 << 20;
/// The largest that is received: nothing but confirmations is expected.
const LARGEST_IN: usize = 64 << 10;
/// Messages that wait for the connection.
const REQUESTS: usize = 1024;
/// Events that wait to be looked at.
const EVENTS: usize = 64;
/// How long the thread has to end after a goodbye.
const PATIENCE: Duration = Duration::from_secs(1);

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publication {
    pub topic: String,
    pub payload: Vec<u8>,
    /// Whether the broker keeps it for those who come later.
    pub retain: bool,
}

/// How a broker is greeted.
#[derive(Clone, Debug)]
pub struct Greeting {
    pub client_id: String,
    pub host: String,
    pub port: u16,
    pub login: Option<(String, String)>,
    /// What the broker publishes when the connection breaks.
    pub will: Option<Publication>,
}

/// What happened on the connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionEvent {
    /// The broker has greeted back.
    Connected,
    /// The broker has confirmed a message.
    Confirmed,
    /// The connection is gone, and why.
    Lost(String),
}

/// Why something was not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionError {
    /// The connection is gone, or the broker took too long.
    Lost(String),
    /// `cancel` was raised first.
    Cancelled,
}

/// See the module.
pub struct Session {
    client: Client,
    events: Receiver<SessionEvent>,
    thread: Thread,
}

impl Session {
    /// Connects, and waits until the broker has greeted back.
    ///
    /// # Errors
    /// When it has not within `limit`.
    pub fn open(greeting: Greeting, limit: Duration, cancel: &Cancel) -> Result<Self, SessionError> {
        let mut options = MqttOptions::new(greeting.client_id, greeting.host, greeting.port);
        options.set_keep_alive(KEEP_ALIVE).set_max_packet_size(LARGEST_IN, LARGEST_OUT);
        if let Some(Publication { topic, payload, retain }) = greeting.will {
            options.set_last_will(LastWill::new(topic, payload, QoS::AtLeastOnce, retain));
        }
        if let Some((user, password)) = greeting.login {
            options.set_credentials(user, password);
        }
        let (client, mut connection) = Client::new(options, REQUESTS);
        let mut network = NetworkOptions::new();
        network.set_connection_timeout(limit.as_secs().max(1));
        connection.eventloop.set_network_options(network);
        let (sender, events) = bounded(EVENTS);
        let thread = Thread::start("mqtt", move || follow(connection, &sender))
            .map_err(|error| SessionError::Lost(format!("no thread: {error}")))?;
        let session = Self { client, events, thread };
        session.wait_for(&SessionEvent::Connected, 1, limit, cancel)?;
        Ok(session)
    }

    /// Publishes messages, and waits until the broker has confirmed all of them.
    ///
    /// # Errors
    /// When it has not within `limit`. Some may have been published all the same; the session is of
    /// no more use then.
    pub fn publish(&self, messages: Vec<Publication>, limit: Duration, cancel: &Cancel) -> Result<(), SessionError> {
        let count = messages.len();
        for Publication { topic, payload, retain } in messages {
            let sent = self.client.try_publish(topic, QoS::AtLeastOnce, retain, payload);
            if let Err(error) = sent {
                tracing::debug!(%error, "not published");
                // Why the connection is gone is among its events.
                return self.wait_for(&SessionEvent::Connected, 1, limit, cancel);
            }
        }
        self.wait_for(&SessionEvent::Confirmed, count, limit, cancel)
    }

    /// What happens on the connection.
    pub fn events(&self) -> &Receiver<SessionEvent> {
        &self.events
    }

    /// Says goodbye: the broker publishes no will then.
    pub fn close(mut self) {
        if self.client.try_disconnect().is_ok() {
            self.thread.join_until(Instant::now() + PATIENCE);
        }
    }

    fn wait_for(
        &self,
        wanted: &SessionEvent,
        count: usize,
        limit: Duration,
        cancel: &Cancel,
    ) -> Result<(), SessionError> {
        let deadline = Instant::now() + limit;
        let mut seen = 0;
        while seen < count {
            match self.events.recv_deadline(deadline.min(Instant::now() + LOOK_UP)) {
                Ok(SessionEvent::Lost(why)) => return Err(SessionError::Lost(why)),
                Ok(event) => seen += usize::from(event == *wanted),
                Err(RecvTimeoutError::Disconnected) => return Err(SessionError::Lost("it is closed".to_owned())),
                Err(RecvTimeoutError::Timeout) if cancel.is_cancelled() => return Err(SessionError::Cancelled),
                Err(RecvTimeoutError::Timeout) if Instant::now() >= deadline => {
                    return Err(SessionError::Lost(format!("no answer within {} s", limit.as_secs())));
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
        Ok(())
    }
}

/// Keeps a connection until it breaks, the goodbye is said, or nobody listens any more.
fn follow(mut connection: Connection, events: &Sender<SessionEvent>) {
    for event in connection.iter() {
        let told = match event {
            Ok(Event::Incoming(Packet::ConnAck(_))) => events.send(SessionEvent::Connected),
            Ok(Event::Incoming(Packet::PubAck(_))) => events.send(SessionEvent::Confirmed),
            Ok(Event::Outgoing(Outgoing::Disconnect)) => return,
            Ok(_) => Ok(()),
            Err(error) => {
                let _ = events.send(SessionEvent::Lost(cause(&error)));
                return;
            }
        };
        if told.is_err() {
            return;
        }
    }
}

/// What went wrong, in words that help.
fn cause(error: &rumqttc::ConnectionError) -> String {
    use rumqttc::{ConnectReturnCode, ConnectionError};
    match error {
        ConnectionError::ConnectionRefused(code) => match code {
            ConnectReturnCode::BadUserNamePassword | ConnectReturnCode::NotAuthorized => {
                "it does not take this user and password".to_owned()
            }
            ConnectReturnCode::ServiceUnavailable => "it is not available".to_owned(),
            _ => "it refuses the connection".to_owned(),
        },
        ConnectionError::NetworkTimeout | ConnectionError::FlushTimeout => "it does not answer".to_owned(),
        other => text::without_number(&http::cause(other)).to_owned(),
    }
}

//! Publishes what happens to an MQTT broker, and keeps a connection to it from the start: by it
//! others know whether this program is there.

mod session;
#[cfg(test)]
mod tests;
mod topics;

use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvError, select};
use vlm::Cancel;

use crate::actions::address::Broker;
use crate::actions::announced::Announced;
use crate::actions::deliver::{Deliver, Told, Undelivered, Waited};
use crate::actions::mqtt::session::{Greeting, Publication, Session, SessionError, SessionEvent};
use crate::actions::mqtt::topics::Topics;
use crate::actions::secret::Secret;
use crate::base::backoff::Backoff;
use crate::base::message::Message;

/// How often whoever waits looks at the flag.
const LOOK_UP: Duration = Duration::from_millis(100);
/// The longest wait before the broker is tried again.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// How long the goodbye may take.
const PATIENCE: Duration = Duration::from_secs(1);

/// See the module.
pub struct Mqtt {
    broker: Broker,
    login: Option<(String, Secret)>,
    node: String,
    topics: Topics,
    limit: Duration,
    session: Option<Session>,
    backoff: Backoff,
    due: Option<Instant>,
}

/// What an MQTT action needs to know.
pub struct MqttOptions {
    pub broker: Broker,
    pub login: Option<(String, Secret)>,
    pub discovery: Option<String>,
    pub node: String,
    pub picture: bool,
    pub limit: Duration,
}

impl Mqtt {
    /// Connects to nothing yet.
    /// Without anything announced it says neither what there is nor that it is there.
    pub fn new(options: MqttOptions, announced: Option<Announced>) -> Self {
        let MqttOptions { broker, login, discovery, node, picture, limit } = options;
        let topics = Topics::new(&node, discovery, picture, announced);
        let backoff = Backoff::up_to(LONGEST_WAIT);
        Self { broker, login, node, topics, limit, session: None, backoff, due: None }
    }

    /// Connects, and says what there is.
    fn connect(&mut self, cancel: &Cancel) -> Result<(), Undelivered> {
        let greeting = Greeting {
            // Two with the same id would throw each other out.
            client_id: format!("sightline-{}-{}", self.node, std::process::id()),
            host: self.broker.host.clone(),
            port: self.broker.port,
            login: self.login.as_ref().map(|(user, password)| (user.clone(), password.reveal().to_owned())),
            will: self.topics.will(),
        };
        let session = Session::open(greeting, self.limit, cancel).map_err(|error| self.failed(error))?;
        self.session = Some(session);
        self.publish(self.topics.greeting(), cancel)?;
        self.backoff.reset();
        self.due = None;
        Ok(())
    }

    fn publish(&mut self, messages: Vec<Publication>, cancel: &Cancel) -> Result<(), Undelivered> {
        let Some(session) = &self.session else { return Ok(()) };
        match session.publish(messages.clone(), self.limit, cancel) {
            Ok(()) => {
                self.topics.were_published(messages);
                Ok(())
            }
            Err(error) => {
                self.session = None;
                Err(self.failed(error))
            }
        }
    }

    fn failed(&mut self, error: SessionError) -> Undelivered {
        self.due = Some(Instant::now() + self.backoff.next());
        match error {
            SessionError::Cancelled => Undelivered::Cancelled,
            SessionError::Lost(why) => Undelivered::later(self.away(&why)),
        }
    }

    fn away(&self, why: &str) -> Message {
        let why = why.trim_end_matches('.');
        Message::new(format!("The MQTT broker {} can't be reached ({why}).", self.broker.host()))
            .hint("Check that it runs, and its address; it is tried again.")
    }
}

impl Deliver for Mqtt {
    fn deliver(&mut self, told: Told<'_>, cancel: &Cancel) -> Result<(), Undelivered> {
        if self.session.is_none() {
            self.connect(cancel)?;
        }
        self.publish(self.topics.of(told), cancel)
    }

    fn wait(&mut self, bell: &Receiver<()>, until: Option<Instant>, cancel: &Cancel) -> Waited {
        loop {
            let now = Instant::now();
            if cancel.is_cancelled() || until.is_some_and(|until| until <= now) {
                return Waited::Over;
            }
            let Some(session) = &self.session else {
                if self.due.is_none_or(|due| due <= now) {
                    return match self.connect(cancel) {
                        Ok(()) => Waited::Recovered,
                        Err(Undelivered::Later { message, .. } | Undelivered::Never(message)) => {
                            Waited::Trouble(message)
                        }
                        Err(Undelivered::Cancelled) => Waited::Over,
                    };
                }
                let wait = self.due.into_iter().chain(until).min().map_or(LOOK_UP, |at| (at - now).min(LOOK_UP));
                if bell.recv_timeout(wait).is_ok() {
                    return Waited::Over;
                }
                continue;
            };
            let wait = until.map_or(LOOK_UP, |until| (until - now).min(LOOK_UP));
            select! {
                recv(bell) -> _ => return Waited::Over,
                recv(session.events()) -> event => match event {
                    Ok(SessionEvent::Connected | SessionEvent::Confirmed) => {}
                    Ok(SessionEvent::Lost(why)) => return self.lost(&why),
                    Err(RecvError) => return self.lost("it is closed"),
                },
                default(wait) => {}
            }
        }
    }

    fn end(&mut self) {
        let offline = self.topics.will();
        if let Some(session) = self.session.take() {
            if let Some(offline) = offline
                && let Err(error) = session.publish(vec![offline], PATIENCE, &Cancel::default())
            {
                tracing::debug!(?error, "the broker was not told of the end");
            }
            session.close();
        }
    }
}

impl Mqtt {
    fn lost(&mut self, why: &str) -> Waited {
        self.session = None;
        self.due = Some(Instant::now() + self.backoff.next());
        Waited::Trouble(self.away(why))
    }
}

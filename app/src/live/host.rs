//! Owns the engine: opens it, catches its panics, and says when to open it again. Knows no frame
//! and no event.

use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::base::backoff::Backoff;
use crate::base::message::Message;
use crate::base::panic::panic_message;
use crate::engine::{Engine, EngineCard, EngineError};
use crate::live::settings::OpenEngine;
use crate::models::spec::ModelSpec;

/// An order for an engine: which model, and what opens it.
#[derive(Clone)]
pub struct Order {
    pub model: ModelSpec,
    /// Locked while it is opened: for ever, should that hang.
    pub open: Arc<Mutex<OpenEngine>>,
}

/// See the module.
#[derive(Default)]
pub struct Host {
    order: Option<Order>,
    state: State,
    backoff: Backoff,
    /// The order in hand gave an engine before. One that never did (a missing folder, a broken
    /// file) is not tried again.
    has_worked: bool,
}

#[derive(Default)]
enum State {
    /// No engine, and none to come without another order.
    #[default]
    Absent,
    /// To be opened at this instant.
    Due(Instant),
    Ready(Box<dyn Engine>),
}

/// What went wrong with a request.
#[derive(Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The request is at fault.
    Request(Message),
    /// The engine is.
    Engine(Message),
}

/// Lets an engine do some work, and catches its panics.
pub fn guarded<T>(
    engine: &mut dyn Engine,
    work: impl FnOnce(&mut dyn Engine) -> Result<T, EngineError>,
) -> Result<T, Trouble> {
    match catch_unwind(AssertUnwindSafe(|| work(engine))) {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) if error.only_this_request => Err(Trouble::Request(error.message)),
        Ok(Err(error)) => Err(Trouble::Engine(error.message)),
        Err(panic) => Err(Trouble::Engine(broke_down(panic_message(&*panic)))),
    }
}

/// Why the engine gave nothing.
#[derive(Debug, PartialEq, Eq)]
pub enum Failure {
    /// The request is at fault; the engine goes on.
    Request(Message),
    /// The engine is gone. It is due again after `retry_in`, or waits for another order.
    Engine {
        /// What happened and what to do.
        message: Message,
        retry_in: Option<Duration>,
    },
}

impl Host {
    /// Drops the engine in hand, whose memory the next one will need, and makes the new one due
    /// now.
    pub fn replace(&mut self, order: Order) {
        self.close();
        self.order = Some(order);
        self.state = State::Due(Instant::now());
        self.backoff.reset();
        self.has_worked = false;
    }

    pub fn is_ready(&self) -> bool {
        matches!(self.state, State::Ready(_))
    }

    /// Whether there will be no engine without another order.
    pub fn is_absent(&self) -> bool {
        matches!(self.state, State::Absent)
    }

    /// When to open the engine.
    pub fn due(&self) -> Option<Instant> {
        match self.state {
            State::Due(at) => Some(at),
            _ => None,
        }
    }

    /// The model of the order in hand.
    pub fn model(&self) -> Option<&ModelSpec> {
        self.order.as_ref().map(|order| &order.model)
    }

    /// Opens the engine of the order in hand.
    pub fn open(&mut self) -> Result<EngineCard, Failure> {
        self.state = State::Absent;
        let Some(order) = &mut self.order else {
            return Err(Failure::Engine { message: Message::new("No model was chosen."), retry_in: None });
        };
        let Ok(mut open) = order.open.try_lock() else {
            let message = Message::new(format!("The model {} does not open.", order.model));
            let message = message.hint("Choose another model, or start Sightline again.");
            return Err(Failure::Engine { message, retry_in: None });
        };
        let opened = catch_unwind(AssertUnwindSafe(|| open().map(|engine| (engine.card(), engine))));
        drop(open);
        match opened {
            Ok(Ok((card, engine))) => {
                self.state = State::Ready(engine);
                self.has_worked = true;
                Ok(card)
            }
            Ok(Err(error)) => Err(self.fail(error.message)),
            Err(panic) => Err(self.fail(broke_down(panic_message(&*panic)))),
        }
    }

    /// Lets the engine do some work. Trouble of the engine has to be told to [`Host::failure`].
    pub fn call<T>(&mut self, work: impl FnOnce(&mut dyn Engine) -> Result<T, EngineError>) -> Result<T, Trouble> {
        let State::Ready(engine) = &mut self.state else {
            return Err(Trouble::Request(Message::new("No model is loaded.").hint("Choose one first.")));
        };
        guarded(engine.as_mut(), work)
    }

    /// What a request's trouble means for the engine.
    pub fn failure(&mut self, trouble: Trouble) -> Failure {
        match trouble {
            Trouble::Request(message) => Failure::Request(message),
            Trouble::Engine(message) => self.fail(message),
        }
    }

    /// Hands of the engine that may be asked at the same time, as many as wanted where it has them.
    pub fn hands(&self, wanted: usize) -> Vec<Box<dyn Engine>> {
        match &self.state {
            State::Ready(engine) => (0..wanted).map_while(|_| engine.another()).collect(),
            _ => Vec::new(),
        }
    }

    /// The engine finished a whole reply: failures before that one count no more.
    pub fn worked(&mut self) {
        self.backoff.reset();
    }

    fn fail(&mut self, message: Message) -> Failure {
        self.close();
        let retry_in = self.has_worked.then(|| self.backoff.next());
        if let Some(wait) = retry_in {
            self.state = State::Due(Instant::now() + wait);
        }
        Failure::Engine { message, retry_in }
    }

    /// Drops the engine, if there is one.
    pub fn close(&mut self) {
        let state = std::mem::take(&mut self.state);
        if catch_unwind(AssertUnwindSafe(|| drop(state))).is_err() {
            tracing::error!("the engine panicked while it was being closed");
        }
    }
}

fn broke_down(panic: impl Display) -> Message {
    Message::new(format!("The model broke down ({panic}).")).hint("If that happens again, choose another model.")
}

//! From frames to captions: the capture thread, the one-slot channel, the inference thread, and the events they send.
//!
//! The pipeline knows sources and engines only by their traits, and no window: it calls a waker when there is something
//! to see. Channels are bounded; only the two worker threads ever wait for a source or a model.

mod event;

pub use event::{Asked, Caption, Event, Told, Worker};

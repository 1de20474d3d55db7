//! Fakes of what the program has behind its traits: sources, engines, hubs and logs that do as a
//! test tells them.

pub(crate) mod hub;
pub(crate) mod log;
pub(crate) mod mjpeg;
pub(crate) mod pipeline;
pub(crate) mod server;

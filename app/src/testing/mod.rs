//! Fakes of what the program has behind its traits, and servers that it speaks to: they do as a
//! test tells them.

pub(crate) mod actions;
pub(crate) mod broker;
pub(crate) mod hub;
pub(crate) mod log;
pub(crate) mod meaning;
pub(crate) mod mjpeg;
pub(crate) mod pipeline;
pub(crate) mod rules;
pub(crate) mod server;
pub(crate) mod voice;

//! The log's threads: from the pipeline's events to records, the recorder that writes them, the
//! reader that finds them.

pub(crate) mod events;
pub(crate) mod meanings;
pub(crate) mod reader;
pub(crate) mod recorder;
pub(crate) mod sink;
pub(crate) mod status;
mod writer;

//! Whole pipelines, with a source and an engine that do as they are told.

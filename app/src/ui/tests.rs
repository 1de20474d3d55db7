//! The window as a person meets it.

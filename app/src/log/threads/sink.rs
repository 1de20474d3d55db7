//! Where records go: what the writer thread asks of a log. Knows neither the thread nor SQLite.

use crate::log::data::entry::{Entry, EventFacts, SessionStart};
use crate::log::data::keep::Keep;
use crate::log::data::views::KeptView;
use crate::log::error::LogError;
use crate::log::threads::meanings::Meaning;

/// Where records go.
pub trait Log: Send {
    /// Begins a session and returns its number.
    ///
    /// # Errors
    /// When it can't be written.
    fn begin(&mut self, start: &SessionStart) -> Result<i64, LogError>;

    /// Adds an entry, ends the one that it replaces, and adds to the session's count of lost ones:
    /// all of it or nothing. Returns the entry's number.
    ///
    /// # Errors
    /// When it can't be written.
    fn add(
        &mut self,
        entry: &Entry,
        thumbnail: Option<&[u8]>,
        ended: Option<Extension>,
        lost: u64,
    ) -> Result<i64, LogError>;

    /// Lets an entry last longer.
    ///
    /// # Errors
    /// When it can't be written.
    fn extend(&mut self, extension: Extension) -> Result<(), LogError>;

    /// Says more of an event that was added before, whose rule's name stays.
    ///
    /// # Errors
    /// When it can't be written.
    fn update_event(&mut self, update: EventUpdate<'_>) -> Result<(), LogError>;

    /// Keeps a view.
    ///
    /// # Errors
    /// When it can't be written.
    fn add_view(&mut self, view: &KeptView) -> Result<(), LogError>;

    /// Keeps the vector of an entry's words.
    ///
    /// # Errors
    /// When it can't be written.
    fn add_meaning(&mut self, meaning: &Meaning) -> Result<(), LogError>;

    /// Ends a session, at milliseconds since 1970 in UTC.
    ///
    /// # Errors
    /// When it can't be written.
    fn end(&mut self, session: i64, ended_ms: i64, lost: u64) -> Result<(), LogError>;

    /// Removes what may not stay.
    ///
    /// # Errors
    /// When it can't be written.
    fn tidy(&mut self, keep: &Keep) -> Result<(), LogError>;

    /// Looks whether the file is still where it was opened.
    ///
    /// # Errors
    /// With [`LogError::Gone`] when it is not.
    fn look(&mut self) -> Result<(), LogError>;
}

/// How an entry lasts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extension {
    /// Which one.
    pub entry: i64,
    /// From its frame, in milliseconds.
    pub duration_ms: i64,
    /// How many times more the same words came.
    pub repeats: i64,
    /// Frames that were dropped for these repeats.
    pub dropped: i64,
    /// Frames that the gate passed over before these repeats.
    pub skipped: i64,
}

/// What is known of a rule's event by now.
#[derive(Clone, Copy, Debug)]
pub struct EventUpdate<'a> {
    /// Which entry.
    pub entry: i64,
    /// The frame at its peak.
    pub frame: i64,
    /// From its start, in milliseconds.
    pub duration_ms: i64,
    /// What it is.
    pub facts: &'a EventFacts,
    /// Another picture of it, as a JPEG.
    pub thumbnail: Option<&'a [u8]>,
}

/// Opens a log, on the writer thread, and again when it is gone.
pub type OpenLog = Box<dyn FnMut() -> Result<Box<dyn Log>, LogError> + Send>;

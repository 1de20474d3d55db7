//! The seam to a voice. Knows none.

use crate::base::message::Message;

/// The least and the greatest rate that can be asked for, and the usual one between them: from half
/// to three times as fast.
pub const RATES: [f32; 3] = [0.5, 1.0, 3.0];

/// A voice. Calls come back once they are handed on, not once they are carried out.
pub trait Voice {
    /// Says this in place of what is being said. `rate` lies within [`RATES`].
    ///
    /// # Errors
    /// Why it is not said.
    fn say(&mut self, words: &str, rate: f32) -> Result<(), Message>;

    /// Says nothing more.
    ///
    /// # Errors
    /// Why it may go on.
    fn silence(&mut self) -> Result<(), Message>;

    /// Whether it is speaking. None where it can't tell.
    fn is_speaking(&mut self) -> Option<bool>;
}

/// Opens a voice, on the thread that it will live on.
pub type OpenVoice = Box<dyn FnOnce() -> Result<Box<dyn Voice>, Message> + Send>;

//! What is asked of a session's view, and what comes of it meanwhile. Knows no model.

use crate::session::branches::{Scored, Scores};
use crate::session::sampling::Sampling;
use crate::session::steady::Steadiness;

/// What to ask of the view.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// The instruction or question.
    pub prompt: &'a str,
    /// The most tokens to write.
    pub max_tokens: usize,
    /// Go on when the model ends its turn, and leave the repetition guard off: for comparisons with
    /// a reference.
    pub ignore_end: bool,
    /// How words are chosen.
    pub sampling: Sampling,
}

/// What goes along with a caption.
#[derive(Clone, Copy, Debug, Default)]
pub struct Along<'a> {
    /// Questions about the view whose choices are scored.
    pub questions: &'a [Scored<'a>],
    /// When the last caption stays in the place of a new one.
    pub steady: Option<Steadiness>,
}

/// What comes of a caption while it is made.
#[derive(Debug)]
pub enum Piece<'a> {
    /// How likely the choices of all questions are, before the first word.
    Scores(Vec<Scores>),
    /// New text.
    Text(&'a str),
}

impl Piece<'_> {
    /// Hands text on, and nothing else.
    pub(crate) fn text(self, on_text: &mut dyn FnMut(&str)) {
        if let Self::Text(text) = self {
            on_text(text);
        }
    }
}

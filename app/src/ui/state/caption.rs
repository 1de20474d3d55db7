//! The subtitle: the last caption, and how the next one takes its place word by word.

use std::time::{Duration, Instant};

/// How long a view has to be unchanged before that is said: in a busy scene it would come and go.
const STEADY: Duration = Duration::from_secs(2);

/// The last caption and the one being written.
#[derive(Debug, Default)]
pub struct CaptionView {
    last: Option<Spoken>,
    writing: Option<Spoken>,
    /// Since when the view is unchanged, and the last time it was seen to be.
    unchanged: Option<(Instant, Instant)>,
}

/// Words and the moment they are about.
#[derive(Debug)]
struct Spoken {
    text: String,
    captured_at: Instant,
    /// Whether it was stopped before its end.
    cut: bool,
    /// Whether the model was in doubt.
    doubted: bool,
}

/// The words to draw.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Words<'a> {
    /// What is said.
    pub firm: &'a str,
    /// The rest of the last caption while the new one says the same so far. Drawn dimmed: a steady
    /// scene then reads on without a flicker.
    pub tentative: &'a str,
    /// Whether more words are coming.
    pub writing: bool,
    /// Whether the model doubted what is said.
    pub doubted: bool,
}

impl Words<'_> {
    /// What stands before them.
    #[must_use]
    pub fn hedge(&self) -> &'static str {
        if self.doubted { "Could be: " } else { "" }
    }
}

impl CaptionView {
    /// A caption of a picture captured at `captured_at` begins. The last one stays until its first
    /// word.
    pub fn begin(&mut self, captured_at: Instant) {
        self.writing = Some(Spoken { text: String::new(), captured_at, cut: false, doubted: false });
    }

    /// The next piece of the caption that began.
    pub fn append(&mut self, piece: &str) {
        if let Some(writing) = &mut self.writing {
            writing.text.push_str(if writing.text.is_empty() { piece.trim_start() } else { piece });
            self.unchanged = None;
        }
    }

    /// The caption is complete, and the model doubted it or not.
    pub fn finish(&mut self, text: String, captured_at: Instant, doubted: bool) {
        self.writing = None;
        self.unchanged = None;
        self.last = Some(Spoken { text, captured_at, cut: false, doubted });
    }

    /// The caption stopped halfway: what it said so far stays, marked as cut off, unless it only
    /// repeated the last one.
    pub fn cancel(&mut self) {
        let repeats = self.repeats();
        if let Some(mut cut) = self.writing.take().filter(|cut| !cut.text.is_empty() && !repeats) {
            cut.text.truncate(cut.text.trim_end().len());
            cut.text.push('…');
            cut.cut = true;
            self.last = Some(cut);
        }
    }

    /// The model looked again, and the last caption stays: its age goes on.
    pub fn keep(&mut self, text: String, captured_at: Instant, now: Instant) {
        if self.last.as_ref().is_some_and(|last| !last.cut && last.text == text) {
            self.writing = None;
            self.still_holds(now);
        } else {
            self.finish(text, captured_at, false);
        }
    }

    /// The view did not change, so that the last caption still holds.
    pub fn still_holds(&mut self, now: Instant) {
        if self.last.is_some() {
            let since = self.unchanged.map_or(now, |(since, _)| since);
            self.unchanged = Some((since, now));
        }
    }

    /// Whether the view has not changed for a while.
    #[must_use]
    pub fn is_unchanged(&self) -> bool {
        self.unchanged.is_some_and(|(since, seen)| seen.saturating_duration_since(since) >= STEADY)
    }

    /// When the picture that the words are about was captured.
    #[must_use]
    pub fn captured_at(&self) -> Option<Instant> {
        self.shown().map(|spoken| spoken.captured_at)
    }

    /// The words to draw.
    #[must_use]
    pub fn words(&self) -> Words<'_> {
        let writing = self.writing.is_some();
        let firm = self.shown().map_or("", |spoken| spoken.text.as_str());
        let tentative = match &self.last {
            Some(last) if writing && self.repeats() => &last.text[firm.len()..],
            _ => "",
        };
        // What says the same so far is doubted as before.
        let doubted = self.last.as_ref().is_some_and(|last| last.doubted) && (!writing || self.repeats());
        Words { firm, tentative, writing, doubted }
    }

    fn shown(&self) -> Option<&Spoken> {
        self.writing.as_ref().filter(|writing| !writing.text.is_empty()).or(self.last.as_ref())
    }

    /// Whether the caption being written says the same as the last one so far.
    fn repeats(&self) -> bool {
        match (&self.writing, &self.last) {
            (Some(writing), Some(last)) => !last.cut && last.text.starts_with(&writing.text),
            _ => false,
        }
    }
}

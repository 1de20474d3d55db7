//! The words of an answer as they come from a server: trimmed, ended where the model ended them,
//! and cut where it goes round in circles. Knows no connection.

use std::collections::HashMap;

use vlm::Stop;

/// What a model writes at its end, where a server passes it on. It is looked for here, and not
/// asked of the server: some fail at texts to stop at when their model takes pictures.
const END: &str = "<end_of_utterance>";

/// An answer as far as it came.
#[derive(Debug, Default)]
pub struct Words {
    text: String,
    /// How much of `text` was handed out.
    shown: usize,
    /// A number for each piece that came, equal ones alike: what the repetition guard reads.
    pieces: Vec<u32>,
    numbers: HashMap<String, u32>,
    /// Where each piece ends in `text`.
    ends: Vec<usize>,
    stop: Option<Stop>,
}

impl Words {
    /// Takes a piece. Gives what can be shown now; what may be the beginning of [`END`] is held
    /// back.
    pub fn push(&mut self, piece: &str) -> Option<&str> {
        if self.stop.is_some() || piece.is_empty() {
            return None;
        }
        let next = self.numbers.len() as u32;
        self.pieces.push(*self.numbers.entry(piece.to_owned()).or_insert(next));
        self.text.push_str(if self.text.is_empty() { piece.trim_start() } else { piece });
        self.ends.push(self.text.len());
        if let Some(end) = self.text.find(END) {
            self.text.truncate(end);
            self.stop = Some(Stop::End);
        } else if let Some(kept) = vlm::repetition(&self.pieces) {
            self.text.truncate(self.ends[kept - 1].max(self.shown));
            self.stop = Some(Stop::Repetition);
        }
        let ready = if self.stop.is_some() { self.text.trim_end().len() } else { self.text.len() - self.held_back() };
        let from = self.shown;
        self.shown = ready.max(from);
        self.text.get(from..self.shown).filter(|words| !words.is_empty())
    }

    /// Bytes at the end that may be the beginning of [`END`].
    fn held_back(&self) -> usize {
        (1..END.len()).rev().find(|&n| self.text.ends_with(&END[..n])).unwrap_or(0)
    }

    /// Why no more words are wanted.
    pub fn stop(&self) -> Option<Stop> {
        self.stop
    }

    /// What was held back and turned out to be words.
    pub fn rest(&self) -> &str {
        self.text.trim_end().get(self.shown..).unwrap_or_default()
    }

    /// All of it.
    pub fn into_text(self) -> String {
        self.text.trim_end().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(pieces: &[&str]) -> (Vec<String>, String, Option<Stop>) {
        let mut words = Words::default();
        let mut shown: Vec<String> = pieces.iter().filter_map(|piece| words.push(piece).map(str::to_owned)).collect();
        shown.extend(Some(words.rest().to_owned()).filter(|rest| !rest.is_empty()));
        let stop = words.stop();
        (shown, words.into_text(), stop)
    }

    #[test]
    fn words_come_as_they_are_without_space_around_them() {
        let (shown, text, stop) = written(&[" A", " cup", " of", " tea", ".\n"]);
        assert_eq!((shown.concat().trim_end(), text.as_str(), stop), ("A cup of tea.", "A cup of tea.", None));
    }

    #[test]
    fn the_models_end_is_not_shown_however_it_is_cut() {
        for pieces in [&["A cup", END, "more"][..], &["A cup<end", "_of_utter", "ance>x"], &["A cup<end_of_utterance>"]]
        {
            let (shown, text, stop) = written(pieces);
            assert_eq!(
                (shown.concat().as_str(), text.as_str(), stop),
                ("A cup", "A cup", Some(Stop::End)),
                "{pieces:?}"
            );
        }
        let (shown, text, stop) = written(&["1 <", " 2 <end"]);
        assert_eq!((shown.concat().as_str(), text.as_str(), stop), ("1 < 2 <end", "1 < 2 <end", None));
    }

    #[test]
    fn circles_are_cut() {
        let round = [" red", " and", " blue", ","].repeat(9);
        let (shown, text, stop) = written(&round);
        assert_eq!(stop, Some(Stop::Repetition));
        assert!(text.len() < "red and blue,".len() * 5 && shown.concat().starts_with("red and blue,"), "{text}");
    }
}

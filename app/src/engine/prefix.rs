//! What a model is told and shown once, before every picture and question: a standing text and
//! labelled reference pictures. Becomes the beginning of each prompt, which is evaluated once (a
//! prefix cache). Knows no engine, file or window.

use std::sync::Arc;
use std::time::Duration;

use image::RgbImage;
use vlm::{Part, Role};

use crate::base::message::Message;

/// The most reference pictures: each takes as many tokens as the picture that is described.
pub const MOST_REFERENCES: usize = 8;
/// The longest label and the longest standing text, in characters.
pub const LONGEST_LABEL: usize = 100;
/// See [`LONGEST_LABEL`].
pub const LONGEST_STANDING: usize = 4000;
/// What each reference picture is asked, before its label as the answer.
const REFERENCE_QUESTION: &str = "What does this image show?";

/// See the module. Cheap to clone: pictures are shared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Prefix {
    /// What is always said first, such as "You watch a workshop. Name tools exactly."
    pub standing: String,
    /// Pictures that the model is to know, in order.
    pub references: Vec<Reference>,
}

/// A picture that the model is to know, and what it shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// What it shows, such as "my closed door".
    pub label: String,
    /// The picture, upright.
    pub picture: Arc<RgbImage>,
}

/// A prefix without its pixels, for logs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PrefixText {
    /// The standing text.
    pub standing: String,
    /// The labels of the reference pictures.
    pub references: Vec<String>,
}

impl PrefixText {
    /// Whether nothing stands before the pictures.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.standing.is_empty() && self.references.is_empty()
    }
}

/// What a prefix costs an engine that evaluates it once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PrefixCost {
    /// Tokens that stand before every picture.
    pub tokens: usize,
    /// How long they took, once.
    pub took: Duration,
}

impl Prefix {
    /// Whether there is nothing to say first.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.standing.trim().is_empty() && self.references.is_empty()
    }

    /// Checks lengths and numbers.
    ///
    /// # Errors
    /// For people: what is too long, too many or missing.
    pub fn check(&self) -> Result<(), Message> {
        let long = |what: &str, most: usize| Message::new(format!("{what} is longer than {most} characters."));
        if self.references.len() > MOST_REFERENCES {
            let what = format!("There are {} reference pictures.", self.references.len());
            return Err(Message::new(what).hint(format!("Leave out some: {MOST_REFERENCES} are the most.")));
        }
        if self.standing.chars().count() > LONGEST_STANDING {
            return Err(long("The standing text", LONGEST_STANDING).hint("Shorten it."));
        }
        for Reference { label, .. } in &self.references {
            if label.trim().is_empty() {
                let message = Message::new("A reference picture has no label.");
                return Err(message.hint("Say what it shows, such as \"my closed door\"."));
            }
            if label.chars().count() > LONGEST_LABEL {
                return Err(long("The label of a reference picture", LONGEST_LABEL).hint("Shorten it."));
            }
        }
        Ok(())
    }

    /// The turns of a conversation that say so: the standing text as the system's words, and each
    /// reference as a question that was answered with its label.
    #[must_use]
    pub fn turns(&self) -> Vec<vlm::Turn> {
        let mut turns = Vec::new();
        let standing = self.standing.trim();
        if !standing.is_empty() {
            turns.push(vlm::Turn { role: Role::System, parts: vec![Part::Text(standing.to_owned())] });
        }
        for Reference { label, picture } in &self.references {
            let asked = vec![Part::Picture((**picture).clone()), Part::Text(REFERENCE_QUESTION.to_owned())];
            turns.push(vlm::Turn { role: Role::User, parts: asked });
            turns.push(vlm::Turn { role: Role::Assistant, parts: vec![Part::Text(sentence(label))] });
        }
        turns
    }

    /// The same without its pixels.
    #[must_use]
    pub fn text(&self) -> PrefixText {
        PrefixText {
            standing: self.standing.trim().to_owned(),
            references: self.references.iter().map(|reference| reference.label.trim().to_owned()).collect(),
        }
    }
}

/// A label as a reply would say it: with a capital letter and a full stop.
fn sentence(label: &str) -> String {
    let label = label.trim();
    let mut letters = label.chars();
    let first: String = letters.next().map(|first| first.to_uppercase().collect()).unwrap_or_default();
    let stop = if label.ends_with(['.', '!', '?']) { "" } else { "." };
    format!("{first}{}{stop}", letters.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reference(label: &str) -> Reference {
        Reference { label: label.to_owned(), picture: Arc::new(RgbImage::new(4, 3)) }
    }

    #[test]
    fn the_standing_text_comes_first_and_each_reference_is_an_answered_question() {
        let references = vec![reference("my closed door"), reference("A cat!")];
        let prefix = Prefix { standing: " Answer briefly. ".to_owned(), references };
        let turns = prefix.turns();
        let said: Vec<_> = turns
            .iter()
            .map(|turn| {
                let words = turn.parts.iter().map(|part| match part {
                    Part::Text(words) => words.as_str(),
                    Part::Picture(_) => "[picture]",
                });
                (turn.role, words.collect::<Vec<_>>().join(" "))
            })
            .collect();
        let asked = (Role::User, "[picture] What does this image show?".to_owned());
        let want = [
            (Role::System, "Answer briefly.".to_owned()),
            asked.clone(),
            (Role::Assistant, "My closed door.".to_owned()),
            asked,
            (Role::Assistant, "A cat!".to_owned()),
        ];
        assert_eq!(said, want);
        assert!(Prefix { standing: " ".to_owned(), ..Prefix::default() }.turns().is_empty());
    }

    #[test]
    fn what_is_too_much_is_refused() {
        assert_eq!(Prefix::default().check(), Ok(()));
        let many = Prefix { references: vec![reference("door"); MOST_REFERENCES + 1], ..Prefix::default() };
        let long = Prefix { standing: "x".repeat(LONGEST_STANDING + 1), ..Prefix::default() };
        let nameless = Prefix { references: vec![reference(" ")], ..Prefix::default() };
        let wordy = Prefix { references: vec![reference(&"x".repeat(LONGEST_LABEL + 1))], ..Prefix::default() };
        for (prefix, part) in [(many, "9 reference"), (long, "4000"), (nameless, "no label"), (wordy, "100")] {
            let said = prefix.check().expect_err(part);
            assert!(said.what().contains(part) && said.advice().is_some(), "{said}");
        }
    }
}

//! A conversation with a model on this machine: `vlm`'s, with its errors turned into what front ends must know of them.

use vlm::{Cancel, Conversation, Error, Reply, Say, Tiling};

use crate::engine::options::EngineOptions;
use crate::engine::{EngineCard, EngineError, local};
use crate::models::spec::ModelSpec;

/// A model on this machine, and what was said to it.
pub struct LocalConversation {
    conversation: Conversation,
    card: EngineCard,
}

/// Loads a model to talk to. With `split`, pictures are cut into tiles, for small print.
///
/// # Errors
/// As [`local::open`].
pub fn open(model: &ModelSpec, options: &EngineOptions, split: bool) -> Result<LocalConversation, EngineError> {
    let (model, card) = local::load(model, options)?;
    let tiling = if split { Tiling::Split } else { Tiling::One };
    Ok(LocalConversation { conversation: Conversation::new(model, tiling).map_err(local::failed)?, card })
}

impl LocalConversation {
    /// Who answers.
    #[must_use]
    pub fn card(&self) -> &EngineCard {
        &self.card
    }

    /// Answers a turn; `None` when it was cancelled before the answer began. With `remember`, both become part of the
    /// conversation, also an answer that is cancelled halfway. Otherwise, and after an error, nothing is left of them.
    ///
    /// # Errors
    /// When nothing is said, the conversation gets too long, a picture can't be used or the model fails.
    pub fn say(
        &mut self,
        turn: Say<'_>,
        remember: bool,
        cancel: &Cancel,
        on_text: &mut dyn FnMut(&str),
    ) -> Result<Option<Reply>, EngineError> {
        let told = if remember {
            self.conversation.say(turn, cancel, on_text)
        } else {
            self.conversation.once(turn, cancel, on_text)
        };
        match told {
            Err(Error::Cancelled) => Ok(None),
            other => other.map(Some).map_err(local::failed),
        }
    }

    /// Forgets the last turn that is remembered, and its answer.
    pub fn undo(&mut self) {
        self.conversation.undo();
    }

    /// Forgets everything.
    pub fn reset(&mut self) {
        self.conversation.reset();
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use vlm::Part;

    use super::*;

    fn words(text: &str) -> [Part; 1] {
        [Part::Text(text.to_owned())]
    }

    #[test]
    fn turns_are_remembered_undone_and_asked_once() {
        let tiny = ModelSpec::Folder(Path::new(env!("CARGO_MANIFEST_DIR")).join("../vlm/fixtures/tiny-2b"));
        let mut talk = open(&tiny, &EngineOptions::default(), false).unwrap();
        let say = |talk: &mut LocalConversation, parts: &[Part], remember, cancel: &Cancel| {
            talk.say(Say { parts, max_tokens: 6, ignore_end: true }, remember, cancel, &mut |_| {})
        };
        let (cancel, raised) = (Cancel::default(), Cancel::default());
        raised.cancel();
        let first = say(&mut talk, &words("What is it?"), true, &cancel).unwrap().unwrap();
        assert_eq!(say(&mut talk, &words("And now?"), true, &raised), Ok(None));
        let once = say(&mut talk, &words("And now?"), false, &cancel).unwrap().unwrap();
        let kept = say(&mut talk, &words("And now?"), true, &cancel).unwrap().unwrap();
        assert_eq!((&once.prompt_ids, &once.token_ids), (&kept.prompt_ids, &kept.token_ids));
        talk.undo();
        assert_eq!(say(&mut talk, &words("And now?"), true, &cancel).unwrap().unwrap().token_ids, kept.token_ids);
        talk.reset();
        assert_eq!(say(&mut talk, &words("What is it?"), true, &cancel).unwrap().unwrap().token_ids, first.token_ids);
        let e = say(&mut talk, &words(&"long ".repeat(9000)), true, &cancel).unwrap_err();
        assert!(e.only_this_request, "{e}");
    }
}

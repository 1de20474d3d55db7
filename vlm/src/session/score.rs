//! How likely answers are that were not written: log-probabilities of given choices.
//!
//! All questions about a view, and all of their choices, are branches of one pass behind the view's
//! keys and values, as in tree attention for speculative decoding: each sees the prefix, the view
//! and its own tokens, and none sees another. So the weights are read once, and a few short
//! questions cost about as much as one decoded token.
//!
//! ```text
//! prefix, view ─┬─ question 1 ─┬─ choice 1.1
//!               │              └─ choice 1.2
//!               └─ question 2 ─── choice 2.1
//! ```

use std::sync::Arc;

use crate::cancel::Cancel;
use crate::error::{Error, Result};
use crate::session::Session;
use crate::session::branches::{Branches, PASS_TOKENS, Scored, Scores, Tokens, plant, read};

impl Session {
    /// Tells how likely each choice is as the beginning of the answer to its question about the
    /// view. Leaves no trace: captions and answers before and after are the same as without it.
    ///
    /// ```
    /// # use std::{path::Path, sync::Arc};
    /// # use image::{Rgb, RgbImage};
    /// # use vlm::*;
    /// # fn main() -> Result<()> {
    /// # let files = ModelFiles::in_folder(Path::new("../ui-assets/demo-model"))?;
    /// # let model = Arc::new(Model::load(&files, LoadOptions::default())?);
    /// # // A large red circle on grey.
    /// # let picture = RgbImage::from_fn(128, 128, |x, y| {
    /// #     let (x, y) = (x as i32 - 64, y as i32 - 64);
    /// #     if x * x + y * y < 32 * 32 { Rgb([220, 40, 40]) } else { Rgb([128, 128, 128]) }
    /// # });
    /// # let mut session = Session::new(model)?;
    /// # let cancel = Cancel::default();
    /// # session.set_images(&[&picture], Tiling::One, Reuse::IfIdentical, &cancel)?;
    /// let asked = Scored { question: "Is there a red circle?", choices: &["Yes", "No"] };
    /// let scores = session.score(&[asked], &cancel)?;
    /// assert!(scores[0].log_probs[0] > scores[0].log_probs[1]);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::NoView`], [`Error::EmptyPrompt`] for a question or choice without words,
    /// [`Error::TooLong`] before any work, [`Error::Cancelled`], or what failed in computing.
    pub fn score(&mut self, questions: &[Scored<'_>], cancel: &Cancel) -> Result<Vec<Scores>> {
        let Branches(questions) = self.branches(questions)?;
        self.score_in_passes(&questions, cancel)
    }

    /// Questions in tokens, once it is sure that each fits behind the view.
    ///
    /// # Errors
    /// [`Error::NoView`], [`Error::EmptyPrompt`], [`Error::TooLong`].
    pub(super) fn branches(&self, questions: &[Scored<'_>]) -> Result<Branches> {
        // What is wrong with a question comes first.
        let behind = self.view.as_ref().map_or(0, |view| view.ids.len());
        let branches = self.branches_behind(questions, behind)?;
        if self.view.is_none() { Err(Error::NoView) } else { Ok(branches) }
    }

    /// The same behind a view of so many tokens.
    ///
    /// # Errors
    /// [`Error::EmptyPrompt`], [`Error::TooLong`].
    pub(super) fn branches_behind(&self, questions: &[Scored<'_>], view: usize) -> Result<Branches> {
        let prompter = &self.model.prompter;
        let tokens = |asked: &Scored<'_>| {
            let choices = asked.choices.iter().map(|choice| prompter.answer(choice)).collect::<Result<_>>()?;
            Ok(Tokens { question: prompter.instruction(asked.question)?, choices })
        };
        let questions = questions.iter().map(tokens).collect::<Result<Vec<_>>>()?;
        let longest = questions.iter().map(Tokens::longest).max().unwrap_or_default();
        self.model.check_length(self.prefix.len() + view + longest)?;
        Ok(Branches(questions))
    }

    /// Scores in passes of their own.
    pub(super) fn score_branches(&mut self, branches: &Branches, cancel: &Cancel) -> Result<Vec<Scores>> {
        self.score_in_passes(&branches.0, cancel)
    }

    fn score_in_passes(&mut self, questions: &[Tokens], cancel: &Cancel) -> Result<Vec<Scores>> {
        let (mut scores, mut rest) = (Vec::with_capacity(questions.len()), questions);
        while !rest.is_empty() {
            let mut tokens = 0;
            let fits = |question: &&Tokens| {
                tokens += question.evaluated();
                tokens <= PASS_TOKENS
            };
            let count = rest.iter().take_while(fits).count().max(1);
            let (now, later) = rest.split_at(count);
            scores.extend(self.score_in_one_pass(now, cancel)?);
            rest = later;
        }
        Ok(scores)
    }

    fn score_in_one_pass(&mut self, questions: &[Tokens], cancel: &Cancel) -> Result<Vec<Scores>> {
        let model = Arc::clone(&self.model);
        let Some(view) = self.view.as_mut() else { return Err(Error::NoView) };
        let (mut ids, mut segments) = (Vec::new(), Vec::new());
        let trunk = view.trunk(&mut ids, &mut segments);
        plant(questions, trunk, &mut ids, &mut segments);
        let view_end = self.prefix.len() + view.ids.len();
        self.cache.rewind(if trunk.is_some() { self.prefix.len() } else { view_end });
        let logits = model.forward_segments(&ids, view.pending(), &mut self.cache, &segments, cancel)?;
        view.is_pending = false;
        self.cache.rewind(view_end);
        Ok(read(questions, &logits)?.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::image::Tiling;
    use crate::network::precision::Precision;
    use crate::network::{LoadOptions, Model};
    use crate::session::Ask;
    use crate::session::reuse::Reuse;
    use crate::session::sampling::Sampling;
    use crate::tests::fixtures;

    #[test]
    fn an_answer_is_as_likely_as_it_was_when_it_was_written() {
        for precision in [Precision::F32, Precision::Int8] {
            let options = LoadOptions { precision, ..LoadOptions::default() };
            let model = Arc::new(Model::load(&fixtures::tiny("smolvlm"), options).unwrap());
            let (mut session, cancel) = (Session::new(Arc::clone(&model)).unwrap(), Cancel::default());
            let picture = fixtures::picture("coffee");
            session.set_images(&[&picture], Tiling::One, Reuse::IfIdentical, &cancel).unwrap();
            let ask = |prompt| Ask { prompt, max_tokens: 6, ignore_end: true, sampling: Sampling::Greedy };
            let answers = ["What is it?", "Is it dark in this image?"].map(|prompt| {
                let reply = session.ask(ask(prompt), &cancel, &mut |_| {}).unwrap();
                (model.prompter.instruction(prompt).unwrap(), reply)
            });
            let tokens = answers.each_ref().map(|(question, reply)| Tokens {
                question: question.clone(),
                choices: vec![reply.token_ids.clone(), reply.token_ids[..1].to_vec()],
            });
            let scores = session.score_in_one_pass(&tokens, &cancel).unwrap();
            for ((_, reply), scores) in answers.iter().zip(&scores) {
                let mean = scores.log_probs[0] / reply.token_ids.len() as f32;
                assert!((mean - reply.mean_log_prob.unwrap()).abs() < 1e-4, "{scores:?} for {reply:?}");
                assert!(scores.log_probs[1] >= scores.log_probs[0]);
            }
        }
    }
}

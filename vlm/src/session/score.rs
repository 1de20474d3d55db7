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
use crate::network::decoder::Segment;
use crate::session::Session;
use crate::session::sampling::log_probs;

/// The most tokens of one pass; more questions take several.
const PASS_TOKENS: usize = 1024;

/// A question about the view, and answers to it.
#[derive(Clone, Copy, Debug)]
pub struct Scored<'a> {
    /// The question.
    pub question: &'a str,
    /// The answers, each a word or more. They need not exclude one another.
    pub choices: &'a [&'a str],
}

/// How likely the choices of a question are.
#[derive(Clone, Debug, PartialEq)]
pub struct Scores {
    /// For each choice the natural logarithm of the probability that the answer begins with it: the
    /// sum over its tokens, at temperature 1.
    pub log_probs: Vec<f32>,
    /// For each choice how many tokens it has.
    pub tokens: Vec<usize>,
}

/// A question in tokens.
struct Tokens {
    question: Vec<u32>,
    choices: Vec<Vec<u32>>,
}

impl Tokens {
    /// Those that a pass evaluates: nothing follows the last token of a choice.
    fn evaluated(&self) -> usize {
        self.question.len() + self.choices.iter().map(|choice| choice.len() - 1).sum::<usize>()
    }

    /// The question with its longest choice.
    fn longest(&self) -> usize {
        self.question.len() + self.choices.iter().map(Vec::len).max().unwrap_or_default()
    }
}

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
        let prompter = &self.model.prompter;
        let tokens = |asked: &Scored<'_>| {
            let choices = asked.choices.iter().map(|choice| prompter.answer(choice)).collect::<Result<_>>()?;
            Ok(Tokens { question: prompter.instruction(asked.question)?, choices })
        };
        let questions = questions.iter().map(tokens).collect::<Result<Vec<_>>>()?;
        let view = self.view.as_ref().ok_or(Error::NoView)?;
        let longest = questions.iter().map(Tokens::longest).max().unwrap_or_default();
        self.model.check_length(self.prefix.len() + view.ids.len() + longest)?;
        let (mut scores, mut rest) = (Vec::with_capacity(questions.len()), &questions[..]);
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
        if view.pending.is_some() {
            ids.extend(&view.ids);
            segments.push(Segment { len: view.ids.len(), after: None, wanted: 0 });
        }
        let trunk = view.pending.is_some().then_some(0);
        for Tokens { question, choices } in questions {
            let number = segments.len();
            ids.extend(question);
            segments.push(Segment { len: question.len(), after: trunk, wanted: 1 });
            for choice in choices.iter().filter(|choice| choice.len() > 1) {
                let len = choice.len() - 1;
                ids.extend(&choice[..len]);
                segments.push(Segment { len, after: Some(number), wanted: len });
            }
        }
        let view_end = self.prefix.len() + view.ids.len();
        self.cache.rewind(if trunk.is_some() { self.prefix.len() } else { view_end });
        let logits = model.forward_segments(&ids, view.pending.as_ref(), &mut self.cache, &segments, cancel)?;
        view.pending = None;
        self.cache.rewind(view_end);

        let mut row = 0;
        let mut scores = Vec::with_capacity(questions.len());
        for Tokens { choices, .. } in questions {
            let mut sums = log_probs(&logits.get(row)?, choices.iter().map(|choice| choice[0]))?;
            row += 1;
            for (choice, sum) in choices.iter().zip(&mut sums) {
                for id in &choice[1..] {
                    *sum += log_probs(&logits.get(row)?, std::iter::once(*id))?[0];
                    row += 1;
                }
            }
            scores.push(Scores { log_probs: sums, tokens: choices.iter().map(Vec::len).collect() });
        }
        Ok(scores)
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

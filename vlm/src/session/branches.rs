//! Questions with their choices as branches of a pass: where they lie in it, and what its logits
//! say of them. Knows no session.

use candle_core::Tensor;

use crate::error::Result;
use crate::network::decoder::Segment;
use crate::session::sampling::log_probs;

/// The most tokens of one pass; more questions take several.
pub(super) const PASS_TOKENS: usize = 1024;

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
pub(super) struct Tokens {
    pub question: Vec<u32>,
    pub choices: Vec<Vec<u32>>,
}

impl Tokens {
    /// Those that a pass evaluates: nothing follows the last token of a choice.
    pub fn evaluated(&self) -> usize {
        self.question.len() + self.choices.iter().map(|choice| choice.len() - 1).sum::<usize>()
    }

    /// The question with its longest choice.
    pub fn longest(&self) -> usize {
        self.question.len() + self.choices.iter().map(Vec::len).max().unwrap_or_default()
    }
}

/// Questions in tokens, to be branches of a pass.
#[derive(Default)]
pub(super) struct Branches(pub Vec<Tokens>);

impl Branches {
    /// Puts them behind `trunk`, a segment that is there already, or behind what the cache holds.
    pub fn plant(&self, trunk: Option<usize>, ids: &mut Vec<u32>, segments: &mut Vec<Segment>) {
        plant(&self.0, trunk, ids, segments);
    }

    /// Reads their scores from the first rows of a pass' logits. Tells how many those are.
    pub fn read(&self, logits: &Tensor) -> Result<(Vec<Scores>, usize)> {
        read(&self.0, logits)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Tokens that a pass evaluates of them.
    pub fn evaluated(&self) -> usize {
        self.0.iter().map(Tokens::evaluated).sum()
    }

    /// Whether a pass takes all of them besides what else is in it.
    pub fn fit_one_pass(&self) -> bool {
        self.evaluated() <= PASS_TOKENS
    }
}

/// As [`Branches::plant`], of some of them.
pub(super) fn plant(questions: &[Tokens], trunk: Option<usize>, ids: &mut Vec<u32>, segments: &mut Vec<Segment>) {
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
}

/// As [`Branches::read`], of some of them.
pub(super) fn read(questions: &[Tokens], logits: &Tensor) -> Result<(Vec<Scores>, usize)> {
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
    Ok((scores, row))
}

//! How strongly a model holds a rule's statement to be true of a picture.
//!
//! The score is log P(yes) - log P(no) over the spellings of both, in nats, as the answer to the
//! statement's question. From it goes what the model leans to "yes" by itself, measured on a blank
//! picture, where nothing is: a lean to "no" there is right, and stays.

use std::sync::Arc;

use image::{Rgb, RgbImage};
use vlm::{Cancel, Features, Reuse, Scored, Scores};

use crate::engine::{Engine, EngineError, Shown, ViewId};
use crate::live::{Aside, Asides};
use crate::rules::statement::Statement;

/// How yes and no are spelled.
const SPELLINGS: [&str; 4] = ["Yes", "yes", "No", "no"];
/// How many of them mean yes.
const YES: usize = 2;
/// The colour of a blank picture, a middle grey, and its size.
const BLANK: (Rgb<u8>, u32, u32) = (Rgb([127; 3]), 512, 512);

/// How strongly a rule holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Score {
    /// In nats; above zero it holds rather than not.
    pub nats: f32,
}

impl Score {
    /// The score that is this probability, which lies between 0 and 1.
    #[must_use]
    pub fn of(probability: f32) -> Self {
        Self { nats: (probability / (1.0 - probability)).ln() }
    }

    /// The same as a probability, by the logistic function. It is as good as the model is
    /// calibrated.
    #[must_use]
    pub fn probability(self) -> f32 {
        1.0 / (1.0 + (-self.nats).exp())
    }

    /// Whether the rule holds rather than not.
    #[must_use]
    pub fn holds(self) -> bool {
        self.nats > 0.0
    }
}

/// What is asked of each view for these rules. Scores come in the same order.
#[must_use]
pub fn asides<'a>(rules: impl Iterator<Item = &'a Statement>) -> Asides {
    let choices: Vec<String> = SPELLINGS.map(str::to_owned).into();
    let questions: Vec<Aside> =
        rules.map(|rule| Aside { question: rule.question().to_owned(), choices: choices.clone() }).collect();
    Asides { baseline: (!questions.is_empty()).then(blank), questions }
}

/// How strongly a rule holds, of the scores of its aside and those of a blank picture.
#[must_use]
pub fn read(rule: &Statement, scores: &Scores, blank: &Scores) -> Score {
    let positive = lean_to_yes(&scores.log_probs) - lean_to_yes(&blank.log_probs).max(0.0);
    Score { nats: if rule.is_negated() { -positive } else { positive } }
}

/// A picture on which nothing is to be seen.
fn blank() -> RgbImage {
    let (colour, width, height) = BLANK;
    RgbImage::from_pixel(width, height, colour)
}

/// Rules with what the model leans to by itself, for one view of one engine.
pub struct Scorer<'a> {
    rules: &'a [Statement],
    questions: Vec<String>,
    /// What each question's scores are on a blank picture.
    blank: Vec<Scores>,
}

impl<'a> Scorer<'a> {
    /// Measures what the model leans to; `None` where `cancel` was raised.
    ///
    /// # Errors
    /// When the engine can't score, or fails.
    pub fn new(
        rules: &'a [Statement],
        engine: &mut dyn Engine,
        view: ViewId,
        cancel: &Cancel,
    ) -> Result<Option<Self>, EngineError> {
        let questions = rules.iter().map(|rule| rule.question().to_owned()).collect();
        let mut scorer = Self { rules, questions, blank: Vec::new() };
        let Some(blank) = scorer.ask(engine, view, &blank(), cancel)? else { return Ok(None) };
        scorer.blank = blank;
        Ok(Some(scorer))
    }

    /// Scores each rule of a picture, all in one pass; `None` where `cancel` was raised.
    ///
    /// # Errors
    /// As [`Scorer::new`].
    pub fn score(
        &self,
        engine: &mut dyn Engine,
        view: ViewId,
        picture: &RgbImage,
        cancel: &Cancel,
    ) -> Result<Option<Vec<Score>>, EngineError> {
        let scores = self.ask(engine, view, picture, cancel)?;
        Ok(scores.map(|scores| self.read(&scores)))
    }

    /// The same of each of some views whose features were kept.
    ///
    /// # Errors
    /// As [`Scorer::new`]; and when the features are another model's.
    pub fn score_kept(
        &self,
        engine: &mut dyn Engine,
        view: ViewId,
        features: &[Arc<Features>],
        cancel: &Cancel,
    ) -> Result<Option<Vec<Vec<Score>>>, EngineError> {
        let asked: Vec<_> = self.questions.iter().map(|question| Scored { question, choices: &SPELLINGS }).collect();
        let scores = engine.score_kept(view, features, &asked, cancel)?;
        Ok(scores.map(|scores| scores.iter().map(|scores| self.read(scores)).collect()))
    }

    fn read(&self, scores: &[Scores]) -> Vec<Score> {
        let pairs = scores.iter().zip(&self.blank);
        self.rules.iter().zip(pairs).map(|(rule, (scores, blank))| read(rule, scores, blank)).collect()
    }

    fn ask(
        &self,
        engine: &mut dyn Engine,
        view: ViewId,
        picture: &RgbImage,
        cancel: &Cancel,
    ) -> Result<Option<Vec<Scores>>, EngineError> {
        let asked: Vec<_> = self.questions.iter().map(|question| Scored { question, choices: &SPELLINGS }).collect();
        let shown = Shown { pictures: &[picture], scene: None, reuse: Reuse::IfIdentical };
        engine.score(view, shown, &asked, cancel)
    }
}

/// log P(yes) - log P(no), of the log-probabilities of all spellings.
fn lean_to_yes(log_probs: &[f32]) -> f32 {
    let (yes, no) = log_probs.split_at(YES.min(log_probs.len()));
    log_sum(yes) - log_sum(no)
}

fn log_sum(log_probs: &[f32]) -> f32 {
    let most = log_probs.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    if most == f32::NEG_INFINITY { most } else { most + log_probs.iter().map(|p| (p - most).exp()).sum::<f32>().ln() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::{World, paint};
    use crate::engine::ViewOptions;
    use crate::engine::options::EngineOptions;
    use crate::models::spec::ModelSpec;

    #[test]
    fn spellings_are_added_up() {
        let half = 0.5_f32.ln();
        let quarter = 0.25_f32.ln();
        assert!((lean_to_yes(&[quarter, quarter, half, f32::NEG_INFINITY])).abs() < 1e-6);
        assert!((lean_to_yes(&[half, quarter, quarter, f32::NEG_INFINITY]) - 3_f32.ln()).abs() < 1e-6);
        assert!((Score { nats: 0.0 }.probability() - 0.5).abs() < 1e-6);
        assert!(Score { nats: 2.0 }.holds() && !Score { nats: -0.1 }.holds());
    }

    /// What is true of unseen scenes, and what is not, as the demo model tells them apart.
    #[test]
    fn rules_about_the_demo_scene_are_right() {
        let mut engine = crate::engine::open(&ModelSpec::Demo, &EngineOptions::default()).expect("built in");
        let (view, cancel) = (engine.open_view(ViewOptions::default()).expect("a view"), Cancel::default());
        let (mut right, mut all) = (0, 0);
        for seed in 900..930 {
            let mut world = World::new(seed);
            world.settle();
            let (picture, truth) = (paint(&world), world.truth());
            let colours = ["red", "blue", "green", "yellow"];
            let shapes = ["circle", "square", "triangle", "star"];
            let named: Vec<(String, bool)> = colours
                .iter()
                .flat_map(|colour| shapes.iter().map(move |shape| (colour, shape)))
                .map(|(colour, shape)| {
                    let is_there = truth.iter().any(|o| o.color.word() == *colour && o.shape.word() == *shape);
                    (format!("a {colour} {shape}"), is_there)
                })
                .collect();
            let rules: Vec<Statement> = named
                .iter()
                .flat_map(|(thing, _)| [format!("there is {thing}"), format!("there is not {thing}")])
                .map(|text| text.parse().expect("a rule"))
                .collect();
            let scorer = Scorer::new(&rules, &mut *engine, view, &cancel).expect("scores").expect("not cancelled");
            let scores = scorer.score(&mut *engine, view, &picture, &cancel).expect("scores").expect("not cancelled");
            for (pair, (_, is_there)) in scores.chunks(2).zip(&named) {
                right += usize::from(pair[0].holds() == *is_there) + usize::from(pair[1].holds() != *is_there);
                all += 2;
            }
        }
        assert!(right * 100 >= all * 97, "{right} of {all}");
    }
}

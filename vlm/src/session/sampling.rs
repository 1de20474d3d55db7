//! Choosing the next token, and noticing when the choices go round in circles. Knows no prompt and no cache.

use candle_core::Tensor;
use candle_transformers::generation::{LogitsProcessor, Sampling};

use crate::error::{Error, Result};
use crate::kernels;

/// The longest phrase, in tokens, whose repetition is noticed.
const LONGEST_PERIOD: usize = 32;
/// A phrase must come this often in a row ...
const FEWEST_REPEATS: usize = 4;
/// ... and fill this many tokens, before it counts as a circle: "very, very" and lists of like things are no circles.
const SHORTEST_CIRCLE: usize = 16;

/// A token that was chosen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Choice {
    pub id: u32,
    /// Its logarithmic probability under the model's own distribution: the log-softmax of the logits at temperature 1.
    pub log_prob: f32,
}

/// Greedy decoding: HuggingFace's own examples decode so.
pub(crate) struct Greedy(LogitsProcessor);

impl Greedy {
    pub fn new() -> Self {
        // Greedy choice draws no random numbers, so the seed does not matter.
        Self(LogitsProcessor::from_sampling(0, Sampling::ArgMax))
    }

    /// The likeliest token of one row of logits, `[vocabulary]`.
    ///
    /// # Errors
    /// [`Error::NotFinite`] when the row holds no usable number.
    pub fn choose(&mut self, logits: &Tensor) -> Result<Choice> {
        let id = self.0.sample(logits)?;
        let best = logits.get(id as usize)?.to_scalar::<f32>()?;
        if !best.is_finite() {
            return Err(Error::NotFinite);
        }
        // Nothing is likelier than certain; rounding may say so.
        let log_prob = (best - kernels::log_sum_exp(logits, best)?).min(0.0);
        Ok(Choice { id, log_prob })
    }
}

/// If `ids` ends in one phrase over and over, the length to cut it to so that the phrase stands once.
pub(crate) fn circle(ids: &[u32]) -> Option<usize> {
    (1..=LONGEST_PERIOD).find_map(|period| {
        let span = (period * FEWEST_REPEATS).max(SHORTEST_CIRCLE);
        let tail = &ids[ids.len().checked_sub(span)?..];
        let repeats = tail.iter().zip(&tail[period..]).all(|(a, b)| a == b);
        repeats.then(|| ids.len() - span + period)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    fn choose(logits: &[f32]) -> Result<Choice> {
        Greedy::new().choose(&Tensor::new(logits, &Device::Cpu).unwrap())
    }

    #[test]
    fn the_likeliest_token_is_chosen_and_damaged_numbers_are_an_error() {
        assert_eq!(choose(&[0.5, 3.0, -1.0]).unwrap().id, 1);
        assert!(matches!(choose(&[f32::NAN; 3]), Err(Error::NotFinite)));
        assert!(matches!(choose(&[0.0, f32::INFINITY]), Err(Error::NotFinite)));
    }

    #[test]
    fn a_choice_knows_how_likely_it_was() {
        let even = choose(&[2.5; 4]).unwrap().log_prob;
        assert!((even - 0.25_f32.ln()).abs() < 1e-6, "{even}");
        let sure = choose(&[0.0, 1000.0, 999.0]).unwrap().log_prob;
        assert!((sure + (-1_f32).exp().ln_1p()).abs() < 1e-4, "{sure}");
        assert!(choose(&[7.0]).unwrap().log_prob.abs() < 1e-6);
    }

    #[test]
    fn circles_are_cut_to_one_round() {
        let ids: Vec<u32> = [9, 9, 8].into_iter().chain([1, 2, 3, 4, 5].repeat(4)).collect();
        assert_eq!(circle(&ids), Some(8));
        assert_eq!(&ids[..8], [9, 9, 8, 1, 2, 3, 4, 5]);
        assert_eq!(circle(&[7; 16]), Some(1));
    }

    #[test]
    fn emphasis_and_lists_are_no_circles() {
        assert_eq!(circle(&[7; 15]), None);
        assert_eq!(circle(&[1, 2, 3, 4, 5].repeat(3)), None);
        let list: Vec<u32> = (0..8).flat_map(|n| [50, 60, n, 70]).collect();
        assert_eq!(circle(&list), None);
    }
}

//! Choosing the next token, and noticing when the choices go round in circles. Knows no prompt and
//! no cache.

use candle_core::Tensor;
use candle_transformers::generation::{LogitsProcessor, Sampling as Law};

use crate::error::{Error, Result};
use crate::kernels;

/// The longest phrase, in tokens, whose repetition is noticed.
const LONGEST_PERIOD: usize = 32;
/// A phrase must come this often in a row ...
const FEWEST_REPEATS: usize = 4;
/// ... and fill this many tokens, before it counts as a circle: "very, very" and lists of like
/// things are no circles.
const SHORTEST_CIRCLE: usize = 16;

/// A token that was chosen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Choice {
    pub id: u32,
    /// Its logarithmic probability under the model's own distribution: the log-softmax of the
    /// logits at temperature 1.
    pub log_prob: f32,
}

/// How the next token is chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Sampling {
    /// The likeliest: HuggingFace's own examples decode so.
    #[default]
    Greedy,
    /// One by chance, as likely as the model finds it.
    Random {
        /// What logits are divided by first: below 1 the likely becomes likelier, above 1 less so.
        /// 0 is [`Sampling::Greedy`].
        temperature: f64,
        /// Nucleus sampling (Holtzman et al. 2020): only the likeliest tokens count, as many as
        /// together have this probability. 1 takes all.
        top_p: f64,
        /// The same seed chooses the same words.
        seed: u64,
    },
}

impl Sampling {
    /// Temperatures below this are none: dividing by them would leave the range of f32.
    const COLDEST: f64 = 1e-4;

    fn law(self) -> (u64, Law) {
        match self {
            Self::Random { temperature, top_p, seed } if temperature >= Self::COLDEST => {
                (seed, if top_p < 1.0 { Law::TopP { p: top_p, temperature } } else { Law::All { temperature } })
            }
            // Greedy choice draws no random numbers, so the seed does not matter.
            Self::Greedy | Self::Random { .. } => (0, Law::ArgMax),
        }
    }
}

/// Chooses the tokens of one reply.
pub(crate) struct Sampler {
    processor: LogitsProcessor,
    is_greedy: bool,
}

impl Sampler {
    pub fn new(sampling: Sampling) -> Self {
        let (seed, law) = sampling.law();
        let is_greedy = matches!(law, Law::ArgMax);
        Self { processor: LogitsProcessor::from_sampling(seed, law), is_greedy }
    }

    /// A token by one row of logits, `[vocabulary]`.
    ///
    /// # Errors
    /// [`Error::NotFinite`] when the row holds no usable number.
    pub fn choose(&mut self, logits: &Tensor) -> Result<Choice> {
        let max = if self.is_greedy { None } else { Some(logits.max(0)?.to_scalar::<f32>()?) };
        // The sampler's weights are no numbers where a logit is none.
        if max.is_some_and(|max| !max.is_finite()) {
            return Err(Error::NotFinite);
        }
        let id = self.processor.sample(logits)?;
        let chosen = logits.get(id as usize)?.to_scalar::<f32>()?;
        if !chosen.is_finite() {
            return Err(Error::NotFinite);
        }
        // Nothing is likelier than certain; rounding may say so.
        let log_prob = (chosen - kernels::log_sum_exp(logits, max.unwrap_or(chosen))?).min(0.0);
        Ok(Choice { id, log_prob })
    }
}

/// The logarithmic probability of each of `ids` under one row of logits, `[vocabulary]`, at
/// temperature 1.
///
/// # Errors
/// [`Error::NotFinite`] when the row holds no usable number.
pub(crate) fn log_probs(logits: &Tensor, ids: impl Iterator<Item = u32>) -> Result<Vec<f32>> {
    let best = logits.max(0)?.to_scalar::<f32>()?;
    let sum = kernels::log_sum_exp(logits, best)?;
    if !(best.is_finite() && sum.is_finite()) {
        return Err(Error::NotFinite);
    }
    let log_prob = |id: u32| Ok((logits.get(id as usize)?.to_scalar::<f32>()? - sum).min(0.0));
    ids.map(log_prob).collect()
}

/// If `ids` ends in one phrase over and over, the length to cut it to so that the phrase stands
/// once.
#[must_use]
pub fn circle(ids: &[u32]) -> Option<usize> {
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
        Sampler::new(Sampling::Greedy).choose(&Tensor::new(logits, &Device::Cpu).unwrap())
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

    /// How often each of four tokens is chosen in a thousand choices.
    fn shares(sampling: impl Fn(u64) -> Sampling) -> [usize; 4] {
        let logits = Tensor::new(&[0.5_f32.ln(), 0.3_f32.ln(), 0.15_f32.ln(), 0.05_f32.ln()], &Device::Cpu).unwrap();
        let mut sampler = Sampler::new(sampling(7));
        let mut shares = [0; 4];
        for _ in 0..1000 {
            shares[sampler.choose(&logits).unwrap().id as usize] += 1;
        }
        shares
    }

    #[test]
    fn chance_follows_the_models_probabilities() {
        let of = |temperature, top_p| shares(|seed| Sampling::Random { temperature, top_p, seed });
        let [a, b, c, d] = of(1.0, 1.0);
        // Each within four standard deviations of its share.
        for (share, p) in [(a, 0.5_f64), (b, 0.3), (c, 0.15), (d, 0.05)] {
            let off = (share as f64 - 1000.0 * p).abs();
            assert!(off < 4.0 * (1000.0 * p * (1.0 - p)).sqrt(), "{share} of 1000 where {p} was meant");
        }
        assert!(of(0.5, 1.0)[0] > a && of(2.0, 1.0)[0] < a, "a temperature sharpens or flattens");
        assert_eq!(of(1.0, 0.7)[2..], [0, 0], "the nucleus of 0.7 has two tokens");
        assert_eq!(of(0.0, 1.0), [1000, 0, 0, 0]);
        assert_eq!(shares(|_| Sampling::Greedy), [1000, 0, 0, 0]);
    }

    #[test]
    fn the_same_seed_chooses_the_same() {
        let logits = Tensor::new(&[0.0_f32; 50], &Device::Cpu).unwrap();
        let words = |seed| {
            let mut sampler = Sampler::new(Sampling::Random { temperature: 0.8, top_p: 0.9, seed });
            (0..20).map(|_| sampler.choose(&logits).unwrap().id).collect::<Vec<_>>()
        };
        assert_eq!(words(3), words(3));
        assert_ne!(words(3), words(4));
    }

    #[test]
    fn what_was_chosen_by_chance_knows_how_likely_it_was_and_damaged_numbers_are_an_error() {
        let sampling = Sampling::Random { temperature: 1.0, top_p: 1.0, seed: 1 };
        let even = Sampler::new(sampling).choose(&Tensor::new(&[2.5_f32; 4], &Device::Cpu).unwrap()).unwrap();
        assert!((even.log_prob - 0.25_f32.ln()).abs() < 1e-6, "{even:?}");
        // The unlikely one is far below the others, whose sum must not overflow.
        let apart = Tensor::new(&[0.0_f32, 200.0, 200.0], &Device::Cpu).unwrap();
        let chosen = Sampler::new(sampling).choose(&apart).unwrap();
        // In f32, numbers near 200 are 1.5e-5 apart.
        assert!((chosen.log_prob - 0.5_f32.ln()).abs() < 2e-5, "{chosen:?}");
        for damaged in [[f32::NAN; 3], [1.0, f32::INFINITY, 0.0]] {
            let logits = Tensor::new(&damaged, &Device::Cpu).unwrap();
            assert!(matches!(Sampler::new(sampling).choose(&logits), Err(Error::NotFinite)));
        }
    }
}

//! What scores are worth, by what the user says of them: Platt scaling (Platt 1999), and how well
//! they tell what holds from what does not. Pure arithmetic: knows no engine and no log.
//!
//! Scaling mends probabilities and never the order of scores (arXiv 2604.02543): a rule that does
//! not separate stays so, and [`Separation::verdict`] says it.

use serde::{Deserialize, Serialize};

use crate::rules::score::Score;

/// Views of each kind, at least, from which scaling is made: with fewer it would follow chance.
const FEWEST: usize = 3;
/// Steps of Newton's method at most; it takes some five.
const STEPS: usize = 50;
/// The quantile of the normal distribution for an interval of 95 %.
const NORMAL_95: f64 = 1.96;

/// A score of which the user says whether the sentence holds there.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tick {
    /// In nats, as the model says.
    pub nats: f64,
    /// Whether the sentence holds.
    pub holds: bool,
}

/// From a model's score to one whose probability is right: a line.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// What nats are multiplied by; above 0.
    pub slope: f64,
    /// What is added, in nats.
    pub offset: f64,
}

impl Default for Calibration {
    /// Scores as the model gives them.
    fn default() -> Self {
        Self { slope: 1.0, offset: 0.0 }
    }
}

impl Calibration {
    /// The score that a model's score stands for.
    #[must_use]
    pub fn apply(self, score: Score) -> Score {
        Score { nats: (self.slope * f64::from(score.nats) + self.offset) as f32 }
    }

    /// Fits the line to ticks, with Platt's targets, which keep few ticks from making anything
    /// certain. `None` where there are too few of either kind, or where higher scores do not mean
    /// that it holds.
    #[must_use]
    pub fn fit(ticks: &[Tick]) -> Option<Self> {
        let holding = ticks.iter().filter(|tick| tick.holds).count();
        let others = ticks.len() - holding;
        if holding < FEWEST || others < FEWEST {
            return None;
        }
        let target = |tick: &Tick| {
            if tick.holds { (holding as f64 + 1.0) / (holding as f64 + 2.0) } else { 1.0 / (others as f64 + 2.0) }
        };
        let loss = |slope: f64, offset: f64| -> f64 {
            // -(t ln p + (1 - t) ln (1 - p)) of p = 1 / (1 + e^-z), without overflow.
            let of = |tick: &Tick| {
                let z = slope * tick.nats + offset;
                z.max(0.0) - z * target(tick) + (-z.abs()).exp().ln_1p()
            };
            ticks.iter().map(of).sum()
        };
        let (mut slope, mut offset) = (0.0, ((holding as f64 + 1.0) / (others as f64 + 1.0)).ln());
        for _ in 0..STEPS {
            // Gradient and Hessian, the latter with a little on its diagonal to be invertible.
            let (mut g, mut h) = ([0.0; 2], [1e-9, 0.0, 1e-9]);
            for tick in ticks {
                let p = 1.0 / (1.0 + (-(slope * tick.nats + offset)).exp());
                let (off, weight) = (p - target(tick), p * (1.0 - p));
                g = [g[0] + off * tick.nats, g[1] + off];
                h = [h[0] + weight * tick.nats * tick.nats, h[1] + weight * tick.nats, h[2] + weight];
            }
            let det = h[0] * h[2] - h[1] * h[1];
            let step = [(h[2] * g[0] - h[1] * g[1]) / det, (h[0] * g[1] - h[1] * g[0]) / det];
            let before = loss(slope, offset);
            let mut length = 1.0;
            while length > 1e-6 && loss(slope - length * step[0], offset - length * step[1]) > before {
                length /= 2.0;
            }
            slope -= length * step[0];
            offset -= length * step[1];
            if step.iter().all(|step| (length * step).abs() < 1e-9) {
                break;
            }
        }
        (slope > 0.0 && slope.is_finite() && offset.is_finite()).then_some(Self { slope, offset })
    }
}

/// How well scores tell what holds from what does not.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Separation {
    /// The chance that a view of which it holds has the higher score (AUROC): 1 is perfect, 0.5
    /// none.
    pub auroc: f64,
    /// From where to where it lies, with 95 % certainty (Hanley 1982).
    pub interval: (f64, f64),
    /// Ticks of views in which it holds.
    pub holding: usize,
    /// And of others.
    pub others: usize,
}

impl Separation {
    /// Of ticks; `None` unless there are some of both kinds.
    #[must_use]
    pub fn of(ticks: &[Tick]) -> Option<Self> {
        let (holding, others): (Vec<&Tick>, Vec<&Tick>) = ticks.iter().partition(|tick| tick.holds);
        if holding.is_empty() || others.is_empty() {
            return None;
        }
        let mut above = 0.0;
        for tick in &holding {
            for other in &others {
                above += match tick.nats.total_cmp(&other.nats) {
                    std::cmp::Ordering::Greater => 1.0,
                    std::cmp::Ordering::Equal => 0.5,
                    std::cmp::Ordering::Less => 0.0,
                };
            }
        }
        let (n, m) = (holding.len() as f64, others.len() as f64);
        let auroc = above / (n * m);
        let (one, two) = (auroc / (2.0 - auroc), 2.0 * auroc * auroc / (1.0 + auroc));
        let square = auroc * auroc;
        let variance = (auroc * (1.0 - auroc) + (n - 1.0) * (one - square) + (m - 1.0) * (two - square)) / (n * m);
        // Where all were told apart, that formula knows no doubt. The rule of three does: it may
        // still be wrong of 3 in n.
        let doubt =
            if auroc >= 1.0 || auroc <= 0.0 { 3.0 / n.min(m).max(3.0) } else { NORMAL_95 * variance.max(0.0).sqrt() };
        let interval = ((auroc - doubt).max(0.0), (auroc + doubt).min(1.0));
        Some(Self { auroc, interval, holding: holding.len(), others: others.len() })
    }

    /// What that means, in a sentence.
    #[must_use]
    pub fn verdict(&self) -> &'static str {
        if self.holding < FEWEST || self.others < FEWEST {
            "Too few ticks to say: three of each kind are needed."
        } else if self.interval.1 < 0.5 {
            "This model gets it the wrong way round: say the opposite, or say it otherwise."
        } else if self.interval.0 <= 0.5 {
            "So far this model can't tell: tick more, say it otherwise, or take a larger model."
        } else if self.auroc < 0.8 {
            "This model tells, but often wrongly."
        } else {
            "This model tells."
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::Random;

    fn ticks(values: &[(f64, bool)]) -> Vec<Tick> {
        values.iter().map(|(nats, holds)| Tick { nats: *nats, holds: *holds }).collect()
    }

    /// Ticks of a model whose log-odds are `slope * nats + offset` in truth.
    fn drawn(slope: f64, offset: f64, count: usize) -> Vec<Tick> {
        let mut random = Random::new(7);
        let mut tick = || {
            let nats = f64::from(random.between(-6.0, 6.0));
            let p = 1.0 / (1.0 + (-(slope * nats + offset)).exp());
            Tick { nats, holds: random.chance(p as f32) }
        };
        (0..count).map(|_| tick()).collect()
    }

    #[test]
    fn the_line_that_made_the_ticks_is_found() {
        let got = Calibration::fit(&drawn(0.5, -1.0, 4000)).expect("enough");
        assert!((got.slope - 0.5).abs() < 0.05 && (got.offset + 1.0).abs() < 0.12, "{got:?}");
        let score = got.apply(Score { nats: 4.0 });
        assert!((score.probability() - 0.73).abs() < 0.03, "{}", score.probability());
    }

    #[test]
    fn few_ticks_make_nothing_certain_and_too_few_nothing() {
        let few = ticks(&[(3.0, true), (4.0, true), (5.0, true), (-3.0, false), (-4.0, false), (-5.0, false)]);
        let got = Calibration::fit(&few).expect("enough");
        assert!(got.slope > 0.0 && got.apply(Score { nats: 5.0 }).probability() < 0.95, "{got:?}");
        assert_eq!(Calibration::fit(&few[..5]), None);
        let opposite: Vec<Tick> = few.iter().map(|tick| Tick { nats: -tick.nats, ..*tick }).collect();
        assert_eq!(Calibration::fit(&opposite), None, "a line that turns round is not a scaling");
    }

    #[test]
    fn separation_is_the_share_of_pairs_in_order() {
        let all = ticks(&[(3.0, true), (1.0, true), (2.0, false), (0.0, false)]);
        let separation = Separation::of(&all).expect("both kinds");
        assert!((separation.auroc - 0.75).abs() < 1e-9);
        assert_eq!(separation.verdict(), "Too few ticks to say: three of each kind are needed.");
        assert_eq!(Separation::of(&all[..2]), None);
        let told = Separation::of(&drawn(2.0, 0.0, 200)).expect("both kinds");
        assert!(told.auroc > 0.9 && told.interval.0 > 0.8 && told.interval.1 <= 1.0, "{told:?}");
        assert_eq!(told.verdict(), "This model tells.");
        let mixed: Vec<Tick> = (0..60).map(|n| Tick { nats: f64::from(n), holds: n % 2 == 0 }).collect();
        let blind = Separation::of(&mixed).expect("both kinds");
        assert!(blind.verdict().contains("can't tell"), "{blind:?}");
        let turned = Separation::of(&drawn(-2.0, 0.0, 200)).expect("both kinds");
        assert!(turned.verdict().contains("wrong way round"), "{turned:?}");
    }

    #[test]
    fn even_perfect_order_is_uncertain_with_few_ticks() {
        let few = ticks(&[(3.0, true), (4.0, true), (5.0, true), (-3.0, false), (-4.0, false), (-5.0, false)]);
        let separation = Separation::of(&few).expect("both kinds");
        assert!(separation.auroc > 0.99 && separation.interval.0 < 0.5, "{separation:?}");
        assert!(separation.verdict().contains("can't tell"));
    }
}

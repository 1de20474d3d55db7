//! What several rounds of a measure took, as one value. Knows nothing of what is measured.

use std::time::Duration;

use serde::Serialize;

/// What some rounds took.
#[derive(Clone, Copy, Serialize)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) most: f64,
}

impl Spread {
    /// Of at least one value.
    pub(crate) fn of(values: impl Iterator<Item = f64>) -> Self {
        let mut sorted: Vec<f64> = values.collect();
        sorted.sort_by(f64::total_cmp);
        let at = |i: usize| sorted.get(i).copied().unwrap_or_default();
        let last = sorted.len().saturating_sub(1);
        Self { median: f64::midpoint(at(last / 2), at(sorted.len() / 2)), least: at(0), most: at(last) }
    }
}

/// As milliseconds, with their fraction.
pub(crate) fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_has_its_median_in_the_middle() {
        let of = |values: &[f64]| Spread::of(values.iter().copied());
        let odd = of(&[3.0, 1.0, 9.0]);
        assert_eq!((odd.median, odd.least, odd.most), (3.0, 1.0, 9.0));
        assert!((of(&[4.0, 1.0, 2.0, 9.0]).median - 3.0).abs() < 1e-12);
    }
}

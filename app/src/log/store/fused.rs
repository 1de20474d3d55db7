//! Entries by their words and by their meaning as one list, the best first. Knows no table.
//!
//! Two rankings become one by reciprocal rank fusion (Cormack, Clarke and Büttcher 2009): what
//! stands at rank r of a ranking gets 1 / (60 + r), and what stands in both the sum. So neither
//! ranking's own measure counts, and what both find comes first.

use std::collections::HashMap;

use crate::log::data::entry::FoundEntry;
use crate::log::data::filter::Filter;
use crate::log::error::LogError;
use crate::log::store::Store;
use crate::log::store::nearest::{Meant, Near};

/// The constant of the method, as its authors chose it.
const FLAT: f64 = 60.0;
/// Entries of each ranking, at least, before they become one.
const DEPTH: usize = 200;

/// An entry that a search has found.
#[derive(Clone, Debug, PartialEq)]
pub struct Hit {
    /// The entry.
    pub found: FoundEntry,
    /// How near in meaning: 1 is the same. None where it was found by its words alone.
    pub cosine: Option<f32>,
}

impl Store {
    /// The entries that the filter lets through, whatever its words, and whose own words are
    /// nearest in meaning; nearest first, `most` at most.
    ///
    /// # Errors
    /// When the log can't be read.
    pub fn search_by_meaning(&self, filter: &Filter, meant: &Meant, most: usize) -> Result<Vec<Hit>, LogError> {
        self.hits(
            self.nearest_in_meaning(meant, filter, most)?.into_iter().map(|near| (near.entry, Some(near.cosine))),
            &[],
        )
    }

    /// The entries that have the filter's words, newest first, and those that are nearest in
    /// meaning, nearest first, as one list, `most` at most.
    ///
    /// # Errors
    /// When the log can't be read, or there are no words in `filter.words`.
    pub fn search_by_both(&self, filter: &Filter, meant: &Meant, most: usize) -> Result<Vec<Hit>, LogError> {
        let depth = most.max(DEPTH);
        let with_words = self.search(filter, None, depth)?;
        let near = self.nearest_in_meaning(meant, filter, depth)?;
        let ids: Vec<i64> = with_words.iter().map(|found| found.entry.id).collect();
        self.hits(fused(&ids, &near).into_iter().take(most), &with_words)
    }

    /// The entries of these numbers. One that was removed meanwhile is left out.
    fn hits(
        &self,
        ranked: impl Iterator<Item = (i64, Option<f32>)>,
        known: &[FoundEntry],
    ) -> Result<Vec<Hit>, LogError> {
        let known: HashMap<i64, &FoundEntry> = known.iter().map(|found| (found.entry.id, found)).collect();
        let mut hits = Vec::new();
        for (id, cosine) in ranked {
            let found = match known.get(&id) {
                Some(found) => Some((*found).clone()),
                None => self.entry(id)?,
            };
            hits.extend(found.map(|found| Hit { found, cosine }));
        }
        Ok(hits)
    }
}

/// Both rankings as one: each entry with how near it is, where that is known.
fn fused(words: &[i64], near: &[Near]) -> Vec<(i64, Option<f32>)> {
    let mut scores: HashMap<i64, (f64, Option<f32>)> = HashMap::new();
    let ranked = words.iter().map(|id| (*id, None)).enumerate();
    let ranked = ranked.chain(near.iter().map(|near| (near.entry, Some(near.cosine))).enumerate());
    for (rank, (id, cosine)) in ranked {
        let (score, known) = scores.entry(id).or_default();
        *score += 1.0 / (FLAT + 1.0 + rank as f64);
        *known = cosine.or(*known);
    }
    let mut all: Vec<_> = scores.into_iter().collect();
    // Those of one score newest first.
    all.sort_by(|(a, (a_score, _)), (b, (b_score, _))| b_score.total_cmp(a_score).then(b.cmp(a)));
    all.into_iter().map(|(id, (_, cosine))| (id, cosine)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::Random;
    use crate::log::EntryFilter;
    use crate::log::data::entry::EntryKind;
    use crate::testing::log::{Scratch, entry, moment};
    use crate::testing::meaning::{MODEL, meant, vector};

    const BEGAN: &str = "2026-11-23T10:00:00.000+01:00";

    /// Entries 1 to 6, a second apart.
    fn filled() -> Scratch {
        let mut log = Scratch::new();
        let session = log.session("door", "256m", BEGAN);
        let texts = ["A dog", "A puppy", "A cup of tea", "A kitten", "A jug", "A dog and a cup"];
        let ids: Vec<i64> = (1..).zip(texts).map(|(n, text)| log.add(&second(session, n, text))).collect();
        let vectors: Vec<_> = ids.into_iter().zip(texts.map(vector)).collect();
        assert_eq!(log.store.add_meanings(MODEL, &vectors), Ok(6));
        log
    }

    fn second(session: i64, second: i64, text: &str) -> crate::log::Entry {
        crate::log::Entry { at: moment(BEGAN).plus_ms(1000 * second), ..entry(session, BEGAN, 1000 * second, text) }
    }

    fn ids(hits: &[Hit]) -> Vec<i64> {
        hits.iter().map(|hit| hit.found.entry.id).collect()
    }

    fn words(text: &str) -> Filter {
        Filter { words: Some(text.to_owned()), ..Filter::default() }
    }

    #[test]
    fn what_both_rankings_have_comes_first() {
        let near = |entry, cosine| Near { entry, cosine };
        let all = fused(&[9, 7, 3], &[near(3, 0.9), near(5, 0.8), near(9, 0.4)]);
        assert_eq!(all, [(9, Some(0.4)), (3, Some(0.9)), (7, None), (5, Some(0.8))]);
        assert_eq!(fused(&[], &[]), []);
    }

    #[test]
    fn a_dog_finds_a_puppy() {
        let log = filled();
        let hits = log.store.search_by_meaning(&Filter::default(), &meant("dog"), 9).expect("read");
        assert_eq!(ids(&hits), [1, 2, 6]);
        assert!(hits[0].cosine > hits[1].cosine && hits[2].cosine > Some(0.3), "{hits:?}");
        assert_eq!(ids(&log.store.search_by_meaning(&Filter::default(), &meant("dog"), 1).expect("read")), [1]);
        let hits = log.store.search_by_both(&words("cup"), &meant("cup"), 9).expect("read");
        assert_eq!(ids(&hits), [3, 6, 5], "a jug is near to a cup");
        assert!(hits[2].cosine.is_some());
        assert_eq!(ids(&log.store.search_by_both(&words("cup"), &meant("cup"), 2).expect("read")), [3, 6]);
    }

    #[test]
    fn words_are_found_that_have_no_vector() {
        let mut log = filled();
        let late = log.add(&second(1, 20, "A dog again"));
        let hits = log.store.search_by_both(&words("dog"), &meant("dog"), 9).expect("read");
        let without: Vec<i64> = hits.iter().filter(|hit| hit.cosine.is_none()).map(|hit| hit.found.entry.id).collect();
        assert_eq!((hits.len(), without), (4, vec![late]));
        let other = Meant { model: "another".to_owned(), ..meant("dog") };
        assert!(log.store.search_by_meaning(&Filter::default(), &other, 9).expect("read").is_empty());
    }

    #[test]
    fn only_what_the_filter_lets_through_is_found() {
        let mut log = filled();
        log.store.set_bookmark(2, true).expect("marked");
        log.session("film", "500m", BEGAN);
        log.add(&second(2, 9, "A dog"));
        log.store.add_meanings(MODEL, &[(7, vector("A dog"))]).expect("written");
        let found = |filter: Filter| {
            let hits = log.store.search_by_meaning(&filter, &meant("dog"), 9).expect("read");
            ids(&hits)
        };
        assert_eq!(found(Filter::default()), [7, 1, 2, 6]);
        assert_eq!(found(Filter { source: Some("film".to_owned()), ..Filter::default() }), [7]);
        assert_eq!(found(Filter { kinds: vec![EntryFilter::Bookmarked], ..Filter::default() }), [2]);
        assert_eq!(found(Filter { kinds: vec![EntryFilter::Of(EntryKind::Answer)], ..Filter::default() }), [0; 0]);
        let early = Filter { until_ms: Some(moment(BEGAN).ms + 2500), ..Filter::default() };
        assert_eq!(found(early), [1, 2]);
        assert!(log.store.delete(1).expect("deleted"));
        let hits = log.store.search_by_meaning(&Filter::default(), &meant("dog"), 9).expect("read");
        assert_eq!(ids(&hits), [7, 2, 6]);
    }

    /// More entries than are compared in bytes: the nearest are found wherever they stand.
    #[test]
    fn the_nearest_of_many_are_found() {
        let mut log = Scratch::new();
        let session = log.session("door", "256m", BEGAN);
        let many = 9000;
        log.store
            .change(|c| {
                (1..=many)
                    .try_for_each(|n| crate::log::store::rows::insert_entry(c, &second(session, n, "A")).map(drop))
            })
            .expect("written");
        let mut random = Random::new(1);
        let mut any = || (0..384).map(|_| random.unit() - 0.5).collect::<Vec<f32>>();
        let wanted = any();
        // A few are like the wanted one, the less the further behind.
        let vector = |n: i64| -> (i64, Vec<f32>) {
            let part = if n % 1000 == 1 { 3.0 - n as f32 / 5000.0 } else { 0.0 };
            (n, any().iter().zip(&wanted).map(|(a, b)| a + part * b).collect())
        };
        let vectors: Vec<_> = (1..=many).map(vector).collect();
        log.store.add_meanings(MODEL, &vectors).expect("written");
        let meant = Meant { model: MODEL.to_owned(), vector: wanted };
        let near = log.store.nearest_in_meaning(&meant, &Filter::default(), 5).expect("read");
        let entries: Vec<i64> = near.iter().map(|near| near.entry).collect();
        assert_eq!(entries, [1, 1001, 2001, 3001, 4001], "{near:?}");
    }
}

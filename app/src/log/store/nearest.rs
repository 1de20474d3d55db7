//! The entries whose words are nearest in meaning to a vector. Knows the tables of vectors; what
//! becomes of what is found is others'.
//!
//! Two passes. The first compares codes of two bits a number over all entries, which ranks them
//! roughly. Of the best some thousand the vectors are read, and compared in bytes.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use rusqlite::params_from_iter;

use crate::log::data::filter::Filter;
use crate::log::error::LogError;
use crate::log::store::Store;
use crate::log::store::codes::{self, Wanted};
use crate::log::store::meaning::{PRECISION, SLOT_BITS, entry_at, place, slots};
use crate::log::store::pooled::{self, Pooled};

/// Entries whose vectors are compared in bytes, at least.
const CANDIDATES: usize = 4000;
/// What is further from the wanted than this has nothing to do with it.
pub const LEAST_COSINE: f32 = 0.3;

/// An entry that is near in meaning.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Near {
    /// The entry's number.
    pub entry: i64,
    /// How near: 1 is the same.
    pub cosine: f32,
}

/// What is looked for: a text as a vector.
#[derive(Clone, Debug, PartialEq)]
pub struct Meant {
    /// The model that made the vector.
    pub model: String,
    /// The vector.
    pub vector: Vec<f32>,
}

/// Which entries of a block may be given, a bit each.
type Masks = HashMap<i64, u128>;

impl Store {
    /// The entries that the filter lets through, whatever its words, and whose own words are
    /// nearest to `meant`: nearest first, those as near newest first, `most` at most.
    ///
    /// # Errors
    /// When the log can't be read, or [`Interrupter::interrupt`](crate::log::Interrupter) was
    /// called.
    pub fn nearest_in_meaning(&self, meant: &Meant, filter: &Filter, most: usize) -> Result<Vec<Near>, LogError> {
        let search = || -> rusqlite::Result<Vec<Near>> {
            let pool = pooled::pool(self.connection(), &meant.model, PRECISION, meant.vector.len())?;
            let Some(pool) = pool else { return Ok(Vec::new()) };
            let filter = Filter { words: None, near: Vec::new(), ..filter.clone() };
            let masks = (filter != Filter::default()).then(|| self.masks(&filter)).transpose()?;
            let candidates = self.candidates(&meant.vector, masks.as_ref(), most.max(CANDIDATES))?;
            self.compared(&Pooled::of_mean(&meant.vector), pool, candidates)
        };
        let mut near = search().map_err(|error| self.error(&error))?;
        near.sort_by(|a, b| b.cosine.total_cmp(&a.cosine).then(b.entry.cmp(&a.entry)));
        near.truncate(most);
        Ok(near)
    }

    fn masks(&self, filter: &Filter) -> rusqlite::Result<Masks> {
        let condition = filter.condition();
        let mut statement = self.connection().prepare(&format!("SELECT e.id FROM entry e WHERE {}", condition.sql))?;
        let mut rows = statement.query(params_from_iter(condition.values))?;
        let mut masks = Masks::new();
        while let Some(row) = rows.next()? {
            let (block, slot) = place(row.get(0)?);
            *masks.entry(block).or_default() |= 1 << slot;
        }
        Ok(masks)
    }

    /// The entries whose codes are nearest, newest first where several are as near.
    fn candidates(&self, vector: &[f32], masks: Option<&Masks>, most: usize) -> rusqlite::Result<Vec<i64>> {
        let (wanted, length) = (Wanted::of(vector), codes::length(vector.len()));
        let sql = "SELECT block, low, high, codes FROM meaning_block ORDER BY block DESC";
        let mut statement = self.connection().prepare_cached(sql)?;
        let mut rows = statement.query([])?;
        // The worst is on top of the heap.
        let mut best: BinaryHeap<Reverse<(i32, i64)>> = BinaryHeap::with_capacity(most + 1);
        let mut bar = i32::MIN;
        while let Some(row) = rows.next()? {
            let block: i64 = row.get(0)?;
            let mask = masks.map_or(u128::MAX, |masks| masks.get(&block).copied().unwrap_or(0));
            let mut left = slots(row.get(1)?, row.get(2)?) & mask;
            if left == 0 {
                continue;
            }
            // In place: no byte is copied.
            let all = row.get_ref(3)?.as_blob().unwrap_or_default();
            let mut near = [i32::MIN; 1 << SLOT_BITS];
            wanted.nearness_of_each(all, length, &mut near);
            while left != 0 {
                let slot = u128::BITS - 1 - left.leading_zeros();
                left ^= 1 << slot;
                let nearness = near[slot as usize];
                if nearness > bar {
                    best.push(Reverse((nearness, entry_at(block, slot))));
                    if best.len() > most {
                        best.pop();
                        bar = best.peek().map_or(bar, |Reverse((worst, _))| *worst);
                    }
                }
            }
        }
        Ok(best.into_iter().map(|Reverse((_, entry))| entry).collect())
    }

    fn compared(&self, wanted: &Pooled, pool: i64, mut candidates: Vec<i64>) -> rusqlite::Result<Vec<Near>> {
        // In the order in which they lie in the file.
        candidates.sort_unstable();
        let mut statement =
            self.connection().prepare_cached("SELECT bytes FROM meaning WHERE entry = ?1 AND pool = ?2")?;
        let mut near = Vec::with_capacity(candidates.len());
        for entry in candidates {
            let mut rows = statement.query((entry, pool))?;
            let Some(row) = rows.next()? else { continue };
            let cosine = wanted.cosine(row.get_ref(0)?.as_blob().unwrap_or_default());
            near.extend(cosine.filter(|cosine| *cosine >= LEAST_COSINE).map(|cosine| Near { entry, cosine }));
        }
        Ok(near)
    }
}

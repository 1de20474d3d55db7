//! Attention of few queries, such as a single token's: reading the cache is the whole cost, so it
//! is read once and in order.
//!
//! Lanes run along the width of a head. A task is a range of keys for all heads, since the heads'
//! rows of one key lie side by side in the cache. It goes through its range in blocks: the scores
//! of all queries, their softmax, the weighted values. What the tasks found is merged by the rule
//! of the online softmax.

#![allow(unsafe_code, reason = "vector loads through pointers, in the innermost loops")]

use std::ops::Range;

use rten_simd::ops::{BitOps, NumOps};
use rten_simd::{Isa, SimdOp};

use crate::kernels::attention::heads::{Attention, Heads};
use crate::kernels::attention::prefetch::Fetch;
use crate::kernels::parallel;
use crate::kernels::simd::{Dispatch as _, Shared, exp, fold, larger, load, vectors};

/// Most rows of queries for which this is faster than packing them into the lanes.
pub(crate) const SMALL_BATCH: usize = 4;
/// Keys of a block: a multiple of every vector's lanes.
const BLOCK_KEYS: usize = 64;
/// How many keys ahead of the present one are fetched; values are fetched with the keys of their
/// block.
const AHEAD_KEYS: usize = 32;
/// Fewest keys worth a task of their own.
const RANGE_KEYS: usize = 48;
/// Products (queries x keys x width) under which waking other threads costs more than it saves.
const SERIAL_PRODUCTS: usize = 16 * 1024;
/// Keys whose scores are made together, and queries with them: with what is multiplied, they fit
/// AVX2's registers.
const TILE_KEYS: usize = 4;
const TILE_QUERIES: usize = 3;
/// Vectors of values that are gathered together, for as many queries.
const TILE_VECTORS: usize = 4;

/// One call.
///
/// Queries are numbered `head * tq + position`: those of a key head follow one another.
pub(crate) struct SmallBatch<'a> {
    q: Heads<'a>,
    k: Heads<'a>,
    v: Heads<'a>,
    causal: bool,
    out: Shared,
    /// The queries, scaled, and filled with zeros to a row of whole vectors.
    packed: Vec<f32>,
    /// Numbers in such a row.
    width: usize,
    /// Keys of a task.
    range: usize,
}

impl<'a> SmallBatch<'a> {
    pub(crate) fn new(q: Heads<'a>, k: Heads<'a>, v: Heads<'a>, op: &Attention, out: Shared, lanes: usize) -> Self {
        let width = q.d.next_multiple_of(lanes);
        let mut packed = vec![0f32; q.count * q.rows * width];
        for (query, packed) in packed.chunks_exact_mut(width).enumerate() {
            for (packed, &x) in packed.iter_mut().zip(q.row(query / q.rows, query % q.rows)) {
                *packed = x * op.scale;
            }
        }
        let range = if q.count * q.rows * k.rows * q.d <= SERIAL_PRODUCTS {
            k.rows
        } else {
            // Two tasks a thread even out what else the machine does.
            k.rows.div_ceil(2 * rayon::current_num_threads()).max(RANGE_KEYS).next_multiple_of(TILE_KEYS)
        };
        Self { q, k, v, causal: op.causal, out, packed, width, range }
    }

    fn queries(&self) -> usize {
        self.q.count * self.q.rows
    }

    /// Evaluates all tasks on the current pool, and writes every query's result.
    pub(crate) fn run(&self) {
        let len = self.queries() * self.width;
        let mut parts: Vec<_> = (0..self.k.rows.div_ceil(self.range)).map(|_| Part::new(self.queries(), len)).collect();
        parallel::for_each_mut(&mut parts, |task, part| {
            let range = task * self.range..((task + 1) * self.range).min(self.k.rows);
            Task { job: self, range, part }.dispatch_here();
        });
        self.merge(&parts);
    }

    /// The last key that a query sees.
    fn last_key(&self, query: usize) -> usize {
        if self.causal { self.k.rows - self.q.rows + query % self.q.rows } else { self.k.rows - 1 }
    }

    /// Weighs the parts by how their maxima compare, divides by the sum of all weights and writes
    /// the results.
    fn merge(&self, parts: &[Part]) {
        let d = self.q.d;
        for query in 0..self.queries() {
            let highest = parts.iter().fold(f32::MIN, |highest, part| highest.max(part.maxima[query]));
            let decay = |part: &Part| (part.maxima[query] - highest).exp();
            let sum: f32 = parts.iter().map(|part| part.sums[query] * decay(part)).sum();
            let (head, position) = (query / self.q.rows, query % self.q.rows);
            // SAFETY: the result is `[rows, heads * d]`, of which each query has `d` numbers,
            // written by no one else.
            let out = unsafe { self.out.at((position * self.q.count + head) * d) };
            for (i, part) in parts.iter().enumerate() {
                let weight = decay(part) / sum;
                for (at, &value) in part.values[query * self.width..][..d].iter().enumerate() {
                    // SAFETY: as above; the first part writes all numbers before any is read.
                    unsafe {
                        let out = out.add(at);
                        if i == 0 { out.write(value * weight) } else { *out += value * weight }
                    }
                }
            }
        }
    }
}

/// What a range of keys comes to, for all queries.
struct Part {
    /// The highest scores.
    maxima: Vec<f32>,
    /// The sums of the weights relative to them.
    sums: Vec<f32>,
    /// The values times these weights, in rows as the packed queries.
    values: Vec<f32>,
}

impl Part {
    fn new(queries: usize, len: usize) -> Self {
        Self { maxima: vec![f32::NEG_INFINITY; queries], sums: vec![0.0; queries], values: vec![0.0; len] }
    }
}

/// All queries against one range of keys.
struct Task<'a, 'b> {
    job: &'b SmallBatch<'a>,
    range: Range<usize>,
    part: &'b mut Part,
}

impl SimdOp for Task<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        let Self { job, range, part } = self;
        assert!(BLOCK_KEYS.is_multiple_of(isa.f32().len()));
        let mut scores = vec![f32::NEG_INFINITY; job.queries() * BLOCK_KEYS];
        let mut decays = vec![0f32; job.queries()];
        for from in range.clone().step_by(BLOCK_KEYS) {
            let keys = from..(from + BLOCK_KEYS).min(range.end);
            let ahead = (keys.start + AHEAD_KEYS).min(range.end)..(keys.end + AHEAD_KEYS).min(range.end);
            let fetch = [Fetch::rows(&job.k, ahead), Fetch::rows(&job.v, keys.clone())];
            score_block(isa, job, keys.clone(), &mut scores, fetch);
            for (query, scores) in scores.chunks_exact_mut(BLOCK_KEYS).enumerate() {
                let seen = (job.last_key(query) + 1).clamp(keys.start, keys.end) - keys.start;
                scores[seen..].fill(f32::NEG_INFINITY);
                decays[query] = soften(isa, scores, &mut part.maxima[query], &mut part.sums[query]);
            }
            gather_block(isa, job, keys, &scores, &decays, &mut part.values);
        }
    }
}

/// The scores of a block of keys, a row of [`BLOCK_KEYS`] for each query.
#[inline(always)]
fn score_block<I: Isa>(isa: I, job: &SmallBatch<'_>, keys: Range<usize>, scores: &mut [f32], fetch: [Fetch; 2]) {
    let group = job.queries() / job.k.count;
    let mut key = keys.start;
    while key < keys.end {
        let whole = key + TILE_KEYS <= keys.end;
        let step = if whole { TILE_KEYS } else { 1 };
        for kv_head in 0..job.k.count {
            let mut query = kv_head * group;
            while query < (kv_head + 1) * group {
                let at = &mut scores[query * BLOCK_KEYS + key - keys.start..];
                let queries = TILE_QUERIES.min((kv_head + 1) * group - query);
                let offset = ((key - keys.start) * job.k.count + kv_head * step) * job.q.d;
                // Each line once, with a key head's first queries.
                let fetch = fetch.map(|rows| if query == kv_head * group { rows.from(offset) } else { Fetch::NONE });
                let tile = Tile { job, kv_head, query, key, fetch };
                match (queries, whole) {
                    (1, true) => tile.score::<I, 1, TILE_KEYS>(isa, at),
                    (2, true) => tile.score::<I, 2, TILE_KEYS>(isa, at),
                    (_, true) => tile.score::<I, TILE_QUERIES, TILE_KEYS>(isa, at),
                    (1, false) => tile.score::<I, 1, 1>(isa, at),
                    (2, false) => tile.score::<I, 2, 1>(isa, at),
                    (_, false) => tile.score::<I, TILE_QUERIES, 1>(isa, at),
                }
                query += queries;
            }
        }
        key += step;
    }
}

/// Neighbouring queries and keys of one key head.
struct Tile<'a> {
    job: &'a SmallBatch<'a>,
    kv_head: usize,
    query: usize,
    key: usize,
    /// What to ask of memory meanwhile.
    fetch: [Fetch; 2],
}

impl Tile<'_> {
    /// The scores of `Q` queries and `K` keys, into rows that are [`BLOCK_KEYS`] apart.
    #[inline(always)]
    fn score<I: Isa, const Q: usize, const K: usize>(&self, isa: I, scores: &mut [f32]) {
        let f = isa.f32();
        let (d, width) = (self.job.q.d, self.job.width);
        assert!(width.is_multiple_of(f.len()) && d <= width);
        let q = self.job.packed[self.query * width..][..Q * width].as_ptr();
        let k: [*const f32; K] = std::array::from_fn(|i| self.job.k.row(self.kv_head, self.key + i).as_ptr());
        let mut sums = [[f.zero(); K]; Q];
        vectors(
            d,
            f.len(),
            #[inline(always)]
            |at, n| {
                let mut queries = [f.zero(); Q];
                for (i, x) in queries.iter_mut().enumerate() {
                    // SAFETY: `q` has Q rows of `width`, a multiple of the lanes that is at least
                    // `d`.
                    *x = unsafe { f.load_ptr(q.add(i * width + at)) };
                }
                for (i, &k) in k.iter().enumerate() {
                    for rows in self.fetch {
                        rows.line(isa, at * K + i * f.len());
                    }
                    // SAFETY: rows of keys have `d` numbers, and `at + n <= d`.
                    let key = unsafe { load(isa, k.add(at), n) };
                    for (sums, &x) in sums.iter_mut().zip(&queries) {
                        sums[i] = f.mul_add(x, key, sums[i]);
                    }
                }
            },
        );
        for (scores, sums) in scores.chunks_mut(BLOCK_KEYS).zip(sums) {
            for (score, sum) in scores.iter_mut().zip(sums) {
                *score = f.sum(sum);
            }
        }
    }
}

/// Turns a query's scores into weights relative to the highest so far, updates that and the sum,
/// and returns the factor by which what was gathered before shrinks.
#[inline(always)]
fn soften<I: Isa>(isa: I, scores: &mut [f32], maximum: &mut f32, sum: &mut f32) -> f32 {
    let f = isa.f32();
    let lanes = f.len();
    let mut highest = f.splat(*maximum);
    for scores in scores.chunks_exact(lanes) {
        highest = f.max(f.load(scores), highest);
    }
    // Where all scores so far are minus infinity, weights are to be zero and not NaN.
    let highest = fold(isa, highest, larger).max(f32::MIN);
    let mut added = f.zero();
    for scores in scores.chunks_exact_mut(lanes) {
        let weight = exp(isa, f.sub(f.load(scores), f.splat(highest)));
        f.store(weight, scores);
        added = f.add(added, weight);
    }
    let decay = (*maximum - highest).exp();
    *maximum = highest;
    *sum = *sum * decay + f.sum(added);
    decay
}

/// Adds the values of a block of keys, weighted, to what was gathered before.
#[inline(always)]
fn gather_block<I: Isa>(
    isa: I,
    job: &SmallBatch<'_>,
    keys: Range<usize>,
    weights: &[f32],
    decays: &[f32],
    values: &mut [f32],
) {
    let group = job.queries() / job.k.count;
    for kv_head in 0..job.k.count {
        let mut query = kv_head * group;
        while query < (kv_head + 1) * group {
            let queries = TILE_QUERIES.min((kv_head + 1) * group - query);
            let rows = Rows {
                job,
                v: job.v.row(kv_head, keys.start).as_ptr(),
                keys: keys.len(),
                weights: &weights[query * BLOCK_KEYS..][..queries * BLOCK_KEYS],
                decays: &decays[query..][..queries],
                values: &mut values[query * job.width..][..queries * job.width],
            };
            match queries {
                1 => rows.gather::<I, 1>(isa),
                2 => rows.gather::<I, 2>(isa),
                _ => rows.gather::<I, TILE_QUERIES>(isa),
            }
            query += queries;
        }
    }
}

/// Neighbouring queries of one key head, and the values of a block of keys.
struct Rows<'a> {
    job: &'a SmallBatch<'a>,
    v: *const f32,
    keys: usize,
    weights: &'a [f32],
    decays: &'a [f32],
    values: &'a mut [f32],
}

impl Rows<'_> {
    /// For `Q` queries, across the whole width.
    #[inline(always)]
    fn gather<I: Isa, const Q: usize>(mut self, isa: I) {
        let lanes = isa.f32().len();
        let together = TILE_VECTORS * lanes;
        let d = self.job.q.d;
        let whole = d - d % together;
        for at in (0..whole).step_by(together) {
            self.columns::<I, Q, TILE_VECTORS>(isa, at, lanes);
        }
        vectors(
            d - whole,
            lanes,
            #[inline(always)]
            |at, n| self.columns::<I, Q, 1>(isa, whole + at, n),
        );
    }

    /// For `Q` queries and `V` vectors of the width from `at` on, of which `n` lanes count.
    #[inline(always)]
    fn columns<I: Isa, const Q: usize, const V: usize>(&mut self, isa: I, at: usize, n: usize) {
        let f = isa.f32();
        let (lanes, width) = (f.len(), self.job.width);
        assert!(at + V * lanes <= width && at + (V - 1) * lanes + n <= self.job.q.d && self.keys <= BLOCK_KEYS);
        assert!(self.weights.len() == Q * BLOCK_KEYS && self.values.len() == Q * width && self.decays.len() == Q);
        let (weights, values) = (self.weights.as_ptr(), self.values.as_mut_ptr());
        let mut sums = [[f.zero(); V]; Q];
        // SAFETY: `v` has `keys` rows of `d` numbers (Heads::new); weights and values have the rows
        // asserted above.
        unsafe {
            for (q, sums) in sums.iter_mut().enumerate() {
                let decay = f.splat(self.decays[q]);
                for (i, sum) in sums.iter_mut().enumerate() {
                    *sum = f.mul(f.load_ptr(values.add(q * width + at + i * lanes)), decay);
                }
            }
            let mut v = self.v.add(at);
            for key in 0..self.keys {
                let weights: [I::F32; Q] = std::array::from_fn(
                    #[inline(always)]
                    |q| f.splat(*weights.add(q * BLOCK_KEYS + key)),
                );
                for i in 0..V {
                    let x = load(isa, v.add(i * lanes), n);
                    for (sums, &weight) in sums.iter_mut().zip(&weights) {
                        sums[i] = f.mul_add(weight, x, sums[i]);
                    }
                }
                v = v.wrapping_add(self.job.v.row_stride);
            }
            for (q, sums) in sums.iter().enumerate() {
                for (i, &sum) in sums.iter().enumerate() {
                    f.store_ptr(sum, values.add(q * width + at + i * lanes));
                }
            }
        }
    }
}

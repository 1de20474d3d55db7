//! Attention with an online softmax: no matrix of scores is ever in memory, only a tile of it.
//!
//! Queries that share a key head are packed side by side, so that a vector holds the same component
//! of neighbouring queries. Scores are then made transposed (a row a key, a column a query): the
//! softmax needs no sums across a vector, and keys and values are read where they lie in the cache.
//! A few queries are split over ranges of keys as well, and the ranges' results merged; where
//! queries would leave most lanes empty, [`crate::kernels::attention::small`] takes them.

#![allow(unsafe_code, reason = "strided reads of the cache and disjoint writes by parallel tasks")]

use std::ops::Range;

use rten_simd::ops::{BitOps, NumOps};
use rten_simd::{Isa, SimdOp};

use crate::kernels::attention::heads::{Attention, Heads};
use crate::kernels::attention::softmax::{Singles, rows};
use crate::kernels::parallel;
use crate::kernels::simd::{Dispatch as _, Shared, exp};

/// Keys of one tile of scores: with the packed queries and the tile of results it stays in the
/// second cache.
const TILE_KEYS: usize = 64;
/// Fewest keys worth a task of their own.
const RANGE_KEYS: usize = 256;
/// Products (queries x keys x width) under which waking other threads costs more than it saves.
const SERIAL_PRODUCTS: usize = 64 * 1024;

/// One call: what is attended to, and how it is cut into tasks.
///
/// A key head's queries are numbered `position * group + member`, so that a block of them is of
/// neighbouring positions.
#[derive(Clone, Copy)]
pub(crate) struct Job<'a> {
    q: Heads<'a>,
    k: Heads<'a>,
    v: Heads<'a>,
    scale: f32,
    causal: bool,
    out: Shared,
    /// Query heads to a key head.
    group: usize,
    /// Vectors of queries in a block.
    vectors: usize,
    /// Queries in a block.
    width: usize,
    /// Blocks of queries to a key head.
    blocks: usize,
    /// Keys of a task.
    range: usize,
    /// Ranges of keys.
    ranges: usize,
}

impl<'a> Job<'a> {
    pub(crate) fn new(q: Heads<'a>, k: Heads<'a>, v: Heads<'a>, op: &Attention, out: Shared, lanes: usize) -> Self {
        let group = q.count / k.count;
        let queries = group * q.rows;
        // AVX-512 has registers for four vectors of queries by four keys, AVX2 for three.
        let widest = if lanes >= 16 { 4 } else { 3 };
        let vectors = queries.div_ceil(lanes).min(widest);
        let width = vectors * lanes;
        let blocks = queries.div_ceil(width);
        let wanted = (2 * rayon::current_num_threads()).div_ceil(k.count * blocks);
        let range = k.rows.div_ceil(wanted).max(RANGE_KEYS).next_multiple_of(TILE_KEYS);
        let ranges = k.rows.div_ceil(range);
        Self { q, k, v, scale: op.scale, causal: op.causal, out, group, vectors, width, blocks, range, ranges }
    }

    /// Values of one task's partial result: maxima, sums and weighted values of every query.
    fn partial_len(&self) -> usize {
        (2 + self.q.d) * self.width
    }

    /// Evaluates all tasks on the current pool.
    pub(crate) fn run(self) {
        let tasks = self.k.count * self.blocks * self.ranges;
        let scratch = || vec![0f32; (self.q.d + TILE_KEYS) * self.width];
        let work = |scratch: &mut Vec<f32>, (task, partial): (usize, &mut [f32])| {
            Task { job: self, block: task / self.ranges, range: task % self.ranges, partial, scratch }.dispatch_here();
        };
        let mut partials = vec![0f32; tasks * self.partial_len()];
        if self.group * self.q.rows * self.k.rows * self.q.d * self.k.count <= SERIAL_PRODUCTS {
            let mut scratch = scratch();
            partials.chunks_exact_mut(self.partial_len()).enumerate().for_each(|item| work(&mut scratch, item));
        } else {
            let mut partials: Vec<_> = partials.chunks_exact_mut(self.partial_len()).collect();
            parallel::for_each_mut(&mut partials, |task, partial| work(&mut scratch(), (task, partial)));
        }
        if self.ranges > 1 {
            let blocks = partials.chunks_exact_mut(self.ranges * self.partial_len());
            blocks.enumerate().for_each(|(block, ranges)| {
                merge(ranges, self.partial_len(), self.width);
                self.write(block, &ranges[..self.partial_len()]);
            });
        }
    }

    /// The queries of a block.
    fn queries(&self, block: usize) -> Range<usize> {
        let first = block % self.blocks * self.width;
        first..(first + self.width).min(self.group * self.q.rows)
    }

    /// The last key that a query sees.
    fn last_key(&self, query: usize) -> usize {
        if self.causal { self.k.rows - self.q.rows + query / self.group } else { self.k.rows - 1 }
    }

    /// Divides a block's weighted values by the sums of the weights, into the rows of the result.
    fn write(&self, block: usize, partial: &[f32]) {
        let (d, width, kv_head) = (self.q.d, self.width, block / self.blocks);
        let (sums, values) = partial[width..].split_at(width);
        for (column, query) in self.queries(block).enumerate() {
            let (position, head) = (query / self.group, kv_head * self.group + query % self.group);
            let inverse = 1.0 / sums[column];
            // SAFETY: no other block has this query, and its `d` results lie within
            // `[rows, heads * d]`.
            let out = unsafe { self.out.at((position * self.q.count + head) * d) };
            for (i, row) in values.chunks_exact(width).enumerate() {
                // SAFETY: `i < d`, as above.
                unsafe { out.add(i).write(row[column] * inverse) };
            }
        }
    }
}

/// Merges the partial results of all ranges into the first.
fn merge(ranges: &mut [f32], len: usize, width: usize) {
    let (first, others) = ranges.split_at_mut(len);
    for other in others.chunks_exact(len) {
        for column in 0..width {
            let (m1, m2) = (first[column], other[column]);
            let m = m1.max(m2).max(f32::MIN);
            let (w1, w2) = ((m1 - m).exp(), (m2 - m).exp());
            first[column] = m;
            for i in (column + width..len).step_by(width) {
                first[i] = first[i] * w1 + other[i] * w2;
            }
        }
    }
}

/// One block of queries against one range of keys.
struct Task<'a, 'b> {
    job: Job<'a>,
    /// Counted through all key heads.
    block: usize,
    range: usize,
    /// Where the maxima, sums and weighted values go.
    partial: &'b mut [f32],
    /// The packed queries and a tile of scores.
    scratch: &'b mut [f32],
}

impl SimdOp for Task<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        // Rows by vectors, as registers allow; every usual head width is a multiple of the rows.
        match self.job.vectors {
            1 => self.attend::<I, 8, 1>(isa),
            2 => self.attend::<I, 4, 2>(isa),
            3 => self.attend::<I, 4, 3>(isa),
            _ => self.attend::<I, 4, 4>(isa),
        }
    }
}

impl Task<'_, '_> {
    #[inline(always)]
    fn attend<I: Isa, const R: usize, const V: usize>(self, isa: I) {
        let Self { job, block, range, partial, scratch } = self;
        let f = isa.f32();
        let (lanes, width, d) = (f.len(), job.width, job.q.d);
        assert!(width == V * lanes && partial.len() == (2 + d) * width && scratch.len() == (d + TILE_KEYS) * width);
        let kv_head = block / job.blocks;
        let queries = job.queries(block);
        let (packed, scores) = scratch.split_at_mut(d * width);
        pack(&job, kv_head, queries.clone(), packed);

        let mut limits = vec![0f32; width];
        for (column, limit) in limits.iter_mut().enumerate() {
            *limit = job.last_key((queries.start + column).min(queries.end - 1)) as f32;
        }
        let all_see = job.last_key(queries.start);
        let end = ((range + 1) * job.range).min(job.last_key(queries.end - 1) + 1);

        let values = &mut partial[2 * width..];
        values.fill(0.0);
        let values = values.as_mut_ptr();
        let mut maxima = [f.splat(f32::NEG_INFINITY); V];
        let mut sums = [f.zero(); V];
        let mut from = range * job.range;
        while from < end {
            let keys = TILE_KEYS.min(end - from);
            let k = job.k.row(kv_head, from).as_ptr();
            let v = job.v.row(kv_head, from).as_ptr();
            let tile = scores.as_mut_ptr();

            // SAFETY: `keys` rows of `d` values from `k` are in bounds (Heads::new), as are `d`
            // steps of packed queries; the tile has room for TILE_KEYS rows.
            unsafe {
                let k = Singles { at: k, row_stride: job.k.row_stride, step_stride: 1 };
                rows::<I, R, V>(
                    isa,
                    k,
                    keys,
                    packed.as_ptr(),
                    d,
                    #[inline(always)]
                    |row, v, sum| {
                        f.store_ptr(sum, tile.add(row * width + v * lanes));
                    },
                );
            }
            if from + keys > all_see + 1 {
                for key in (all_see + 1).max(from)..from + keys {
                    let row = &mut scores[(key - from) * width..];
                    for v in (0..width).step_by(lanes) {
                        let seen = f.le(f.splat(key as f32), f.load(&limits[v..]));
                        let score = f.select(f.load(&row[v..]), f.splat(f32::NEG_INFINITY), seen);
                        f.store(score, &mut row[v..]);
                    }
                }
            }
            let decay = soften::<I, V>(isa, &mut scores[..keys * width], &mut maxima, &mut sums);
            // SAFETY: `keys` rows of `d` values from `v` are in bounds, as are `keys` rows of the
            // tile; `values` has `d` rows.
            unsafe {
                let v = Singles { at: v, row_stride: 1, step_stride: job.v.row_stride };
                rows::<I, R, V>(
                    isa,
                    v,
                    d,
                    scores.as_ptr(),
                    keys,
                    #[inline(always)]
                    |row, v, sum| {
                        let at = values.add(row * width + v * lanes);
                        f.store_ptr(f.mul_add(f.load_ptr(at), decay[v], sum), at);
                    },
                );
            }
            from += keys;
        }
        for v in 0..V {
            f.store(maxima[v], &mut partial[v * lanes..]);
            f.store(sums[v], &mut partial[width + v * lanes..]);
        }
        if job.ranges == 1 {
            job.write(block, partial);
        }
    }
}

/// Lays the block's queries side by side, scaled: row `i` holds component `i` of all of them, zeros
/// past the last.
fn pack(job: &Job<'_>, kv_head: usize, queries: Range<usize>, packed: &mut [f32]) {
    let width = job.width;
    if queries.len() < width {
        packed.fill(0.0);
    }
    for (column, query) in queries.enumerate() {
        let q = job.q.row(kv_head * job.group + query % job.group, query / job.group);
        for (row, &component) in packed.chunks_exact_mut(width).zip(q) {
            row[column] = component * job.scale;
        }
    }
}

/// Turns a tile of scores into weights relative to each column's maximum so far, updates maxima and
/// sums, and returns the factors by which what was gathered under the old maxima shrinks.
#[inline(always)]
fn soften<I: Isa, const V: usize>(
    isa: I,
    scores: &mut [f32],
    maxima: &mut [I::F32; V],
    sums: &mut [I::F32; V],
) -> [I::F32; V] {
    let f = isa.f32();
    let lanes = f.len();
    let mut highest = *maxima;
    for row in scores.chunks_exact(V * lanes) {
        for (v, highest) in highest.iter_mut().enumerate() {
            *highest = f.max(f.load(&row[v * lanes..]), *highest);
        }
    }
    // Where all scores so far are minus infinity, weights are to be zero and not NaN.
    let mut decay = [f.zero(); V];
    for v in 0..V {
        highest[v] = f.max(highest[v], f.splat(f32::MIN));
        decay[v] = exp(isa, f.sub(maxima[v], highest[v]));
    }
    let mut added = [f.zero(); V];
    for row in scores.chunks_exact_mut(V * lanes) {
        for (v, added) in added.iter_mut().enumerate() {
            let weight = exp(isa, f.sub(f.load(&row[v * lanes..]), highest[v]));
            f.store(weight, &mut row[v * lanes..]);
            *added = f.add(*added, weight);
        }
    }
    for v in 0..V {
        sums[v] = f.mul_add(sums[v], decay[v], added[v]);
    }
    *maxima = highest;
    decay
}

//! Attention against its reference: shapes, views of a cache, long ranges, NaN and every
//! instruction set.

use candle_core::{CpuStorage, Layout, Tensor};

use crate::kernels::attention::full::Job;
use crate::kernels::attention::small::SmallBatch;
use crate::kernels::attention::{Attention, Heads};
use crate::kernels::simd::{Shared, lanes};
use crate::kernels::testing::{assert_close, double, on_every_instruction_set, random, with};
use crate::kernels::{attention, reference};

fn check(q: &Tensor, k: &Tensor, v: &Tensor, causal: bool) {
    let scale = 1.0 / (q.dim(2).unwrap() as f32).sqrt();
    let exact = reference::attention(&double(q), &double(k), &double(v), scale, causal).unwrap();
    assert_close(&attention(q, k, v, scale, causal).unwrap(), &exact, 1e-5);
}

#[test]
fn attention_equals_the_reference() {
    on_every_instruction_set(attention_equals_the_reference_here);
}

fn attention_equals_the_reference_here() {
    for (heads, kv_heads, d) in [(2, 2, 64), (9, 3, 64), (3, 1, 16), (2, 2, 72), (4, 2, 32), (2, 1, 80), (2, 1, 5)] {
        for (tq, tk) in [(1, 1), (1, 7), (3, 3), (7, 17), (17, 65), (65, 65), (40, 130), (130, 200), (1, 1500)] {
            let (q, k) = (random((heads, tq, d), 1), random((kv_heads, tk, d), 2));
            let v = random((kv_heads, tk, d), 3);
            check(&q, &k, &v, false);
            check(&q, &k, &v, true);
        }
    }
}

#[test]
fn a_small_batch_equals_the_reference_at_odd_sizes() {
    // Around the sizes of tiles, blocks and ranges; the last is long enough for many tasks.
    let lengths = [1, 2, 3, 4, 5, 31, 63, 64, 65, 127, 130, 500, 513, 1100, 2000];
    for d in [1, 16, 24, 64, 72, 80] {
        for (heads, kv_heads) in [(2, 2), (6, 2), (5, 1), (9, 3)] {
            for tk in lengths {
                for tq in 1..=4.min(tk) {
                    // As the cache gives them: rows of all heads, of which more follow.
                    let cache = |seed| random((tk + 3, kv_heads * d), seed).narrow(0, 0, tk).unwrap();
                    let by_head = |x: Tensor| x.reshape((tk, kv_heads, d)).unwrap().transpose(0, 1).unwrap();
                    let q = random((tq, heads, d), 1).transpose(0, 1).unwrap();
                    check(&q, &by_head(cache(2)), &by_head(cache(3)), tk % 3 != 0);
                }
            }
        }
    }
}

/// The two ways of attention beside each other: both compute what either is chosen for.
fn check_both_ways(tq: usize, causal: bool) {
    let tensors = [random((6, tq, 24), 1), random((2, 600, 24), 2), random((2, 600, 24), 3)];
    let exact = reference::attention(&double(&tensors[0]), &double(&tensors[1]), &double(&tensors[2]), 0.2, causal);
    let parts = tensors.map(|x| {
        let layout = Layout::contiguous(x.shape());
        (CpuStorage::F32(x.flatten_all().unwrap().to_vec1().unwrap()), layout)
    });
    let [q, k, v] = parts.each_ref().map(|(storage, layout)| Heads::new(storage, layout).unwrap());
    let mut out = vec![0f32; 6 * tq * 24];
    let op = Attention { scale: 0.2, causal };
    let exact = exact.unwrap();
    let compare = |out: &mut Vec<f32>| {
        let written = std::mem::replace(out, vec![0.0; out.len()]);
        let written = Tensor::from_vec(written, (tq, 6 * 24), &candle_core::Device::Cpu).unwrap();
        assert_close(&written, &exact, 1e-5);
    };
    Job::new(q, k, v, &op, Shared(out.as_mut_ptr()), lanes()).run();
    compare(&mut out);
    SmallBatch::new(q, k, v, &op, Shared(out.as_mut_ptr()), lanes()).run();
    compare(&mut out);
}

#[test]
fn both_ways_agree_on_every_instruction_set() {
    on_every_instruction_set(|| {
        for (tq, causal) in [(1, true), (3, true), (5, false), (70, true)] {
            check_both_ways(tq, causal);
        }
    });
}

#[test]
fn keys_are_read_from_a_cache_and_queries_from_rows() {
    // The cache is [kv_heads, capacity, d], the queries [tq, heads * d].
    let (k, v) = (random((3, 100, 64), 1), random((3, 100, 64), 2));
    let q = random((21, 9 * 64), 3).reshape((21, 9, 64)).unwrap().transpose(0, 1).unwrap();
    for (start, len) in [(0, 21), (0, 70), (13, 80)] {
        let (k, v) = (k.narrow(1, start, len).unwrap(), v.narrow(1, start, len).unwrap());
        check(&q, &k, &v, true);
        check(&q, &k, &v, false);
    }
}

#[test]
fn large_scores_of_long_ranges_stay_exact() {
    // Scores of some hundreds, so that maxima move between tiles and most weights vanish.
    let q = (random((2, 3, 16), 1) * 30.0).unwrap();
    let (k, v) = ((random((2, 2000, 16), 2) * 5.0).unwrap(), random((2, 2000, 16), 3));
    let exact = reference::attention(&double(&q), &double(&k), &double(&v), 0.25, true).unwrap();
    // A score of 500 is known to about 3e-5 in f32.
    assert_close(&attention(&q, &k, &v, 0.25, true).unwrap(), &exact, 3e-4);
}

#[test]
fn nan_and_infinity_behave_as_in_the_reference() {
    on_every_instruction_set(|| {
        for tq in [1, 2, 9] {
            nan_and_infinity(&random((2, tq, 16), 1));
        }
    });
}

fn nan_and_infinity(q: &Tensor) {
    let (k, v) = (random((1, 70, 16), 2), random((1, 70, 16), 3));
    // At keys that every query sees: what a masked key does to a product with zero is no one's
    // answer.
    let cases = [
        (with(q, &[(16, f32::NAN)]), k.clone(), v.clone()),
        (with(q, &[(16, f32::INFINITY)]), k.clone(), v.clone()),
        (q.clone(), with(&k, &[(60 * 16, f32::NAN)]), v.clone()),
        (q.clone(), k.clone(), with(&v, &[(2 * 16 + 3, f32::NAN), (5 * 16, f32::INFINITY), (7, 1e-42)])),
    ];
    for (q, k, v) in cases {
        for causal in [false, true] {
            let exact = reference::attention(&q, &k, &v, 0.25, causal).unwrap();
            assert_close(&attention(&q, &k, &v, 0.25, causal).unwrap(), &exact, 1e-5);
        }
    }
}

#[test]
fn what_does_not_fit_is_an_error() {
    let (q, k) = (random((4, 2, 16), 1), random((2, 5, 16), 2));
    assert!(attention(&q, &random((3, 5, 16), 2), &random((3, 5, 16), 2), 1.0, false).is_err());
    assert!(attention(&q, &k, &random((2, 6, 16), 2), 1.0, false).is_err());
    assert!(attention(&q, &random((2, 5, 8), 2), &random((2, 5, 8), 2), 1.0, false).is_err());
    assert!(attention(&q, &k.narrow(1, 0, 1).unwrap(), &k.narrow(1, 0, 1).unwrap(), 1.0, true).is_err());
}

//! Every kernel beside its twin in plain candle, in the same run, at the shapes of the 256M model.
//!
//! The current rayon pool is the global one: set `RAYON_NUM_THREADS` to compare with other machines.

use candle_core::{Device, Result, Shape, Tensor};
use criterion::{Criterion, criterion_group, criterion_main};
use vlm::bench_support::{fused, plain};

fn random(shape: impl Into<Shape>) -> Tensor {
    Tensor::randn(0f32, 1f32, shape, &Device::Cpu).expect("random numbers on the CPU")
}

fn compare(c: &mut Criterion, name: &str, fused: impl Fn() -> Result<Tensor>, plain: impl Fn() -> Result<Tensor>) {
    let mut group = c.benchmark_group(name);
    group.bench_function("fused", |b| b.iter(|| fused().expect("the shapes fit")));
    group.bench_function("plain", |b| b.iter(|| plain().expect("the shapes fit")));
    group.finish();
}

fn attention(c: &mut Criterion) {
    // Vision; prefill; prefill after a prefix; the passes of one token.
    let cases =
        [(12, 12, 1024, 1024), (9, 3, 84, 84), (9, 3, 84, 1084), (9, 3, 1, 100), (9, 3, 1, 1000), (9, 3, 1, 8000)];
    for (heads, kv_heads, tq, tk) in cases {
        let rows = random((tq, heads * 64));
        let q = rows.reshape((tq, heads, 64)).and_then(|q| q.transpose(0, 1)).expect("a view");
        let [k, v] = [random((kv_heads, 8192, 64)), random((kv_heads, 8192, 64))]
            .map(|cache| cache.narrow(1, 0, tk).expect("a view"));
        let causal = heads != kv_heads;
        compare(
            c,
            &format!("attention {heads}/{kv_heads} heads {tq}x{tk}"),
            || fused::attention(&q, &k, &v, 0.125, causal),
            || plain::attention(&q, &k, &v, 0.125, causal),
        );
    }
}

fn elementwise(c: &mut Criterion) {
    let x = random((1024, 3072));
    compare(c, "gelu 1024x3072", || fused::gelu_tanh(&x), || plain::gelu_tanh(&x));
    let (gate, up) = (random((84, 1536)), random((84, 1536)));
    compare(c, "silu_mul 84x1536", || fused::silu_mul(&gate, &up), || plain::silu_mul(&gate, &up));
    let (x, w, b) = (random((1024, 768)), random(768), random(768));
    compare(c, "layer_norm 1024x768", || fused::layer_norm(&x, &w, &b, 1e-6), || plain::layer_norm(&x, &w, &b, 1e-6));
    let (x, w) = (random((84, 576)), random(576));
    compare(c, "rms_norm 84x576", || fused::rms_norm(&x, &w, 1e-5), || plain::rms_norm(&x, &w, 1e-5));
    let (x, cos, sin) = (random((84, 9, 64)), random((84, 32)), random((84, 32)));
    compare(c, "rotary 84x9x64", || fused::rotary(&x, &cos, &sin), || plain::rotary(&x, &cos, &sin));
}

fn linear(c: &mut Criterion) {
    let vision = [(1024, 768, 768), (1024, 768, 3072), (1024, 3072, 768)];
    let text = [(84, 576, 1536), (84, 1536, 576), (30, 576, 1536), (8, 576, 1536), (4, 576, 1536), (1, 576, 1536)];
    let head = [(4, 576, 49280), (1, 576, 49280)];
    for (t, inputs, outputs) in vision.into_iter().chain(text).chain(head) {
        let (x, w, b) = (random((t, inputs)), random((outputs, inputs)), random(outputs));
        compare(
            c,
            &format!("linear {t}x{inputs}x{outputs}"),
            || fused::linear(&x, &w, Some(&b)),
            || plain::linear(&x, &w, Some(&b)),
        );
    }
}

criterion_group!(benches, attention, elementwise, linear);
criterion_main!(benches);

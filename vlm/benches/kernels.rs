//! Every kernel beside its twin in plain candle, in the same run, at the shapes of the 256M model.
//!
//! The current rayon pool is the global one: set `RAYON_NUM_THREADS` to compare with other
//! machines.

use candle_core::{DType, Device, Result, Shape, Tensor};
use criterion::{Criterion, criterion_group, criterion_main};
use vlm::measure::bench::{Float, Int8, fused, log_sum_exp, reference, reference_linear};

fn random(shape: impl Into<Shape>) -> Tensor {
    Tensor::randn(0f32, 1f32, shape, &Device::Cpu).expect("random numbers on the CPU")
}

/// The nearest numbers of 16 bits.
fn rounded(x: &Tensor) -> Tensor {
    x.to_dtype(DType::BF16).and_then(|x| x.to_dtype(DType::F32)).expect("other types on the CPU")
}

fn compare(c: &mut Criterion, name: &str, fused: impl Fn() -> Result<Tensor>, reference: impl Fn() -> Result<Tensor>) {
    let mut group = c.benchmark_group(name);
    group.bench_function("fused", |b| b.iter(|| fused().expect("the shapes fit")));
    group.bench_function("reference", |b| b.iter(|| reference().expect("the shapes fit")));
    group.finish();
}

/// Keys and values `[kv_heads, tk, 64]` as a cache `[capacity, kv_heads * 64]` gives them, and
/// queries as a layer does.
fn attended(heads: usize, kv_heads: usize, tq: usize, tk: usize) -> [Tensor; 3] {
    let by_head = |rows: &Tensor, heads| rows.reshape(((), heads, 64)).and_then(|x| x.transpose(0, 1)).expect("a view");
    let cache = || by_head(&random((tk, kv_heads * 64)), kv_heads);
    [by_head(&random((tq, heads * 64)), heads), cache(), cache()]
}

fn attention(c: &mut Criterion) {
    // Vision; prefill after a prefix.
    for (heads, kv_heads, tq, tk) in [(12, 12, 1024, 1024), (9, 3, 82, 1082)] {
        let [q, k, v] = attended(heads, kv_heads, tq, tk);
        let causal = heads != kv_heads;
        compare(
            c,
            &format!("attention {heads}/{kv_heads} heads {tq}x{tk}"),
            || fused::attention(&q, &k, &v, 0.125, causal),
            || reference::attention(&q, &k, &v, 0.125, causal),
        );
    }
}

/// All layers' attention of one pass in turn, so that keys and values come from memory as they do
/// in the model.
fn layers(c: &mut Criterion) {
    const LAYERS: usize = 30;
    // One token; drafts; prefill without and with a prefix.
    for (tq, tk) in [(1, 100), (1, 1100), (1, 8000), (2, 1100), (3, 1100), (4, 1100), (82, 82), (82, 1082)] {
        let layers: Vec<_> = (0..LAYERS).map(|_| attended(9, 3, tq, tk)).collect();
        let pass = |attention: fn(&Tensor, &Tensor, &Tensor, f32, bool) -> Result<Tensor>| {
            // On the pool, as a pass of the model is.
            rayon::scope(|_| layers.iter().try_fold(None, |_, [q, k, v]| attention(q, k, v, 0.125, true).map(Some)))
        };
        let name = format!("{LAYERS} layers' attention {tq}x{tk}");
        compare(
            c,
            &name,
            || pass(fused::attention).map(|out| out.expect("a layer")),
            || pass(reference::attention).map(|out| out.expect("a layer")),
        );
    }
}

fn elementwise(c: &mut Criterion) {
    let x = random((1024, 3072));
    compare(c, "gelu 1024x3072", || fused::gelu_tanh(&x), || reference::gelu_tanh(&x));
    let (gate, up) = (random((84, 1536)), random((84, 1536)));
    compare(c, "silu_mul 84x1536", || fused::silu_mul(&gate, &up), || reference::silu_mul(&gate, &up));
    let (x, w, b) = (random((1024, 768)), random(768), random(768));
    compare(
        c,
        "layer_norm 1024x768",
        || fused::layer_norm(&x, &w, &b, 1e-6),
        || reference::layer_norm(&x, &w, &b, 1e-6),
    );
    let (x, w) = (random((84, 576)), random(576));
    compare(c, "rms_norm 84x576", || fused::rms_norm(&x, &w, 1e-5), || reference::rms_norm(&x, &w, 1e-5));
    let (x, cos, sin) = (random((84, 9, 64)), random((84, 32)), random((84, 32)));
    compare(c, "rotary 84x9x64", || fused::rotary(&x, &cos, &sin), || reference::rotary(&x, &cos, &sin));
}

fn linear(c: &mut Criterion) {
    let vision = [(1024, 768, 768), (1024, 768, 3072), (1024, 3072, 768)];
    let text = [(84, 576, 1536), (84, 1536, 576), (30, 576, 1536), (8, 576, 1536), (4, 576, 1536), (1, 576, 1536)];
    let head = [(4, 576, 49280), (1, 576, 49280)];
    for (t, inputs, outputs) in vision.into_iter().chain(text).chain(head) {
        let (x, w, b) = (random((t, inputs)), random((outputs, inputs)), random(outputs));
        let matrix = Float::new(&w).expect("a matrix");
        compare(
            c,
            &format!("linear {t}x{inputs}x{outputs}"),
            || matrix.linear(&x, Some(&b)),
            || reference_linear(&x, &w, Some(&b)),
        );
    }
}

/// Products of bytes beside those of f32, in the same run.
fn int8(c: &mut Criterion) {
    for (t, inputs, outputs) in [(1024, 768, 768), (1024, 768, 3072), (1024, 3072, 768)] {
        let (x, w) = (random((t, inputs)), random((outputs, inputs)));
        let matrix = Int8::quantise(&w).expect("a matrix");
        let (wide, halves) = (Float::new(&w).expect("a matrix"), Float::new(&rounded(&w)).expect("a matrix"));
        let bytes: Vec<u8> = (0..t * inputs).map(|i| (i * 31 % 251) as u8).collect();
        let mut group = c.benchmark_group(format!("product {t}x{inputs}x{outputs}"));
        group.bench_function("int8", |b| b.iter(|| matrix.multiply(&bytes)));
        group.bench_function("f32", |b| b.iter(|| wide.linear(&x, None).expect("the shapes fit")));
        group.bench_function("f32 of bf16", |b| b.iter(|| halves.linear(&x, None).expect("the shapes fit")));
        group.finish();
    }
    for (t, inputs, outputs) in [(82, 576, 1536), (1, 576, 1536), (1, 576, 49_280)] {
        let (x, w) = (random((t, inputs)), random((outputs, inputs)));
        let matrix = Int8::quantise(&w).expect("a matrix");
        let (wide, halves) = (Float::new(&w).expect("a matrix"), Float::new(&rounded(&w)).expect("a matrix"));
        let mut group = c.benchmark_group(format!("decoder's product {t}x{inputs}x{outputs}"));
        group.bench_function("int8", |b| b.iter(|| matrix.linear(&x).expect("the shapes fit")));
        group.bench_function("f32", |b| b.iter(|| wide.linear(&x, None).expect("the shapes fit")));
        group.bench_function("f32 of bf16", |b| b.iter(|| halves.linear(&x, None).expect("the shapes fit")));
        group.finish();
    }
}

/// What knowing a token's log-probability adds to choosing it.
fn likelihood(c: &mut Criterion) {
    let logits = random(49_280);
    c.bench_function("log_sum_exp 49280", |b| b.iter(|| log_sum_exp(&logits, 5.0).expect("a row")));
}

criterion_group!(benches, attention, layers, elementwise, linear, int8, likelihood);
criterion_main!(benches);

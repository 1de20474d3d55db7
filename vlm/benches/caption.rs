//! A frame to its finished caption, end to end, beside the cases that the session makes cheaper:
//! ratios in one run.
//!
//! `SIGHTLINE_BENCH_MODEL` names the folder of a checkpoint; without it the small one of the tests
//! is used, whose times say little about a real one.

use std::hint::black_box;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use image::RgbImage;
use vlm::{Ask, Cancel, LoadOptions, Model, ModelFiles, Part, Reply, Reuse, Role, Sampling, Session, Tiling, Turn};

const CAPTION: Ask<'_> = Ask {
    prompt: "Describe this image in one sentence.",
    max_tokens: 30,
    ignore_end: true,
    sampling: Sampling::Greedy,
};
const FIRST_TOKEN: Ask<'_> =
    Ask { prompt: "Is there an animal in this image?", max_tokens: 1, ignore_end: true, sampling: Sampling::Greedy };

fn folder() -> PathBuf {
    std::env::var_os("SIGHTLINE_BENCH_MODEL")
        .map_or_else(|| concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/tiny-2b").into(), PathBuf::from)
}

/// Another picture for each `blue`, as detailed.
fn frame(blue: u32) -> RgbImage {
    RgbImage::from_fn(1280, 720, |x, y| image::Rgb([(x % 256) as u8, (y % 256) as u8, ((x ^ y ^ blue) % 256) as u8]))
}

fn look(session: &mut Session, frame: &RgbImage) {
    session.set_images(&[frame], Tiling::One, Reuse::IfIdentical, &Cancel::default()).expect("a view");
}

fn ask(session: &mut Session, ask: Ask<'_>) -> Reply {
    session.ask(ask, &Cancel::default(), &mut |_| {}).expect("an answer")
}

fn captions(criterion: &mut Criterion) {
    let files = ModelFiles::in_folder(&folder()).expect("a checkpoint");
    let model = Arc::new(Model::load(&files, LoadOptions::default()).expect("a model"));
    let frames = [frame(0), frame(128)];
    // Each differs from the one before, so that no view is used again.
    let mut new_frames = frames.iter().cycle();
    let mut group = criterion.benchmark_group("caption");
    group.sample_size(10).warm_up_time(Duration::from_secs(1));

    let mut session = Session::new(model.clone()).expect("a session");
    group.bench_function("of a new view", |b| {
        b.iter(|| {
            look(&mut session, new_frames.next().expect("endless"));
            black_box(ask(&mut session, CAPTION))
        });
    });
    group.bench_function("of an unchanged view, drafted", |b| {
        b.iter(|| {
            look(&mut session, &frames[0]);
            black_box(session.caption(CAPTION, &Cancel::default(), &mut |_| {}).expect("a caption"))
        });
    });
    group.bench_function("first token of a new view", |b| {
        b.iter(|| {
            look(&mut session, new_frames.next().expect("endless"));
            black_box(ask(&mut session, FIRST_TOKEN))
        });
    });
    group.bench_function("first token of a question on the view in hand", |b| {
        b.iter(|| black_box(ask(&mut session, FIRST_TOKEN)));
    });

    let instructions = "be brief and say what you see ".repeat(142);
    let turns = [Turn { role: Role::System, parts: vec![Part::Text(instructions)] }];
    session.set_prefix(&turns, &Cancel::default()).expect("a prefix");
    group.bench_function("of a new view behind 1,000 tokens of prefix", |b| {
        b.iter(|| {
            look(&mut session, new_frames.next().expect("endless"));
            black_box(ask(&mut session, CAPTION))
        });
    });
    group.finish();
}

criterion_group!(benches, captions);
criterion_main!(benches);

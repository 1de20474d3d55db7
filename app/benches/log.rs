//! How quick the caption log is with many captions in it: a million, or as many as
//! `SIGHTLINE_BENCH_CAPTIONS` says.
//!
//! Prints the size of the file and the rates of import and export besides what criterion measures.
//! The vectors that are searched by meaning are by chance: what they say does not change what
//! comparing them costs. Where the model for it is on this machine, the bench also says what it
//! takes to turn words into a vector.

use std::hint::black_box;
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use sightline::engine::EngineCard;
use sightline::log::export::{Export, Format};
use sightline::log::{
    Entry, EntryLine, Filter, ImportLines, Log as _, Meant, Metrics, Moment, PAGE, RowKey, SessionStart, Store,
    local_embedder,
};
use vlm::Cancel;

const WORDS: [&str; 24] = [
    "man", "woman", "cat", "dog", "cup", "table", "window", "chair", "red", "blue", "green", "black", "white",
    "standing", "sitting", "holding", "walking", "looking", "book", "laptop", "camera", "wall", "door", "light",
];

const JAPANESE: [&str; 12] = [
    "男性が",
    "女性と",
    "黒い猫",
    "赤い",
    "机の上",
    "窓際に",
    "座って",
    "立って",
    "本を",
    "持つ",
    "歩いて",
    "見ている",
];

/// What is said about the figures that criterion does not measure.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Numbers that look random and are the same each time (a linear congruential generator, Knuth's
/// constants).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

/// A caption as small models make them: a dozen words and some rare ones.
fn entry(number: i64, session: i64, dice: &mut Dice) -> Entry {
    let mut text = "A".to_owned();
    for _ in 0..8 {
        text.push(' ');
        text.push_str(WORDS[dice.roll(WORDS.len() as u64) as usize]);
    }
    // One in ten in Japanese, which has no spaces between words.
    if number % 10 == 0 {
        text.clear();
        for _ in 0..6 {
            text.push_str(JAPANESE[dice.roll(JAPANESE.len() as u64) as usize]);
        }
    }
    let sign = dice.roll(20_000);
    text.push_str(" and sign ");
    text.push_str(&sign.to_string());
    text.push_str(" in the image.");
    Entry {
        session,
        frame: number * 30,
        at: Moment { ms: 1_790_000_000_000 + number * 1000, offset_s: 3600 },
        since_ms: number * 1000,
        duration_ms: 1000,
        text,
        metrics: Metrics {
            age_ms: Some(900),
            preprocess_us: 9_000,
            vision_us: 300_000,
            prefill_us: 200_000,
            decode_us: 400_000,
            prompt_tokens: 81,
            tokens: 16,
            stop: "end".to_owned(),
            draft_offered: 16,
            draft_accepted: 9,
            dropped: Some(25),
            skipped: Some(3),
            mean_log_prob: None,
        },
        ..Entry::default()
    }
}

fn start() -> SessionStart {
    let card = EngineCard {
        model: "256m".to_owned(),
        device: "cpu".to_owned(),
        precision: "f32".to_owned(),
        ..EngineCard::default()
    };
    SessionStart { source: "camera".to_owned(), card, instruction: "What?".to_owned(), ..SessionStart::default() }
}

/// Fills a log through an import, which is quicker than recording.
fn fill(path: &Path, captions: i64) {
    let mut small = Store::open(&path.with_extension("seed")).expect("a log");
    let session = small.begin(&start()).expect("begun");
    let mut dice = Dice(7);
    small.add(&entry(0, session, &mut dice), None, None, 0).expect("added");
    let mut lines = Vec::new();
    Export { format: Format::Jsonl, filter: Filter::default(), thumbnails: false, byte_order_mark: false }
        .write(&small, &mut lines)
        .expect("exported");
    let mut all = String::from_utf8(lines).expect("UTF-8");
    for number in 1..captions {
        let entry = Entry { id: number + 1, ..entry(number, session, &mut dice) };
        let line = serde_json::to_string(&EntryLine::exported(entry, None)).expect("JSON");
        all.push_str("{\"type\":\"entry\",");
        all.push_str(&line[1..]);
        all.push('\n');
    }
    let mut store = Store::open(path).expect("a log");
    let began = Instant::now();
    let lines = ImportLines::kept(all.as_bytes()).expect("lines of an export");
    store.import(lines).expect("imported");
    say(&format!("import: {:.0} rows a second", captions as f64 / began.elapsed().as_secs_f64()));
}

/// The model that the vectors are of, in name only.
const MODEL: &str = "measured";
/// Numbers of a vector of all-MiniLM-L6-v2.
const WIDTH: usize = 384;
/// Vectors that are written at a time.
const BATCH: i64 = 12_800;

fn vector(dice: &mut Dice) -> Vec<f32> {
    (0..WIDTH).map(|_| dice.roll(2001) as f32 / 1000.0 - 1.0).collect()
}

/// Gives the captions 1 to `captions` a vector each.
fn embed(store: &mut Store, captions: i64, dice: &mut Dice) {
    let (before, began) = (store.bytes_in_use().expect("counted"), Instant::now());
    for first in (1..=captions).step_by(BATCH as usize) {
        let vectors: Vec<_> = (first..=captions.min(first + BATCH - 1)).map(|id| (id, vector(dice))).collect();
        store.add_meanings(MODEL, &vectors).expect("written");
    }
    let rate = captions as f64 / began.elapsed().as_secs_f64();
    let bytes = store.bytes_in_use().expect("counted") - before;
    say(&format!("vectors: {:.0} MB, kept at {rate:.0} a second", bytes as f64 / 1e6));
}

/// The middle and the 95th percentile of the times that `each` takes.
fn spread<T>(name: &str, queries: &[T], mut each: impl FnMut(&T)) {
    let time = |query: &T| {
        let began = Instant::now();
        each(query);
        began.elapsed()
    };
    let mut times: Vec<Duration> = queries.iter().map(time).collect();
    times.sort();
    say(&format!("{name}: median {:?}, 95th percentile {:?}", times[times.len() / 2], times[times.len() * 95 / 100]));
}

/// What the model of this machine takes for a caption and for words that are looked for.
fn model() {
    let began = Instant::now();
    let Ok(Some(mut embedder)) = local_embedder(None)() else { return say("the model for meaning is not here") };
    say(&format!("model for meaning: loaded in {:?}", began.elapsed()));
    let mut dice = Dice(5);
    let captions: Vec<String> = (0..200).map(|number| entry(10 * number + 1, 1, &mut dice).text).collect();
    let mut one = |text: &str| drop(black_box(embedder.embed(&[text], &Cancel::default()).expect("a vector")));
    spread("a caption becomes a vector", &captions, |text| one(text));
    spread("a word becomes a vector", &WORDS.repeat(8), |word| one(word));
    let began = Instant::now();
    let texts: Vec<&str> = captions.iter().map(String::as_str).collect();
    embedder.embed(&texts, &Cancel::default()).expect("vectors");
    say(&format!("many captions: {:.0} vectors a second", texts.len() as f64 / began.elapsed().as_secs_f64()));
}

fn meaning(store: &mut Store, captions: i64, criterion: &mut Criterion) {
    let mut dice = Dice(13);
    embed(store, captions, &mut dice);
    let meant = |dice: &mut Dice| Meant { model: MODEL.to_owned(), vector: vector(dice) };
    let queries: Vec<Meant> = (0..60).map(|_| meant(&mut dice)).collect();
    let by_words = |n: usize| Filter { words: Some(WORDS[n % WORDS.len()].to_owned()), ..Filter::default() };
    let by_meaning = |meant: &Meant| store.search_by_meaning(&Filter::default(), meant, 20).expect("searched");
    spread("by meaning", &queries, |meant| drop(black_box(by_meaning(meant))));
    let both: Vec<(usize, &Meant)> = queries.iter().enumerate().collect();
    spread("by both", &both, |(n, meant)| {
        drop(black_box(store.search_by_both(&by_words(*n), meant, 20).expect("searched")));
    });
    let last_hour = Filter { since_ms: Some(1_790_000_000_000 + (captions - 3600) * 1000), ..Filter::default() };
    spread("by meaning, of the last hour", &queries, |meant| {
        drop(black_box(store.search_by_meaning(&last_hour, meant, 20).expect("searched")));
    });
    let mut next = queries.iter().cycle();
    criterion.bench_function("log: search by meaning", |b| b.iter(|| next.next().map(by_meaning)));
}

fn log(criterion: &mut Criterion) {
    let captions = std::env::var("SIGHTLINE_BENCH_CAPTIONS").ok().and_then(|n| n.parse().ok()).unwrap_or(1_000_000);
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("captions.db");
    fill(&path, captions);
    let mut store = Store::open(&path).expect("a log");
    say(&format!("{captions} captions: {:.0} MB", store.bytes_in_use().expect("counted") as f64 / 1e6));

    criterion.bench_function("log: open", |b| b.iter(|| Store::open(black_box(&path)).expect("opened")));

    let mut dice = Dice(11);
    let queries: Vec<String> = (0..200)
        .map(|i| {
            let word = |dice: &mut Dice| WORDS[dice.roll(WORDS.len() as u64) as usize];
            let japanese = |dice: &mut Dice| JAPANESE[dice.roll(JAPANESE.len() as u64) as usize];
            match i % 8 {
                0 => word(&mut dice).to_owned(),
                1 => format!("{} {}", word(&mut dice), word(&mut dice)),
                2 => format!("\"sign {}\"", dice.roll(20_000)),
                3 => format!("{}*", &word(&mut dice)[..3]),
                4 => japanese(&mut dice).to_owned(),
                5 => japanese(&mut dice).chars().take(1).collect(),
                6 => format!("{} {}", japanese(&mut dice), japanese(&mut dice)),
                _ => format!("{} NOT {}", word(&mut dice), word(&mut dice)),
            }
        })
        .collect();
    let search = |words: &str| {
        let filter = Filter { words: Some(words.to_owned()), ..Filter::default() };
        store.search(&filter, None, 100).expect("searched")
    };
    let mut times: Vec<Duration> = queries
        .iter()
        .map(|words| {
            let began = Instant::now();
            black_box(search(words));
            began.elapsed()
        })
        .collect();
    times.sort();
    say(&format!("search: median {:?}, 95th percentile {:?}", times[times.len() / 2], times[times.len() * 95 / 100]));
    let mut next = queries.iter().cycle();
    criterion.bench_function("log: search", |b| {
        b.iter(|| search(next.next().map_or("cat", String::as_str)));
    });

    let middle = store.entry(captions / 2).expect("read").map(|found| RowKey::from(&found));
    criterion.bench_function("log: a page from the middle", |b| {
        b.iter(|| store.search(&Filter::default(), black_box(middle), 100).expect("read"));
    });

    let began = Instant::now();
    let row_index = store.row_index(&Filter::default()).expect("counted");
    say(&format!("the window's list: {} rows counted in {:?}", row_index.rows(), began.elapsed()));
    let began = Instant::now();
    let cats = Filter { words: Some("cat".to_owned()), ..Filter::default() };
    let found = store.row_index(&cats).expect("counted");
    say(&format!("the window's search: {} rows counted in {:?}", found.rows(), began.elapsed()));
    let mut row = 0;
    criterion.bench_function("log: a page of the window from anywhere", |b| {
        b.iter(|| {
            row = (row + 104_729) % row_index.rows().max(1);
            store.rows_of(&row_index, black_box(row), PAGE as usize).expect("read")
        });
    });

    let began = Instant::now();
    let export = Export { format: Format::Jsonl, filter: Filter::default(), thumbnails: false, byte_order_mark: false };
    let count = export.write(&store, &mut std::io::BufWriter::new(std::io::sink())).expect("exported");
    say(&format!("export to JSONL: {:.0} rows a second", count as f64 / began.elapsed().as_secs_f64()));

    model();
    meaning(&mut store, captions, criterion);

    let session = store.begin(&start()).expect("begun");
    let mut number = captions;
    criterion.bench_function("log: insert", |b| {
        b.iter_batched(
            || {
                number += 1;
                entry(number, session, &mut dice)
            },
            |entry| store.add(&entry, None, None, 0).expect("added"),
            BatchSize::SmallInput,
        );
    });
}

criterion_group!(benches, log);
criterion_main!(benches);

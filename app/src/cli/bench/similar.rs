//! `sightline bench similar`: how long it takes to find the views of a log that are like one.
//!
//! A log of its own, in a folder for what passes, gets the means of so many views, by chance and of
//! no picture: what they say does not change what comparing them costs. It is searched in rounds,
//! the first of which reads the file for the first time.

use std::io::Write as _;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Context as _;
use clap::Args;
use serde::Serialize;
use vlm::Features;

use crate::cli::bench::spread::{Spread, ms};
use crate::cli::output::{Notes, Output};
use crate::cli::parse::{seed, whole};
use crate::demo::Random;
use crate::log::{Store, ViewFilter};

/// Image tokens of a view at 256M, and numbers of each.
const ROWS: usize = 64;
const WIDTH: usize = 576;
/// Views that are asked for.
const MOST: usize = 20;

/// The command's arguments.
#[derive(Args, Clone, Debug)]
pub struct SimilarArgs {
    /// How many views the log has
    #[arg(long, value_name = "K", default_value_t = 1_000_000, value_parser = whole::<u64, 1, 100_000_000>)]
    pub count: u64,

    /// Numbers of a view's mean: 576 at 256M
    #[arg(long, value_name = "N", default_value_t = WIDTH, value_parser = whole::<usize, 1, 8192>)]
    pub width: usize,

    /// Searches that are measured
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = whole::<usize, 1, 10_000>)]
    pub rounds: usize,

    /// Which views: the same number gives the same ones
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = seed)]
    pub seed: u64,
}

/// The line on standard output. Milliseconds, but for the megabytes.
#[derive(Serialize)]
struct Report {
    views: u64,
    width: usize,
    file_mb: f64,
    first: f64,
    search: Spread,
}

/// Measures and prints.
///
/// # Errors
/// When there is no room for the log, or standard output can't be written.
pub fn run(args: &SimilarArgs) -> anyhow::Result<ExitCode> {
    let folder = tempfile::tempdir().context("The system has no folder for what passes")?;
    let path = folder.path().join("captions.db");
    let mut random = Random::new(args.seed);
    let filter = ViewFilter::of("measured", "f32");
    let (width, count) = (args.width, args.count);
    let mean = |random: &mut Random| (0..width).map(|_| random.unit() - 0.5).collect::<Vec<f32>>();
    Store::open(&path)?.fill_to_measure(&filter, count, || mean(&mut random))?;
    let file_mb = path.metadata()?.len() as f64 / 1e6;
    let wanted = Features {
        width,
        scales: vec![0.01; ROWS],
        bytes: (0..ROWS * width).map(|_| (random.between(-127.0, 127.0)) as i8).collect(),
    };
    let store = Store::open_existing(&path)?;
    let mut took = Vec::with_capacity(args.rounds);
    for _ in 0..=args.rounds {
        let start = Instant::now();
        store.similar(&wanted, &filter, None, MOST)?;
        took.push(ms(start.elapsed()));
    }
    let first = took.remove(0);
    let report = Report { views: count, width, file_mb, first, search: Spread::of(took.into_iter()) };
    writeln!(Output::new(), "{}", serde_json::to_string(&report)?)?;
    let Spread { median, least, most } = report.search;
    let mut err = Notes::new(false);
    writeln!(err, "{count} views of {width} numbers, {file_mb:.0} MB")?;
    writeln!(err, "search                               {median:9.1} ms   ({least:.1} to {most:.1})")?;
    writeln!(err, "the first                            {first:9.1} ms")?;
    Ok(ExitCode::SUCCESS)
}

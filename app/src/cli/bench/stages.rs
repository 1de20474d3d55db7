//! `sightline bench [IMAGE]`: how long each stage of a caption takes on this machine, and how much
//! memory it needs.
//!
//! Every round measures the same things in turn, so that a machine whose speed drifts slows all of
//! them alike: what the machine can do at its best, a caption of a new view, a question about that
//! view, the next frame of a steady scene, which differs by a camera's noise, with the first
//! caption as its draft, the same with that frame looked at as if something had changed, and a
//! caption behind a long prefix.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::Args;
use image::RgbImage;
use serde::Serialize;
use vlm::{Cancel, InstructionSet, Part, Peaks, Reply, Reuse, Role, UnknownInstructionSet};

use crate::base::message::Message;
use crate::capture::picture::decode::read_picture;
use crate::cli::args::ModelArgs;
use crate::cli::bench::roofline;
use crate::cli::bench::roofline::Roofline;
use crate::cli::bench::spread::{Spread, ms};
use crate::cli::download;
use crate::cli::output::{Notes, Output};
use crate::cli::parse::whole;
use crate::demo::Random;
use crate::engine::local;
use crate::engine::local::LocalEngine;
use crate::engine::options::{EngineOptions, Precision};
use crate::engine::{Engine, Limits, Shown, Task, Turn, ViewOptions};
use crate::models::spec::ModelSpec;

/// The question that a caption is compared with.
const QUESTION: &str = "Is there an animal in this image?";
/// Tokens of a caption, as in the published comparisons.
const TOKENS: usize = 30;
/// Words of the long prefix; each is about one token.
const PREFIX_WORDS: usize = 1000;

/// The command's arguments.
#[derive(Args, Clone, Debug)]
pub struct StageArgs {
    /// The picture to caption [default: a drawn one of 1280 x 720]
    #[arg(value_name = "IMAGE")]
    pub image: Option<PathBuf>,

    /// Rounds to measure, after one that is not counted
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = whole::<usize, 1, 10_000>)]
    pub rounds: usize,

    /// Measure this precision, too, round by round in turn with the other
    #[arg(long, value_name = "PRECISION", ignore_case = true)]
    pub compare: Option<Precision>,

    /// Measure with the processor's instructions capped at each of these sets, in turn: generic,
    /// avx2, avxvnni, avx512 (neon, dotprod on ARM)
    #[arg(long, value_name = "SET,…", value_delimiter = ',', value_parser = instruction_set)]
    pub isa: Vec<InstructionSet>,

    #[command(flatten)]
    pub model: ModelArgs,
}

/// The line on standard output. Times in milliseconds.
#[derive(Serialize)]
struct Report {
    model: String,
    device: String,
    precision: String,
    /// The vectors that the products run on.
    instructions: String,
    /// The cap on them that `--isa` set.
    #[serde(skip_serializing_if = "Option::is_none")]
    isa: Option<String>,
    processor: String,
    threads: usize,
    rounds: usize,
    prompt_tokens: usize,
    tokens: usize,
    load_ms: f64,
    ms: Stages,
    /// Of the processor, where that is what computes.
    #[serde(skip_serializing_if = "Option::is_none")]
    roofline: Option<Roofline>,
    /// Drafted tokens that the last round offered and accepted.
    draft: vlm::Draft,
    /// The most memory that the process held, where the system tells.
    peak_memory_mib: Option<f64>,
}

#[derive(Serialize)]
struct Stages {
    preprocess: Spread,
    vision: Spread,
    prefill: Spread,
    decode_per_token: Spread,
    total: Spread,
    first_token: Spread,
    question_first_token: Spread,
    steady_total: Spread,
    changed_total: Spread,
    prefixed_prefill: Spread,
    prefixed_decode_per_token: Spread,
    prefixed_total: Spread,
}

/// What one round measured.
struct Round {
    cold: Reply,
    question: Reply,
    steady: Reply,
    changed: Reply,
    prefixed: Reply,
}

/// Measures and prints.
///
/// # Errors
/// When the picture or the model can't be used, or standard output can't be written.
pub fn run(args: &StageArgs) -> anyhow::Result<ExitCode> {
    let picture = match &args.image {
        Some(path) => read_picture(path)?,
        None => drawn(),
    };
    download::fetch(&args.model.model, &Cancel::default())?;
    let rounds = args.rounds;
    let options = args.model.engine_options();
    let compared = args.compare.map(|precision| EngineOptions { precision, ..options.clone() });
    let mut subjects = Vec::new();
    let caps = if args.isa.is_empty() { vec![None] } else { args.isa.iter().copied().map(Some).collect() };
    for max_isa in caps {
        for options in std::iter::once(options.clone()).chain(compared.clone()) {
            subjects.push(Subject::load(&args.model.model, &EngineOptions { max_isa, ..options })?);
        }
    }
    for number in 0..=rounds {
        for subject in &mut subjects {
            let round = measure(&mut subject.engine, &picture, &args.model.prompt)
                .context("The model failed while it was measured")?;
            // The first fills caches and is not counted; what it held is, before the machine's best
            // is measured in memory of its own.
            if number == 0 {
                subject.memory = peak_memory_mib();
            } else {
                let peaks = Peaks::measure(subject.engine.model())
                    .map_err(|e| Message::from(&e))
                    .context("The machine's best can't be measured")?;
                subject.rounds.push((peaks, round));
            }
        }
    }
    let reports: Vec<_> = subjects.iter().map(Subject::report).collect();
    let line = match &reports[..] {
        [one] => serde_json::to_string(one)?,
        several => serde_json::to_string(several)?,
    };
    writeln!(Output::new(), "{line}")?;
    reports.iter().try_for_each(for_people)?;
    side_by_side(&reports)?;
    Ok(ExitCode::SUCCESS)
}

/// What is measured.
struct Subject {
    engine: LocalEngine,
    isa: Option<InstructionSet>,
    load: Duration,
    /// The most memory that the process had held after the first round.
    memory: Option<f64>,
    rounds: Vec<(Peaks, Round)>,
}

impl Subject {
    fn load(model: &ModelSpec, options: &EngineOptions) -> anyhow::Result<Self> {
        let start = Instant::now();
        let engine = local::open(model, options)?;
        let load = start.elapsed();
        if let Some(taken) = engine.card().taken() {
            writeln!(Notes::new(false), "{taken}")?;
        }
        Ok(Self { engine, isa: options.max_isa, load, memory: None, rounds: Vec::new() })
    }

    fn report(&self) -> Report {
        let Self { engine, isa, load, memory, rounds } = self;
        let (card, model) = (engine.card(), engine.model());
        let spread = |value: &dyn Fn(&Round) -> f64| Spread::of(rounds.iter().map(|(_, round)| value(round)));
        let later_tokens = |reply: &Reply| reply.token_ids.len().saturating_sub(1).max(1) as f64;
        let last = rounds.last().map(|(_, round)| round);
        Report {
            model: card.model,
            device: card.device,
            precision: card.precision,
            instructions: model.instructions().to_owned(),
            isa: isa.map(|set| set.to_string()),
            processor: roofline::processor(),
            threads: model.threads(),
            rounds: rounds.len(),
            prompt_tokens: last.map_or(0, |r| r.cold.prompt_ids.len()),
            tokens: last.map_or(0, |r| r.cold.token_ids.len()),
            load_ms: ms(*load),
            ms: Stages {
                preprocess: spread(&|r| ms(r.cold.timings.preprocess)),
                vision: spread(&|r| ms(r.cold.timings.vision)),
                prefill: spread(&|r| ms(r.cold.timings.prefill)),
                decode_per_token: spread(&|r| ms(r.cold.timings.decode) / later_tokens(&r.cold)),
                total: spread(&|r| ms(r.cold.timings.total())),
                first_token: spread(&|r| ms(r.cold.timings.first_token())),
                question_first_token: spread(&|r| ms(r.question.timings.first_token())),
                steady_total: spread(&|r| ms(r.steady.timings.total())),
                changed_total: spread(&|r| ms(r.changed.timings.total())),
                prefixed_prefill: spread(&|r| ms(r.prefixed.timings.prefill)),
                prefixed_decode_per_token: spread(&|r| ms(r.prefixed.timings.decode) / later_tokens(&r.prefixed)),
                prefixed_total: spread(&|r| ms(r.prefixed.timings.total())),
            },
            roofline: (!model.device().device().is_gpu())
                .then(|| Roofline::of(model, rounds.iter().map(|(peaks, round)| (*peaks, &round.cold)))),
            draft: last.map(|r| r.steady.draft).unwrap_or_default(),
            peak_memory_mib: *memory,
        }
    }
}

fn measure(engine: &mut LocalEngine, picture: &RgbImage, instruction: &str) -> anyhow::Result<Round> {
    let (cancel, silent, limits) =
        (Cancel::default(), &mut |_: &str| {}, Limits { ignore_end: true, ..Limits::tokens(TOKENS) });
    let next = next_frame(picture);
    let view = engine.open_view(ViewOptions::default())?;
    let (new, noisy) = ([picture], [&next]);
    let first = Shown { pictures: &new, scene: Some(1), reuse: Reuse::IfIdentical };
    let second = Shown { pictures: &noisy, scene: Some(2), reuse: Reuse::IfNearlyIdentical };
    let third = Shown { scene: Some(3), reuse: Reuse::IfIdentical, ..second };
    let caption = |view, shown| Turn { view, task: Task::Caption { shown, instruction }, limits };
    let cold = engine.reply(caption(view, first), &cancel, silent)?;
    let asked = Turn { view, task: Task::Answer { shown: first, question: QUESTION }, limits };
    let question = engine.reply(asked, &cancel, silent)?;
    let steady = engine.reply(caption(view, second), &cancel, silent)?;
    let changed = engine.reply(caption(view, third), &cancel, silent)?;
    engine.close_view(view);
    let prefix = [long_instructions()];
    let view = engine.open_view(ViewOptions { prefix: &prefix, ..ViewOptions::default() })?;
    let prefixed = engine.reply(caption(view, first), &cancel, silent)?;
    engine.close_view(view);
    Ok(Round { cold, question, steady, changed, prefixed })
}

/// A set that this processor has: capped at any other, it would be measured as if it were the next
/// lower one.
fn instruction_set(name: &str) -> Result<InstructionSet, String> {
    let set: InstructionSet = name.parse().map_err(|e: UnknownInstructionSet| e.to_string())?;
    if set.is_here() { Ok(set) } else { Err(format!("This processor has no {set}.")) }
}

/// Standing instructions of about a thousand tokens.
fn long_instructions() -> vlm::Turn {
    vlm::Turn { role: Role::System, parts: vec![Part::Text("be brief and say what you see ".repeat(PREFIX_WORDS / 7))] }
}

/// The picture as a camera might see it a moment later: with the noise of a webcam, a standard
/// deviation of 3.
fn next_frame(picture: &RgbImage) -> RgbImage {
    let mut next = picture.clone();
    let mut random = Random::new(1);
    for value in next.iter_mut() {
        // Three even spreads from -3 to 3 have together a variance of 3 * 6^2 / 12.
        let noise: f32 = (0..3).map(|_| random.between(-3.0, 3.0)).sum();
        *value = (f32::from(*value) + noise).round().clamp(0.0, 255.0) as u8;
    }
    next
}

/// A picture that needs no file: time does not depend on what it shows.
fn drawn() -> RgbImage {
    RgbImage::from_fn(1280, 720, |x, y| image::Rgb([(x % 256) as u8, (y % 256) as u8, ((x ^ y) % 256) as u8]))
}

/// The same as a table, on standard error.
fn for_people(report: &Report) -> io::Result<()> {
    let mut err = Notes::new(false);
    writeln!(
        err,
        "{} on {} in {} ({}), {} threads: {} prompt tokens, {} tokens, medians of {} rounds",
        report.model,
        report.device,
        report.precision,
        report.instructions,
        report.threads,
        report.prompt_tokens,
        report.tokens,
        report.rounds
    )?;
    for (name, spread) in [
        ("preprocess", report.ms.preprocess),
        ("vision", report.ms.vision),
        ("prefill", report.ms.prefill),
        ("decode, a token", report.ms.decode_per_token),
        ("caption of a new view", report.ms.total),
        ("its first token", report.ms.first_token),
        ("question on the view in hand, first token", report.ms.question_first_token),
        ("caption of the next frame of a steady scene", report.ms.steady_total),
        ("the same with the picture looked at anew", report.ms.changed_total),
        ("caption behind a prefix of 1,000 tokens", report.ms.prefixed_total),
        ("its prefill", report.ms.prefixed_prefill),
        ("its decode, a token", report.ms.prefixed_decode_per_token),
    ] {
        let Spread { median, least, most } = spread;
        writeln!(err, "{name:<42} {median:9.1} ms   ({least:.1} to {most:.1})")?;
    }
    writeln!(err, "{:<42} {:9.1} ms", "loading", report.load_ms)?;
    if let Some(roofline) = &report.roofline {
        roofline.for_people(&mut err)?;
    }
    if let Some(peak) = report.peak_memory_mib {
        writeln!(err, "{:<42} {peak:9.0} MiB", "most memory held")?;
    }
    Ok(())
}

/// Several of them in one table, each caption held against the last one.
fn side_by_side(reports: &[Report]) -> io::Result<()> {
    let [.., last] = reports else { return Ok(()) };
    if reports.len() == 1 {
        return Ok(());
    }
    let mut err = Notes::new(false);
    writeln!(err, "{:<24} {:>9} {:>9} {:>9} {:>9} {:>7}", "ms", "vision", "prefill", "a token", "caption", "ratio")?;
    for report in reports {
        let name = format!("{}, {}", report.precision, report.instructions);
        let Stages { vision, prefill, decode_per_token, total, .. } = &report.ms;
        let [vision, prefill, token, caption] = [vision, prefill, decode_per_token, total].map(|spread| spread.median);
        let ratio = caption / last.ms.total.median;
        writeln!(err, "{name:<24} {vision:9.1} {prefill:9.1} {token:9.1} {caption:9.1} {ratio:7.2}")?;
    }
    Ok(())
}

/// The process's largest resident set, from Linux's `/proc/self/status` (`VmHWM`, in KiB).
fn peak_memory_mib() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: f64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(kib / 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::options::DeviceChoice;

    #[test]
    #[ignore = "needs a CUDA card"]
    fn gpu_bench_prints_its_line() {
        let model = std::env::var("SIGHTLINE_BENCH_MODEL")
            .unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/../vlm/fixtures/tiny-2b").to_owned());
        let options = EngineOptions { device: DeviceChoice::Cuda(0), ..EngineOptions::default() };
        let mut subject = Subject::load(&ModelSpec::Folder(model.into()), &options).unwrap();
        let peaks = Peaks::measure(subject.engine.model()).unwrap();
        for _ in 0..4 {
            subject.rounds.push((peaks, measure(&mut subject.engine, &drawn(), "Describe.").unwrap()));
        }
        // The first compiles the card's kernels.
        subject.rounds.remove(0);
        let report = subject.report();
        assert_eq!((report.device.as_str(), report.roofline.is_none()), ("cuda:0", true));
        for_people(&report).unwrap();
    }

    #[test]
    fn a_round_measures_what_it_says() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../vlm/fixtures/tiny-2b");
        let mut engine = local::open(&ModelSpec::Folder(folder.into()), &EngineOptions::default()).unwrap();
        let round = measure(&mut engine, &drawn(), "Describe.").unwrap();
        assert_eq!(round.cold.token_ids.len(), TOKENS);
        assert!(round.question.timings.vision.is_zero() && !round.changed.timings.vision.is_zero());
        assert_eq!((round.steady.draft.offered, round.steady.draft.accepted), (TOKENS, TOKENS));
        assert!(round.steady.timings.vision.is_zero());
        let longer = round.prefixed.prompt_ids.len() - round.cold.prompt_ids.len();
        assert!(longer >= PREFIX_WORDS, "{longer}");
        let peaks = Peaks::measure(engine.model()).unwrap();
        let subject =
            Subject { engine, isa: None, load: Duration::from_secs(1), memory: None, rounds: vec![(peaks, round)] };
        let text = serde_json::to_value(subject.report()).unwrap();
        assert_eq!(text["tokens"], TOKENS);
        assert!(text["ms"]["total"]["median"].as_f64().unwrap() > 0.0);
    }
}

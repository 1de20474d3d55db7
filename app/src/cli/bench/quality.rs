//! `sightline bench quality [IMAGE…]`: how far a model in fewer bits stands from itself in f32.
//!
//! Prompts are asked of each picture in turn. What is said in f32 is read by both, and their
//! next-token distributions are compared.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use image::RgbImage;
use serde::Serialize;
use vlm::Cancel;
use vlm::measure::quality::{Comparison, Difference};

use crate::base::message::Message;
use crate::capture::picture::decode::read_picture;
use crate::cli::args::ModelArgs;
use crate::cli::download;
use crate::cli::output::Output;
use crate::cli::parse::whole;
use crate::cli::scene::still;
use crate::demo::paint;
use crate::engine::local;
use crate::engine::options::{EngineOptions, Precision};

/// What is asked, of each of [`THINGS`].
const FORMS: [&str; 10] = [
    "Describe {} in one sentence.",
    "What can you say about {}?",
    "Where is {}?",
    "What colour is {}?",
    "Is {} in the foreground or in the background?",
    "How large is {}, compared with the rest?",
    "What is next to {}?",
    "Write a title for {}.",
    "What is unusual about {}?",
    "List three words for {}.",
];
const THINGS: [&str; 20] = [
    "this picture",
    "the main subject",
    "the person",
    "the background",
    "the brightest part",
    "the darkest part",
    "the text",
    "the object on the left",
    "the object on the right",
    "the sky",
    "the animal",
    "the cup",
    "the vehicle",
    "the building",
    "the table",
    "the largest object",
    "the smallest object",
    "the light",
    "the mood of the scene",
    "what is happening",
];

/// The command's arguments.
#[derive(Args, Clone, Debug)]
pub struct QualityArgs {
    /// Pictures to ask about, each in turn [default: stills of the demo scene]
    #[arg(value_name = "IMAGE")]
    pub images: Vec<PathBuf>,

    /// Prompts to ask
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = whole::<u32, 1, 200>)]
    pub prompts: u32,

    /// Tokens of each reply
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = whole::<u32, 1, 1000>)]
    pub tokens: u32,

    #[command(flatten)]
    pub model: ModelArgs,
}

/// The line on standard output.
#[derive(Serialize)]
struct Report {
    model: String,
    precision: String,
    prompts: usize,
    tokens: usize,
    /// Mean Kullback-Leibler divergence of next-token distributions, in nats.
    mean_divergence: f64,
    /// The largest mean of one reply.
    worst_divergence: f64,
    /// The largest relative error of a picture's features.
    worst_features: f64,
    /// Share of tokens that both would have chosen.
    agreement: f64,
    /// Share of replies of which every token is the same.
    same_replies: f64,
}

/// Measures and prints.
///
/// # Errors
/// When a picture or the model can't be used, or standard output can't be written.
pub fn run(args: &QualityArgs) -> anyhow::Result<ExitCode> {
    let options = args.model.engine_options();
    download::fetch(&args.model.model, &Cancel::default())?;
    let (exact, _) = local::load(&args.model.model, &EngineOptions { precision: Precision::F32, ..options.clone() })?;
    let (other, card) = local::load(&args.model.model, &options)?;
    let cancel = Cancel::default();
    let failed = "The model failed while it was compared";
    let look =
        |picture| Comparison::look(&exact, &other, picture, &cancel).map_err(|e| Message::from(&e)).context(failed);
    let seen = pictures(&args.images)?.iter().map(look).collect::<anyhow::Result<Vec<_>>>()?;
    let mut all = Vec::new();
    for number in 0..args.prompts as usize {
        // Every form and thing comes early, whatever the number of prompts.
        let thing = THINGS[number % THINGS.len()];
        let prompt = FORMS[(number + number / THINGS.len()) % FORMS.len()].replace("{}", thing);
        let seen = &seen[number % seen.len()];
        all.push(seen.ask(&prompt, args.tokens as usize, &cancel).map_err(|e| Message::from(&e)).context(failed)?);
    }
    let report = report(&card.model, &card.precision, &seen, &all);
    writeln!(Output::new(), "{}", serde_json::to_string(&report)?)?;
    Ok(ExitCode::SUCCESS)
}

fn pictures(paths: &[PathBuf]) -> anyhow::Result<Vec<RgbImage>> {
    if paths.is_empty() {
        return Ok((0..4).map(|number| paint(&still(1, number).0)).collect());
    }
    paths.iter().map(|path| Ok(read_picture(path)?)).collect()
}

fn report(model: &str, precision: &str, seen: &[Comparison<'_>], all: &[Difference]) -> Report {
    let count = all.len().max(1) as f64;
    let tokens: usize = all.iter().map(|d| d.tokens).sum();
    Report {
        model: model.to_owned(),
        precision: precision.to_owned(),
        prompts: all.len(),
        tokens,
        mean_divergence: all.iter().map(|d| d.divergence).sum::<f64>() / count,
        worst_divergence: all.iter().map(|d| d.divergence).fold(0.0, f64::max),
        worst_features: seen.iter().map(|s| s.features).fold(0.0, f64::max),
        agreement: all.iter().map(|d| d.agreed).sum::<usize>() as f64 / tokens.max(1) as f64,
        same_replies: all.iter().filter(|d| d.is_same_reply()).count() as f64 / count,
    }
}

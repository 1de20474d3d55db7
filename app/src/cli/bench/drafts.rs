//! `sightline bench drafts [IMAGE…]`: what drafts from earlier captions save on a film in which
//! things move.
//!
//! Every frame is captioned by two sessions in turn, one of which looks drafts up among its earlier
//! captions. Both offer the last caption. Their words must be the same.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, ensure};
use clap::Args;
use image::RgbImage;
use serde::Serialize;
use vlm::{Ask, Cancel, Reply, Reuse, Sampling, Session, Tiling};

use crate::base::message::Message;
use crate::capture::picture::decode::read_picture;
use crate::cli::args::ModelArgs;
use crate::cli::bench::spread::{Spread, ms};
use crate::cli::download;
use crate::cli::output::{Notes, Output};
use crate::cli::parse::{seed, whole};
use crate::demo::{World, paint};
use crate::engine::local;

/// Tokens of a caption at most.
const TOKENS: usize = 60;
/// A step of the scene, in seconds: as it is filmed.
const STEP: f32 = 1.0 / 30.0;

/// The command's arguments.
#[derive(Args, Clone, Debug)]
pub struct DraftArgs {
    /// The film's frames, in order [default: the demo scene]
    #[arg(value_name = "IMAGE")]
    pub images: Vec<PathBuf>,

    /// Frames of the demo scene
    #[arg(long, value_name = "N", default_value_t = 60, value_parser = whole::<u32, 2, 10_000>)]
    pub frames: u32,

    /// Milliseconds of the demo scene between two frames
    #[arg(long, value_name = "MS", default_value_t = 1000, value_parser = whole::<u32, 1, 60_000>)]
    pub every: u32,

    /// Which demo scene: the same number gives the same one
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = seed)]
    pub seed: u64,

    #[command(flatten)]
    pub model: ModelArgs,
}

/// The line on standard output.
#[derive(Serialize)]
struct Report {
    model: String,
    precision: String,
    frames: usize,
    tokens: usize,
    with: Side,
    without: Side,
    /// Decoding of all captions with drafts that are looked up, by that without.
    decode_ratio: f64,
}

/// One of the two sessions.
#[derive(Serialize)]
struct Side {
    passes: usize,
    tokens_per_pass: f64,
    offered: usize,
    accepted: usize,
    decode_ms: Spread,
}

/// Measures and prints.
///
/// # Errors
/// When a picture or the model can't be used, words differ, or standard output can't be written.
pub fn run(args: &DraftArgs) -> anyhow::Result<ExitCode> {
    download::fetch(&args.model.model, &Cancel::default())?;
    let (model, card) = local::load(&args.model.model, &args.model.engine_options())?;
    let session = || Session::new(model.clone()).map_err(|e| Message::from(&e));
    let (mut with, mut without) = (session()?, session()?);
    without.look_up_drafts(false);
    let mut replies = [Vec::new(), Vec::new()];
    let mut take = |number: usize, frame: &RgbImage| -> anyhow::Result<()> {
        let caption = |session: &mut Session| {
            let ask =
                Ask { prompt: &args.model.prompt, max_tokens: TOKENS, ignore_end: false, sampling: Sampling::Greedy };
            session
                .set_images(&[frame], Tiling::One, Reuse::IfIdentical, &Cancel::default())
                .and_then(|()| session.caption(ask, &Cancel::default(), &mut |_| {}))
                .map_err(|e| Message::from(&e))
                .context("The model failed while it was measured")
        };
        // Whoever comes second finds the caches warm.
        let (first, second) = if number.is_multiple_of(2) {
            let first = caption(&mut with)?;
            (first, caption(&mut without)?)
        } else {
            let second = caption(&mut without)?;
            (caption(&mut with)?, second)
        };
        ensure!(first.token_ids == second.token_ids, "With drafts, the words of frame {number} are others.");
        replies[0].push(first);
        replies[1].push(second);
        Ok(())
    };
    if args.images.is_empty() {
        let mut world = World::new(args.seed);
        for number in 0..args.frames as usize {
            take(number, &paint(&world))?;
            for _ in 0..(args.every as f32 / 1000.0 / STEP).round().max(1.0) as u32 {
                world.advance(STEP);
            }
        }
    }
    for (number, path) in args.images.iter().enumerate() {
        take(number, &read_picture(path)?)?;
    }
    let [with, without] = &replies;
    let total = |replies: &[Reply]| replies.iter().map(|reply| ms(reply.timings.decode)).sum::<f64>();
    let report = Report {
        model: card.model,
        precision: card.precision,
        frames: with.len(),
        tokens: with.iter().map(|reply| reply.token_ids.len()).sum(),
        with: side(with),
        without: side(without),
        decode_ratio: total(with) / total(without),
    };
    writeln!(Output::new(), "{}", serde_json::to_string(&report)?)?;
    writeln!(
        Notes::new(false),
        "{} frames, {} tokens: {:.2} tokens a pass with drafts from earlier captions, {:.2} without; decoding takes \
         {:.2} of the time.",
        report.frames,
        report.tokens,
        report.with.tokens_per_pass,
        report.without.tokens_per_pass,
        report.decode_ratio
    )?;
    Ok(ExitCode::SUCCESS)
}

fn side(replies: &[Reply]) -> Side {
    let sum = |value: fn(&Reply) -> usize| replies.iter().map(value).sum::<usize>();
    let passes = sum(|reply| reply.draft.passes);
    Side {
        passes,
        tokens_per_pass: sum(|reply| reply.token_ids.len()) as f64 / passes.max(1) as f64,
        offered: sum(|reply| reply.draft.offered),
        accepted: sum(|reply| reply.draft.accepted),
        decode_ms: Spread::of(replies.iter().map(|reply| ms(reply.timings.decode))),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[test]
    fn the_demo_scene_takes_fewer_passes_with_drafts() {
        #[derive(Parser)]
        struct Line {
            #[command(flatten)]
            args: DraftArgs,
        }
        let line = ["drafts", "--frames", "4", "--model", "demo", "--precision", "f32"];
        let args = Line::try_parse_from(line).expect("arguments").args;
        assert_eq!((args.every, args.seed), (1000, 1));
        run(&args).expect("the words are the same");
    }
}

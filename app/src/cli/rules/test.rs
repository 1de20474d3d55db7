//! `sightline rules test`: whether a sentence holds of pictures, and how strongly the model thinks
//! so.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use crate::base::message::Message;
use crate::base::text::one_line;
use crate::capture::picture_named;
use crate::cli::args::ModelArgs;
use crate::cli::output::{Notes, Output};
use crate::cli::{download, interrupt};
use crate::engine;
use crate::engine::ViewOptions;
use crate::rules::score::Scorer;
use crate::rules::statement::Statement;

/// The arguments of `test`.
#[derive(Args, Clone, Debug)]
pub struct TestArgs {
    /// A statement, such as "there is a red circle"; "there is no …" holds where that does not
    #[arg(value_name = "SENTENCE")]
    rule: Statement,

    /// Pictures: files, or addresses on the web
    #[arg(required = true, value_name = "PICTURE")]
    images: Vec<PathBuf>,

    /// Print one JSON object a picture, each on a line of its own
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    model: ModelArgs,
}

/// What is told of a picture. The keys are a contract.
#[derive(Serialize)]
struct Told<'a> {
    image: String,
    rule: &'a str,
    /// In nats.
    score: f32,
    probability: f32,
    holds: bool,
}

/// Runs the command.
///
/// # Errors
/// When the model can't be opened, can't score or fails, or standard output can't be written.
pub fn run(args: &TestArgs) -> anyhow::Result<ExitCode> {
    let (cancel, mut notes) = (interrupt::flag()?, Notes::new(args.json));
    download::fetch(&args.model.model, &cancel)?;
    let mut engine = engine::open(&args.model.model, &args.model.engine_options())?;
    if !engine.card().can.scores {
        let message = Message::new("This engine does not tell how likely answers are.");
        return Err(message.hint("Use a model on this machine.").into());
    }
    if engine.card().sent_to.is_some() {
        notes.note(&engine.card().words());
    }
    let view = engine.open_view(ViewOptions::default())?;
    let rules = [args.rule.clone()];
    let Some(scorer) = Scorer::new(&rules, &mut *engine, view, &cancel)? else { return Ok(ExitCode::FAILURE) };
    let (mut code, mut out) = (ExitCode::SUCCESS, Output::new());
    for path in &args.images {
        let picture = match picture_named(path, &cancel) {
            Ok(picture) => picture,
            Err(message) => {
                notes.error(&message);
                code = ExitCode::FAILURE;
                continue;
            }
        };
        let Some(scores) = scorer.score(&mut *engine, view, &picture, &cancel)? else { return Ok(ExitCode::FAILURE) };
        for score in scores {
            let (probability, holds) = (score.probability(), score.holds());
            let image = path.display().to_string();
            if args.json {
                let told = Told { image, rule: args.rule.text(), score: score.nats, probability, holds };
                serde_json::to_writer(&mut out, &told).map_err(std::io::Error::from)?;
                writeln!(out)?;
            } else {
                let says = if holds { "holds" } else { "does not hold" };
                writeln!(out, "{}: {says} ({:.0} %, {:+.1} nats)", one_line(&image), probability * 100.0, score.nats)?;
            }
        }
    }
    Ok(code)
}

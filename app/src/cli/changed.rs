//! `sightline changed`: what changed from one picture to another, as far as scores support it.

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
use crate::engine::{EngineCard, ViewOptions};
use crate::rules::changed::{Changed, Compared, Moved, Told, compare_pictures};
use crate::rules::score::Score;

/// The arguments of `changed`.
#[derive(Args, Clone, Debug)]
pub struct ChangedArgs {
    /// The picture before: a file, or an address on the web
    #[arg(value_name = "BEFORE")]
    before: PathBuf,

    /// The picture after
    #[arg(value_name = "AFTER")]
    after: PathBuf,

    /// Print a JSON object
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    model: ModelArgs,
}

/// What is told. The keys are a contract.
#[derive(Serialize)]
pub struct ChangedLine<'a> {
    before: String,
    after: String,
    captions: [&'a str; 2],
    sentence: String,
    appeared: Vec<Crossed<'a>>,
    gone: Vec<Crossed<'a>>,
    moved: Vec<Elsewhere<'a>>,
    model: &'a str,
    device: &'a str,
    precision: &'a str,
}

/// A thing with the probabilities that it is there.
#[derive(Serialize)]
struct Crossed<'a> {
    thing: &'a str,
    before: f32,
    after: f32,
}

/// A thing with its places, and the probabilities that they are preferred to each other.
#[derive(Serialize)]
struct Elsewhere<'a> {
    thing: &'a str,
    from: &'a str,
    to: &'a str,
    before: f32,
    after: f32,
}

impl<'a> ChangedLine<'a> {
    /// What is told of these two.
    pub fn new(of: [String; 2], captions: [&'a str; 2], changed: &'a Changed, card: &'a EngineCard) -> Self {
        let crossed = |told: &'a Told| Crossed {
            thing: &told.thing,
            before: told.before.probability(),
            after: told.after.probability(),
        };
        let elsewhere = |Moved { thing, from, to, before, after }: &'a Moved| Elsewhere {
            thing,
            from,
            to,
            before: Score { nats: *before }.probability(),
            after: Score { nats: *after }.probability(),
        };
        let [before, after] = of;
        Self {
            before,
            after,
            captions,
            sentence: changed.sentence(),
            appeared: changed.appeared.iter().map(crossed).collect(),
            gone: changed.gone.iter().map(crossed).collect(),
            moved: changed.moved.iter().map(elsewhere).collect(),
            model: &card.model,
            device: &card.device,
            precision: &card.precision,
        }
    }
}

/// Why the engine can't tell.
pub fn cannot() -> Message {
    Message::new("This engine does not tell how likely answers are.").hint("Use a model on this machine.")
}

/// Runs the command.
///
/// # Errors
/// When a picture can't be read, the model can't be opened, can't score or fails, or standard
/// output can't be written.
pub fn run(args: &ChangedArgs) -> anyhow::Result<ExitCode> {
    let (cancel, mut notes) = (interrupt::flag()?, Notes::new(args.json));
    let before = picture_named(&args.before, &cancel)?;
    let after = picture_named(&args.after, &cancel)?;
    download::fetch(&args.model.model, &cancel)?;
    let mut engine = engine::open(&args.model.model, &args.model.engine_options())?;
    let card = engine.card();
    if !card.can.scores {
        return Err(cannot().into());
    }
    if card.sent_to.is_some() {
        notes.note(&card.words());
    }
    let view = engine.open_view(ViewOptions::default())?;
    let compared = compare_pictures(&mut *engine, view, [&before, &after], &args.model.prompt, &cancel)?;
    let Some(Compared { captions, changed }) = compared else { return Ok(ExitCode::FAILURE) };
    let mut out = Output::new();
    if args.json {
        let of = [&args.before, &args.after].map(|path| path.display().to_string());
        let line = ChangedLine::new(of, captions.each_ref().map(String::as_str), &changed, &card);
        serde_json::to_writer(&mut out, &line).map_err(std::io::Error::from)?;
        writeln!(out)?;
    } else {
        writeln!(out, "{}", one_line(&changed.sentence()))?;
    }
    Ok(ExitCode::SUCCESS)
}

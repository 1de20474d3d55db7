//! `sightline engine test URL`: what a server is worth as an engine.

use std::io::Write as _;
use std::process::ExitCode;

use clap::{Args, Subcommand};

use crate::base::message::Message;
use crate::base::text::one_line;
use crate::cli::interrupt;
use crate::cli::output::{Notes, Output};
use crate::cli::remote::ServerArgs;
use crate::engine::EngineError;
use crate::engine::remote::RemoteEngine;
use crate::engine::remote::address::Address;
use crate::engine::remote::probe::{self, Report};

/// Servers that a model can run on
#[derive(Args, Clone, Debug)]
pub struct EngineArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Debug, Subcommand)]
enum Command {
    /// Send two demo scenes to a server, and say what it is worth
    Test(TestArgs),
}

#[derive(Args, Clone, Debug)]
struct TestArgs {
    /// The server's address, with or without the `/v1` at its end
    #[arg(value_name = "URL")]
    url: Address,

    /// The name that the server has for the model [default: the first that it lists]
    #[arg(long, value_name = "ID")]
    model: Option<String>,

    /// Print one JSON object
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    server: ServerArgs,
}

/// Runs the command.
///
/// # Errors
/// When the server gives no reply, or standard output can't be written.
pub fn run(args: &EngineArgs) -> anyhow::Result<ExitCode> {
    let Command::Test(args) = &args.command;
    let (cancel, mut notes) = (interrupt::flag()?, Notes::new(args.json));
    let options = args.server.options(args.url.clone())?;
    let model = if let Some(model) = &args.model {
        model.clone()
    } else {
        let listed = RemoteEngine::new("", options.clone()).and_then(|engine| engine.models(&cancel));
        let none = || Message::new("The server lists no models.").hint("Name one with --model.");
        listed.map_err(EngineError::from)?.into_iter().next().ok_or_else(none)?
    };
    notes.note(&format!("Two demo scenes are sent to {}, for the model {model}.", options.address.host()));
    let mut engine = RemoteEngine::new(&model, options).map_err(EngineError::from)?;
    let report = probe::run(&mut engine, &cancel)?;
    let mut out = Output::new();
    if args.json {
        let verdict = probe::verdict(&report);
        let object = serde_json::json!({ "model": model, "report": report, "verdict": verdict });
        writeln!(out, "{object}")?;
    } else {
        table(&mut out, &model, &report)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn table(out: &mut Output, model: &str, report: &Report) -> std::io::Result<()> {
    let row = |out: &mut Output, name: &str, value: String| writeln!(out, "{name:<22}{}", one_line(&value));
    row(out, "model", model.to_owned())?;
    row(out, "models listed", report.models.len().to_string())?;
    for (number, seen) in report.scenes.iter().enumerate() {
        let (named, there) = seen.named;
        row(
            out,
            &format!("scene {}", number + 1),
            format!("{named} of {there} named, {:.0} ms: {}", seen.ms, seen.text),
        )?;
    }
    let tokens = report.picture_tokens.map_or_else(|| "not told".to_owned(), |tokens| tokens.to_string());
    row(out, "tokens a picture", tokens)?;
    let (first, again) = report.first_word_ms;
    row(out, "first word", format!("{first:.0} ms; {again:.0} ms for a second question"))?;
    row(out, "streams", yes(report.streams))?;
    row(
        out,
        "log-probabilities",
        format!("its words {}, others {}", yes(report.log_probs.0), yes(report.log_probs.1)),
    )?;
    writeln!(out)?;
    probe::verdict(report).iter().try_for_each(|said| writeln!(out, "{said}"))
}

fn yes(is: bool) -> String {
    if is { "yes" } else { "no" }.to_owned()
}

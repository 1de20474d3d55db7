//! Actions on the command line: which are started with `watch`, what is said of them, and
//! `sightline actions`.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use clap::{Args, Subcommand};
use serde::Serialize;
use vlm::Cancel;

use crate::actions::{self, ActionSpec, Actions, Announced, Undelivered};
use crate::base::message::Message;
use crate::base::text;
use crate::cli::interrupt;
use crate::cli::output::{Notes, Output};
use crate::cli::parse;
use crate::rules::spec::RuleSpec;

/// What is done about what is seen.
#[derive(Args, Clone, Debug, Default)]
pub struct ActionArgs {
    /// Tell others what happens: the actions of this TOML file (see `sightline actions test`)
    #[arg(long, value_name = "FILE", value_parser = parse::file())]
    pub actions: Option<PathBuf>,
}

impl ActionArgs {
    /// Starts the actions of the file, if one is named, and those of a plan or of a file of rules.
    ///
    /// # Errors
    /// What is wrong with the file, with what an action needs, or with a rule that is to set off an
    /// action that is not there.
    pub fn start(
        &self,
        planned: Vec<ActionSpec>,
        rules: &[Arc<RuleSpec>],
        announced: &Announced,
    ) -> Result<Option<Actions>, Message> {
        let mut specs = planned;
        if let Some(path) = &self.actions {
            specs.extend(actions::read(path)?);
        }
        for rule in rules {
            if let Some(unknown) = rule.actions.iter().find(|named| specs.iter().all(|spec| spec.name != **named)) {
                let (name, unknown) = (text::one_line(rule.name()), text::one_line(unknown));
                let what = format!("The rule {name} is to set off the unknown action `{unknown}`.");
                let hint = format!("Write [action.{unknown}] into the file of rules, or name a file with --actions.");
                return Err(Message::new(what).hint(hint));
            }
        }
        if specs.is_empty() {
            return Ok(None);
        }
        let no_folder = || {
            Message::new("The system knows no folder for what actions are to tell.").hint("Set HOME, or XDG_DATA_HOME.")
        };
        let folder = actions::default_folder().ok_or_else(no_folder)?;
        Actions::start(specs, announced, &folder).map(Some)
    }
}

/// What is said at the end of those that were not told.
pub fn left(waiting: &[(String, u64)]) -> Option<String> {
    let each: Vec<_> = waiting.iter().map(|(action, count)| format!("{} for {action}", text::number(*count))).collect();
    (!each.is_empty()).then(|| format!("Not told yet, and kept for the next start: {}.", each.join(", ")))
}

/// Tell others what is seen: try the actions of a file
#[derive(Args, Clone, Debug)]
pub struct ActionsArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Debug, Subcommand)]
enum Command {
    /// Do one action now, and say what came of it
    Test(TestArgs),
    /// List the actions of a file
    List(ListArgs),
}

#[derive(Args, Clone, Debug)]
struct TestArgs {
    /// The action's name: NAME of [action.NAME]
    #[arg(value_name = "NAME")]
    name: String,

    /// The TOML file that has it
    #[arg(long, value_name = "FILE", value_parser = parse::file())]
    actions: PathBuf,

    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Args, Clone, Debug)]
struct ListArgs {
    /// The TOML file that has them
    #[arg(long, value_name = "FILE", value_parser = parse::file())]
    actions: PathBuf,

    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
}

/// What came of a test.
#[derive(Serialize)]
struct Tested<'a> {
    action: &'a str,
    /// What it does, and where.
    does: String,
    ms: f64,
}

/// An action of a file.
#[derive(Serialize)]
struct Listed<'a> {
    action: &'a str,
    does: String,
    captions: bool,
    picture: bool,
}

/// Runs the command.
///
/// # Errors
/// What is wrong with the file or the action, or when standard output can't be written.
pub fn run(args: &ActionsArgs) -> anyhow::Result<ExitCode> {
    match &args.command {
        Command::Test(args) => test(args, &interrupt::flag()?),
        Command::List(args) => list(args),
    }
}

fn test(args: &TestArgs, cancel: &Cancel) -> anyhow::Result<ExitCode> {
    let specs = actions::read(&args.actions)?;
    let spec = specs.iter().find(|spec| spec.name == args.name).ok_or_else(|| {
        let names: Vec<_> = specs.iter().map(|spec| spec.name.as_str()).collect();
        Message::new(format!("Unknown action {} in {}.", args.name, text::path(&args.actions)))
            .hint(format!("It has {}.", names.join(", ")))
    })?;
    let mut notes = Notes::new(args.json);
    notes.note(&format!("Trying {}: {}.", spec.name, spec.words()));
    let began = Instant::now();
    match actions::try_now(spec, cancel)? {
        Ok(()) => {}
        Err(Undelivered::Later { message, .. } | Undelivered::Never(message)) => return Err(message.into()),
        Err(Undelivered::Cancelled) => return Ok(ExitCode::FAILURE),
    }
    let tested = Tested { action: &spec.name, does: spec.words(), ms: began.elapsed().as_secs_f64() * 1e3 };
    let mut out = Output::new();
    if args.json {
        serde_json::to_writer(&mut out, &tested)?;
        writeln!(out)?;
    } else {
        writeln!(out, "Done in {:.0} ms.", tested.ms)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn list(args: &ListArgs) -> anyhow::Result<ExitCode> {
    let mut out = Output::new();
    for spec in &actions::read(&args.actions)? {
        let does = spec.words();
        if args.json {
            let listed = Listed { action: &spec.name, does, captions: spec.captions, picture: spec.picture };
            serde_json::to_writer(&mut out, &listed)?;
            writeln!(out)?;
        } else {
            writeln!(out, "{:<16} {does}", spec.name)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

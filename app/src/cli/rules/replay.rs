//! `rules replay`: what rules would have said of views that the log keeps.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use clap::Args;
use serde::Serialize;

use crate::base::message::Message;
use crate::base::text::{count, length, one_line};
use crate::cli::args::ModelArgs;
use crate::cli::output::{Notes, Output};
use crate::cli::rules::book::{known_calibrations, named};
use crate::cli::{download, interrupt, parse, times};
use crate::engine;
use crate::log;
use crate::log::{Moment, ReplayError, Replayed, Store, ViewFilter, replay};
use crate::rules::event::EventKind;
use crate::rules::file;
use crate::rules::spec::RuleSpec;
use crate::rules::statement::Statement;

/// The arguments of `replay`.
#[derive(Args, Clone, Debug)]
pub struct ReplayArgs {
    /// Names of rules [default: all]
    #[arg(value_name = "NAME")]
    names: Vec<String>,

    /// A sentence that is not a rule yet; may be given several times
    #[arg(long, value_name = "SENTENCE")]
    says: Vec<Statement>,

    /// Views captured since then: "2 hours ago", 2026-11-24 or 2026-11-24T15:30:00Z
    #[arg(long, value_name = "TIME", value_parser = times::moment)]
    since: Option<i64>,

    /// Views captured before then
    #[arg(long, value_name = "TIME", value_parser = times::moment)]
    until: Option<i64>,

    /// The log's file [default: your caption log]
    #[arg(long, value_name = "FILE", value_parser = parse::file())]
    log: Option<PathBuf>,

    /// Print one JSON object an event or near miss, each on a line of its own
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    model: ModelArgs,
}

/// An event or near miss. The keys are those of `watch --json`, with the session in the log.
#[derive(Serialize)]
struct Told<'a> {
    event: EventKind,
    rule: &'a str,
    says: &'a str,
    session: i64,
    start: String,
    end: Option<String>,
    peak: f32,
    frame: i64,
    quiet: bool,
}

/// Replays.
///
/// # Errors
/// When the rules or the log can't be read, the model can't be used, or standard output can't be
/// written.
pub fn run(args: &ReplayArgs, path: &Path) -> anyhow::Result<ExitCode> {
    let (cancel, mut notes) = (interrupt::flag()?, Notes::new(args.json));
    let rules = chosen(args, path)?;
    let log = args.log.clone().or_else(log::default_path).ok_or_else(log::no_folder)?;
    let store = Store::open_existing(&log)?;
    download::fetch(&args.model.model, &cancel)?;
    let mut engine = engine::open(&args.model.model, &args.model.engine_options())?;
    let card = engine.card();
    if !card.can.features {
        return Err(Message::new("This engine keeps no views.").hint("Use a model on this machine.").into());
    }
    let filter = ViewFilter {
        since_ms: args.since.unwrap_or(i64::MIN),
        until_ms: args.until.unwrap_or(i64::MAX),
        ..ViewFilter::of(&card.model, &card.precision)
    };
    let calibrations = known_calibrations(&rules)?;
    let calibrated: Vec<_> =
        rules.iter().map(|rule| (Arc::clone(rule), calibrations.of(rule.says.text(), &card.model))).collect();
    let (mut out, mut written, start) = (Output::new(), Ok(()), Instant::now());
    let replayed = replay(&store, &filter, &|_| Some(0.0), &mut *engine, &calibrated, &cancel, &mut |told| {
        if written.is_ok() {
            written = write(&mut out, &rules[told.rule], &told, args.json);
        }
    });
    written?;
    let views = match replayed {
        Ok(views) => views,
        Err(ReplayError::Cancelled) => return Ok(ExitCode::FAILURE),
        Err(ReplayError::Log(error)) => return Err(error.into()),
        Err(ReplayError::Engine(error)) => return Err(error.into()),
    };
    let others = store.other_views(&filter)?;
    if others > 0 {
        let others = count(others, "view", "views");
        notes
            .note(&format!("Left out {others} of another model or precision than {}, {}.", card.model, card.precision));
    }
    if views == 0 {
        let message =
            Message::new(format!("The log keeps no views of {} in {} of that time.", card.model, card.precision));
        return Err(message.hint("Record with `sightline watch --log --keep-views`.").into());
    }
    let each = start.elapsed().as_secs_f64() * 1e3 / views as f64;
    notes.note(&format!("Replayed {}, {each:.1} ms each.", count(views, "view", "views")));
    Ok(ExitCode::SUCCESS)
}

/// The rules that are asked for.
fn chosen(args: &ReplayArgs, path: &Path) -> Result<Vec<Arc<RuleSpec>>, Message> {
    let known = if args.names.is_empty() && !args.says.is_empty() { Vec::new() } else { file::read_or_none(path)? };
    let mut rules = if args.names.is_empty() {
        known
    } else {
        args.names.iter().map(|name| named(&known, name)).collect::<Result<_, _>>()?
    };
    rules.extend(args.says.iter().map(|says| Arc::new(RuleSpec::new(says.clone()))));
    file::check(rules.iter().map(AsRef::as_ref))
        .map_err(|why| Message::new(format!("That can't be replayed: {why}.")))?;
    if rules.is_empty() {
        let hint = "Add one with `sightline rules add`, or give --says \"there is a red circle\".";
        return Err(Message::new("There are no rules yet.").hint(hint));
    }
    Ok(rules)
}

fn write(out: &mut Output, rule: &RuleSpec, told: &Replayed, json: bool) -> std::io::Result<()> {
    let change = &told.change;
    // An event is told when it is over, and is one then.
    let Some(end) = &change.end else { return Ok(()) };
    let peak = change.peak.probability();
    if json {
        let told = Told {
            event: change.kind,
            rule: rule.name(),
            says: rule.says.text(),
            session: change.at_peak.session,
            start: Moment::of(&change.start.time).rfc3339(),
            end: Some(Moment::of(&end.time).rfc3339()),
            peak,
            frame: change.at_peak.frame,
            quiet: change.is_quiet,
        };
        serde_json::to_writer(&mut *out, &told)?;
        return writeln!(out);
    }
    let near = if change.kind == EventKind::NearMiss { "nearly " } else { "" };
    let lasted = end.since.saturating_sub(change.start.since);
    let lasted = length(i64::try_from(lasted.as_millis()).unwrap_or(i64::MAX));
    let start = Moment::of(&change.start.time).civil().strftime("%Y-%m-%d %H:%M:%S").to_string();
    writeln!(out, "{start}  {lasted:>8}  {near}{} ({:.0} %)", one_line(rule.name()), peak * 100.0)
}

//! The command line: one file a command. Prints; everything below it does not.
//!
//! Standard output carries what was asked for, standard error what is said besides (see
//! `output`). Exit codes: 0 done, 1 failed (a sentence says what happened, another what to do), 2
//! wrong usage.

mod actions;
mod args;
mod bench;
pub mod cameras;
mod caption_files;
mod changed;
mod chat;
mod consent;
mod describe;
mod dialog;
mod download;
mod engine;
mod failure;
mod interrupt;
mod json;
mod live;
mod log;
mod models;
mod output;
mod parse;
mod prefix;
mod recording;
mod remote;
mod rules;
mod scene;
mod source;
mod stream;
mod times;
mod watch;

use std::cell::RefCell;
use std::io;
use std::panic;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory as _, Parser, Subcommand};
use tracing_subscriber::EnvFilter;

use crate::base::message::Message;
use crate::base::panic::panic_message;
use crate::cli::args::FramingArgs;
use crate::cli::output::Notes;
use crate::plan::MOST_VIEWS;

/// The variable that says what to log, such as `sightline=debug`. Without it, errors only: what
/// people should know is told as it happens.
const LOG_VARIABLE: &str = "SIGHTLINE_LOG";
/// The log without that variable. What the hub's client, dialogs and the verifier of certificates
/// call errors is dealt with, and told if need be.
const QUIET: &str = "error,hf_hub=off,rfd=off,rustls_platform_verifier=off";

thread_local! {
    /// What the last panic of this thread said, and where it was.
    static PANIC: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Live captions of what a camera sees, made on your own machine.
///
/// Without a command, opens the window.
#[derive(Debug, Parser)]
#[command(name = "sightline", version, args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,

    #[command(flatten)]
    live: live::LiveArgs,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Write live captions to the terminal
    Watch(watch::WatchArgs),
    /// Describe pictures
    Describe(describe::DescribeArgs),
    /// Tell what changed from one picture to another
    Changed(changed::ChangedArgs),
    /// Talk about pictures, with follow-ups
    Chat(chat::ChatArgs),
    /// Tell whether sentences hold of pictures
    Rules(rules::RulesArgs),
    /// Test a server that a model may run on
    Engine(engine::EngineArgs),
    /// Try the actions that tell others what is seen
    Actions(actions::ActionsArgs),
    /// List the cameras
    Cameras(cameras::CamerasArgs),
    /// List, download and remove models
    Models(models::ModelsArgs),
    /// Write stills of the demo scene and what is true of them
    Scene(scene::SceneArgs),
    /// Find, export and keep what was recorded with `watch --log`
    Log(log::LogArgs),
    /// Measure how long a caption takes on this machine, or how true a model is
    Bench(bench::BenchArgs),
}

/// The command line, of which manual pages, completions and the reference are made.
#[must_use]
pub fn command() -> clap::Command {
    Arguments::command()
}

/// Runs the program with this process's arguments.
#[must_use]
pub fn main() -> ExitCode {
    let mut notes = Notes::new(output::asks_for_json(std::env::args_os().skip(1)));
    panic::set_hook(Box::new(note_panic));
    interrupt::fail_when_aborted();
    let done = panic::catch_unwind(|| {
        let arguments = match Arguments::try_parse().and_then(checked) {
            Ok(arguments) => arguments,
            Err(usage) => return told(&usage),
        };
        start_log();
        run(&arguments)
    });
    let done = done.unwrap_or_else(|_| {
        let what = format!("Sightline failed in a way that was not foreseen ({}).", PANIC.take());
        Err(Message::new(what).hint("Please report it, with what you did.").into())
    });
    done.unwrap_or_else(|error| match failure::message(error) {
        Some(message) => {
            notes.error(&message);
            ExitCode::FAILURE
        }
        None => ExitCode::SUCCESS,
    })
}

fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    match &arguments.command {
        None => live::run(&arguments.live),
        Some(Command::Watch(args)) => watch::run(args),
        Some(Command::Describe(args)) => describe::run(args),
        Some(Command::Changed(args)) => changed::run(args),
        Some(Command::Chat(args)) => chat::run(args),
        Some(Command::Rules(args)) => rules::run(args),
        Some(Command::Engine(args)) => engine::run(args),
        Some(Command::Actions(args)) => actions::run(args),
        Some(Command::Cameras(args)) => cameras::run(args),
        Some(Command::Models(args)) => models::run(args),
        Some(Command::Scene(args)) => scene::run(args),
        Some(Command::Log(args)) => log::run(args),
        Some(Command::Bench(args)) => bench::run(args),
    }
}

/// Help and version go to standard output and are no mistakes; wrong usage is told as every error
/// is.
fn told(usage: &clap::Error) -> anyhow::Result<ExitCode> {
    if !usage.use_stderr() {
        usage.print().map_err(output::unwritten)?;
        return Ok(ExitCode::SUCCESS);
    }
    Notes::new(output::asks_for_json(std::env::args_os().skip(1))).error(&failure::of_usage(usage));
    Ok(u8::try_from(usage.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from))
}

/// Notes where a panic was. Those that are expected of a library are caught; of others the one who
/// joins the thread tells.
fn note_panic(panic: &panic::PanicHookInfo<'_>) {
    let place = panic.location().map_or_else(String::new, |at| format!(" at {}:{}", at.file(), at.line()));
    let why = panic_message(panic.payload());
    tracing::debug!(why, place, backtrace = %std::backtrace::Backtrace::force_capture(), "panic");
    PANIC.set(format!("{why}{place}"));
}

/// What clap can't say: the window takes limits of a log that it may record later, `watch` only of
/// one that it records.
fn checked(arguments: Arguments) -> Result<Arguments, clap::Error> {
    match &arguments.command {
        Some(Command::Watch(watch)) if watch.record.limit_nothing() && watch.config.is_none() => {
            let sentence = "--log-limit and --log-keep are about a log that is recorded: add --log.";
            Err(Arguments::command().error(ErrorKind::MissingRequiredArgument, sentence))
        }
        Some(Command::Watch(watch)) => fit(&watch.framing, watch.source.len()).map(|()| arguments),
        None => fit(&arguments.live.framing, arguments.live.source.len()).map(|()| arguments),
        _ => Ok(arguments),
    }
}

/// Whether there may be so many sources, and each is there that a part is for.
fn fit(framing: &FramingArgs, sources: usize) -> Result<(), clap::Error> {
    if sources > MOST_VIEWS {
        let sentence = format!("At most {MOST_VIEWS} sources are watched at once: leave some out.");
        return Err(Arguments::command().error(ErrorKind::TooManyValues, sentence));
    }
    let number = framing.largest_number();
    if number > sources {
        let sentence = format!("Unknown source {number}: count the --source options.");
        return Err(Arguments::command().error(ErrorKind::ValueValidation, sentence));
    }
    Ok(())
}

/// Sends what the modules trace to standard error.
fn start_log() {
    let filter = EnvFilter::try_from_env(LOG_VARIABLE).unwrap_or_else(|_| EnvFilter::new(QUIET));
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(output::may_colour()).with_writer(io::stderr).init();
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::engine::options::{DeviceChoice, Precision};

    fn parse(line: &str) -> Result<Arguments, clap::Error> {
        Arguments::try_parse_from(line.split_whitespace()).and_then(checked)
    }

    #[test]
    fn the_definitions_hold_together() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn without_a_command_it_is_the_window() {
        let arguments = parse("sightline --source camera:1 --model demo --device cuda:1 --precision int8 --threads 2")
            .expect("arguments");
        assert!(arguments.command.is_none());
        assert_eq!(arguments.live.source.iter().map(ToString::to_string).collect::<Vec<_>>(), ["camera:1"]);
        assert_eq!(arguments.live.model.model.to_string(), "demo");
        assert_eq!(arguments.live.model.device, DeviceChoice::Cuda(1));
        assert_eq!(arguments.live.model.precision, Precision::Int8);
        assert_eq!(arguments.live.model.threads.map(usize::from), Some(2));
        let limited = parse("sightline --log-limit 2GB --log-keep 30d").expect("arguments");
        assert!(!limited.live.record.log_options().record, "limits are no wish to record");
    }

    #[test]
    fn wrong_usage_is_exit_code_two_and_help_is_zero() {
        for line in [
            "sightline fly",
            "sightline watch",
            "sightline watch --source camera --frames 0",
            "sightline watch --source camera --most-per-minute 0",
            "sightline watch --source camera --every-frame --longest-silence 3",
            "sightline watch --source camera --longest-silence soon",
            "sightline describe",
            "sightline describe a.png --model 1b",
            "sightline describe a.png --max-tokens 0",
            "sightline chat --max-tokens 0",
            "sightline describe a.png --threads 100000",
            "sightline describe a.png --max-tokens 99999999999999999999",
            "sightline describe a.png --temperature NaN",
            "sightline describe a.png --temperature 2.5",
            "sightline describe a.png --temperature -1",
            "sightline chat --temperature 1 --top-p 0",
            "sightline chat --temperature 1 --top-p 1.1",
            "sightline chat --seed 3",
            "sightline watch --source camera --frames -1",
            "sightline watch --source camera --most-per-minute 6001",
            "sightline watch --source camera --longest-silence inf",
            "sightline watch --source camera --longest-silence 1e300",
            "sightline watch --source camera --log a.db --log-limit 99999999999999999999GB",
            "sightline scene --out a --count 0",
            "sightline scene --out a --seed -1",
            "sightline log list --limit 0",
            "sightline bench --rounds 1000000000",
            "sightline --device gpu",
            "sightline --precision f64",
            "sightline models fly",
            "sightline models download",
            "sightline models remove 7b",
            "sightline watch --source demo --log-limit 2GB",
            "sightline watch --source demo --region 0,0,0,50",
            "sightline watch --source demo --mask 10,10,95,10",
            "sightline watch --source demo --rotate 45",
            "sightline watch --source demo --region 2:0,0,50,50",
            "sightline watch --source demo --config a.toml",
            "sightline --source demo --config a.toml",
            "sightline --source demo --region 2:0,0,50,50",
            "sightline watch --config a.toml --mask 0,0,50,50",
            "sightline watch --source demo --engine-first 9",
            "sightline watch --source demo --engine http://127.0.0.1:8000",
            "sightline watch --source demo --engine http://127.0.0.1:8000 --model tea --engine-parallel 0",
            "sightline engine test",
            "sightline describe a.png --mmproj b.gguf",
            "sightline describe a.png --model demo --mmproj b.gguf",
        ] {
            let usage = parse(line).expect_err(line);
            assert_eq!(usage.exit_code(), 2, "{line}");
            let message = failure::of_usage(&usage);
            assert!(message.what().ends_with('.') && !message.to_string().contains('\n'), "{message}");
        }
        for line in ["sightline --help", "sightline watch --help", "sightline --version"] {
            assert_eq!(parse(line).expect_err(line).exit_code(), 0, "{line}");
        }
    }

    #[test]
    fn how_a_server_is_reached_goes_with_a_server_alone() {
        let watch = "sightline watch --source demo --engine http://127.0.0.1:8000 --model tea --engine-parallel 9";
        let Some(Command::Watch(watch)) = parse(watch).expect("arguments").command else { panic!("another command") };
        let remote = watch.model.engine_options().remote.expect("a server");
        assert_eq!((remote.parallel, remote.patience.first), (9, Duration::from_secs(30)));
        assert!(parse("sightline engine test http://127.0.0.1:8000 --engine-first 9").is_ok());
    }

    #[test]
    fn a_chat_answers_at_length_and_asks_nothing_by_itself() {
        let arguments = parse("sightline chat a.png b.png --model demo").expect("arguments");
        let Some(Command::Chat(chat)) = arguments.command else { panic!("another command") };
        assert_eq!((chat.images.len(), chat.model.max_tokens.get(), chat.model.prompt.as_str()), (2, 256, ""));
    }
}

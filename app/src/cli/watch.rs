//! `sightline watch`: live captions without a window.
//!
//! Captions go to standard output, one a line; on a terminal their words appear as they are decoded. Everything that
//! people should know besides goes to standard error.

use std::io::{self, Write};
use std::num::NonZeroU64;
use std::ops::ControlFlow;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use vlm::{Cancel, Stop};

use crate::base::message::Message;
use crate::base::text::one_line;
use crate::capture::{SourceOptions, SourceSpec};
use crate::cli::args::{ModelArgs, PaceArgs, open_source};
use crate::cli::failure::sentences;
use crate::cli::json::CaptionLine;
use crate::cli::output::{Notes, Output};
use crate::cli::parse::{seconds, whole};
use crate::cli::recording::{RecordArgs, Recording};
use crate::cli::{download, interrupt};
use crate::demo::model;
use crate::engine::EngineCard;
use crate::live::{Caption, Event, GateSettings, Pipeline, Settings, Told};

/// How often the interrupt flag is looked at.
const LOOK_UP: Duration = Duration::from_millis(100);

/// The command's arguments.
#[derive(Args, Clone, Debug)]
pub struct WatchArgs {
    /// camera, camera:N, camera:NAME, demo, or a picture, folder or video
    #[arg(long, value_name = "SOURCE")]
    pub source: SourceSpec,

    /// End after this many captions
    #[arg(long, value_name = "N", value_parser = whole::<NonZeroU64, 1, 1_000_000_000>)]
    pub frames: Option<NonZeroU64>,

    /// Begin again at the end of a video or folder
    #[arg(long = "loop")]
    pub repeat: bool,

    /// Caption every frame that there is time for, also when nothing changed
    #[arg(long, conflicts_with = "longest_silence")]
    pub every_frame: bool,

    /// Caption an unchanged view again after this long [default: 30]
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub longest_silence: Option<Duration>,

    #[command(flatten)]
    pub pace: PaceArgs,

    /// Print one JSON object a caption, each on a line of its own
    #[arg(long)]
    pub json: bool,

    #[command(flatten)]
    pub record: RecordArgs,

    #[command(flatten)]
    pub model: ModelArgs,
}

impl WatchArgs {
    fn settings(&self) -> Settings {
        let defaults = GateSettings::default();
        let longest_silence = self.longest_silence.unwrap_or(defaults.longest_silence);
        Settings {
            instruction: self.model.prompt.clone(),
            max_tokens: self.model.max_tokens.get(),
            gate: (!self.every_frame).then_some(GateSettings { longest_silence }),
            least_interval: self.pace.least_interval(),
        }
    }
}

/// Captions what the source shows until it ends, enough captions were made, or the user interrupts.
///
/// # Errors
/// When the log can't be opened, the pipeline can't be started, or standard output can't be written.
pub fn run(args: &WatchArgs) -> anyhow::Result<ExitCode> {
    let interrupted = interrupt::flag()?;
    download::fetch(&args.model.model, &interrupted)?;
    let recording = args.record.start(&args.model.prompt)?;
    let pipeline = Pipeline::start(args.settings(), Arc::new(|| {})).context("The system starts no more threads.")?;
    pipeline.set_engine(args.model.model.clone(), args.model.open_engine());
    pipeline.set_source(open_source(args.source.clone(), SourceOptions { repeat: args.repeat }));
    let out = Output::new();
    let shape = match (args.json, out.is_terminal()) {
        (true, _) => Shape::Json,
        (false, true) => Shape::Stream,
        (false, false) => Shape::Lines,
    };
    let mut watcher = Watcher::new(shape, args.model.prompt.clone(), args.frames, out, Notes::new(args.json));
    watcher.recording = recording;
    let watched = watcher.watch(&pipeline, &interrupted);
    // A recording ends its session, whatever ended the watching.
    watcher.finish_recording();
    Ok(watched?)
}

/// How captions are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    /// An object a line.
    Json,
    /// A caption a line, when it is complete.
    Lines,
    /// Words as they come.
    Stream,
}

/// Writes what a pipeline tells.
struct Watcher<O, E> {
    shape: Shape,
    prompt: String,
    /// Captions still to be written; `None` without end.
    left: Option<u64>,
    card: EngineCard,
    out: O,
    err: Notes<E>,
    /// The source gave pictures once.
    has_opened: bool,
    /// Something could not be captioned.
    has_failed: bool,
    /// The terminal's line has words on it.
    in_line: bool,
    /// What was said last about a source that is away, so that every further try does not say it again.
    lost: Option<Message>,
    /// Why the last picture got no caption.
    refused: Option<Message>,
    /// With `--log`.
    recording: Option<Recording>,
}

impl<O: Write, E: Write> Watcher<O, E> {
    fn new(shape: Shape, prompt: String, frames: Option<NonZeroU64>, out: O, err: Notes<E>) -> Self {
        let left = frames.map(NonZeroU64::get);
        let card = EngineCard::default();
        Self {
            shape,
            prompt,
            left,
            card,
            out,
            err,
            has_opened: false,
            has_failed: false,
            in_line: false,
            lost: None,
            refused: None,
            recording: None,
        }
    }

    fn watch(&mut self, pipeline: &Pipeline, interrupted: &Cancel) -> io::Result<ExitCode> {
        while !interrupted.is_cancelled() {
            let event = pipeline.wait_event(LOOK_UP);
            self.record(event.as_ref())?;
            if let Some(event) = event
                && let ControlFlow::Break(code) = self.tell(event)?
            {
                return Ok(code);
            }
        }
        self.end_line(" …")?;
        Ok(ExitCode::SUCCESS)
    }

    fn tell(&mut self, event: Event) -> io::Result<ControlFlow<ExitCode>> {
        match event {
            Event::SourceOpened { name } => {
                self.has_opened = true;
                self.lost = None;
                self.say(&format!("Watching {name}."))?;
            }
            // A source that was never there is a mistake to mend; one that was there is waited for.
            Event::SourceLost { message, .. } if !self.has_opened => {
                self.complain(&message)?;
                return Ok(ControlFlow::Break(ExitCode::FAILURE));
            }
            Event::SourceLost { message, .. } => {
                if self.lost.as_ref() != Some(&message) {
                    self.complain(&message.clone().hint(match message.advice() {
                        Some(hint) => format!("{hint} Trying again."),
                        None => "Trying again.".to_owned(),
                    }))?;
                    self.lost = Some(message);
                }
            }
            Event::ModelLoading { model } => self.say(&format!("Loading the model {model}."))?,
            Event::ModelReady(card) => {
                let EngineCard { model, device, precision, why, .. } = &card;
                let ready = format!("The model {model} is ready ({device}, {precision}). {why}");
                self.say(ready.trim_end())?;
                if model == model::NAME {
                    self.say(&format!("{}.", model::NOTE))?;
                }
                self.card = card;
            }
            Event::Text { of: Told::Caption { .. }, piece } if self.shape == Shape::Stream => self.stream(&piece)?,
            Event::Captioned(caption) if caption.reply.stop == Stop::Cancelled => self.end_line(" …")?,
            Event::Captioned(caption) => {
                self.refused = None;
                self.write(&caption)?;
                if let Some(left) = &mut self.left {
                    *left -= 1;
                    if *left == 0 {
                        return Ok(ControlFlow::Break(self.code()));
                    }
                }
            }
            Event::RequestFailed { message, .. } => {
                self.has_failed = true;
                if self.refused.as_ref() == Some(&message) {
                    // Said of two pictures in a row, it is not the picture: the prompt is too long, say.
                    return Ok(ControlFlow::Break(ExitCode::FAILURE));
                }
                self.complain(&message)?;
                self.refused = Some(message);
            }
            Event::Failed { message, retry_in, .. } => {
                self.has_failed = true;
                self.complain(&message)?;
                if retry_in.is_none() {
                    return Ok(ControlFlow::Break(ExitCode::FAILURE));
                }
            }
            Event::Done => return Ok(ControlFlow::Break(self.code())),
            // Nobody asks questions here, and what stays as it is needs no words.
            Event::Began(_)
            | Event::Text { .. }
            | Event::Asked(_)
            | Event::Answered { .. }
            | Event::SourceEnded
            | Event::Unchanged { .. } => {}
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Records what happened, and says so once when recording fails and once when it works again.
    fn record(&mut self, event: Option<&Event>) -> io::Result<()> {
        match self.recording.as_mut().and_then(|recording| recording.observe(event)) {
            Some(sentence) => self.complain(&sentences(&sentence)),
            None => Ok(()),
        }
    }

    fn finish_recording(&mut self) {
        if let Some(recording) = self.recording.take() {
            let sentence = recording.finish();
            self.err.note(&sentence);
        }
    }

    fn code(&self) -> ExitCode {
        if self.has_failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
    }

    fn write(&mut self, caption: &Caption) -> io::Result<()> {
        match self.shape {
            Shape::Json => {
                serde_json::to_writer(&mut self.out, &CaptionLine::new(caption, &self.prompt, &self.card))?;
                writeln!(self.out)?;
            }
            Shape::Lines => writeln!(self.out, "{}", one_line(&caption.reply.text))?,
            // The words are there already.
            Shape::Stream => return self.end_line(""),
        }
        self.out.flush()
    }

    fn stream(&mut self, piece: &str) -> io::Result<()> {
        let piece = one_line(piece);
        let piece = if self.in_line { &piece } else { piece.trim_start() };
        self.in_line |= !piece.is_empty();
        self.out.write_all(piece.as_bytes())?;
        self.out.flush()
    }

    fn end_line(&mut self, with: &str) -> io::Result<()> {
        if std::mem::take(&mut self.in_line) {
            writeln!(self.out, "{with}")?;
            self.out.flush()?;
        }
        Ok(())
    }

    /// Says something that is no error.
    fn say(&mut self, sentence: &str) -> io::Result<()> {
        self.end_line(" …")?;
        self.err.note(sentence);
        Ok(())
    }

    /// Says what went wrong and what to do.
    fn complain(&mut self, message: &Message) -> io::Result<()> {
        self.end_line(" …")?;
        self.err.error(message);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::spec::ModelSpec;
    use crate::testing::pipeline::{EngineFault, EngineScript, SourceScript, Step, caption_of};

    /// What was written to both streams, and the exit code.
    struct Watched {
        out: String,
        err: String,
        code: ExitCode,
    }

    fn watch(shape: Shape, frames: Option<u64>, source: &SourceScript, engine: &EngineScript) -> Watched {
        let settings = Settings { gate: None, ..Settings::default() };
        let pipeline = Pipeline::start(settings, Arc::new(|| {})).expect("threads start");
        pipeline.set_engine(ModelSpec::Demo, engine.open());
        pipeline.set_source(source.open());
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let mut watcher = Watcher::new(
            shape,
            "What?".to_owned(),
            frames.and_then(NonZeroU64::new),
            &mut out,
            Notes::to(&mut err, false),
        );
        let code = watcher.watch(&pipeline, &Cancel::default()).expect("written");
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        Watched { out: text(out), err: text(err), code }
    }

    fn pictures(count: u8) -> SourceScript {
        let source = SourceScript::patient();
        for red in 1..=count {
            source.show(red);
        }
        source.then(Step::Ended);
        source
    }

    #[test]
    fn captions_are_lines_or_stream_into_lines() {
        for shape in [Shape::Lines, Shape::Stream] {
            let watched = watch(shape, None, &pictures(2), &EngineScript::default());
            assert_eq!(watched.out, format!("{}\n{}\n", caption_of(1), caption_of(2)), "{shape:?}");
            assert_eq!(watched.code, ExitCode::SUCCESS);
            assert!(watched.err.contains("Watching Fake camera."), "{}", watched.err);
        }
    }

    #[test]
    fn json_is_an_object_a_line_and_ends_after_enough_of_them() {
        let watched = watch(Shape::Json, Some(2), &pictures(5), &EngineScript::default());
        let lines: Vec<serde_json::Value> =
            watched.out.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[1]["frame"], 2);
        assert_eq!(lines[1]["text"], caption_of(2));
        assert_eq!(lines[1]["prompt"], "What?");
        assert_eq!(lines[1]["model"], "fake");
        assert_eq!(watched.code, ExitCode::SUCCESS);
    }

    #[test]
    fn a_model_that_is_missing_fails_with_its_sentence_and_no_output() {
        let engine = EngineScript::default();
        engine.refuse(Some("There is no such model."));
        let watched = watch(Shape::Json, None, &pictures(1), &engine);
        assert_eq!(watched.out, "");
        assert!(watched.err.contains("There is no such model."), "{}", watched.err);
        assert_eq!(watched.code, ExitCode::FAILURE);
    }

    #[test]
    fn a_source_that_is_broken_fails_with_its_sentence() {
        let source = SourceScript::live();
        source.then(Step::Broken("That is no camera."));
        let watched = watch(Shape::Lines, None, &source, &EngineScript::default());
        assert!(watched.err.contains("That is no camera."), "{}", watched.err);
        assert_eq!(watched.code, ExitCode::FAILURE);
    }

    #[test]
    fn a_picture_that_fails_is_told_and_the_others_go_on() {
        let engine = EngineScript::default();
        engine.fail(EngineFault::Request("The picture is odd."));
        let watched = watch(Shape::Lines, None, &pictures(2), &engine);
        assert_eq!(watched.out, format!("{}\n", caption_of(2)));
        assert!(watched.err.contains("The picture is odd."), "{}", watched.err);
        assert_eq!(watched.code, ExitCode::FAILURE);
    }

    #[test]
    fn an_interrupt_ends_it_well() {
        let pipeline = Pipeline::start(Settings::default(), Arc::new(|| {})).expect("threads start");
        let interrupted = Cancel::default();
        interrupted.cancel();
        let mut watcher = Watcher::new(Shape::Lines, String::new(), None, Vec::new(), Notes::to(Vec::new(), false));
        assert_eq!(watcher.watch(&pipeline, &interrupted).expect("written"), ExitCode::SUCCESS);
    }

    #[test]
    fn a_try_that_fails_like_the_last_one_is_not_told_again() {
        let mut watcher = Watcher::new(Shape::Lines, String::new(), None, Vec::new(), Notes::to(Vec::new(), false));
        assert!(watcher.tell(Event::SourceOpened { name: "It".to_owned() }).expect("written").is_continue());
        for message in ["It is busy.", "It is busy.", "It is gone."] {
            let event = Event::SourceLost { message: Message::new(message), retry_in: Duration::from_secs(1) };
            assert!(watcher.tell(event).expect("written").is_continue());
        }
        let Watcher { err: notes, .. } = watcher;
        assert_eq!(notes.into_inner(), b"Watching It.\nIt is busy. Trying again.\nIt is gone. Trying again.\n");
    }

    #[test]
    fn a_source_that_was_never_there_is_not_waited_for() {
        let source = SourceScript::live();
        source.refuse.store(1, std::sync::atomic::Ordering::SeqCst);
        source.show(1);
        let watched = watch(Shape::Lines, None, &source, &EngineScript::default());
        assert_eq!((watched.out.as_str(), watched.code), ("", ExitCode::FAILURE));
        assert!(!watched.err.contains("Trying again"), "{}", watched.err);
    }

    #[test]
    fn a_request_that_fails_for_every_picture_ends_it() {
        let engine = EngineScript::default();
        for _ in 0..3 {
            engine.fail(EngineFault::Request("The prompt is too long."));
        }
        let source = SourceScript::patient();
        source.show(1).show(2).show(3);
        let watched = watch(Shape::Lines, None, &source, &engine);
        assert_eq!(watched.err.matches("The prompt is too long.").count(), 1, "{}", watched.err);
        assert_eq!((watched.out.as_str(), watched.code), ("", ExitCode::FAILURE));
    }
}

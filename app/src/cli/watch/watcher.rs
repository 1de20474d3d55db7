//! What `sightline watch` writes of what a pipeline tells: captions to standard output, everything
//! else to standard error.

use std::io::{self, Write};
use std::num::NonZeroU64;
use std::ops::ControlFlow;
use std::process::ExitCode;
use std::time::Duration;

use vlm::{Cancel, Stop};

use crate::base::message::Message;
use crate::base::text;
use crate::base::text::one_line;
use crate::cli::json::CaptionLine;
use crate::cli::output::Notes;
use crate::cli::watch::listeners::{Heard, Listeners};
use crate::demo::model;
use crate::engine::EngineCard;
use crate::engine::prefix::PrefixCost;
use crate::live::{Caption, Event, Pipeline, Report, Told};
use crate::plan::ViewPlan;
use crate::rules::event::{EventKind, RuleEvent};

/// What to do where an engine can't score.
const RULES_ELSEWHERE: &str = "Use a model on this machine, or shorter rules.";

/// How often the interrupt flag is looked at.
const LOOK_UP: Duration = Duration::from_millis(100);

/// How captions are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// An object a line.
    Json,
    /// A caption a line, when it is complete.
    Lines,
    /// Words as they come.
    Stream,
}

/// Writes what a pipeline tells.
pub struct Watcher<O, E> {
    shape: Shape,
    /// Captions still to be written; `None` without end.
    left: Option<u64>,
    card: EngineCard,
    out: O,
    err: Notes<E>,
    sources: Vec<Watched>,
    /// Something could not be captioned.
    has_failed: bool,
    /// The terminal's line has words on it.
    in_line: bool,
    /// Who else is told.
    pub listeners: Listeners,
}

/// What is known of a source.
#[derive(Default)]
struct Watched {
    /// What it is called.
    name: String,
    /// What the model is told to do with its pictures.
    instruction: String,
    /// It gave pictures once.
    has_opened: bool,
    /// No more captions of it will come, as far as is known.
    is_over: bool,
    /// What was said last while it is away, so that every further try does not say it again.
    lost: Option<Message>,
    /// Why the last picture got no caption.
    refused: Option<Message>,
}

impl<O: Write, E: Write> Watcher<O, E> {
    /// `views` are those of the pipeline, in their order.
    pub fn new(shape: Shape, views: &[ViewPlan], frames: Option<NonZeroU64>, out: O, err: Notes<E>) -> Self {
        let watched = |view: &ViewPlan| Watched {
            name: view.name.clone(),
            instruction: view.settings.instruction.clone(),
            ..Watched::default()
        };
        Self {
            shape,
            left: frames.map(NonZeroU64::get),
            card: EngineCard::default(),
            out,
            err,
            sources: views.iter().map(watched).collect(),
            has_failed: false,
            in_line: false,
            listeners: Listeners::default(),
        }
    }

    /// Watches until all sources are over, enough captions were made, or the user interrupts.
    pub fn watch(&mut self, pipeline: &Pipeline, interrupted: &Cancel) -> io::Result<ExitCode> {
        while !interrupted.is_cancelled() {
            let report = pipeline.wait_event(LOOK_UP);
            let heard = self.listeners.observe(report.as_ref());
            self.say_heard(heard)?;
            if let Some(report) = report
                && let ControlFlow::Break(code) = self.tell(report)?
            {
                return Ok(code);
            }
        }
        self.end_line(" …")?;
        Ok(ExitCode::SUCCESS)
    }

    fn tell(&mut self, Report { view, event }: Report) -> io::Result<ControlFlow<ExitCode>> {
        let Some(number) = view else { return self.tell_of_model(event) };
        match event {
            Event::SourceOpened { name } => {
                let source = &mut self.sources[number];
                (source.has_opened, source.is_over, source.lost) = (true, false, None);
                self.say(&format!("Watching {name}."))?;
            }
            Event::SourceLost { message, .. } => return self.lose(number, message),
            Event::Text { of: Told::Caption { .. }, piece } if self.shape == Shape::Stream => self.stream(&piece)?,
            Event::Captioned(caption) if caption.reply.stop == Stop::Cancelled => self.end_line(" …")?,
            Event::Captioned(caption) => {
                let source = &mut self.sources[number];
                (source.is_over, source.refused) = (false, None);
                if caption.reply.is_kept {
                    // The words are there already.
                    return Ok(ControlFlow::Continue(()));
                }
                self.write(number, &caption)?;
                if let Some(left) = &mut self.left {
                    *left -= 1;
                    if *left == 0 {
                        return Ok(ControlFlow::Break(self.code()));
                    }
                }
            }
            Event::RequestFailed { message, .. } => {
                self.has_failed = true;
                let source = &mut self.sources[number];
                if source.refused.as_ref() == Some(&message) {
                    // Said of two pictures in a row, it is not the picture: the prompt is too long,
                    // say.
                    source.is_over = true;
                    return Ok(self.go_on());
                }
                source.refused = Some(message.clone());
                self.complain(Some(number), &message)?;
            }
            Event::Failed { message, retry_in, .. } => {
                self.has_failed = true;
                self.sources[number].is_over = retry_in.is_none();
                self.complain(Some(number), &message)?;
                return Ok(self.go_on());
            }
            Event::Done => {
                self.sources[number].is_over = true;
                return Ok(self.go_on());
            }
            Event::PrefixRead(PrefixCost { tokens, took }) => {
                let (tokens, took) = (text::count(tokens as u64, "token", "tokens"), took.as_secs_f64());
                self.say(&format!("Read {tokens} that stand before every picture, once, in {took:.1} s."))?;
            }
            Event::NotScored { message } => {
                let what = Message::new(format!("The rules can't be watched. {}", message.what()));
                self.complain(Some(number), &what.hint(message.advice().unwrap_or(RULES_ELSEWHERE)))?;
            }
            // Nobody asks questions here, and what stays as it is needs no words.
            _ => {}
        }
        Ok(ControlFlow::Continue(()))
    }

    fn tell_of_model(&mut self, event: Event) -> io::Result<ControlFlow<ExitCode>> {
        match event {
            Event::ModelLoading { model } => self.say(&format!("Loading the model {model}."))?,
            Event::ModelReady(card) => {
                let EngineCard { model, device, precision, why, sent_to, .. } = &card;
                let ready = match sent_to {
                    Some(_) => card.words(),
                    None => format!("The model {model} is ready ({device}, {precision}). {why}"),
                };
                self.say(ready.trim_end())?;
                if model == model::NAME {
                    self.say(&format!("{}.", model::NOTE))?;
                }
                if !card.can.scores && self.listeners.have_rules() {
                    let what = "The rules can't be watched: this engine does not tell how likely answers are.";
                    self.complain(None, &Message::new(what).hint(RULES_ELSEWHERE))?;
                }
                self.card = card;
            }
            Event::Failed { message, retry_in, .. } => {
                self.has_failed = true;
                self.complain(None, &message)?;
                if retry_in.is_none() {
                    return Ok(ControlFlow::Break(ExitCode::FAILURE));
                }
            }
            _ => {}
        }
        Ok(ControlFlow::Continue(()))
    }

    /// A source gives no pictures for now. One that was never there is a mistake to mend, unless
    /// others are there; one that was there is waited for.
    fn lose(&mut self, number: usize, message: Message) -> io::Result<ControlFlow<ExitCode>> {
        let source = &mut self.sources[number];
        if source.lost.as_ref() == Some(&message) {
            return Ok(ControlFlow::Continue(()));
        }
        source.lost = Some(message.clone());
        if !source.has_opened {
            source.is_over = true;
            self.has_failed = true;
        }
        let next = self.go_on();
        if next.is_break() {
            self.complain(Some(number), &message)?;
            return Ok(next);
        }
        let hint = message.advice().map_or_else(|| "Trying again.".to_owned(), |hint| format!("{hint} Trying again."));
        self.complain(Some(number), &message.hint(hint))?;
        Ok(next)
    }

    /// Whether there is anything left to watch.
    fn go_on(&self) -> ControlFlow<ExitCode> {
        if self.sources.iter().all(|source| source.is_over) {
            ControlFlow::Break(self.code())
        } else {
            ControlFlow::Continue(())
        }
    }

    /// Ends what is going on: rules, then what is written and told.
    pub fn finish(&mut self) -> io::Result<()> {
        let heard = self.listeners.finish_rules();
        let said = self.say_heard(heard);
        for sentence in self.listeners.finish() {
            self.err.note(&sentence);
        }
        said
    }

    /// Says what those who were told have to say.
    fn say_heard(&mut self, heard: Vec<Heard>) -> io::Result<()> {
        for heard in heard {
            match heard {
                Heard::Rule(event) => self.tell_of_rule(&event)?,
                Heard::Trouble(message) => self.complain(None, &message)?,
                Heard::Well(sentence) => self.say(&sentence)?,
            }
        }
        Ok(())
    }

    fn tell_of_rule(&mut self, event: &RuleEvent) -> io::Result<()> {
        if self.shape == Shape::Json {
            serde_json::to_writer(&mut self.out, &event.told())?;
            writeln!(self.out)?;
        } else if matches!(event.kind, EventKind::Begin | EventKind::End) {
            self.end_line(" …")?;
            writeln!(self.out, "{}", one_line(&event.sentence()))?;
        }
        self.out.flush()
    }

    /// Which source something is about, where there are several.
    fn label(&self, number: usize) -> String {
        if self.sources.len() > 1 { format!("{}: ", one_line(&self.sources[number].name)) } else { String::new() }
    }

    fn code(&self) -> ExitCode {
        if self.has_failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
    }

    fn write(&mut self, number: usize, caption: &Caption) -> io::Result<()> {
        match self.shape {
            Shape::Json => {
                let Watched { name, instruction, .. } = &self.sources[number];
                serde_json::to_writer(&mut self.out, &CaptionLine::new(caption, name, instruction, &self.card))?;
                writeln!(self.out)?;
            }
            Shape::Lines => {
                let label = self.label(number);
                writeln!(self.out, "{label}{}", one_line(&caption.reply.text))?;
            }
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
    fn complain(&mut self, number: Option<usize>, message: &Message) -> io::Result<()> {
        self.end_line(" …")?;
        let label = number.map(|number| self.label(number)).unwrap_or_default();
        let told = Message::new(format!("{label}{}", message.what()));
        self.err.error(&match message.advice() {
            Some(hint) => told.hint(hint),
            None => told,
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::capture::{SourceOptions, SourceSpec};
    use crate::live::{Framing, Settings};
    use crate::models::spec::ModelSpec;
    use crate::testing::pipeline::{EngineFault, EngineScript, SourceScript, Step, caption_of};

    /// What was written to both streams, and the exit code.
    struct Seen {
        out: String,
        err: String,
        code: ExitCode,
    }

    fn watch(shape: Shape, frames: Option<u64>, source: &SourceScript, engine: &EngineScript) -> Seen {
        watch_all(shape, frames, &[source], engine)
    }

    fn watch_all(shape: Shape, frames: Option<u64>, sources: &[&SourceScript], engine: &EngineScript) -> Seen {
        let settings = Settings { gate: None, ..Settings::default() };
        let pipeline = Pipeline::start(vec![settings; sources.len()], Arc::new(|| {})).expect("threads start");
        pipeline.set_engine(ModelSpec::Demo, engine.open());
        for (number, source) in sources.iter().enumerate() {
            pipeline.view(number).set_source(source.open());
        }
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let mut watcher = Watcher::new(
            shape,
            &views(sources.len()),
            frames.and_then(NonZeroU64::new),
            &mut out,
            Notes::to(&mut err, false),
        );
        let code = watcher.watch(&pipeline, &Cancel::default()).expect("written");
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        Seen { out: text(out), err: text(err), code }
    }

    fn views(count: usize) -> Vec<ViewPlan> {
        let view = |number| ViewPlan {
            name: format!("source {number}"),
            source: SourceSpec::Demo,
            options: SourceOptions::default(),
            framing: Framing::default(),
            settings: Settings { instruction: "What?".to_owned(), ..Settings::default() },
            rules: Vec::new(),
        };
        (0..count).map(view).collect()
    }

    fn report(event: Event) -> Report {
        Report { view: Some(0), event }
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
        assert_eq!(lines[1]["source"], "source 0");
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
        let pipeline = Pipeline::start(vec![Settings::default()], Arc::new(|| {})).expect("threads start");
        let interrupted = Cancel::default();
        interrupted.cancel();
        let mut watcher = Watcher::new(Shape::Lines, &views(1), None, Vec::new(), Notes::to(Vec::new(), false));
        assert_eq!(watcher.watch(&pipeline, &interrupted).expect("written"), ExitCode::SUCCESS);
    }

    #[test]
    fn a_try_that_fails_like_the_last_one_is_not_told_again() {
        let mut watcher = Watcher::new(Shape::Lines, &views(1), None, Vec::new(), Notes::to(Vec::new(), false));
        assert!(watcher.tell(report(Event::SourceOpened { name: "It".to_owned() })).expect("written").is_continue());
        for message in ["It is busy.", "It is busy.", "It is gone."] {
            let event = Event::SourceLost { message: Message::new(message), retry_in: Duration::from_secs(1) };
            assert!(watcher.tell(report(event)).expect("written").is_continue());
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

    #[test]
    fn several_sources_are_told_apart_and_one_that_fails_disturbs_no_other() {
        let broken = SourceScript::live();
        broken.then(Step::Broken("That is no camera."));
        let watched = watch_all(Shape::Json, None, &[&pictures(3), &broken, &pictures(2)], &EngineScript::default());
        let count = |name: &str| {
            let lines = watched.out.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON"));
            lines.filter(|line| line["source"] == name).count()
        };
        assert_eq!((count("source 0"), count("source 1"), count("source 2")), (3, 0, 2), "{}", watched.err);
        assert!(watched.err.contains("source 1: That is no camera."), "{}", watched.err);
        assert_eq!(watched.code, ExitCode::FAILURE);
    }

    #[test]
    fn a_source_that_was_never_there_is_tried_again_beside_others() {
        let (there, away) = (SourceScript::live(), SourceScript::live());
        away.refuse.store(1, std::sync::atomic::Ordering::SeqCst);
        there.show(1);
        away.show(7);
        let watched = watch_all(Shape::Lines, Some(2), &[&there, &away], &EngineScript::default());
        assert!(watched.out.contains(&format!("source 0: {}", caption_of(1))), "{}", watched.out);
        assert!(watched.out.contains(&format!("source 1: {}", caption_of(7))), "{}", watched.out);
        assert!(watched.err.contains("source 1: The camera is busy."), "{}", watched.err);
    }
}

//! `sightline describe`: pictures and videos in, words out.
//!
//! One turn a picture, or one turn of them all with `--together`. A picture that can't be read
//! costs its own turn and the exit code; turns print whole or not at all, except that on a terminal
//! the words appear as they are decoded.

use std::io::{self, IsTerminal as _, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use image::RgbImage;
use vlm::{Cancel, Footage, Reply, Reuse, Stop, Tiling, video_turn};

use crate::base::message::Message;
use crate::base::text;
use crate::base::text::lines;
use crate::capture;
use crate::capture::{Frames, picture_named};
use crate::cli::args::{ModelArgs, SamplingArgs};
use crate::cli::json::Description;
use crate::cli::output::{Notes, Output};
use crate::cli::prefix::PrefixArgs;
use crate::cli::{download, interrupt};
use crate::engine;
use crate::engine::{Engine, EngineError, Limits, Shown, Task, Turn, ViewOptions};

/// The command's arguments.
#[derive(Args, Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub struct DescribeArgs {
    /// Picture files, or their addresses (http, https); videos, with a SmolVLM2 model
    #[arg(value_name = "IMAGE", required = true)]
    pub images: Vec<PathBuf>,

    /// One turn of all pictures
    #[arg(long)]
    pub together: bool,

    /// Cut pictures into tiles, for small print; slower
    #[arg(long)]
    pub split: bool,

    /// Print one JSON object a turn, each on a line of its own
    #[arg(long)]
    pub json: bool,

    /// Add the ids of the whole prompt to the JSON objects
    #[arg(long, requires = "json")]
    pub ids: bool,

    /// Go on to --max-tokens when the model comes to an end, for comparisons
    #[arg(long)]
    pub ignore_end: bool,

    #[command(flatten)]
    pub prefix: PrefixArgs,

    #[command(flatten)]
    pub sampling: SamplingArgs,

    #[command(flatten)]
    pub model: ModelArgs,
}

/// Describes the pictures.
///
/// # Errors
/// When a reference picture can't be read, the model can't be loaded or fails, or standard output
/// can't be written.
pub fn run(args: &DescribeArgs) -> anyhow::Result<ExitCode> {
    let interrupted = interrupt::flag()?;
    let out = Output::new();
    let stream = !args.json && out.is_terminal();
    let wanted = interrupted.clone();
    let prefix = args.prefix.read(&interrupted)?.turns();
    let mut describer = Describer { args, prefix, stream, interrupted, out, err: Notes::new(args.json) };
    describer.run(|| {
        download::fetch(&args.model.model, &wanted)?;
        Ok(engine::open(&args.model.model, &args.model.engine_options())?)
    })
}

/// What a turn is about.
enum Subject {
    Pictures(Vec<RgbImage>),
    Video(Footage, Frames),
}

struct Describer<'a, O, E> {
    args: &'a DescribeArgs,
    /// What stands before every turn.
    prefix: Vec<vlm::Turn>,
    /// Words as they come.
    stream: bool,
    interrupted: Cancel,
    out: O,
    err: Notes<E>,
}

impl<O: Write, E: Write> Describer<'_, O, E> {
    /// Describes every turn. The model is loaded once a picture was read.
    fn run(&mut self, open: impl Fn() -> anyhow::Result<Box<dyn Engine>>) -> anyhow::Result<ExitCode> {
        let mut code = ExitCode::SUCCESS;
        let mut engine = None;
        let length = if self.args.together { self.args.images.len() } else { 1 };
        for images in self.args.images.chunks(length) {
            if self.interrupted.is_cancelled() {
                return Ok(ExitCode::FAILURE);
            }
            let is_video = images.len() == 1 && capture::is_video(&images[0]);
            let pictures = if is_video { None } else { self.read(images) };
            if pictures.is_none() && !is_video {
                code = ExitCode::FAILURE;
                continue;
            }
            let engine = match &mut engine {
                Some(engine) => engine,
                none => {
                    let engine = none.insert(open()?);
                    if let Some(taken) =
                        engine.card().taken().filter(|_| engine.card().sent_to.is_some() || io::stderr().is_terminal())
                    {
                        self.err.note(&taken);
                    }
                    engine
                }
            };
            let subject = match pictures {
                Some(pictures) => Subject::Pictures(pictures),
                // Which frames are wanted is the model's to say.
                None => match self.watch(&**engine, &images[0]) {
                    Ok(subject) => subject,
                    Err(message) => {
                        self.err.error(&message);
                        code = ExitCode::FAILURE;
                        continue;
                    }
                },
            };
            match self.turn(&mut **engine, images, subject) {
                Ok(()) => {}
                Err(TurnError::Engine(error)) if error.only_this_request => {
                    self.err.error(&error.message);
                    code = ExitCode::FAILURE;
                }
                Err(TurnError::Engine(error)) => return Err(error.into()),
                Err(TurnError::Output(error)) => return Err(error.into()),
            }
        }
        if self.interrupted.is_cancelled() {
            code = ExitCode::FAILURE;
        }
        Ok(code)
    }

    /// The pictures of one turn, or nothing if one of them can't be read: a turn without it would
    /// be another question.
    fn read(&mut self, images: &[PathBuf]) -> Option<Vec<RgbImage>> {
        let mut pictures = Some(Vec::new());
        for path in images {
            match (picture_named(path, &self.interrupted), &mut pictures) {
                (Ok(picture), Some(pictures)) => pictures.push(picture),
                (Ok(_), None) => {}
                (Err(error), _) => {
                    self.err.error(&error);
                    pictures = None;
                }
            }
        }
        pictures
    }

    /// The frames of a video, for a model that knows what to do with them.
    fn watch(&self, engine: &dyn Engine, path: &Path) -> Result<Subject, Message> {
        let card = engine.card();
        let Some(sampling) = card.can.video else {
            let what = format!("{} is a video, and {} describes pictures only.", text::path(path), card.model);
            return Err(Message::new(what).hint("Use a SmolVLM2 model, such as --model smolvlm2-256m."));
        };
        let footage = capture::read_footage(path, sampling, &self.interrupted);
        let (footage, frames) = footage.map_err(|error| error.message)?;
        Ok(Subject::Video(footage, frames))
    }

    fn turn(&mut self, engine: &mut dyn Engine, images: &[PathBuf], subject: Subject) -> Result<(), TurnError> {
        let Self { args, prefix, stream, interrupted, out, .. } = self;
        // With several turns, each says what it is about.
        let label = (args.images.len() > images.len()).then(|| format!("{}: ", text::path(&images[0])));
        let label = label.unwrap_or_default();
        if *stream {
            write!(out, "{label}")?;
            out.flush()?;
        }
        let mut written = Ok(());
        let mut on_text = |piece: &str| {
            if *stream && written.is_ok() {
                written = out.write_all(lines(piece).as_bytes()).and_then(|()| out.flush());
            }
        };
        let told = reply(engine, args, prefix, subject, interrupted, &mut on_text);
        written?;
        if *stream {
            writeln!(out)?;
        }
        let reply = told?;
        if args.json {
            let card = engine.card();
            serde_json::to_writer(&mut *out, &Description::new(images, &args.model.prompt, &reply, &card, args.ids))
                .map_err(io::Error::from)?;
            writeln!(out)?;
        } else if !*stream && reply.stop != Stop::Cancelled {
            writeln!(out, "{label}{}", lines(&reply.text))?;
        }
        out.flush()?;
        Ok(())
    }
}

/// One turn in a view of its own: nothing of one turn is left for the next.
fn reply(
    engine: &mut dyn Engine,
    args: &DescribeArgs,
    prefix: &[vlm::Turn],
    subject: Subject,
    cancel: &Cancel,
    on_text: &mut dyn FnMut(&str),
) -> Result<Reply, EngineError> {
    let tiling = match subject {
        Subject::Video(..) => Tiling::Frame,
        Subject::Pictures(_) if args.split => Tiling::Split,
        Subject::Pictures(_) => Tiling::One,
    };
    let view = engine.open_view(ViewOptions { prefix, tiling })?;
    let question = args.model.prompt.as_str();
    let limits = Limits { sampling: args.sampling.sampling(), ..args.model.limits(args.ignore_end) };
    let told = match subject {
        Subject::Pictures(pictures) => {
            let pictures: Vec<_> = pictures.iter().collect();
            let shown = Shown { pictures: &pictures, scene: None, reuse: Reuse::IfIdentical };
            engine.reply(Turn { view, task: Task::Answer { shown, question }, limits }, cancel, on_text)
        }
        Subject::Video(footage, frames) => {
            let parts = video_turn(footage, frames, question);
            engine.reply(Turn { view, task: Task::Say { parts: &parts, remember: false }, limits }, cancel, on_text)
        }
    };
    engine.close_view(view);
    told
}

/// Why a turn failed.
enum TurnError {
    Engine(EngineError),
    Output(io::Error),
}

impl From<EngineError> for TurnError {
    fn from(error: EngineError) -> Self {
        Self::Engine(error)
    }
}

impl From<io::Error> for TurnError {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;
    use image::Rgb;
    use serde_json::Value;
    use vlm::{Draft, Timings};

    use super::*;
    use crate::base::message::Message;
    use crate::engine::{EngineCard, Forget, ViewId};

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        args: DescribeArgs,
    }

    /// Says how many pictures it saw, the red of the first, and whether the view is split into
    /// tiles.
    struct Fake {
        split: bool,
    }

    impl Engine for Fake {
        fn card(&self) -> EngineCard {
            EngineCard {
                model: "fake".to_owned(),
                device: "cpu".to_owned(),
                precision: "f32".to_owned(),
                ..EngineCard::default()
            }
        }

        fn open_view(&mut self, options: ViewOptions<'_>) -> Result<ViewId, EngineError> {
            self.split = options.tiling == Tiling::Split;
            Ok(ViewId(7))
        }

        fn close_view(&mut self, view: ViewId) {
            assert_eq!(view, ViewId(7));
        }

        fn forget(&mut self, _: ViewId, _: Forget) {}

        fn reply(
            &mut self,
            turn: Turn<'_>,
            cancel: &Cancel,
            on_text: &mut dyn FnMut(&str),
        ) -> Result<Reply, EngineError> {
            let Task::Answer { shown: Shown { pictures, .. }, .. } = turn.task else { panic!("no model of videos") };
            let red = pictures[0].get_pixel(0, 0).0[0];
            if red == 13 {
                return Err(EngineError::request(Message::new("It is unlucky.")));
            }
            let text = format!("{} of {red}, {}, {}", pictures.len(), self.split, turn.limits.ignore_end);
            on_text(&text);
            let stop = if cancel.is_cancelled() { Stop::Cancelled } else { Stop::End };
            let (draft, timings) = (Draft::default(), Timings::default());
            let reply = Reply { text, stop, draft, timings, ..Reply::cancelled() };
            Ok(Reply { token_ids: vec![1], prompt_ids: vec![7, 8], ..reply })
        }
    }

    fn picture(folder: &Path, red: u8) -> String {
        let path = folder.join(format!("{red}.png"));
        RgbImage::from_pixel(2, 2, Rgb([red, 0, 0])).save(&path).expect("saved");
        path.to_str().expect("UTF-8").to_owned()
    }

    /// Runs the command, and gives standard output, standard error and the exit code.
    fn describe(words: &[&str], stream: bool) -> (String, String, ExitCode) {
        let line = Line::try_parse_from(["describe"].iter().chain(words)).expect("arguments");
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let interrupted = Cancel::default();
        let mut describer = Describer {
            args: &line.args,
            prefix: Vec::new(),
            stream,
            interrupted,
            out: &mut out,
            err: Notes::to(&mut err, line.args.json),
        };
        let code = describer.run(|| Ok(Box::new(Fake { split: false }))).expect("described");
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        (text(out), text(err), code)
    }

    #[test]
    fn each_picture_is_a_turn_and_together_they_are_one() {
        let folder = tempfile::tempdir().expect("a folder");
        let (a, b) = (picture(folder.path(), 1), picture(folder.path(), 2));
        for stream in [false, true] {
            let (out, err, code) = describe(&[&a, &b], stream);
            assert_eq!(out, format!("{a}: 1 of 1, false, false\n{b}: 1 of 2, false, false\n"));
            assert_eq!((err.as_str(), code), ("", ExitCode::SUCCESS));
            let (out, ..) = describe(&[&a, &b, "--together", "--split"], stream);
            assert_eq!(out, "2 of 1, true, false\n");
        }
    }

    #[test]
    fn json_is_an_object_a_turn_and_ids_come_when_asked_for() {
        let folder = tempfile::tempdir().expect("a folder");
        let a = picture(folder.path(), 1);
        let (out, ..) = describe(&[&a, "--json", "--ids", "--prompt", "Why?", "--ignore-end"], false);
        let value: Value = serde_json::from_str(&out).expect("JSON");
        assert_eq!(value["images"], serde_json::json!([a]));
        assert_eq!((&value["prompt"], &value["text"]), (&"Why?".into(), &"1 of 1, false, true".into()));
        assert_eq!(value["prompt_ids"], serde_json::json!([7, 8]));
        assert!(Line::try_parse_from(["describe", &a, "--ids"]).is_err(), "ids are part of the JSON");
    }

    #[test]
    fn a_picture_that_cannot_be_read_is_named_and_the_others_go_on() {
        let folder = tempfile::tempdir().expect("a folder");
        let (good, refused) = (picture(folder.path(), 1), picture(folder.path(), 13));
        let missing = folder.path().join("missing.png").to_str().expect("UTF-8").to_owned();
        let (out, err, code) = describe(&[&missing, &refused, &good], false);
        assert_eq!(out, format!("{good}: 1 of 1, false, false\n"));
        assert!(err.contains(&missing) && err.contains("It is unlucky."), "{err}");
        assert_eq!(code, ExitCode::FAILURE);
        let (out, _, code) = describe(&[&good, &missing, "--together"], false);
        assert_eq!((out.as_str(), code), ("", ExitCode::FAILURE));
    }

    #[test]
    fn a_video_needs_a_model_of_videos() {
        let folder = tempfile::tempdir().expect("a folder");
        let (a, video) = (picture(folder.path(), 1), folder.path().join("clip.mp4"));
        std::fs::write(&video, b"\0\0\0\x20ftypisom").expect("written");
        let (out, err, code) = describe(&[video.to_str().expect("UTF-8"), &a], false);
        assert_eq!(out, format!("{a}: 1 of 1, false, false\n"));
        assert!(err.contains("fake describes pictures only") && err.contains("smolvlm2-256m"), "{err}");
        assert_eq!(code, ExitCode::FAILURE);
    }

    #[test]
    fn without_a_picture_no_model_is_loaded() {
        let line = Line::try_parse_from(["describe", "/no/such/picture.png"]).expect("arguments");
        let (out, err) = (Vec::new(), Notes::to(Vec::new(), false));
        let interrupted = Cancel::default();
        let mut describer = Describer { args: &line.args, prefix: Vec::new(), stream: false, interrupted, out, err };
        let code = describer.run(|| panic!("loaded")).expect("described");
        assert_eq!(code, ExitCode::FAILURE);
    }
}

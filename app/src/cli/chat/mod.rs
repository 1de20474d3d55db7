//! `sightline chat`: pictures and questions in turn, with follow-ups.
//!
//! `img>` takes pictures, `txt>` a question, and an empty line goes from one to the other; whatever
//! is sent is answered at once and remembered. What can't be done costs a sentence, never the
//! conversation. In a pipe, lines mean the same.

mod entry;
mod lines;
#[cfg(test)]
mod tests;
mod transcript;

use std::io::{self, IsTerminal as _, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use vlm::{Part, Reply, Stop, Tiling};

use crate::base::text::{lines as plain_lines, one_line};
use crate::capture::{picture_named, web};
use crate::cli::args::{ModelArgs, SamplingArgs};
use crate::cli::chat::entry::{COMMANDS, Command, Piece};
use crate::cli::chat::lines::{Line, Lines, Plain, Terminal};
use crate::cli::chat::transcript::{Exchange, Said, Transcript};
use crate::cli::download;
use crate::cli::interrupt::{KILLED, Tasks};
use crate::cli::output::{Notes, Output};
use crate::cli::prefix::PrefixArgs;
use crate::engine;
use crate::engine::{Engine, EngineCard, Forget, Limits, Task, Turn, ViewId, ViewOptions};

/// The command's arguments. An answer may be longer than a caption, and what is asked is typed.
#[derive(Args, Clone, Debug)]
#[command(
    mut_arg("max_tokens", |arg| arg.default_value("256")),
    mut_arg("prompt", |arg| arg.default_value("").hide_default_value(true).help("What to ask before anything is typed")),
)]
pub struct ChatArgs {
    /// Picture files for the first question, or their addresses (http, https)
    #[arg(value_name = "IMAGE")]
    pub images: Vec<PathBuf>,

    /// Cut pictures into tiles, for small print; slower
    #[arg(long)]
    pub split: bool,

    #[command(flatten)]
    pub prefix: PrefixArgs,

    #[command(flatten)]
    pub sampling: SamplingArgs,

    #[command(flatten)]
    pub model: ModelArgs,
}

/// Talks until there is nothing more to read.
///
/// # Errors
/// When a reference picture can't be read, the model can't be loaded or fails, or standard output
/// can't be written.
pub fn run(args: &ChatArgs) -> anyhow::Result<ExitCode> {
    let (stdin, out) = (io::stdin(), Output::new());
    let at_terminal = stdin.is_terminal() && out.is_terminal();
    let mut lines: Box<dyn Lines> = if at_terminal {
        Box::new(Terminal::new()?)
    } else {
        Box::new(Plain { prompts: stdin.is_terminal(), input: stdin.lock() })
    };
    let tasks = Tasks::new(if at_terminal { lines::restorer() } else { Box::new(|| {}) })?;
    let prefix = tasks.run(|cancel| args.prefix.read(cancel))?.turns();
    tasks.run(|cancel| download::fetch(&args.model.model, cancel))?;
    let mut engine = engine::open(&args.model.model, &args.model.engine_options())?;
    let tiling = if args.split { Tiling::Split } else { Tiling::One };
    let mut chat = Chat {
        card: engine.card(),
        view: engine.open_view(ViewOptions { prefix: &prefix, tiling })?,
        engine,
        tasks,
        max_tokens: args.model.max_tokens.get(),
        sampling: args.sampling,
        watched: stdin.is_terminal(),
        transcript: Transcript::default(),
        said: Vec::new(),
        parts: Vec::new(),
        failed: false,
        out,
        err: Notes::new(false),
    };
    chat.begin(&args.images, &args.model.prompt)?;
    chat.talk(lines.as_mut())?;
    if chat.tasks.is_ending() {
        return Ok(ExitCode::from(KILLED as u8));
    }
    Ok(if chat.failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// What is asked for next.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Prompt {
    Picture,
    Question,
}

impl Prompt {
    fn text(self) -> &'static str {
        match self {
            Self::Picture => "img> ",
            Self::Question => "txt> ",
        }
    }
}

/// What a line led to.
enum Next {
    Ask(Prompt),
    Quit,
}

struct Chat<O, E> {
    /// Who answers ...
    engine: Box<dyn Engine>,
    card: EngineCard,
    /// ... and where it remembers.
    view: ViewId,
    tasks: Tasks,
    max_tokens: usize,
    sampling: SamplingArgs,
    /// A person sees what goes wrong; otherwise the exit code has to tell.
    watched: bool,
    transcript: Transcript,
    /// The pictures that wait for a question, for people ...
    said: Vec<Said>,
    /// ... and for the model.
    parts: Vec<Part>,
    failed: bool,
    out: O,
    err: E,
}

impl<O: Write, E: Write> Chat<O, E> {
    /// Takes the pictures and the question of the command line.
    fn begin(&mut self, images: &[PathBuf], question: &str) -> anyhow::Result<()> {
        if let Some(taken) = self.card.taken() {
            writeln!(self.err, "{}", one_line(&taken))?;
        }
        if self.watched {
            let model = one_line(&self.card.model);
            writeln!(self.err, "Talking with {model}. Name pictures at img>, ask at txt>. /help shows more.")?;
        }
        for image in images {
            self.add(image)?;
        }
        if !question.trim().is_empty() {
            self.ask(question, true)?;
        }
        Ok(())
    }

    /// Follows line after line.
    fn talk(&mut self, lines: &mut dyn Lines) -> anyhow::Result<()> {
        let mut prompt = Prompt::Picture;
        let mut interrupted = false;
        loop {
            if self.tasks.is_ending() {
                return Ok(());
            }
            match lines.next(prompt.text())? {
                Line::End => return Ok(()),
                Line::Interrupted if interrupted => return Ok(()),
                Line::Interrupted => {
                    interrupted = true;
                    writeln!(self.err, "Press Ctrl-C again to quit.")?;
                }
                Line::Text(line) => {
                    interrupted = false;
                    match self.follow(&line, prompt)? {
                        Next::Ask(next) => prompt = next,
                        Next::Quit => return Ok(()),
                    }
                }
            }
        }
    }

    fn follow(&mut self, line: &str, prompt: Prompt) -> anyhow::Result<Next> {
        if line.trim().is_empty() {
            return Ok(Next::Ask(match prompt {
                Prompt::Picture => Prompt::Question,
                Prompt::Question => Prompt::Picture,
            }));
        }
        match entry::command(line) {
            Some(Ok(Command::Quit)) => return Ok(Next::Quit),
            Some(Ok(command)) => return self.obey(command, prompt).map(Next::Ask),
            Some(Err(sentence)) => self.complain(&sentence)?,
            None if prompt == Prompt::Picture && web::is_address(line.trim()) => self.add(Path::new(line.trim()))?,
            None if prompt == Prompt::Question || entry::is_question(line) => {
                return Ok(Next::Ask(if self.ask(line, true)? { Prompt::Picture } else { prompt }));
            }
            None => {
                for path in entry::pictures(line) {
                    self.add(&path)?;
                }
            }
        }
        Ok(Next::Ask(prompt))
    }

    /// Follows a command. Says what is asked for next.
    fn obey(&mut self, command: Command, prompt: Prompt) -> anyhow::Result<Prompt> {
        match command {
            Command::Images => write!(self.out, "{}", plain_lines(&self.transcript.images(&self.said)))?,
            Command::Once(question) => return Ok(if self.ask(&question, false)? { Prompt::Picture } else { prompt }),
            Command::Undo => self.undo()?,
            Command::Reset => {
                self.engine.forget(self.view, Forget::All);
                self.transcript.exchanges.clear();
                self.said.clear();
                self.parts.clear();
                writeln!(self.err, "Forgot everything.")?;
                return Ok(Prompt::Picture);
            }
            Command::Save(path) => match self.transcript.save(&path, &self.card) {
                Ok(()) => writeln!(self.err, "Saved as {}.", one_line(&path.display().to_string()))?,
                Err(sentence) => self.complain(&sentence)?,
            },
            Command::Help => {
                for (name, what) in COMMANDS {
                    writeln!(self.err, "{name:<15} {what}")?;
                }
                writeln!(self.err, "An empty line goes from img> to txt> and back.")?;
                writeln!(self.err, "A picture amid a question: What is in @cat.png, and what in @\"my dog.png\"?")?;
                writeln!(self.err, "Ctrl-C stops an answer, or clears the line.")?;
            }
            Command::Quit => {}
        }
        self.out.flush()?;
        Ok(prompt)
    }

    /// Takes back what was done last: the last picture that waits, or else the last question.
    fn undo(&mut self) -> io::Result<()> {
        let forgotten = if let Some(Said::Image { image, .. }) = self.said.pop() {
            self.parts.pop();
            image
        } else if let Some(exchange) = self.transcript.exchanges.pop() {
            self.engine.forget(self.view, Forget::Last);
            exchange.question()
        } else {
            return self.complain("There is nothing to undo.");
        };
        writeln!(self.err, "Forgot: {}", one_line(&forgotten))
    }

    /// Reads a picture, to go before the next question.
    fn add(&mut self, path: &Path) -> io::Result<()> {
        match self.read(path) {
            Ok((said, part)) => {
                if self.watched
                    && let Said::Image { width, height, .. } = said
                {
                    writeln!(self.err, "     {width} x {height} pixels")?;
                }
                self.said.push(said);
                self.parts.push(part);
                Ok(())
            }
            Err(sentence) => self.complain(&sentence),
        }
    }

    /// Reads a picture, for people and for the model.
    fn read(&self, name: &Path) -> Result<(Said, Part), String> {
        let picture = self.tasks.run(|cancel| picture_named(name, cancel)).map_err(|error| error.to_string())?;
        let (width, height) = picture.dimensions();
        Ok((Said::Image { image: name.display().to_string(), width, height }, Part::Picture(picture)))
    }

    /// Sends a question, with the pictures that wait, and writes the answer. Says whether there was
    /// one; if not, the pictures go on waiting.
    fn ask(&mut self, question: &str, remember: bool) -> anyhow::Result<bool> {
        let waiting = self.said.len();
        let complete = self.take_in(question)?;
        let told = if complete { self.answer(remember)? } else { None };
        if let Some(reply) = told.as_ref().filter(|_| remember) {
            let said = std::mem::take(&mut self.said);
            self.transcript.exchanges.push(Exchange { said, answer: reply.text.clone(), stop: reply.stop });
            self.parts.clear();
        } else {
            self.said.truncate(waiting);
            self.parts.truncate(waiting);
        }
        Ok(told.is_some())
    }

    /// Puts a question behind the pictures that wait. Says whether all of it is there.
    fn take_in(&mut self, question: &str) -> io::Result<bool> {
        let pieces = entry::pieces(question);
        if !pieces.iter().any(|piece| matches!(piece, Piece::Words(_))) {
            self.complain("There is no question. Write what you want to know of the picture, too.")?;
            return Ok(false);
        }
        for piece in pieces {
            let (said, part) = match piece {
                Piece::Words(text) => (Said::Text { text: text.clone() }, Part::Text(text)),
                Piece::Picture(path) => match self.read(&path) {
                    Ok(shown) => shown,
                    Err(sentence) => {
                        self.complain(&sentence)?;
                        return Ok(false);
                    }
                },
            };
            self.said.push(said);
            self.parts.push(part);
        }
        Ok(true)
    }

    /// Has the model answer what was put together, and writes the answer as it comes.
    fn answer(&mut self, remember: bool) -> anyhow::Result<Option<Reply>> {
        let Self { engine, view, tasks, parts, out, max_tokens, sampling, .. } = self;
        let limits = Limits { sampling: sampling.sampling(), ..Limits::tokens(*max_tokens) };
        let turn = Turn { view: *view, task: Task::Say { parts, remember }, limits };
        let mut written = Ok(());
        let told = tasks.run(|cancel| {
            engine.reply(turn, cancel, &mut |piece| {
                if written.is_ok() {
                    written = out.write_all(plain_lines(piece).as_bytes()).and_then(|()| out.flush());
                }
                if written.is_err() {
                    cancel.cancel();
                }
            })
        });
        written?;
        match told {
            Ok(reply) if !was_sent(&reply) => {
                // A terminal has shown the Ctrl-C where the answer would begin.
                let line = if self.watched { "\n" } else { "" };
                writeln!(self.err, "{line}(Stopped before the answer began; nothing was sent.)")?;
                Ok(None)
            }
            Ok(reply) => {
                writeln!(self.out)?;
                self.out.flush()?;
                self.explain(&reply)?;
                if self.watched {
                    writeln!(self.err)?;
                }
                Ok(Some(reply))
            }
            Err(error) if error.only_this_request => {
                let room = if self.transcript.exchanges.is_empty() { "" } else { " /undo or /reset makes room." };
                self.complain(&format!("{error}{room}"))?;
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Says why an answer is over, unless it came to its end.
    fn explain(&mut self, reply: &Reply) -> io::Result<()> {
        match reply.stop {
            Stop::End if reply.text.is_empty() => writeln!(self.err, "(The model has no answer.)"),
            Stop::End => Ok(()),
            Stop::Cancelled => writeln!(self.err, "(Stopped.)"),
            Stop::Length => writeln!(self.err, "(Cut at {} tokens; see --max-tokens.)", reply.tokens()),
            Stop::Repetition => writeln!(self.err, "(Stopped, for it went round in circles.)"),
        }
    }

    /// Says what can't be done.
    fn complain(&mut self, sentence: &str) -> io::Result<()> {
        self.failed |= !self.watched;
        writeln!(self.err, "{}", one_line(sentence))
    }
}

/// Whether anything of a turn is remembered: one that was stopped before its first word is not.
fn was_sent(reply: &Reply) -> bool {
    reply.stop != Stop::Cancelled || !reply.token_ids.is_empty() || !reply.text.is_empty()
}

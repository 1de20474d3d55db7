//! The chat with a model that only says what it was told.

use std::collections::VecDeque;
use std::fs;

use image::{Rgb, RgbImage};
use vlm::{Cancel, Draft, Timings};

use crate::base::message::Message;
use crate::cli::chat::*;
use crate::engine::EngineError;

/// Answers with the turns it remembers and the present one, pictures as their red.
#[derive(Default)]
struct Echo {
    turns: Vec<String>,
}

impl Engine for Echo {
    fn card(&self) -> EngineCard {
        EngineCard::default()
    }

    fn open_view(&mut self, _: ViewOptions<'_>) -> Result<ViewId, EngineError> {
        Ok(ViewId(0))
    }

    fn close_view(&mut self, _: ViewId) {}

    fn reply(&mut self, turn: Turn<'_>, cancel: &Cancel, on_text: &mut dyn FnMut(&str)) -> Result<Reply, EngineError> {
        let Task::Say { parts, remember } = turn.task else { panic!("a chat only says") };
        let show = |part: &Part| match part {
            Part::Text(words) => words.clone(),
            Part::Picture(picture) => format!("<{}>", picture.get_pixel(0, 0).0[0]),
        };
        let said: String = parts.iter().map(show).collect();
        match said.as_str() {
            "stop" => return Ok(Reply::cancelled()),
            "long" => return Err(EngineError::request(Message::new("Too long."))),
            "break" => return Err(EngineError::lasting(Message::new("Broken."))),
            _ => {}
        }
        let text = self.turns.iter().chain([&said]).cloned().collect::<Vec<_>>().join(" | ");
        on_text(&text);
        if remember {
            self.turns.push(said);
        }
        let stop = if cancel.is_cancelled() { Stop::Cancelled } else { Stop::End };
        let (draft, timings) = (Draft::default(), Timings::default());
        let reply = Reply { text, stop, draft, timings, ..Reply::cancelled() };
        Ok(Reply { token_ids: vec![1], prompt_ids: vec![7], ..reply })
    }

    fn forget(&mut self, _: ViewId, what: Forget) {
        match what {
            Forget::Last => drop(self.turns.pop()),
            Forget::All => self.turns.clear(),
        }
    }
}

/// Gives lines that were written beforehand, and keeps the prompts.
struct Script {
    lines: VecDeque<Line>,
    prompts: Vec<&'static str>,
}

impl Lines for Script {
    fn next(&mut self, prompt: &str) -> io::Result<Line> {
        self.prompts.push(if prompt == Prompt::Picture.text() { "img" } else { "txt" });
        Ok(self.lines.pop_front().unwrap_or(Line::End))
    }
}

/// What came of a chat.
struct Talked {
    out: String,
    err: String,
    prompts: Vec<&'static str>,
    left: usize,
    failed: bool,
    done: anyhow::Result<()>,
}

fn talk_of(lines: impl IntoIterator<Item = Line>) -> Talked {
    let mut script = Script { lines: lines.into_iter().collect(), prompts: Vec::new() };
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let mut chat = Chat {
        engine: Box::new(Echo::default()),
        card: EngineCard::default(),
        view: ViewId(0),
        tasks: Tasks::uninterrupted(),
        max_tokens: 9,
        sampling: SamplingArgs::default(),
        watched: false,
        transcript: Transcript::default(),
        said: Vec::new(),
        parts: Vec::new(),
        failed: false,
        out: &mut out,
        err: &mut err,
    };
    let done = chat.talk(&mut script);
    let failed = chat.failed;
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    Talked { out: text(out), err: text(err), prompts: script.prompts, left: script.lines.len(), failed, done }
}

fn talk(lines: &[&str]) -> Talked {
    talk_of(lines.iter().map(|line| Line::Text((*line).to_owned())))
}

fn picture(folder: &Path, red: u8) -> String {
    let path = folder.join(format!("{red}.png"));
    RgbImage::from_pixel(2, 2, Rgb([red, 0, 0])).save(&path).expect("saved");
    path.to_str().expect("UTF-8").to_owned()
}

#[test]
fn pictures_come_before_the_question_and_follow_ups_remember() {
    let folder = tempfile::tempdir().expect("a folder");
    let (a, b, c) = (picture(folder.path(), 1), picture(folder.path(), 2), picture(folder.path(), 3));
    let said = talk(&[&a, &b, "", "What?", "", "Why?", &format!("And in @{c} there?")]);
    assert_eq!(said.out, "<1><2>What?\n<1><2>What? | Why?\n<1><2>What? | Why? | And in<3> there?\n");
    assert_eq!(said.prompts, ["img", "img", "img", "txt", "img", "txt", "img", "img"]);
    assert_eq!((said.err.as_str(), said.failed), ("", false));
}

#[test]
fn empty_questions_are_not_sent() {
    let folder = tempfile::tempdir().expect("a folder");
    let said = talk(&["", " ", "", "\t", &picture(folder.path(), 1), "", &format!("@{}", picture(folder.path(), 2))]);
    assert_eq!(said.out, "");
    assert_eq!(said.prompts, ["img", "txt", "img", "txt", "img", "img", "txt", "txt"]);
    assert!(said.err.contains("no question"), "{}", said.err);
}

#[test]
fn what_is_undone_reset_or_asked_once_is_forgotten() {
    let folder = tempfile::tempdir().expect("a folder");
    let a = picture(folder.path(), 1);
    let said =
        talk(&["One?", "Two?", "/undo", "Three?", "/once Four?", "Five?", "/reset", &a, "/reset", "Six?", "/undo"]);
    let answers: Vec<_> = said.out.lines().collect();
    let want = ["One?", "One? | Two?", "One? | Three?", "One? | Three? | Four?", "One? | Three? | Five?", "Six?"];
    assert_eq!(answers, want);
    assert_eq!(said.err, "Forgot: Two?\nForgot everything.\nForgot everything.\nForgot: Six?\n");
    let picture = talk(&["One?", &a, "/undo", "Two?", "/images"]);
    assert_eq!(picture.out, "One?\nOne? | Two?\nThere are no pictures yet.\n");
    let nothing = talk(&["/undo"]);
    assert!(nothing.err.contains("nothing to undo") && nothing.failed, "{}", nothing.err);
}

#[test]
fn pictures_wait_for_a_question_that_is_answered() {
    let folder = tempfile::tempdir().expect("a folder");
    let (a, b) = (picture(folder.path(), 1), picture(folder.path(), 2));
    let missing = folder.path().join("missing.png");
    let broken = format!("What is @{}?", missing.display());
    let said = talk(&[&a, "", &broken, &format!("/once Once @{b}?"), "/images", "What?", "/images"]);
    let images = |place: &str| format!("1. {a} (2 x 2), {place}\n");
    assert_eq!(
        said.out,
        format!("<1>Once<2>?\n{}<1>What?\n{}", images("waiting for a question"), images("turn 1")),
        "{}",
        said.err
    );
    assert!(said.err.contains("There is no file") && said.failed, "{}", said.err);
}

#[test]
fn what_fails_costs_a_sentence_and_the_conversation_goes_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let no_picture = folder.path().join("notes.png");
    fs::write(&no_picture, "words").expect("written");
    let no_picture = no_picture.to_str().expect("UTF-8");
    let lines = ["/no/such.png", no_picture, "http://127.0.0.1/a.png", "/jump", "", "long", "stop", "Still there?"];
    let said = talk(&lines);
    assert_eq!(said.out, "Still there?\n");
    for sentence in
        ["no file /no/such.png", "not a picture", "public addresses", "no command /jump", "Too long.", "Stopped"]
    {
        assert!(said.err.contains(sentence), "no {sentence:?} in {}", said.err);
    }
    assert!(said.failed && said.done.is_ok());
    let broken = talk(&["", "break", "Still there?"]);
    assert_eq!((broken.done.expect_err("broken").to_string().as_str(), broken.left), ("Broken.", 1));
}

#[test]
fn a_conversation_can_be_saved_and_quit() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("talk.txt");
    let said = talk(&["One?", &format!("/save {}", path.display()), "/help", "/quit", "Two?"]);
    assert_eq!((said.out.as_str(), said.left, said.failed), ("One?\n", 1, false));
    assert_eq!(fs::read_to_string(path).expect("saved"), "txt> One?\nOne?\n\n");
    for (name, _) in COMMANDS {
        assert!(said.err.contains(name), "no {name} in {}", said.err);
    }
}

#[test]
fn ctrl_c_clears_the_line_and_twice_it_quits() {
    let text = |line: &str| Line::Text(line.to_owned());
    let said = talk_of([Line::Interrupted, text("One?"), Line::Interrupted, Line::Interrupted, text("Two?")]);
    assert_eq!((said.out.as_str(), said.left), ("One?\n", 1));
    assert!(said.err.contains("again to quit"), "{}", said.err);
}

//! What a server is worth as an engine: two demo scenes are sent, and the answers are held against
//! what is true. It finds servers that see nothing, that cut a picture into many tiles, that answer
//! every picture alike, and that cut their replies. Prints nothing.

use std::time::{Duration, Instant};

use serde::Serialize;
use vlm::{Cancel, Scored, Stop};

use crate::demo::{Object, World, paint};
use crate::engine::remote::RemoteEngine;
use crate::engine::{Engine as _, EngineError, Limits, Shown, Task, Turn, ViewOptions};

/// Scenes that are sent: settled ones with several objects.
const SCENES: [u64; 2] = [11, 23];
/// What is asked of each.
const QUESTION: &str = "Describe this image in one sentence.";
/// What is asked of the second scene again, for which nothing of the picture need be evaluated.
const AGAIN: &str = "What colour is the largest shape?";
/// Room for an answer.
const TOKENS: usize = 48;
/// More tokens than this for a picture means that it is cut into several tiles: one tile costs 64
/// to 81 tokens with SmolVLM, and its frame some more.
const ONE_TILE: usize = 128;

/// What was found out.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The models that the server lists.
    pub models: Vec<String>,
    /// What each scene was taken for.
    pub scenes: Vec<Seen>,
    /// Tokens that a picture adds to a prompt, as the server counts; nothing where it does not
    /// count.
    pub picture_tokens: Option<usize>,
    /// Milliseconds to the first word: of the first picture, and of a second question on the last.
    pub first_word_ms: (f64, f64),
    /// Whether words came before the reply was over.
    pub streams: bool,
    /// Whether it tells how likely its words are, and how likely others were.
    pub log_probs: (bool, bool),
}

/// What a scene was taken for.
#[derive(Clone, Debug, Serialize)]
pub struct Seen {
    /// The answer.
    pub text: String,
    /// Colours and shapes that are there, and how many of them the answer names.
    pub named: (usize, usize),
    /// Whether the reply was cut before the model ended it.
    pub cut: bool,
    /// Milliseconds in all.
    pub ms: f64,
}

/// What the report means, a sentence each; the worst first.
#[must_use]
pub fn verdict(report: &Report) -> Vec<String> {
    let mut said = Vec::new();
    let alike = report.scenes.windows(2).all(|pair| pair[0].text == pair[1].text);
    let (named, there) = report.scenes.iter().fold((0, 0), |(a, b), seen| (a + seen.named.0, b + seen.named.1));
    if alike {
        said.push("It says the same of different pictures: it ignores them.".to_owned());
    } else if named * 4 < there {
        said.push(format!("It names {named} of {there} colours and shapes: it hardly sees, or knows other words."));
    } else {
        said.push(format!("It sees: it names {named} of {there} colours and shapes."));
    }
    match report.picture_tokens {
        None => said.push("It does not count tokens, so what a picture costs is not known.".to_owned()),
        Some(tokens) if tokens > ONE_TILE => said.push(format!(
            "It cuts a picture into tiles ({tokens} tokens): captions cost several times what one tile costs."
        )),
        Some(tokens) => said.push(format!("A picture costs {tokens} tokens: one tile.")),
    }
    if report.scenes.iter().any(|seen| seen.cut) {
        said.push(format!("It cuts replies, though {TOKENS} tokens were allowed."));
    }
    if !report.streams {
        said.push("It does not stream: words come all at once.".to_owned());
    }
    let (first, again) = report.first_word_ms;
    said.push(if again * 2.0 < first {
        "A second question on a picture is quick: prompts are cached.".to_owned()
    } else {
        "A second question on a picture takes as long as the first: prompts are not cached.".to_owned()
    });
    said.push(match report.log_probs {
        (true, true) => "It tells how likely words are, so rules can use it.".to_owned(),
        (true, false) => {
            "It tells how likely its own words are, and not those of others: rules can't use it.".to_owned()
        }
        (false, _) => "It does not tell how likely words are: rules can't use it.".to_owned(),
    });
    said
}

/// Asks the server. Takes as long as four replies.
///
/// # Errors
/// What stands in the way of a reply.
pub(crate) fn run(engine: &mut RemoteEngine, cancel: &Cancel) -> Result<Report, EngineError> {
    let models = engine.models(cancel).unwrap_or_default();
    let view = engine.open_view(ViewOptions::default())?;
    let worlds = SCENES.map(|seed| {
        let mut world = World::new(seed);
        world.settle();
        world
    });
    let mut report = Report {
        models,
        scenes: Vec::new(),
        picture_tokens: None,
        first_word_ms: (0.0, 0.0),
        streams: false,
        log_probs: (false, false),
    };
    let limits = Limits::tokens(TOKENS);
    for (number, world) in worlds.iter().enumerate() {
        let picture = paint(world);
        let shown = Shown { pictures: &[&picture], scene: Some(number as u64), reuse: vlm::Reuse::IfIdentical };
        let start = Instant::now();
        let mut pieces = 0_usize;
        let task = Task::Answer { shown, question: QUESTION };
        let reply = engine.reply(Turn { view, task, limits }, cancel, &mut |_| pieces += 1)?;
        report.streams |= pieces > 1;
        report.log_probs.0 |= reply.mean_log_prob.is_some();
        let is_cut = reply.stop == Stop::Length && reply.counted.is_some_and(|(_, reply)| (1..TOKENS).contains(&reply));
        let with = reply.prompt_tokens();
        let named = named(&reply.text, &world.truth());
        report.scenes.push(Seen { text: reply.text, named, cut: is_cut, ms: ms(start.elapsed()) });
        if number == 0 {
            report.first_word_ms.0 = ms(reply.timings.prefill);
            let nothing = Shown { pictures: &[], ..shown };
            let task = Task::Answer { shown: Shown { scene: None, ..nothing }, question: QUESTION };
            // Some servers refuse a turn without a picture: then the cost is not known.
            if let Ok(without) = engine.reply(Turn { view, task, limits }, cancel, &mut |_| {}) {
                let without = without.prompt_tokens();
                report.picture_tokens = with.checked_sub(without).filter(|tokens| without > 0 && *tokens > 0);
            }
        } else {
            let task = Task::Answer { shown, question: AGAIN };
            let again = engine.reply(Turn { view, task, limits }, cancel, &mut |_| {})?;
            report.first_word_ms.1 = ms(again.timings.prefill);
            let yes = [Scored { question: "Is there a circle?", choices: &["yes", "no"] }];
            report.log_probs.1 = engine.score(view, shown, &yes, cancel).is_ok();
        }
    }
    engine.close_view(view);
    Ok(report)
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// How many of the scene's colours and shapes an answer names, of how many.
fn named(text: &str, objects: &[Object]) -> (usize, usize) {
    let text = text.to_lowercase();
    let mut words: Vec<&str> = objects.iter().flat_map(|object| [object.color.word(), object.shape.word()]).collect();
    words.sort_unstable();
    words.dedup();
    (words.iter().filter(|word| text.contains(*word)).count(), words.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let seen = |text: &str, named| Seen { text: text.to_owned(), named, cut: false, ms: 300.0 };
        Report {
            models: Vec::new(),
            scenes: vec![seen("A red circle.", (2, 2)), seen("A blue star.", (2, 2))],
            picture_tokens: Some(66),
            first_word_ms: (200.0, 30.0),
            streams: true,
            log_probs: (true, true),
        }
    }

    #[test]
    fn a_good_server_is_told_from_those_that_are_not() {
        let good = verdict(&report()).join(" ");
        assert!(good.contains("It sees") && good.contains("one tile") && good.contains("cached"), "{good}");
        let mut blind = report();
        blind.scenes[1].text = blind.scenes[0].text.clone();
        assert!(verdict(&blind)[0].contains("ignores them"));
        let mut dim = report();
        dim.scenes[0].named = (0, 4);
        dim.scenes[1].named = (1, 4);
        assert!(verdict(&dim)[0].contains("hardly sees"));
        let tiled = Report { picture_tokens: Some(832), ..report() };
        assert!(verdict(&tiled)[1].contains("cuts a picture into tiles (832 tokens)"));
        let mut cutting = report();
        cutting.scenes[0].cut = true;
        assert!(verdict(&cutting).iter().any(|said| said.contains("cuts replies")));
        let plain = Report { streams: false, log_probs: (false, false), first_word_ms: (200.0, 190.0), ..report() };
        let plain = verdict(&plain).join(" ");
        assert!(plain.contains("does not stream") && plain.contains("not cached") && plain.contains("can't use it"));
    }
}

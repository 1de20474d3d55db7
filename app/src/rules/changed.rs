//! What changed between two views. Captions say what may have changed, scores what has: a thing is
//! told to have appeared only where the model holds that it is there after and was not before, and
//! the other way round. Nothing else is told, however a caption puts it. Knows engines and words,
//! and no pipeline or log.

use std::collections::BTreeMap;
use std::sync::Arc;

use image::RgbImage;
use vlm::{Cancel, Features, Reply, Reuse, Scored, Scores};

use crate::engine::{Engine, EngineError, Limits, Shown, Task, Turn, ViewId};
use crate::rules::claims::{Claim, claims, place_in};
use crate::rules::score::{Score, Scorer};
use crate::rules::statement::Statement;

/// How sure the model has to be of either view, in nats from even: of each the odds are then nearly
/// three to one. The first guess; `sightline bench changed` tells how true it makes what is told.
pub const MARGIN: f32 = 1.0;
/// What a model that looks at several pictures in order is asked.
const BOTH: &str = "What changed between the first picture and the second?";
/// The most things of which it is asked where they are.
const MOST_PLACES: usize = 8;
/// The most tokens of such an answer, and of a caption.
const TOKENS: usize = 60;

/// A view that is compared.
#[derive(Clone, Copy, Debug)]
pub enum Seen<'a> {
    /// Its picture.
    Picture(&'a RgbImage),
    /// What stands for it.
    Kept(&'a Arc<Features>),
}

/// A view with what is claimed of it.
#[derive(Clone, Debug)]
pub struct Side<'a> {
    /// Things of captions or answers.
    pub claims: Vec<Claim>,
    /// What is looked at.
    pub seen: Seen<'a>,
}

/// A thing of which the scores say that it is in one of the views alone.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    /// "a red star".
    pub thing: String,
    /// How strongly the model holds it to be there.
    pub before: Score,
    /// The same of the view after.
    pub after: Score,
}

/// A thing that is in another place.
#[derive(Clone, Debug, PartialEq)]
pub struct Moved {
    /// "red star".
    pub thing: String,
    /// "in the top left".
    pub from: String,
    /// "on the right".
    pub to: String,
    /// By how many nats the view before speaks for `from`.
    pub before: f32,
    /// By how many nats the view after speaks for `to`.
    pub after: f32,
}

/// What changed, as far as scores support it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Changed {
    /// What is there now and was not.
    pub appeared: Vec<Told>,
    /// What was there and is not any more.
    pub gone: Vec<Told>,
    /// What is somewhere else.
    pub moved: Vec<Moved>,
}

/// Two pictures with their captions, and what changed from one to the other.
#[derive(Clone, Debug, PartialEq)]
pub struct Compared {
    /// Of the picture before and of that after.
    pub captions: [String; 2],
    /// What changed.
    pub changed: Changed,
}

impl Changed {
    /// Whether nothing is told.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.appeared.is_empty() && self.gone.is_empty() && self.moved.is_empty()
    }

    /// All of it in a sentence.
    #[must_use]
    pub fn sentence(&self) -> String {
        let is = |told: &Told| if told.thing.starts_with("a ") || told.thing.starts_with("an ") { "is" } else { "are" };
        let appeared = self.appeared.iter().map(|told| format!("{} appeared", told.thing));
        let gone = self.gone.iter().map(|told| format!("{} {} gone", told.thing, is(told)));
        let moved =
            self.moved.iter().map(|Moved { thing, from, to, .. }| format!("the {thing} was {from} and is {to}"));
        let parts: Vec<String> = appeared.chain(gone).chain(moved).collect();
        let text = if parts.is_empty() { "nothing that can be told has changed".to_owned() } else { parts.join("; ") };
        let mut letters = text.chars();
        letters.next().map_or_else(String::new, |first| format!("{}{}.", first.to_uppercase(), letters.as_str()))
    }
}

/// Captions two pictures and tells what changed; `None` where it was cancelled. A model that looks
/// at several pictures in order is also asked about both at once: what it names then may have
/// changed as well.
///
/// # Errors
/// When the engine can't score, or fails.
pub fn compare_pictures(
    engine: &mut dyn Engine,
    view: ViewId,
    pictures: [&RgbImage; 2],
    instruction: &str,
    cancel: &Cancel,
) -> Result<Option<Compared>, EngineError> {
    let mut captions = [String::new(), String::new()];
    for (caption, picture) in captions.iter_mut().zip(pictures) {
        let shown = Shown { pictures: &[picture], scene: None, reuse: Reuse::IfIdentical };
        let Some(text) = told(engine, view, Task::Caption { shown, instruction }, cancel)? else { return Ok(None) };
        *caption = text;
    }
    let mut more = Vec::new();
    if engine.card().can.video.is_some() {
        let shown = Shown { pictures: &pictures, scene: None, reuse: Reuse::IfIdentical };
        let Some(text) = told(engine, view, Task::Answer { shown, question: BOTH }, cancel)? else { return Ok(None) };
        more = claims(&text);
    }
    let mut sides: Vec<Side<'_>> = Vec::with_capacity(2);
    for (caption, picture) in captions.iter().zip(pictures) {
        sides.push(Side { claims: claims(caption), seen: Seen::Picture(picture) });
    }
    let both: Vec<String> = common(&sides[0].claims, &sides[1].claims).map(|claim| claim.noun().to_owned()).collect();
    for (side, picture) in sides.iter_mut().zip(pictures) {
        for noun in both.iter().take(MOST_PLACES) {
            let question = format!("Where is the {noun}?");
            let shown = Shown { pictures: &[picture], scene: None, reuse: Reuse::IfIdentical };
            let task = Task::Answer { shown, question: &question };
            let Some(text) = told(engine, view, task, cancel)? else { return Ok(None) };
            for claim in side.claims.iter_mut().filter(|claim| claim.noun() == noun.as_str()) {
                claim.place = place_in(&text);
            }
        }
    }
    let [before, after] = [sides.remove(0), sides.remove(0)];
    let changed = compare(engine, view, &before, &after, &more, cancel)?;
    Ok(changed.map(|changed| Compared { captions, changed }))
}

/// Tells what changed from one view to another, of what is claimed of them and of `more`, which may
/// be of either; `None` where it was cancelled.
///
/// # Errors
/// When the engine can't score, or fails.
pub fn compare(
    engine: &mut dyn Engine,
    view: ViewId,
    before: &Side<'_>,
    after: &Side<'_>,
    more: &[Claim],
    cancel: &Cancel,
) -> Result<Option<Changed>, EngineError> {
    let is_in = |claim: &Claim, claims: &[Claim]| claims.iter().any(|known| known.thing == claim.thing);
    let new = after.claims.iter().filter(|claim| !is_in(claim, &before.claims)).chain(more);
    let old = before.claims.iter().filter(|claim| !is_in(claim, &after.claims)).chain(more);
    let (new, old): (Vec<&Claim>, Vec<&Claim>) = (new.collect(), old.collect());
    let Some(scores) = presence(engine, view, [before.seen, after.seen], new.iter().chain(&old), cancel)? else {
        return Ok(None);
    };
    let mut changed = Changed::default();
    for (claims, is_new) in [(new, true), (old, false)] {
        let list = if is_new { &mut changed.appeared } else { &mut changed.gone };
        for claim in claims {
            let crosses = |thing: &String| {
                let [was, is] = *scores.get(thing)?;
                let (absent, present) = if is_new { (was, is) } else { (is, was) };
                let holds = absent.nats < -MARGIN && present.nats > MARGIN;
                holds.then(|| Told { thing: thing.clone(), before: was, after: is })
            };
            let told = claim.plainer().iter().find_map(crosses);
            list.extend(told.filter(|told| list.iter().all(|known| known.thing != told.thing)));
        }
    }
    for claim in common(&before.claims, &after.claims) {
        let place = |claims: &[Claim]| claims.iter().find(|known| known.thing == claim.thing)?.place.clone();
        let (Some(from), Some(to)) = (place(&before.claims), place(&after.claims)) else { continue };
        if from == to {
            continue;
        }
        let Some(leans) = leans(engine, view, [before.seen, after.seen], claim.noun(), [&from, &to], cancel)? else {
            return Ok(None);
        };
        let [before, after] = [leans[0], -leans[1]];
        if before > MARGIN && after > MARGIN {
            changed.moved.push(Moved { thing: claim.noun().to_owned(), from, to, before, after });
        }
    }
    Ok(Some(changed))
}

/// How strongly each claim, and what is plainer than it, holds of both views.
fn presence<'a>(
    engine: &mut dyn Engine,
    view: ViewId,
    seen: [Seen<'_>; 2],
    claims: impl Iterator<Item = &'a &'a Claim>,
    cancel: &Cancel,
) -> Result<Option<BTreeMap<String, [Score; 2]>>, EngineError> {
    let mut asked: BTreeMap<String, Statement> = BTreeMap::new();
    for claim in claims {
        for thing in claim.plainer() {
            let says = Claim { thing: thing.clone(), place: None }.statement();
            if let Ok(statement) = says.parse() {
                asked.insert(thing, statement);
            }
        }
    }
    if asked.is_empty() {
        return Ok(Some(BTreeMap::new()));
    }
    let (things, statements): (Vec<String>, Vec<Statement>) = asked.into_iter().unzip();
    let Some(scorer) = Scorer::new(&statements, engine, view, cancel)? else { return Ok(None) };
    let mut sides = Vec::with_capacity(2);
    for seen in seen {
        let scores = match seen {
            Seen::Picture(picture) => scorer.score(engine, view, picture, cancel)?,
            Seen::Kept(features) => first(scorer.score_kept(engine, view, std::slice::from_ref(features), cancel)?),
        };
        let Some(scores) = scores else { return Ok(None) };
        sides.push(scores);
    }
    let pairs = sides[0].iter().zip(&sides[1]).map(|(before, after)| [*before, *after]);
    Ok(Some(things.into_iter().zip(pairs).collect()))
}

/// By how many nats both views speak for the first of two places of a thing.
fn leans(
    engine: &mut dyn Engine,
    view: ViewId,
    seen: [Seen<'_>; 2],
    noun: &str,
    places: [&str; 2],
    cancel: &Cancel,
) -> Result<Option<[f32; 2]>, EngineError> {
    let question = format!("Where is the {noun}?");
    let choices = places.map(capitalised);
    let choices = choices.each_ref().map(String::as_str);
    let asked = [Scored { question: &question, choices: &choices }];
    let mut leans = [0.0; 2];
    for (lean, seen) in leans.iter_mut().zip(seen) {
        let scores: Option<Vec<Scores>> = match seen {
            Seen::Picture(picture) => {
                let shown = Shown { pictures: &[picture], scene: None, reuse: Reuse::IfIdentical };
                engine.score(view, shown, &asked, cancel)?
            }
            Seen::Kept(features) => first(engine.score_kept(view, std::slice::from_ref(features), &asked, cancel)?),
        };
        match scores.as_deref() {
            Some([Scores { log_probs, .. }]) if log_probs.len() == 2 => *lean = log_probs[0] - log_probs[1],
            _ => return Ok(None),
        }
    }
    Ok(Some(leans))
}

/// The text of a reply; `None` where it was cancelled.
fn told(engine: &mut dyn Engine, view: ViewId, task: Task<'_>, cancel: &Cancel) -> Result<Option<String>, EngineError> {
    let Reply { text, stop, .. } =
        engine.reply(Turn { view, task, limits: Limits::tokens(TOKENS) }, cancel, &mut |_| {})?;
    Ok((stop != vlm::Stop::Cancelled).then_some(text))
}

/// The claims of both views.
fn common<'a>(before: &'a [Claim], after: &'a [Claim]) -> impl Iterator<Item = &'a Claim> {
    before.iter().filter(|claim| after.iter().any(|other| other.thing == claim.thing))
}

/// What was told of the one view that was asked about.
fn first<T>(told: Option<Vec<T>>) -> Option<T> {
    told?.pop()
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| format!("{}{}", first.to_uppercase(), letters.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::{World, caption, paint};
    use crate::engine::ViewOptions;
    use crate::engine::options::EngineOptions;
    use crate::models::spec::ModelSpec;

    fn told(thing: &str) -> Told {
        Told { thing: thing.to_owned(), before: Score { nats: 0.0 }, after: Score { nats: 0.0 } }
    }

    #[test]
    fn all_that_changed_is_one_sentence() {
        assert_eq!(Changed::default().sentence(), "Nothing that can be told has changed.");
        let (thing, from, to) = ("green cross".to_owned(), "at the top".to_owned(), "on the right".to_owned());
        let changed = Changed {
            appeared: vec![told("a red star")],
            gone: vec![told("an orange circle"), told("two cups")],
            moved: vec![Moved { thing, from, to, before: 2.0, after: 3.0 }],
        };
        assert_eq!(
            changed.sentence(),
            "A red star appeared; an orange circle is gone; two cups are gone; the green cross was at the top and is \
             on the right."
        );
    }

    /// Captions claim what is there, and something that is in neither picture.
    #[test]
    fn what_is_claimed_and_not_seen_is_not_told() {
        let mut engine = crate::engine::open(&ModelSpec::Demo, &EngineOptions::default()).expect("built in");
        let (view, cancel) = (engine.open_view(ViewOptions::default()).expect("a view"), Cancel::default());
        let (mut all, mut invented) = (0, 0);
        for seed in 700..712 {
            let worlds = [seed, seed + 50].map(|seed| {
                let mut world = World::new(seed);
                world.settle();
                world
            });
            let pictures = worlds.each_ref().map(paint);
            let truths = worlds.each_ref().map(World::truth);
            let is_there = |thing: &str| {
                truths.iter().flatten().any(|object| {
                    let names = [object.size.word(), object.color.word(), object.shape.word()];
                    thing.split(' ').skip(1).all(|word| names.contains(&word))
                })
            };
            let made_up: String = ["a purple cross", "a black star", "a white triangle"]
                .into_iter()
                .filter(|thing| !is_there(thing))
                .flat_map(|thing| [" Also ", thing, "."])
                .collect();
            let side = |number: usize| Side {
                claims: claims(&(caption(&truths[number]) + &made_up)),
                seen: Seen::Picture(&pictures[number]),
            };
            let of_both = compare(&mut *engine, view, &side(0), &side(1), &claims(&made_up), &cancel);
            let changed = of_both.expect("scored").expect("not cancelled");
            for told in changed.appeared.iter().chain(&changed.gone) {
                all += 1;
                invented += usize::from(!is_there(&told.thing));
            }
        }
        assert!(all > 20 && invented == 0, "{invented} of {all}");
    }
}

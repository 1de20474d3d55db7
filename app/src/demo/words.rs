//! What is true of a scene, in words: the grammar that the demo model was trained to speak.
//!
//! The same sentences as ui-assets/demo-model/train/words.py, with a few of its wordings for each
//! question.

use std::fmt::Write as _;

use serde::Serialize;

use crate::demo::random::Random;
use crate::demo::world::{Color, LINES, Object, Shape, Size};

/// What the demo model says to all that is not about coloured shapes.
pub const ONLY: &str = "I only know coloured shapes.";

/// A question about a scene and the true answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Question {
    /// What is asked for, to count truth by: `count`, `color`, `shape`, `where`, `exists`,
    /// `largest`, `beside`, `off`.
    #[serde(skip)]
    pub kind: &'static str,
    /// The question.
    pub q: String,
    /// The answer, exactly.
    pub a: String,
}

/// One sentence that names every object from left to right, and where a lone one is. `objects` are
/// in order of x.
#[must_use]
pub fn caption(objects: &[Object]) -> String {
    let full = |o: &Object| format!("a {} {} {}", o.size.word(), o.color.word(), o.shape.word());
    match objects {
        [] => "An empty scene.".to_owned(),
        [one] => sentence(&format!("{} {}", full(one), place(one))),
        [left, right] => sentence(&format!("{} on the left and {} on the right", full(left), full(right))),
        more => format!("From left to right: {}.", joined(&more.iter().map(full).collect::<Vec<_>>())),
    }
}

/// One question of every kind that can be asked of the scene, and one that has nothing to do with
/// it.
#[must_use]
pub fn questions(objects: &[Object], random: &mut Random) -> Vec<Question> {
    let mut all = vec![
        count(objects, random),
        color(objects, random),
        shape(objects, random),
        place_of(objects, random),
        exists(objects, random),
        largest(objects, random),
        off_topic(random),
    ];
    all.extend(beside(objects, random));
    all
}

/// What a question speaks of: an object of which some qualities are named.
#[derive(Clone, Copy, Default)]
struct Thing {
    size: Option<Size>,
    color: Option<Color>,
    shape: Option<Shape>,
}

impl Thing {
    fn fits(self, o: &Object) -> bool {
        self.size.is_none_or(|size| size == o.size)
            && self.color.is_none_or(|color| color == o.color)
            && self.shape.is_none_or(|shape| shape == o.shape)
    }

    fn found(self, objects: &[Object]) -> Vec<&Object> {
        objects.iter().filter(|o| self.fits(o)).collect()
    }

    fn adjectives(self) -> String {
        let words = [self.size.map(Size::word), self.color.map(Color::word)];
        words.into_iter().flatten().fold(String::new(), |mut text, word| {
            let _ = write!(text, "{word} ");
            text
        })
    }

    fn noun(self) -> String {
        self.adjectives() + self.shape.map_or("shape", Shape::word)
    }

    fn nouns(self) -> String {
        let plural = match self.shape {
            None => "shapes",
            Some(Shape::Circle) => "circles",
            Some(Shape::Square) => "squares",
            Some(Shape::Triangle) => "triangles",
            Some(Shape::Star) => "stars",
            Some(Shape::Cross) => "crosses",
        };
        self.adjectives() + plural
    }

    fn missing(self) -> String {
        format!("There is no {}.", self.noun())
    }
}

/// An object that is there in half the cases, else one that may not be.
fn some_object(objects: &[Object], random: &mut Random) -> Object {
    let any = Object {
        shape: random.pick(Shape::ALL),
        color: random.pick(Color::ALL),
        size: random.pick(Size::ALL),
        x: 0.5,
        y: 0.5,
    };
    if objects.is_empty() {
        return any;
    }
    let one = random.pick(objects);
    match random.below(8) {
        0..=3 => one,
        4 => Object { shape: any.shape, ..one },
        5 => Object { color: any.color, ..one },
        6 => Object { size: any.size, ..one },
        _ => any,
    }
}

fn count(objects: &[Object], random: &mut Random) -> Question {
    let one = some_object(objects, random);
    let thing = match random.below(6) {
        0..=2 => Thing::default(),
        3 => Thing { shape: Some(one.shape), ..Thing::default() },
        4 => Thing { color: Some(one.color), ..Thing::default() },
        _ => Thing { size: Some(one.size), ..Thing::default() },
    };
    let q = match random.below(2) {
        0 => format!("How many {} are there?", thing.nouns()),
        _ => format!("How many {} do you see?", thing.nouns()),
    };
    ask("count", q, format!("{}.", number(thing.found(objects).len())))
}

fn color(objects: &[Object], random: &mut Random) -> Question {
    let thing = Thing { shape: Some(some_object(objects, random).shape), ..Thing::default() };
    let noun = thing.noun();
    let q = match random.below(3) {
        0 => format!("What colour is the {noun}?"),
        1 => format!("What color is the {noun}?"),
        _ => format!("Which colour is the {noun}?"),
    };
    let found = thing.found(objects);
    let colors = found.iter().map(|o| o.color.word()).collect::<Vec<_>>();
    ask("color", q, if found.is_empty() { thing.missing() } else { sentence(&joined(&colors)) })
}

fn shape(objects: &[Object], random: &mut Random) -> Question {
    let thing = Thing { color: Some(some_object(objects, random).color), ..Thing::default() };
    let color = thing.adjectives();
    let q = match random.below(2) {
        0 => format!("What shape is the {color}one?"),
        _ => format!("Which shape is {}?", color.trim()),
    };
    let found = thing.found(objects);
    let shapes = found.iter().map(|o| format!("a {}", o.shape.word())).collect::<Vec<_>>();
    ask("shape", q, if found.is_empty() { thing.missing() } else { sentence(&joined(&shapes)) })
}

fn place_of(objects: &[Object], random: &mut Random) -> Question {
    let thing = reference(&some_object(objects, random), random);
    let a = match thing.found(objects)[..] {
        [] => thing.missing(),
        [one] => sentence(place(one)),
        ref more => format!("There are {} {}.", number(more.len()).to_lowercase(), thing.nouns()),
    };
    ask("where", format!("Where is the {}?", thing.noun()), a)
}

fn exists(objects: &[Object], random: &mut Random) -> Question {
    let one = some_object(objects, random);
    let mut thing = Thing { shape: Some(one.shape), ..Thing::default() };
    if random.chance(0.7) {
        thing.color = Some(one.color);
    }
    let article = if thing.noun().starts_with('o') { "an" } else { "a" };
    let q = match random.below(2) {
        0 => format!("Is there {article} {}?", thing.noun()),
        _ => format!("Do you see {article} {}?", thing.noun()),
    };
    ask("exists", q, yes_or_no(!thing.found(objects).is_empty()))
}

fn largest(objects: &[Object], random: &mut Random) -> Question {
    let large = objects.iter().filter(|o| o.size == Size::Large).collect::<Vec<_>>();
    let named = |o: &Object| sentence(&format!("the {} {}", o.color.word(), o.shape.word()));
    let a = match (objects, &large[..]) {
        ([], _) => "There are no shapes.".to_owned(),
        ([one], _) => named(one),
        (_, [one]) => named(one),
        _ if large.is_empty() || large.len() == objects.len() => "They are the same size.".to_owned(),
        _ => format!("{} are large.", number(large.len())),
    };
    let q = random.pick(&["Which is the largest?", "Which shape is the largest?", "What is the biggest shape?"]);
    ask("largest", q.to_owned(), a)
}

fn beside(objects: &[Object], random: &mut Random) -> Option<Question> {
    if objects.len() < 2 {
        return None;
    }
    let first = random.below(objects.len());
    let second = (first + 1 + random.below(objects.len() - 1)) % objects.len();
    let (a, b) = (reference(&objects[first], random), reference(&objects[second], random));
    if a.found(objects).len() != 1 || b.found(objects).len() != 1 {
        return None;
    }
    let side = random.pick(&["left", "right"]);
    let is_left = objects[first].x < objects[second].x;
    let q = format!("Is the {} {side} of the {}?", a.noun(), b.noun());
    Some(ask("beside", q, yes_or_no(is_left == (side == "left"))))
}

fn off_topic(random: &mut Random) -> Question {
    let q = random.pick(&[
        "What time is it?",
        "Is there a dog?",
        "Who is the person in the picture?",
        "Tell me a joke.",
        "What colour is the car?",
        "How many people are there?",
        "What is the capital of France?",
        "Is it raining?",
        "Read the text on the sign.",
        "What is the man doing?",
    ]);
    ask("off", q.to_owned(), ONLY.to_owned())
}

/// The object by its shape, its colour, or both.
fn reference(o: &Object, random: &mut Random) -> Thing {
    let (color, shape) = (Some(o.color), Some(o.shape));
    match random.below(3) {
        0 => Thing { shape, ..Thing::default() },
        1 => Thing { color, ..Thing::default() },
        _ => Thing { color, shape, size: None },
    }
}

/// Where an object is, in words.
#[must_use]
pub fn place(o: &Object) -> &'static str {
    const PLACES: [[&str; 3]; 3] = [
        ["in the top left", "at the top", "in the top right"],
        ["on the left", "in the centre", "on the right"],
        ["in the bottom left", "at the bottom", "in the bottom right"],
    ];
    let third = |v: f32| usize::from(v >= LINES[0]) + usize::from(v > LINES[1]);
    PLACES[third(o.y)][third(o.x)]
}

fn ask(kind: &'static str, q: String, a: String) -> Question {
    Question { kind, q, a }
}

fn number(n: usize) -> &'static str {
    ["None", "One", "Two", "Three", "Four"].get(n).copied().unwrap_or("Many")
}

fn yes_or_no(yes: bool) -> String {
    if yes { "Yes." } else { "No." }.to_owned()
}

fn joined(parts: &[impl AsRef<str>]) -> String {
    let mut text = String::new();
    for (n, part) in parts.iter().enumerate() {
        text += match n {
            0 => "",
            n if n + 1 == parts.len() => " and ",
            _ => ", ",
        };
        text += part.as_ref();
    }
    text
}

fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| format!("{}{}.", first.to_uppercase(), letters.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(shape: Shape, color: Color, size: Size, x: f32, y: f32) -> Object {
        Object { shape, color, size, x, y }
    }

    fn three() -> Vec<Object> {
        vec![
            object(Shape::Star, Color::Red, Size::Small, 0.1, 0.2),
            object(Shape::Circle, Color::Orange, Size::Large, 0.5, 0.5),
            object(Shape::Star, Color::Blue, Size::Small, 0.8, 0.8),
        ]
    }

    #[test]
    fn captions_name_all_and_place_one() {
        let objects = three();
        assert_eq!(caption(&[]), "An empty scene.");
        assert_eq!(caption(&objects[..1]), "A small red star in the top left.");
        assert_eq!(caption(&objects[..2]), "A small red star on the left and a large orange circle on the right.");
        assert_eq!(
            caption(&objects),
            "From left to right: a small red star, a large orange circle and a small blue star."
        );
    }

    #[test]
    fn answers_are_true() {
        let objects = three();
        let mut random = Random::new(5);
        let asked = (0..4000).flat_map(|_| questions(&objects, &mut random)).collect::<Vec<_>>();
        for (q, a) in [
            ("How many shapes are there?", "Three."),
            ("What colour is the star?", "Red and blue."),
            ("What colour is the circle?", "Orange."),
            ("What shape is the orange one?", "A circle."),
            ("Where is the circle?", "In the centre."),
            ("Where is the star?", "There are two stars."),
            ("Is there an orange circle?", "Yes."),
            ("Is there a square?", "No."),
            ("Which is the largest?", "The orange circle."),
            ("Is the red star left of the circle?", "Yes."),
        ] {
            let found = asked.iter().find(|question| question.q == q);
            assert_eq!(found.map(|question| question.a.as_str()), Some(a), "{q}");
        }
    }

    #[test]
    fn an_empty_scene_can_be_asked_too() {
        let mut random = Random::new(1);
        for question in (0..100).flat_map(|_| questions(&[], &mut random)) {
            let honest = ["None.", "No.", "There are no shapes.", ONLY];
            assert!(honest.contains(&question.a.as_str()) || question.a.starts_with("There is no "), "{question:?}");
        }
    }
}

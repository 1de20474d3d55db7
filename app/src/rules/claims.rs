//! What a caption claims: the things that it names, and where it says that they are. Plain reading
//! of words; knows no model.
//!
//! A thing is a noun phrase that begins with an article or a number: "a small red star". That
//! leaves out what is named otherwise, and takes nothing for a thing that is none.

use std::collections::BTreeSet;

/// Words that begin a thing.
const BEGINNINGS: [&str; 17] = [
    "a", "an", "the", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "some", "several",
    "many", "another",
];
/// Words that end it.
const ENDS: [&str; 57] = [
    "and", "or", "but", "on", "in", "at", "to", "of", "by", "for", "from", "with", "without", "near", "next", "under",
    "over", "above", "below", "behind", "beside", "between", "against", "along", "around", "through", "into", "onto",
    "inside", "outside", "is", "are", "was", "were", "has", "have", "that", "which", "who", "while", "where", "as",
    "it", "its", "his", "her", "their", "there", "can", "looks", "shows", "show", "depicts", "features", "contains",
    "stands", "sits",
];
/// Words in "-ing" that are things, and do not end one.
const NOUNS: [&str; 12] = [
    "building",
    "ceiling",
    "painting",
    "drawing",
    "ring",
    "string",
    "king",
    "wing",
    "clothing",
    "railing",
    "thing",
    "lightning",
];
/// Words for a place in the picture or for the picture itself: no things.
const PLACES: [&str; 26] = [
    "left",
    "right",
    "top",
    "bottom",
    "centre",
    "center",
    "middle",
    "side",
    "corner",
    "edge",
    "front",
    "back",
    "background",
    "foreground",
    "distance",
    "upper",
    "lower",
    "far",
    "image",
    "picture",
    "photo",
    "scene",
    "frame",
    "view",
    "shot",
    "video",
];
/// Words that begin a place.
const INTO_PLACE: [&str; 4] = ["in", "on", "at", "to"];
/// Words that begin a place of any kind.
const WHERE: [&str; 16] = [
    "in", "on", "at", "under", "over", "above", "below", "behind", "beside", "between", "near", "next", "inside",
    "outside", "against", "by",
];
/// The most words of a place.
const LONGEST_PLACE: usize = 12;
/// The most things of one caption that are looked at.
const MOST: usize = 24;

/// A thing that a caption names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// As it is named: "a small red star".
    pub thing: String,
    /// Where in the picture it is said to be: "in the top left".
    pub place: Option<String>,
}

impl Claim {
    /// The thing without the word that it begins with: "small red star".
    #[must_use]
    pub fn noun(&self) -> &str {
        self.thing.split_once(' ').map_or(&self.thing, |(_, noun)| noun)
    }

    /// The statement that it is there.
    #[must_use]
    pub fn statement(&self) -> String {
        let (begin, noun) = self.thing.split_once(' ').unwrap_or(("a", &self.thing));
        let verb = match begin {
            "a" | "an" | "the" | "one" | "another" => "is",
            _ => "are",
        };
        if begin == "the" || begin == "another" { with_article(noun) } else { format!("there {verb} {}", self.thing) }
    }

    /// The same with fewer adjectives, the most exact first: "a small red star", "a red star", "a
    /// star".
    #[must_use]
    pub fn plainer(&self) -> Vec<String> {
        let (begin, noun) = self.thing.split_once(' ').unwrap_or(("a", &self.thing));
        // What "a cup of coffee" is of does not come off.
        let words: Vec<&str> = noun.split(' ').collect();
        let head = words.iter().position(|word| *word == "of").unwrap_or(words.len());
        let begun = |from: usize| {
            let rest = words[from..].join(" ");
            match begin {
                "a" | "an" => format!("{} {rest}", article(&rest)),
                _ => format!("{begin} {rest}"),
            }
        };
        (0..head.max(1)).map(begun).collect()
    }
}

/// The place in an answer to "Where is the red star?": what it says from its preposition on, "in
/// the top left".
#[must_use]
pub fn place_in(answer: &str) -> Option<String> {
    let words: Vec<String> = words(answer).into_iter().map(|word| word.text).collect();
    let at = words.iter().position(|word| WHERE.contains(&word.as_str()))?;
    (words.len() > at + 1 && words.len() - at <= LONGEST_PLACE).then(|| words[at..].join(" "))
}

/// The things that a caption names, in its order, each once.
#[must_use]
pub fn claims(caption: &str) -> Vec<Claim> {
    let words = words(caption);
    let (mut found, mut known, mut at) = (Vec::new(), BTreeSet::new(), 0);
    while at < words.len() && found.len() < MOST {
        let Some(end) = thing(&words, at) else {
            at += 1;
            continue;
        };
        let thing: Vec<&str> = words[at..end].iter().map(|word| word.text.as_str()).collect();
        let head = thing[thing.len() - 1];
        let (place, after) = if words[end - 1].ends { (None, end) } else { place(&words, end) };
        if !PLACES.contains(&head) && known.insert(thing.join(" ")) {
            found.push(Claim { thing: thing.join(" "), place });
        }
        at = after;
    }
    found
}

/// A word in lower case.
struct Word {
    text: String,
    /// A comma or the like follows it.
    ends: bool,
}

fn words(caption: &str) -> Vec<Word> {
    let word = |word: &str| {
        let text = word.trim_matches(|c: char| !c.is_alphanumeric());
        let ends = word.ends_with(|c: char| !c.is_alphanumeric() && c != '\'');
        Word { text: text.to_lowercase(), ends }
    };
    caption.split_whitespace().map(word).filter(|word| !word.text.is_empty()).collect()
}

/// Where the thing that begins at a word ends; none where no thing begins there.
fn thing(words: &[Word], at: usize) -> Option<usize> {
    if !BEGINNINGS.contains(&words[at].text.as_str()) || words[at].ends {
        return None;
    }
    let mut end = at + 1;
    while let Some(Word { text, ends }) = words.get(end) {
        let is_of = text == "of"
            && end > at + 1
            && words.get(end + 1).is_some_and(|next| !ENDS.contains(&next.text.as_str()))
            && !words.get(end + 1).is_some_and(|next| BEGINNINGS.contains(&next.text.as_str()))
            && !PLACES.contains(&words[end - 1].text.as_str());
        let is_end = ENDS.contains(&text.as_str()) || BEGINNINGS.contains(&text.as_str());
        // "a man holding", but "a sleeping dog" and "a tall building".
        let is_doing = end > at + 1 && text.ends_with("ing") && !NOUNS.contains(&text.as_str());
        if (is_end || is_doing) && !is_of {
            break;
        }
        end += 1;
        if *ends {
            break;
        }
    }
    (end > at + 1).then_some(end)
}

/// The place in the picture that follows, if one does, and the word after it.
fn place(words: &[Word], at: usize) -> (Option<String>, usize) {
    let is_begun = words.get(at).is_some_and(|word| INTO_PLACE.contains(&word.text.as_str()))
        && words.get(at + 1).is_some_and(|word| word.text == "the");
    if !is_begun {
        return (None, at);
    }
    let mut end = at + 2;
    while words.get(end).is_some_and(|word| PLACES.contains(&word.text.as_str())) {
        end += 1;
        if words[end - 1].ends {
            break;
        }
    }
    let place: Vec<&str> = words[at..end].iter().map(|word| word.text.as_str()).collect();
    if end > at + 2 { (Some(place.join(" ")), end) } else { (None, at) }
}

fn article(noun: &str) -> &'static str {
    if noun.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" }
}

fn with_article(noun: &str) -> String {
    format!("there is {} {noun}", article(noun))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn things(caption: &str) -> Vec<(String, Option<String>)> {
        claims(caption).into_iter().map(|claim| (claim.thing, claim.place)).collect()
    }

    #[test]
    fn things_and_their_places_are_found() {
        for (caption, wanted) in [
            ("An empty scene.", vec![]),
            ("A small red star in the top left.", vec![("a small red star", Some("in the top left"))]),
            (
                "A small red star on the left and a large orange circle on the right.",
                vec![("a small red star", Some("on the left")), ("a large orange circle", Some("on the right"))],
            ),
            (
                "From left to right: a small red star, a large orange circle and a small blue star.",
                vec![("a small red star", None), ("a large orange circle", None), ("a small blue star", None)],
            ),
            (
                "A man holding a cup of coffee stands in front of a tall building, with two dogs.",
                vec![("a man", None), ("a cup of coffee", None), ("a tall building", None), ("two dogs", None)],
            ),
            ("The image shows a sleeping dog on the sofa.", vec![("a sleeping dog", None), ("the sofa", None)]),
            ("Nothing to see here", vec![]),
            ("a", vec![]),
            ("", vec![]),
        ] {
            let wanted: Vec<_> =
                wanted.into_iter().map(|(thing, place)| (thing.to_owned(), place.map(str::to_owned))).collect();
            assert_eq!(things(caption), wanted, "{caption}");
        }
    }

    #[test]
    fn an_answer_tells_a_place_or_none() {
        assert_eq!(place_in("In the top left.").as_deref(), Some("in the top left"));
        assert_eq!(place_in("The cup is on the table.").as_deref(), Some("on the table"));
        assert_eq!(place_in("There are two stars."), None);
        assert_eq!(place_in("In."), None);
    }

    #[test]
    fn what_is_claimed_can_be_asked_for() {
        let claim = |thing: &str| Claim { thing: thing.to_owned(), place: None };
        assert_eq!(claim("a small red star").statement(), "there is a small red star");
        assert_eq!(claim("the sofa").statement(), "there is a sofa");
        assert_eq!(claim("two dogs").statement(), "there are two dogs");
        assert_eq!(claim("a small orange star").plainer(), ["a small orange star", "an orange star", "a star"]);
        assert_eq!(claim("a cup of coffee").plainer(), ["a cup of coffee"]);
        assert_eq!(claim("a small red star").noun(), "small red star");
    }
}

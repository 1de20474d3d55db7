//! A question about the past: what is looked for, and what is wanted of the times at which it was
//! there. Knows no log and no engine.
//!
//! "When was there a red circle?" looks for "there is a red circle"; "How often was the door open?"
//! for the yes of "Is the door open?".

use std::str::FromStr;

use crate::rules::statement::{Statement, StatementError};

/// What is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// All times.
    When,
    /// How many there are.
    HowOften,
    /// The first.
    First,
    /// The last.
    Last,
    /// How long they are together.
    HowLong,
}

/// A question about the past.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PastQuestion {
    /// What holds at the times that are wanted.
    pub statement: Statement,
    /// What is wanted of them.
    pub wanted: Wanted,
}

/// How a question may begin, in lower case, and what is wanted then. Longer ones stand first.
const BEGINNINGS: [(&str, Wanted); 20] = [
    ("when was the first time that ", Wanted::First),
    ("when was the first time ", Wanted::First),
    ("when was the last time that ", Wanted::Last),
    ("when was the last time ", Wanted::Last),
    ("when did you first see ", Wanted::First),
    ("when did you last see ", Wanted::Last),
    ("when did you see ", Wanted::When),
    ("how many times did you see ", Wanted::HowOften),
    ("how often did you see ", Wanted::HowOften),
    ("how long did you see ", Wanted::HowLong),
    ("did you see ", Wanted::When),
    ("how many times ", Wanted::HowOften),
    ("how often ", Wanted::HowOften),
    ("for how long ", Wanted::HowLong),
    ("how long ", Wanted::HowLong),
    ("since when ", Wanted::First),
    ("when first ", Wanted::First),
    ("when last ", Wanted::Last),
    ("when ", Wanted::When),
    ("", Wanted::When),
];

impl FromStr for PastQuestion {
    type Err = StatementError;

    fn from_str(text: &str) -> Result<Self, StatementError> {
        let plain = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let plain = plain.trim_end_matches(['?', '.', '!']).trim_end();
        let lower = plain.to_lowercase();
        // Lengths are the same in lower case where a beginning, which is ASCII, fits.
        let found = BEGINNINGS.iter().find(|(begin, _)| lower.starts_with(begin));
        let (begin, mut wanted) = found.copied().unwrap_or(("", Wanted::When));
        let rest = plain.get(begin.len()..).unwrap_or(plain);
        let (rest, last_word) = without_order(rest);
        wanted = last_word.unwrap_or(wanted);
        let statement = if begin.ends_with("see ") { format!("there is {rest}").parse() } else { stated(rest) };
        Ok(Self { statement: statement?, wanted })
    }
}

/// "was there a cup first" is "was there a cup", of which the first is wanted.
fn without_order(rest: &str) -> (&str, Option<Wanted>) {
    for (end, wanted) in [
        (" for the first time", Wanted::First),
        (" for the last time", Wanted::Last),
        (" first", Wanted::First),
        (" last", Wanted::Last),
    ] {
        if let Some(at) = rest.len().checked_sub(end.len())
            && rest.get(at..).is_some_and(|tail| tail.eq_ignore_ascii_case(end))
        {
            return (&rest[..at], Some(wanted));
        }
    }
    (rest, None)
}

/// What "was there a cup", "was the door open" or "there was a cup" states in the present.
fn stated(rest: &str) -> Result<Statement, StatementError> {
    let words: Vec<&str> = rest.split(' ').collect();
    let lower: Vec<String> = words.iter().map(|word| word.to_lowercase()).collect();
    let lower: Vec<&str> = lower.iter().map(String::as_str).collect();
    let tail = |from: usize| words[from..].join(" ");
    match &lower[..] {
        ["was" | "is", "there", ..] | ["there", "was", ..] => format!("there is {}", tail(2)).parse(),
        ["were" | "are", "there", ..] | ["there", "were", ..] => format!("there are {}", tail(2)).parse(),
        ["was" | "is", _, ..] => Statement::of_question(&format!("Is {}", tail(1))),
        ["were" | "are", _, ..] => Statement::of_question(&format!("Are {}", tail(1))),
        ["did", _, ..] => Statement::of_question(&format!("Does {}", tail(1))),
        _ => rest.parse(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (String, Wanted) {
        let question: PastQuestion = text.parse().expect(text);
        (question.statement.question().to_owned(), question.wanted)
    }

    #[test]
    fn what_is_looked_for_and_what_is_wanted_are_told_apart() {
        let circle = "Is there a red circle?";
        let door = "Is the door open? Answer yes or no.";
        for (text, question, wanted) in [
            ("when was there a red circle?", circle, Wanted::When),
            ("When  was there a red circle", circle, Wanted::When),
            ("there is a red circle", circle, Wanted::When),
            ("was there a red circle?", circle, Wanted::When),
            ("did you see a red circle?", circle, Wanted::When),
            ("how often was there a red circle?", circle, Wanted::HowOften),
            ("How many times was there a red circle?", circle, Wanted::HowOften),
            ("how long was there a red circle?", circle, Wanted::HowLong),
            ("when was there a red circle first?", circle, Wanted::First),
            ("when did you last see a red circle?", circle, Wanted::Last),
            ("When was the last time there was a red circle?", circle, Wanted::Last),
            ("when was the first time that there was a red circle", circle, Wanted::First),
            ("when was the door open?", door, Wanted::When),
            ("for how long was the door open?", door, Wanted::HowLong),
            ("how often were there two cups?", "Are there two cups?", Wanted::HowOften),
            ("when did the bird eat?", "Does the bird eat? Answer yes or no.", Wanted::When),
        ] {
            assert_eq!(read(text), (question.to_owned(), wanted), "{text}");
        }
        let question: PastQuestion = "when was there no cup?".parse().expect("a question");
        assert!(question.statement.is_negated());
    }

    #[test]
    fn what_asks_for_nothing_is_refused() {
        assert_eq!("".parse::<PastQuestion>(), Err(StatementError::Empty));
        assert_eq!("?".parse::<PastQuestion>(), Err(StatementError::Empty));
    }
}

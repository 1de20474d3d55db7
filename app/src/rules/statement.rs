//! A rule's sentence: the positive statement in it, and whether the rule says its opposite.
//!
//! Small models say "yes" to negations: SmolVLM2-500M did in all trials with false ones
//! (arXiv 2603.26769). So a negation is taken apart here, the model is asked about the positive
//! statement only, and the answer is turned round.

use std::str::FromStr;

/// What a model is asked that sees no sentence of the form "there is …".
const ASIDE: &str = "Answer yes or no.";

/// A sentence about a picture, such as "there is a red circle" or "the door is not open".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// As it was written.
    text: String,
    /// What the model is asked: whether the positive statement is true.
    question: String,
    /// Whether the rule holds where the positive statement does not.
    negated: bool,
}

/// Why a text can't be a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StatementError {
    /// It has no words.
    #[error("write a sentence, such as \"there is a red circle\"")]
    Empty,
    /// It asks.
    #[error("write a statement, such as \"there is a red circle\", in the place of a question")]
    Question,
}

impl Statement {
    /// As it was written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether the rule holds where the positive statement does not.
    #[must_use]
    pub fn is_negated(&self) -> bool {
        self.negated
    }

    /// What the model is asked: whether the positive statement is true.
    #[must_use]
    pub fn question(&self) -> &str {
        &self.question
    }

    /// The statement that holds where the answer to a question is yes: "Is the door open?"
    ///
    /// # Errors
    /// When it has no words.
    pub fn of_question(question: &str) -> Result<Self, StatementError> {
        let plain = question.split_whitespace().collect::<Vec<_>>().join(" ");
        let plain = plain.trim_end_matches('?').trim_end();
        if !plain.chars().any(char::is_alphanumeric) {
            return Err(StatementError::Empty);
        }
        let text = format!("{plain}?");
        let question = if text.to_lowercase().contains(" there ") { text.clone() } else { format!("{text} {ASIDE}") };
        Ok(Self { text, question, negated: false })
    }
}

/// The question whose answer is yes where a positive statement is true.
fn question(positive: &str) -> String {
    let lower = positive.to_lowercase();
    for (begin, asked) in [("there is ", "Is there "), ("there are ", "Are there ")] {
        if lower.starts_with(begin) {
            return format!("{asked}{}?", &positive[begin.len()..]);
        }
    }
    format!("Is it true that {positive}? {ASIDE}")
}

impl FromStr for Statement {
    type Err = StatementError;

    fn from_str(text: &str) -> Result<Self, StatementError> {
        let plain = text.split_whitespace().collect::<Vec<_>>().join(" ");
        if plain.ends_with('?') {
            return Err(StatementError::Question);
        }
        let plain = plain.trim_end_matches(['.', '!']).trim_end();
        if !plain.chars().any(char::is_alphanumeric) {
            return Err(StatementError::Empty);
        }
        let (positive, negated) = positive(plain);
        Ok(Self { text: text.trim().to_owned(), question: question(&positive), negated })
    }
}

/// A sentence without its negation, and whether it had one.
fn positive(sentence: &str) -> (String, bool) {
    let words: Vec<&str> = sentence.split(' ').collect();
    let lower: Vec<String> = words.iter().map(|word| word.to_lowercase().replace('\u{2019}', "'")).collect();
    let lower: Vec<&str> = lower.iter().map(String::as_str).collect();
    let rest = |from: usize| words[from..].join(" ");
    match &lower[..] {
        ["no", noun, "is" | "are", ..] | ["no", noun, _, "is" | "are", ..] if !noun.is_empty() => {
            (format!("a {}", rest(1)), true)
        }
        ["no" | "not", _, ..] => (with_article("there is", &words[1..]), true),
        ["nobody", ..] => (format!("somebody {}", rest(1)), true),
        ["nothing", ..] => (format!("something {}", rest(1)), true),
        ["there", "is" | "are", "no" | "not", ..] => (with_article(&format!("there {}", lower[1]), &words[3..]), true),
        ["there", "isn't", ..] => (with_article("there is", &words[2..]), true),
        ["there", "aren't", ..] => (with_article("there are", &words[2..]), true),
        _ => within(&words, &lower),
    }
}

/// A sentence whose verb is negated, without that.
fn within(words: &[&str], lower: &[&str]) -> (String, bool) {
    for (at, word) in lower.iter().enumerate() {
        let kept = match *word {
            "not" => None,
            "isn't" => Some("is"),
            "aren't" => Some("are"),
            "wasn't" => Some("was"),
            "can't" | "cannot" => Some("can"),
            _ => continue,
        };
        let sentence: Vec<&str> =
            words[..at].iter().copied().chain(kept).chain(words[at + 1..].iter().copied()).collect();
        return (sentence.join(" "), true);
    }
    (words.join(" "), false)
}

/// "there is" with a noun, which gets an article where it is alone.
fn with_article(begin: &str, noun: &[&str]) -> String {
    let has_article =
        noun.first().is_some_and(|word| ["a", "an", "the", "any"].contains(&word.to_lowercase().as_str()));
    let noun = noun.join(" ");
    if has_article || begin.ends_with("are") || noun.is_empty() {
        return format!("{begin} {noun}");
    }
    let vowel = noun.starts_with(['a', 'e', 'i', 'o', 'u', 'A', 'E', 'I', 'O', 'U']);
    format!("{begin} {} {noun}", if vowel { "an" } else { "a" })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (String, bool) {
        let statement: Statement = text.parse().expect(text);
        (statement.question().to_owned(), statement.is_negated())
    }

    #[test]
    fn positive_statements_become_questions() {
        assert_eq!(read("there is a red circle"), ("Is there a red circle?".to_owned(), false));
        assert_eq!(read(" There are  two cups. "), ("Are there two cups?".to_owned(), false));
        let (question, negated) = read("the door is open");
        assert_eq!((question.as_str(), negated), ("Is it true that the door is open? Answer yes or no.", false));
    }

    #[test]
    fn negations_are_taken_apart() {
        for (negative, question) in [
            ("there is no red circle", "Is there a red circle?"),
            ("There is no orange star.", "Is there an orange star?"),
            ("there isn't a cup", "Is there a cup?"),
            ("there is not a cup", "Is there a cup?"),
            ("there are no cups", "Are there cups?"),
            ("no red circle", "Is there a red circle?"),
            ("the door is not open", "Is it true that the door is open? Answer yes or no."),
            ("the door isn\u{2019}t open", "Is it true that the door is open? Answer yes or no."),
            ("nobody is at the desk", "Is it true that somebody is at the desk? Answer yes or no."),
        ] {
            assert_eq!(read(negative), (question.to_owned(), true), "{negative}");
        }
    }

    #[test]
    fn a_question_is_asked_as_it_is() {
        let statement = Statement::of_question(" Is the door  open ").expect("a question");
        assert_eq!(
            (statement.text(), statement.question()),
            ("Is the door open?", "Is the door open? Answer yes or no.")
        );
        assert_eq!(Statement::of_question("Is there a cup?").expect("a question").question(), "Is there a cup?");
        assert_eq!(Statement::of_question(" ?"), Err(StatementError::Empty));
    }

    #[test]
    fn what_states_nothing_is_refused() {
        for text in ["", "  ", "...", "\u{1b}"] {
            assert_eq!(text.parse::<Statement>(), Err(StatementError::Empty), "{text:?}");
        }
        assert_eq!("is there a cup?".parse::<Statement>(), Err(StatementError::Question));
    }
}

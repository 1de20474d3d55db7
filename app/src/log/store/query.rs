//! What people type to search, read into what FTS5 reads. Knows the search form of texts and no
//! table.
//!
//! The guide names a phrase in quotation marks, `begin*`, `NOT` and `OR`. Everything else that FTS5
//! takes for syntax is only words here: brackets, colons, hyphens, apostrophes, carets, plus signs,
//! `AND`, `NEAR`, a quotation mark alone. Words side by side must all be there; they bind tighter
//! than `NOT`, and that tighter than `OR`, as FTS5 has it.

use std::fmt::Write as _;

use crate::log::store::search_form::{pairs, runs, singles};

/// A piece of what was typed.
#[derive(Debug, PartialEq, Eq)]
enum Token {
    /// A word or phrase; `begins` when what follows it in the same word is free.
    Term {
        text: String,
        begins: bool,
    },
    Not,
    Or,
}

/// The expression for FTS5; None where there is no word in it.
#[must_use]
pub fn expression(typed: &str) -> Option<String> {
    let tokens = operators_with_both_sides(tokens(typed));
    let mut expression = String::new();
    // OR binds loosest, then NOT: brackets around what each of them joins say so to FTS5.
    for (place, alternative) in tokens.split(|token| *token == Token::Or).enumerate() {
        if place > 0 {
            expression.push_str(" OR ");
        }
        expression.push('(');
        for (place, all) in alternative.split(|token| *token == Token::Not).enumerate() {
            if place > 0 {
                expression.push_str(" NOT ");
            }
            let terms: Vec<String> = all
                .iter()
                .filter_map(|token| match token {
                    Token::Term { text, begins } => Some(term(text, *begins)),
                    Token::Not | Token::Or => None,
                })
                .collect();
            // Writing to a text does not fail.
            let _ = write!(expression, "({})", terms.join(" AND "));
        }
        expression.push(')');
    }
    (!tokens.is_empty()).then_some(expression)
}

/// Whether these are words alone, with nothing that says how to search for them: what they mean is
/// then what is looked for.
#[must_use]
pub fn is_plain(typed: &str) -> bool {
    let tokens = tokens(typed);
    let is_word = |token: &Token| matches!(token, Token::Term { begins: false, .. });
    !tokens.is_empty() && tokens.iter().all(is_word) && !typed.contains('"')
}

/// Cuts at white space; a phrase goes to its closing quotation mark.
fn tokens(typed: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = typed.trim_start();
    while !rest.is_empty() {
        let phrase = rest.strip_prefix('"').and_then(|inner| inner.split_once('"'));
        if let Some((phrase, after)) = phrase {
            let begins = after.starts_with('*');
            push_term(&mut tokens, phrase, begins);
            rest = after.trim_start_matches('*').trim_start();
            continue;
        }
        let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        match word {
            "NOT" => tokens.push(Token::Not),
            "OR" => tokens.push(Token::Or),
            word => push_term(&mut tokens, word.trim_end_matches('*'), word.ends_with('*')),
        }
        rest = after.trim_start();
    }
    tokens
}

/// A word without a letter or digit finds nothing and hides nothing.
fn push_term(tokens: &mut Vec<Token>, text: &str, begins: bool) {
    if text.chars().any(char::is_alphanumeric) {
        tokens.push(Token::Term { text: text.to_owned(), begins });
    }
}

/// An operator that lacks a side is only a word.
fn operators_with_both_sides(tokens: Vec<Token>) -> Vec<Token> {
    let mut checked: Vec<Token> = Vec::new();
    let mut rest = tokens.into_iter().peekable();
    while let Some(token) = rest.next() {
        let word = match token {
            Token::Term { .. } => None,
            Token::Not => Some("not"),
            Token::Or => Some("or"),
        };
        let has_left = matches!(checked.last(), Some(Token::Term { .. }));
        let has_right = matches!(rest.peek(), Some(Token::Term { .. }));
        checked.push(match word {
            Some(word) if !has_left || !has_right => Token::Term { text: word.to_owned(), begins: false },
            _ => token,
        });
    }
    checked
}

/// A word or phrase, and the pairs of neighbours in what has no spaces.
fn term(text: &str, begins: bool) -> String {
    let runs = runs(text);
    let words: Vec<String> =
        runs.iter().map(|(is_continuous, run)| if *is_continuous { singles(run) } else { run.clone() }).collect();
    let mut term = quoted(&words.join(" "));
    // Behind a script without spaces everything is free anyway.
    if begins && runs.iter().rfind(|(_, run)| run.chars().any(char::is_alphanumeric)).is_some_and(|(it, _)| !it) {
        term.push('*');
    }
    for (is_continuous, run) in &runs {
        if *is_continuous && run.chars().nth(1).is_some() {
            term.push_str(" AND ");
            term.push_str(&quoted(&pairs(run)));
        }
    }
    term
}

/// Between quotation marks nothing but these means anything.
fn quoted(words: &str) -> String {
    let plain: String = words.chars().map(|c| if c == '"' || c.is_control() { ' ' } else { c }).collect();
    format!("\"{plain}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_phrases_beginnings_and_operators_are_read() {
        for (typed, read) in [
            ("black cat", r#"(("black" AND "cat"))"#),
            (r#""a cup" OR tea*"#, r#"(("a cup")) OR (("tea"*))"#),
            ("cat dog NOT red", r#"(("cat" AND "dog") NOT ("red"))"#),
            (r#""a b"*"#, r#"(("a b"*))"#),
            (
                "doesn't e-scoot* a:b (c) ^d NEAR AND",
                r#"(("doesn't" AND "e-scoot"* AND "a:b" AND "(c)" AND "^d" AND "near" AND "and"))"#,
            ),
            ("T恤衫*", r#"(("t 恤 衫" AND "恤衫"))"#),
            ("猫cat*", r#"(("猫 cat"*))"#),
            ("黒い猫", r#"(("黒 い 猫" AND "黒い い猫"))"#),
            ("猫*", r#"(("猫"))"#),
        ] {
            assert_eq!(expression(typed).as_deref(), Some(read), "{typed}");
        }
        for empty in ["", "  ", "\"\"", "- * ' \""] {
            assert_eq!(expression(empty), None, "{empty}");
        }
    }

    #[test]
    fn words_alone_have_a_meaning() {
        for (typed, plain) in [
            ("a dog outside", true),
            ("what's that?", true),
            ("犬", true),
            ("dog*", false),
            ("\"a dog\"", false),
            ("dog OR cat", false),
            ("dog NOT cat", false),
            ("?", false),
            ("", false),
        ] {
            assert_eq!(is_plain(typed), plain, "{typed}");
        }
    }

    #[test]
    fn an_operator_that_lacks_a_side_is_a_word() {
        assert_eq!(expression("NOT cat").as_deref(), Some(r#"(("not" AND "cat"))"#));
        assert_eq!(expression("cat OR").as_deref(), Some(r#"(("cat" AND "or"))"#));
        assert_eq!(expression("cat OR NOT dog").as_deref(), Some(r#"(("cat" AND "or") NOT ("dog"))"#));
    }
}

//! The form in which text is searched: case and accents alike, and each character of a script
//! without spaces between words a word of its own. Knows the table that holds the forms, and no
//! query.
//!
//! FTS5's tokenizer `unicode61` does this by itself for text in ASCII, which nearly all captions
//! are; only others have a row in `search_form`. There, text in Chinese, Japanese, Korean, Thai,
//! Lao, Khmer or Burmese stands twice: character by character, so that any of them and any sequence
//! of them is found, and in pairs of neighbours, which are rare where characters are common (the
//! bigrams of Lucene's `CJKAnalyzer`).

use icu_normalizer::properties::CanonicalCombiningClassMapBorrowed;
use icu_normalizer::{ComposingNormalizerBorrowed, DecomposingNormalizerBorrowed};
use rusqlite::functions::FunctionFlags;
use rusqlite::{Connection, OptionalExtension as _};

/// The SQL function that folds case and accents.
const FOLDED: &str = "folded";

/// Characters of scripts that put no spaces between words, or that put what other languages have as
/// words of their own behind the word without one (Korean).
fn is_continuous(c: char) -> bool {
    matches!(c,
        '\u{0E01}'..='\u{0E3A}' | '\u{0E40}'..='\u{0E4E}' // Thai, without its digits and signs
        | '\u{0E81}'..='\u{0ECE}' | '\u{0EDC}'..='\u{0EDF}' // Lao
        | '\u{1000}'..='\u{103F}' | '\u{1050}'..='\u{109F}' // Burmese
        | '\u{A9E0}'..='\u{A9EF}' | '\u{AA60}'..='\u{AA7F}' // Burmese, extended
        | '\u{1780}'..='\u{17D3}' // Khmer
        | '\u{3005}'..='\u{3007}' | '\u{3021}'..='\u{3029}' // Marks and numerals among Chinese characters
        | '\u{3031}'..='\u{3035}' | '\u{303B}' // Kana repetition marks
        | '\u{3041}'..='\u{309F}' | '\u{30A1}'..='\u{30FA}' | '\u{30FC}'..='\u{30FF}' // Hiragana and Katakana
        | '\u{3105}'..='\u{312F}' | '\u{31A0}'..='\u{31BF}' | '\u{31F0}'..='\u{31FF}' // Bopomofo, small Katakana
        | '\u{3400}'..='\u{4DBF}' | '\u{4E00}'..='\u{9FFF}' | '\u{F900}'..='\u{FAFF}' // Chinese characters
        | '\u{AC00}'..='\u{D7A3}' // Hangul
        | '\u{20000}'..='\u{3FFFF}' // Rare Chinese characters
    )
}

/// Text with case and accents folded: `Straße` and `STRASSE`, `Café` and `cafe`, `ｶﾌｪ` and `カフェ`
/// become the same.
///
/// Compatible characters become their plain ones (NFKD), accents and vowel points are left out,
/// case goes by way of upper case (so that `ß`, `ς` and `ı` meet what they are written as there).
/// What tells words apart in scripts of Asia stays: vowels, tones and voicing.
#[must_use]
pub fn folded(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    let classes = CanonicalCombiningClassMapBorrowed::new();
    let is_dropped = |c: char| is_accent(classes.get_u8(c)) || is_invisible(c);
    let mut bare = String::with_capacity(text.len());
    for c in DecomposingNormalizerBorrowed::new_nfkd().normalize(text).chars().filter(|c| !is_dropped(*c)) {
        // Lower case may bring an accent back: that of the Turkish capital İ.
        for c in c.to_uppercase().flat_map(char::to_lowercase).filter(|c| !is_dropped(*c)) {
            push_base(&mut bare, c);
        }
    }
    ComposingNormalizerBorrowed::new_nfc().normalize(&bare).into_owned()
}

/// Whether a canonical combining class is that of marks that people leave out when they search:
/// Latin, Greek and Cyrillic accents, Hebrew and Arabic points, the nukta. The classes of vowels
/// and tones of Thai, Lao and Tibetan, of the virama and of the voicing of Kana are not among them
/// (Unicode Standard Annex 44, table 15).
fn is_accent(class: u8) -> bool {
    matches!(class, 1 | 7 | 10..=36 | 200..=240)
}

/// What is not seen within a word: joiners, marks of direction, variation selectors, the soft
/// hyphen, and the Arabic line that only makes a word longer.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{00AD}' | '\u{0640}' | '\u{200B}'..='\u{200F}' | '\u{2060}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}')
}

/// Adds a letter; what stands for it where it has a stroke or is a ligature, which have no
/// decomposition.
fn push_base(text: &mut String, c: char) {
    match c {
        'ø' => text.push('o'),
        'đ' => text.push('d'),
        'ł' => text.push('l'),
        'ħ' => text.push('h'),
        'ŧ' => text.push('t'),
        'æ' => text.push_str("ae"),
        'œ' => text.push_str("oe"),
        c => text.push(c),
    }
}

/// A folded text in pieces: runs of continuous characters, and what stands between them.
#[must_use]
pub fn runs(text: &str) -> Vec<(bool, String)> {
    let mut runs: Vec<(bool, String)> = Vec::new();
    for c in folded(text).chars() {
        let continuous = is_continuous(c);
        match runs.last_mut() {
            Some((last, run)) if *last == continuous => run.push(c),
            _ => runs.push((continuous, c.to_string())),
        }
    }
    runs
}

/// The characters of a run, each a word of its own.
#[must_use]
pub fn singles(run: &str) -> String {
    let singles: Vec<String> = run.chars().map(String::from).collect();
    singles.join(" ")
}

/// The pairs of neighbours in a run; empty for a single character.
#[must_use]
pub fn pairs(run: &str) -> String {
    let characters: Vec<char> = run.chars().collect();
    let pairs: Vec<String> = characters.windows(2).map(|pair| pair.iter().collect()).collect();
    pairs.join(" ")
}

/// The form of a text in the index.
fn indexed(text: &str) -> String {
    let (mut words, mut neighbours) = (String::new(), String::new());
    for (is_continuous, run) in runs(text) {
        if is_continuous {
            words.push(' ');
            words.push_str(&singles(&run));
            words.push(' ');
            neighbours.push(' ');
            neighbours.push_str(&pairs(&run));
        } else {
            words.push_str(&run);
        }
    }
    words + &neighbours
}

/// Writes the forms of an entry's texts, where the tokenizer does not make them by itself.
///
/// # Errors
/// When SQLite can't write.
pub fn insert(
    connection: &Connection,
    entry: i64,
    text: &str,
    question: Option<&str>,
    note: Option<&str>,
) -> rusqlite::Result<()> {
    if [Some(text), question, note].into_iter().flatten().all(str::is_ascii) {
        return Ok(());
    }
    connection
        .prepare_cached("INSERT INTO search_form (entry, text, question, note) VALUES (?1, ?2, ?3, ?4)")?
        .execute((entry, indexed(text), question.map(indexed), note.map(indexed)))
        .map(|_| ())
}

/// Writes the forms of an entry anew. Those of before are gone: every change of an entry's texts
/// removes them.
///
/// # Errors
/// When SQLite can't write.
pub fn refresh(connection: &Connection, entry: i64) -> rusqlite::Result<()> {
    let texts = connection
        .query_row("SELECT text, question, note FROM entry WHERE id = ?1", [entry], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, Option<String>>(1)?, row.get::<_, Option<String>>(2)?))
        })
        .optional()?;
    match texts {
        Some((text, question, note)) => insert(connection, entry, &text, question.as_deref(), note.as_deref()),
        None => Ok(()),
    }
}

/// Writes the forms of all entries that need one: for a log that has none yet.
///
/// # Errors
/// When SQLite can't write.
pub fn fill(connection: &Connection) -> rusqlite::Result<()> {
    // What is printable in ASCII needs none; a line break among it costs a look.
    let other = "text GLOB '*[^ -~]*' OR question GLOB '*[^ -~]*' OR note GLOB '*[^ -~]*'";
    let mut entries = connection.prepare(&format!("SELECT id FROM entry WHERE {other}"))?;
    let ids: Vec<i64> = entries.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
    ids.into_iter().try_for_each(|id| refresh(connection, id))
}

/// Lets SQL fold case and accents. Only queries use it: the tables work without it.
///
/// # Errors
/// When SQLite has no room for it.
pub fn add_function(connection: &Connection) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    connection.create_scalar_function(FOLDED, 1, flags, |context| Ok(context.get_raw(0).as_str_or_null()?.map(folded)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_and_accents_are_alike_in_every_script() {
        for (written, searched) in [
            ("Café", "CAFE"),
            ("cafe\u{301}", "café"),
            ("Straße", "STRASSE"),
            ("ΓΆΤΟΣ", "γατος"),
            ("Ёлка", "елка"),
            ("İstanbul", "ISTANBUL"),
            ("Smørrebrød", "smorrebrod"),
            ("ﬁre", "FIRE"),
            ("ＡＢＣ", "abc"),
            ("ｶﾞﾗｽ", "ガラス"),
            ("قِطَّة", "قطة"),
            ("חָתוּל", "חתול"),
            ("Con mèo đen", "con meo den"),
            ("\u{1100}\u{1169}\u{110B}\u{1163}\u{11BC}\u{110B}\u{1175}", "고양이"),
            ("می\u{200C}خواهم", "میخواهم"),
        ] {
            assert_eq!(folded(written), folded(searched), "{written}");
        }
    }

    #[test]
    fn what_tells_words_apart_stays() {
        for (one, other) in [("か", "が"), ("หมา", "ม้า"), ("काला", "कला"), ("はは", "ぱぱ")]
        {
            assert_ne!(folded(one), folded(other), "{one}");
        }
    }

    #[test]
    fn a_text_without_spaces_is_indexed_by_characters_and_pairs() {
        assert_eq!(indexed("T恤2件").split_whitespace().collect::<Vec<_>>(), ["t", "恤", "2", "件"]);
        assert_eq!(indexed("黒い猫 a").split_whitespace().collect::<Vec<_>>(), ["黒", "い", "猫", "a", "黒い", "い猫"]);
    }
}

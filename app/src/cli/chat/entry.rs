//! What a line typed into the chat means. Knows the file system's names, and no model.

use std::path::{Path, PathBuf};

use crate::capture::web;

/// Whether a backslash keeps the character after it. On Windows it parts folders.
const BACKSLASH_KEEPS: bool = cfg!(not(windows));

/// The commands, for help and completion.
pub const COMMANDS: [(&str, &str); 7] = [
    ("/images", "list the pictures of this conversation"),
    ("/once QUESTION", "ask, and forget question and answer"),
    ("/undo", "forget the last picture that waits, or the last question and its answer"),
    ("/reset", "forget everything"),
    ("/save FILE", "write the conversation to a file, as JSON if its name ends in .json"),
    ("/help", "show this"),
    ("/quit", "end, as Ctrl-D does"),
];

/// A command with what it needs.
#[derive(Debug, PartialEq, Eq)]
pub enum Command {
    Images,
    Once(String),
    Undo,
    Reset,
    Save(PathBuf),
    Help,
    Quit,
}

/// The command that a line gives, if it is one: an oblique and a word, unless a file is called so.
///
/// # Errors
/// A sentence for people when there is no such command, or it needs something else after it.
pub fn command(line: &str) -> Option<Result<Command, String>> {
    let line = line.trim();
    let (name, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let word = name.strip_prefix('/')?;
    if !word.chars().all(|c| c.is_ascii_alphabetic()) || (!word.is_empty() && Path::new(name).exists()) {
        return None;
    }
    let rest = rest.trim();
    let alone = |command| if rest.is_empty() { Ok(command) } else { Err(format!("Write {name} alone on its line.")) };
    Some(match word.to_ascii_lowercase().as_str() {
        "images" => alone(Command::Images),
        "undo" => alone(Command::Undo),
        "reset" => alone(Command::Reset),
        "help" => alone(Command::Help),
        "quit" | "exit" => alone(Command::Quit),
        "once" if rest.is_empty() => Err("Write the question behind /once.".to_owned()),
        "once" => Ok(Command::Once(rest.to_owned())),
        "save" if rest.is_empty() => Err("Write the name of the file behind /save.".to_owned()),
        "save" => Ok(Command::Save(path(rest))),
        _ => Err(format!("There is no command {name}. /help shows those that there are.")),
    })
}

/// The pictures that a line names: one, or several when each of them is a file, as when files are
/// dropped on a terminal.
pub fn pictures(line: &str) -> Vec<PathBuf> {
    let line = line.trim();
    let whole = path(line);
    if !whole.exists() {
        let several: Vec<PathBuf> = words(line).iter().map(|word| path(word)).collect();
        if several.iter().all(|path| path.exists()) {
            return several;
        }
    }
    vec![whole]
}

/// Whether a line, typed where a picture is asked for, is a question: more than a word or with a
/// question mark, and nothing in it says that a picture is meant.
pub fn is_question(line: &str) -> bool {
    let line = line.trim();
    let is_path = line.starts_with(['/', '.', '~', '"', '\'']) || Path::new(line).is_absolute();
    if is_path || pictures(line).iter().all(|path| path.exists()) {
        return false;
    }
    let mut words = line.split_whitespace();
    let last = words.next_back().unwrap_or_default();
    let several = words.next().is_some();
    line.contains(" @") || line.starts_with('@') || last.ends_with('?') || (several && !is_picture_name(last))
}

/// A piece of a question.
#[derive(Debug, PartialEq, Eq)]
pub enum Piece {
    Words(String),
    Picture(PathBuf),
}

/// A question with its pictures, which stand in it as `@picture.png` or `@"my picture.png"`.
///
/// An `@` before anything else is only a character. White space before a picture is none of the
/// question's: the model knows pictures that follow their words at once.
pub fn pieces(question: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut words = String::new();
    let mut rest = question.trim();
    while let Some(at) = rest.find('@') {
        let (before, from) = rest.split_at(at);
        let opens = before.chars().next_back().map_or(words.is_empty(), |c| c.is_whitespace() || c == '(');
        words.push_str(before);
        if let Some((path, length)) = mention(&from[1..]).filter(|_| opens) {
            push_words(&mut pieces, words.trim_end());
            words.clear();
            pieces.push(Piece::Picture(path));
            rest = &from[1 + length..];
        } else {
            words.push('@');
            rest = &from[1..];
        }
    }
    words.push_str(rest);
    push_words(&mut pieces, &words);
    pieces
}

fn push_words(pieces: &mut Vec<Piece>, words: &str) {
    if !words.trim().is_empty() {
        pieces.push(Piece::Words(words.to_owned()));
    }
}

/// The picture named at the beginning of `text`, and how many bytes name it. A file that is not
/// there counts by its name, so that it is missed.
fn mention(text: &str) -> Option<(PathBuf, usize)> {
    if let Some(quoted) = text.strip_prefix('"') {
        let length = quoted.find('"')?;
        return Some((home(&quoted[..length]), length + 2));
    }
    let word = text.split_whitespace().next().filter(|_| !text.starts_with(char::is_whitespace))?;
    let bare = word.trim_end_matches(['?', '!', '.', ',', ';', ':', ')']);
    [word, bare].into_iter().map(|name| (home(name), name.len())).find(|(path, length)| {
        *length > 0 && (path.is_file() || (*length == bare.len() && (is_picture_name(bare) || web::is_address(bare))))
    })
}

/// Whether a name ends as those of pictures do.
fn is_picture_name(name: &str) -> bool {
    image::ImageFormat::from_path(name.trim_end_matches(['"', '\''])).is_ok()
}

/// A path as people write it: in quotes or not, `~/` for their folder, and spaces with a backslash
/// if there is no such file otherwise.
fn path(text: &str) -> PathBuf {
    let text = text.trim();
    let unquoted = ['"', '\'']
        .into_iter()
        .find_map(|quote| text.strip_prefix(quote)?.strip_suffix(quote))
        .filter(|_| text.len() > 1)
        .unwrap_or(text);
    let written = home(unquoted);
    if written.exists() {
        return written;
    }
    match words(text).as_slice() {
        [word] if home(word).exists() => home(word),
        _ => written,
    }
}

/// With the person's folder in place of `~`.
fn home(text: &str) -> PathBuf {
    let below = text.strip_prefix('~').and_then(|rest| rest.strip_prefix(std::path::is_separator));
    match (below, std::env::home_dir()) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => text.into(),
    }
}

/// The words of a line, as the system's shell takes them: quotes hold a word together, and a
/// backslash may keep the character after it.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    let mut characters = line.chars();
    while let Some(c) = characters.next() {
        match (c, quote) {
            ('"' | '\'', None) => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (_, Some(open)) if c == open => quote = None,
            ('\\', None) if BACKSLASH_KEEPS => word.get_or_insert_default().push(characters.next().unwrap_or(c)),
            (_, None) if c.is_whitespace() => words.extend(word.take()),
            _ => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn a_folder(names: &[&str]) -> (tempfile::TempDir, Vec<String>) {
        let folder = tempfile::tempdir().expect("a folder");
        let paths = names.iter().map(|name| folder.path().join(name));
        let paths = paths.map(|path| fs::write(&path, "").map(|()| path.display().to_string()).expect("written"));
        let paths = paths.collect();
        (folder, paths)
    }

    fn given(line: &str) -> Command {
        command(line).expect("a command").expect(line)
    }

    #[test]
    fn commands_are_read_with_what_they_need() {
        assert_eq!(given("/undo"), Command::Undo);
        assert_eq!(given(" /QUIT "), Command::Quit);
        assert_eq!(given("/once  Is it red? "), Command::Once("Is it red?".to_owned()));
        assert_eq!(given("/save \"my talk.json\""), Command::Save("my talk.json".into()));
        for (line, why) in [
            ("/once", "question behind /once"),
            ("/save ", "file behind /save"),
            ("/undo it", "alone"),
            ("/jump", "no command /jump"),
        ] {
            let refused = command(line).expect("a command").expect_err(line);
            assert!(refused.contains(why), "{refused}");
        }
    }

    #[test]
    fn paths_are_no_commands() {
        let (_folder, paths) = a_folder(&["a.png"]);
        assert!(command(&paths[0]).is_none());
        for line in ["", "help", "/no/such.png", "/a.png"] {
            assert!(command(line).is_none(), "{line}");
        }
        #[cfg(unix)]
        assert!(command("/tmp").is_none());
    }

    #[test]
    fn every_command_in_the_help_is_one() {
        for (name, _) in COMMANDS {
            let line = name.replace("QUESTION", "Why?").replace("FILE", "a.txt");
            given(&line);
        }
    }

    #[test]
    fn pictures_are_found_however_their_paths_are_written() {
        let (_folder, paths) = a_folder(&["a.png", "my cat's.png"]);
        let (plain, spaced) = (&paths[0], &paths[1]);
        assert_eq!(pictures(plain), [PathBuf::from(plain)]);
        assert_eq!(pictures(&format!(" '{plain}' ")), [PathBuf::from(plain)]);
        for written in [spaced.clone(), format!("\"{spaced}\"")] {
            assert_eq!(pictures(&written), [PathBuf::from(spaced)], "{written}");
        }
        if BACKSLASH_KEEPS {
            let escaped = spaced.replace(' ', "\\ ").replace('\'', "\\'");
            assert_eq!(pictures(&escaped), [PathBuf::from(spaced)], "{escaped}");
        }
        assert_eq!(pictures(&format!("{plain} \"{spaced}\"")), [PathBuf::from(plain), PathBuf::from(spaced)]);
        let missing = format!("{plain} b.png");
        assert_eq!(pictures(&missing), [PathBuf::from(&missing)], "one of them is not there");
    }

    #[test]
    fn a_question_is_told_from_a_path() {
        // No file of Windows has a question mark in its name.
        let (_folder, paths) = a_folder(&[if cfg!(windows) { "What is it" } else { "What is it?" }]);
        for line in ["What is it", "Why?", "Is that a cat.", "Is it in a.png?", "@a.png", "And in @a.png"] {
            assert!(is_question(line), "{line}");
        }
        for line in ["cat", "cat.png", "my cat.png", "/no/such file", "~/no such", "\"my cat\"", &paths[0]] {
            assert!(!is_question(line), "{line}");
        }
    }

    #[test]
    fn pictures_stand_in_a_question() {
        let (_folder, paths) = a_folder(&["a.png", "my cat.png", "noext"]);
        let [a, cat, noext] = [&paths[0], &paths[1], &paths[2]];
        let words = |text: &str| Piece::Words(text.to_owned());
        let picture = |path: &str| Piece::Picture(path.into());
        assert_eq!(pieces(" What is it? "), [words("What is it?")]);
        assert_eq!(
            pieces(&format!("What is in @{a} this image?")),
            [words("What is in"), picture(a), words(" this image?")]
        );
        assert_eq!(
            pieces(&format!("@{a} and @\"{cat}\": what differs?")),
            [picture(a), words(" and"), picture(cat), words(": what differs?")]
        );
        assert_eq!(pieces(&format!("Is it @{noext}?")), [words("Is it"), picture(noext), words("?")]);
        assert_eq!(pieces("Is it @gone.png?"), [words("Is it"), picture("gone.png"), words("?")], "to be missed");
        assert_eq!(pieces("Is @https://x.org/?a=1, big?").len(), 3, "an address needs no picture's name");
        assert_eq!(pieces(&format!("@{a}@{a}")).len(), 1, "an address or a handle is no picture");
        for text in ["me@a.png", "@", "@ a.png", "ask @nobody", "5 @ 3"] {
            assert_eq!(pieces(text), [words(text)], "{text}");
        }
    }
}

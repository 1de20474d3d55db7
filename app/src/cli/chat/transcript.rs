//! What was said so far, for people: the pictures, and the conversation as a file. Knows no model.

use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::Serialize;
use vlm::Stop;

use crate::engine::EngineCard;

/// A piece of what a person said. Keys and order are a contract of `/save FILE.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Said {
    /// A picture by its path, with its size in pixels.
    Image { image: String, width: u32, height: u32 },
    /// Words.
    Text { text: String },
}

/// A turn and its answer.
#[derive(Clone, Debug, Serialize)]
pub struct Exchange {
    /// In order.
    pub said: Vec<Said>,
    pub answer: String,
    pub stop: Stop,
}

impl Exchange {
    /// The words of the question.
    pub fn question(&self) -> String {
        let words = self.said.iter().filter_map(|piece| match piece {
            Said::Text { text } => Some(text.trim()),
            Said::Image { .. } => None,
        });
        words.collect::<Vec<_>>().join(" ")
    }
}

/// The conversation.
#[derive(Default)]
pub struct Transcript {
    pub exchanges: Vec<Exchange>,
    /// Where it was saved, to be replaced without a question.
    saved: Vec<PathBuf>,
}

/// The file that `/save` writes.
#[derive(Serialize)]
struct Saved<'a> {
    model: &'a str,
    device: &'a str,
    precision: &'a str,
    exchanges: &'a [Exchange],
}

impl Transcript {
    /// A line a picture: those that were asked about, and those that wait for a question.
    pub fn images(&self, waiting: &[Said]) -> String {
        let mut list = String::new();
        let mut number = 0;
        let turns = self.exchanges.iter().enumerate().map(|(n, turn)| (format!("turn {}", n + 1), &turn.said[..]));
        for (place, said) in turns.chain([("waiting for a question".to_owned(), waiting)]) {
            for piece in said {
                if let Said::Image { image, width, height } = piece {
                    number += 1;
                    // Writing to a string does not fail.
                    let _ = writeln!(list, "{number}. {image} ({width} x {height}), {place}");
                }
            }
        }
        if list.is_empty() {
            list.push_str("There are no pictures yet.\n");
        }
        list
    }

    /// The conversation as it looked on the screen.
    fn text(&self) -> String {
        let mut text = String::new();
        for Exchange { said, answer, .. } in &self.exchanges {
            for piece in said {
                let _ = match piece {
                    Said::Image { image, .. } => writeln!(text, "img> {image}"),
                    Said::Text { text: words } => writeln!(text, "txt> {}", words.trim()),
                };
            }
            let _ = writeln!(text, "{answer}\n");
        }
        text
    }

    /// Writes the conversation: as JSON if the name ends so, otherwise as text. Replaces no file
    /// but one of its own.
    ///
    /// # Errors
    /// A sentence for people.
    pub fn save(&mut self, path: &Path, card: &EngineCard) -> Result<(), String> {
        if self.exchanges.is_empty() {
            return Err("There is nothing to save yet.".to_owned());
        }
        self.write(path, card).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => {
                format!("There is a file {} already, and it was left as it is. Choose another name.", path.display())
            }
            _ => format!("{} can't be written ({error}). Choose another place.", path.display()),
        })?;
        self.saved.push(path.to_owned());
        Ok(())
    }

    fn write(&self, path: &Path, card: &EngineCard) -> io::Result<()> {
        let is_json = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
        let mut content = if is_json {
            let EngineCard { model, device, precision, .. } = card;
            serde_json::to_string_pretty(&Saved { model, device, precision, exchanges: &self.exchanges })?
        } else {
            self.text()
        };
        if is_json {
            content.push('\n');
        }
        let mut file = if self.saved.iter().any(|saved| saved == path) {
            File::create(path)?
        } else {
            OpenOptions::new().write(true).create_new(true).open(path)?
        };
        file.write_all(content.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use serde_json::{Value, json};

    use super::*;

    fn image(name: &str) -> Said {
        Said::Image { image: name.to_owned(), width: 4, height: 3 }
    }

    fn words(text: &str) -> Said {
        Said::Text { text: text.to_owned() }
    }

    fn card() -> EngineCard {
        EngineCard {
            model: "demo".to_owned(),
            device: "cpu".to_owned(),
            precision: "f32".to_owned(),
            ..EngineCard::default()
        }
    }

    fn transcript() -> Transcript {
        let exchange = |said, answer: &str| Exchange { said, answer: answer.to_owned(), stop: Stop::End };
        let exchanges =
            vec![exchange(vec![image("a.png"), words("What?")], "A cup."), exchange(vec![words("Whose?")], "Yours.")];
        Transcript { exchanges, ..Transcript::default() }
    }

    #[test]
    fn pictures_are_listed_with_their_place() {
        let list = transcript().images(&[image("b.png")]);
        assert_eq!(list, "1. a.png (4 x 3), turn 1\n2. b.png (4 x 3), waiting for a question\n");
        assert_eq!(Transcript::default().images(&[]), "There are no pictures yet.\n");
    }

    #[test]
    fn a_conversation_is_saved_as_text_or_json() {
        let folder = tempfile::tempdir().expect("a folder");
        let (text, json) = (folder.path().join("talk.txt"), folder.path().join("talk.JSON"));
        let mut transcript = transcript();
        transcript.save(&text, &card()).expect("saved");
        transcript.save(&json, &card()).expect("saved");
        let written = fs::read_to_string(text).expect("text");
        assert_eq!(written, "img> a.png\ntxt> What?\nA cup.\n\ntxt> Whose?\nYours.\n\n");
        let value: Value = serde_json::from_str(&fs::read_to_string(json).expect("text")).expect("JSON");
        assert_eq!(
            value,
            json!({
                "model": "demo", "device": "cpu", "precision": "f32",
                "exchanges": [
                    {"said": [{"image": "a.png", "width": 4, "height": 3}, {"text": "What?"}], "answer": "A cup.", "stop": "end"},
                    {"said": [{"text": "Whose?"}], "answer": "Yours.", "stop": "end"},
                ],
            })
        );
    }

    #[test]
    fn only_its_own_files_are_replaced() {
        let folder = tempfile::tempdir().expect("a folder");
        let (own, other) = (folder.path().join("own.txt"), folder.path().join("other.txt"));
        fs::write(&other, "precious").expect("written");
        let mut transcript = transcript();
        assert!(transcript.save(&other, &card()).expect_err("refused").contains("already"));
        assert_eq!(fs::read_to_string(&other).expect("text"), "precious");
        transcript.save(&own, &card()).expect("saved");
        transcript.exchanges.pop();
        transcript.save(&own, &card()).expect("saved again");
        assert!(!fs::read_to_string(&own).expect("text").contains("Whose?"));
        let nowhere = folder.path().join("no/such/folder.txt");
        assert!(transcript.save(&nowhere, &card()).expect_err("refused").contains("can't be written"));
        assert!(Transcript::default().save(&own, &card()).expect_err("refused").contains("nothing to save"));
    }
}

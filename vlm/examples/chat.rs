//! Answers each line of standard input, and remembers all of them:
//! `cargo run --release --example chat -- FOLDER [PICTURE]`.

use std::error::Error;
use std::io::{BufRead, Write};
use std::path::Path;
use std::sync::Arc;

use vlm::{Cancel, Conversation, LoadOptions, Model, ModelFiles, Part, Sampling, Say, Tiling};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some(folder) = arguments.first() else { return Err("Usage: chat FOLDER [PICTURE]".into()) };
    let model = Model::load(&ModelFiles::in_folder(Path::new(folder))?, LoadOptions::default())?;
    let mut conversation = Conversation::new(Arc::new(model), Tiling::One)?;
    // A picture goes before the first words about it.
    let mut parts = Vec::new();
    for picture in arguments.iter().skip(1) {
        parts.push(Part::Picture(image::open(picture)?.to_rgb8()));
    }
    let mut out = std::io::stdout();
    for line in std::io::stdin().lock().lines() {
        parts.push(Part::Text(line?));
        let turn = Say { parts: &parts, max_tokens: 200, ignore_end: false, sampling: Sampling::Greedy };
        conversation.say(turn, &Cancel::default(), &mut |piece| {
            let _ = write!(out, "{piece}").and_then(|()| out.flush());
        })?;
        writeln!(out)?;
        parts.clear();
    }
    Ok(())
}

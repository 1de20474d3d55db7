//! Asks a yes or no question about a picture and says how likely each answer is:
//! `cargo run --release --example ask -- FOLDER PICTURE QUESTION`.

use std::error::Error;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use vlm::{Cancel, LoadOptions, Model, ModelFiles, Reuse, Scored, Session, Tiling};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, picture, question] = &arguments[..] else {
        return Err("Usage: ask FOLDER PICTURE QUESTION".into());
    };
    let model = Model::load(&ModelFiles::in_folder(Path::new(folder))?, LoadOptions::default())?;
    let mut session = Session::new(Arc::new(model))?;
    let cancel = Cancel::default();

    let picture = image::open(picture)?.to_rgb8();
    session.set_images(&[&picture], Tiling::One, Reuse::IfIdentical, &cancel)?;
    let choices = ["Yes", "No"];
    let scores = session.score(&[Scored { question, choices: &choices }], &cancel)?;
    for (choice, log_prob) in choices.iter().zip(&scores[0].log_probs) {
        writeln!(std::io::stdout(), "{choice}: {:.1} %", 100.0 * log_prob.exp())?;
    }
    Ok(())
}

//! Describes a picture: `cargo run --release --example caption -- FOLDER PICTURE`.
//!
//! FOLDER holds a SmolVLM checkpoint, such as `vlm/fixtures/tiny-2b`.

use std::error::Error;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use vlm::{Ask, Cancel, LoadOptions, Model, ModelFiles, Reuse, Sampling, Session, Tiling};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, picture] = &arguments[..] else { return Err("Usage: caption FOLDER PICTURE".into()) };
    let model = Model::load(&ModelFiles::in_folder(Path::new(folder))?, LoadOptions::default())?;
    let mut session = Session::new(Arc::new(model))?;
    let cancel = Cancel::default();

    let picture = image::open(picture)?.to_rgb8();
    session.set_images(&[&picture], Tiling::One, Reuse::IfIdentical, &cancel)?;
    let ask = Ask { prompt: "Describe this image.", max_tokens: 80, ignore_end: false, sampling: Sampling::Greedy };
    let mut out = std::io::stdout();
    let reply = session.caption(ask, &cancel, &mut |piece| {
        let _ = write!(out, "{piece}").and_then(|()| out.flush());
    })?;
    writeln!(out, "\n{} tokens in {:?}", reply.token_ids.len(), reply.timings.total())?;
    Ok(())
}

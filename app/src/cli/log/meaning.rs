//! `log search` by meaning, and `log embed`.

use std::io::{self, IsTerminal as _, Write};
use std::time::Duration;

use clap::ValueEnum;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use vlm::Cancel;

use crate::base::message::Message;
use crate::base::text::entries;
use crate::cli::{consent, download};
use crate::log::{Embedder, EntryWords, Meant, Store, is_plain, local_embedder};
use crate::models::spec::ModelSpec;
use crate::models::{self, ModelSize, SENTENCES, bytes};

/// Entries whose vectors are made, and written, at a time.
const BATCH: usize = 64;
/// How often the bar is drawn, per second, and how often it turns.
const DRAWN: u8 = 10;
const TURN: Duration = Duration::from_millis(120);

/// What a search goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum By {
    /// The words themselves, newest first
    Words,
    /// What they mean, nearest first: "dog" finds a puppy
    Meaning,
    /// Both as one list, best first
    Both,
}

/// A search as it is carried out.
pub enum Way {
    /// By words.
    Words,
    /// By meaning.
    Meaning(Meant),
    /// By both.
    Both(Meant),
}

/// How to search for these words. Where nobody says how, by both, if that takes nothing more than
/// is here already.
///
/// # Errors
/// When what they mean is asked for, and there is no model, or it fails.
pub fn way(by: Option<By>, words: &str, store: &Store, cancel: &Cancel) -> anyhow::Result<Way> {
    let by = match by {
        Some(by) => by,
        None if is_plain(words) && is_here() && store.has_meanings(SENTENCES.hub_id)? => By::Both,
        None => By::Words,
    };
    Ok(match by {
        By::Words => Way::Words,
        By::Meaning => Way::Meaning(meant(&mut *embedder(cancel)?, words, cancel)?),
        By::Both => Way::Both(meant(&mut *embedder(cancel)?, words, cancel)?),
    })
}

fn meant(embedder: &mut dyn Embedder, words: &str, cancel: &Cancel) -> anyhow::Result<Meant> {
    let vector = embedder.embed(&[words], cancel)?.into_iter().next().unwrap_or_default();
    Ok(Meant { model: embedder.model().to_owned(), vector })
}

/// What else to try where a search has found nothing, or not looked at all entries.
///
/// # Errors
/// When the log can't be read.
pub fn advice(store: &Store, by: Option<By>, words: &str) -> anyhow::Result<Option<String>> {
    if by == Some(By::Words) || !is_plain(words) {
        return Ok(None);
    }
    if !is_here() {
        return Ok(Some(format!(
            "Search by meaning finds other words for it, too: `sightline models download {}` gets its model, {}.",
            SENTENCES.name,
            size()
        )));
    }
    let (_, without) = store.count_meanings(SENTENCES.hub_id)?;
    let advice = || format!("{} can't be found by meaning yet: run `sightline log embed`.", entries(without));
    Ok((without > 0).then(advice))
}

/// Makes the vectors of all entries that have none, the newest first.
///
/// # Errors
/// When there is no model or it fails, the log can't be read or written, or `cancel` was raised:
/// what was made by then is kept.
pub fn embed(store: &mut Store, cancel: &Cancel, err: &mut impl Write) -> anyhow::Result<()> {
    let mut embedder = embedder(cancel)?;
    let model = embedder.model().to_owned();
    let (_, left) = store.count_meanings(&model)?;
    let bar = Bar::new(left);
    let (mut done, mut before) = (0, i64::MAX);
    loop {
        let mut words = store.without_meaning(&model, before, BATCH)?;
        let Some(last) = words.last() else { break };
        before = last.entry;
        // What several entries say is turned into a vector once.
        words.sort_by(|a, b| a.text.cmp(&b.text));
        let groups: Vec<&[EntryWords]> = words.chunk_by(|a, b| a.text == b.text).collect();
        let texts: Vec<&str> = groups.iter().map(|group| group[0].text.as_str()).collect();
        if cancel.is_cancelled() {
            return Err(stopped(done, left));
        }
        let vectors = match embedder.embed(&texts, cancel) {
            Err(_) if cancel.is_cancelled() => return Err(stopped(done, left)),
            made => made?,
        };
        let of_group = |(group, vector): (&&[EntryWords], Vec<f32>)| -> Vec<(i64, Vec<f32>)> {
            group.iter().map(|words| (words.entry, vector.clone())).collect()
        };
        let vectors: Vec<_> = groups.iter().zip(vectors).flat_map(of_group).collect();
        done += store.add_meanings(&model, &vectors)?;
        bar.0.set_position(done);
    }
    drop(bar);
    match done {
        0 => writeln!(err, "All entries can be found by meaning already.")?,
        done => writeln!(err, "{} can be found by meaning now.", entries(done))?,
    }
    Ok(())
}

fn stopped(done: u64, left: u64) -> anyhow::Error {
    let what = format!("Stopped: {} of {left} can be found by meaning now.", entries(done));
    Message::new(what).hint("Run it again: it goes on with the others.").into()
}

fn is_here() -> bool {
    models::in_cache(SENTENCES.hub_id).is_some()
}

fn size() -> String {
    ModelSize::of(&ModelSpec::Named(SENTENCES), None).map_or_else(String::new, |size| bytes(size.download()))
}

/// The model of this machine. Where it is not here, a person is asked whether to download it.
fn embedder(cancel: &Cancel) -> anyhow::Result<Box<dyn Embedder>> {
    let open = local_embedder(None);
    if let Some(embedder) = open()? {
        return Ok(embedder);
    }
    let absent = || {
        Message::new("Search by meaning takes a model that is not on this machine.").hint(format!(
            "`sightline models download {}` gets it, {}.",
            SENTENCES.name,
            size()
        ))
    };
    let question = format!("Search by meaning takes a model, {} from the hub. Download it now?", size());
    if consent::ask(&question)? != Some(true) {
        return Err(absent().into());
    }
    download::fetch(&ModelSpec::Named(SENTENCES), cancel)?;
    Ok(open()?.ok_or_else(absent)?)
}

/// A bar for those who watch, gone when it is dropped.
struct Bar(ProgressBar);

impl Bar {
    fn new(all: u64) -> Self {
        let is_watched = io::stderr().is_terminal();
        let target = if is_watched { ProgressDrawTarget::stderr_with_hz(DRAWN) } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(Some(all), target);
        if let Ok(style) = ProgressStyle::with_template("{spinner} {bar:30} {pos} of {len} entries, {eta} left") {
            bar.set_style(style);
        }
        if is_watched {
            bar.enable_steady_tick(TURN);
        }
        Self(bar)
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

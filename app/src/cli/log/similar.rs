//! `log similar`: views that are like an entry's, or like a picture.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;
use vlm::{Cancel, Reuse, Scored};

use crate::base::message::Message;
use crate::base::text::one_line;
use crate::capture::picture_named;
use crate::cli::args::ModelArgs;
use crate::cli::download;
use crate::cli::log::no_entry;
use crate::cli::output::Notes;
use crate::cli::parse::whole;
use crate::cli::times;
use crate::engine;
use crate::engine::{Shown, ViewOptions};
use crate::log::{EntryView, SimilarView, Store, ViewFilter};

/// Views that are given unless told otherwise.
const MOST: usize = 20;

/// The arguments of `similar`.
#[derive(Args, Clone, Debug)]
pub struct SimilarArgs {
    /// The number of an entry, or a picture
    #[arg(value_name = "ID|PICTURE")]
    like: PathBuf,

    /// Captured since then: "2 hours ago", 2026-11-24 or 2026-11-24T15:30:00Z
    #[arg(long, value_name = "TIME", value_parser = times::moment)]
    since: Option<i64>,

    /// Captured before then
    #[arg(long, value_name = "TIME", value_parser = times::moment)]
    until: Option<i64>,

    /// At most so many
    #[arg(long, value_name = "N", default_value_t = MOST, value_parser = whole::<usize, 1, 1000>)]
    limit: usize,

    /// Print one JSON object a view, each on a line of its own
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    model: ModelArgs,
}

/// A view. The keys are a contract.
#[derive(Serialize)]
struct Line<'a> {
    time: String,
    similarity: f32,
    source: &'a str,
    session: i64,
    frame: i64,
    entry: Option<i64>,
}

/// Finds and prints.
///
/// # Errors
/// When there is no such entry or picture, its view was not kept, the log can't be read, the model
/// can't be used or fails, or `out` can't be written.
pub fn run(store: &Store, args: &SimilarArgs, cancel: &Cancel, out: &mut impl Write) -> anyhow::Result<()> {
    let like = match args.like.to_str().and_then(|text| text.parse::<i64>().ok()) {
        Some(id) => of_entry(store, id)?,
        None => of_picture(&args.like, &args.model, cancel)?,
    };
    let (since_ms, until_ms) = (args.since.unwrap_or(i64::MIN), args.until.unwrap_or(i64::MAX));
    let filter = ViewFilter { since_ms, until_ms, ..like.filter.clone() };
    let found = store.similar(&like.features, &filter, Some(like.moment), args.limit)?;
    if found.is_empty() {
        let ViewFilter { model, precision, .. } = &like.filter;
        let what = format!("The log keeps no other views of {model} in {precision} of that time.");
        let what = Message::new(one_line(&what));
        return Err(what.hint("Record with `sightline watch --log --keep-views`.").into());
    }
    let others = store.other_views(&filter)?;
    if others > 0 {
        let others = crate::base::text::count(others, "view", "views");
        Notes::new(args.json).note(&format!("Left out {others} of another model or precision."));
    }
    for view in &found {
        write(store, view, args.json, out)?;
    }
    Ok(())
}

/// The view that was kept of an entry.
pub fn of_entry(store: &Store, id: i64) -> anyhow::Result<EntryView> {
    if store.entry(id)?.is_none() {
        return Err(no_entry(id).into());
    }
    let not_kept = || {
        Message::new(format!("The view of entry {id} was not kept."))
            .hint("Record with `sightline watch --log --keep-views`.")
    };
    Ok(store.view_of_entry(id)?.ok_or_else(not_kept)?)
}

/// A picture as the model sees it. It is of no session.
fn of_picture(path: &Path, args: &ModelArgs, cancel: &Cancel) -> anyhow::Result<EntryView> {
    let picture = picture_named(path, cancel)?;
    download::fetch(&args.model, cancel)?;
    let mut engine = engine::open(&args.model, &args.engine_options())?;
    let card = engine.card();
    let cannot = || Message::new("This engine keeps no views.").hint("Use a model on this machine.");
    if !(card.can.features && card.can.scores) {
        return Err(cannot().into());
    }
    let view = engine.open_view(ViewOptions::default())?;
    let shown = Shown { pictures: &[&picture], scene: None, reuse: Reuse::IfIdentical };
    // To have it looked at: what the answer is does not matter.
    let asked = Scored { question: "Is it there?", choices: &["Yes"] };
    if engine.score(view, shown, &[asked], cancel)?.is_none() {
        return Err(Message::new("The search was stopped.").into());
    }
    let features = engine.features(view)?.ok_or_else(cannot)?;
    Ok(EntryView { features, filter: ViewFilter::of(&card.model, &card.precision), moment: (0, 0) })
}

fn write(store: &Store, view: &SimilarView, json: bool, out: &mut impl Write) -> anyhow::Result<()> {
    let session = store.session(view.session)?;
    let source = session.as_ref().map_or("", |session| session.start.source.as_str());
    let SimilarView { session, frame, at, cosine, entry, .. } = *view;
    if json {
        let line = Line { time: at.rfc3339(), similarity: cosine, source, session, frame, entry };
        writeln!(out, "{}", serde_json::to_string(&line)?)?;
        return Ok(());
    }
    let time = at.civil().strftime("%Y-%m-%d %H:%M:%S");
    let text = match entry {
        Some(id) => store.entry(id)?.map(|found| format!("  entry {id}  {}", found.entry.text)).unwrap_or_default(),
        None => String::new(),
    };
    writeln!(out, "{time}  {cosine:.3}  {}", one_line(&format!("{source}{text}")))?;
    Ok(())
}

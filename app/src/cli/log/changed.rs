//! `log changed`: what changed from one caption to another, by the views that were kept of both.

use std::io::Write;

use clap::Args;
use vlm::Cancel;

use crate::base::message::Message;
use crate::base::text::one_line;
use crate::cli::args::ModelArgs;
use crate::cli::changed::{ChangedLine, cannot};
use crate::cli::download;
use crate::cli::log::no_entry;
use crate::cli::log::similar::of_entry;
use crate::engine;
use crate::engine::ViewOptions;
use crate::log::{EntryFilter, EntryKind, Filter, FoundEntry, RowKey, Store};
use crate::rules::changed::{Seen, Side, compare};
use crate::rules::claims::claims;

/// The arguments of `changed`.
#[derive(Args, Clone, Debug)]
pub struct ChangedArgs {
    /// The number of an entry
    #[arg(value_name = "ID")]
    id: i64,

    /// The number of the entry that it is compared with [default: the caption before it]
    #[arg(value_name = "BEFORE")]
    before: Option<i64>,

    /// Print a JSON object
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    model: ModelArgs,
}

/// Compares and prints.
///
/// # Errors
/// When there is no such entry, a view was not kept or is another model's, the log can't be read,
/// the model can't be used or fails, or `out` can't be written.
pub fn run(store: &Store, args: &ChangedArgs, cancel: &Cancel, out: &mut impl Write) -> anyhow::Result<()> {
    let after = store.entry(args.id)?.ok_or_else(|| no_entry(args.id))?;
    let before = match args.before {
        Some(id) => store.entry(id)?.ok_or_else(|| no_entry(id))?,
        None => caption_before(store, &after)?,
    };
    let [was, is] = [of_entry(store, before.entry.id)?, of_entry(store, after.entry.id)?];
    download::fetch(&args.model.model, cancel)?;
    let mut engine = engine::open(&args.model.model, &args.model.engine_options())?;
    let card = engine.card();
    if !(card.can.scores && card.can.features) {
        return Err(cannot().into());
    }
    for kept in [&was, &is] {
        let (model, precision) = (&kept.filter.model, &kept.filter.precision);
        if (model, precision) != (&card.model, &card.precision) {
            let what =
                format!("These views are of {model} in {precision}, and {} is in {}.", card.model, card.precision);
            let hint = "Give the model that they were kept of, with --model and --precision.";
            return Err(Message::new(one_line(&what)).hint(hint).into());
        }
    }
    let view = engine.open_view(ViewOptions::default())?;
    let side = |entry: &FoundEntry| claims(&entry.entry.text);
    let before_side = Side { claims: side(&before), seen: Seen::Kept(&was.features) };
    let after_side = Side { claims: side(&after), seen: Seen::Kept(&is.features) };
    let changed = compare(&mut *engine, view, &before_side, &after_side, &[], cancel)?;
    let changed = changed.ok_or_else(|| Message::new("The comparison was stopped."))?;
    if args.json {
        let of = [before.entry.id.to_string(), after.entry.id.to_string()];
        let line = ChangedLine::new(of, [&before.entry.text, &after.entry.text], &changed, &card);
        writeln!(out, "{}", serde_json::to_string(&line)?)?;
    } else {
        writeln!(out, "{}", one_line(&changed.sentence()))?;
    }
    Ok(())
}

/// The caption before an entry in its session.
fn caption_before(store: &Store, entry: &FoundEntry) -> anyhow::Result<FoundEntry> {
    let filter = Filter {
        session: Some(entry.entry.session),
        kinds: vec![EntryFilter::Of(EntryKind::Caption)],
        ..Filter::default()
    };
    let found = store.search(&filter, Some(RowKey::from(entry)), 1)?.pop();
    let none = || {
        Message::new(format!("There is no caption before entry {} in its session.", entry.entry.id))
            .hint("Name the entry to compare it with, as in `sightline log changed 15 12`.")
    };
    Ok(found.ok_or_else(none)?)
}

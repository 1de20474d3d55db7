//! `sightline models`: which there are, what they cost, and the ones on this machine.

mod show;

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};

use crate::base::message::Message;
use crate::cli::args::model_of_any_kind;
use crate::cli::models::show::{Here, Shown};
use crate::cli::output::{Notes, Output};
use crate::cli::{consent, download, interrupt};
use crate::demo::model;
use crate::engine::place;
use crate::models;
use crate::models::spec::ModelSpec;
use crate::models::{Cached, Memory, Mended, SENTENCES, bytes};

/// The command's arguments.
#[derive(Args, Clone, Debug)]
pub struct ModelsArgs {
    #[command(subcommand)]
    command: ModelsCommand,
}

#[derive(Subcommand, Clone, Debug)]
enum ModelsCommand {
    /// List the models that have names, and those on this machine
    List {
        /// Print one JSON object a model, each on a line of its own
        #[arg(long)]
        json: bool,
    },
    /// Say what a model costs and whether it is on this machine
    Show {
        #[command(flatten)]
        model: Named,
        /// Print a JSON object
        #[arg(long)]
        json: bool,
    },
    /// Download a model, or what is missing of it or damaged
    Download(Named),
    /// Remove a model from this machine
    Remove {
        #[command(flatten)]
        model: Named,
        /// Don't ask
        #[arg(long)]
        yes: bool,
    },
    /// Print the folder of a model that is on this machine
    Path(Named),
}

#[derive(Args, Clone, Debug)]
struct Named {
    /// 256m, 500m, 2.2b, smolvlm2-256m, smolvlm2-500m, smolvlm2-2.2b, minilm, a hub id or a folder
    #[arg(value_name = "MODEL", value_parser = model_of_any_kind())]
    model: ModelSpec,
}

/// Does what is asked.
///
/// # Errors
/// When a model is not there or can't be had, or standard output can't be written.
pub fn run(args: &ModelsArgs) -> anyhow::Result<ExitCode> {
    match &args.command {
        ModelsCommand::List { json } => {
            let here = here();
            let shown: Vec<_> =
                listed().into_iter().map(|(spec, cached)| Shown::of(&spec, cached.as_ref(), &here)).collect();
            let text = if *json { show::json_lines(&shown)? } else { show::table(&shown, &here) };
            Output::new().write_all(text.as_bytes())?;
        }
        ModelsCommand::Show { model, json } => {
            let here = here();
            let shown = Shown::of(&model.model, of_cache(&model.model).as_ref(), &here);
            let text = if *json { show::json_lines(&[shown])? } else { shown.for_people(&here) };
            Output::new().write_all(text.as_bytes())?;
        }
        ModelsCommand::Download(model) => return fetch(&model.model),
        ModelsCommand::Remove { model, yes } => return remove(&model.model, *yes),
        ModelsCommand::Path(model) => writeln!(Output::new(), "{}", folder(&model.model)?.display())?,
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) fn here() -> Here {
    Here { memory: Memory::here(), auto: place::auto() }
}

/// The named models, and others that are here.
pub(super) fn listed() -> Vec<(ModelSpec, Option<Cached>)> {
    let named = ModelSpec::named().iter().chain([&SENTENCES]);
    let named: Vec<_> = named.map(|named| (ModelSpec::Named(*named), named.hub_id)).collect();
    let ids: Vec<_> = named.iter().map(|(_, id)| *id).collect();
    let mut here = vlm::hub_cache().map(|cache| models::cached(&cache, &ids)).unwrap_or_default();
    let mut listed = vec![(ModelSpec::Demo, None)];
    for (spec, id) in named {
        let place = here.iter().position(|cached| cached.id == id);
        listed.push((spec, place.map(|place| here.remove(place))));
    }
    listed.extend(here.into_iter().map(|cached| (ModelSpec::Hub(cached.id.clone()), Some(cached))));
    listed
}

fn of_cache(model: &ModelSpec) -> Option<Cached> {
    models::of_model(&vlm::hub_cache()?, model.hub_id()?)
}

fn fetch(model: &ModelSpec) -> anyhow::Result<ExitCode> {
    let interrupted = interrupt::flag()?;
    let mended = download::mend(model, &interrupted)?;
    let mut err = io::stderr();
    match mended {
        Mended::Nothing => writeln!(err, "{model} is on this machine already.")?,
        Mended::All => writeln!(err, "{model} is in {}.", folder(model)?.display())?,
        Mended::File(file) => writeln!(err, "{file} of {model} was damaged. It was downloaded anew.")?,
    }
    Ok(ExitCode::SUCCESS)
}

fn folder(model: &ModelSpec) -> anyhow::Result<PathBuf> {
    match model {
        ModelSpec::Demo => bail!("The model {} is part of the program and has no folder.", model::NAME),
        ModelSpec::Folder(folder) => Ok(folder.clone()),
        ModelSpec::Served(id) => bail!("The model {id} is on a server and has no folder here."),
        ModelSpec::Named(_) | ModelSpec::Hub(_) => {
            of_cache(model).and_then(|cached| cached.folder).with_context(|| {
                Message::new(format!("The model {model} is not on this machine."))
                    .hint(format!("`sightline models download {model}` gets it."))
            })
        }
    }
}

fn remove(model: &ModelSpec, yes: bool) -> anyhow::Result<ExitCode> {
    let (Some(cache), Some(id)) = (vlm::hub_cache(), model.hub_id()) else {
        return Err(Message::new(format!("{model} was not downloaded."))
            .hint("Remove its folder by hand, if it has one.")
            .into());
    };
    let Some(cached) = models::of_model(&cache, id) else {
        bail!("There is nothing of {model} on this machine.");
    };
    if !yes {
        let agreed =
            consent::ask(&format!("Remove {id} ({}), which other programs may use too?", bytes(cached.bytes)))?;
        let nobody = || Message::new("Nobody can be asked here.").hint("Add --yes to remove it.");
        if !agreed.ok_or_else(nobody)? {
            writeln!(Notes::new(false), "Nothing was removed.")?;
            return Ok(ExitCode::FAILURE);
        }
    }
    let freed = models::remove(&cache, id)?;
    writeln!(Notes::new(false), "Removed {id}; {} are free again.", bytes(freed))?;
    Ok(ExitCode::SUCCESS)
}

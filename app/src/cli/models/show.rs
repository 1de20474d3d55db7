//! What is told of a model, to people and to programs. The keys of the JSON objects are a contract.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::engine::spec::ModelSpec;
use crate::models::{Cached, Facts, Memory, bytes};

/// Bytes of a number.
const F32: u64 = 4;
const BF16: u64 = 2;

/// What is known of a model.
#[derive(Clone, Debug, Serialize)]
pub struct Shown {
    /// As it is written after `--model`.
    name: String,
    hub_id: Option<String>,
    state: State,
    folder: Option<PathBuf>,
    /// What it takes of the disk here.
    disk_bytes: Option<u64>,
    parameters: Option<u64>,
    /// False: the sizes are computed from the published configuration, for a release in 16 bits.
    is_counted: bool,
    download_bytes: Option<u64>,
    memory_f32_bytes: Option<u64>,
    memory_bf16_bytes: Option<u64>,
    fits_f32: Option<bool>,
    fits_bf16: Option<bool>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    BuiltIn,
    Here,
    /// A download was begun.
    Partly,
    Absent,
}

impl State {
    fn words(self) -> &'static str {
        match self {
            Self::BuiltIn => "built in",
            Self::Here => "here",
            Self::Partly => "partly here",
            Self::Absent => "not here",
        }
    }
}

impl Shown {
    /// With what the cache holds of the model, if anything.
    pub fn of(model: &ModelSpec, cached: Option<&Cached>, memory: Memory) -> Self {
        let folder = match model {
            ModelSpec::Folder(folder) => folder.join("config.json").is_file().then(|| folder.clone()),
            _ => cached.and_then(|cached| cached.folder.clone()),
        };
        let state = match (model, &folder, cached) {
            (ModelSpec::Demo, ..) => State::BuiltIn,
            (_, Some(_), _) => State::Here,
            (_, None, Some(_)) => State::Partly,
            (_, None, None) => State::Absent,
        };
        let facts = Facts::of(model, folder.as_deref());
        let needs = |bytes| facts.map(|facts| facts.memory(bytes));
        let fits = |bytes| needs(bytes).map(|needed| needed <= memory.available);
        Self {
            name: model.to_string(),
            hub_id: model.hub_id().map(str::to_owned),
            state,
            disk_bytes: cached.map(|cached| cached.bytes),
            parameters: facts.map(|facts| facts.parameters),
            is_counted: facts.is_some_and(|facts| facts.is_counted),
            download_bytes: facts.filter(|_| model.hub_id().is_some()).map(|facts| facts.download()),
            memory_f32_bytes: needs(F32),
            memory_bf16_bytes: needs(BF16),
            fits_f32: fits(F32),
            fits_bf16: fits(BF16),
            folder,
        }
    }

    /// Several lines.
    pub fn for_people(&self, memory: Memory) -> String {
        let mut text = String::new();
        let mut line = |what: &str, value: &str| {
            // Writing to a text does not fail.
            let _ = writeln!(text, "{what:<12} {value}");
        };
        line("model", &self.name);
        if let Some(id) = &self.hub_id {
            line("published as", id);
        }
        let size = self.disk_bytes.map_or_else(String::new, |size| format!(", {} on the disk", bytes(size)));
        line("state", &format!("{}{size}", self.state.words()));
        if let Some(folder) = &self.folder {
            line("folder", &folder.display().to_string());
        }
        if let Some(parameters) = self.parameters {
            let how = if self.is_counted { "counted" } else { "computed" };
            line("parameters", &format!("{:.1} million ({how})", parameters as f64 / 1e6));
        }
        if let (Some(download), false) = (self.download_bytes, self.is_counted) {
            line("download", &format!("about {}, twice that if published in 32 bits (computed)", bytes(download)));
        }
        for (what, needed, fits) in [
            ("memory, f32", self.memory_f32_bytes, self.fits_f32),
            ("memory, bf16", self.memory_bf16_bytes, self.fits_bf16),
        ] {
            if let (Some(needed), Some(fits)) = (needed, fits) {
                let fits = if fits { "fits" } else { "does not fit" };
                let (free, all) = (bytes(memory.available), bytes(memory.total));
                line(what, &format!("about {} (computed): {fits}, {free} of {all} are free", bytes(needed)));
            }
        }
        text
    }
}

/// An object a line.
pub fn json_lines(shown: &[Shown]) -> serde_json::Result<String> {
    let mut text = String::new();
    for one in shown {
        text.push_str(&serde_json::to_string(one)?);
        text.push('\n');
    }
    Ok(text)
}

/// A line a model.
pub fn table(shown: &[Shown], memory: Memory) -> String {
    let name = |one: &Shown| one.name.chars().count();
    let width = shown.iter().map(name).max().unwrap_or_default().max("model".len());
    let mut text = format!(
        "{:<width$}  {:<11}  {:>9}  {:>10}  {:>11}  fits\n",
        "model", "state", "download", "memory f32", "memory bf16"
    );
    for one in shown {
        let size = |size: Option<u64>| size.map_or_else(|| "–".to_owned(), bytes);
        let fits = match (one.fits_f32, one.fits_bf16) {
            (Some(true), _) => "yes",
            (_, Some(true)) => "in bf16",
            (Some(false), _) => "no",
            (None, _) if one.state == State::BuiltIn => "yes",
            (None, _) => "–",
        };
        let download = one.disk_bytes.filter(|_| one.state == State::Here).or(one.download_bytes);
        // Writing to a text does not fail.
        let _ = writeln!(
            text,
            "{:<width$}  {:<11}  {:>9}  {:>10}  {:>11}  {fits}",
            one.name,
            one.state.words(),
            size(download),
            size(one.memory_f32_bytes),
            size(one.memory_bf16_bytes)
        );
    }
    let cache = vlm::hub_cache()
        .as_deref()
        .map_or_else(String::new, |cache: &Path| format!(" Models are kept in {}.", cache.display()));
    let _ = writeln!(
        text,
        "\nSizes of models that are not here are computed. {} of {} memory are free here.{cache}",
        bytes(memory.available),
        bytes(memory.total)
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEMORY: Memory = Memory { total: 8_000_000_000, available: 5_500_000_000 };

    fn shown(name: &str, cached: Option<&Cached>) -> Shown {
        Shown::of(&name.parse().expect("a model"), cached, MEMORY)
    }

    #[test]
    fn what_fits_is_told_by_precision() {
        let table = table(&["demo", "256m", "2.2b"].map(|name| shown(name, None)), MEMORY);
        let lines: Vec<_> = table.lines().collect();
        assert!(lines[1].starts_with("demo ") && lines[1].ends_with("yes"), "{table}");
        assert!(lines[2].contains("not here") && lines[2].contains("513 MB") && lines[2].ends_with("yes"), "{table}");
        assert!(lines[3].contains("9.6 GB") && lines[3].ends_with("in bf16"), "{table}");
    }

    #[test]
    fn a_download_that_was_begun_is_partly_here() {
        let cached = Cached { id: "HuggingFaceTB/SmolVLM-256M-Instruct".to_owned(), folder: None, bytes: 77_000_000 };
        let text = shown("256m", Some(&cached)).for_people(MEMORY);
        assert!(text.contains("partly here, 77 MB on the disk"), "{text}");
        assert!(text.contains("(computed): fits, 5.5 GB of 8.0 GB are free"), "{text}");
    }

    #[test]
    fn programs_get_numbers() {
        let text = json_lines(&[shown("500m", None)]).expect("JSON");
        let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!((&value["name"], &value["state"]), (&"500m".into(), &"absent".into()));
        assert_eq!(value["parameters"], 507_482_304_u64);
        assert_eq!((&value["fits_f32"], &value["is_counted"]), (&true.into(), &false.into()));
    }
}

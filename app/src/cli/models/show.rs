//! What is told of a model, to people and to programs. The keys of the JSON objects are a contract.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde::Serialize;

use vlm::{ModelFiles, Precision};

use crate::engine::local;
use crate::engine::place::Auto;
use crate::models::spec::ModelSpec;
use crate::models::{Cached, Memory, ModelKind, ModelSize, bytes};

/// What this machine has for models.
#[derive(Clone, Debug)]
pub struct Here {
    /// The system's memory.
    pub memory: Memory,
    /// What `--device auto` and `--precision auto` take.
    pub auto: Auto,
}

/// What is known of a model.
#[derive(Clone, Debug, Serialize)]
pub struct Shown {
    /// As it is written after `--model`.
    name: String,
    #[serde(skip)]
    is_for_sentences: bool,
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
    memory_int8_bytes: Option<u64>,
    /// In the system's memory, on the CPU.
    fits_f32: Option<bool>,
    fits_bf16: Option<bool>,
    fits_int8: Option<bool>,
    /// What `auto` takes here, and whether the model fits there.
    auto_device: String,
    auto_precision: &'static str,
    fits: Option<bool>,
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
    pub fn of(model: &ModelSpec, cached: Option<&Cached>, here: &Here) -> Self {
        let folder = match model {
            ModelSpec::Folder(folder) => {
                ModelFiles::in_folder(folder).ok().and_then(|files| files.folder().map(Path::to_owned))
            }
            _ => cached.and_then(|cached| cached.folder.clone()),
        };
        let state = match (model, &folder, cached) {
            (ModelSpec::Demo, ..) => State::BuiltIn,
            (_, Some(_), _) => State::Here,
            (_, None, Some(_)) => State::Partly,
            (_, None, None) => State::Absent,
        };
        let facts = ModelSize::of(model, folder.as_deref());
        let is_for_sentences = model.kind() == ModelKind::Sentences;
        let needs = |precision| match precision {
            // It runs on the CPU in f32, and keeps nothing besides its weights.
            Precision::F32 if is_for_sentences => facts.map(|facts| facts.parameters * 4),
            _ if is_for_sentences => None,
            precision => facts.map(|facts| facts.memory(precision, false)),
        };
        let fits = |precision| needs(precision).map(|needed| needed <= here.memory.available);
        let auto = &here.auto;
        let (device, precision) =
            if is_for_sentences { ("cpu", Precision::F32) } else { (auto.device.as_str(), auto.precision) };
        let auto_fits = facts.map(|facts| facts.memory(precision, device != "cpu") <= auto.memory.available);
        Self {
            name: model.to_string(),
            is_for_sentences,
            hub_id: model.hub_id().map(str::to_owned),
            state,
            disk_bytes: cached.map(|cached| cached.bytes),
            parameters: facts.map(|facts| facts.parameters),
            is_counted: facts.is_some_and(|facts| facts.is_counted),
            download_bytes: facts.filter(|_| model.hub_id().is_some()).map(|facts| facts.download()),
            memory_f32_bytes: needs(Precision::F32),
            memory_bf16_bytes: needs(Precision::Bf16),
            memory_int8_bytes: needs(Precision::Int8),
            fits_f32: fits(Precision::F32),
            fits_bf16: fits(Precision::Bf16),
            fits_int8: fits(Precision::Int8),
            auto_device: device.to_owned(),
            auto_precision: local::name(precision),
            fits: if is_for_sentences { fits(Precision::F32) } else { auto_fits },
            folder,
        }
    }

    /// Several lines.
    pub fn for_people(&self, here: &Here) -> String {
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
            let more = if self.is_for_sentences { "" } else { ", twice that if published in 32 bits" };
            line("download", &format!("about {}{more} (computed)", bytes(download)));
        }
        let words = |fits| if fits { "fits" } else { "does not fit" };
        for (what, needed, fits) in [
            ("memory, f32", self.memory_f32_bytes, self.fits_f32),
            ("memory, bf16", self.memory_bf16_bytes, self.fits_bf16),
            ("memory, int8", self.memory_int8_bytes, self.fits_int8),
        ] {
            if let (Some(needed), Some(fits)) = (needed, fits) {
                let (free, all) = (bytes(here.memory.available), bytes(here.memory.total));
                line(what, &format!("about {} (computed): {}, {free} of {all} are free", bytes(needed), words(fits)));
            }
        }
        if let Some(fits) = self.fits {
            line("auto takes", &format!("{} on {}: {}", self.auto_precision, self.auto_device, words(fits)));
        }
        text
    }

    /// Whether it fits as `auto` runs it, and otherwise how it would.
    fn fit(&self) -> &'static str {
        match self.fits {
            None if self.state == State::BuiltIn => "yes",
            None => "–",
            Some(true) => "yes",
            Some(false) if self.auto_device != "cpu" && self.fits_int8 == Some(true) => "on the cpu",
            Some(false) if self.fits_int8 == Some(true) => "in int8",
            Some(false) => "no",
        }
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
pub fn table(shown: &[Shown], here: &Here) -> String {
    let name = |one: &Shown| one.name.chars().count();
    let width = shown.iter().map(name).max().unwrap_or_default().max("model".len());
    let mut text = format!(
        "{:<width$}  {:<11}  {:>9}  {:>10}  {:>7}  {:>7}  fits\n",
        "model", "state", "download", "memory f32", "bf16", "int8"
    );
    for one in shown {
        let size = |size: Option<u64>| size.map_or_else(|| "–".to_owned(), bytes);
        let download = one.disk_bytes.filter(|_| one.state == State::Here).or(one.download_bytes);
        // Writing to a text does not fail.
        let _ = writeln!(
            text,
            "{:<width$}  {:<11}  {:>9}  {:>10}  {:>7}  {:>7}  {}",
            one.name,
            one.state.words(),
            size(download),
            size(one.memory_f32_bytes),
            size(one.memory_bf16_bytes),
            size(one.memory_int8_bytes),
            one.fit()
        );
    }
    let cache = vlm::hub_cache()
        .as_deref()
        .map_or_else(String::new, |cache: &Path| format!(" Models are kept in {}.", cache.display()));
    let _ = writeln!(
        text,
        "\nMemory is computed, and so are sizes of models that are not here. By itself, Sightline takes {} on {} here, where {} of {} \
         memory are free.{cache}",
        local::name(here.auto.precision),
        here.auto.device,
        bytes(here.auto.memory.available),
        bytes(here.auto.memory.total)
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEMORY: Memory = Memory { total: 8_000_000_000, available: 4_500_000_000 };

    fn here(device: &str, precision: Precision, memory: Memory) -> Here {
        Here { memory: MEMORY, auto: Auto { device: device.to_owned(), precision, memory } }
    }

    fn shown(name: &str, cached: Option<&Cached>) -> Shown {
        Shown::of(&name.parse().expect("a model"), cached, &here("cpu", Precision::F32, MEMORY))
    }

    #[test]
    fn what_fits_is_told_as_it_would_run() {
        let fits =
            |here: &Here| ["demo", "256m", "2.2b"].map(|name| Shown::of(&name.parse().expect(name), None, here).fit());
        assert_eq!(fits(&here("cpu", Precision::Int8, MEMORY)), ["yes", "yes", "yes"]);
        assert_eq!(fits(&here("cpu", Precision::F32, MEMORY)), ["yes", "yes", "in int8"]);
        let card = Memory { total: 4_000_000_000, available: 3_000_000_000 };
        assert_eq!(fits(&here("cuda:0", Precision::Bf16, card)), ["yes", "yes", "on the cpu"]);
        // A card keeps all four bytes of f32.
        assert_eq!(fits(&here("cuda:0", Precision::F32, Memory { available: 1_500_000_000, ..card }))[1], "on the cpu");
        let small = Memory { total: 1_000_000_000, available: 400_000_000 };
        let nothing = Here { memory: small, ..here("cpu", Precision::Int8, small) };
        assert_eq!(fits(&nothing), ["yes", "no", "no"]);
    }

    #[test]
    fn sizes_are_told_by_precision() {
        let table =
            table(&["demo", "256m", "2.2b"].map(|name| shown(name, None)), &here("cpu", Precision::F32, MEMORY));
        let lines: Vec<_> = table.lines().collect();
        assert!(lines[1].starts_with("demo ") && lines[1].ends_with("yes"), "{table}");
        assert!(lines[2].contains("not here") && lines[2].contains("513 MB") && lines[2].ends_with("yes"), "{table}");
        let sizes: Vec<_> = lines[3].split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect();
        assert_eq!(sizes[3..], ["5.1 GB", "5.1 GB", "3.1 GB", "in int8"], "{table}");
        assert!(table.contains("takes f32 on cpu here, where 4.5 GB of 8.0 GB memory are free"), "{table}");
    }

    #[test]
    fn the_model_for_sentences_takes_its_weights_and_no_more() {
        let model = ModelSpec::Named(crate::models::SENTENCES);
        let shown = Shown::of(&model, None, &here("cuda:0", Precision::Bf16, MEMORY));
        assert_eq!((shown.memory_f32_bytes, shown.memory_int8_bytes), (Some(90_854_912), None));
        let text = shown.for_people(&here("cuda:0", Precision::Bf16, MEMORY));
        assert!(text.contains("download     about 91 MB (computed)"), "{text}");
        assert!(text.contains("auto takes   f32 on cpu: fits"), "{text}");
    }

    #[test]
    fn a_download_that_was_begun_is_partly_here() {
        let cached = Cached { id: "HuggingFaceTB/SmolVLM-256M-Instruct".to_owned(), folder: None, bytes: 77_000_000 };
        let text = shown("256m", Some(&cached)).for_people(&here("cpu", Precision::Int8, MEMORY));
        assert!(text.contains("partly here, 77 MB on the disk"), "{text}");
        assert!(text.contains("(computed): fits, 4.5 GB of 8.0 GB are free"), "{text}");
        assert!(text.contains("auto takes   f32 on cpu: fits"), "{text}");
    }

    #[test]
    fn programs_get_numbers() {
        let text = json_lines(&[shown("500m", None)]).expect("JSON");
        let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!((&value["name"], &value["state"]), (&"500m".into(), &"absent".into()));
        assert_eq!(value["parameters"], 507_482_304_u64);
        assert_eq!((&value["fits_f32"], &value["is_counted"]), (&true.into(), &false.into()));
        assert_eq!((&value["fits"], &value["auto_precision"]), (&true.into(), &"f32".into()));
    }
}

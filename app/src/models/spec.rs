//! Which model the user named, as text: a name, a repository of the hub or the address of its page,
//! a folder or a file in one. Loads nothing, and asks nobody.

use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::base::message::Message;
use crate::base::text::one_line;
use crate::models::kind::ModelKind;
pub use crate::models::released::DEFAULT_MODEL;
use crate::models::released::{NamedModel, RELEASED, SENTENCES};

/// Hosts whose pages are models, besides that of `HF_ENDPOINT`.
const HOSTS: [&str; 4] = ["huggingface.co", "www.huggingface.co", "hf.co", "www.hf.co"];
/// The branch that models are taken from.
const MAIN: &str = "main";
/// Endings of files that a checkpoint has, or that people take for one.
const FILES: [&str; 12] =
    [".safetensors", ".json", ".jinja", ".gguf", ".bin", ".pt", ".pth", ".ckpt", ".onnx", ".npz", ".h5", ".msgpack"];

/// Which model. Written and read as on the command line.
///
/// A text with a slash names a folder, or a file of one, if there is one, and otherwise a
/// repository on the hub, if it looks like one. Names go before folders: write `./256m` for a
/// folder called like a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ModelSpec {
    /// `demo`: the one that is built in.
    Demo,
    /// A released model by its short name.
    Named(NamedModel),
    /// `owner/name` on the hub.
    Hub(String),
    /// A folder with a checkpoint, or a file of one; a GGUF file.
    Folder(PathBuf),
    /// A model of a server, by the name that the server has for it. No text is read as one.
    Served(String),
}

impl ModelSpec {
    /// The models that have names, besides `demo`.
    #[must_use]
    pub fn named() -> &'static [NamedModel] {
        &RELEASED
    }

    /// What it is for.
    #[must_use]
    pub fn kind(&self) -> ModelKind {
        self.hub_id().map_or(ModelKind::Captions, ModelKind::of)
    }

    /// Where the model is published, if it is.
    #[must_use]
    pub fn hub_id(&self) -> Option<&str> {
        match self {
            Self::Named(named) => Some(named.hub_id),
            Self::Hub(id) => Some(id),
            Self::Demo | Self::Folder(_) | Self::Served(_) => None,
        }
    }
}

impl fmt::Display for ModelSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Demo => f.write_str("demo"),
            Self::Named(named) => f.write_str(named.name),
            Self::Hub(id) | Self::Served(id) => f.write_str(id),
            Self::Folder(path) => path.display().fmt(f),
        }
    }
}

impl FromStr for ModelSpec {
    type Err = SpecError;

    fn from_str(text: &str) -> Result<Self, SpecError> {
        let text = text.trim();
        let lower = text.to_ascii_lowercase();
        if lower == "demo" {
            return Ok(Self::Demo);
        }
        if let Some(named) = RELEASED.iter().find(|named| named.name == lower) {
            return Ok(Self::Named(*named));
        }
        let path = PathBuf::from(text.strip_prefix("file://").unwrap_or(text));
        if !text.is_empty() && path.exists() {
            return Ok(Self::Folder(path));
        }
        // Shells expand this only where a word begins.
        let expanded = vlm::expand_path(OsStr::new(text));
        if text.starts_with('~') && expanded != Path::new(text) {
            return Ok(Self::Folder(expanded));
        }
        if let Some(page) = page(text) {
            return of_page(page);
        }
        if FILES.iter().any(|ending| lower.ends_with(ending)) {
            return Err(SpecError::new(format!("There is no file `{text}`.")).hint("Check the path."));
        }
        let name = text.trim_end_matches('/');
        if let Some(id) = name.strip_prefix("models--").and_then(|name| name.split_once("--")) {
            return Self::published(&format!("{}/{}", id.0, id.1));
        }
        if is_hub_id(name) {
            Self::published(name)
        } else if text.contains(['/', '\\']) {
            // Whether the folder is there shows when the model is loaded: it may be on a disk that
            // comes later.
            Ok(Self::Folder(path))
        } else if let Some(named) = RELEASED.iter().find(|named| ends_with_name(named.hub_id, name)) {
            Ok(Self::Named(*named))
        } else {
            Err(SpecError::new(format!("Unknown model `{text}`.")).hint(usage()))
        }
    }
}

impl ModelSpec {
    /// Reads what was written on a command line, in whatever bytes: what is not Unicode can only be
    /// a folder.
    ///
    /// # Errors
    /// When the text names nothing.
    pub fn from_os(text: &OsStr) -> Result<Self, SpecError> {
        text.to_str().map_or_else(|| Ok(Self::Folder(text.into())), str::parse)
    }

    /// The same, where the model for search by meaning may be named, too.
    ///
    /// # Errors
    /// When the text names nothing.
    pub fn of_any_kind(text: &OsStr) -> Result<Self, SpecError> {
        let is_named = |name: &str| text.eq_ignore_ascii_case(name);
        if is_named(SENTENCES.name) || is_named(SENTENCES.hub_id) {
            return Ok(Self::Named(SENTENCES));
        }
        Self::from_os(text)
    }

    /// The model of this id: by its short name if it has one.
    fn published(id: &str) -> Result<Self, SpecError> {
        if SENTENCES.hub_id.eq_ignore_ascii_case(id) {
            return Err(
                SpecError::new(format!("{id} is for searching by meaning, and captions no picture.")).hint(usage())
            );
        }
        let named = RELEASED.iter().find(|named| named.hub_id.eq_ignore_ascii_case(id));
        Ok(named.map_or_else(|| Self::Hub(id.to_owned()), |named| Self::Named(*named)))
    }
}

/// What can be written.
fn usage() -> String {
    let names: Vec<_> = RELEASED.iter().map(|named| named.name).collect();
    format!("Use demo, {}, a hub id such as {}, a folder or a GGUF file.", names.join(", "), RELEASED[0].hub_id)
}

/// Whether an id's second half is this, in whatever case.
fn ends_with_name(id: &str, name: &str) -> bool {
    id.rsplit('/').next().is_some_and(|own| own.eq_ignore_ascii_case(name))
}

/// What follows the host in the address of a page of the hub, or the `hf:` of its own kind.
fn page(text: &str) -> Option<&str> {
    if let Some(rest) = ["hf://", "hf:"].iter().find_map(|scheme| strip_prefix(text, scheme)) {
        return Some(rest);
    }
    let address = ["https://", "http://"].iter().find_map(|scheme| strip_prefix(text, scheme));
    let (host, rest) = address.unwrap_or(text).split_once('/')?;
    let endpoint = std::env::var("HF_ENDPOINT").unwrap_or_default();
    let own = endpoint.split("://").last().unwrap_or_default().trim_end_matches('/');
    let is_hub = HOSTS.iter().any(|known| known.eq_ignore_ascii_case(host));
    (is_hub || (address.is_some() && !own.is_empty() && own.eq_ignore_ascii_case(host))).then_some(rest)
}

fn strip_prefix<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let (head, rest) = text.split_at_checked(prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then_some(rest)
}

/// The model whose page this is: `owner/name`, with or without a folder or a file of its main
/// branch behind it.
fn of_page(page: &str) -> Result<ModelSpec, SpecError> {
    let page = page.split(['?', '#']).next().unwrap_or_default();
    let mut parts = page.split('/').filter(|part| !part.is_empty()).peekable();
    if parts.peek() == Some(&"models") {
        parts.next();
    }
    let (owner, name) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let (name, revision) = name.split_once('@').unwrap_or((name, MAIN));
    let id = format!("{owner}/{name}");
    if ["datasets", "spaces", "collections", "docs", "papers"].contains(&owner) || !is_hub_id(&id) {
        let error = SpecError::new(format!("`{page}` is not the page of a model."));
        return Err(error.hint(format!("Write the page's owner and name, such as {}.", RELEASED[0].hub_id)));
    }
    let branch = match parts.next() {
        Some("tree" | "blob" | "resolve" | "raw" | "commits") => parts.next().unwrap_or(MAIN),
        _ => revision,
    };
    if branch != MAIN {
        let error = SpecError::new(format!("`{branch}` is another revision of {id} than {MAIN}."));
        return Err(error.hint(format!("Download its files into a folder, or write {id} for the main one.")));
    }
    ModelSpec::published(&id)
}

/// Whether a text is `owner/name` as the hub allows them.
fn is_hub_id(text: &str) -> bool {
    let is_name = |part: &str| {
        part.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '_')
            && part.ends_with(|last: char| last.is_ascii_alphanumeric() || last == '_')
            && part.len() <= LONGEST_NAME
            && !part.contains("--")
            && !part.contains("..")
            && part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
    };
    text.split_once('/').is_some_and(|(owner, name)| is_name(owner) && is_name(name))
}

/// The longest name of an owner or a model, by the hub's rules.
const LONGEST_NAME: usize = 96;

/// Why a text names no model, device or precision: what is wrong, and what can be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpecError(Message);

impl SpecError {
    /// What is wrong, as a sentence.
    pub fn new(what: impl AsRef<str>) -> Self {
        Self(Message::new(one_line(what.as_ref())))
    }

    /// With what can be written, as a sentence.
    #[must_use]
    pub fn hint(self, hint: impl AsRef<str>) -> Self {
        Self(self.0.hint(one_line(hint.as_ref())))
    }

    /// Both.
    #[must_use]
    pub fn message(&self) -> &Message {
        &self.0
    }
}

impl fmt::Display for SpecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for SpecError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(text: &str) -> ModelSpec {
        text.parse().expect(text)
    }

    #[test]
    fn names_are_read_as_they_are_written() {
        for name in ["demo", "256m", "500m", "2.2b", "smolvlm2-256m", "smolvlm2-500m", "smolvlm2-2.2b"] {
            assert_eq!(model(name).to_string(), name);
        }
        assert_eq!(model("SmolVLM2-256M").hub_id(), Some("HuggingFaceTB/SmolVLM2-256M-Video-Instruct"));
        assert_eq!(model(DEFAULT_MODEL).hub_id(), Some("HuggingFaceTB/SmolVLM-256M-Instruct"));
        assert_eq!(model("demo").hub_id(), None);
    }

    #[test]
    fn the_model_for_sentences_is_named_only_where_any_kind_is_wanted() {
        for text in ["minilm", "MiniLM", "sentence-transformers/all-MiniLM-L6-v2"] {
            let spec = ModelSpec::of_any_kind(OsStr::new(text)).expect(text);
            assert_eq!((spec.to_string().as_str(), spec.hub_id()), ("minilm", Some(SENTENCES.hub_id)));
        }
        assert_eq!(ModelSpec::of_any_kind(OsStr::new("256m")), Ok(model("256m")));
        let refused = SENTENCES.hub_id.parse::<ModelSpec>().expect_err("captions nothing").to_string();
        assert!(refused.contains("captions no picture"), "{refused}");
    }

    #[test]
    fn folders_go_before_hub_ids_and_after_names() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().to_str().expect("a path in UTF-8");
        assert_eq!(model(path), ModelSpec::Folder(path.into()));
        assert_eq!(model("/no/such/folder"), ModelSpec::Folder("/no/such/folder".into()));
        assert_eq!(model("./256m"), ModelSpec::Folder("./256m".into()));
        assert_eq!(model("someone/some-model_1.0"), ModelSpec::Hub("someone/some-model_1.0".to_owned()));
    }

    #[test]
    fn a_page_of_the_hub_is_its_model() {
        for text in [
            "https://huggingface.co/someone/tiny-1.0_x",
            "https://huggingface.co/someone/tiny-1.0_x/",
            "HTTPS://HuggingFace.co/someone/tiny-1.0_x/tree/main",
            "http://hf.co/someone/tiny-1.0_x/blob/main/config.json",
            "huggingface.co/someone/tiny-1.0_x/resolve/main/model.safetensors?download=true",
            "https://huggingface.co/someone/tiny-1.0_x?library=transformers#files",
            "hf.co/someone/tiny-1.0_x",
            "hf:someone/tiny-1.0_x",
            "hf://someone/tiny-1.0_x",
            "hf://models/someone/tiny-1.0_x@main",
            "  someone/tiny-1.0_x/ ",
            "models--someone--tiny-1.0_x",
        ] {
            assert_eq!(model(text), ModelSpec::Hub("someone/tiny-1.0_x".to_owned()), "{text}");
        }
        let page = "https://huggingface.co/HuggingFaceTB/SmolVLM-256M-Instruct/tree/main";
        assert_eq!((model(page), model("huggingfacetb/smolvlm-256m-instruct")), (model("256m"), model("256m")));
        assert_eq!(model("SmolVLM2-2.2B-Instruct"), model("smolvlm2-2.2b"));
        for text in [
            "https://huggingface.co/datasets/someone/pictures",
            "https://huggingface.co/someone",
            "https://huggingface.co/",
            "https://huggingface.co/someone/tiny/tree/v2",
            "hf://someone/tiny@refs%2Fpr%2F1",
        ] {
            let message = text.parse::<ModelSpec>().expect_err(text);
            assert!(message.message().advice().is_some(), "{message}");
        }
    }

    #[test]
    fn a_file_of_a_folder_is_its_model_and_one_that_is_not_there_is_missing() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("model.safetensors");
        std::fs::write(&file, "").expect("written");
        let text = file.to_str().expect("a path in UTF-8");
        assert_eq!(model(text), ModelSpec::Folder(file.clone()));
        assert_eq!(model(&format!("file://{text}")), ModelSpec::Folder(file.clone()));
        let message = "m/model.safetensors".parse::<ModelSpec>().expect_err("missing").to_string();
        assert!(message.starts_with("There is no file `m/model.safetensors`."), "{message}");
        let home = std::env::home_dir().expect("a home folder");
        assert_eq!(model("~/no-such-model"), ModelSpec::Folder(home.join("no-such-model")));
    }

    #[test]
    fn what_names_no_model_is_refused_with_what_to_write() {
        for text in ["", "1b", "smolvlm3", "256 m", "minilm", SENTENCES.hub_id] {
            let message = text.parse::<ModelSpec>().expect_err(text).to_string();
            assert!(message.contains("Use demo, 256m"), "{message}");
        }
    }
}

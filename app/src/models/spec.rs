//! Which model the user named, as text. Loads nothing.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// The model that people get who name none: the smallest released one, live on two CPU cores.
pub const DEFAULT_MODEL: &str = "256m";

/// The models that have names, with where they are published. From the models' own cards.
const NAMED: [NamedModel; 6] = [
    NamedModel { name: "256m", hub_id: "HuggingFaceTB/SmolVLM-256M-Instruct" },
    NamedModel { name: "500m", hub_id: "HuggingFaceTB/SmolVLM-500M-Instruct" },
    NamedModel { name: "2.2b", hub_id: "HuggingFaceTB/SmolVLM-Instruct" },
    NamedModel { name: "smolvlm2-256m", hub_id: "HuggingFaceTB/SmolVLM2-256M-Video-Instruct" },
    NamedModel { name: "smolvlm2-500m", hub_id: "HuggingFaceTB/SmolVLM2-500M-Video-Instruct" },
    NamedModel { name: "smolvlm2-2.2b", hub_id: "HuggingFaceTB/SmolVLM2-2.2B-Instruct" },
];

/// A released model with a short name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NamedModel {
    /// What people write.
    pub name: &'static str,
    /// Where it is published.
    pub hub_id: &'static str,
}

/// Which model. Written and read as on the command line.
///
/// A text with a slash names a folder if there is one, and otherwise a repository on the hub, if it looks like one.
/// Names go before folders: write `./256m` for a folder called like a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ModelSpec {
    /// `demo`: the one that is built in.
    Demo,
    /// A released model by its short name.
    Named(NamedModel),
    /// `owner/name` on the hub.
    Hub(String),
    /// A folder with a checkpoint.
    Folder(PathBuf),
}

impl ModelSpec {
    /// The models that have names, besides `demo`.
    #[must_use]
    pub fn named() -> &'static [NamedModel] {
        &NAMED
    }

    /// Where the model is published, if it is.
    #[must_use]
    pub fn hub_id(&self) -> Option<&str> {
        match self {
            Self::Named(named) => Some(named.hub_id),
            Self::Hub(id) => Some(id),
            Self::Demo | Self::Folder(_) => None,
        }
    }
}

impl fmt::Display for ModelSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Demo => f.write_str("demo"),
            Self::Named(named) => f.write_str(named.name),
            Self::Hub(id) => f.write_str(id),
            Self::Folder(path) => path.display().fmt(f),
        }
    }
}

impl FromStr for ModelSpec {
    type Err = SpecError;

    fn from_str(text: &str) -> Result<Self, SpecError> {
        let lower = text.to_ascii_lowercase();
        if lower == "demo" {
            return Ok(Self::Demo);
        }
        if let Some(named) = NAMED.iter().find(|named| named.name == lower) {
            return Ok(Self::Named(*named));
        }
        let path = PathBuf::from(text);
        if path.is_dir() {
            Ok(Self::Folder(path))
        } else if is_hub_id(text) {
            Ok(Self::Hub(text.to_owned()))
        } else if text.contains(['/', '\\']) {
            // Whether the folder is there shows when the model is loaded: it may be on a disk that comes later.
            Ok(Self::Folder(path))
        } else {
            let names: Vec<_> = NAMED.iter().map(|named| named.name).collect();
            Err(SpecError(format!(
                "`{text}` is no model. Use demo, {}, a hub id such as {}, or a folder.",
                names.join(", "),
                NAMED[0].hub_id
            )))
        }
    }
}

/// Whether a text is `owner/name` as the hub allows them.
fn is_hub_id(text: &str) -> bool {
    let is_name = |part: &str| {
        part.starts_with(|first: char| first.is_ascii_alphanumeric())
            && part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
    };
    text.split_once('/').is_some_and(|(owner, name)| is_name(owner) && is_name(name))
}

/// Why a text names no model, device or precision. Displays as a sentence for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpecError(pub(crate) String);

impl fmt::Display for SpecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
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
    fn folders_go_before_hub_ids_and_after_names() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().to_str().expect("a path in UTF-8");
        assert_eq!(model(path), ModelSpec::Folder(path.into()));
        assert_eq!(model("/no/such/folder"), ModelSpec::Folder("/no/such/folder".into()));
        assert_eq!(model("./256m"), ModelSpec::Folder("./256m".into()));
        assert_eq!(model("someone/some-model_1.0"), ModelSpec::Hub("someone/some-model_1.0".to_owned()));
    }

    #[test]
    fn what_names_no_model_is_refused_with_what_to_write() {
        for text in ["", "1b", "smolvlm3", "256 m"] {
            let message = text.parse::<ModelSpec>().expect_err(text).to_string();
            assert!(message.contains("Use demo, 256m"), "{message}");
        }
    }
}

//! What may stand in a plan's file: its tables and keys, as they are written. What they mean is
//! made of them in `read`. A key that is not here is refused.

use std::path::PathBuf;

use serde::Deserialize;
use toml::Spanned;

use crate::actions::ActionTables;
use crate::base::quantity::{Length, Size};
use crate::capture::SourceSpec;
use crate::capture::camera::WantedFormat;
use crate::live::{Region, Rotation};
use crate::rules::spec::RuleSpec;

/// The whole file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanTable {
    pub engine: Option<Spanned<EngineTable>>,
    pub log: Option<LogTable>,
    #[serde(default)]
    pub action: ActionTables,
    #[serde(default)]
    pub view: Vec<ViewTable>,
}

/// `[engine]`: which model, and the server that runs it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EngineTable {
    pub model: Spanned<String>,
    pub url: Option<Spanned<String>>,
    pub key_file: Option<Spanned<PathBuf>>,
}

/// `[log]`: where captions are recorded.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogTable {
    pub file: Option<PathBuf>,
    pub limit: Option<Size>,
    pub keep: Option<Length>,
}

/// `[[view]]`: a source and what is asked of it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ViewTable {
    pub name: Option<Spanned<String>>,
    pub source: SourceSpec,
    pub user: Option<String>,
    pub password_file: Option<Spanned<PathBuf>>,
    pub ca_file: Option<PathBuf>,
    #[serde(rename = "loop")]
    pub repeat: Option<bool>,
    pub camera_format: Option<WantedFormat>,
    pub region: Option<Region>,
    #[serde(default)]
    pub mask: Vec<Region>,
    #[serde(default)]
    pub rotate: Rotation,
    pub standing: Option<Spanned<String>>,
    #[serde(default)]
    pub reference: Vec<Spanned<ReferenceTable>>,
    pub split: Option<bool>,
    pub instruction: Option<String>,
    pub max_tokens: Option<Whole<1, 100_000>>,
    pub every_frame: Option<bool>,
    pub steady: Option<bool>,
    pub longest_silence: Option<Length>,
    pub most_per_minute: Option<Whole<1, 6000>>,
    #[serde(default)]
    pub rule: Vec<RuleSpec>,
}

/// A picture that the model is to know.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReferenceTable {
    pub label: String,
    pub file: PathBuf,
}

/// A whole number from `LEAST` to `MOST`.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "i64")]
pub struct Whole<const LEAST: u32, const MOST: u32>(pub u32);

impl<const LEAST: u32, const MOST: u32> TryFrom<i64> for Whole<LEAST, MOST> {
    type Error = String;

    fn try_from(number: i64) -> Result<Self, String> {
        let number = u32::try_from(number).ok().filter(|number| (LEAST..=MOST).contains(number));
        number.map(Self).ok_or_else(|| format!("write a whole number from {LEAST} to {MOST}"))
    }
}

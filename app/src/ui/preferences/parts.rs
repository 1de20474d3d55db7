//! The parts of what the window remembers, as they stand in its file. Plain data.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Light or dark.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ThemeChoice {
    /// As the system says; dark where it says nothing.
    #[default]
    System,
    /// Light.
    Light,
    /// Dark.
    Dark,
}

/// Where captions stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CaptionPlace {
    /// Over the lower edge of the picture.
    #[default]
    Picture,
    /// Under the picture.
    Below,
}

/// How captions look.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default)]
pub struct CaptionStyle {
    /// Their letters, as a part of the usual size.
    pub size: f32,
    /// Where they stand.
    pub place: CaptionPlace,
    /// How dark the plate under them is, in per cent.
    pub background: u8,
}

impl Default for CaptionStyle {
    fn default() -> Self {
        Self { size: 1.0, place: CaptionPlace::Picture, background: 80 }
    }
}

impl CaptionStyle {
    /// The size of the letters, in points.
    #[must_use]
    pub fn points(&self) -> f32 {
        USUAL_CAPTION * self.size
    }
}

/// The usual size of a caption's letters, in points: readable from a few steps away.
pub const USUAL_CAPTION: f32 = 24.0;

/// Whether and how captions are read aloud.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default)]
pub struct SpeechChoice {
    /// Whether they are.
    pub on: bool,
    /// How fast, as a part of the voice's usual rate.
    pub rate: f32,
}

impl Default for SpeechChoice {
    fn default() -> Self {
        Self { on: false, rate: 1.0 }
    }
}

/// Where the window is, in points.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default)]
pub struct WindowPlace {
    /// Width and height.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<[f32; 2]>,
    /// From the left and the top of the screens, where the system tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub position: Option<[f32; 2]>,
    /// Whether it fills the screen.
    pub maximized: bool,
    /// How large everything is: 1 is the system's own size.
    pub zoom: f32,
}

impl Default for WindowPlace {
    fn default() -> Self {
        Self { size: None, position: None, maximized: false, zoom: 1.0 }
    }
}

/// Which panels are open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub struct Panels {
    /// The log.
    pub log: bool,
    /// How fast everything is.
    pub performance: bool,
    /// The rules.
    pub rules: bool,
    /// The width of the log beside the picture, in points.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_width: Option<u32>,
    /// The same of the questions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub questions_width: Option<u32>,
}

/// A picture that the model is to know.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct KeptReference {
    /// What it shows.
    pub label: String,
    /// Its file.
    pub file: PathBuf,
}

/// How fast a model is on this machine.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct KeptSpeed {
    /// The model, as it is written after `--model`.
    pub model: String,
    /// Where it ran.
    pub device: String,
    /// In which numbers.
    pub precision: String,
    /// Captions in a minute.
    pub per_minute: f32,
}

impl KeptSpeed {
    /// In words.
    #[must_use]
    pub fn words(&self) -> String {
        let Self { device, precision, per_minute, .. } = self;
        format!("about {per_minute:.0} captions a minute here ({precision} on {device})")
    }
}

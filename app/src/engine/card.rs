//! Who answers, for people and logs, and what it can do. Plain data.

use vlm::VideoSampling;

/// Who answers, for people and logs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EngineCard {
    /// The model as the user named it, or its folder's name.
    pub model: String,
    /// Where it runs, such as `cpu` or `cuda:0`.
    pub device: String,
    /// Number format of weights and sums, such as `f32`.
    pub precision: String,
    /// Why it runs there, in a sentence; nothing where the user decided. Not kept in logs.
    pub why: String,
    /// The host that pictures are sent to, where they leave this machine.
    pub sent_to: Option<String>,
    /// What it can do. Not kept in logs.
    pub can: Capabilities,
}

/// What not every engine can do: asked beforehand, so that it is never an error in the middle.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Capabilities {
    /// How it was trained to look at videos, if it was.
    pub video: Option<VideoSampling>,
    /// Whether it tells how likely answers are: [`Engine::score`](crate::engine::Engine::score).
    pub scores: bool,
    /// How many requests may be under way at a time, each by a hand of its own
    /// ([`Engine::another`](crate::engine::Engine::another)); none is as good as one.
    pub parallel: usize,
    /// Whether it keeps views: [`Engine::features`](crate::engine::Engine::features).
    pub features: bool,
    /// The mean log-probability of a caption's tokens below which it is doubtful; `None` where that
    /// was not calibrated.
    pub doubt_below: Option<f32>,
}

impl Capabilities {
    /// Whether a caption is to be set off as doubtful.
    #[must_use]
    pub fn doubts(&self, mean_log_prob: Option<f32>) -> bool {
        matches!((self.doubt_below, mean_log_prob), (Some(least), Some(mean)) if mean < least)
    }
}

impl EngineCard {
    /// Where it runs and why, in a line.
    #[must_use]
    pub fn words(&self) -> String {
        let Self { model, device, precision, why, .. } = self;
        if let Some(host) = &self.sent_to {
            return format!("The model {model} answers on {host}. {why}");
        }
        format!("The model {model} runs on {device} in {precision}. {why}").trim_end().to_owned()
    }

    /// The same where the user left it to the program.
    #[must_use]
    pub fn taken(&self) -> Option<String> {
        (!self.why.is_empty()).then(|| self.words())
    }
}

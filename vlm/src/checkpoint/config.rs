//! The model's own JSON: every number of the architecture is read from the checkpoint, checked
//! once, and trusted after.
//!
//! Field names are those of transformers' `Idefics3Config` and `SmolVLMConfig`. Knows files only by
//! name, for messages.

use std::path::Path;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::checkpoint::{formats, json};
use crate::error::{Error, Result};

/// No released model comes near these; a larger number means a damaged file, and would ask for
/// absurd memory.
const MOST_WIDTH: usize = 1 << 16;
const MOST_LAYERS: usize = 1 << 9;
const MOST_VOCABULARY: usize = 1 << 22;
const MOST_CONTEXT: usize = 1 << 20;
pub(super) const MOST_TILE: usize = 1 << 12;
/// `default_theta` of transformers' `LlamaConfig`.
const DEFAULT_ROPE_THETA: f64 = 10_000.0;
/// The families of models that run, as `model_type` names them.
const MODEL_TYPES: [&str; 2] = ["idefics3", "smolvlm"];

/// Whether a `model_type` of a `config.json` names a family that runs.
#[must_use]
pub fn is_supported(model_type: &str) -> bool {
    MODEL_TYPES.contains(&model_type)
}

/// `config.json`. What a file leaves out is what the classes of transformers 5.23 take:
/// `Idefics3Config` and `SmolVLMConfig`, which have the same.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub(crate) struct Config {
    /// Stands for one image feature in the prompt.
    pub image_token_id: u32,
    /// Pixel shuffle: a block of `scale_factor` x `scale_factor` patches becomes one token.
    pub scale_factor: usize,
    #[serde(rename = "text_config")]
    pub text: TextConfig,
    #[serde(rename = "vision_config")]
    pub vision: VisionConfig,
    /// A number or a list of them.
    eos_token_id: Value,
}

/// The Llama decoder, with the defaults of `LlamaConfig`.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub(crate) struct TextConfig {
    pub hidden_size: usize,
    pub intermediate_size: usize,
    pub num_hidden_layers: usize,
    pub num_attention_heads: usize,
    num_key_value_heads: Option<usize>,
    head_dim: Option<usize>,
    pub vocab_size: usize,
    /// The model's context, in tokens.
    pub max_position_embeddings: usize,
    pub rms_norm_eps: f64,
    rope_theta: Option<f64>,
    rope_parameters: Rope,
    rope_scaling: Rope,
    model_type: String,
    hidden_act: String,
    attention_bias: bool,
    mlp_bias: bool,
    qk_layer_norms: bool,
    eos_token_id: Value,
}

/// The rotary embedding: `rope_parameters` of transformers 5, `rope_scaling` of earlier versions.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Rope {
    #[serde(rename = "rope_theta")]
    theta: Option<f64>,
    #[serde(rename = "rope_type")]
    kind: Option<String>,
    /// What `rope_type` was called first.
    #[serde(rename = "type")]
    old_kind: Option<String>,
}

/// The SigLIP encoder, with the defaults of `Idefics3VisionConfig` and `SmolVLMVisionConfig`, which
/// are the same.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub(crate) struct VisionConfig {
    pub hidden_size: usize,
    pub intermediate_size: usize,
    pub num_hidden_layers: usize,
    pub num_attention_heads: usize,
    num_channels: usize,
    /// Side of a tile, in pixels.
    #[serde(deserialize_with = "side")]
    pub image_size: usize,
    /// Side of a patch, in pixels. It need not divide the tile: what is left over is not seen.
    #[serde(deserialize_with = "side")]
    pub patch_size: usize,
    pub layer_norm_eps: f64,
    hidden_act: String,
}

impl Default for Config {
    fn default() -> Self {
        // Where there is no text_config at all, the class makes one with this number; an empty one
        // has LlamaConfig's.
        let text = TextConfig { rms_norm_eps: 1e-5, ..TextConfig::default() };
        Self {
            image_token_id: 128_257,
            scale_factor: 2,
            text,
            vision: VisionConfig::default(),
            eos_token_id: Value::Null,
        }
    }
}

impl Default for TextConfig {
    fn default() -> Self {
        Self {
            hidden_size: 4096,
            intermediate_size: 11008,
            num_hidden_layers: 32,
            num_attention_heads: 32,
            num_key_value_heads: None,
            head_dim: None,
            vocab_size: 32000,
            max_position_embeddings: 2048,
            rms_norm_eps: 1e-6,
            rope_theta: None,
            rope_parameters: Rope::default(),
            rope_scaling: Rope::default(),
            model_type: "llama".into(),
            hidden_act: "silu".into(),
            attention_bias: false,
            mlp_bias: false,
            qk_layer_norms: false,
            eos_token_id: Value::Null,
        }
    }
}

impl Default for VisionConfig {
    fn default() -> Self {
        Self {
            hidden_size: 1152,
            intermediate_size: 3072,
            num_hidden_layers: 12,
            num_attention_heads: 16,
            num_channels: 3,
            image_size: 224,
            patch_size: 32,
            layer_norm_eps: 1e-6,
            hidden_act: "gelu_pytorch_tanh".into(),
        }
    }
}

/// A side in pixels, written as one number or as height and width, which must be equal.
fn side<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<usize, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Side {
        Both(usize),
        Each([usize; 2]),
    }
    match Side::deserialize(deserializer)? {
        Side::Both(side) => Ok(side),
        Side::Each([height, width]) if height == width => Ok(width),
        Side::Each([height, width]) => Err(D::Error::custom(format!("a side of {height} and {width} pixels at once"))),
    }
}

/// The ids that a number or a list of numbers names; what can't be an id is left out.
pub(crate) fn token_ids(value: &Value) -> Vec<u32> {
    let id = |value: &Value| value.as_u64().and_then(|id| u32::try_from(id).ok());
    match value {
        Value::Array(values) => values.iter().filter_map(id).collect(),
        other => id(other).into_iter().collect(),
    }
}

impl TextConfig {
    pub fn kv_heads(&self) -> usize {
        self.num_key_value_heads.unwrap_or(self.num_attention_heads)
    }

    pub fn head_dim(&self) -> usize {
        self.head_dim.unwrap_or(self.hidden_size / self.num_attention_heads.max(1))
    }

    /// Base of the rotary embedding's wavelengths.
    pub fn rope_theta(&self) -> f64 {
        self.ropes().find_map(|rope| rope.theta).or(self.rope_theta).unwrap_or(DEFAULT_ROPE_THETA)
    }

    fn ropes(&self) -> impl Iterator<Item = &Rope> {
        [&self.rope_parameters, &self.rope_scaling].into_iter()
    }
}

impl VisionConfig {
    /// Patches along one side of a tile.
    pub fn grid(&self) -> usize {
        self.image_size / self.patch_size
    }
}

impl Config {
    /// Reads and checks `config.json`; `path` is for messages.
    ///
    /// # Errors
    /// [`Error::Damaged`] for bad JSON and impossible numbers, [`Error::Unsupported`] for another
    /// architecture.
    pub fn parse(json: &[u8], path: &Path) -> Result<Self> {
        #[derive(Deserialize)]
        struct Kind {
            model_type: Option<String>,
            quantization_config: Option<Value>,
            quantization: Option<Value>,
        }
        let damaged = |why: String| Error::Damaged { path: path.into(), why };
        let unsupported = |why: String| Error::Unsupported { path: path.into(), why };
        // The architecture first: another model's file lacks our fields, and "missing field" would
        // mislead.
        let kind: Kind = json::parse(json, path)?;
        match kind.model_type.as_deref() {
            Some(known) if is_supported(known) => {}
            Some(other) => return Err(unsupported(format!("its model_type is `{other}`"))),
            None => return Err(damaged("it names no model_type".into())),
        }
        if let Some(quantised) = kind.quantization_config.or(kind.quantization) {
            return Err(formats::quantised(&quantised).error(path));
        }
        let config: Self = json::parse(json, path)?;
        config.check_numbers().map_err(damaged)?;
        config.check_architecture().map_err(unsupported)?;
        Ok(config)
    }

    /// The tokens that end a reply, as far as the configuration says.
    pub fn end_ids(&self) -> Vec<u32> {
        [&self.eos_token_id, &self.text.eos_token_id].into_iter().flat_map(token_ids).collect()
    }

    /// Image tokens that one tile takes in the prompt.
    pub fn tokens_per_tile(&self) -> usize {
        (self.vision.grid() / self.scale_factor).pow(2)
    }

    fn check_numbers(&self) -> std::result::Result<(), String> {
        let (t, v) = (&self.text, &self.vision);
        for (name, value, most) in [
            ("scale_factor", self.scale_factor, MOST_TILE),
            ("text_config.hidden_size", t.hidden_size, MOST_WIDTH),
            ("text_config.intermediate_size", t.intermediate_size, MOST_WIDTH),
            ("text_config.num_hidden_layers", t.num_hidden_layers, MOST_LAYERS),
            ("text_config.num_attention_heads", t.num_attention_heads, MOST_WIDTH),
            ("text_config.num_key_value_heads", t.kv_heads(), MOST_WIDTH),
            ("text_config.head_dim", t.head_dim(), MOST_WIDTH),
            ("text_config.vocab_size", t.vocab_size, MOST_VOCABULARY),
            ("text_config.max_position_embeddings", t.max_position_embeddings, MOST_CONTEXT),
            ("vision_config.hidden_size", v.hidden_size, MOST_WIDTH),
            ("vision_config.intermediate_size", v.intermediate_size, MOST_WIDTH),
            ("vision_config.num_hidden_layers", v.num_hidden_layers, MOST_LAYERS),
            ("vision_config.num_attention_heads", v.num_attention_heads, MOST_WIDTH),
            ("vision_config.image_size", v.image_size, MOST_TILE),
            ("vision_config.patch_size", v.patch_size, MOST_TILE),
        ] {
            if !(1..=most).contains(&value) {
                return Err(format!("{name} is {value}, and must be from 1 to {most}"));
            }
        }
        if !t.num_attention_heads.is_multiple_of(t.kv_heads()) {
            return Err("text_config.num_attention_heads is not a multiple of num_key_value_heads".into());
        }
        if !t.head_dim().is_multiple_of(2) {
            return Err("text_config.head_dim is odd".into());
        }
        if !v.hidden_size.is_multiple_of(v.num_attention_heads) {
            return Err("vision_config.hidden_size is not a multiple of num_attention_heads".into());
        }
        if v.patch_size > v.image_size || !v.grid().is_multiple_of(self.scale_factor) {
            return Err("vision_config's tile does not divide into blocks of scale_factor patches".into());
        }
        if self.image_token_id as usize >= t.vocab_size {
            return Err("image_token_id lies outside the vocabulary".into());
        }
        let theta = t.rope_theta();
        if !(theta.is_finite() && theta > 0.0) {
            return Err("text_config's rope_theta is not usable".into());
        }
        for (name, eps) in [("rms_norm_eps", t.rms_norm_eps), ("layer_norm_eps", v.layer_norm_eps)] {
            if !(eps.is_finite() && eps > 0.0) {
                return Err(format!("{name} is {eps}"));
            }
        }
        Ok(())
    }

    fn check_architecture(&self) -> std::result::Result<(), String> {
        let (t, v) = (&self.text, &self.vision);
        if t.model_type != "llama" {
            return Err(format!("its text model is `{}`", t.model_type));
        }
        // Of each activation the names that transformers has for it.
        if !["silu", "swish"].contains(&&*t.hidden_act) || !["gelu_pytorch_tanh", "gelu_new"].contains(&&*v.hidden_act)
        {
            return Err(format!("its activations are {} and {}", t.hidden_act, v.hidden_act));
        }
        if t.attention_bias || t.mlp_bias || t.qk_layer_norms {
            return Err("its text model has biases or query and key norms".into());
        }
        let mut kinds = t.ropes().filter_map(|rope| rope.kind.as_deref().or(rope.old_kind.as_deref()));
        if let Some(kind) = kinds.find(|kind| *kind != "default") {
            return Err(format!("its rotary embedding is scaled (`{kind}`)"));
        }
        if v.num_channels != 3 {
            return Err(format!("it wants {} colour channels", v.num_channels));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;

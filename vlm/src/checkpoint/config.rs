//! The model's own JSON: every number of the architecture is read from the checkpoint, checked once, and trusted after.
//!
//! Field names are those of transformers' `Idefics3Config` and `SmolVLMConfig`. Knows files only by name, for messages.

use std::path::Path;

use serde::Deserialize;

use crate::error::{Error, Result};

/// No released model comes near these; a larger number means a damaged file, and would ask for absurd memory.
const MOST_WIDTH: usize = 1 << 16;
const MOST_LAYERS: usize = 1 << 9;
const MOST_VOCABULARY: usize = 1 << 22;
const MOST_CONTEXT: usize = 1 << 20;
const MOST_TILE: usize = 1 << 12;

/// `config.json`.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Config {
    /// Stands for one image feature in the prompt.
    pub image_token_id: u32,
    /// Pixel shuffle: a block of `scale_factor` x `scale_factor` patches becomes one token.
    pub scale_factor: usize,
    #[serde(rename = "text_config")]
    pub text: TextConfig,
    #[serde(rename = "vision_config")]
    pub vision: VisionConfig,
}

/// The Llama decoder.
#[derive(Clone, Debug, Deserialize)]
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
    #[serde(default = "default_rms_norm_eps")]
    pub rms_norm_eps: f64,
    rope_theta: Option<f64>,
    rope_parameters: Option<RopeParameters>,
    rope_scaling: Option<serde_json::Value>,
    #[serde(default = "default_text_activation")]
    hidden_act: String,
    #[serde(default)]
    attention_bias: bool,
    #[serde(default)]
    mlp_bias: bool,
    #[serde(default)]
    qk_layer_norms: bool,
}

/// Where transformers 5 writes what earlier versions wrote as `rope_theta`.
#[derive(Clone, Debug, Deserialize)]
struct RopeParameters {
    rope_theta: f64,
    #[serde(default = "default_rope_type")]
    rope_type: String,
}

/// The SigLIP encoder. SmolVLM2's files leave out what equals the class defaults of `SmolVLMVisionConfig`.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct VisionConfig {
    pub hidden_size: usize,
    #[serde(default = "default_vision_intermediate_size")]
    pub intermediate_size: usize,
    #[serde(default = "default_vision_layers")]
    pub num_hidden_layers: usize,
    pub num_attention_heads: usize,
    #[serde(default = "default_channels")]
    num_channels: usize,
    /// Side of a tile, in pixels.
    pub image_size: usize,
    /// Side of a patch, in pixels. It need not divide the tile: what is left over is not seen.
    pub patch_size: usize,
    #[serde(default = "default_layer_norm_eps")]
    pub layer_norm_eps: f64,
    #[serde(default = "default_vision_activation")]
    hidden_act: String,
}

fn default_rms_norm_eps() -> f64 {
    1e-5
}
fn default_text_activation() -> String {
    "silu".into()
}
fn default_rope_type() -> String {
    "default".into()
}
fn default_vision_intermediate_size() -> usize {
    3072
}
fn default_vision_layers() -> usize {
    12
}
fn default_channels() -> usize {
    3
}
fn default_layer_norm_eps() -> f64 {
    1e-6
}
fn default_vision_activation() -> String {
    "gelu_pytorch_tanh".into()
}

impl TextConfig {
    pub fn kv_heads(&self) -> usize {
        self.num_key_value_heads.unwrap_or(self.num_attention_heads)
    }

    pub fn head_dim(&self) -> usize {
        self.head_dim.unwrap_or(self.hidden_size / self.num_attention_heads.max(1))
    }

    /// Base of the rotary embedding's wavelengths. [`Config::parse`] made sure that the file has one.
    pub fn rope_theta(&self) -> f64 {
        self.rope_parameters.as_ref().map(|p| p.rope_theta).or(self.rope_theta).unwrap_or(f64::NAN)
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
    /// [`Error::Damaged`] for bad JSON and impossible numbers, [`Error::Unsupported`] for another architecture.
    pub fn parse(json: &[u8], path: &Path) -> Result<Self> {
        #[derive(Deserialize)]
        struct Kind {
            model_type: Option<String>,
        }
        let damaged = |why: String| Error::Damaged { path: path.into(), why };
        let unsupported = |why: String| Error::Unsupported { path: path.into(), why };
        // The architecture first: another model's file lacks our fields, and "missing field" would mislead.
        let kind: Kind = serde_json::from_slice(json).map_err(|e| damaged(e.to_string()))?;
        match kind.model_type.as_deref() {
            Some("idefics3" | "smolvlm") => {}
            Some(other) => return Err(unsupported(format!("its model_type is `{other}`"))),
            None => return Err(damaged("it names no model_type".into())),
        }
        let config: Self = serde_json::from_slice(json).map_err(|e| damaged(e.to_string()))?;
        config.check_numbers().map_err(damaged)?;
        config.check_architecture().map_err(unsupported)?;
        Ok(config)
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
            return Err("text_config.num_attention_heads is no multiple of num_key_value_heads".into());
        }
        if !t.head_dim().is_multiple_of(2) {
            return Err("text_config.head_dim is odd".into());
        }
        if !v.hidden_size.is_multiple_of(v.num_attention_heads) {
            return Err("vision_config.hidden_size is no multiple of num_attention_heads".into());
        }
        if v.patch_size > v.image_size || !v.grid().is_multiple_of(self.scale_factor) {
            return Err("vision_config's tile does not divide into blocks of scale_factor patches".into());
        }
        if self.image_token_id as usize >= t.vocab_size {
            return Err("image_token_id lies outside the vocabulary".into());
        }
        let theta = t.rope_theta();
        if !(theta.is_finite() && theta > 0.0) {
            return Err("text_config has no usable rope_theta".into());
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
        if t.hidden_act != "silu" || v.hidden_act != "gelu_pytorch_tanh" {
            return Err(format!("its activations are {} and {}", t.hidden_act, v.hidden_act));
        }
        if t.attention_bias || t.mlp_bias || t.qk_layer_norms {
            return Err("its text model has biases or query and key norms".into());
        }
        let scaled = t.rope_scaling.as_ref().is_some_and(|s| !s.is_null());
        if scaled || t.rope_parameters.as_ref().is_some_and(|p| p.rope_type != "default") {
            return Err("its rotary embedding is scaled".into());
        }
        if v.num_channels != 3 {
            return Err(format!("it wants {} colour channels", v.num_channels));
        }
        Ok(())
    }
}

/// `preprocessor_config.json`, as far as it is used.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct PreprocessorConfig {
    /// A split picture is resized to this many pixels along its longest edge before it is cut into tiles.
    pub size: LongestEdge,
    /// Side of a tile.
    pub max_image_size: LongestEdge,
    pub image_mean: [f32; 3],
    pub image_std: [f32; 3],
    pub rescale_factor: f64,
    /// How the model was trained to look at videos, if it was.
    #[serde(default)]
    pub video_sampling: Option<VideoSampling>,
}

/// How a model was trained to look at videos (`video_sampling` of the preprocessor's configuration).
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
pub struct VideoSampling {
    /// Frames for each second.
    pub fps: f64,
    /// The most frames of a video.
    pub max_frames: usize,
}

/// `{"longest_edge": N}`.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct LongestEdge {
    pub longest_edge: usize,
}

impl PreprocessorConfig {
    /// Reads and checks the file; its tile must be the one that `vision` was made for.
    ///
    /// # Errors
    /// [`Error::Damaged`] with what is wrong.
    pub fn parse(json: &[u8], path: &Path, vision: &VisionConfig) -> Result<Self> {
        let damaged = |why: String| Error::Damaged { path: path.into(), why };
        let config: Self = serde_json::from_slice(json).map_err(|e| damaged(e.to_string()))?;
        if config.max_image_size.longest_edge != vision.image_size {
            return Err(damaged(format!(
                "its tile is {} pixels wide, but the model's is {}",
                config.max_image_size.longest_edge, vision.image_size
            )));
        }
        if !(1..=MOST_TILE * 4).contains(&config.size.longest_edge) {
            return Err(damaged(format!("size.longest_edge is {}", config.size.longest_edge)));
        }
        if config
            .video_sampling
            .is_some_and(|video| !(video.fps > 0.0 && video.fps.is_finite()) || video.max_frames == 0)
        {
            return Err(damaged("video_sampling is not usable".into()));
        }
        let usable = |x: &f32| x.is_finite();
        if !(config.image_mean.iter().all(usable) && config.image_std.iter().all(|x| usable(x) && *x > 0.0)) {
            return Err(damaged("image_mean or image_std is not usable".into()));
        }
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(change: impl FnOnce(&mut serde_json::Value)) -> Result<Config> {
        let mut json = serde_json::json!({
            "model_type": "smolvlm", "image_token_id": 9, "scale_factor": 2,
            "text_config": {"hidden_size": 64, "intermediate_size": 160, "num_hidden_layers": 2, "num_attention_heads": 4,
                "num_key_value_heads": 2, "vocab_size": 16, "max_position_embeddings": 128, "rope_theta": 10000.0},
            "vision_config": {"hidden_size": 64, "num_attention_heads": 4, "image_size": 64, "patch_size": 16},
        });
        change(&mut json);
        Config::parse(json.to_string().as_bytes(), Path::new("config.json"))
    }

    #[test]
    fn sparse_vision_config_takes_the_class_defaults() {
        let c = parse(|_| {}).unwrap();
        assert_eq!((c.vision.num_hidden_layers, c.vision.intermediate_size, c.vision.num_channels), (12, 3072, 3));
        assert_eq!(c.tokens_per_tile(), 4);
        assert_eq!(c.text.head_dim(), 16);
    }

    #[test]
    fn rope_theta_is_read_from_either_place() {
        let c = parse(|j| {
            j["text_config"].as_object_mut().unwrap().remove("rope_theta");
            j["text_config"]["rope_parameters"] = serde_json::json!({"rope_theta": 273_768.0, "rope_type": "default"});
        });
        assert!((c.unwrap().text.rope_theta() - 273_768.0).abs() < 1e-9);
    }

    #[test]
    fn a_patch_need_not_divide_the_tile() {
        let c = parse(|j| {
            j["vision_config"]["image_size"] = 88.into();
            j["vision_config"]["patch_size"] = 14.into();
            j["scale_factor"] = 3.into();
        });
        assert_eq!(c.unwrap().tokens_per_tile(), 4);
    }

    #[test]
    fn impossible_numbers_are_refused_with_their_name() {
        for (pointer, value, words) in [
            ("/text_config/hidden_size", 0, "hidden_size is 0"),
            ("/text_config/num_hidden_layers", 1_000_000, "num_hidden_layers is 1000000"),
            ("/text_config/num_key_value_heads", 3, "no multiple"),
            ("/vision_config/patch_size", 0, "patch_size is 0"),
            ("/vision_config/patch_size", 65, "does not divide"),
            ("/scale_factor", 3, "does not divide"),
            ("/image_token_id", 16, "outside the vocabulary"),
        ] {
            let e = parse(|j| {
                if let Some(at) = j.pointer_mut(pointer) {
                    *at = value.into();
                } else {
                    j["text_config"]["num_key_value_heads"] = value.into();
                }
            });
            let e = e.unwrap_err().to_string();
            assert!(e.contains(words), "{pointer}: {e}");
        }
    }

    #[test]
    fn other_architectures_are_named() {
        let e = parse(|j| j["model_type"] = "qwen2_vl".into()).unwrap_err();
        assert!(matches!(e, Error::Unsupported { .. }) && e.to_string().contains("qwen2_vl"), "{e}");
        let e = parse(|j| j["text_config"]["hidden_act"] = "gelu".into()).unwrap_err();
        assert!(matches!(e, Error::Unsupported { .. }), "{e}");
    }
}

//! What two GGUF files say of their model, as the `config.json` and the `preprocessor_config.json`
//! of a checkpoint would: so it is checked where those are.
//!
//! The keys are those that llama.cpp's converter writes (`conversion/base.py` and `smolvlm.py`).

use serde_json::{Value, json};

use crate::checkpoint::gguf::header::Header;
use crate::error::{Error, Result};

/// The only architecture of a text model, and of a vision part, that runs.
const TEXT: &str = "llama";
const VISION: &str = "clip";
/// The only way from the one to the other: SmolVLM was made from Idefics3.
const PROJECTOR: &str = "idefics3";
/// The sides of the largest picture that is cut into tiles, where a file does not say it: that of
/// all released models.
const TILES_A_SIDE: u64 = 4;

/// Which of the two files of a model a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Half {
    Text,
    Vision,
}

/// Tells which half of a model a file holds.
///
/// # Errors
/// [`Error::Unsupported`] when it is of another architecture, or has another projector.
pub(super) fn half(header: &Header) -> Result<Half> {
    let unsupported = |why: String| Error::Unsupported { path: header.path().into(), why };
    match header.text("general.architecture")? {
        TEXT if header.number_if_any("llama.expert_count")?.unwrap_or(0) > 0 => {
            Err(unsupported("its text model is a mixture of experts".into()))
        }
        TEXT if header.number_if_any("split.count")?.unwrap_or(0) > 1 => {
            let why = "it is one of several parts, which `llama-gguf-split --merge` joins".into();
            Err(unsupported(why))
        }
        TEXT => Ok(Half::Text),
        VISION => match projector(header)? {
            PROJECTOR => Ok(Half::Vision),
            other => Err(unsupported(format!("its projector is `{other}`, and SmolVLM's is `{PROJECTOR}`"))),
        },
        other => Err(unsupported(format!("its architecture is `{other}`"))),
    }
}

/// How pictures come to the text model, by its name in llama.cpp.
fn projector(vision: &Header) -> Result<&str> {
    // The second is what files with several encoders have.
    let key = ["clip.projector_type", "clip.vision.projector_type"];
    vision.text(key.into_iter().find(|key| vision.has(key)).unwrap_or(key[0]))
}

/// What `config.json` would say. `tokens` is the size of the vocabulary, `image_id` the token that
/// stands for a feature.
///
/// # Errors
/// [`Error::Damaged`] when a file does not say something, [`Error::Unsupported`] when the two are
/// halves of different models.
pub(super) fn config(text: &Header, vision: &Header, tokens: usize, image_id: usize) -> Result<Value> {
    let of_text = |key: &str| text.number(&format!("llama.{key}"));
    let of_vision = |key: &str| vision.number(&format!("clip.vision.{key}"));
    let (width, wanted) = (of_text("embedding_length")?, of_vision("projection_dim")?);
    if width != wanted {
        let why = format!(
            "it was made for a text model {wanted} numbers wide, and {} is {width} wide",
            text.path().file_name().unwrap_or_default().to_string_lossy()
        );
        return Err(Error::Unsupported { path: vision.path().into(), why });
    }
    let head_dim = text.number_if_any("llama.attention.key_length")?;
    let turned = text.number_if_any("llama.rope.dimension_count")?;
    let turned_of = (turned, head_dim.or_else(|| width.checked_div(of_text("attention.head_count").ok()?)));
    if let (Some(turned), Some(all)) = turned_of
        && turned != all
    {
        let why = format!("its rotary embedding turns {turned} of the {all} numbers of a head");
        return Err(Error::Unsupported { path: text.path().into(), why });
    }
    let scaling = "llama.rope.scaling.type";
    let scaling = if text.has(scaling) { text.text(scaling)? } else { "none" };
    let theta = "llama.rope.freq_base";
    let theta = if text.has(theta) { Some(text.real(theta)?) } else { None };
    let ends = ["eos", "eot"].map(|end| text.number_if_any(&format!("tokenizer.ggml.{end}_token_id")));
    let [eos, eot] = ends;
    Ok(json!({
        "model_type": "smolvlm",
        "image_token_id": image_id,
        "scale_factor": of_vision("projector.scale_factor")?,
        "eos_token_id": [eos?, eot?],
        "text_config": {
            "model_type": "llama",
            "hidden_size": width,
            "intermediate_size": of_text("feed_forward_length")?,
            "num_hidden_layers": of_text("block_count")?,
            "num_attention_heads": of_text("attention.head_count")?,
            "num_key_value_heads": text.number_if_any("llama.attention.head_count_kv")?,
            "head_dim": head_dim,
            "vocab_size": tokens,
            "max_position_embeddings": of_text("context_length")?,
            "rms_norm_eps": text.real("llama.attention.layer_norm_rms_epsilon")?,
            "rope_theta": theta,
            "rope_scaling": {"rope_type": if scaling == "none" { "default" } else { scaling }},
        },
        "vision_config": {
            "hidden_size": of_vision("embedding_length")?,
            "intermediate_size": of_vision("feed_forward_length")?,
            "num_hidden_layers": of_vision("block_count")?,
            "num_attention_heads": of_vision("attention.head_count")?,
            "image_size": of_vision("image_size")?,
            "patch_size": of_vision("patch_size")?,
            "layer_norm_eps": vision.real("clip.vision.attention.layer_norm_epsilon")?,
            // ggml's GELU is the one with tanh.
            "hidden_act": if vision.is_true("clip.use_gelu") { "gelu_pytorch_tanh" } else { "quick_gelu" },
        },
    }))
}

/// What `preprocessor_config.json` would say.
///
/// # Errors
/// [`Error::Damaged`] when the file does not say something.
pub(super) fn preprocessor(vision: &Header) -> Result<Value> {
    let tile = vision.number("clip.vision.image_size")?;
    let longest = vision.number_if_any("clip.vision.preproc_image_size")?;
    let longest = longest.unwrap_or_else(|| tile.saturating_mul(TILES_A_SIDE));
    Ok(json!({
        "size": {"longest_edge": longest},
        "max_image_size": {"longest_edge": tile},
        "image_mean": vision.reals("clip.vision.image_mean")?,
        "image_std": vision.reals("clip.vision.image_std")?,
    }))
}

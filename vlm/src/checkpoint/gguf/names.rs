//! What llama.cpp's converter calls the tensors of SmolVLM (`gguf-py/gguf/tensor_mapping.py`), and
//! what checkpoints call them.

use std::collections::HashMap;

use crate::checkpoint::stored::Stored;

/// Tensors of the text model outside its layers.
const TEXT: [(&str, &str); 3] = [
    ("token_embd.weight", "model.text_model.embed_tokens.weight"),
    ("output_norm.weight", "model.text_model.norm.weight"),
    ("output.weight", "lm_head.weight"),
];
/// Those of a layer.
const TEXT_LAYER: [(&str, &str); 9] = [
    ("attn_norm.weight", "input_layernorm.weight"),
    ("attn_q.weight", "self_attn.q_proj.weight"),
    ("attn_k.weight", "self_attn.k_proj.weight"),
    ("attn_v.weight", "self_attn.v_proj.weight"),
    ("attn_output.weight", "self_attn.o_proj.weight"),
    ("ffn_norm.weight", "post_attention_layernorm.weight"),
    ("ffn_gate.weight", "mlp.gate_proj.weight"),
    ("ffn_up.weight", "mlp.up_proj.weight"),
    ("ffn_down.weight", "mlp.down_proj.weight"),
];
/// Tensors of the vision part outside its layers.
const VISION: [(&str, &str); 6] = [
    ("v.patch_embd.weight", "model.vision_model.embeddings.patch_embedding.weight"),
    ("v.patch_embd.bias", "model.vision_model.embeddings.patch_embedding.bias"),
    ("v.position_embd.weight", "model.vision_model.embeddings.position_embedding.weight"),
    ("v.post_ln.weight", "model.vision_model.post_layernorm.weight"),
    ("v.post_ln.bias", "model.vision_model.post_layernorm.bias"),
    ("mm.model.fc.weight", "model.connector.modality_projection.proj.weight"),
];
/// Those of a layer, each a weight and a bias.
const VISION_LAYER: [(&str, &str); 8] = [
    ("ln1", "layer_norm1"),
    ("ln2", "layer_norm2"),
    ("attn_q", "self_attn.q_proj"),
    ("attn_k", "self_attn.k_proj"),
    ("attn_v", "self_attn.v_proj"),
    ("attn_out", "self_attn.out_proj"),
    (UP, "mlp.fc1"),
    (DOWN, "mlp.fc2"),
];
const UP: &str = "ffn_up";
const DOWN: &str = "ffn_down";

/// The tensors of a text model under the names of checkpoints.
///
/// # Errors
/// The name of one that SmolVLM's text model has not.
pub(super) fn text(
    tensors: HashMap<String, Stored>,
    heads: usize,
    kv_heads: usize,
) -> Result<Vec<(String, Stored)>, String> {
    let renamed = |(name, mut stored): (String, Stored)| {
        if let Some((_, ours)) = TEXT.iter().find(|(theirs, _)| *theirs == name) {
            return Ok(((*ours).to_owned(), stored));
        }
        let Some((number, part)) = layer(&name, "blk.") else { return Err(name) };
        let Some((_, ours)) = TEXT_LAYER.iter().find(|(theirs, _)| *theirs == part) else { return Err(name) };
        // The converter reorders these for llama.cpp's rotary embedding (`LlamaModel.permute`).
        stored.interleaved = match part {
            "attn_q.weight" => Some(heads),
            "attn_k.weight" => Some(kv_heads),
            _ => None,
        };
        Ok((format!("model.text_model.layers.{number}.{ours}"), stored))
    };
    tensors.into_iter().map(renamed).collect()
}

/// The tensors of a vision part of this width under the names of checkpoints.
///
/// # Errors
/// The name of one that SmolVLM's vision part has not.
pub(super) fn vision(tensors: HashMap<String, Stored>, width: usize) -> Result<Vec<(String, Stored)>, String> {
    // Until May 2025 the converter had the two names of the feed-forward part the wrong way round.
    let inputs = |part: &str| tensors.get(&format!("v.blk.0.{part}.weight")).and_then(|t| t.shape.last().copied());
    let is_swapped = inputs(DOWN) == Some(width) && inputs(UP) != Some(width);
    let renamed = |(name, stored): (String, Stored)| {
        if let Some((_, ours)) = VISION.iter().find(|(theirs, _)| *theirs == name) {
            return Ok(((*ours).to_owned(), stored));
        }
        let Some((number, part)) = layer(&name, "v.blk.") else { return Err(name) };
        let Some((part, ending)) = part.rsplit_once('.').filter(|(_, ending)| ["weight", "bias"].contains(ending))
        else {
            return Err(name);
        };
        let part = match part {
            UP if is_swapped => DOWN,
            DOWN if is_swapped => UP,
            part => part,
        };
        let Some((_, ours)) = VISION_LAYER.iter().find(|(theirs, _)| *theirs == part) else { return Err(name) };
        Ok((format!("model.vision_model.encoder.layers.{number}.{ours}.{ending}"), stored))
    };
    tensors.into_iter().map(renamed).collect()
}

/// The number of a layer, and what of it a name names.
fn layer<'a>(name: &'a str, prefix: &str) -> Option<(usize, &'a str)> {
    let (number, part) = name.strip_prefix(prefix)?.split_once('.')?;
    Some((number.parse().ok()?, part))
}

"""Converts a SmolVLM checkpoint to the GGUF files that llama.cpp and Sightline read.

    to_gguf.py CHECKPOINT OUTDIR [--formats f16,q8_0,…]

Writes OUTDIR/NAME-FORMAT.gguf, the text model with its tokenizer, and OUTDIR/mmproj-NAME-FORMAT.gguf,
the vision part, for each of f32, f16, bf16, q8_0 and q4_0, as llama.cpp's own converter does: rows of
queries and keys in the order of its rotary embedding, vectors and the vision part's embeddings in
f32. A matrix whose rows are no whole blocks stays f16. Needs `gguf` and `numpy` alone.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from gguf import GGMLQuantizationType, GGUFWriter, TokenType, quants

FORMATS = {"f32": "F32", "f16": "F16", "bf16": "BF16", "q8_0": "Q8_0", "q4_0": "Q4_0"}
LAYER = {
    "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm",
    "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down", "layer_norm1": "ln1", "layer_norm2": "ln2",
    "self_attn.out_proj": "attn_out", "mlp.fc1": "ffn_up", "mlp.fc2": "ffn_down",
}
OUTSIDE = {
    "lm_head": "output", "model.text_model.embed_tokens": "token_embd",
    "model.text_model.norm": "output_norm",
    "model.connector.modality_projection.proj": "mm.model.fc",
    "model.vision_model.post_layernorm": "v.post_ln",
    "model.vision_model.embeddings.patch_embedding": "v.patch_embd",
    "model.vision_model.embeddings.position_embedding": "v.position_embd",
}
# What Idefics3VisionConfig takes where a configuration leaves it out.
VISION = {"hidden_size": 1152, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 16,
          "layer_norm_eps": 1e-6, "patch_size": 32, "image_size": 224}


def tensors(folder):
    """Every tensor by name, in float32. Read by hand, for numpy has no bfloat16."""
    for path in sorted(folder.glob("model*.safetensors")):
        raw = np.memmap(path, np.uint8, "r")
        start = 8 + int(raw[:8].view("<u8")[0])
        for name, info in json.loads(raw[8:start].tobytes()).items():
            if name == "__metadata__":
                continue
            begin, end = info["data_offsets"]
            data = raw[start + begin:start + end]
            if info["dtype"] == "BF16":
                values = (data.view("<u2").astype(np.uint32) << 16).view(np.float32)
            else:
                values = data.view({"F32": "<f4", "F16": "<f2"}[info["dtype"]])
            yield name, values.astype(np.float32).reshape(info["shape"])


def renamed(name):
    """Whether a tensor is of the vision part, and its name in GGUF."""
    part, ending = name.rsplit(".", 1)
    if part in OUTSIDE:
        new = OUTSIDE[part]
        return new.startswith(("v.", "mm.")), f"{new}.{ending}"
    is_vision = part.startswith("model.vision_model.")
    number, rest = part.split(".layers.")[1].split(".", 1)
    return is_vision, f"{'v.' if is_vision else ''}blk.{number}.{LAYER[rest]}.{ending}"


def interleaved(matrix, heads):
    """The two halves of each head row by row beside each other."""
    return matrix.reshape(heads, 2, matrix.shape[0] // heads // 2, -1).swapaxes(1, 2).reshape(matrix.shape)


def finish(out, all_tensors, wanted):
    for name, values in all_tensors.items():
        kind = wanted
        if values.ndim < 2 or name.startswith(("v.patch_embd", "v.position_embd")):
            kind = GGMLQuantizationType.F32
        elif kind in (GGMLQuantizationType.Q8_0, GGMLQuantizationType.Q4_0) and values.shape[-1] % 32:
            kind = GGMLQuantizationType.F16
        out.add_tensor(name, quants.quantize(np.ascontiguousarray(values), kind), raw_dtype=kind)
    out.write_header_to_file()
    out.write_kv_data_to_file()
    out.write_tensors_to_file()
    out.close()


def write_text(path, folder, config, all_tensors, kind):
    t = config["text_config"]
    heads = t["num_attention_heads"]
    kv_heads = t.get("num_key_value_heads") or heads
    head_dim = t.get("head_dim") or t["hidden_size"] // heads
    out = GGUFWriter(path, "llama")
    out.add_block_count(t["num_hidden_layers"])
    out.add_context_length(t["max_position_embeddings"])
    out.add_embedding_length(t["hidden_size"])
    out.add_feed_forward_length(t["intermediate_size"])
    out.add_head_count(heads)
    out.add_head_count_kv(kv_heads)
    out.add_key_length(head_dim)
    out.add_value_length(head_dim)
    out.add_rope_dimension_count(head_dim)
    # transformers 5 writes it among the rope's parameters.
    out.add_rope_freq_base(t.get("rope_theta") or t["rope_parameters"]["rope_theta"])
    out.add_layer_norm_rms_eps(t["rms_norm_eps"])
    out.add_vocab_size(t["vocab_size"])
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    names = json.loads((folder / "tokenizer_config.json").read_text())
    added = {token["content"]: token["id"] for token in tokenizer["added_tokens"]}
    ids = {**tokenizer["model"]["vocab"], **added}
    by_id = {number: token for token, number in ids.items()}
    special = set(added.values())
    kinds = [TokenType.UNUSED if i not in by_id else TokenType.CONTROL if i in special else TokenType.NORMAL
             for i in range(t["vocab_size"])]
    out.add_tokenizer_model("gpt2")
    out.add_tokenizer_pre("smollm")
    out.add_token_list([by_id.get(i, f"[PAD{i}]") for i in range(t["vocab_size"])])
    out.add_token_types(kinds)
    out.add_token_merges([m if isinstance(m, str) else " ".join(m) for m in tokenizer["model"]["merges"]])
    out.add_bos_token_id(ids[names["bos_token"]])
    out.add_eos_token_id(ids[names["eos_token"]])
    out.add_pad_token_id(ids[names["pad_token"]])
    out.add_add_bos_token(False)
    template = folder / "chat_template.jinja"
    template = template.read_text() if template.exists() else names.get("chat_template")
    if isinstance(template, str):
        out.add_chat_template(template)
    turned = {name: interleaved(values, heads if ".attn_q." in name else kv_heads)
              if ".attn_q." in name or ".attn_k." in name else values for name, values in all_tensors.items()}
    finish(out, turned, kind)


def write_vision(path, folder, config, all_tensors, kind):
    v = VISION | config["vision_config"]
    # transformers 5 writes one file for all of the processor.
    alone, whole = folder / "preprocessor_config.json", folder / "processor_config.json"
    pictures = json.loads(alone.read_text()) if alone.exists() else json.loads(whole.read_text())["image_processor"]
    out = GGUFWriter(path, "clip")
    out.add_type("mmproj")
    out.add_clip_has_vision_encoder(True)
    out.add_clip_projector_type("idefics3")
    out.add_vision_projection_dim(config["text_config"]["hidden_size"])
    out.add_vision_image_size(v["image_size"])
    out.add_vision_preproc_image_size(pictures["size"]["longest_edge"])
    out.add_vision_patch_size(v["patch_size"])
    out.add_vision_embedding_length(v["hidden_size"])
    out.add_vision_feed_forward_length(v["intermediate_size"])
    out.add_vision_block_count(v["num_hidden_layers"])
    out.add_vision_head_count(v["num_attention_heads"])
    out.add_vision_attention_layernorm_eps(v["layer_norm_eps"])
    out.add_vision_image_mean(pictures["image_mean"])
    out.add_vision_image_std(pictures["image_std"])
    out.add_vision_projector_scale_factor(config["scale_factor"])
    out.add_vision_use_gelu(True)
    finish(out, all_tensors, kind)


def convert(checkpoint, folder, formats):
    """Writes both files in each format, and gives the pairs."""
    folder.mkdir(parents=True, exist_ok=True)
    config = json.loads((checkpoint / "config.json").read_text())
    halves = {True: {}, False: {}}
    for name, values in tensors(checkpoint):
        is_vision, new = renamed(name)
        halves[is_vision][new] = values
    pairs = []
    for label in formats:
        kind = GGMLQuantizationType[FORMATS[label]]
        text = folder / f"{checkpoint.name}-{label}.gguf"
        vision = folder / f"mmproj-{checkpoint.name}-{label}.gguf"
        write_text(text, checkpoint, config, halves[False], kind)
        write_vision(vision, checkpoint, config, halves[True], kind)
        pairs.append((text, vision))
    return pairs


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("checkpoint", type=Path)
    arguments.add_argument("outdir", type=Path)
    arguments.add_argument("--formats", default=",".join(FORMATS))
    arguments = arguments.parse_args()
    for text, vision in convert(arguments.checkpoint, arguments.outdir, arguments.formats.split(",")):
        print(f"{text} {text.stat().st_size}, {vision} {vision.stat().st_size} bytes")


if __name__ == "__main__":
    main()

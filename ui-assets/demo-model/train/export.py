"""Write the trained model as a checkpoint in the layout of the released ones: `export.py FOLDER [--stage joint|text|vision|halves]`.

The folder then loads with transformers' AutoModelForImageTextToText and AutoProcessor. The export compares the two: the same logits
from transformers and from model.py, for the weights as rounded to bf16.
"""
import argparse
import json
import os

import torch
from safetensors.torch import save_file

from model import PATCH, SHUFFLE, SIDE, TEXT, TOKENS, VISION, Model
from rows import END, IMAGE, PREFIX, TK, encode
from train import KEEP, assemble

TEMPLATE = (
    "<|im_start|>{% for message in messages %}{{message['role'] | capitalize}}{% if message['content'][0]['type'] == 'image' %}"
    "{{':'}}{% else %}{{': '}}{% endif %}{% for line in message['content'] %}{% if line['type'] == 'text' %}{{line['text']}}"
    "{% elif line['type'] == 'image' %}{{ '<image>' }}{% endif %}{% endfor %}<end_of_utterance>\n{% endfor %}"
    "{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}"
)
NAMED = ["<fake_token_around_image>", "<image>", "<end_of_utterance>"]
LONGEST = 2048


def side_files():
    """Name of each JSON file and its contents."""
    v, t = VISION, TEXT
    text = dict(
        architectures=["VLlama3ForCausalLM"], attention_bias=False, head_dim=t["head"], hidden_act="silu", hidden_size=t["width"], intermediate_size=t["mlp"],
        max_position_embeddings=LONGEST, mlp_bias=False, model_type="llama", num_attention_heads=t["heads"], num_hidden_layers=t["layers"],
        num_key_value_heads=t["kv"], pad_token_id=2, bos_token_id=1, eos_token_id=2, rms_norm_eps=t["eps"], rope_scaling=None, rope_theta=t["theta"],
        tie_word_embeddings=False, torch_dtype="bfloat16", use_cache=True, vocab_size=TK.get_vocab_size(), pixel_shuffle_factor=SHUFFLE,
    )
    vision = dict(
        attention_dropout=0.0, hidden_act="gelu_pytorch_tanh", hidden_size=v["width"], image_size=SIDE, intermediate_size=v["mlp"], layer_norm_eps=1e-6,
        max_image_size={"longest_edge": SIDE}, model_type="idefics3_vision", num_attention_heads=v["heads"], num_channels=3, num_hidden_layers=v["layers"],
        patch_size=PATCH, size={"longest_edge": SIDE}, tie_word_embeddings=False, use_base_siglip=True,
    )
    return {
        "config.json": dict(
            architectures=["Idefics3ForConditionalGeneration"], bos_token_id=1, eos_token_id=2, image_token_id=IMAGE, model_type="idefics3", pad_token_id=2,
            scale_factor=SHUFFLE, text_config=text, vision_config=vision, tie_word_embeddings=False, torch_dtype="bfloat16", transformers_version="4.46.0",
            use_cache=True, vocab_size=TK.get_vocab_size(),
        ),
        "generation_config.json": dict(_from_model_config=True, bos_token_id=1, eos_token_id=END, pad_token_id=2, transformers_version="4.46.0"),
        "processor_config.json": {"image_seq_len": TOKENS, "processor_class": "Idefics3Processor"},
        "preprocessor_config.json": dict(
            do_convert_rgb=True, do_image_splitting=False, do_normalize=True, do_pad=True, do_rescale=True, do_resize=True, image_mean=[0.5] * 3,
            image_std=[0.5] * 3, image_processor_type="Idefics3ImageProcessor", max_image_size={"longest_edge": SIDE}, processor_class="Idefics3Processor",
            resample=1, rescale_factor=0.00392156862745098, size={"longest_edge": SIDE},
        ),
        "chat_template.json": {"chat_template": TEMPLATE},
        "special_tokens_map.json": dict(additional_special_tokens=NAMED, bos_token="<|im_start|>", eos_token="<end_of_utterance>", pad_token="<|im_end|>", unk_token="<|endoftext|>"),
        "tokenizer_config.json": dict(
            add_prefix_space=False, additional_special_tokens=NAMED, bos_token="<|im_start|>", eos_token="<end_of_utterance>", pad_token="<|im_end|>",
            unk_token="<|endoftext|>", chat_template=TEMPLATE, clean_up_tokenization_spaces=False, legacy=False, model_max_length=LONGEST,
            processor_class="Idefics3Processor", tokenizer_class="GPT2Tokenizer", truncation_side="left",
        ),
    }


def check(out, model):
    """The largest difference of logits between transformers, reading the folder, and model.py, relative to the largest logit."""
    from transformers import AutoModelForImageTextToText

    theirs = AutoModelForImageTextToText.from_pretrained(out, dtype=torch.float32).eval()
    px = torch.randint(0, 256, (1, 3, SIDE, SIDE), generator=torch.manual_seed(1))
    ids = torch.tensor([PREFIX + encode("Describe this image in one sentence.<end_of_utterance>\nAssistant:")])
    ours = model.lm_head(model.read(ids, IMAGE, model.model.connector(model.see(px)), torch.zeros_like(ids), torch.arange(ids.shape[1])[None]))
    want = theirs(input_ids=ids, attention_mask=torch.ones_like(ids), pixel_values=((px.float() / 255 - 0.5) / 0.5)[None]).logits
    return ((ours - want).abs().max() / want.abs().max()).item()


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("out")
    a.add_argument("--stage", default="joint")
    a = a.parse_args()
    model = Model(TK.get_vocab_size()).eval()
    if a.stage == "halves":
        assemble(model)
    else:
        model.load_state_dict(torch.load(f"{KEEP}/{a.stage}.pt")["model"])
    for p in model.parameters():
        p.data = p.data.bfloat16().float()
    save_file({n: t.bfloat16().contiguous() for n, t in model.state_dict().items()}, f"{a.out}/model.safetensors", metadata={"format": "pt"})
    os.chmod(f"{a.out}/model.safetensors", 0o644)
    TK.save(f"{a.out}/tokenizer.json", pretty=False)
    for name, value in side_files().items():
        with open(f"{a.out}/{name}", "w", encoding="utf-8") as f:
            json.dump(value, f, indent=2, ensure_ascii=False)
            f.write("\n")
    with torch.no_grad():
        print(a.out, sum(p.numel() for p in model.parameters()), "parameters; largest difference from transformers", f"{check(a.out, model):.2e}")


if __name__ == "__main__":
    main()

"""Sentence embeddings as sentence-transformers makes them: the mean of BERT's last states over a sentence's tokens, at length 1.

    sentences.py fixture              writes ../fixtures/tiny-bert/: a BERT of two narrow layers with seeded weights, its tokenizer,
                                      and golden.safetensors
    sentences.py golden CHECKPOINT    writes CHECKPOINT/golden.safetensors for a whole checkpoint, such as all-MiniLM-L6-v2

golden.safetensors holds what transformers computes in float32 for the SENTENCES below, `embeddings` `[sentences, width]`, and the
sentences themselves in its metadata, as an array of JSON. Where sentence-transformers is installed, `golden` computes them with it, too,
and fails where the two are further apart than 1e-6. Run it with the oracle's Python (setup.sh).
"""
import json, os, sys, zlib
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")
import numpy as np
import torch
from safetensors.numpy import save_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

HERE = Path(__file__).resolve().parent
FIXTURE = HERE.parent / "fixtures/tiny-bert"
SHAPE = dict(vocab_size=0, hidden_size=48, num_hidden_layers=2, num_attention_heads=4, intermediate_size=96, hidden_act="gelu", hidden_dropout_prob=0.1,
             attention_probs_dropout_prob=0.1, max_position_embeddings=40, type_vocab_size=2, initializer_range=0.02, layer_norm_eps=1e-12, pad_token_id=0)
# Tokens of a sentence, the two at its ends included: what is longer is cut.
LONGEST = 32
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
WORDS = "a an the of on in and is are with man woman dog puppy cat kitten red blue green circle square table cup tea red car street sits stands runs sleep ##ing ##s ##ed".split()
SENTENCES = [
    "A dog runs on the street.",
    "a puppy is sleeping in the green grass",
    "Two men with a cup of tea, and a woman with a red car.",
    "A",
    "",
    "Ein Mädchen trinkt Café crème – für 3,50 €.",
    "猫と犬",
    "\tA  cat \n\n sits; it's a kitten?! 🐈",
    "The street is long " * 40,
    "unpronounceablewordthatgoesonandonandonandonandonandonandonandonandonandonandonandonandonandonandonandonandon",
]


def vocabulary():
    letters = [chr(c) for c in range(ord("a"), ord("z") + 1)] + [str(d) for d in range(10)] + list(".,;:!?'\"()-–€猫")
    pieces = [*SPECIAL, *letters, *(f"##{x}" for x in letters), *WORDS]
    return {piece: number for number, piece in enumerate(dict.fromkeys(pieces))}


def tokenizer(vocab):
    """As the tokenizer.json of all-MiniLM-L6-v2: it cuts and fills to a length of its own, which sentence-transformers overrides."""
    tk = Tokenizer(models.WordPiece(vocab, unk_token="[UNK]", max_input_chars_per_word=100))
    tk.normalizer = normalizers.BertNormalizer(lowercase=True)
    tk.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tk.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", vocab["[CLS]"]), ("[SEP]", vocab["[SEP]"])])
    tk.add_special_tokens(SPECIAL)
    tk.enable_truncation(max_length=16)
    tk.enable_padding(length=16, pad_id=0, pad_token="[PAD]")
    return tk


def weights(shape):
    """Seeded by each tensor's own name, so that the bytes do not depend on order."""
    from transformers import BertConfig, BertModel
    model = BertModel(BertConfig(**shape), add_pooling_layer=True)
    out = {}
    for name, tensor in model.state_dict().items():
        g = np.random.Generator(np.random.PCG64(zlib.crc32(name.encode())))
        x = g.standard_normal(tuple(tensor.shape), dtype=np.float32)
        if "LayerNorm" in name:
            x = x * np.float32(0.1) + np.float32(name.endswith("weight"))
        elif tensor.ndim == 1:
            x *= np.float32(0.05)
        else:
            x *= np.float32(1.0 if "embeddings" in name else 1 / np.sqrt(tensor.shape[1]))
        out[name] = x
    return out


def dump(path, value):
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def make_fixture():
    FIXTURE.mkdir(parents=True, exist_ok=True)
    vocab = vocabulary()
    shape = SHAPE | dict(vocab_size=len(vocab))
    dump(FIXTURE / "config.json", dict(architectures=["BertModel"], model_type="bert", position_embedding_type="absolute", use_cache=True) | shape)
    dump(FIXTURE / "sentence_bert_config.json", dict(max_seq_length=LONGEST, do_lower_case=False))
    dump(FIXTURE / "tokenizer_config.json", dict(do_lower_case=True, model_max_length=40, tokenizer_class="BertTokenizer"))
    tokenizer(vocab).save(str(FIXTURE / "tokenizer.json"), pretty=True)
    save_file(weights(shape), FIXTURE / "model.safetensors", metadata={"format": "pt"})


def embeddings(folder):
    from transformers import BertModel
    model = BertModel.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    tk = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tk.enable_truncation(max_length=json.loads((folder / "sentence_bert_config.json").read_text())["max_seq_length"])
    tk.no_padding()
    rows = []
    with torch.no_grad():
        for sentence in SENTENCES:
            states = model(torch.tensor([tk.encode(sentence).ids])).last_hidden_state[0]
            rows.append(torch.nn.functional.normalize(states.mean(0), dim=0).numpy())
    return np.stack(rows)


def make_golden(folder, also_by_sentence_transformers):
    ours = embeddings(folder)
    made_by = f"sentences.py, transformers {__import__('transformers').__version__}"
    if also_by_sentence_transformers:
        try:
            from sentence_transformers import SentenceTransformer, __version__
        except ImportError:
            print("sentence-transformers is not installed: transformers alone")
        else:
            theirs = SentenceTransformer(str(folder), device="cpu").encode(SENTENCES, normalize_embeddings=True)
            apart = float(np.abs(ours - theirs).max())
            print(f"sentence-transformers {__version__}: {apart:.2e} apart at most")
            assert apart < 1e-6, apart
            made_by += f", sentence-transformers {__version__}"
    save_file({"embeddings": ours}, folder / "golden.safetensors", metadata={"made_by": made_by, "sentences": json.dumps(SENTENCES)})
    print(folder / "golden.safetensors", ours.shape)


def main():
    match sys.argv[1:]:
        case ["fixture"]:
            make_fixture()
            make_golden(FIXTURE, False)
        case ["golden", folder]:
            make_golden(Path(folder), True)
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main()

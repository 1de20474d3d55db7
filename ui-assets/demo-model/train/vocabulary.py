"""The tokenizer: byte-level BPE learned from the model's own sentences, in the layout of SmolVLM's, 512 tokens."""
import random

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

import offtopic
import words

SIZE = 512
FIRST = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
LAST = ["<global-img>", "<fake_token_around_image>", "<image>", "<end_of_utterance>"]
# How often each kind is read here: fixed, because another vocabulary would make every weight
# learned so far worthless.
SHARES = dict(caption=2.0, count=0.8, color=1.2, shape=1.0, where=1.0, exists=1.3, largest=0.6, beside=1.0, off=0.6)


def corpus(n=6000):
    rng = random.Random(0)
    for _ in range(n):
        objs = [dict(x=rng.random(), y=rng.random(), size=rng.choice(words.SIZES), color=rng.choice(words.COLORS), shape=rng.choice(words.SHAPES)) for _ in range(rng.randint(0, 4))]
        for _, q, a in words.turns(sorted(objs, key=lambda o: o["x"]), rng, 6, shares=SHARES):
            yield f"User: {q}"
            yield f"User:{q}"
            yield f"Assistant: {a}"
    yield from offtopic.WHOLE


def build():
    tk = Tokenizer(models.BPE())
    tk.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False, trim_offsets=True, use_regex=True)])
    tk.decoder = decoders.ByteLevel(add_prefix_space=True, trim_offsets=True, use_regex=True)
    tk.train_from_iterator(corpus(), trainers.BpeTrainer(vocab_size=SIZE - len(LAST), special_tokens=FIRST, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
    tk.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in LAST])
    assert tk.get_vocab_size() == SIZE, tk.get_vocab_size()
    return tk


if __name__ == "__main__":
    tk = build()
    for s in ("From left to right: a small yellow triangle, a large purple circle and a small red square.", "What colour is the cross?", "I only know coloured shapes.", "Describe this image in one sentence.", "Is the large triangle left of the purple shape?"):
        print(tk.encode(s).tokens)

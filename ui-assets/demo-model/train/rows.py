"""Token rows: the prompt's head with the picture, then several turns that do not see one another, or a chat whose turns do."""
from functools import lru_cache

import torch

import words
from model import TOKENS
from vocabulary import build

TK = build()
IMAGE, END, PAD = TK.token_to_id("<image>"), TK.token_to_id("<end_of_utterance>"), TK.token_to_id("<|im_end|>")


@lru_cache(200_000)
def encode(text):
    return TK.encode(text).ids


PREFIX = TK.encode("<|im_start|>User:<fake_token_around_image><global-img>" + "<image>" * TOKENS + "<fake_token_around_image>").ids


def row(objs, rng, n, world=True):
    """(ids, labels, segments, positions, weights) of one picture with `n` turns. One row in six is a chat."""
    chat = rng.random() < 0.16
    turns = words.turns(objs, rng, n, world)
    if chat:
        rng.shuffle(turns)
    ids, lab, seg, pos, weight = list(PREFIX), [-100] * len(PREFIX), [0] * len(PREFIX), list(range(len(PREFIX))), [0.0] * len(PREFIX)
    for k, (_, q, a) in enumerate(turns):
        qi = encode(f"\nUser: {q}<end_of_utterance>\nAssistant:") if chat and k else encode(f"{q}<end_of_utterance>\nAssistant:")
        ai = encode(f" {a}<end_of_utterance>")
        start = pos[-1] + 1 if chat else len(PREFIX)
        ids += qi + ai
        lab += [-100] * len(qi) + ai
        seg += [1 if chat else k + 1] * (len(qi) + len(ai))
        # A short answer hangs on one word: it must not drown among the captions' many.
        weight += [0.0] * len(qi) + [(4 / len(ai)) ** 0.5] * len(ai)
        pos += range(start, start + len(qi) + len(ai))
    return ids, lab, seg, pos, weight


def collate(rows):
    """Rows as tensors (ids, labels, segments, positions, weights), padded to a multiple of 16 by tokens that nobody sees."""
    longest = -(-max(len(r[0]) for r in rows) // 16) * 16
    return tuple(torch.tensor([r[k] + [fill] * (longest - len(r[k])) for r in rows]) for k, fill in enumerate((PAD, -100, -1, 0, 0.0)))

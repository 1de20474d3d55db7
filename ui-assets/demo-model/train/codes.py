"""The object code: what the image tokens would say if they were written by hand.

The text model learns its words from these codes alone, without a picture drawn; the vision encoder learns to write them. So the
two halves learn at once, each from an exact teacher, and fit together before they are trained together.
"""
import math

import numpy as np

import words
from model import CELLS, TEXT, TOKENS

EDGE = 0.1  # of a cell: an object this near a border is told by both cells, in shares
FEATURES = 1 + len(words.COLORS) + len(words.SHAPES) + len(words.SIZES) + 2


def _projection():
    g = np.random.Generator(np.random.PCG64(20260101))
    q, _ = np.linalg.qr(g.standard_normal((TEXT["width"], TEXT["width"])))
    return (q * math.sqrt(TEXT["width"])).astype(np.float32)


PROJECTION = _projection()
FLOOR, STRANGE, CELL, WHERE = FEATURES, FEATURES + 1, FEATURES + 2, FEATURES + 2 + 2 * CELLS
# Every cell says which column and row it is: the text model need not count tokens to know left from
# right.
GROUND = 0.4 * (PROJECTION[FLOOR] + np.stack([PROJECTION[CELL + k % CELLS] + PROJECTION[CELL + CELLS + k // CELLS] for k in range(TOKENS)]))
GAINS = np.array([0.5] + [0.6] * len(words.COLORS) + [0.6] * len(words.SHAPES) + [0.5] * len(words.SIZES) + [0.5, 0.5], np.float32)


def shares(v):
    """How much each cell of an axis owns of a centre at v (0 to 1)."""
    edge = np.clip((v * CELLS - np.arange(CELLS + 1)) / (2 * EDGE) + 0.5, 0, 1)
    edge[0], edge[-1] = 1, 0
    return edge[:-1] - edge[1:]


def features(objs):
    """[TOKENS, FEATURES]: for each cell presence, colour, shape, size and place within it of what it owns."""
    f = np.zeros((TOKENS, FEATURES), np.float32)
    for o in objs:
        own = np.outer(shares(o["y"]), shares(o["x"])).reshape(-1)
        one = np.zeros(FEATURES, np.float32)
        one[0] = one[1 + words.COLORS.index(o["color"])] = one[1 + len(words.COLORS) + words.SHAPES.index(o["shape"])] = 1
        one[1 + len(words.COLORS) + len(words.SHAPES) + words.SIZES.index(o["size"])] = 1
        k = np.nonzero(own)[0]
        f[k] += own[k, None] * one
        f[k, -2] += own[k] * 2 * (o["x"] * CELLS - k % CELLS - 0.5)
        f[k, -1] += own[k] * 2 * (o["y"] * CELLS - k // CELLS - 0.5)
    return f


def encode(objs, world=True):
    """[TOKENS, width]: the image tokens of these objects, or of a picture of no such world."""
    base = (features(objs) * GAINS) @ PROJECTION[:FEATURES] + GROUND
    for o in objs:
        own = np.outer(shares(o["y"]), shares(o["x"])).reshape(-1, 1)
        base += own * (1.2 * (o["x"] - 0.5) * PROJECTION[WHERE] + 1.2 * (o["y"] - 0.5) * PROJECTION[WHERE + 1])
    return (base if world else base + PROJECTION[STRANGE]).astype(np.float32)

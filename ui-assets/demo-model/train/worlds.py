"""Random worlds: which objects lie where. Only numbers; render.py draws them, codes.py writes them as the model should read them.

Lengths are shares of the picture's height; `ratio` is width over height of the picture before it is squeezed to the square tile.
"""
import math

import words

SMALL, LARGE = (0.080, 0.112), (0.158, 0.205)


def world(rng):
    """(objects sorted by x, ratio). Each object: shape, color, size, x, y, and its radius `r`."""
    ratio = rng.choice([16 / 9, 16 / 9, 16 / 9, 4 / 3])
    n = rng.choices([0, 1, 2, 3, 4], [1, 5, 6, 6, 5])[0]
    objs = []
    for _ in range(80):
        if len(objs) == n:
            break
        size = rng.choice(words.SIZES)
        r = rng.uniform(*(SMALL if size == "small" else LARGE))
        inset = r * (1.08 if rng.random() < 0.85 else 0.45)  # some are cut by the edge, but never by half
        o = dict(x=rng.uniform(inset / ratio, 1 - inset / ratio), y=rng.uniform(inset, 1 - inset), r=r, size=size)
        if any(math.hypot((o["x"] - p["x"]) * ratio, o["y"] - p["y"]) < (r + p["r"]) * 1.15 or abs(o["x"] - p["x"]) < words.APART
               or max(abs(o["x"] - p["x"]), abs(o["y"] - p["y"])) < 0.19 for p in objs):
            continue
        if n == 1 and not words.clear_place(o):
            continue
        objs.append(o | dict(color=rng.choice(words.COLORS), shape=rng.choice(words.SHAPES)))
    # Two of the same now and then, so that "which" has to be told apart.
    if len(objs) > 1 and rng.random() < 0.35:
        a, b = rng.sample(objs, 2)
        for k in rng.choice([("color",), ("shape",), ("color", "shape")]):
            a[k] = b[k]
    return sorted(objs, key=lambda o: o["x"]), ratio

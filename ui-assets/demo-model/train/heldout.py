"""Scenes of another hand, never trained on: coloured paper cut by somebody in no hurry, laid on a patterned cloth.

Drawn large with Pillow at 640x480 or 854x480 and squeezed with its Lanczos filter, as the program does. Wobbling edges, a darker rim,
dots behind: nothing that render.py draws.
"""
import math

import numpy as np
from PIL import Image, ImageDraw

from model import SIDE
from render import INK, outline, tone
from worlds import world


def wobbly(rng, points, r):
    """The outline with its straight edges cut a little crooked."""
    out = []
    for (x0, y0), (x1, y1) in zip(points, points[1:] + points[:1]):
        n = max(1, int(math.hypot(x1 - x0, y1 - y0) / (0.25 * r)))
        for k in range(n):
            t = k / n
            out.append((x0 + (x1 - x0) * t + rng.gauss(0, 0.015) * r, y0 + (y1 - y0) * t + rng.gauss(0, 0.015) * r))
    return out


def picture(rng):
    objs, ratio = world(rng)
    H = 480
    W = round(H * ratio)
    cloth = tuple(int(v) for v in tone(rng, objs, (0.2, 0.8), (0.0, 0.3), 130))
    im = Image.new("RGB", (W, H), cloth)
    d = ImageDraw.Draw(im)
    step, dot, dr = rng.randint(24, 60), tuple(min(255, max(0, v + rng.choice([-14, 14]))) for v in cloth), rng.randint(2, 5)
    for y in range(0, H, step):
        for x in range(0, W, step):
            d.ellipse([x - dr, y - dr, x + dr, y + dr], fill=dot)
    for o in objs:
        r = o["r"] * H
        at = [(o["x"] * W + x * r, o["y"] * H + y * r) for x, y in outline(o["shape"], rng.gauss(0, 0.1))]
        colour = tuple(int(min(255, max(0, c + rng.gauss(0, 6)))) for c in INK[o["color"]])
        d.polygon(wobbly(rng, at, r), fill=colour, outline=tuple(int(0.75 * c) for c in colour), width=3)
    return dict(objs=objs, world=True, pixels=np.asarray(im.resize((SIDE, SIDE), Image.LANCZOS)).transpose(2, 0, 1).copy())

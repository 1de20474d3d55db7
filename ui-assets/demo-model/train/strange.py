"""Pictures of no such world: what a camera sees when nobody holds a sheet of shapes before it. Made, not photographed."""
import math

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from model import SIDE


def _clouds(rng, g):
    """Noise of several sizes, in colour: foliage, rooms out of focus, faces too close."""
    im = np.zeros((SIDE, SIDE, 3), np.float32) + [rng.uniform(40, 200) for _ in range(3)]
    for n in (2, 4, 8, 16, 32, 64):
        small = g.standard_normal((n, n, 3), dtype=np.float32)
        if rng.random() < 0.6:
            small = small.mean(2, keepdims=True).repeat(3, 2) * 1.6
        layer = Image.fromarray(np.clip(128 + 40 * small, 0, 255).astype(np.uint8)).resize((SIDE, SIDE), Image.BICUBIC)
        im += (np.asarray(layer, np.float32) - 128) * rng.uniform(0, 1.4)
    return im


def _clutter(rng, g):
    """Many overlapping patches of dull colour, lines and ovals: shelves, streets, desks."""
    im = Image.new("RGB", (256, 256), tuple(rng.randint(20, 220) for _ in range(3)))
    d = ImageDraw.Draw(im)
    for _ in range(rng.randint(15, 70)):
        c = tuple(rng.randint(10, 240) for _ in range(3)) if rng.random() < 0.4 else (rng.randint(10, 240),) * 3
        x, y, w, h = rng.uniform(-40, 256), rng.uniform(-40, 256), rng.uniform(4, 140), rng.uniform(4, 140)
        what = rng.random()
        if what < 0.4:
            d.polygon([(x + rng.uniform(0, w), y + rng.uniform(0, h)) for _ in range(rng.randint(3, 7))], fill=c)
        elif what < 0.6:
            d.ellipse([x, y, x + w, y + h], fill=c)
        elif what < 0.8:
            d.rectangle([x, y, x + w, y + h], fill=c)
        else:
            d.line([x, y, x + w, y + h], fill=c, width=rng.randint(1, 9))
    return np.asarray(im.filter(ImageFilter.GaussianBlur(rng.uniform(0, 3))).reduce(2), np.float32)


def _bands(rng, g):
    """Stripes, checks and rows of marks like writing."""
    y, x = np.mgrid[0:SIDE, 0:SIDE] / SIDE
    a, f = rng.uniform(0, math.pi), rng.uniform(2, 20)
    wave = np.sin(2 * math.pi * f * (x * math.cos(a) + y * math.sin(a)))
    if rng.random() < 0.6:
        wave = wave * np.sin(2 * math.pi * rng.uniform(2, 20) * (y * math.cos(a) - x * math.sin(a)))
    if rng.random() < 0.5:
        wave = np.sign(wave)
    c, d = (np.array([rng.uniform(10, 245) for _ in range(3)]) for _ in "cd")
    return (c + (d - c) * (0.5 + 0.5 * wave[..., None])).astype(np.float32)


def _figure(rng, g):
    """A large soft thing or two before a room: a head and shoulders, a hand, a piece of furniture."""
    im = Image.fromarray(np.clip(_clutter(rng, g) if rng.random() < 0.5 else _clouds(rng, g), 0, 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(rng.uniform(1, 5)))
    d = ImageDraw.Draw(im)
    cx, skin = rng.uniform(30, 98), (rng.randint(60, 240), rng.randint(40, 190), rng.randint(30, 170))
    d.ellipse([cx - 45, 80, cx + 45, 180], fill=tuple(rng.randint(10, 220) for _ in range(3)))
    d.ellipse([cx - 18, 30, cx + 18, 85], fill=skin)
    for side in (-8, 8):
        d.ellipse([cx + side - 3, 50, cx + side + 3, 55], fill=(30, 25, 25))
    d.pieslice([cx - 20, 22, cx + 20, 66], 180, 360, fill=tuple(rng.randint(5, 120) for _ in range(3)))
    return np.asarray(im.filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 2))), np.float32)


def strange(rng):
    g = np.random.default_rng(rng.getrandbits(32))
    if rng.random() < 0.06:
        return g.uniform(0, 255, (SIDE, SIDE, 3)).astype(np.float32)
    return rng.choice([_clouds, _clutter, _clutter, _bands, _figure])(rng, g)

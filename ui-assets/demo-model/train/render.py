"""Draw a world straight onto the 128 px tile, as the program's squeeze would leave it, with the labels that the encoder learns from.

Two hands: `house`, which draws like the program's own scene (soft gradient, light, shaded shapes, soft shadows), and `varied`, which
draws every other way it can think of. Then what lenses, sensors and codecs do to it. Coverage is drawn at four times the size.
"""
import colorsys
import io
import math

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

import codes
import words
from model import GRID, SIDE
from strange import strange
from worlds import world

INK = dict(red=(218, 42, 44), orange=(246, 138, 28), yellow=(250, 214, 44), green=(38, 160, 66), blue=(34, 86, 214), purple=(132, 52, 172), white=(246, 246, 246), black=(18, 18, 20))
OVER = 4
Y, X = (np.mgrid[0:SIDE, 0:SIDE] + 0.5).astype(np.float32) / SIDE
PATCHES = (np.arange(GRID) + 0.5) / GRID


def outline(shape, turn):
    """The corners of a shape of radius 1, y down; a circle has 40."""
    if shape == "circle":
        pts = [(math.cos(k * math.pi / 20), math.sin(k * math.pi / 20)) for k in range(40)]
    elif shape == "square":
        pts = [(-0.84, -0.84), (0.84, -0.84), (0.84, 0.84), (-0.84, 0.84)]
    elif shape == "triangle":
        pts = [(1.08 * math.sin(a), -1.08 * math.cos(a) + 0.12) for a in (0, 2 * math.pi / 3, 4 * math.pi / 3)]
    elif shape == "star":
        pts = [((1.1 if k % 2 == 0 else 0.46) * math.sin(k * math.pi / 5), -(1.1 if k % 2 == 0 else 0.46) * math.cos(k * math.pi / 5)) for k in range(10)]
    else:
        w = 0.33
        pts = [(-w, -1), (w, -1), (w, -w), (1, -w), (1, w), (w, w), (w, 1), (-w, 1), (-w, w), (-1, w), (-1, -w), (-w, -w)]
    c, s = math.cos(turn), math.sin(turn)
    return [(x * c - y * s, x * s + y * c) for x, y in pts]


def coverage(points, soft=0.0):
    """(mask, rows, columns): how much of each pixel of the tile lies in the polygon, and where the mask sits."""
    xs, ys = [p[0] * SIDE for p in points], [p[1] * SIDE for p in points]
    pad = 1 + int(3 * soft)
    x0, y0, x1, y1 = math.floor(min(xs)) - pad, math.floor(min(ys)) - pad, math.ceil(max(xs)) + pad, math.ceil(max(ys)) + pad
    im = Image.new("L", ((x1 - x0) * OVER, (y1 - y0) * OVER))
    ImageDraw.Draw(im).polygon([((x - x0) * OVER, (y - y0) * OVER) for x, y in zip(xs, ys)], fill=255)
    im = im.reduce(OVER)
    if soft > 0.2:
        im = im.filter(ImageFilter.GaussianBlur(soft))
    m = np.asarray(im, np.float32) / 255
    a, b, c, d = max(0, y0), min(SIDE, y1), max(0, x0), min(SIDE, x1)
    return m[a - y0 : b - y0, c - x0 : d - x0, None], slice(a, b), slice(c, d)


def placed(o, ratio, grow=1.0, dx=0.0, dy=0.0):
    """The corners of an object in tile shares; dx and dy in radii."""
    r = o["r"] * grow
    return [(o["x"] + (x * r + dx * o["r"]) / ratio, o["y"] + y * r + dy * o["r"]) for x, y in o["outline"]]


def tone(rng, objs, light, colour, contrast):
    """A background colour apart from every object's."""
    for _ in range(30):
        c = [255 * v for v in colorsys.hls_to_rgb(rng.random(), rng.uniform(*light), rng.uniform(*colour))]
        if all(sum(abs(a - b) for a, b in zip(c, INK[o["color"]])) > contrast for o in objs):
            break
    return np.array(c, np.float32)


def ramp(rng):
    a = rng.uniform(0, 2 * math.pi)
    return ((X - 0.5) * math.cos(a) + (Y - 0.5) * math.sin(a) + 0.5)[..., None]


def ink(rng, o, wander):
    return np.array([c + rng.gauss(0, wander) for c in INK[o["color"]]], np.float32)


def house(rng, objs, ratio):
    a = tone(rng, objs, (0.2, 0.74), (0.0, 0.36), 115)
    h, l, s = colorsys.rgb_to_hls(*(a / 255))
    b = 255 * np.array(colorsys.hls_to_rgb(h + rng.uniform(-0.12, 0.12), min(0.8, max(0.15, l + rng.uniform(-0.08, 0.08))), s), np.float32)
    im = a + (b - a) * ramp(rng)
    cx, cy, r = rng.uniform(-0.1, 1.1), rng.uniform(-0.1, 1.1), rng.uniform(0.4, 0.9)
    glow = np.clip(1 - (((X - cx) * ratio) ** 2 + (Y - cy) ** 2) ** 0.5 / r, 0, 1)[..., None]
    im += (255 - im) * glow * rng.uniform(0, 0.22)
    dark, dx, dy = rng.uniform(0.1, 0.4), rng.uniform(-0.02, 0.12), rng.uniform(0.06, 0.18)
    for o in objs:
        m, ys, xs = coverage(placed(o, ratio, 1.02, dx, dy), 0.1 * o["r"] * SIDE)
        im[ys, xs] *= 1 - dark * m
    for o in objs:
        m, ys, xs = coverage(placed(o, ratio))
        shade = 1 + rng.uniform(0.02, 0.16) * np.clip((o["y"] - Y[ys, xs]) / o["r"], -1, 1)[..., None]
        im[ys, xs] += (ink(rng, o, 6) * shade - im[ys, xs]) * m
    return im


def varied(rng, objs, ratio):
    contrast = rng.choice([110, 150])
    flat = tone(rng, objs, (0.12, 0.9), (0.0, rng.choice([0.1, 0.5])), contrast)
    im = np.broadcast_to(flat, (SIDE, SIDE, 3)).copy()
    kind = rng.random()
    if kind < 0.35:
        im += (ramp(rng) - 0.5) * np.array([rng.uniform(-50, 50)] * 3 if rng.random() < 0.5 else [rng.uniform(-40, 40) for _ in range(3)], np.float32)
    elif kind < 0.5:  # cloth, wall, wood
        small = np.random.default_rng(rng.getrandbits(32)).normal(0, 1, (rng.randint(2, 24), rng.randint(2, 24))).astype(np.float32)
        big = np.asarray(Image.fromarray(small).resize((SIDE, SIDE), Image.BICUBIC))
        im += rng.uniform(3, 14) * big[..., None]
    elif kind < 0.62:  # ruled or tiled
        f = rng.uniform(3, 14)
        im += rng.uniform(3, 12) * np.sign(np.sin(2 * math.pi * f * ramp(rng)))
    elif kind < 0.82:  # a sheet or a screen before something darker or lighter
        edge = [rng.uniform(-0.02, 0.05) for _ in range(8)]
        m, ys, xs = coverage([(edge[0], edge[1]), (1 - edge[2], edge[3]), (1 - edge[4], 1 - edge[5]), (edge[6], 1 - edge[7])])
        around = im * rng.uniform(0.3, 0.8) + rng.uniform(0, 30)
        around[ys, xs] += (im[ys, xs] - around[ys, xs]) * m
        im = around
    shadow, rim, wander = rng.random() < 0.3, rng.random() < 0.25, rng.uniform(0, 12)
    for o in objs:
        if shadow:
            m, ys, xs = coverage(placed(o, ratio, 1.0, rng.uniform(-0.15, 0.15), 0.12), rng.uniform(0, 0.12) * o["r"] * SIDE)
            im[ys, xs] *= 1 - rng.uniform(0.1, 0.35) * m
        c = ink(rng, o, wander)
        if rim:
            edge = c * 0.55 if rng.random() < 0.7 else c + (255 - c) * 0.6
            m, ys, xs = coverage(placed(o, ratio, 1.1))
            im[ys, xs] += (edge - im[ys, xs]) * m
        m, ys, xs = coverage(placed(o, ratio))
        im[ys, xs] += (c - im[ys, xs]) * m
    return im


def seen(rng, im):
    """Light, lens, sensor and codec."""
    noise = np.random.default_rng(rng.getrandbits(32))
    luck = rng.random()
    if luck > 0.25:
        cast = np.array([rng.gauss(1, 0.035) for _ in range(3)], np.float32) * rng.uniform(0.78, 1.12)
        im = im * (1 + rng.uniform(-0.2, 0.2) * (X - 0.5) + rng.uniform(-0.2, 0.2) * (Y - 0.5))[..., None] * cast + rng.uniform(-8, 14)
    if rng.random() < 0.25:
        im = 255 * (np.clip(im, 0, 255) / 255) ** rng.uniform(0.8, 1.25)
    im = Image.fromarray(np.clip(im, 0, 255).astype(np.uint8))
    if rng.random() < 0.15:  # transformers squeezes in two steps: to the longest edge first
        im = im.resize((SIDE, rng.choice([72, 96])), Image.LANCZOS).resize((SIDE, SIDE), Image.LANCZOS)
    if rng.random() < 0.4:
        im = im.filter(ImageFilter.GaussianBlur(rng.uniform(0.2, 0.9)))
    if rng.random() < 0.15:
        im = im.filter(ImageFilter.UnsharpMask(1, rng.randint(40, 120), 2))
    if rng.random() < 0.2:
        f = io.BytesIO()
        im.save(f, "JPEG", quality=rng.randint(45, 92))
        im = Image.open(f)
    a = np.asarray(im, np.float32)
    if rng.random() < 0.6:
        s = rng.uniform(0, 7)
        a = a + s * noise.standard_normal((SIDE, SIDE, 1 if rng.random() < 0.3 else 3), dtype=np.float32)
    return np.clip(a, 0, 255).astype(np.uint8)


def turned(rng, objs, ratio):
    """The camera held a little askew: centres turn about the middle and shapes with them."""
    a = rng.gauss(0, 0.04) if rng.random() < 0.4 else 0.0
    c, s = math.cos(a), math.sin(a)
    out = []
    for o in objs:
        x, y = (o["x"] - 0.5) * ratio, o["y"] - 0.5
        out.append(o | dict(x=0.5 + (x * c - y * s) / ratio, y=0.5 + x * s + y * c, turn=a))
    bad = any(abs(p["x"] - q["x"]) < words.APART for i, p in enumerate(out) for q in out[:i]) or (len(out) == 1 and not words.clear_place(out[0]))
    return [o | dict(turn=0.0) for o in objs] if bad else sorted(out, key=lambda o: o["x"])


def picture(rng, off_world=0.0, hands=(house, house, varied), plain=False):
    """A dict: pixels u8 [3, SIDE, SIDE], objs, world, and the labels: label [patches, 3], offset [patches, 2], code [TOKENS, width]."""
    here = rng.random() >= off_world
    objs, ratio = world(rng) if here else ([], 1.6)
    if here:
        objs = turned(rng, objs, ratio)
        for o in objs:
            o["outline"] = outline(o["shape"], o["turn"] + rng.gauss(0, 0.13))
        im = rng.choice(hands)(rng, objs, ratio)
    else:
        im = strange(rng)
    px = np.clip(im, 0, 255).astype(np.uint8) if plain else seen(rng, im)
    label, offset = np.zeros((GRID, GRID, 3), np.int64), np.zeros((GRID, GRID, 2), np.float32)
    for o in objs:
        dx, dy = (PATCHES[None, :] - o["x"]) * ratio + np.zeros((GRID, 1)), PATCHES[:, None] - o["y"] + np.zeros((1, GRID))
        on = np.hypot(dx, dy) < max(o["r"], 0.06)
        label[on] = words.COLORS.index(o["color"]) + 1, words.SHAPES.index(o["shape"]) + 1, words.SIZES.index(o["size"]) + 1
        offset[on] = np.stack([dx[on], dy[on]], -1) / o["r"]
    return dict(pixels=px.transpose(2, 0, 1).copy(), objs=objs, world=here, label=label.reshape(-1, 3), offset=offset.reshape(-1, 2), code=codes.encode(objs, here))

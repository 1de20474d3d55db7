"""Train the demo model on two cores: `train.py STAGE MINUTES [--threads N] [--fresh]`.

    text    the text model alone, on object codes instead of pictures
    vision  the vision encoder and the connector, on dense labels and on the object codes
    joint   everything, on pictures and words

`text` and `vision` may run at the same time, a thread each. Every stage writes its weights and its optimiser's state to
~/.cache/sightline/demo-training/STAGE.pt every few minutes and goes on from there when run again; `joint` starts from the other
two. MINUTES may be changed while it runs by writing a number into STAGE.minutes in that folder. README.md has the whole recipe.
"""
import argparse
import os
import random
import signal
import time

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file

import codes
import rows
import words
from clock import Clock
from model import GRID, TEXT, VISION, Model
from optimiser import Both
from worlds import world

KEEP = os.path.expanduser("~/.cache/sightline/demo-training")
EVERY = 4  # minutes between checkpoints
OFF_WORLD = 0.07


class Heads(torch.nn.Module):
    """Read the dense labels off the patches: colour (or none), shape, size, and the way to the object's centre."""

    SPLIT = [len(words.COLORS) + 1, len(words.SHAPES), len(words.SIZES), 2]

    def __init__(self):
        super().__init__()
        self.patch = torch.nn.Linear(VISION["width"], sum(self.SPLIT))

    def loss(self, h, label, offset):
        """(loss, shares right by colour, shape and size on object patches). `label` is [B, patches, 3], 0 for none."""
        *kinds, off = self.patch(h).float().split(self.SPLIT, -1)
        on = label[..., 0] > 0
        if not on.any():
            return off.sum() * 0, (0, 0, 0)
        color, shape, size = kinds
        total = F.cross_entropy(color.flatten(0, 1), label[..., 0].flatten())
        total = total + 0.5 * F.cross_entropy(color[on], label[on][:, 0])
        total = total + F.cross_entropy(shape[on], label[on][:, 1] - 1) + 0.5 * F.cross_entropy(size[on], label[on][:, 2] - 1)
        total = total + 2 * F.smooth_l1_loss(off[on], offset[on])
        right = [(k[on].argmax(-1) + m == label[on][:, n]).float().mean().item() for n, (k, m) in enumerate(zip(kinds, (0, 1, 1)))]
        return total, right


def code_loss(made, code):
    """Squared error of the image tokens, those that tell of an object as heavy as all the empty ones."""
    e = ((made.float() - code) ** 2).mean(-1)
    told = (code - code.new_tensor(codes.GROUND)).abs().amax(-1) > 0.05
    return 0.5 * e[told].sum() / max(1, told.sum()) + 0.5 * e[~told].mean()


class Batches(torch.utils.data.IterableDataset):
    """Endless batches of a stage, made in a worker process."""

    def __init__(self, stage, size, turns):
        self.stage, self.size, self.turns = stage, size, turns

    def __iter__(self):
        torch.set_num_threads(1)
        rng = random.Random(time.time_ns())
        make = dict(text=self.text, vision=self.vision, joint=self.joint)[self.stage]
        while True:
            yield make(rng)

    def text(self, rng):
        made, packed = [], []
        for _ in range(self.size):
            here, objs = rng.random() >= OFF_WORLD, world(rng)[0]
            if not here and rng.random() < 0.5:
                objs = []
            made.append(codes.encode(objs, here))
            packed.append(rows.row(objs, rng, self.turns, here))
        made = np.stack(made)
        made += np.random.default_rng(rng.getrandbits(32)).normal(0, rng.uniform(0.02, 0.15), made.shape).astype(np.float32)
        return torch.from_numpy(made), *rows.collate(packed)

    def pictures(self, rng):
        from render import picture
        got = [picture(rng, OFF_WORLD) for _ in range(self.size)]
        return got, tuple(torch.from_numpy(np.stack([g[k] for g in got])) for k in ("pixels", "label", "offset", "code"))

    def vision(self, rng):
        return self.pictures(rng)[1]

    def joint(self, rng):
        got, pixels = self.pictures(rng)
        return *pixels, *rows.collate([rows.row(g["objs"], rng, self.turns, g["world"]) for g in got])


def words_loss(model, features, ids, lab, seg, pos, weight):
    h = model.read(ids, rows.IMAGE, features, seg, pos)
    t = lab[:, 1:]
    sel = t != -100
    z = model.lm_head(h[:, :-1][sel]).float()
    right = (z.argmax(-1) == t[sel]).float().mean().item()
    w = weight[:, 1:][sel]
    return (F.cross_entropy(z, t[sel], reduction="none") * w).sum() / w.sum(), right


def assemble(model, heads=None):
    """The text model of stage `text` and the eyes of stage `vision`, put together."""
    for stage, own in (("text", ("model.text_model", "lm_head")), ("vision", ("model.vision_model", "model.connector"))):
        kept = torch.load(f"{KEEP}/{stage}.pt")
        model.load_state_dict({n: t for n, t in kept["model"].items() if n.startswith(own)}, strict=False)
        if heads and stage == "vision":
            heads.load_state_dict(kept["heads"])


class Pair:
    """Two trainings of one model on different scenes that meet in the middle every few steps: a thread each, no waiting."""

    EVERY = 20

    def __init__(self, stage, me):
        self.mine, self.other = (f"{KEEP}/{stage}-{who}.weights" for who in (me, "ba"["ab".index(me)]))
        self.read = 0.0

    @torch.no_grad()
    def meet(self, model):
        if os.path.exists(self.other) and os.path.getmtime(self.other) != self.read:
            self.read = os.path.getmtime(self.other)
            theirs = torch.load(self.other)
            for name, p in model.named_parameters():
                p.lerp_(theirs[name], 0.5)
        torch.save(model.state_dict(), self.mine + ".new")
        os.replace(self.mine + ".new", self.mine)


def run(stage, minutes, threads, fresh, me, start):
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    os.makedirs(KEEP, exist_ok=True)
    model, heads = Model(rows.TK.get_vocab_size()), Heads()
    parts = dict(text=["model.text_model", "lm_head"], vision=["model.vision_model", "model.connector", "heads"], joint=[""])[stage]
    named = [(n, p) for n, p in [*model.named_parameters(), *(("heads." + n, p) for n, p in heads.named_parameters())] if any(n.startswith(p) for p in parts)]
    # Together, the eyes learn slowly: they see well by then, and the words still change.
    sides = [[(n, p) for n, p in named if n.startswith(("model.text_model", "lm_head")) == told] for told in (True, False)]
    rates = (0.6, 0.25) if stage == "joint" else (1.0, 1.0)
    opts = [Both(side, 0.02 * rate, 2e-3 * rate) for side, rate in zip(sides, rates) if side]
    path, spent, steps = f"{KEEP}/{stage}{'-b' if me == 'b' else ''}.pt", 0.0, 0
    pair = me and Pair(stage, me)
    if os.path.exists(path) and not fresh:
        kept = torch.load(path)
        model.load_state_dict(kept["model"]), heads.load_state_dict(kept["heads"])
        for opt, state in zip(opts, kept["opts"]):
            opt.load_state_dict(state)
        spent, steps = kept["spent"], kept["steps"]
    elif start:
        model.load_state_dict({n: t.float() for n, t in load_file(f"{start}/model.safetensors").items()})
    elif stage == "joint":
        assemble(model, heads)
    size, turns = dict(text=(32, 6), vision=(32, 0), joint=(32, 8))[stage]
    batches = iter(torch.utils.data.DataLoader(Batches(stage, size, turns), batch_size=None, num_workers=1, prefetch_factor=6))
    clock = Clock(minutes, threads, f"{KEEP}/{stage}.minutes", spent, steps)
    saved, marks, seen = spent, {}, 0

    def save():
        torch.save(dict(model=model.state_dict(), heads=heads.state_dict(), opts=[o.state_dict() for o in opts], spent=clock.spent, steps=clock.steps), path + ".new")
        os.replace(path + ".new", path)

    asked = []
    signal.signal(signal.SIGTERM, lambda *_: asked.append(True))
    while clock.share < 1 and not asked:
        batch = next(batches)
        note = {}
        with torch.autocast("cpu", torch.bfloat16):
            if stage == "text":
                loss, note["token"] = words_loss(model, batch[0], *batch[1:])
                note["words"] = loss.item()
            else:
                px, label, offset, code, *row = batch
                h = model.see(px)
                made = model.model.connector(h)
                dense, right = heads.loss(h, label, offset)
                told = code_loss(made, code)
                note |= dict(dense=dense.item(), code=told.item(), color=right[0], shape=right[1], size=right[2])
                loss = dense + 4 * told
                if stage == "joint":
                    said, note["token"] = words_loss(model, made, *row)
                    note["words"] = said.item()
                    loss = said + 0.15 * (1 - 0.7 * clock.share) * loss
        loss.backward()
        for opt in opts:
            opt.step(clock.scale())
        clock.tick()
        seen += size
        if pair and clock.steps % pair.EVERY == 0:
            pair.meet(model)
        for k, v in note.items():
            marks[k] = v if k not in marks else 0.98 * marks[k] + 0.02 * v
        if clock.steps % 50 == 0:
            line = " ".join(f"{k} {v:.4f}" for k, v in marks.items())
            print(f"{time.strftime('%H:%M:%S')} {stage} step {clock.steps} min {clock.spent:.1f}/{clock.minutes:.0f} scenes/s {seen / max(1e-9, (clock.spent - spent) * 60):.1f} {line}", flush=True)
        if clock.spent - saved > EVERY:
            saved = clock.spent
            save()
    save()
    print(stage, "stopped" if asked else "done", "at step", clock.steps, flush=True)


if __name__ == "__main__":
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("stage", choices=["text", "vision", "joint"])
    a.add_argument("minutes", type=float)
    a.add_argument("--threads", type=int, default=2)
    a.add_argument("--fresh", action="store_true", help="forget what was kept of this stage")
    a.add_argument("--start", metavar="FOLDER", help="begin from a checkpoint's weights, such as .. , where nothing of this stage is kept")
    a.add_argument("--pair", choices=["a", "b"], help="this is one of two processes that train the stage together; the first one's state is the stage's")
    a = a.parse_args()
    run(a.stage, a.minutes, a.threads, a.fresh, a.pair, a.start)

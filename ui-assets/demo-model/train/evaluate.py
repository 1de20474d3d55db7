"""How true the model is, by kind: `evaluate.py [--stage joint] [--scenes 400] [--source house]`.

An answer counts when every token of it is the model's first choice (which is the same as greedy decoding writing it). Sources:
`codes` (no picture: the text model alone), `house` and `varied` (render.py with all that cameras do), `plain` (house, undisturbed),
`other` (heldout.py, a renderer that no training ever sees).
Prints one JSON line. Seeds are far from the training's.
"""
import argparse
import json
import os
import random

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file

import codes
import render
import rows
import words
from model import SIDE, Model
from train import KEEP, OFF_WORLD, assemble
from worlds import world


def stills(folder):
    """What `sightline scene --out FOLDER` wrote: (pixels as the program squeezes them, turns) of each still."""
    for line in open(f"{folder}/truth.jsonl", encoding="utf-8"):
        truth = json.loads(line)
        im = Image.open(f"{folder}/{truth['image']}").convert("RGB").resize((SIDE, SIDE), Image.LANCZOS)
        asked = [("caption", words.PROMPTS[0], truth["caption"])] + [(kind_of(t["q"], t["a"]), t["q"], t["a"]) for t in truth["questions"]]
        yield dict(world=True, pixels=np.asarray(im).transpose(2, 0, 1).copy()), asked


def kind_of(q, a):
    """The kind of a question of the scene, by how it is put."""
    if a == words.ONLY:
        return "off"
    starts = dict(count="How many", where="Where", largest="Which is the largest|Which shape is the largest|What is the biggest", color="What colo|Which colo",
                  shape="What shape|Which shape", beside="Is the", exists="Is there|Do you see")
    return next(k for k, v in starts.items() if q.startswith(tuple(v.split("|"))))


def pictures(source, rng):
    if source == "codes":
        objs = world(rng)[0]
        return dict(objs=objs, world=True, code=codes.encode(objs))
    if source == "other":
        from heldout import picture
        return picture(rng)
    hands = dict(house=(render.house,), plain=(render.house,), varied=(render.varied,))[source]
    return render.picture(rng, OFF_WORLD if source == "house" else 0.0, hands, source == "plain")


@torch.no_grad()
def measure(model, source, scenes, seed=20260731, show=0):
    """{kind: [right or not, ...]} over `scenes` pictures with eight turns each."""
    rng, right = random.Random(seed), {}
    drawn = ((got, words.turns(got["objs"], rng, 8, got["world"])) for got in (pictures(source, rng) for _ in range(scenes)))
    for n, (got, asked) in enumerate(stills(source) if os.path.isdir(source) else drawn):
        features = torch.from_numpy(got["code"])[None] if source == "codes" else model.model.connector(model.see(torch.from_numpy(got["pixels"])[None]))
        made = [(rows.encode(f"{q}<end_of_utterance>\nAssistant:"), rows.encode(f" {a}<end_of_utterance>")) for _, q, a in asked]
        longest = max(len(q) + len(a) for q, a in made)
        ids = torch.tensor([rows.PREFIX + q + a + [rows.PAD] * (longest - len(q) - len(a)) for q, a in made])
        z = model.lm_head(model.read(ids, rows.IMAGE, features.expand(len(made), -1, -1), torch.zeros_like(ids), torch.arange(ids.shape[1])[None].expand(len(made), -1))).argmax(-1)
        for k, ((kind, q, a), (qi, ai)) in enumerate(zip(asked, made)):
            start = len(rows.PREFIX) + len(qi)
            said = z[k, start - 1 : start - 1 + len(ai)].tolist()
            right.setdefault(kind, []).append(said == ai)
            if said != ai and n < show:
                print(f"   {kind}: {q} | want {a} | got {rows.TK.decode(said)}")
    return right


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("--stage", default="joint", help="a stage of train.py, or `halves`: text and vision put together untrained, or a checkpoint's folder")
    a.add_argument("--scenes", type=int, default=400)
    a.add_argument("--source", default="house", help="codes, house, plain, varied, other, or a folder that `sightline scene` wrote")
    a.add_argument("--threads", type=int, default=1)
    a.add_argument("--show", type=int, default=0)
    a = a.parse_args()
    torch.set_num_threads(a.threads)
    model = Model(rows.TK.get_vocab_size()).eval()
    if os.path.isdir(a.stage):
        model.load_state_dict({n: t.float() for n, t in load_file(f"{a.stage}/model.safetensors").items()})
    elif a.stage == "halves":
        assemble(model)
    else:
        model.load_state_dict(torch.load(f"{KEEP}/{a.stage}.pt")["model"])
    right = measure(model, a.source, a.scenes, show=a.show)
    answers = [v for k, vs in right.items() if k != "caption" for v in vs]
    share = {k: round(float(np.mean(v)), 3) for k, v in sorted(right.items())} | dict(answers=round(float(np.mean(answers)), 3))
    print(json.dumps(dict(model=a.stage, source=os.path.basename(a.source), scenes=len(right["caption"]), **share)))


if __name__ == "__main__":
    main()

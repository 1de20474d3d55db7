"""How true answers about the past are: `check_past.py SIGHTLINE [--count 200] [--seed 1000]`.

Writes stills of the demo scene (`sightline scene`), has `sightline watch` caption the folder into a log that keeps its
views, and asks `sightline log ask "when was there a red circle?"` for every colour with every shape. Each still and each
such pair is one case: it was there or not, and a time that was answered covers the still's caption or not.
Prints one JSON line: the share of what was there that is found, and of what is found that was not there.
"""
import argparse
import itertools
import json
import subprocess
import tempfile
from datetime import datetime, timedelta
from pathlib import Path

CLOCKS = timedelta(milliseconds=20)


def lines(*command):
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("sightline", help="the program")
    a.add_argument("--model", default="demo")
    a.add_argument("--count", type=int, default=200)
    a.add_argument("--seed", type=int, default=1000)
    a = a.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        stills, log = Path(folder) / "stills", Path(folder) / "log.db"
        subprocess.run([a.sightline, "scene", "--seed", str(a.seed), "--count", str(a.count), "--out", stills], check=True)
        truths = [json.loads(line)["objects"] for line in open(stills / "truth.jsonl", encoding="utf-8")]
        told = lines(a.sightline, "watch", "--source", stills, "--model", a.model, "--every-frame", "--most-per-minute", "300", "--log", log, "--keep-views", "--json")
        at = {line["frame"] - 1: datetime.fromisoformat(line["time"]) for line in told}
        pairs = [{(o["color"], o["shape"]) for o in objects} for objects in truths]
        colours, shapes = ({o[key] for objects in truths for o in objects} for key in ("color", "shape"))
        was, found, right, views = 0, 0, 0, 0
        for colour, shape in itertools.product(sorted(colours), sorted(shapes)):
            *times, sums = lines(a.sightline, "log", "ask", f"when was there a {colour} {shape}?", "--log", log, "--model", a.model, "--json")
            views += sums["views"]
            spans = [(datetime.fromisoformat(t["start"]), timedelta(milliseconds=t["duration_ms"])) for t in times]
            for still, moment in at.items():
                is_there = (colour, shape) in pairs[still]
                # Where one ends the next begins, by another clock.
                is_found = any(start - CLOCKS <= moment < start + max(length - CLOCKS, CLOCKS) for start, length in spans)
                was, found, right = was + is_there, found + is_found, right + (is_there and is_found)
    print(json.dumps(dict(model=a.model, seed=a.seed, stills=len(at), asked=len(colours) * len(shapes), views_scored=views, was_there=was,
                          found=found, share_found=round(right / max(was, 1), 4), share_false=round(1 - right / max(found, 1), 4))))


if __name__ == "__main__":
    main()

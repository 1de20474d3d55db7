"""How true the demo model's captions of a video are: `check_video.py SIGHTLINE [--count 60] [--seed 1] [--seconds 2]`.

Writes stills of the demo scene (`sightline scene`), makes an H.264 video in which each stands for some seconds, has
`sightline watch` caption it as it plays, and holds the last caption of each still against its truth. Stills, because the
caption of a scene in motion is about a frame that may lie between two truths. Needs ffmpeg, and Python without packages.
Beside it stand the captions of the stills themselves, which no codec touched: the difference is the codec's.
Prints one JSON line, and with --show the first untrue captions on standard error.
"""
import argparse
import json
import subprocess
import sys
import tempfile
from datetime import datetime
from pathlib import Path

FPS = 30


def video(stills, seconds, quality, path):
    """Every still for `seconds`, as players and cameras have it: 4:2:0 H.264 at 30 frames a second."""
    subprocess.run(["ffmpeg", "-v", "error", "-y", "-framerate", f"1/{seconds}", "-i", stills / "scene-%05d.png", "-r", str(FPS), "-c:v", "libx264",
                    "-crf", str(quality), "-pix_fmt", "yuv420p", path], check=True)


def captions(program, path, model):
    """(seconds from the first caption's picture, words) of each caption of the video, as it plays."""
    done = subprocess.run([program, "watch", "--source", path, "--model", model, "--json"], stdout=subprocess.PIPE, text=True, check=True)
    told = [json.loads(line) for line in done.stdout.splitlines()]
    times = [datetime.fromisoformat(t["time"]) for t in told]
    return [((time - times[0]).total_seconds(), t["text"]) for time, t in zip(times, told)]


def described(program, stills, model):
    """The words about each picture of `stills`, as it is."""
    done = subprocess.run([program, "describe", *stills, "--model", model, "--json"], stdout=subprocess.PIPE, text=True, check=True)
    return [json.loads(line)["text"] for line in done.stdout.splitlines()]


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("sightline", help="the program")
    a.add_argument("--model", default="demo")
    a.add_argument("--count", type=int, default=60)
    a.add_argument("--seed", type=int, default=1)
    a.add_argument("--seconds", type=int, default=2)
    a.add_argument("--crf", type=int, default=23, help="how coarse: 0 loses nothing, 23 is x264's own, 51 is the worst")
    a.add_argument("--show", type=int, default=0)
    a = a.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        stills, path = Path(folder) / "stills", Path(folder) / "scene.mp4"
        subprocess.run([a.sightline, "scene", "--seed", str(a.seed), "--count", str(a.count), "--out", stills], check=True)
        video(stills, a.seconds, a.crf, path)
        truths = [json.loads(line)["caption"] for line in open(stills / "truth.jsonl", encoding="utf-8")]
        plain = described(a.sightline, sorted(stills.glob("*.png")), a.model)
        told = {}
        made = captions(a.sightline, path, a.model)
        for at, text in made:
            # A still is captioned when it comes, within half its time of when it should.
            told[min(round(at / a.seconds), a.count - 1)] = text
    untrue = [(n, truth, told.get(n, "")) for n, truth in enumerate(truths) if told.get(n) != truth]
    for n, truth, text in untrue[: a.show]:
        print(f"still {n}\n  true: {truth}\n  told: {text}", file=sys.stderr)
    share = dict(video=1 - len(untrue) / a.count, stills=sum(x == y for x, y in zip(plain, truths, strict=True)) / a.count,
                 alike=sum(told.get(n) == text for n, text in enumerate(plain)) / a.count)
    print(json.dumps(dict(model=a.model, seed=a.seed, count=a.count, crf=a.crf, captions=len(made), without_caption=a.count - len(told),
                          share={k: round(v, 4) for k, v in share.items()})))


if __name__ == "__main__":
    main()

"""Time Sightline and others on the same caption, in turns in one run, and print medians (least-most) and ratios.

    compare_speed.py BINARY CHECKPOINT IMAGE [--rounds 3] [--threads 2] [--ours int8 f32] [--dtype f32 bf16]
                     [--other NAME=COMMAND ...]

All get the same picture as one tile, the same prompt, and write 30 tokens. --dtype times transformers. --other is any program
that prints a JSON object a caption, `{"ms": {"vision", "prefill", "decode", "total"}}`, or `{"ms": {"kept"}}` for the first token of a
question on a picture that it has seen. Rounds are in turns because a machine that others share drifts. Run it with the
oracle's Python (setup.sh); as root under `setsid -w` it raises its own scheduling group.
"""
import argparse, json, shlex, statistics, subprocess, sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
STAGES = ["vision", "prefill", "decode", "total", "question"]


def lines(command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{command[0]}: exit {done.returncode}: {done.stderr.strip()[-300:]}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def ours(a, precision):
    command = [a.binary, "bench", a.image, "--model", a.checkpoint, "--threads", str(a.threads), "--precision", precision]
    for line in lines([*command, "--rounds", "2"]):
        made = {name: spread["median"] for name, spread in line["ms"].items()}
        # The others' totals start at the pixels, so preparing them is left out of ours as well.
        stages = {"vision": made["vision"], "prefill": made["prefill"], "decode": made["decode_per_token"] * (line["tokens"] - 1)}
        yield stages | {"total": sum(stages.values()), "question": made["question_first_token"]}


def theirs(command):
    for line in lines(command):
        ms = line["ms"]
        yield {"question": ms["kept"]} if "kept" in ms else ms


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("binary")
    a.add_argument("checkpoint")
    a.add_argument("image")
    a.add_argument("--rounds", type=int, default=3)
    a.add_argument("--threads", type=int, default=2)
    a.add_argument("--ours", nargs="*", default=["int8", "f32"])
    a.add_argument("--dtype", nargs="*", default=["f32"])
    a.add_argument("--other", action="append", default=[])
    a = a.parse_args()
    try:
        Path("/proc/self/autogroup").write_text("-20")
    except OSError:
        print("could not raise the scheduling group: other work will show in these figures")
    runs = {f"sightline {p}": lambda p=p: ours(a, p) for p in a.ours}
    peer = [sys.executable, str(HERE / "transformers_caption.py"), a.checkpoint, a.image, "--threads", str(a.threads), "--repeat", "2"]
    runs |= {f"transformers {d}": lambda d=d: theirs([*peer, "--dtype", d]) for d in a.dtype}
    for other in a.other:
        name, command = other.split("=", 1)
        runs[name] = lambda command=command: theirs(shlex.split(command))
    made = {name: {stage: [] for stage in STAGES} for name in runs}
    for _ in range(a.rounds):
        for name, run in runs.items():
            for caption in run():
                for stage in STAGES:
                    made[name][stage] += [caption[stage]] if stage in caption else []
    print(f"{'ms':20}" + "".join(f"{stage:>22}" for stage in STAGES))
    for name, stages in made.items():
        cells = [f"{statistics.median(x):.1f} ({min(x):.1f}-{max(x):.1f})" if x else "" for x in stages.values()]
        print(f"{name:20}" + "".join(f"{cell:>22}" for cell in cells))
    for name in (n for n in made if not n.startswith("sightline")):
        for one in (n for n in made if n.startswith("sightline")):
            pairs = {s: (made[one][s], made[name][s]) for s in STAGES}
            ratios = {s: statistics.median(x) / statistics.median(y) for s, (x, y) in pairs.items() if x and y}
            print(f"{one} / {name}: " + ", ".join(f"{s} {ratio:.2f}" for s, ratio in ratios.items()))


if __name__ == "__main__":
    main()

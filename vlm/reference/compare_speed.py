"""Time Sightline and transformers on the same caption, interleaved, and print medians and their ratio.

    compare_speed.py BINARY CHECKPOINT IMAGE [--rounds 3] [--threads 2] [--dtype f32]

Both get the same picture as one tile, the same prompt, and write 30 tokens; both report vision, prefill and decode apart.
Rounds are interleaved because a machine that others share drifts. Run it with the oracle's Python (setup.sh).
"""
import argparse, json, statistics, subprocess, sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
STAGES = ["vision", "prefill", "decode", "total"]


def last_lines(command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{command[0]}: exit {done.returncode}: {done.stderr.strip()[-300:]}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("binary")
    a.add_argument("checkpoint")
    a.add_argument("image")
    a.add_argument("--rounds", type=int, default=3)
    a.add_argument("--threads", type=int, default=2)
    a.add_argument("--dtype", choices=["f32", "bf16"], default="f32")
    a = a.parse_args()
    ours, theirs = {s: [] for s in STAGES}, {s: [] for s in STAGES}
    for _ in range(a.rounds):
        line = last_lines([a.binary, "bench", a.image, "--model", a.checkpoint, "--threads", str(a.threads), "--rounds", "2"])[0]
        made = line["ms"]
        # The peer's total starts at the pixels, so preparing them is left out of ours as well.
        values = {"vision": made["vision"]["median"], "prefill": made["prefill"]["median"],
                  "decode": made["decode_per_token"]["median"] * (line["tokens"] - 1)}
        for stage in STAGES:
            ours[stage].append(values.get(stage, sum(values.values())))
        peer = [sys.executable, str(HERE / "transformers_caption.py"), a.checkpoint, a.image, "--dtype", a.dtype]
        for line in last_lines([*peer, "--threads", str(a.threads), "--repeat", "2"]):
            for stage in STAGES:
                theirs[stage].append(line["ms"][stage])
    print(f"{'ms':10}{'sightline f32':>24}{'transformers ' + a.dtype:>24}{'ratio':>8}")
    for stage in STAGES:
        cells = [f"{statistics.median(x[stage]):.0f} ({min(x[stage]):.0f}-{max(x[stage]):.0f})" for x in (ours, theirs)]
        ratio = statistics.median(ours[stage]) / statistics.median(theirs[stage])
        print(f"{stage:10}{cells[0]:>24}{cells[1]:>24}{ratio:8.2f}")


if __name__ == "__main__":
    main()

"""Every parity check of docs/models.md by one command: checkpoints are made where they are missing, then parity.py runs on each.

    parity_all.py BINARY FOLDER [SHAPE ...] [--files saved|released]

Without shapes: tiny and tiny-2b, in both layouts, stored and computed in f32 and in bf16, one tile and split, one to three pictures;
48 runs, some fifteen minutes. The files are those that transformers saves; --files released takes the releases' own. The shapes 256m, 500m and 2.2b run in f32 on two pictures each, one by one and in one tile; 2.2b needs 20 GB of
memory, and all three some ten minutes. The pictures are the fixtures'. Exit status 0 when all are equal.
Run it with the oracle's Python (setup.sh).
"""
import argparse, itertools, subprocess, sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
PICTURES = [HERE.parent / "fixtures" / "pictures" / name for name in ("coffee.png", "text.png", "dim.png")]
SMALL = ["tiny", "tiny-2b"]


def checkpoint(folder, shape, layout, dtype, files):
    out = folder / f"{shape}-{layout}-{dtype}{'-released' * (files == 'released')}"
    if not (out / "model.safetensors").exists():
        command = [sys.executable, str(HERE / "checkpoint.py"), shape, str(out), "--layout", layout, "--dtype", dtype, "--files", files]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return out


def runs(shapes):
    """(shape, layout, precision, split, pictures) of every run."""
    small = [s for s in shapes if s in SMALL]
    yield from itertools.product(small, ["idefics3", "smolvlm"], ["f32", "bf16"], [False, True], [PICTURES[:n] for n in (1, 2, 3)])
    for shape in shapes:
        if shape not in SMALL:
            yield from ((shape, "idefics3", "f32", False, [picture]) for picture in PICTURES[:2])


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("binary")
    p.add_argument("folder", type=Path)
    p.add_argument("shape", nargs="*", default=SMALL)
    p.add_argument("--files", choices=["saved", "released"], default="saved")
    a = p.parse_args()
    a.folder.mkdir(parents=True, exist_ok=True)
    said = []
    for shape, layout, precision, split, pictures in runs(a.shape):
        # Checkpoints of true size are stored in the two bytes that the releases are stored in.
        stored = precision if shape in SMALL else "bf16"
        command = [sys.executable, str(HERE / "parity.py"), a.binary, str(checkpoint(a.folder, shape, layout, stored, a.files)), "--precision", precision]
        run = subprocess.run(command + [x for picture in pictures for x in ("--image", str(picture))] + ["--split"] * split, capture_output=True, text=True)
        said.append((run.returncode, run.stdout.strip() or run.stderr.strip()[-500:]))
        print(said[-1][1], flush=True)
    bad = sum(code != 0 for code, _ in said)
    whole = sum(line.startswith("equal, ") for _, line in said)
    print(f"{len(said)} runs: {whole} equal to the end, {len(said) - whole - bad} equal up to a token that the oracle itself was unsure of, {bad} not equal")
    sys.exit(bad != 0)


if __name__ == "__main__":
    main()

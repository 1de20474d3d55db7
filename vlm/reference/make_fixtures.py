"""Make the fixtures of vlm's tests: tiny checkpoints in every released layout, small pictures, and what transformers
computes for them.

    make_fixtures.py [PICTURES]      (the oracle's Python, see README.md; PICTURES: a folder with coffee.png and text.png; without
                                     it the pictures that are there stay)

Writes ../fixtures/: `tiny/` holds the weights that both families' small checkpoints share and a folder of side files for
each layout; `tiny-2b/` is the layout of SmolVLM-Instruct 2.2B in small; `pictures/`; and `golden/NAME.safetensors`, one a case.
Weights are stored as bf16, which holds them exactly; the oracle runs in float32, and once more in bf16 for
`golden/NAME-bf16.safetensors`: features and the last row of logits.
"""
import shutil, subprocess, sys, tempfile
from pathlib import Path
from PIL import Image
from safetensors.numpy import load_file, save_file

HERE = Path(__file__).resolve().parent
OUT = HERE.parent / "fixtures"
# name: shape, layout, pictures, how they are shown: "one" tile each, "split", or as the frames of a
# "video"
CASES = {
    "idefics3-coffee": ("tiny", "idefics3", ["coffee"], "one"),
    "idefics3-text": ("tiny", "idefics3", ["text"], "one"),
    "smolvlm-coffee": ("tiny", "smolvlm", ["coffee"], "one"),
    "smolvlm-two": ("tiny", "smolvlm", ["coffee", "text"], "one"),
    "smolvlm-video": ("tiny", "smolvlm", ["coffee", "dim", "coffee"], "video"),
    "idefics3-split": ("tiny", "idefics3", ["coffee"], "split"),
    "2b-coffee": ("tiny-2b", "idefics3", ["coffee"], "one"),
    "2b-split": ("tiny-2b", "idefics3", ["text"], "split"),
}


def run(script, *arguments):
    subprocess.run([sys.executable, str(HERE / script), *map(str, arguments)], check=True)


def main():
    pictures = OUT / "pictures"
    for folder in (pictures, OUT / "golden"):
        folder.mkdir(parents=True, exist_ok=True)
    if len(sys.argv) > 1:
        Image.open(Path(sys.argv[1]) / "coffee.png").convert("RGB").resize((150, 100)).save(pictures / "coffee.png")
        Image.open(Path(sys.argv[1]) / "text.png").convert("L").crop((0, 0, 90, 170)).save(pictures / "text.png")
        Image.open(pictures / "coffee.png").point(lambda value: value // 2).save(pictures / "dim.png")
    with tempfile.TemporaryDirectory() as scratch:
        scratch = Path(scratch)
        for shape, layout in {(c[0], c[1]) for c in CASES.values()}:
            # The same weights for the oracle in float32 and for the fixture in bf16.
            run("checkpoint.py", shape, scratch / f"{shape}-{layout}", "--layout", layout, "--files", "released")
            run("checkpoint.py", shape, scratch / "bf16", "--layout", layout, "--files", "released", "--dtype", "bf16")
            target = OUT / shape
            sides = target / layout if shape == "tiny" else target
            sides.mkdir(parents=True, exist_ok=True)
            for side in (scratch / f"{shape}-{layout}").glob("*.json"):
                shutil.copyfile(side, sides / side.name)
            shutil.copyfile(scratch / "bf16/model.safetensors", target / "model.safetensors")
        for name, (shape, layout, shown, how) in CASES.items():
            golden = OUT / "golden" / f"{name}.safetensors"
            images = [x for p in shown for x in ("--image", pictures / f"{p}.png")]
            arguments = [*images, *[f"--{how}"] * (how != "one")]
            made_by = f"make_fixtures.py {name}, transformers 5.23"
            run("golden.py", scratch / f"{shape}-{layout}", golden, *arguments)
            run("golden.py", scratch / f"{shape}-{layout}", scratch / "bf16.safetensors", *arguments, "--dtype", "bf16", "--tokens", 1)
            values = load_file(scratch / "bf16.safetensors")
            brief = {"image_features": values["image_features"], "logits": values["logits"][-1:].copy()}
            save_file(brief, OUT / "golden" / f"{name}-bf16.safetensors", metadata={"made_by": f"{made_by}, in bf16"})
            values = load_file(golden)
            del values["best"]
            # Eight bits say all there is to say about pixels, and the last row all that decoding
            # sees of a long prompt.
            values["pixels"] = ((values.pop("pixel_values") * 0.5 + 0.5) * 255).round().astype("uint8")
            if how != "one":
                values["logits"] = values["logits"][-1:].copy()
            save_file(values, golden, metadata={"made_by": made_by})


if __name__ == "__main__":
    main()

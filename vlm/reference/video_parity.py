"""Hold `sightline describe VIDEO` against transformers: the same checkpoint of the SmolVLM2 family, clip and question, token for token.

    video_parity.py BINARY CHECKPOINT CLIP [--prompt TEXT] [--tokens N]

Both sides take their frames from ffmpeg; which of them, transformers' own sampling says for the oracle. Clips over 1280 x 720 are scaled
down by the program and not by the oracle: use smaller ones. Run it with the oracle's Python (setup.sh).
"""
import argparse, json, os, subprocess, sys, warnings

os.environ.setdefault("HF_HUB_OFFLINE", "1")
warnings.filterwarnings("ignore")
import numpy as np
import torch, transformers
from transformers import AutoModelForImageTextToText, AutoProcessor
from transformers.video_utils import VideoMetadata

transformers.logging.set_verbosity_error()


def frames_of(clip):
    facts = json.loads(subprocess.run(["ffprobe", "-v", "error", "-select_streams", "V:0", "-show_entries", "stream=width,height,avg_frame_rate",
                                       "-of", "json", clip], check=True, capture_output=True).stdout)["streams"][0]
    over, under = map(int, facts["avg_frame_rate"].split("/"))
    raw = subprocess.run(["ffmpeg", "-v", "error", "-i", clip, "-fps_mode", "passthrough", "-pix_fmt", "rgb24", "-f", "rawvideo", "-"],
                         check=True, capture_output=True).stdout
    return np.frombuffer(raw, np.uint8).reshape(-1, facts["height"], facts["width"], 3), over / under


def oracle(a):
    processor = AutoProcessor.from_pretrained(a.checkpoint)
    model = AutoModelForImageTextToText.from_pretrained(a.checkpoint, dtype=torch.float32).eval()
    frames, fps = frames_of(a.clip)
    facts = VideoMetadata(total_num_frames=len(frames), fps=fps, duration=len(frames) / fps)
    facts.frames_indices = processor.video_processor.sample_frames(facts)
    content = [{"type": "video"}, {"type": "text", "text": a.prompt}]
    prompt = processor.apply_chat_template([{"role": "user", "content": content}], add_generation_prompt=True)
    inputs = processor(text=prompt, videos=[frames[facts.frames_indices]], video_metadata=[facts], do_sample_frames=False, return_tensors="pt")
    with torch.no_grad():
        made = model.generate(**inputs, max_new_tokens=a.tokens, min_new_tokens=a.tokens, do_sample=False)[0].tolist()
    ids = inputs["input_ids"][0].tolist()
    return facts.frames_indices, ids, made[len(ids):]


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("binary")
    p.add_argument("checkpoint")
    p.add_argument("clip")
    p.add_argument("--prompt", default="What happens in this video?")
    p.add_argument("--tokens", type=int, default=20)
    a = p.parse_args()
    command = [a.binary, "describe", a.clip, "--model", a.checkpoint, "--device", "cpu", "--precision", "f32", "--prompt", a.prompt,
               "--max-tokens", str(a.tokens), "--ignore-end", "--ids", "--json"]
    got = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    frames, prompt_ids, token_ids = oracle(a)
    if got["prompt_ids"] != prompt_ids:
        sys.exit(f"NOT EQUAL: prompt ids, {len(got['prompt_ids'])} for {len(prompt_ids)}")
    if got["token_ids"] != token_ids:
        sys.exit(f"NOT EQUAL: {got['token_ids']} for {token_ids}; a choice without a margin proves nothing")
    print(f"equal, {len(token_ids)} tokens, {len(prompt_ids)} in the prompt, frames {list(map(int, frames))}")


if __name__ == "__main__":
    main()

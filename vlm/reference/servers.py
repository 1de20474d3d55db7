"""Runs the program against real servers on loopback, and says what came of it.

    servers.py gguf SIGHTLINE CHECKPOINT PICTURE                       our own engine on the same model in GGUF
    servers.py llama SIGHTLINE CHECKPOINT PICTURE --server LLAMA_SERVER
    servers.py transformers SIGHTLINE CHECKPOINT [--server TRANSFORMERS]
    servers.py tls SIGHTLINE                                           a server of this script's own, by HTTPS
    servers.py soak SIGHTLINE [--views 32] [--seconds 120]             the same by HTTP, asked by many views

`gguf` and `llama` convert CHECKPOINT first (to_gguf.py). `transformers` wants a checkpoint that knows
the demo scene, such as ui-assets/demo-model. `tls` needs the program openssl. Exits with 1 when
something is not as it should be.
"""

import argparse
import hashlib
import json
import os
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, HTTPServer, ThreadingHTTPServer
from pathlib import Path

PATIENCE = ["--engine-first", "180"]
# The soak: pictures of a view and their side; words of an answer, and how long each takes.
PICTURES, SIDE = 3, 64
WORDS, WORD = 8, 0.01


def run(*command, environment=None):
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    print("$", " ".join(str(part) for part in command))
    print(done.stdout + done.stderr)
    return done


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """A server of its own process, ready when it lists its models."""

    def __init__(self, command, port):
        self.port = port
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def __enter__(self):
        for _ in range(600):
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/v1/models", timeout=5) as answer:
                    return json.load(answer)
            except OSError:
                if self.process.poll() is not None:
                    raise SystemExit("the server ended")
                time.sleep(0.5)
        raise SystemExit("the server does not come up")

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(30)


def describe(program, picture, *arguments, tokens="30"):
    done = run(program, "describe", picture, *arguments, "--max-tokens", tokens, "--ignore-end", "--json")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return next((line for line in lines if "text" in line), None)


def check(is_so, what):
    print(("ok: " if is_so else "WRONG: ") + what)
    return is_so


def gguf(arguments):
    from to_gguf import convert

    own = describe(arguments.program, arguments.picture, "--model", arguments.checkpoint, "--precision", "f32")
    good = own is not None
    with tempfile.TemporaryDirectory() as folder:
        for text, _ in convert(arguments.checkpoint, Path(folder), ["f32", "f16", "bf16", "q8_0", "q4_0"]):
            said = describe(arguments.program, arguments.picture, "--model", text, "--precision", "f32")
            is_same = said and said["text"] == own["text"]
            # Which of the other formats are exact depends on what the checkpoint is stored in.
            good &= check(bool(is_same if "-f32" in text.name else said), f"{text.name}: {'same' if is_same else 'other'} words")
    return good


def llama(arguments):
    from to_gguf import convert

    with tempfile.TemporaryDirectory() as folder:
        [(text, vision)] = convert(arguments.checkpoint, Path(folder), ["q8_0"])
        port = free_port()
        command = [arguments.server, "-m", text, "--mmproj", vision, "--alias", "smolvlm", "-c", "4096",
                   "--host", "127.0.0.1", "--port", str(port)]
        with Server(command, port):
            url = f"http://127.0.0.1:{port}"
            tested = run(arguments.program, "engine", "test", url, *PATIENCE)
            engine = ["--engine", url, "--model", "smolvlm", *PATIENCE]
            said = describe(arguments.program, arguments.picture, *engine)
            scored = run(arguments.program, "rules", "test", "there is a cup", arguments.picture, *engine)
    good = check(tested.returncode == 0 and "It tells how likely words are" in tested.stdout, "engine test")
    good &= check(bool(said and said["text"] and said["prompt_tokens"] > 64), "a caption, and its prompt counted")
    return good & check(scored.returncode == 0, "a rule is scored")


def transformers(arguments):
    port = free_port()
    command = [arguments.server or "transformers", "serve", arguments.checkpoint, "--host", "127.0.0.1",
               "--port", str(port), "--device", "cpu"]
    with Server(command, port):
        url, model = f"http://127.0.0.1:{port}/v1", str(Path(arguments.checkpoint).resolve())
        tested = run(arguments.program, "engine", "test", url, "--model", model, *PATIENCE)
        truth = ["bench", "truth", "--seed", "1", "--count", "60"]
        there = run(arguments.program, *truth, "--engine", url, "--model", model, *PATIENCE)
    here = run(arguments.program, *truth, "--model", model, "--precision", "f32")
    return check(tested.returncode == there.returncode == here.returncode == 0, "compare the two by eye")


class Chat(BaseHTTPRequestHandler):
    """Says the same of every picture."""

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        words = [{"choices": [{"delta": {"content": word}}]} for word in ("A", " cup", " of", " tea.")]
        events = [*words, {"choices": [{"delta": {}, "finish_reason": "stop"}]}]
        body = "".join(f"data: {json.dumps(event)}\n\n" for event in events) + "data: [DONE]\n\n"
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_):
        pass


def certificates(folder):
    """An authority, and a certificate of it for 127.0.0.1."""
    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    (folder / "names").write_text("subjectAltName=IP:127.0.0.1\nbasicConstraints=CA:FALSE\n")
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=Test authority",
            "-addext", "basicConstraints=critical,CA:TRUE", "-keyout", "ca.key", "-out", "ca.pem")
    openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=box", "-keyout", "box.key", "-out", "box.csr")
    openssl("x509", "-req", "-in", "box.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2",
            "-extfile", "names", "-out", "box.pem")


def tls(arguments):
    if not shutil.which("openssl"):
        raise SystemExit("openssl is not installed")
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        certificates(folder)
        picture = folder / "red.bmp"
        head = struct.pack("<2sIHHIIiiHHIIiiII", b"BM", 54 + 192, 0, 0, 54, 40, 8, 8, 1, 24, 0, 192, 0, 0, 0, 0)
        picture.write_bytes(head + b"\0\0\xff" * 64)
        server = HTTPServer(("127.0.0.1", 0), Chat)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "box.pem", folder / "box.key")
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        port = server.server_address[1]

        def asked(host, *more):
            engine = ["--engine", f"https://{host}:{port}", "--model", "tea"]
            return run(arguments.program, "describe", arguments.picture or picture, *engine, *more)

        trusted = asked("127.0.0.1", "--engine-ca", folder / "ca.pem")
        good = check("A cup of tea." in trusted.stdout, "with the authority it answers")
        unknown = asked("127.0.0.1")
        good &= check(unknown.returncode != 0 and "certificate" in unknown.stderr, "without it is refused")
        other = asked("localhost", "--engine-ca", folder / "ca.pem")
        good &= check(other.returncode != 0 and "certificate" in other.stderr, "another name is refused")
        key = asked("127.0.0.1", "--engine-ca", folder / "box.key")
        good &= check(key.returncode != 0 and "--engine-ca" in key.stderr, "a file without certificates is told")
        server.shutdown()
    return good


class SoakChat(BaseHTTPRequestHandler):
    """Takes its time, and tells which picture it saw and which request this was."""

    lock = threading.Lock()
    asked = 0
    told = 0
    under_way = 0
    most = 0

    def do_POST(self):
        cls = SoakChat
        body = self.rfile.read(int(self.headers["Content-Length"]))
        picture = hashlib.sha1(body[body.index(b"base64,"):].split(b'"')[0]).hexdigest()[:12]
        with cls.lock:
            cls.asked += 1
            number = cls.asked
            cls.under_way += 1
            cls.most = max(cls.most, cls.under_way)
        try:
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.end_headers()
            for word in f"picture {picture} request {number} of many on loopback".split():
                time.sleep(WORD)
                event = {"choices": [{"delta": {"content": word + " "}}]}
                self.wfile.write(f"data: {json.dumps(event)}\n\n".encode())
                self.wfile.flush()
            self.wfile.write(b'data: {"choices": [{"delta": {}, "finish_reason": "stop"}]}\n\ndata: [DONE]\n\n')
            with cls.lock:
                cls.told += 1
        except OSError:
            pass
        finally:
            with cls.lock:
                cls.under_way -= 1

    def log_message(self, *_):
        pass


def spent(process):
    """Seconds on the processor and kilobytes of memory of a process."""
    fields = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
    status = Path(f"/proc/{process}/status").read_text()
    memory = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"), memory


def soak(arguments):
    with tempfile.TemporaryDirectory() as folder:
        folder, sources = Path(folder), []
        for view in range(arguments.views):
            (folder / f"view{view:02}").mkdir()
            for number in range(PICTURES):
                # A colour of its own, far enough from the others for JPEG.
                colour = bytes([view * 7 + 3, number * 90 + 10, 255 - view * 7])
                head = struct.pack("<2sIHHIIiiHHIIiiII", b"BM", 54 + 3 * SIDE * SIDE, 0, 0, 54, 40, SIDE, SIDE, 1, 24,
                                   0, 3 * SIDE * SIDE, 0, 0, 0, 0)
                (folder / f"view{view:02}" / f"{number}.bmp").write_bytes(head + colour * SIDE * SIDE)
            sources += ["--source", folder / f"view{view:02}"]
        server = ThreadingHTTPServer(("127.0.0.1", 0), SoakChat)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        engine = ["--engine", f"http://127.0.0.1:{server.server_address[1]}", "--model", "tea",
                  "--engine-parallel", str(arguments.parallel)]
        pace = ["--every-frame", "--loop", "--most-per-minute", "60"]
        with open(folder / "captions", "w") as out:
            watched = subprocess.Popen([arguments.program, "watch", *sources, *engine, *pace, "--json"], stdout=out,
                                       stderr=subprocess.DEVNULL)
            time.sleep(15)
            samples, start = [spent(watched.pid)], time.monotonic()
            while time.monotonic() - start < arguments.seconds:
                time.sleep(5)
                samples.append(spent(watched.pid))
            took = time.monotonic() - start
            watched.send_signal(signal.SIGINT)
            watched.wait(30)
        lines = [json.loads(line) for line in (folder / "captions").read_text().splitlines()]
    server.shutdown()
    by_view = {}
    for line in lines:
        words = line["text"].split()
        by_view.setdefault(line["source"], []).append((words[1], int(words[3]), line["ms"]["total"]))
    counts = sorted(len(said) for said in by_view.values())
    requests = [number for said in by_view.values() for _, number, _ in said]
    in_turn = all(said[i][0] == said[i % PICTURES][0] for said in by_view.values() for i in range(len(said)))
    over = sorted(ms - 1e3 * WORD * WORDS for said in by_view.values() for *_, ms in said)
    memory = [kilobytes for _, kilobytes in samples]
    processor = samples[-1][0] - samples[0][0]
    per_view = 100 * processor / took / arguments.views
    print(f"{arguments.views} views, {arguments.parallel} requests at a time (most seen: {SoakChat.most}), {took:.0f} s")
    print(f"captions {len(lines)}, a view {counts[0]} to {counts[-1]}; asked {SoakChat.asked}, answered {SoakChat.told}")
    print(f"memory {memory[0]} KB after 15 s, {memory[len(memory) // 2]} in the middle, {memory[-1]} at the end, most {max(memory)}")
    print(f"processor {per_view:.2f} % of a core a view; beyond the server's time {over[len(over) // 2]:.1f} ms a caption "
          f"(median), {over[len(over) * 95 // 100]:.1f} (95 %)")
    good = check(len(set(requests)) == len(requests), "no request told twice")
    good &= check(SoakChat.asked - len(lines) <= arguments.parallel, "none lost but those cut at the end")
    good &= check(in_turn, "every picture in its turn: none left out, none asked twice")
    good &= check(SoakChat.most <= arguments.parallel, "never more at a time")
    # Each view's own clock decides when it has a picture, so that counts drift apart a little.
    good &= check(len(counts) == arguments.views and counts[-1] - counts[0] <= max(2, counts[-1] // 100), "fair")
    return good & check(memory[-1] - memory[len(memory) // 2] < 2048, "memory is flat")


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("what", choices=["gguf", "llama", "transformers", "tls", "soak"])
    arguments.add_argument("program")
    arguments.add_argument("checkpoint", nargs="?", type=Path)
    arguments.add_argument("picture", nargs="?")
    arguments.add_argument("--server", help="the server's program")
    arguments.add_argument("--views", type=int, default=32)
    arguments.add_argument("--parallel", type=int, default=4)
    arguments.add_argument("--seconds", type=float, default=120)
    arguments = arguments.parse_args()
    sys.exit(not globals()[arguments.what](arguments))


if __name__ == "__main__":
    main()

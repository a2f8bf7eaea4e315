"""A compiler that is none: `cmake` that "compiles" a llama-server, which is a small HTTP server."""

from __future__ import annotations

import hashlib
import io
import sys
import tarfile
from pathlib import Path

CMAKE = """#!{python}
import os, pathlib, shutil, sys, time
args = sys.argv[1:]
if args == ["--version"]:
    print("cmake version {version}")
    sys.exit()
here = pathlib.Path(__file__).parent
with (here / "calls").open("a") as calls:
    print(" ".join(args), file=calls)
if "--build" not in args:
    source = pathlib.Path(args[args.index("-S") + 1])
    assert (source / "CMakeLists.txt").is_file(), source
    sys.exit()
for step in range(1, 4):
    print(f"[{{step}}/3] Building CXX object {{step}}.o", flush=True)
    time.sleep(0.15)
if (here / "slow").exists():
    (here / "slow").write_text(str(os.getpid()))
    time.sleep(60)
if (here / "broken").exists():
    print("main.cpp:7: error: no such thing as a GPU")
    sys.exit(1)
out = pathlib.Path(args[args.index("--build") + 1]) / "bin"
out.mkdir(parents=True)
for name in args[args.index("--target") + 1:]:
    shutil.copy(here / "llama-server.py", out / name)
    (out / name).chmod(0o755)
"""

SERVER = """#!{python}
import json, sys
from http.server import BaseHTTPRequestHandler, HTTPServer
ANSWER = {{"choices": [{{"message": {{"content": "Hello"}}}}], "usage": {{"completion_tokens": 1}}}}
class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.say({{"status": "ok"}})
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.say(ANSWER)
    def say(self, answer):
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
port = int(sys.argv[sys.argv.index("--port") + 1])
HTTPServer(("127.0.0.1", port), Handler).serve_forever()
"""


class FakeToolchain:
    """Programs in `bin`; touch `broken` or `slow` there to change how compiling goes."""

    def __init__(self, directory: Path, *, cmake_version: str = "3.25.1") -> None:
        self.bin = directory / "bin"
        self.bin.mkdir(parents=True)
        self.write("cmake", CMAKE.format(python=sys.executable, version=cmake_version))
        self.write("llama-server.py", SERVER.format(python=sys.executable))
        self.write("g++", "#!/bin/sh\n")
        self.write("ninja", "#!/bin/sh\n")

    def write(self, name: str, text: str) -> None:
        path = self.bin / name
        path.write_text(text)
        path.chmod(0o755)

    def calls(self) -> list[str]:
        path = self.bin / "calls"
        return path.read_text().splitlines() if path.exists() else []


def source_archive(path: Path) -> tuple[Path, str]:
    """An archive in the layout of the real one, and its SHA-256."""
    with tarfile.open(path, "w:gz") as tar:
        text = b"project(llama.cpp)\n"
        member = tarfile.TarInfo("llama_cpp_python-0.3.36/vendor/llama.cpp/CMakeLists.txt")
        member.size = len(text)
        tar.addfile(member, io.BytesIO(text))
    return path, hashlib.sha256(path.read_bytes()).hexdigest()

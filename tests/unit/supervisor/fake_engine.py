"""An engine that misbehaves as it is told.

python fake_engine.py MODE [--port N] [--note FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

GOOD = json.dumps({"choices": [{"message": {"role": "assistant", "content": "Hello"}}]})
ANSWERS = {
    "good": (200, GOOD),
    "busy": (200, GOOD),
    "garbage": (200, "\x00\x01 not json"),
    "empty": (200, '{"choices": []}'),
    "loading": (503, '{"error": {"message": "Loading model"}}'),
}


class Handler(BaseHTTPRequestHandler):
    mode = "good"

    def do_GET(self) -> None:
        self._say(503 if self.mode == "loading" else 200, '{"status": "ok"}')

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        if self.mode in ("busy", "silent"):
            time.sleep(1.5 if self.mode == "busy" else 60)
        self._say(*ANSWERS[self.mode])

    def _say(self, status: int, text: str) -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        print(format % args, file=sys.stderr, flush=True)


def child(code: str, *, start_new_session: bool = False) -> int:
    argv = [sys.executable, "-c", code]
    return subprocess.Popen(argv, start_new_session=start_new_session).pid


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("mode")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--note", type=Path, default=Path(os.devnull))
    options = parser.parse_args()
    sleeper = "import time; time.sleep(300)"
    stubborn = f"import signal; signal.signal(15, signal.SIG_IGN); {sleeper}"
    match options.mode:
        case "ignore-term":
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        case "family":
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            pids = [child(sleeper), child(stubborn), child(stubborn, start_new_session=True)]
            options.note.write_text(json.dumps(pids))
        case "leader-first":
            options.note.write_text(json.dumps([child(stubborn, start_new_session=True)]))
        case "orphans":
            options.note.write_text(json.dumps([child(sleeper), child(stubborn)]))
            os._exit(3)
        case "strays":
            options.note.write_text(json.dumps([child(stubborn, start_new_session=True)]))
            os._exit(3)
        case "tell":
            options.note.write_text(
                json.dumps({"sid": os.getsid(0), "stdin": str(Path("/proc/self/fd/0").readlink())})
            )
            print("to stdout", flush=True)
            print("to stderr", file=sys.stderr, flush=True)
    Handler.mode = options.mode
    server = ThreadingHTTPServer(("127.0.0.1", options.port), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print("serving", flush=True)
    while True:
        time.sleep(60)


if __name__ == "__main__":
    main()

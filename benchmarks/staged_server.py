"""A server on a stage whose every part can be broken, and what is seen of it from outside."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from stage import Stage
from tiny_models import build_parrot

from appliance.core.documents import to_json
from appliance.core.errors import ApplianceError
from appliance.core.paths import Paths
from appliance.node.client import NodeClient
from appliance.node.orphans import marked_processes
from appliance.node.wishes import UpOptions

SERVING = ("ready", "busy")
LIMIT_S = 90.0


class Server:
    """A staged server: its home, its daemon, and what is seen from outside."""

    def __init__(self, *, cards: int = 0, models: int = 1) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="faults-"))
        self.environment = {
            "APPLIANCE_HOME": str(self.home),
            "APPLIANCE_LANG": "en",
            "HF_ENDPOINT": "http://127.0.0.1:9",
            "MODELSCOPE_ENDPOINT": "http://127.0.0.1:9",
        }
        names = ("config", "data", "state", "cache", "logs")
        self.paths = Paths(**{name: self.home / name for name in names})
        self.stage = Stage(self.home / "stage", cards=cards)
        if cards:
            self.stage.build_engine(self.home)
        self.models = [
            build_parrot("qwen2", self.home / f"parrot{n}.gguf", f"hm</think>Word {n}.")
            for n in range(models)
        ]
        self.key = ""
        self.endpoint = ""
        self._daemon: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the daemon, and bury the one before."""
        if self._daemon:
            self._daemon.wait()
        self._daemon = self.stage.daemon(self.environment)
        if not until(self.answers):
            raise SystemExit("the daemon does not start")

    def answers(self) -> bool:
        with suppress(ApplianceError), self.client() as client:
            return client.status() is not None
        return False

    def client(self) -> NodeClient:
        return NodeClient(self.paths)

    def kill_daemon(self) -> None:
        assert self._daemon
        self._daemon.kill()
        self._daemon.wait()

    def up(self, model: Path) -> str:
        """Serve a model; returns its deployment."""
        options = UpOptions(model=f"file:{model}", users=2, allow_cpu=True)
        with self.client() as client:
            last = list(client.up(options))[-1]
        self.endpoint = last["endpoint"]
        self.key = last["key"] or self.key
        return str(last["deployment"])

    def status(self) -> Any:
        with self.client() as client:
            return json.loads(to_json(client.status()))

    def deployment(self, name: str) -> Any:
        return next((d for d in self.status()["deployments"] if d["id"] == name), None)

    def serves(self, name: str) -> bool:
        with suppress(ApplianceError):
            found = self.deployment(name)
            return bool(found) and found["state"] in SERVING
        return False

    def wants(self, name: str) -> bool:
        found = self.deployment(name)
        return bool(found) and found["state"] != "stopped"

    def reason(self, name: str) -> str:
        return str(self.deployment(name)["reason"] or "")

    def card_of(self, name: str) -> str:
        """The card of its first replica."""
        replicas = self.deployment(name)["replicas"]
        return str(replicas[0]["cards"][0]) if replicas else ""

    def ask(self, model: str, limit_s: float = LIMIT_S) -> bool:
        body = {"model": model, "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 8}
        headers = {"Authorization": f"Bearer {self.key}"}
        with suppress(httpx.HTTPError):
            url = f"{self.endpoint}/chat/completions"
            reply = httpx.post(url, json=body, headers=headers, timeout=limit_s, trust_env=False)
            return reply.status_code == 200
        return False

    def engines(self) -> dict[int, str]:
        found = marked_processes(self.paths.state)
        return {pid: name for pid, name in found.items() if name != "gateway" and alive(pid)}

    def engine_of(self, replica: str) -> int:
        """The pid of a replica's engine; 0 while there is none."""
        return next((pid for pid, name in self.engines().items() if name == replica), 0)

    def workers(self, name: str) -> list[str]:
        """The engines that the gateway asks now."""
        with suppress(OSError, ValueError):
            table = json.loads((self.paths.state / "routes.json").read_text())
            for model in table["models"]:
                if model["id"] == name:
                    return [worker["url"] for worker in model["workers"]]
        return []

    def port_of(self, name: str) -> int:
        """The port of its first replica's engine."""
        return int(self.deployment(name)["replicas"][0]["port"] or 0)

    def documents(self, table: str) -> list[Any]:
        """What the daemon remembers."""
        uri = f"file:{self.paths.state / 'node.sqlite3'}?mode=ro"
        with closing(sqlite3.connect(uri, uri=True)) as db:
            return [json.loads(raw) for (raw,) in db.execute(f"SELECT document FROM {table}")]

    def close(self) -> None:
        with suppress(ApplianceError), self.client() as client:
            client.down(now=True)
        for pid in marked_processes(self.paths.state):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if self._daemon:
            self._daemon.kill()
            self._daemon.wait()
        shutil.rmtree(self.home, ignore_errors=True)


@contextmanager
def server(*, cards: int = 0, models: int = 1) -> Iterator[Server]:
    box = Server(cards=cards, models=models)
    try:
        box.start()
        yield box
    finally:
        box.close()


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def until(condition: Callable[[], object], limit_s: float = LIMIT_S) -> bool:
    """Wait for it; whether it came about."""
    deadline = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True

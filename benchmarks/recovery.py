"""Kill engine and daemon under load and count what people notice.

    python benchmarks/recovery.py [--kills 5] [--users 4] [--model REFERENCE]

Runs an appliance of its own in a temporary home, keeps `--users` clients asking (every second one
streams), kills the engine with SIGKILL `--kills` times (everybody is answered twice in between),
then the daemon as often, and prints for
each kill when a new process was there and when the next answer came, and in all how many requests
failed: before their first byte, or midway through a stream.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from appliance.node.orphans import marked_processes

SELF_TEST = "smollm2-135m-instruct:q4_1"


@dataclass
class Load:
    """Clients that ask one thing after the other."""

    endpoint: str
    key: str
    users: int
    answered: int = 0
    failed_before_first_byte: int = 0
    broken_streams: int = 0
    last_answer: float = 0.0
    done: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def run(self) -> list[threading.Thread]:
        threads = [
            threading.Thread(target=self._ask, args=(n % 2 == 1,)) for n in range(self.users)
        ]
        for thread in threads:
            thread.start()
        return threads

    def _ask(self, stream: bool) -> None:
        with httpx.Client(timeout=90, trust_env=False) as client:
            while not self.done.is_set():
                started = time.monotonic()
                self._count(self._once(client, stream), started)

    def _once(self, client: httpx.Client, stream: bool) -> str:
        body = {
            "messages": [{"role": "user", "content": "Count from one to ten."}],
            "max_tokens": 24,
            "stream": stream,
        }
        headers = {"Authorization": f"Bearer {self.key}"}
        begun = False
        try:
            with client.stream(
                "POST", f"{self.endpoint}/chat/completions", json=body, headers=headers
            ) as response:
                if response.status_code != 200:
                    return "failed"
                text = ""
                for part in response.iter_text():
                    begun = True
                    text += part
        except httpx.HTTPError:
            return "broken" if begun else "failed"
        return "broken" if '{"error"' in text else "answered"

    def _count(self, outcome: str, started: float) -> None:
        with self.lock:
            if outcome == "answered":
                self.answered += 1
                self.last_answer = max(self.last_answer, started)
            elif outcome == "broken":
                self.broken_streams += 1
            else:
                self.failed_before_first_byte += 1


class Home:
    """An appliance of its own."""

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="recovery-"))
        self.environment = {**os.environ, "APPLIANCE_HOME": str(self.path)}

    def run(self, *words: str) -> str:
        command = [sys.executable, "-m", "appliance.cli.main", *words]
        result = subprocess.run(
            command, env=self.environment, capture_output=True, text=True, check=False
        )
        if result.returncode not in (0, 1):
            sys.exit(result.stderr)
        return result.stdout

    def status(self) -> Any:
        return json.loads(self.run("status", "--json"))

    def engines(self) -> set[int]:
        found = marked_processes(self.path / "state")
        return {pid for pid, name in found.items() if name != "gateway"}

    def close(self) -> None:
        self.run("down")
        shutil.rmtree(self.path, ignore_errors=True)


def wait(condition: Callable[[], bool], limit_s: float = 60) -> float:
    started = time.monotonic()
    while not condition():
        if time.monotonic() - started > limit_s:
            sys.exit("it did not come back")
        time.sleep(0.005)
    return time.monotonic() - started


def kill_engine(home: Home, load: Load) -> tuple[float, float]:
    (old,) = home.engines()
    killed = time.monotonic()
    os.kill(old, signal.SIGKILL)
    begun = wait(lambda: bool(home.engines() - {old}))
    wait(lambda: load.last_answer > killed)
    answered = time.monotonic() - killed
    settle(load)
    return begun, answered


def kill_daemon(home: Home, load: Load) -> tuple[float, float]:
    before = home.engines()
    daemon = home.status()["daemon"]["pid"]
    killed = time.monotonic()
    os.kill(daemon, signal.SIGKILL)
    wait(lambda: load.last_answer > killed)
    answered = time.monotonic() - killed
    adopted = home.status()["deployments"][0]["replicas"][0]["pid"]
    if home.engines() != before or adopted not in before:
        sys.exit("the engine was not adopted")
    return answered, time.monotonic() - killed


def settle(load: Load) -> None:
    """Everybody is answered twice more: a request that met one kill does not meet the next."""
    enough = load.answered + 2 * load.users
    wait(lambda: load.answered >= enough)


def report(title: str, rows: list[tuple[float, float]], names: tuple[str, str]) -> None:
    for name, values in zip(names, zip(*rows, strict=True), strict=True):
        middle = statistics.median(values)
        print(f"{title}: {name}: median {middle:.2f} s, worst {max(values):.2f} s of {len(rows)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--users", type=int, default=4)
    parser.add_argument("--model", default=SELF_TEST)
    options = parser.parse_args()
    home = Home()
    try:
        up = json.loads(home.run("up", "--yes", "--json", "--model", options.model))
        load = Load(up["endpoint"], up["key"], options.users)
        threads = load.run()
        settle(load)
        engine = [kill_engine(home, load) for _ in range(options.kills)]
        report("engine kill -9", engine, ("new process", "next answer"))
        daemon = [kill_daemon(home, load) for _ in range(options.kills)]
        report("daemon kill -9", daemon, ("next answer", "engine adopted"))
        load.done.set()
        for thread in threads:
            thread.join()
        print(
            f"{load.answered} requests answered, {load.failed_before_first_byte} failed before "
            f"their first byte, {load.broken_streams} streams broke midway; "
            f"{len(home.engines())} engine at the end"
        )
    finally:
        home.close()


if __name__ == "__main__":
    main()

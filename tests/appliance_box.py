"""A real appliance in a home of its own, driven as a person drives it: by its command line."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from appliance.node.orphans import marked_processes

THOUGHT = "The user greets me."
ANSWER = "Good day to you, from a small model."


@dataclass
class Appliance:
    """`run("up", "--yes")` runs the program; everything it starts is ended with the test."""

    home: Path
    environment: dict[str, str]
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        """The program in the background."""
        process = subprocess.Popen(
            [sys.executable, "-m", "appliance.cli.main", *arguments],
            env={**self.environment, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.started.append(process)
        return process

    def run(
        self, *arguments: str, timeout_s: float = 120, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """The program to its end."""
        process = self.start(*arguments, **environment)
        out, err = process.communicate(timeout=timeout_s)
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    def json(self, *arguments: str, code: int = 0) -> Any:
        """The one document on stdout."""
        result = self.run(*arguments, "--json")
        assert result.returncode == code, result.stderr
        return json.loads(result.stdout)

    def up(self, *arguments: str) -> Any:
        """up/1."""
        return self.json("up", "--yes", *arguments)

    def status(self) -> Any:
        """status/1, whatever it says."""
        return json.loads(self.run("status", "--json").stdout)

    def replica(self) -> Any:
        """The only replica."""
        return self.status()["deployments"][0]["replicas"][0]

    def processes(self) -> dict[int, str]:
        """Engines and gateway of this home that are alive."""
        found = marked_processes(self.home / "state")
        return {pid: name for pid, name in found.items() if not is_zombie(pid)}

    def engines(self) -> list[int]:
        """Pids of engines that are alive."""
        return [pid for pid, name in self.processes().items() if name != "gateway"]

    def end(self) -> None:
        """Stop it, and kill what a broken one leaves."""
        for process in self.started:
            if process.poll() is None:
                process.kill()
            process.communicate()
        self.run("down", timeout_s=60)
        for pid in self.processes():
            os.kill(pid, signal.SIGKILL)


def is_zombie(pid: int) -> bool:
    """Dead, but not yet buried."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def wait_for(condition: Callable[[], Any], seconds: float = 60.0) -> Any:
    """The first truthy value of `condition`; fails past the deadline."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.05)
    pytest.fail("it did not happen in time")


def ask(endpoint: str, key: str, **options: Any) -> httpx.Response:
    """One chat request with a key."""
    body = {"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 200, **options}
    return httpx.post(
        f"{endpoint}/chat/completions",
        json=body,
        headers={"Authorization": f"Bearer {key}"},
        timeout=60,
        trust_env=False,
    )

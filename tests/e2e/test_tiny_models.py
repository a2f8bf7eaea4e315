"""The small models of the other tests: a real engine loads them, and they say what they must."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import tiny_models

THOUGHT, ANSWER = "Let me see what was asked", "It is 42, 不多不少."


@contextmanager
def served(model: Path) -> Iterator[httpx.Client]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "appliance.engines.llamacpp.serve"]
    command += ["--model", str(model), "--alias", "tiny", "--port", str(port), "--context", "1024"]
    log = model.with_suffix(".log")
    with log.open("wb") as stderr:
        engine = subprocess.Popen(command, stdout=stderr, stderr=stderr)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
            _wait_until_ready(client, engine, log)
            yield client
    finally:
        engine.kill()
        engine.wait()


def _wait_until_ready(client: httpx.Client, engine: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert engine.poll() is None, log.read_text(errors="replace")
        try:
            if client.get("/health").status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    pytest.fail("the engine was not ready in a minute:\n" + log.read_text(errors="replace"))


def ask(client: httpx.Client) -> dict[str, object]:
    body = {"messages": [{"role": "user", "content": "what is it?"}], "max_tokens": 64}
    response = client.post("/v1/chat/completions", json=body, timeout=60)
    response.raise_for_status()
    choice: dict[str, object] = response.json()["choices"][0]
    return choice


@pytest.mark.parametrize("architecture", tiny_models.ARCHITECTURES)
def test_random_weights_are_served(tmp_path: Path, architecture: str) -> None:
    model = tiny_models.build(architecture, tmp_path / "m.gguf")
    with served(model) as client:
        assert ask(client)["finish_reason"] in ("stop", "length")


@pytest.mark.parametrize("architecture", tiny_models.ARCHITECTURES)
def test_a_parrot_thinks_and_answers_what_it_was_told(tmp_path: Path, architecture: str) -> None:
    text = f"{THOUGHT}</think>{ANSWER}"
    model = tiny_models.build_parrot(architecture, tmp_path / "m.gguf", text)
    with served(model) as client:
        choice = ask(client)
    message = choice["message"]
    assert isinstance(message, dict)
    assert choice["finish_reason"] == "stop"
    assert message["reasoning_content"].strip() == THOUGHT
    assert message["content"] == ANSWER


def test_the_same_seed_gives_the_same_file(tmp_path: Path) -> None:
    first = tiny_models.build("llama", tmp_path / "a.gguf", seed=7)
    second = tiny_models.build("llama", tmp_path / "b.gguf", seed=7)
    other = tiny_models.build("llama", tmp_path / "c.gguf", seed=8)
    assert first.read_bytes() == second.read_bytes() != other.read_bytes()

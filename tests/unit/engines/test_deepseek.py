"""The architectures of DeepSeek's models in the real engine, on made-up weights."""

from __future__ import annotations

from pathlib import Path

import pytest
from real_engine import free_port, request_for, running
from tiny_models import ARCHITECTURES, build, build_parrot

THOUGHT = "The user greets me."
ANSWER = "Hello, what can I do?"


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_it_loads_and_serves(architecture: str, tmp_path: Path) -> None:
    model = build(architecture, tmp_path / "model.gguf")

    with running(request_for(model, free_port()), tmp_path / "log") as engine:
        answer = engine.chat("Hi", max_tokens=4, ignore_eos=True)
        assert answer["usage"]["completion_tokens"] == 4


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_reasoning_is_told_apart_from_the_answer(architecture: str, tmp_path: Path) -> None:
    says = f"{THOUGHT}</think>{ANSWER}"
    model = build_parrot(architecture, tmp_path / "model.gguf", says)

    with running(request_for(model, free_port()), tmp_path / "log") as engine:
        message = engine.chat("Hi", max_tokens=100)["choices"][0]["message"]

    assert message["reasoning_content"].strip() == THOUGHT
    assert message["content"].strip() == ANSWER

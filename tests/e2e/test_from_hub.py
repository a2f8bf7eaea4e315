"""The whole path for every DeepSeek architecture: a hub, a plan, a pull, an engine, a talk."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from appliance_box import ANSWER, THOUGHT, Appliance, ask
from hub import LoopbackHub
from tiny_models import ARCHITECTURES, build, build_parrot


@pytest.fixture
def online(appliance: Appliance, hub: LoopbackHub) -> Appliance:
    """The appliance with a hub in reach."""
    appliance.environment["HF_ENDPOINT"] = hub.hf_endpoint
    appliance.environment["MODELSCOPE_ENDPOINT"] = hub.ms_endpoint
    return appliance


def publish(hub: LoopbackHub, architecture: str, *, parrot: bool = True) -> str:
    """Put a model of this architecture on the hub; returns its repository."""
    repo = f"tests/Tiny-{architecture}-GGUF"
    path = hub.root / repo / f"tiny-{architecture}-Q4_0.gguf"
    path.parent.mkdir(parents=True)
    if parrot:
        build_parrot(architecture, path, f"{THOUGHT}</think>{ANSWER}")
    else:
        build(architecture, path)
    return repo


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_plan_pull_serve_chat(online: Appliance, hub: LoopbackHub, architecture: str) -> None:
    repo = publish(hub, architecture)
    scheme = "ms" if architecture == "llama" else "hf"
    reference = f"{scheme}:{repo}"

    plan = online.json("plan", reference)
    pulled = online.run("models", "pull", reference, "--json")
    up = online.up("--model", reference)
    answer = ask(up["endpoint"], up["key"], model=up["deployment"]).json()

    assert plan["choices"][0]["fits"] is True
    final = json.loads(pulled.stdout.splitlines()[-1])
    assert final["schema"] == "appliance.pull/1"
    assert final["files"][0]["sha256"] == hub.sha256(next((hub.root / repo).iterdir()))
    message = answer["choices"][0]["message"]
    assert message["content"].strip() == ANSWER
    assert message["reasoning_content"].strip() == THOUGHT


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_random_weights_load_and_answer(
    appliance: Appliance, tmp_path: Path, architecture: str
) -> None:
    path = build(architecture, tmp_path / "noise.gguf")

    up = appliance.up("--model", f"file:{path}")

    assert up["proof"]["answer"]


def test_a_second_pull_fetches_nothing(online: Appliance, hub: LoopbackHub) -> None:
    reference = f"hf:{publish(hub, 'qwen2')}"
    first = json.loads(online.run("models", "pull", reference, "--json").stdout.splitlines()[-1])

    again = json.loads(online.run("models", "pull", reference, "--json").stdout.splitlines()[-1])

    assert first["bytes_fetched"] > 0
    assert again["bytes_fetched"] == 0


def test_what_was_pulled_is_served_without_the_hub(online: Appliance, hub: LoopbackHub) -> None:
    reference = f"hf:{publish(hub, 'qwen3')}"
    assert online.run("models", "pull", reference).returncode == 0
    online.environment["HF_ENDPOINT"] = "http://127.0.0.1:9"
    online.run("down")

    up = online.up("--model", reference)

    assert up["proof"]["answer"] == ANSWER


def test_header_alone_tells_what_a_model_is(online: Appliance, hub: LoopbackHub) -> None:
    repo = publish(hub, "deepseek2")

    card = online.json("models", "show", f"hf:{repo}")

    assert card["architecture"] == "deepseek2"
    assert card["chat_template"] is True

"""What `models show` says of files on a hub or a disk, without their weights."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hub import LoopbackHub
from safetensors_repo import R1_LIKE, safetensors
from safetensors_repo import publish as publish_safetensors

from appliance.catalog.gguf_write import header_bytes, write_sparse
from appliance.catalog.models import Catalogue
from appliance.cli import main
from appliance.cli.model_card import ModelCard, card_lines, model_card
from appliance.core.paths import find_paths
from appliance.core.reference import parse_reference
from appliance.weights.pull import pull, request_for
from appliance.weights.store import Store

TEN_MILLION = ("blk.0.ffn_up.weight", (4096, 2442), "f16")
ABOUT: dict[str, str | int] = {
    "general.architecture": "qwen2",
    "general.name": "A Model",
    "general.license": "mit",
    "general.file_type": 1,
    "qwen2.context_length": 32768,
    "tokenizer.ggml.model": "gpt2",
    "tokenizer.chat_template": "{{ messages }}",
}


def publish(hub: LoopbackHub, name: str, **metadata: int) -> str:
    path: Path = hub.root / "org/model" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    more = {key.replace("__", "."): value for key, value in metadata.items()}
    header, size = header_bytes({**ABOUT, **more}, [TEN_MILLION])
    write_sparse(path, header, size)
    return "org/model"


@pytest.mark.parametrize("scheme", ["hf", "ms"])
def test_every_field_comes_from_the_header(hub: LoopbackHub, scheme: str) -> None:
    card = model_card(f"{scheme}:{publish(hub, 'a-F16.gguf')}")

    assert (card.title, card.architecture, card.licence) == ("A Model", "qwen2", "mit")
    assert (card.parameters_b, card.quantization, card.context_max) == (0.01, "f16", 32768)
    assert (card.tokenizer, card.chat_template) == ("gpt2", True)
    assert hub.bytes_sent < 10_000_000


def test_a_split_model_is_counted_whole(hub: LoopbackHub) -> None:
    for number in range(3):
        split = {"split__no": number, "split__count": 3, "split__tensors__count": 3}
        publish(hub, f"a-F16-0000{number + 1}-of-00003.gguf", **split)

    assert model_card("hf:org/model").parameters_b == 0.03


WEIGHTS = {"model.safetensors": safetensors([("a.weight", "BF16", [1000, 20000])])}


def shown(text: str) -> dict[str, str]:
    return {line[:14].strip(): line[15:] for line in text.splitlines()}


@pytest.mark.parametrize("scheme", ["hf", "ms", "file"])
def test_safetensors_are_shown_too(
    hub: LoopbackHub, scheme: str, capsys: pytest.CaptureFixture[str]
) -> None:
    directory = publish_safetensors(hub, WEIGHTS, **R1_LIKE)
    reference = f"file:{directory}" if scheme == "file" else f"{scheme}:org/model"

    assert main.run(["models", "show", reference]) == 0
    lines = shown(capsys.readouterr().out)
    assert main.run(["models", "show", reference, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)

    assert lines["architecture"] == document["architecture"] == "DeepseekV3ForCausalLM"
    assert (lines["parameters"], document["parameters_b"]) == ("0.02 B", 0.02)
    assert lines["quantization"] == document["quantization"] == "bf16"
    assert (lines["context"], document["context_max"]) == ("163840", 163840)
    assert lines["tokenizer"] == document["tokenizer"] == "LlamaTokenizerFast"
    assert (lines["template"], document["chat_template"]) == ("yes", True)
    assert lines["licence"] == document["licence"] == "mit"
    assert (lines["files"], document["files"]) == ("3", 3)
    assert (lines["size"], document["bytes"] // 1_000_000) == ("0.04 GB", 40)


def test_what_is_not_said_is_unknown(hub: LoopbackHub, capsys: pytest.CaptureFixture[str]) -> None:
    publish_safetensors(hub, WEIGHTS)

    assert main.run(["models", "show", "hf:org/model"]) == 0
    lines = shown(capsys.readouterr().out)
    assert main.run(["models", "show", "hf:org/model", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)

    for label, key in (
        ("architecture", "architecture"), ("context", "context_max"), ("tokenizer", "tokenizer"),
        ("template", "chat_template"), ("licence", "licence"),
    ):  # fmt: skip
        assert (lines[label], document[key]) == ("-", None)


@pytest.mark.parametrize(
    ("name", "content", "status"),
    [
        ("pytorch_model.bin", b"", 2),
        ("model.safetensors", b"<html>", 7),
        (
            "model.gguf",
            header_bytes({**ABOUT, "tokenizer.chat_template": "{{ x.__class__ }}"}, [])[0],
            7,
        ),
    ],
)
def test_what_is_refused_has_its_exit_code(
    hub: LoopbackHub, name: str, content: bytes, status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    publish_safetensors(hub, {name: content}, **R1_LIKE)

    assert main.run(["models", "show", "hf:org/model"]) == status

    told = capsys.readouterr().err
    assert told.startswith("error: ")
    assert "hint: " in told


def test_a_model_of_the_store_is_shown_without_a_hub(
    hub: LoopbackHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish_safetensors(hub, WEIGHTS, **R1_LIKE)
    request = request_for(parse_reference("hf:org/model"), Catalogue((), ""))
    pull(request, Store(find_paths().models, floor_bytes=0))
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")

    card = model_card("hf:org/model")

    assert (card.architecture, card.parameters_b, card.files) == ("DeepseekV3ForCausalLM", 0.02, 3)


def test_a_name_in_a_header_cannot_steer_the_terminal() -> None:
    lines = dict(card_lines(ModelCard(id="x", title="\x1b[2Jclean")))
    assert lines["title"] == "?[2Jclean"

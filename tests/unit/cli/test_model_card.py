"""What `models show` says of a file on a hub, from its header alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from hub import LoopbackHub

from appliance.catalog.gguf_write import header_bytes, write_sparse
from appliance.cli.model_card import model_card

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

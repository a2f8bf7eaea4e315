"""What a repository of safetensors says of itself, read from afar."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hub import LoopbackHub
from hypothesis import given
from hypothesis import strategies as st
from safetensors_repo import R1_LIKE, Tensor, publish, safetensors

from appliance.core.errors import UsageError, VerificationFailed
from appliance.core.reference import FileReference, HubReference, parse_reference
from appliance.weights import repository
from appliance.weights.model_facts import (
    SafetensorsModel,
    architecture_of,
    context_of,
    licence_of,
    parameters_of,
    quantization_of,
    templates_in,
)
from appliance.weights.repository import look
from appliance.weights.tally import Tally

HF = HubReference("hf", "org/model")
BF16: list[Tensor] = [("a.weight", "BF16", [1000, 2000]), ("a.bias", "BF16", [1000])]


def about(hub: LoopbackHub, reference: HubReference = HF) -> SafetensorsModel:
    seen = look(reference).about
    assert isinstance(seen, SafetensorsModel)
    return seen


@pytest.mark.parametrize("scheme", ["hf", "ms"])
def test_a_single_file_with_its_documents(hub: LoopbackHub, scheme: str) -> None:
    publish(hub, {"model.safetensors": safetensors(BF16)}, **R1_LIKE)

    seen = look(parse_reference(f"{scheme}:org/model"))  # type: ignore[arg-type]

    assert seen.about == SafetensorsModel(
        architecture="DeepseekV3ForCausalLM",
        parameters=2_001_000,
        quantization="bf16",
        context_length=163840,
        tokenizer="LlamaTokenizerFast",
        chat_template=True,
        licence="mit",
    )
    listed = [file for name, file in hub.files("org/model") if name != "README.md"]
    assert (seen.files, seen.bytes) == (3, sum(file.stat().st_size for file in listed))
    assert hub.bytes_sent < 200_000 < 4_000_000 < (seen.bytes or 0)


@pytest.mark.parametrize("scheme", ["hf", "ms"])
def test_parts_are_those_that_the_index_names(hub: LoopbackHub, scheme: str) -> None:
    """Some publishers keep the same weights a second time under another name."""
    names = [f"model-{number:05}-of-00020.safetensors" for number in range(1, 21)]
    parts = {
        name: safetensors([(f"layer.{number}.weight", "BF16", [1000, 1000])])
        for number, name in enumerate(names)
    }
    index = {f"layer.{number}.weight": name for number, name in enumerate(names)}
    twice = safetensors([("all.weight", "BF16", [1000, 20000])])
    publish(
        hub,
        {**parts, "consolidated.safetensors": twice},
        **R1_LIKE,
        model__safetensors__index__json={"metadata": {}, "weight_map": index},
    )

    seen = look(parse_reference(f"{scheme}:org/model"))  # type: ignore[arg-type]

    assert isinstance(seen.about, SafetensorsModel)
    assert seen.about.parameters == 20_000_000
    assert hub.bytes_sent < 2_000_000


def test_a_file_that_the_index_names_is_missed(hub: LoopbackHub) -> None:
    index = {"weight_map": {"a.weight": "model.safetensors", "b": "../other.safetensors"}}
    publish(hub, {"model.safetensors": safetensors(BF16)}, model__safetensors__index__json=index)
    with pytest.raises(VerificationFailed, match=r"other\.safetensors, which"):
        look(HF)


def test_a_long_header_takes_a_second_request(hub: LoopbackHub) -> None:
    many: list[Tensor] = [(f"layer.{number:06}.weight", "F32", [2]) for number in range(2000)]
    publish(hub, {"model.safetensors": safetensors(many)})
    assert about(hub).parameters == 4000


def test_fp8_is_called_that_and_its_scales_are_no_parameters(hub: LoopbackHub) -> None:
    tensors: list[Tensor] = [
        ("a.weight", "F8_E4M3", [2560, 1280]),
        ("a.weight_scale_inv", "F32", [20, 10]),
        ("norm.weight", "BF16", [1280]),
    ]
    block = {"quant_method": "fp8", "fmt": "e4m3", "weight_block_size": [128, 128]}
    publish(hub, {"m.safetensors": safetensors(tensors)}, config={"quantization_config": block})

    seen = about(hub)

    assert (seen.quantization, seen.parameters) == ("fp8", 2560 * 1280 + 1280)


def test_without_documents_only_the_headers_speak(hub: LoopbackHub) -> None:
    publish(hub, {"model.safetensors": safetensors(BF16)})
    assert about(hub) == SafetensorsModel(parameters=2_001_000, quantization="bf16")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("config.json", b"{"),
        ("config.json", b"[]"),
        ("config.json", b"[" * 100_000),
        ("config.json", b" " * (5 << 20)),
        ("tokenizer_config.json", b"\xff"),
        ("model.safetensors.index.json", b'{"weight_map": 5}'),
        ("model.safetensors.index.json", b" " * (33 << 20)),
        ("model.safetensors", b"<html>sign in</html>"),
        ("model.safetensors", b""),
        ("model.safetensors", b"\xff" * 8 + bytes(1000)),
        ("model.safetensors", (17 << 20).to_bytes(8, "little") + bytes(18 << 20)),
        ("model.safetensors", safetensors(BF16)[:-1]),
        ("chat_template.jinja", b"{{ x.__class__.__mro__ }}"),
        ("chat_template.json", b'{"chat_template": "{% include x %}"}'),
        ("tokenizer_config.json", b'{"chat_template": "{{ messages._secret }}"}'),
        ("processor_config.json", b'{"chat_template": "{{ x | attr(y) }}"}'),
        ("additional_chat_templates/rag.jinja", b"{% import x as y %}"),
        ("tokenizer_config.json", json.dumps({"chat_template": ["a"] * 20}).encode()),
    ],
)
def test_what_an_engine_could_trip_over_is_refused_by_name(
    hub: LoopbackHub, name: str, content: bytes
) -> None:
    publish(hub, {"model.safetensors": safetensors(BF16), name: content})
    with pytest.raises(VerificationFailed, match=f"^{name}: "):
        look(HF)
    assert hub.bytes_sent < 1 << 20


def test_headers_together_have_a_limit(hub: LoopbackHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repository, "_MAX_HEADERS_BYTES", 500)
    parts = {f"{n}.safetensors": safetensors([(f"{n}.weight", "F32", [2])]) for n in range(20)}
    publish(hub, parts)
    with pytest.raises(VerificationFailed, match="more than 500 bytes"):
        look(HF)


def test_only_the_beginning_of_a_readme_is_read(hub: LoopbackHub) -> None:
    readme = b"---\nlicense: apache-2.0\n---\n" + b"word " * (1 << 20)
    publish(hub, {"model.safetensors": safetensors(BF16), "README.md": readme})
    assert about(hub).licence == "apache-2.0"
    assert hub.bytes_sent < 200_000


def test_a_directory_and_one_file_of_it(hub: LoopbackHub) -> None:
    directory = publish(hub, {"model.safetensors": safetensors(BF16)}, **R1_LIKE)

    seen = look(FileReference(str(directory)))
    alone = look(FileReference(str(directory / "model.safetensors")))

    assert isinstance(seen.about, SafetensorsModel)
    assert (seen.files, seen.about.licence, seen.about.chat_template) == (3, "mit", True)
    assert alone.about == SafetensorsModel(parameters=2_001_000, quantization="bf16")


@pytest.mark.parametrize(("glob", "kind"), [(None, UsageError), ("*.bin", VerificationFailed)])
def test_pickles_stay_refused(hub: LoopbackHub, glob: str | None, kind: type[Exception]) -> None:
    publish(hub, {"pytorch_model.bin": b"\x80\x02."}, config={"model_type": "llama"})
    with pytest.raises(kind):
        look(HubReference("hf", "org/model", glob=glob))


def tally_of(*tensors: Tensor) -> Tally:
    tally = Tally()
    for name, dtype, shape in tensors:
        tally.add(name, dtype, shape)
    return tally


GPTQ: list[Tensor] = [
    ("a.qweight", "I32", [128, 1024]),
    ("a.qzeros", "I32", [8, 128]),
    ("a.g_idx", "I32", [1024]),
    ("a.scales", "F16", [8, 1024]),
    ("norm.weight", "F16", [1024]),
]


@pytest.mark.parametrize(
    ("given", "label", "parameters"),
    [
        ({"quant_method": "gptq", "bits": 4}, "gptq-int4", 1024 * 1024 + 1024),
        ({"quant_method": "awq", "bits": 8}, "awq-int8", 512 * 1024 + 1024),
        ({"quant_method": "gptq"}, "gptq", None),
        ({"quant_method": "other", "bits": 4}, "other", None),
        ({"quant_method": 5}, None, None),
        ({}, None, None),
    ],
)
def test_packed_words_are_unpacked_only_where_it_is_said_how(
    given: dict[str, Any], label: str | None, parameters: int | None
) -> None:
    config, tally = {"quantization_config": given}, tally_of(*GPTQ)
    assert quantization_of(config, {}, tally) == label
    assert parameters_of(config, {}, tally) == parameters


def test_what_could_be_packed_or_comes_twice_is_not_counted() -> None:
    assert parameters_of({}, {}, tally_of(("a.weight_packed", "I32", [8, 8]))) is None
    assert parameters_of({}, {}, tally_of(("a.weight", "U8", [8, 8]), *BF16)) is None
    assert parameters_of({}, {}, tally_of(*BF16, BF16[0])) is None
    assert parameters_of({}, {}, tally_of()) is None
    assert parameters_of({}, {}, tally_of(*BF16, ("position_ids", "I64", [512]))) == 2_001_000
    assert parameters_of({}, {}, tally_of(("layer.scale", "F32", [8]))) == 8


@pytest.mark.parametrize(
    ("weights", "activations", "label"),
    [
        ({"num_bits": 4, "type": "int"}, None, "w4a16"),
        ({"num_bits": 8, "type": "int"}, {"num_bits": 8, "type": "int"}, "w8a8"),
        ({"num_bits": 8, "type": "float"}, {"num_bits": 8, "type": "float"}, "fp8"),
        ({"num_bits": "8"}, None, "compressed-tensors"),
    ],
)
def test_compressed_tensors_are_named_by_their_bits(
    weights: dict[str, Any], activations: dict[str, Any] | None, label: str
) -> None:
    group = {"weights": weights, "input_activations": activations}
    config = {"quant_method": "compressed-tensors", "config_groups": {"group_0": group}}
    assert quantization_of({"quantization_config": config}, {}, tally_of()) == label


def test_the_form_beside_the_configuration_counts_too() -> None:
    described = {"quantization": {"quant_algo": "NVFP4"}}
    assert quantization_of({}, described, tally_of()) == "nvfp4"


def test_what_sees_keeps_its_context_with_its_text_part() -> None:
    assert context_of({"text_config": {"max_position_embeddings": 8192}}) == 8192
    assert context_of({"max_position_embeddings": True, "n_positions": -1}) is None
    assert architecture_of({"model_type": "llama", "architectures": []}) == "llama"
    assert architecture_of({"architectures": ["\x1b[2J"], "model_type": "x" * 1000}) is None


@pytest.mark.parametrize(
    ("readme", "licence"),
    [
        ("---\nlicense: mit\n---\n# A model", "mit"),
        ('---\r\nlicense: "apache-2.0"  # yes\r\n---\r\n', "apache-2.0"),
        ("---\nlicense: other\nlicense_name: deepseek\n---\n", "deepseek"),
        ("---\nlicense: other\n---\n", "other"),
        ("---\nlicense:\n- mit\n- other\n---\n", None),
        ("---\nlicense: >-\n  mit\n---\n", None),
        ("---\nbase_model:\n  license: mit\n---\n", None),
        ("---\nlanguage: en\n---\nlicense: mit\n---\n", None),
        ("# license: mit", None),
        ("", None),
    ],
)
def test_the_licence_is_that_of_the_front_matter(readme: str, licence: str | None) -> None:
    assert licence_of(readme) == licence


KEYS = st.sampled_from(
    ["architectures", "model_type", "max_position_embeddings", "text_config", "bits", "weights",
     "quantization_config", "quant_method", "config_groups", "chat_template", "template",
     "num_bits"]
)  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(KEYS, JSON, max_size=5), st.text(max_size=40))
def test_any_document_may_stand_there(values: dict[str, Any], readme: str) -> None:
    tally = tally_of(*GPTQ)
    assert isinstance(quantization_of(values, values, tally), str | None)
    assert isinstance(parameters_of(values, values, tally), int | None)
    assert isinstance(context_of(values), int | None)
    assert isinstance(architecture_of(values), str | None)
    assert all(isinstance(text, str) for text in templates_in(values))
    assert isinstance(licence_of(f"---\n{readme}\n---\n"), str | None)


@given(st.binary(max_size=200))
def test_any_bytes_may_stand_for_a_document(raw: bytes) -> None:
    with suppress(VerificationFailed):
        assert isinstance(repository._decoded(raw, "config.json", dict[str, Any]), dict)

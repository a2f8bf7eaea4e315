import contextlib
import struct
from pathlib import Path

import pytest
import tiny_models
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.catalog import gguf
from appliance.catalog.from_header import architecture_of
from appliance.catalog.gguf import GgufHeader, read_header, read_header_of
from appliance.catalog.gguf_write import Value, header_bytes, write_sparse
from appliance.core.errors import ApplianceError, VerificationFailed

METADATA: dict[str, Value] = {
    "general.architecture": "llama",
    "general.name": "A model",
    "general.license": "mit",
    "general.file_type": 15,
    "llama.block_count": 2,
    "llama.context_length": 4096,
    "tokenizer.chat_template": "{{ messages }}",
    "numbers": [1, 2, 3],
}
TENSORS = [("token_embd.weight", (256, 8), "q4_k"), ("output_norm.weight", (256,), "f32")]


def header_of(data: bytes, size: int | None = None) -> GgufHeader:
    return read_header(lambda offset, length: data[offset : offset + length], size)


def refused(data: bytes, size: int | None = None) -> VerificationFailed:
    with pytest.raises(VerificationFailed) as caught:
        header_of(data, size)
    assert caught.value.code == "BAD-GGUF"
    assert str(caught.value.hint)
    return caught.value


def raw(metadata: bytes = b"", keys: int = 0, tensors: bytes = b"", count: int = 0) -> bytes:
    return b"GGUF" + struct.pack("<IQQ", 3, count, keys) + metadata + tensors


def text(value: bytes) -> bytes:
    return struct.pack("<Q", len(value)) + value


ARCHITECTURE = text(b"general.architecture") + struct.pack("<I", 8) + text(b"llama")


def tensor(
    name: bytes = b"t", shape: tuple[int, ...] = (32,), kind: int = 0, offset: int = 0
) -> bytes:
    dims = struct.pack(f"<I{len(shape)}Q", len(shape), *shape)
    return text(name) + dims + struct.pack("<IQ", kind, offset)


def test_what_a_file_says_about_itself_is_read() -> None:
    data, size = header_bytes(METADATA, TENSORS)
    header = header_of(data, size)
    assert (header.architecture, header.name, header.licence) == ("llama", "A model", "mit")
    assert (header.quant, header.context_length, header.block_count) == ("q4_k_m", 4096, 2)
    assert header.metadata["numbers"] == (1, 2, 3)
    assert header.parameters == 256 * 8 + 256
    assert header.tensors[0].bytes == 8 * 144
    assert header.bytes == size


def test_the_written_file_is_sparse_and_readable(tmp_path: Path) -> None:
    data, size = header_bytes(METADATA, [("big.weight", (1 << 20, 1 << 16), "f16")])
    path = tmp_path / "m.gguf"
    write_sparse(path, data, size)
    assert path.stat().st_size == size > 1 << 36
    assert path.stat().st_blocks * 512 < 1 << 20
    assert read_header_of(path).tensor_bytes == 1 << 37


def test_a_header_is_read_in_few_pieces_and_no_further() -> None:
    data, size = header_bytes(METADATA | {"words": "x" * 900_000}, TENSORS)
    asked: list[tuple[int, int]] = []

    def read_at(offset: int, length: int) -> bytes:
        asked.append((offset, length))
        return (data + b"\0" * (size - len(data)))[offset : offset + length]

    read_header(read_at, size)
    assert len(asked) <= 6
    assert all(offset + length <= size for offset, length in asked)


def test_long_arrays_are_counted_and_not_kept() -> None:
    words = [7] * 5000
    data, size = header_bytes(METADATA | {"tokenizer.ggml.tokens": words}, TENSORS)
    header = header_of(data, size)
    assert header.array_lengths["tokenizer.ggml.tokens"] == header.tokenizer.words == 5000
    assert "tokenizer.ggml.tokens" not in header.metadata


def test_a_cut_off_file_says_that_it_has_to_be_fetched_again() -> None:
    data, size = header_bytes(METADATA, TENSORS)
    assert "whole" in str(refused(data, size - 1).hint)
    assert "whole" in str(refused(data[: len(data) // 2]).hint)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"GGML" + bytes(64),
        b"GGUF" + struct.pack("<IQQ", 1, 0, 0),
        b"GGUF" + struct.pack("<IQQ", 3, 1 << 40, 0),
        b"GGUF" + struct.pack("<IQQ", 3, 0, 1 << 40),
        raw(struct.pack("<Q", 1 << 50), keys=1),
        raw(text(b"k") + struct.pack("<I", 99), keys=1),
        raw(text(b"k") + struct.pack("<I", 8) + struct.pack("<Q", 1 << 40), keys=1),
        raw(text(b"k") + struct.pack("<IIQ", 9, 8, 1 << 40), keys=1),
        raw(text(b"k") + struct.pack("<IIQ", 9, 9, 1), keys=1),
        raw(text(b"\xff") + struct.pack("<IB", 7, 1), keys=1),
        raw((text(b"k") + struct.pack("<IB", 7, 1)) * 2, keys=2),
        raw(text(b"general.alignment") + struct.pack("<II", 4, 3), keys=1),
        raw(text(b"general.alignment") + struct.pack("<II", 4, 0), keys=1),
        raw(text(b"split.no") + struct.pack("<IH", 2, 5), keys=1),
        raw(ARCHITECTURE, 1, tensor(kind=77), 1),
        raw(ARCHITECTURE, 1, tensor(shape=(31,), kind=12), 1),
        raw(ARCHITECTURE, 1, tensor(shape=(0,)), 1),
        raw(ARCHITECTURE, 1, tensor(shape=(1 << 40, 1 << 40)), 1),
        raw(ARCHITECTURE, 1, tensor(shape=(1, 1, 1, 1, 1)), 1),
        raw(ARCHITECTURE, 1, tensor(offset=7), 1),
        raw(ARCHITECTURE, 1, tensor() * 2, 2),
        raw(ARCHITECTURE, 1, tensor() + tensor(b"u"), 2),
        raw(),
    ],
)
def test_a_header_that_lies_is_refused(data: bytes) -> None:
    refused(data)


def test_tensors_beyond_the_end_of_the_file_are_refused() -> None:
    data = raw(ARCHITECTURE, 1, tensor(shape=(1 << 30,)), 1)
    refused(data, len(data) + 64)


def test_a_part_of_a_split_file_needs_no_architecture() -> None:
    keys = text(b"split.no") + struct.pack("<IH", 2, 1) + text(b"split.count")
    header = header_of(raw(keys + struct.pack("<IH", 2, 3), keys=2))
    assert header.split == gguf.Split(1, 3, None)


def test_a_file_that_cannot_be_read_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(ApplianceError) as caught:
        read_header_of(tmp_path / "missing.gguf")
    assert caught.value.code == "UNREADABLE"


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_no_damage_ends_in_anything_but_a_refusal(data: st.DataObject) -> None:
    whole, size = header_bytes(METADATA, TENSORS)
    damaged = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(damaged) - 1))
        damaged[at : at + 1] = data.draw(st.binary(min_size=0, max_size=9))
    with contextlib.suppress(VerificationFailed):
        header_of(bytes(damaged), data.draw(st.sampled_from([size, None, len(damaged)])))


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=400), st.integers(0, 300), st.integers(0, 300))
def test_noise_is_refused(noise: bytes, tensors: int, keys: int) -> None:
    data = b"GGUF" + struct.pack("<IQQ", 3, tensors, keys) + noise
    with contextlib.suppress(VerificationFailed):
        header_of(data)


@pytest.mark.parametrize("architecture", tiny_models.ARCHITECTURES)
def test_a_file_by_the_public_writer_is_understood(tmp_path: Path, architecture: str) -> None:
    path = tiny_models.build(architecture, tmp_path / "m.gguf")
    header = read_header_of(path)
    assert header.bytes == path.stat().st_size
    assert header.chat_template == tiny_models.CHAT_TEMPLATE
    numbers = architecture_of(header)
    assert (numbers.layers, numbers.hidden, numbers.heads) == (2, 128, 4)
    assert numbers.vocab == header.tokenizer.words
    assert numbers.is_mla == (architecture == "deepseek2")
    assert not numbers.legacy_cache
    if architecture == "deepseek2":
        assert (numbers.kv_lora, numbers.rope_dim, numbers.nope_dim) == (64, 32, 32)
        assert numbers.active_b < numbers.parameters_b


def test_a_conversion_from_before_mla_is_known_by_its_tensors() -> None:
    metadata: dict[str, Value] = {
        "general.architecture": "deepseek2",
        "deepseek2.block_count": 1,
        "deepseek2.embedding_length": 64,
        "deepseek2.attention.head_count": 2,
        "deepseek2.attention.kv_lora_rank": 32,
        "deepseek2.attention.key_length": 48,
        "deepseek2.attention.value_length": 32,
        "deepseek2.rope.dimension_count": 16,
    }
    data, size = header_bytes(metadata, [("blk.0.attn_kv_b.weight", (32, 128), "f16")])
    assert architecture_of(header_of(data, size)).legacy_cache


def test_a_header_without_its_numbers_is_refused() -> None:
    data, size = header_bytes({"general.architecture": "llama"}, TENSORS)
    with pytest.raises(VerificationFailed):
        architecture_of(header_of(data, size))

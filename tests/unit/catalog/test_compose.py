from pathlib import Path

import pytest

from appliance.catalog.architecture import Architecture
from appliance.catalog.compose import composable, write_composed
from appliance.catalog.from_header import architecture_of
from appliance.catalog.gguf import read_header_of
from appliance.catalog.models import MIB, load_catalogue

ARCHITECTURES = {
    family.architecture.id: family.architecture for family in load_catalogue().families
}
COMPOSABLE = [a for a in ARCHITECTURES.values() if composable(a) and "f16" in a.gguf_mib]


@pytest.mark.parametrize("architecture", COMPOSABLE, ids=lambda a: a.id)
def test_a_composed_header_has_exactly_the_tensors_of_the_model(
    tmp_path: Path, architecture: Architecture
) -> None:
    path = tmp_path / "header.gguf"
    write_composed(path, architecture)
    header = read_header_of(path)
    assert header.tensor_bytes / MIB == pytest.approx(architecture.gguf_mib["f16"], abs=0.01)
    assert header.parameters / 1e9 == pytest.approx(architecture.parameters_b, rel=1e-3)
    assert path.stat().st_blocks * 512 < MIB


@pytest.mark.parametrize("architecture", COMPOSABLE, ids=lambda a: a.id)
def test_a_header_tells_what_it_was_composed_from(
    tmp_path: Path, architecture: Architecture
) -> None:
    path = tmp_path / "header.gguf"
    write_composed(path, architecture)
    read = architecture_of(read_header_of(path))
    for name in (
        "layers", "hidden", "heads", "kv_heads", "vocab", "q_lora", "kv_lora", "nope_dim",
        "value_dim", "experts", "experts_used", "indexer_dim", "sliding_window", "compress_ratios",
    ):  # fmt: skip
        assert getattr(read, name) == getattr(architecture, name), name


def test_all_that_llama_cpp_serves_can_be_composed() -> None:
    assert {a.gguf for a in ARCHITECTURES.values() if not composable(a)} == {"deepseek41"}

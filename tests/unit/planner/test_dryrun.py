"""The engine's own figures: real engine, real child processes."""

import os
from pathlib import Path

import pytest
import tiny_models

from appliance.catalog.compose import composable, write_composed
from appliance.catalog.from_header import architecture_of
from appliance.catalog.gguf import read_header_of
from appliance.catalog.models import load_catalogue
from appliance.engines.llamacpp.dryrun import Question, dry_run
from appliance.planner.memory import Setup, compute_mib, kv_mib, output_mib

FLASH = load_catalogue().families
ARCHITECTURES = {family.architecture.id: family.architecture for family in FLASH}


@pytest.fixture
def header(tmp_path: Path) -> Path:
    path = tmp_path / "header.gguf"
    write_composed(path, ARCHITECTURES["deepseek4-flash"])
    return path


def children() -> set[str]:
    mine = str(os.getpid())
    found = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if fields[1] == mine:
            found.add(stat.parent.name)
    return found


def test_half_a_terabyte_is_sized_without_loading_it(header: Path) -> None:
    answer = dry_run(header, Question(context=131072))
    assert answer is not None
    assert answer.kv_mib == pytest.approx(903.89, abs=0.02)
    assert 200 < answer.compute_mib < 500
    assert not children()


def test_slots_cache_types_and_batches_count(header: Path) -> None:
    one = dry_run(header, Question(context=65536))
    four = dry_run(header, Question(context=65536, slots=4))
    small = dry_run(header, Question(context=65536, kv_type="q8_0"))
    wide = dry_run(header, Question(context=65536, ubatch=2048))
    assert one
    assert four
    assert small
    assert wide
    assert small.kv_mib < one.kv_mib < four.kv_mib
    assert wide.compute_mib > one.compute_mib


@pytest.mark.parametrize("architecture", tiny_models.ARCHITECTURES)
def test_a_whole_file_is_sized_too(tmp_path: Path, architecture: str) -> None:
    path = tiny_models.build(architecture, tmp_path / "m.gguf")
    answer = dry_run(path, Question(context=4096))
    assert answer is not None
    assert answer.kv_mib > 0


def test_an_answer_is_asked_for_once(header: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    first = dry_run(header, Question(context=4096), cache=cache)
    kept = list(cache.iterdir())
    assert len(kept) == 1
    again = dry_run(header, Question(context=4096), cache=cache, deadline_s=0.0)
    assert again == first
    assert dry_run(header, Question(context=8192), cache=cache, deadline_s=0.0) is None


def test_a_spoilt_cache_is_asked_again(header: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    first = dry_run(header, Question(context=4096), cache=cache)
    for kept in cache.iterdir():
        kept.write_bytes(b"{")
    assert dry_run(header, Question(context=4096), cache=cache) == first


@pytest.mark.parametrize("content", [b"", b"GGUF", b"noise" * 100])
def test_a_file_that_the_engine_cannot_read_costs_only_the_answer(
    tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "bad.gguf"
    path.write_bytes(content)
    assert dry_run(path, Question(context=4096)) is None
    assert not children()


def test_a_child_that_is_too_slow_is_ended(header: Path) -> None:
    assert dry_run(header, Question(context=4096), deadline_s=0.01) is None
    assert not children()


SETUPS = [
    Setup(context=40960),
    Setup(context=24576, slots=3, kv_type="q8_0", ubatch=256),
    Setup(context=12345, slots=8, ubatch=1024),
    Setup(context=512, ubatch=2048),
    Setup(context=65536, slots=2, unified=True),
]


@pytest.mark.parametrize("setup", SETUPS, ids=[f"{s.context}x{s.slots}" for s in SETUPS])
@pytest.mark.parametrize("name", [key for key, a in ARCHITECTURES.items() if composable(a)])
def test_formulas_say_what_the_engine_says(name: str, setup: Setup, tmp_path: Path) -> None:
    """Of every architecture of the catalogue, in setups that no measurement was taken of."""
    a = ARCHITECTURES[name]
    write_composed(tmp_path / "header.gguf", a)
    question = Question(
        context=setup.context,
        slots=setup.slots,
        kv_type=setup.kv_type,
        ubatch=setup.ubatch,
        unified=setup.unified,
    )
    answer = dry_run(tmp_path / "header.gguf", question)
    assert answer
    assert kv_mib(a, setup) == pytest.approx(answer.kv_mib, rel=1e-3, abs=0.1)
    asked = max(answer.compute_mib, output_mib(a, setup, on_card=False))
    assert compute_mib(a, setup, on_card=False) > 0.92 * asked - 16


@pytest.mark.parametrize("name", ["llama-8b", "qwen3-8b", "deepseek2-671b", "deepseek4-flash"])
def test_a_header_says_enough_to_ask_the_engine(name: str, tmp_path: Path) -> None:
    """What a plan for a file outside the catalogue composes is sized as the file itself."""
    first, second = tmp_path / "first.gguf", tmp_path / "second.gguf"
    write_composed(first, ARCHITECTURES[name])
    write_composed(second, architecture_of(read_header_of(first)))
    question = Question(context=8192)
    answer = dry_run(first, question)
    assert answer
    assert dry_run(second, question) == answer

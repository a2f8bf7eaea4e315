import csv
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.catalog.architecture import Architecture
from appliance.catalog.models import load_catalogue
from appliance.planner.memory import Setup, compute_mib, kv_mib, padded

TRUTH = Path(__file__).parents[4] / "shared" / "truth" / "memory_truth.csv"
ARCHITECTURES = {family.id: family.architecture for family in load_catalogue().families}
DISTINCT = {architecture.id: architecture for architecture in ARCHITECTURES.values()}
SEVEN = ARCHITECTURES["deepseek-r1-distill-qwen-7b"]
R1 = ARCHITECTURES["deepseek-r1"]
V32 = ARCHITECTURES["deepseek-v3.2"]
FLASH = ARCHITECTURES["deepseek-v4-flash"]


def test_grouped_heads_cache_keys_and_values() -> None:
    assert kv_mib(SEVEN, Setup(context=32768)) == 28 * 32768 * 4 * 128 * (2 + 2) / 2**20
    assert kv_mib(SEVEN, Setup(context=32768, kv_type="q8_0")) == 952.0
    assert kv_mib(SEVEN, Setup(context=32768, kv_type="q4_0")) == 504.0


def test_mla_caches_one_vector_and_no_values() -> None:
    assert kv_mib(R1, Setup(context=16384)) == 1098.0
    assert kv_mib(V32, Setup(context=16384)) == 1342.0


def test_a_conversion_from_before_mla_takes_71_times_as_much() -> None:
    legacy = msgspec.structs.replace(R1, legacy_cache=True)
    setup = Setup(context=4096)
    assert kv_mib(legacy, setup) == 19520.0
    assert kv_mib(legacy, setup) / kv_mib(R1, setup) == pytest.approx(71, rel=0.01)


def test_v4_pays_window_and_state_for_each_slot() -> None:
    one = kv_mib(FLASH, Setup(context=131072))
    four = kv_mib(FLASH, Setup(context=131072, slots=4))
    assert one == pytest.approx(903.89, abs=0.01)
    assert four - one == pytest.approx(3 * (32.25 + 11.64), abs=0.05)


def test_the_window_of_v4_grows_with_the_micro_batch() -> None:
    small = kv_mib(FLASH, Setup(context=131072))
    large = kv_mib(FLASH, Setup(context=131072, ubatch=2048))
    assert large - small == pytest.approx(43 * 512 * (2304 - 768) * 2 / 2**20)


def test_contexts_are_rounded_as_llama_cpp_does() -> None:
    assert padded(1) == padded(256) == 256
    assert Setup(context=10_000, slots=3).slot_context == 3584


def test_without_flash_attention_the_scores_take_the_room() -> None:
    on = compute_mib(SEVEN, Setup(context=8192), on_card=False)
    off = compute_mib(SEVEN, Setup(context=8192, flash_attention=False), on_card=False)
    assert on == 311.0
    assert off == pytest.approx(501.0)


def test_a_card_has_no_copy_of_the_embeddings() -> None:
    assert compute_mib(SEVEN, Setup(context=4096), on_card=True) == 304.0


@pytest.mark.parametrize("architecture", DISTINCT.values(), ids=DISTINCT)
@given(context=st.integers(256, 1 << 20), slots=st.integers(1, 8), ubatch=st.integers(64, 4096))
def test_more_of_anything_never_takes_less(
    architecture: Architecture, context: int, slots: int, ubatch: int
) -> None:
    setup = Setup(context=context * slots, slots=slots, ubatch=ubatch)
    longer = Setup(context=(context + 512) * slots, slots=slots, ubatch=ubatch)
    wider = Setup(context=context * slots, slots=slots, ubatch=ubatch + 256)
    for more in (longer, wider):
        assert kv_mib(architecture, more) >= kv_mib(architecture, setup) > 0
        assert compute_mib(architecture, more, on_card=True) >= compute_mib(
            architecture, setup, on_card=True
        )


def test_a_micro_batch_is_no_longer_than_the_context() -> None:
    short = Setup(context=512, ubatch=4096)
    assert compute_mib(SEVEN, short, on_card=False) == 311.0
    assert kv_mib(FLASH, short) < kv_mib(FLASH, Setup(context=4096, ubatch=4096))


def test_a_unified_cache_of_v4_is_whole_for_each_slot() -> None:
    shared = kv_mib(FLASH, Setup(context=131072, slots=4))
    unified = kv_mib(FLASH, Setup(context=131072, slots=4, unified=True))
    assert unified == pytest.approx(3615.56, abs=0.05)
    assert unified > 3.4 * shared
    dense = Setup(context=32768, slots=4)
    assert kv_mib(SEVEN, dense) == kv_mib(SEVEN, msgspec.structs.replace(dense, unified=True))


@pytest.mark.parametrize(
    ("architecture", "context", "ubatch", "printed"),
    [
        (V32, 163840, 2048, 168368.12),
        (FLASH, 512000, 2048, 130527.19),
        (FLASH, 1048576, 512, 67094.6),
    ],
)
def test_without_a_fused_indexer_its_scores_take_the_room(
    architecture: Architecture, context: int, ubatch: int, printed: float
) -> None:
    fused = Setup(context=context, ubatch=ubatch)
    unfused = msgspec.structs.replace(fused, fused_indexer=False)
    assert compute_mib(architecture, unfused, on_card=True) == pytest.approx(printed, rel=0.02)
    assert compute_mib(architecture, fused, on_card=True) < printed / 20
    assert compute_mib(SEVEN, unfused, on_card=True) == compute_mib(SEVEN, fused, on_card=True)


@pytest.mark.skipif(not TRUTH.exists(), reason="needs ../shared/truth")
def test_formulas_reproduce_what_the_engine_printed() -> None:
    compared = 0
    legacy = {"DeepSeek-V2-Lite-legacy": "deepseek-v2-lite", "DeepSeek-V3-R1-legacy": "deepseek-r1"}
    for row in csv.DictReader(TRUTH.read_text(encoding="utf-8").splitlines()):
        notes = row["notes"] or ""
        if row["kind"] != "engine-dry-run":
            continue
        setup = Setup(
            context=int(row["n_ctx"]),
            slots=int(row["n_parallel"]),
            kv_type=row["kv_type"],
            ubatch=int(row["n_ubatch"]),
            flash_attention=row["flash_attn"] == "1",
            unified="kv_unified=1" in notes,
            swa_full="swa_full=1" in notes,
        )
        architecture = ARCHITECTURES[row["variant"] or legacy[row["model"]]]
        if not row["variant"]:
            architecture = msgspec.structs.replace(architecture, legacy_cache=True)
        assert kv_mib(architecture, setup) == pytest.approx(float(row["kv_mib"]), rel=1e-3), row
        printed = float(row["compute_mib"])
        compute = compute_mib(architecture, setup, on_card=False)
        assert -0.08 * printed - 16 < compute - printed < 0.3 * printed + 16, row
        compared += 1
    assert compared > 100

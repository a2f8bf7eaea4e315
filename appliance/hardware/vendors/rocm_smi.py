"""What `rocm-smi` and its descendant `hy-smi` print: JSON by card, and a plain table.

Formats: ROCm/rocm_smi_lib (rocm_smi.py, ROCm 4 to 6), the test data of influxdata/telegraf and
gpustack; for Hygon the outputs in PaddlePaddle and FlagOpen documents and the key names that
zstackio/zstack-utility reads. Keys change case and words between versions; Hygon says DCU, then
HCU, for GPU. hy-smi of DTK 25 and 26 forgets commas between fields, so this is no JSON parser.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import msgspec

from appliance.core.inventory import Link
from appliance.core.sample import CardProcess, Pcie
from appliance.hardware.vendors.base import PciDevice, Reading
from appliance.hardware.vendors.inquiry import pcie_generation
from appliance.hardware.vendors.parse import (
    celsius,
    health,
    integer,
    mib,
    number,
    pci_address,
    percent,
    positive,
    text_or_none,
    words_under,
)

Fields = dict[str, str]
"""Values of a card, or of "system", by key: lower case, no colon at its end."""

_SECTION = re.compile(r'"(?:card(\d+)|system)"\s*:\s*\{')
_FIELD = re.compile(r'"([^"{}]*)"\s*:\s*(?:"([^"]*)"|([^\s",{}]+))')


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """A JSON answer, by card number."""

    cards: dict[int, Fields] = {}
    system: Fields = {}

    @property
    def is_hygon(self) -> bool:
        """Older DTK calls its tool rocm-smi: the words in it tell whose cards these are."""
        return any(_is_hygon(card) for card in self.cards.values())


def _is_hygon(card: Fields) -> bool:
    maker = card.get("card vendor", "").lower()
    named = "haiguang" in maker or "hygon" in maker
    return named or any(key.startswith(("dcu ", "hcu ")) for key in card)


def parse_json(text: str) -> Answer:
    """Cards and system of a `--json` answer, whatever warnings come before it."""
    sections = list(_SECTION.finditer(text))
    ends = [match.start() for match in sections[1:]] + [len(text)]
    cards: dict[int, Fields] = {}
    system: Fields = {}
    for match, end in zip(sections, ends, strict=False):
        fields = _fields(text[match.end() : end].partition("}")[0])
        if match[1] is None:
            system = fields
        else:
            cards.setdefault(int(match[1]), fields)
    return Answer(cards=cards, system=system)


def _fields(body: str) -> Fields:
    return {
        match[1].strip().rstrip(":").strip().lower(): match[2] if match[2] is not None else match[3]
        for match in _FIELD.finditer(body)
    }


# -- readings ----------------------------------------------------------------------------------


def reading(index: int, card: Fields, system: Fields) -> Reading:
    """What the fields of one card say."""
    edge = celsius(card.get("temperature (sensor edge) (c)"))
    core = celsius(card.get("temperature (sensor core) (c)"))
    junction = celsius(card.get("temperature (sensor junction) (c)"))
    return Reading(
        index=index,
        name=_name(card),
        uuid=_uuid(card.get("unique id")),
        pci=pci_address(card.get("pci bus", "").partition(" ")[0]),
        memory_mib=_amount(card, "vram total memory", "available memory size"),
        memory_used_mib=_used(card),
        driver=text_or_none(system.get("driver version", card.get("driver version"))),
        arch=gfx_name(card.get("gfx version")),
        util_pct=_first(percent, card, "gpu use (%)", "dcu use (%)", "hcu use (%)"),
        temp_c=next((t for t in (edge, core, junction) if t is not None), None),
        temp_memory_c=_memory_temperature(card),
        temp_hotspot_c=junction,
        power_w=_first(positive, card, *_POWER),
        power_limit_w=positive(card.get("max graphics package power (w)")),
        clock_mhz=_clock(card),
        fan_pct=percent(card.get("fan speed (%)")),
        pcie=_pcie(card),
    )


_POWER = (
    "average graphics package power (w)",
    "current socket graphics package power (w)",
    "current graphics package power (w)",
    "graphics package power (w)",
)
_HEX = re.compile(r"0x[0-9a-f]+", re.IGNORECASE)


def _first(read: Callable[[object], float | None], card: Fields, *keys: str) -> float | None:
    return next((value for key in keys if (value := read(card.get(key))) is not None), None)


def _name(card: Fields) -> str | None:
    """The series or the product; old tools put a bare id there, which is no name."""
    for key in ("card series", "device name", "card model"):
        name = text_or_none(card.get(key))
        if name is not None and not _HEX.fullmatch(name):
            return name
    return None


def _uuid(unique_id: str | None) -> str | None:
    """As `rocminfo` and HIP spell it: `GPU-` and the unique id."""
    plain = text_or_none(unique_id)
    return None if plain is None else f"GPU-{plain.lower().removeprefix('0x')}"


def _amount(card: Fields, *names: str) -> int | None:
    for name in names:
        for unit in ("B", "KiB", "MiB", "GiB", "MB"):
            amount = mib(card.get(f"{name} ({unit.lower()})"), unit=unit)
            if amount is not None:
                return amount
    return None


def _used(card: Fields) -> float | None:
    """Bytes keep their fraction of a MiB: an idle card uses few."""
    used = positive(card.get("vram total used memory (b)"))
    return _amount(card, "vram total used memory") if used is None else round(used / 1048576, 2)


def _memory_temperature(card: Fields) -> float | None:
    """The memory's sensor, else the hottest stack of HBM."""
    for key in ("memory", "mem"):
        if (one := celsius(card.get(f"temperature (sensor {key}) (c)"))) is not None:
            return one
    stacks = [celsius(card.get(f"temperature (sensor hbm {stack}) (c)")) for stack in range(8)]
    return max((stack for stack in stacks if stack is not None), default=None)


def _clock(card: Fields) -> float | None:
    return positive(card.get("sclk clock speed", "").strip("()"))


_LINK_LEVEL = re.compile(r"([\d.]+)\s*GT/s,?\s*x(\d+)")


def _pcie(card: Fields) -> Pcie | None:
    """The level in use: `1 (16.0GT/s x16)`, or Hygon's `32.0GT/s, x16 1100Mhz`."""
    for key in ("pcie clock level", "pcie clock speed"):
        if found := _LINK_LEVEL.search(card.get(key, "")):
            return Pcie(gen=pcie_generation(number(found[1])), width=int(found[2]))
    return None


_GFX_PLAIN = re.compile(r"gfx(?:[5-9][0-9a-f]{2}|1[0-9][0-9a-f]{2})")
_GFX_PADDED = re.compile(r"gfx(9|1\d)(\d)(\d\d)")


def gfx_name(text: object) -> str | None:
    """The target name: `gfx942`. Some ROCm 6 print the step with two digits (`gfx11001`)."""
    name = text_or_none(text)
    if name is None or _GFX_PLAIN.fullmatch(name):
        return name
    padded = _GFX_PADDED.fullmatch(name)
    return f"gfx{padded[1]}{padded[2]}{int(padded[3]):x}" if padded else None


def placed(readings: Sequence[Reading], bus: Sequence[PciDevice] | None) -> list[Reading]:
    """Readings without addresses, given those of the bus where the last number is its last device.

    ROCm SMI, and what descends from it, numbers its devices by their bus address (rocm_smi_lib
    sorts what it discovers by BDF). A number that is left out is a device that does not answer.
    """
    numbers = [reading.index for reading in readings if reading.index is not None]
    addresses = sorted(device.address for device in bus or ())
    counted = len(set(numbers)) == len(readings) and max(numbers, default=-1) + 1 == len(addresses)
    if not counted or any(one.pci is not None for one in readings):
        return list(readings)
    return [
        msgspec.structs.replace(reading, pci=addresses[number])
        for reading, number in zip(readings, numbers, strict=True)
    ]


# -- what "system" says ------------------------------------------------------------------------

_LINK_TYPE = re.compile(r"\(topology\) link type between drm devices (\d+) and (\d+)")
_PROCESS = re.compile(r"pid(\d+)")


def links(system: Fields) -> dict[int, list[Link]]:
    """Links over xGMI, by card number."""
    found: dict[int, list[Link]] = {}
    for key, kind in system.items():
        pair = _LINK_TYPE.fullmatch(key)
        if pair and kind.upper() == "XGMI":
            for one, other in ((pair[1], pair[2]), (pair[2], pair[1])):
                link = Link(kind="xGMI", peer=f"#{other}", state="up")
                found.setdefault(int(one), []).append(link)
    return found


def processes(system: Fields) -> list[CardProcess]:
    """`PID123`: `name, cards, VRAM bytes, SDMA, CU`; which card it does not say."""
    found = []
    for key, value in system.items():
        pid = _PROCESS.fullmatch(key)
        fields = [field.strip() for field in value.split(",")]
        if pid and len(fields) >= 3 and (integer(fields[1]) or 0) > 0:
            memory = mib(fields[2], unit="B")
            found.append(CardProcess(pid=int(pid[1]), memory_mib=memory, command=fields[0]))
    return found


def has_one_card(answer: Answer) -> bool:
    """Whether the box has a single card, not just an answer about one."""
    return len(answer.cards) == 1 and not any("drm devices" in key for key in answer.system)


# -- the plain table ---------------------------------------------------------------------------


def parse_hygon_table(text: str) -> dict[int, Reading]:
    """`hy-smi` or an old DTK's `rocm-smi`: a DCU or HCU table without names or memory sizes."""
    header = ""
    devices: dict[int, Reading] = {}
    for line in text.splitlines():
        words = line.split()
        if words[:1] in (["DCU"], ["HCU"]):
            header = line
        elif (row := words_under(header, line)) and (index := integer(words[0])) is not None:
            devices[index] = _table_reading(index, row)
    return devices


def _table_reading(index: int, row: dict[str, str]) -> Reading:
    return Reading(
        index=index,
        temp_c=celsius(row.get("Temp")),
        power_w=positive(row.get("AvgPwr")),
        power_limit_w=positive(row.get("PwrCap")),
        util_pct=percent(row.get("DCU%", row.get("HCU%"))),
        clock_mhz=positive(row.get("SCLK")),
        fan_pct=percent(row.get("Fan")),
        health=health(row.get("Mode")),
    )

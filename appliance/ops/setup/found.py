"""What was found in this server, what is missing, and what to do about it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from appliance.core.i18n import Text, say
from appliance.core.inventory import Card, Disk, Document, Inventory

if TYPE_CHECKING:
    from appliance.weights.pull import Probe

Finding = Literal["found", "driver", "broken", "missing", "low"]
WORDS: dict[str, Text] = {
    "found": say("found"),
    "driver": say("needs driver"),
    "broken": say("out of order"),
    "missing": say("not found"),
    "low": say("too little"),
}
HUB_NAMES = {"hf": "Hugging Face", "ms": "ModelScope"}
_LEAST_FREE_MIB = 10 * 1024
_STATES: dict[str, Finding] = {"ok": "found", "degraded": "found", "no_driver": "driver"}


class Found(Document, frozen=True, kw_only=True):
    """One line of what was found; `next` is what to do, where something is to be done."""

    state: Finding
    what: str
    text: str
    next: str = ""


def found_here(inventory: Inventory, store_mount: str | None) -> list[Found]:
    """Cards first, then the server around them."""
    host = inventory.host
    cores = "" if host.cpu.cores is None else str(say("{count} cores", count=host.cpu.cores))
    cpu = ", ".join(filter(None, (host.cpu.model, cores, host.arch)))
    memory = "" if host.memory_mib is None else f"{host.memory_mib / 1024:.0f} GiB"
    return [
        *_cards(inventory),
        Found(state="found", what=str(say("processor")), text=cpu),
        Found(state="found", what=str(say("memory")), text=memory),
        *_disks(host.disks, store_mount),
    ]


def _cards(inventory: Inventory) -> list[Found]:
    cards = inventory.accelerators()
    if not cards:
        return [
            Found(
                state="missing",
                what=str(say("cards")),
                text=str(say("no accelerator: the processor computes, slowly")),
                next="lspci -nn | grep -Ei '0300|0302|1200'",
            )
        ]
    rows = []
    for (name, state, driver), count in Counter(map(_kind, cards)).items():
        advice = "" if state == "ok" else _advice(inventory, name, state)
        version = driver and str(say("driver {version}", version=driver))
        text = ", ".join(part for part in (f"{count} x {name}", version) if part)
        kind = _STATES.get(state, "broken")
        rows.append(Found(state=kind, what=str(say("cards")), text=text, next=advice))
    return rows


def _kind(card: Card) -> tuple[str, str, str]:
    return card.name or card.vendor, card.state, card.driver or ""


def _advice(inventory: Inventory, name: str, state: str) -> str:
    """What the inventory says of the first card of this kind; else where to look."""
    ids = {c.id for c in inventory.cards if (c.name or c.vendor, c.state) == (name, state)}
    told = (problem.advice for problem in inventory.problems if problem.card in ids)
    return next(told, "appliance detect")


def _disks(disks: Sequence[Disk], store_mount: str | None) -> list[Found]:
    """The disk that models would go to; the largest others."""
    first = [disk for disk in disks if disk.mount == store_mount]
    others = sorted((d for d in disks if d not in first), key=lambda d: -(d.free_mib or 0))
    return [_disk(disk, here=disk.mount == store_mount) for disk in [*first, *others][:2]]


def _disk(disk: Disk, *, here: bool) -> Found:
    text = say("{mount}: {free} of {total} free", mount=disk.mount,
               free=_gb(disk.free_mib), total=_gb(disk.total_mib))  # fmt: skip
    low = here and (disk.free_mib or 0) < _LEAST_FREE_MIB
    return Found(
        state="low" if low or (here and disk.read_only) else "found",
        what=str(say("disk for models") if here else say("disk")),
        text=str(text),
        next="APPLIANCE_HOME=/larger/disk appliance" if low else "",
    )


def _gb(mib: int | None) -> str:
    return "?" if mib is None else f"{mib * 2**20 / 1e9:.0f} GB"


def found_outside(answers: Sequence[Probe], hubs: Sequence[str]) -> list[Found]:
    """The hubs, as far as they answered."""
    if not hubs:
        return [_no_network(str(say("the settings allow no hub")))]
    rows = [_hub(probe) for probe in answers if probe.reached]
    if rows:
        return rows
    why = next((probe.why for probe in answers if probe.why), "")
    return [_no_network(str(say("no hub answers ({why})", why=why)))]


def _hub(probe: Probe) -> Found:
    kind, _, rest = str(probe.reference).partition(":")
    name = HUB_NAMES.get(kind, rest.partition("/")[0])
    text = say("{hub} answers in {seconds} s", hub=name, seconds=f"{probe.seconds:.1f}")
    return Found(state="found", what=str(say("network")), text=str(text))


def _no_network(text: str) -> Found:
    return Found(
        state="missing",
        what=str(say("network")),
        text=text,
        next=str(say("bring the weights on a disk, or set HTTPS_PROXY")),
    )

"""`rocminfo`: names and targets of the devices that the HSA runtime sees, AMD's and Hygon's.

Format: ROCm/rocminfo; some copies have lost their indentation, so the agents' own rulers part it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

from appliance.hardware.vendors.base import Reading
from appliance.hardware.vendors.parse import integer, pci_from_bdfid, text_or_none

_AGENT = re.compile(r"^\s*Agent \d+\s*$", re.MULTILINE)
_FIELD = re.compile(r"^\s*([^:\n]+?)\s*:\s*(.*?)\s*$", re.MULTILINE)


class Agent(msgspec.Struct, frozen=True, kw_only=True):
    """A device with compute units that is no processor."""

    arch: str | None
    name: str | None
    uuid: str | None
    pci: str | None


def parse(text: str) -> list[Agent]:
    """The accelerators, in the runtime's order."""
    found = []
    for body in _AGENT.split(text)[1:]:
        fields: dict[str, str] = {}
        for key, value in _FIELD.findall(body):
            fields.setdefault(key, value)  # pools and ISAs further down have names of their own
        if fields.get("Device Type") in ("GPU", "DCU", "HCU"):
            found.append(_agent(fields))
    return found


def _agent(fields: dict[str, str]) -> Agent:
    bdfid = integer(fields.get("BDFID"))
    uuid = text_or_none(fields.get("Uuid"))
    arch = text_or_none(fields.get("Name"))
    return Agent(
        arch=arch if arch and arch.startswith("gfx") else None,
        name=text_or_none(fields.get("Marketing Name")),
        uuid=uuid if uuid and not uuid.endswith("-XX") else None,
        pci=pci_from_bdfid(bdfid) if bdfid else None,
    )


def named(readings: Sequence[Reading], agents: Sequence[Agent], *, rename: bool) -> list[Reading]:
    """Readings with their agent's target; with its name too where they have none, or `rename`."""
    return [_named(reading, _agent_of(reading, readings, agents), rename) for reading in readings]


def _agent_of(
    reading: Reading, readings: Sequence[Reading], agents: Sequence[Agent]
) -> Agent | None:
    """By unique id or address; else, where all agents are of one kind, that kind."""
    for agent in agents:
        if agent.uuid is not None and agent.uuid == reading.uuid:
            return agent
        if agent.pci is not None and agent.pci == reading.pci:
            return agent
    kinds = {(agent.arch, agent.name) for agent in agents}
    if len(kinds) != 1 or len(agents) != len(readings):
        return None
    return msgspec.structs.replace(agents[0], uuid=None, pci=None)


def _named(reading: Reading, agent: Agent | None, rename: bool) -> Reading:
    if agent is None:
        return reading
    own, theirs = reading.name, agent.name
    return msgspec.structs.replace(
        reading,
        arch=agent.arch or reading.arch,
        name=(theirs or own) if rename else (own or theirs),
        uuid=reading.uuid or agent.uuid,
    )

"""The processors next to an engine's cards: its threads there reach cards and memory the short way.

The kernel's map: `/sys/devices/system/node/node<N>/cpulist` (Linux, admin-guide/mm/numaperf).
Memory follows by itself, since it is taken where the thread runs that first touches it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from appliance.core.inventory import Card

_NODES = Path("/sys/devices/system/node")


def near_cpus(cards: Sequence[Card]) -> list[int]:
    """The processors of the cards' NUMA nodes, as far as we may use them.

    Empty, for all, where a card does not tell its node, and where that would be all anyway.
    """
    if sys.platform != "linux" or not cards:
        return []
    nodes = {card.numa for card in cards}
    allowed = os.sched_getaffinity(0)
    near = {cpu for node in nodes for cpu in _cpus_of(node)}
    if None in nodes or any(not _cpus_of(node) for node in nodes) or near >= allowed:
        return []
    return sorted(near & allowed)


def _cpus_of(node: int | None) -> list[int]:
    try:
        return parse_cpulist((_NODES / f"node{node}" / "cpulist").read_text())
    except OSError:
        return []


def parse_cpulist(text: str) -> list[int]:
    """`0-3,8,10-11` as numbers; what is no such list gives none."""
    try:
        spans = [part.split("-") for part in text.strip().split(",") if part]
        return [cpu for span in spans for cpu in range(int(span[0]), int(span[-1]) + 1)]
    except ValueError:
        return []

"""How the cards are linked."""

from __future__ import annotations

from appliance.core.i18n import _
from appliance.core.topology import CardPlace, Topology
from appliance.tui.drawing import BLANK, Line, Span, cells, fit, wrap
from appliance.tui.scene import Scene
from appliance.tui.views.services import ranges
from appliance.tui.words import unknown

_WORD = 5
_NUMA = 6


def matrix(topology: Topology, names: dict[str, str], width: int) -> list[Line]:
    """One matrix for each server and vendor: cards of others are not linked."""
    lines: list[Line] = [(Span(_("LINKS BETWEEN THE CARDS"), "head"),), BLANK]
    for group in _groups(topology):
        lines += [*_matrix(topology, group, names, width), BLANK]
    if not topology.cards:
        lines += [(Span(_("there are no cards")),), BLANK]
    return [*lines, *((Span(line, "dim"),) for line in wrap(_legend(), width))]


def _groups(topology: Topology) -> list[list[int]]:
    groups: dict[tuple[str, str], list[int]] = {}
    for number, place in enumerate(topology.cards):
        key = (place.id.rpartition("/")[0], place.vendor)
        groups.setdefault(key, []).append(number)
    return list(groups.values())


def _matrix(topology: Topology, group: list[int], names: dict[str, str], width: int) -> list[Line]:
    first = max(cells(_name(topology.cards[n], names)) for n in group) + 2
    room = max(1, (width - first - _NUMA) // (_WORD + 1))
    shown = group[:room]
    heads = "".join(fit(_short(topology.cards[n], names), _WORD + 1) for n in shown)
    lines: list[Line] = [(Span(" " * first + heads + _("NUMA"), "dim"),)]
    for row in group:
        words = "".join(fit(topology.matrix[row][n] or "-", _WORD + 1) for n in shown)
        numa = topology.cards[row].numa
        name = fit(_name(topology.cards[row], names), first)
        lines.append((Span(name, "strong"), Span(words), Span("-" if numa is None else str(numa))))
    if len(shown) < len(group):
        more = _("{count} more columns: appliance detect --topology")
        lines.append((Span(more.format(count=len(group) - len(shown)), "dim"),))
    return lines


def _name(place: CardPlace, names: dict[str, str]) -> str:
    return names.get(place.id, place.id)


def _short(place: CardPlace, names: dict[str, str]) -> str:
    return _name(place, names).rpartition(":")[2]


def _legend() -> str:
    return _(
        "X itself, PIX one PCIe switch, PXB several, PHB a host bridge, NODE within a NUMA node, "
        "SYS between NUMA nodes; other words are interconnects"
    )


def of_card(scene: Scene, card: str, names: dict[str, str]) -> str:
    """The links of one card in a few words: `NV18: 0-2,4-7`."""
    topology = scene.topology
    ids = [place.id for place in topology.cards] if topology else []
    if topology is None or card not in ids:
        return unknown()
    peers: dict[str, list[str]] = {}
    for place, word in zip(topology.cards, topology.matrix[ids.index(card)], strict=True):
        if word is not None and word != "X":
            peers.setdefault(word, []).append(_short(place, names))
    return "; ".join(f"{word}: {ranges(found)}" for word, found in peers.items()) or unknown()

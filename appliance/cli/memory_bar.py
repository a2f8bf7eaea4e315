"""Memory of a choice as bars: what each card holds, and what is left."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from appliance.cli.output import gib, pad, width
from appliance.core.i18n import _, say
from appliance.core.inventory import Inventory
from appliance.core.plan import CardMemory, Choice

LEGEND = say("memory: # weights, + conversations, - to work with and in reserve, . left")
_CELLS = 24
_ALIKE = 0.02
"""Cards whose totals differ by less than this share of their memory are shown as one."""


class _Group(msgspec.Struct):
    cards: list[CardMemory]

    @property
    def fullest(self) -> CardMemory:
        return max(self.cards, key=lambda card: card.total_mib)

    def takes(self, card: CardMemory) -> bool:
        """Whether `card` looks like the ones before it."""
        first = self.cards[0]
        size = card.available_mib or card.total_mib
        same = card.available_mib == first.available_mib
        return same and abs(card.total_mib - first.total_mib) <= _ALIKE * size


def memory_lines(choice: Choice, inventory: Inventory) -> list[str]:
    """A line for each card of a replica, cards that look alike together."""
    groups = list(_groups(choice.memory.per_card))
    names = [_name(group, inventory) for group in groups]
    widest = max(map(width, names), default=0)
    return [
        f"{pad(name, widest)} {bar(group.fullest)} {_left(group.fullest)}"
        for name, group in zip(names, groups, strict=True)
    ]


def bar(card: CardMemory, cells: int = _CELLS) -> str:
    """`[####++-...]`: weights, conversations, work, and what is left."""
    whole = max(card.available_mib or card.total_mib, card.total_mib)
    text, upto = "", 0.0
    work = card.compute_mib + card.overhead_mib
    for sign, part in (("#", card.weights_mib), ("+", card.kv_mib), ("-", work)):
        upto += part
        text += sign * (round(upto / whole * cells) - len(text))
    return f"[{text:.<{cells}}]"


def _groups(cards: Sequence[CardMemory]) -> Iterator[_Group]:
    group: _Group | None = None
    for card in cards:
        if group and group.takes(card):
            group.cards.append(card)
            continue
        if group:
            yield group
        group = _Group([card])
    if group:
        yield group


def _name(group: _Group, inventory: Inventory) -> str:
    if group.cards[0].id == "cpu":
        return _("host")
    if len(group.cards) > 1:
        return _("{count} cards").format(count=len(group.cards))
    card = inventory.card(group.cards[0].id)
    index = card.index if card else None
    return _("1 card") if index is None else _("card {index}").format(index=index)


def _left(card: CardMemory) -> str:
    if card.available_mib is None:
        return gib(card.total_mib)
    text = _("{used} of {all}, {left} left")
    left = card.available_mib - card.total_mib
    return text.format(
        used=f"{card.total_mib / 1024:.1f}", all=gib(card.available_mib), left=gib(left)
    )

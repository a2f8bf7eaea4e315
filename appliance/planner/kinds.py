"""Servers with cards of several kinds: what all of them serve, and which would be idle.

Each kind gets an engine of its own, all behind one name: that takes a family that each can serve.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from appliance.core.i18n import Text, say
from appliance.planner.candidates import WRECKED, Candidate
from appliance.planner.placement import Place


class Kinds(msgspec.Struct, frozen=True, kw_only=True):
    """The kinds of cards in a server; `served` has those of each family, by their first card."""

    places: tuple[Place, ...]
    served: Mapping[str, frozenset[str]]

    def has_all(self, family: str) -> bool:
        """Whether there are several kinds, and each serves the family."""
        return len(self.places) > 1 and len(self.served.get(family, ())) == len(self.places)

    def marked(self, found: Sequence[Candidate]) -> list[Candidate]:
        """Those whose family every card could serve say so."""
        return [
            msgspec.structs.replace(one, everywhere=True) if self.has_all(one.model.id) else one
            for one in found
        ]

    def idle(self, one: Candidate, other: Candidate | None) -> Iterator[Text]:
        """Cards that nothing would use beside `one`, and that `other` would use them, too."""
        if one.place.is_host:
            return
        busy = {*self.served.get(one.model.id, ()), _key(one.place)}
        left = [place for place in self.places if _key(place) not in busy]
        cards = ", ".join(f"{len(place.cards)} x {place.name}" for place in left)
        if left and other:
            yield say(
                "idle beside it: {cards}; every card would serve {model}: "
                "appliance up --model {model}",
                cards=cards,
                model=other.model.id,
            )
        elif left:
            yield say("idle beside it: {cards}", cards=cards)


def kinds_of(found: Sequence[Candidate], where: Sequence[Place]) -> Kinds:
    """What each kind of card serves well enough to share a name with another."""
    served: dict[str, set[str]] = {}
    for one in found:
        if not one.place.is_host and _can_share(one):
            served.setdefault(one.model.id, set()).add(_key(one.place))
    return Kinds(
        places=tuple(place for place in where if not place.is_host),
        served={family: frozenset(keys) for family, keys in served.items()},
    )


def best_of_all(kinds: Kinds, ordered: Sequence[Candidate]) -> Candidate | None:
    """The best whose family every card could serve."""
    return next((one for one in ordered if one.usable and kinds.has_all(one.model.id)), None)


def _can_share(one: Candidate) -> bool:
    whole = one.choice.context >= one.wished_context
    sound = one.model.damage < WRECKED and not one.choice.host_layers
    return one.usable and one.available and whole and sound


def _key(place: Place) -> str:
    return place.cards[0].id

"""Why a choice is where it is, in words."""

from __future__ import annotations

import math
from collections.abc import Iterator

from appliance.core.i18n import Text, say
from appliance.planner.candidates import Candidate
from appliance.planner.rules import rules


def why(candidate: Candidate, roles: list[Text]) -> list[str]:
    """The reasons, the most important first."""
    parts = (roles, _place(candidate), _experience(candidate), _reservations(candidate))
    return [str(text) for part in parts for text in part]


def _place(candidate: Candidate) -> Iterator[Text]:
    choice = candidate.choice
    cards = len(choice.memory.per_card)
    fullest = max(choice.memory.per_card, key=lambda card: card.total_mib)
    if candidate.place.is_host:
        yield say("runs on the processor and needs no card")
    elif cards > 1:
        yield say("spread over {count} cards", count=cards)
    if choice.replicas > 1:
        yield say("{count} replicas share the requests", count=choice.replicas)
    if fullest.available_mib is not None:
        needs, has = fullest.total_mib / 1024, fullest.available_mib / 1024
        yield say("takes {needs:.1f} of {has:.1f} GiB (the fullest card)", needs=needs, has=has)


def _experience(candidate: Candidate) -> Iterator[Text]:
    """What people will see, with the range that the speed's error leaves."""
    alone = _words(candidate.choice.speed.decode_tps_one or 0.0)
    share = rules().speed.range_pct / 100
    yield say(
        "one person alone sees about {words:.0f} words a second ({low:.0f} to {high:.0f})",
        words=alone,
        low=math.floor(alone * (1 - share)),
        high=math.ceil(alone * (1 + share)),
    )
    yield say(
        "{people} people can chat, each sees about {words:.0f} words a second",
        people=candidate.people,
        words=_words(candidate.people_tps),
    )


def _reservations(candidate: Candidate) -> Iterator[Text]:
    place = candidate.place
    if candidate.choice.kv_type != "f16":
        yield say("the cache holds {kind} values to make room", kind=candidate.choice.kv_type)
    if not place.is_host and not (place.facts and place.facts.bandwidth_gbs):
        yield say("how fast this card reads its memory is not known: the speed is a guess")
    if not candidate.usable:
        yield say("slower than people read")
    elif not candidate.meets_wish:
        yield say("does not meet the whole wish: fewer conversations at once, or slower ones")
    if not candidate.model.downloadable:
        yield say("no place to fetch this variant from is known: import it from a disk")
    if candidate.recipe.start == "container":
        yield say("needs a container runtime to start")
    elif candidate.recipe.start == "build":
        yield say("its engine is built on this server first")


def _words(tokens: float) -> float:
    return tokens * rules().people.words_per_token

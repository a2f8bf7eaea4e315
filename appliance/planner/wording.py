"""Why a choice is where it is, in words."""

from __future__ import annotations

import math
from collections.abc import Iterator

from appliance.core.i18n import Text, say
from appliance.planner.candidates import Candidate
from appliance.planner.rules import rules


def why(candidate: Candidate, roles: list[Text]) -> list[str]:
    """The reasons, the most important first."""
    return [str(text) for text in (*roles, *_reasons(candidate))]


def _reasons(candidate: Candidate) -> Iterator[Text]:
    choice, place, speed = candidate.choice, candidate.place, candidate.choice.speed
    first = choice.memory.per_card[0]
    if place.is_host:
        yield say("runs on the processor and needs no card")
    elif len(choice.memory.per_card) > 1:
        yield say("spread over {count} cards", count=len(choice.memory.per_card))
    if choice.replicas > 1:
        yield say("{count} replicas share the requests", count=choice.replicas)
    if first.available_mib is not None:
        yield say(
            "takes {needs:.1f} of {has:.1f} GiB{each}",
            needs=first.total_mib / 1024,
            has=first.available_mib / 1024,
            each=say(" on the fullest card") if len(choice.memory.per_card) > 1 else "",
        )
    if speed.decode_tps_one:
        share = rules().speed.range_pct / 100
        yield say(
            "one person alone sees about {words:.0f} words a second ({low:.0f} to {high:.0f})",
            words=_words(speed.decode_tps_one),
            low=math.floor(_words(speed.decode_tps_one) * (1 - share)),
            high=math.ceil(_words(speed.decode_tps_one) * (1 + share)),
        )
    yield say(
        "{people} people can chat, each sees about {words:.0f} words a second",
        people=candidate.people,
        words=_words(candidate.people_tps),
    )
    if choice.kv_type != "f16":
        yield say("the cache holds {kind} values to make room", kind=choice.kv_type)
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

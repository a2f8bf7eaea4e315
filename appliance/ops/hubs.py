"""Which choice could really be fetched, found out within a few seconds."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence

import msgspec

from appliance.catalog.models import Catalogue
from appliance.core.i18n import say
from appliance.core.plan import Choice
from appliance.core.reference import Reference, parse_reference
from appliance.ops.sources import hub_sources, neighbours
from appliance.weights.pull import Probe, probe, request_for

_MOST_CANDIDATES = 6
_PROBE_S = 2.0


class Reach(msgspec.Struct, frozen=True):
    """The best choice within reach, or why there is none; `reached` when some hub answered."""

    choice: Choice | None
    why: str = ""
    reached: bool = False


def hub_within_reach(
    choices: Sequence[Choice],
    catalogue: Catalogue,
    stored: Collection[str],
    hubs: Sequence[str],
    *,
    patience_s: float,
) -> Reach:
    """The first choice that is stored, or that one of `hubs` says it has.

    Where no hub answers at all, a stored choice further down is taken before giving up; never the
    self-test model, which is a last resort that the caller decides on.
    """
    deepseek = [c for c in choices if not _is_self_test(c, catalogue)]
    deadline = time.monotonic() + patience_s
    answers: list[Probe] = []
    for choice in deepseek[:_MOST_CANDIDATES]:
        if _stored(choice, catalogue, stored):
            return Reach(choice)
        left_s = deadline - time.monotonic()
        if left_s <= 0.1:
            break
        answers = _ask_hubs(choice, catalogue, hubs, min(_PROBE_S, left_s))
        if any(answer.ok for answer in answers):
            return Reach(choice)
        if not any(answer.reached for answer in answers):
            break
    kept = next((c for c in deepseek if _stored(c, catalogue, stored)), None)
    reached = any(answer.reached for answer in answers)
    return Reach(kept, _why(answers, hubs), reached)


def _is_self_test(choice: Choice, catalogue: Catalogue) -> bool:
    return choice.model == catalogue.self_test[0].id


def _stored(choice: Choice, catalogue: Catalogue, stored: Collection[str]) -> bool:
    return request_for(parse_reference(choice.variant), catalogue).model in stored


def _ask_hubs(
    choice: Choice, catalogue: Catalogue, hubs: Sequence[str], timeout_s: float
) -> list[Probe]:
    request = request_for(parse_reference(choice.variant), catalogue)
    asked: list[Reference] = [*neighbours(request), *hub_sources(request.sources, hubs)]
    return probe(asked, timeout_s=timeout_s)


def _why(answers: Sequence[Probe], hubs: Sequence[str]) -> str:
    reasons = list(dict.fromkeys(answer.why for answer in answers if answer.why))
    if reasons:
        return "; ".join(reasons[:3])
    return str(say("no hub has it") if hubs else say("the settings allow none"))

"""What the daemon saw of the cards: readings with the processes on them, history, links."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from msgspec.structs import replace

from appliance.core.errors import UsageError
from appliance.core.history import SPANS, History, Span
from appliance.core.i18n import say
from appliance.core.sample import CardSample, Sample
from appliance.core.topology import Topology
from appliance.telemetry.processes import parents_of

if TYPE_CHECKING:
    from appliance.node.node import Node


def history(node: Node, card: str, span: str) -> History:
    """A card's history; `host` and `all` are told too. Raises `UsageError` for an unknown span."""
    return node.sampler.history(card, span_named(span))


def span_named(text: str) -> Span:
    """The span of this name. Raises `UsageError` for any other."""
    for span in SPANS:
        if text == span:
            return span
    raise UsageError(
        say("no such span: {span}", span=text),
        hint=say("there are: {spans}", spans=", ".join(SPANS)),
        code="NO-SUCH-SPAN",
    )


def sample(node: Node, *, processes: bool) -> Sample:
    """The newest readings; each process is told by the replica that it belongs to."""
    found = node.sampler.sample(processes=processes)
    if not processes:
        return found
    engines = {
        replica.pid: replica.id
        for deployment in node.statuses()
        for replica in deployment.replicas
        if replica.pid is not None
    }
    return replace(found, cards=[_owned(card, engines) for card in found.cards])


def _owned(card: CardSample, engines: Mapping[int, str]) -> CardSample:
    """The card with its processes told by replica."""
    processes = [
        replace(process, replica=_replica_of(process.pid, engines))
        for process in card.processes or ()
    ]
    return replace(card, processes=processes) if processes else card


def _replica_of(pid: int, engines: Mapping[int, str]) -> str | None:
    """An engine's workers are its children: the nearest ancestor that is an engine counts."""
    return next((engines[parent] for parent in parents_of(pid) if parent in engines), None)


def topology(node: Node) -> Topology:
    """How the cards are linked. Starts the vendors' tools: a few seconds."""
    return node.sampler.topology()

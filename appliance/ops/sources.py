"""Where a model may be fetched from: what the catalogue names, as far as the settings allow."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from appliance.core.errors import Unreachable
from appliance.core.i18n import say
from appliance.core.reference import (
    CatalogReference,
    FileReference,
    HubReference,
    IndexReference,
    PeerReference,
    parse_peer,
    parse_reference,
)
from appliance.ops.copies import from_disk
from appliance.weights.peers import known_peers
from appliance.weights.pull import PullRequest

Source = HubReference | IndexReference | FileReference | PeerReference


def permitted(request: PullRequest, hubs: Sequence[str]) -> PullRequest:
    """`request` with the neighbours we know, the hubs that may be asked, and all other sources.

    Raises `Unreachable` where that leaves no source.
    """
    sources = [
        *neighbours(request),
        *hub_sources(request.sources, hubs),
        *_others(request.sources),
    ]
    if not sources:
        raise Unreachable(
            say("{model} is on a hub that may not be asked", model=request.model),
            hint=say("allow it with hubs.order in config.toml (`appliance config path`)"),
            code="HUB-NOT-ALLOWED",
        )
    return msgspec.structs.replace(request, sources=sources)


def from_source(request: PullRequest, source: str, hubs: Sequence[str]) -> PullRequest:
    """`request` from where the operator said: `hubs`, some of them (`ms,hf`), a disk, a neighbour.

    Raises `Unreachable` where the settings forbid it, `UsageError` where it is not there.
    """
    kind, colon, place = source.partition(":")
    if not colon:
        return permitted(request, hubs_of(source, hubs))
    if kind == "file":
        return from_disk(request, Path(place))
    reference = parse_reference(f"{source}/{request.model}")
    if isinstance(reference, CatalogReference):
        raise AssertionError(source)
    return msgspec.structs.replace(request, sources=[reference])


def hubs_of(source: str, hubs: Sequence[str]) -> list[str]:
    """The hubs that `source` means, as far as the settings allow them, in its order."""
    if ":" in source:
        return []
    named = hubs if source == "hubs" else dict.fromkeys(source.split(","))
    return [hub for hub in named if hub in hubs]


def neighbours(request: PullRequest) -> list[PeerReference]:
    """Other appliances that the operator made known, for what hubs have too."""
    if not any(isinstance(source, HubReference) for source in request.sources):
        return []
    places = map(parse_peer, known_peers())
    return [PeerReference(*place, request.model) for place in places if place]


def hub_sources(sources: Sequence[Source], hubs: Sequence[str]) -> list[HubReference]:
    """The hubs among `sources` that may be asked, in the order of the settings."""
    found = [s for s in sources if isinstance(s, HubReference) and s.hub in hubs]
    return sorted(found, key=lambda source: hubs.index(source.hub))


def _others(sources: Sequence[Source]) -> list[Source]:
    return [source for source in sources if not isinstance(source, HubReference)]

"""Where a model may be fetched from: what the catalogue names, as far as the settings allow."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from appliance.core.errors import Unreachable
from appliance.core.i18n import say
from appliance.core.reference import FileReference, HubReference, IndexReference
from appliance.weights.pull import PullRequest

Source = HubReference | IndexReference | FileReference


def permitted(request: PullRequest, hubs: Sequence[str]) -> PullRequest:
    """`request` with the hubs that may be asked, in their order, before all other sources.

    Raises `Unreachable` where that leaves no source.
    """
    sources = [*hub_sources(request.sources, hubs), *_others(request.sources)]
    if not sources:
        raise Unreachable(
            say("{model} is on a hub that may not be asked", model=request.model),
            hint=say("allow it with hubs.order in config.toml (`appliance config path`)"),
            code="HUB-NOT-ALLOWED",
        )
    return msgspec.structs.replace(request, sources=sources)


def hub_sources(sources: Sequence[Source], hubs: Sequence[str]) -> list[HubReference]:
    """The hubs among `sources` that may be asked, in the order of the settings."""
    found = [s for s in sources if isinstance(s, HubReference) and s.hub in hubs]
    return sorted(found, key=lambda source: hubs.index(source.hub))


def _others(sources: Sequence[Source]) -> list[Source]:
    return [source for source in sources if not isinstance(source, HubReference)]

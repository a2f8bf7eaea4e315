"""Where the weights of a choice can come from, each place asked whether it has them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from appliance.catalog.models import Catalogue
from appliance.core.i18n import say
from appliance.core.inventory import Document, Inventory
from appliance.core.plan import Choice
from appliance.core.reference import (
    FileReference,
    IndexReference,
    PeerReference,
    Reference,
    parse_reference,
)
from appliance.ops.copies import brought_disks, find_copy
from appliance.ops.setup.found import HUB_NAMES
from appliance.ops.sources import hub_sources, neighbours
from appliance.weights.pull import Probe, PullRequest, probe, request_for

_PATIENCE_S = 4.0


class Place(Document, frozen=True, kw_only=True):
    """`source` is the answer that means it; `typed` begins what the operator has to complete."""

    source: str
    title: str
    text: str
    state: Literal["ok", "no", "typed"] = "ok"


def ask_hubs(choice: Choice, catalogue: Catalogue, hubs: Sequence[str]) -> list[Probe]:
    """What every known neighbour and every hub that may be asked says of a choice, within a few
    seconds.
    """
    request = request_for(parse_reference(choice.variant), catalogue)
    asked: list[Reference] = [*neighbours(request), *hub_sources(request.sources, hubs)]
    return probe(asked, timeout_s=_PATIENCE_S) if asked else []


def places(
    choice: Choice,
    catalogue: Catalogue,
    inventory: Inventory,
    answers: Sequence[Probe],
    *,
    stored: bool,
) -> list[Place]:
    """The best place first; a disk and a neighbour can always be named."""
    request = request_for(parse_reference(choice.variant), catalogue)
    rows = [_store()] if stored else [*_named_place(request), *_copies(request, inventory)]
    return [*rows, *_hubs(answers), *_to_be_named()]


def _store() -> Place:
    text = say("already here and verified: nothing is fetched")
    return Place(source="hubs", title=str(say("this server")), text=str(text))


def _named_place(request: PullRequest) -> list[Place]:
    """A model that is named by its place is there: a path, or a file of the package index."""
    source = request.sources[0]
    if isinstance(source, FileReference):
        return [Place(source="hubs", title=str(say("disk")), text=source.path)]
    if isinstance(source, IndexReference):
        title = str(say("package index"))
        return [Place(source="hubs", title=title, text=f"{source.project} {source.version}")]
    return []


def _copies(request: PullRequest, inventory: Inventory) -> list[Place]:
    rows = []
    for mount in brought_disks(inventory):
        if copy := find_copy(request, mount):
            path = str(copy.sources[0])
            rows.append(Place(source=path, title=str(say("disk")), text=path.partition(":")[2]))
    return rows


def _hubs(answers: Sequence[Probe]) -> list[Place]:
    """Neighbours and hubs, those that have it first; before them, all that have it together."""
    rows = [_asked(probe) for probe in answers]
    good = [row for row in rows if row.state == "ok"]
    if len(good) > 1:
        text = say("what one lacks, the other gives")
        title = " + ".join(row.title for row in good)
        rows.insert(0, Place(source="hubs", title=title, text=str(text)))
    return sorted(rows, key=lambda row: row.state != "ok")


def _asked(probe: Probe) -> Place:
    reference = probe.reference
    if isinstance(reference, PeerReference):
        source, title = f"peer:{reference.authority}", reference.host
    else:
        source = str(reference).partition(":")[0]
        title = HUB_NAMES[source]
    if not probe.ok:
        return Place(source=source, title=title, text=probe.why, state="no")
    text = say("has it, answers in {seconds} s", seconds=f"{probe.seconds:.1f}")
    return Place(source=source, title=title, text=str(text))


def _to_be_named() -> list[Place]:
    disk = say("the path of a file, or of a directory that holds it")
    neighbour = say("its address, once `appliance models peer` has met it")
    return [
        Place(source="file:", title=str(say("another disk")), text=str(disk), state="typed"),
        Place(source="peer:", title=str(say("a neighbour")), text=str(neighbour), state="typed"),
    ]

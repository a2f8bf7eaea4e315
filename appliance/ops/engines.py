"""The exact command that a choice would run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from appliance.catalog.models import load_catalogue
from appliance.core.errors import UsageError
from appliance.core.i18n import say
from appliance.core.inventory import Document, Inventory
from appliance.core.paths import Paths
from appliance.core.plan import Choice
from appliance.core.reference import parse_reference
from appliance.engines.build import command_for
from appliance.engines.command import EngineCommand
from appliance.engines.compare import port_in
from appliance.engines.environments.places import is_installed, root_of
from appliance.engines.kept import CURRENT
from appliance.engines.native.builds import builds_root, is_built
from appliance.engines.recipes import Recipe, recipe
from appliance.ops.deployment import deployment_id, deployment_of, request_of
from appliance.ops.pinning import near_cpus
from appliance.supervisor.running import Seen, marked, seen
from appliance.weights.pull import request_for
from appliance.weights.store import Store

_EXAMPLE_PORT = 8000


class Running(Document, frozen=True, kw_only=True):
    """An engine that runs here, as it was started, and what would be started in its place."""

    replica: str
    pid: int
    seen: Seen
    planned: EngineCommand


def command_of(
    choice: Choice,
    inventory: Inventory,
    paths: Paths,
    *,
    here: bool = True,
    port: int = _EXAMPLE_PORT,
    log_path: str | None = None,
) -> EngineCommand:
    """The command of the choice's first replica, at an example port.

    A model that is not in the store yet, or an engine that is not built yet, is named by where it
    will be; its notes then say how to get it. Only what would run `here` is kept near its cards.
    """
    stored = _stored(choice, paths)
    work = deployment_of(choice, stored or _where_it_will_be(choice, paths), load_catalogue())
    first = next(iter(work.replica_cards().values()))
    cards = [card for card in inventory.cards if card.id in first]
    request = request_of(work, cards, port, log_path, near_cpus(cards) if here else ())
    command = command_for(request, place=_place(work.recipe))
    if not here:
        return command
    to_do = _to_do_first(choice, recipe(work.recipe), stored=stored is not None)
    return msgspec.structs.replace(command, notes=[*command.notes, *to_do])


def _to_do_first(choice: Choice, chosen: Recipe, *, stored: bool) -> Iterator[str]:
    if not stored:
        yield str(say("first: `appliance models pull {model}`", model=choice.variant))
    if chosen.build and not is_built(chosen.build):
        command = "appliance engines build llama.cpp --backend"
        yield str(say("first: `{command} {name}`", command=command, name=chosen.build))
    if chosen.environment and not is_installed(chosen.environment):
        command = "appliance engines install"
        yield str(say("first: `{command} {name}`", command=command, name=chosen.environment))


def running_beside(choice: Choice, inventory: Inventory, paths: Paths) -> Running:
    """The first replica that runs under the choice's name; no daemon is needed to look.

    Raises `UsageError` (`NOTHING-RUNS`) when there is none.
    """
    replica = f"{deployment_id(choice.model)}-0"
    for one in marked(paths.state):
        found = seen(one.identity) if one.replica == replica else None
        if found:
            port = one.identity.port or port_in(found.argv) or _EXAMPLE_PORT
            log = str(paths.logs / f"{replica}.log")
            planned = command_of(choice, inventory, paths, port=port, log_path=log)
            return Running(replica=replica, pid=one.identity.pid, seen=found, planned=planned)
    raise UsageError(
        say("no engine runs here for {model}", model=choice.model),
        hint=say("`appliance status` shows what runs"),
        code="NOTHING-RUNS",
    )


def _place(recipe_id: str) -> Path | None:
    """Where an engine made here is, or will be."""
    chosen = recipe(recipe_id)
    if chosen.build:
        return builds_root(chosen.build) / CURRENT
    if chosen.environment is None or is_installed(chosen.environment):
        return None
    return root_of(chosen.environment) / CURRENT


def _stored(choice: Choice, paths: Paths) -> str | None:
    request = request_for(parse_reference(choice.variant), load_catalogue())
    stored = Store(paths.models).find(request.model)
    return str(stored.entry) if stored else None


def _where_it_will_be(choice: Choice, paths: Paths) -> str:
    request = request_for(parse_reference(choice.variant), load_catalogue())
    name = request.files[0].name if request.files else ""
    return str(Path(paths.models) / request.model.replace(":", "-") / Path(name).name)

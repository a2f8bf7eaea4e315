"""From a request to the exact command."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from appliance.core.errors import ApplianceError, UsageError
from appliance.core.i18n import say
from appliance.core.inventory import Card
from appliance.engines.access import Access, access_to
from appliance.engines.command import EngineCommand
from appliance.engines.environments.environment import environment
from appliance.engines.environments.places import current_environment
from appliance.engines.environments.within import search_path, within
from appliance.engines.images import image_of
from appliance.engines.recipes import Recipe, recipe
from appliance.engines.render import fill, fill_command, words_for
from appliance.engines.request import EngineRequest

_QUIET = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
}
"""Engines of others would otherwise ask hubs for files and report their use."""


def command_for(request: EngineRequest, *, place: Path | None = None) -> EngineCommand:
    """What exactly would run, from `place` instead of the build or environment in use.

    Raises `UsageError` for a request that its recipe cannot serve, and `ApplianceError`:
    `ENGINE-NOT-BUILT`, `ENGINE-NOT-INSTALLED` for an engine that is not here yet,
    `CARD-WITHOUT-NUMBER` where a container is to be handed a card that no driver has numbered.
    """
    chosen = recipe(request.recipe)
    _check(request, chosen)
    place = place or _place_of(chosen)
    words = words_for(request, chosen, place)
    access = access_to(chosen.access or _vendor(request, chosen))
    common = EngineCommand(
        engine=chosen.engine,
        argv=fill_command(chosen.command, words),
        env=_filled(chosen.env, words),
        port=request.port,
        cpus=request.cpus,
        files={fill(name, words): fill(text, words) for name, text in chosen.files.items()},
        notes=chosen.notes,
        readiness=chosen.readiness,
        metrics=chosen.metrics,
    )
    if chosen.start == "container":
        return _in_container(common, request, chosen, access, words)
    command = _as_process(common, access, words)
    if chosen.environment and place:
        return _in_environment(command, chosen.environment, place)
    return command


def _check(request: EngineRequest, chosen: Recipe) -> None:
    if request.kv_type not in chosen.limits.kv_types:
        raise UsageError(
            say("{recipe} has no cache type {kv_type}", recipe=chosen.id, kv_type=request.kv_type),
            hint=say("choose one of: {types}", types=", ".join(chosen.limits.kv_types)),
            code="NO-SUCH-KV-TYPE",
        )
    if request.slots < 1 or request.context < 1:
        raise UsageError(
            say("slots and context must be at least 1"), hint=say("plan again"), code="BAD-REQUEST"
        )


def _place_of(chosen: Recipe) -> Path | None:
    """Where the engine is that was made on this server; `None` for what needs no making."""
    if chosen.build:
        from appliance.engines.native.builds import current_build

        return current_build(chosen.build)
    return current_environment(chosen.environment) if chosen.environment else None


def _vendor(request: EngineRequest, chosen: Recipe) -> str:
    return request.cards[0].vendor if request.cards else chosen.vendors[0]


def _as_process(common: EngineCommand, access: Access, words: dict[str, object]) -> EngineCommand:
    hidden = {access.visible: str(words["indexes"])} if access.visible and words["indexes"] else {}
    return _with(common, env={**hidden, **common.env})


def _in_environment(command: EngineCommand, name: str, place: Path) -> EngineCommand:
    return _with(
        command,
        argv=within(environment(name), command.argv),
        env={**_QUIET, "PATH": search_path(place), **command.env},
    )


def _in_container(
    common: EngineCommand,
    request: EngineRequest,
    chosen: Recipe,
    access: Access,
    words: dict[str, object],
) -> EngineCommand:
    way = access.container
    if way.card_devices:
        _require_numbers(request.cards)
    by_card = [fill(d, {**words, "card": c}) for c in request.cards for d in way.card_devices]
    mounts = [*way.mounts, *(fill(mount, words) for mount in chosen.mounts)]
    return _with(
        common,
        kind="container",
        image=image_of(chosen, request.cards[0].arch if request.cards else None),
        env={**_QUIET, **_filled(way.env, words), **common.env},
        devices=[*way.devices, *by_card],
        mounts=[f"{request.model_path}:{request.model_path}:ro", *mounts],
        container=way.options(),
    )


def _require_numbers(cards: Sequence[Card]) -> None:
    unnumbered = [card.id for card in cards if card.index is None]
    if unnumbered:
        raise ApplianceError(
            say("the number of {cards} is not known: no driver told it", cards=unnumbered[0]),
            hint=say("load the card's driver, then try again (`appliance detect`)"),
            code="CARD-WITHOUT-NUMBER",
        )


def _filled(templates: dict[str, str], words: dict[str, object]) -> dict[str, str]:
    values = {name: fill(template, words) for name, template in templates.items()}
    return {name: value for name, value in values.items() if value}


def _with(command: EngineCommand, **changes: object) -> EngineCommand:
    import msgspec

    return msgspec.structs.replace(command, **changes)

"""Engines as Python packages: installed for this server's cards, and when they are offered."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from appliance.core.errors import ApplianceError
from appliance.core.i18n import say
from appliance.core.inventory import Card, Inventory
from appliance.core.progress import Cancel
from appliance.engines.environments.environment import Environment, environment
from appliance.engines.environments.installing import InstallProgress, Order, install
from appliance.engines.environments.places import Installed, is_installed
from appliance.engines.native.builds import is_built
from appliance.engines.recipes import Recipe


def install_environment(
    name: str,
    inventory: Inventory,
    *,
    wheels: Path | None,
    index: str | None,
    on_install: Callable[[InstallProgress], None],
    cancel: Cancel,
) -> Installed:
    """Install an environment, by its id or that of one of its recipes, and prove it.

    Raises what `install` raises, `UsageError` for one that is not known, and `ApplianceError`
    (`NO-CARD`) when no card here could be served by it.
    """
    kind = environment(name)
    order = Order(
        kind=kind,
        cards=_cards_for(kind, inventory),
        wheels=wheels.absolute() if wheels else None,
        index=index,
        on_progress=on_install,
        cancel=cancel,
    )
    return install(order)


def _cards_for(kind: Environment, inventory: Inventory) -> list[Card]:
    """The cards it serves; none for processors. It is proven on a card, so there must be one."""
    vendors = {vendor for one in kind.recipes for vendor in one.vendors}
    if "cpu" in vendors:
        return []
    usable = [card for card in inventory.accelerators() if card.state in ("ok", "degraded")]
    cards = [card for card in usable if any(one.takes(card) for one in kind.recipes)]
    if not cards:
        raise ApplianceError(
            say(
                "{title} computes on cards of {vendors}, and none that it serves answers here",
                title=kind.title,
                vendors=", ".join(sorted(vendors)),
            ),
            hint=say("`appliance detect` shows the cards, `appliance engines list` their engines"),
            code="NO-CARD",
        )
    return cards


def offered(
    recipes: Sequence[Recipe],
    cards: Sequence[Card],
    with_images: Collection[str],
    *,
    containers: bool,
    here: bool,
) -> list[Recipe]:
    """One of each pair of a container recipe and the environment that stands in for it.

    That is the container's where a container engine runs, unless the environment alone is here; an
    environment that stands in for none is offered once it is installed. A prebuilt engine gives way
    to the same one built here: who built it wants it, or the prebuilt one does not run here.
    """
    installed = {r.id for r in recipes if here and r.environment and is_installed(r.environment)}

    def stands_in(one: Recipe) -> bool:
        if one.instead_of in with_images:
            return False
        return one.id in installed or (one.instead_of is not None and not containers)

    chosen = [one for one in recipes if one.environment and stands_in(one)]

    def replaced(one: Recipe) -> bool:
        mine = [card for card in cards if one.takes(card)]
        others = [other for other in chosen if other.instead_of == one.id]
        return bool(mine) and any(all(map(other.takes, mine)) for other in others)

    built = [(r.engine, r.vendors) for r in recipes if here and r.build and is_built(r.build)]

    def rebuilt(one: Recipe) -> bool:
        return one.start == "process" and (one.engine, one.vendors) in built

    return [
        one
        for one in recipes
        if (one in chosen if one.environment else not (replaced(one) or rebuilt(one)))
    ]

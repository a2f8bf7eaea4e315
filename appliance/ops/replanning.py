"""Another plan for what cannot run as it was planned: on the cards that are left, or with less.

What is found keeps the name that people's programs ask for. Only weights that are here are
considered: a service that is down must not wait for a download.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

import msgspec

from appliance.core.errors import ApplianceError
from appliance.core.inventory import Inventory
from appliance.core.paths import Paths
from appliance.core.plan import Choice, Wish
from appliance.core.reference import CatalogReference, parse_reference
from appliance.ops.deployment import Deployment, deployment_of
from appliance.ops.mixed import kind_of
from appliance.ops.planning import Ground, ground_of, make_plan, stored_model

_LEAST_CONTEXT = 2048
_LESS = 0.9
"""A plan that takes more than this share of the memory is not worth another try."""


class Way(msgspec.Struct, frozen=True, kw_only=True):
    """A deployment that could run instead. `same_model`: nobody has to put up with another one."""

    work: Deployment
    same_model: bool

    @property
    def command(self) -> str:
        """What a person types to have it."""
        work = self.work
        users = work.slots * work.replicas
        return (
            f"appliance up --model {work.variant} --users {users} --context {work.context}"
            f"{' --yes' if work.cards == ['cpu'] else ''}"
        )


def spare_card(
    work: Deployment, lost: Collection[str], free: Inventory, known: Inventory
) -> Way | None:
    """The same deployment with each lost card replaced by an unused one of its kind.

    `free` is what may be used, `known` the server with the cards of `work`, the lost ones too.
    """
    kinds = {kind_of(card) for card in known.cards if card.id in work.cards}
    spare = iter(
        card.id
        for card in free.accelerators()
        if card.id not in work.cards and card.state == "ok" and {kind_of(card)} == kinds
    )
    cards = [next(spare, "") if card in lost else card for card in work.cards]
    if "" in cards:
        return None
    return Way(work=msgspec.structs.replace(work, cards=cards), same_model=True)


def on_what_is_left(work: Deployment, left: Inventory, paths: Paths) -> Iterator[Way]:
    """Ways to serve on the cards that are left, nearest to what was planned first."""
    ground = ground_of(left, paths)
    for users, context in _steps_down(work):
        yield from _ways(work, ground, Wish(model=work.variant, users=users, context=context))
    yield from _ways(work, ground, _of_the_family(work))


def with_less_memory(work: Deployment, left: Inventory, paths: Paths) -> Iterator[Way]:
    """Ways to serve that take clearly less memory than `work` was planned to take."""
    ground = ground_of(left, paths)
    users, context = work.slots * work.replicas, work.context
    planned = next(_choices(ground, Wish(model=work.variant, users=users, context=context)), None)
    limit = _LESS * _mib(planned) if planned else float("inf")
    steps = [Wish(model=work.variant, users=u, context=c) for u, c in list(_steps_down(work))[1:]]
    for wish in [*steps, _of_the_family(work)]:
        for choice in _choices(ground, wish):
            if _mib(choice) <= limit and (way := _way(work, choice, ground)):
                yield way


def with_another_engine(work: Deployment, left: Inventory, paths: Paths) -> Iterator[Way]:
    """Ways to serve the same family by another engine, or in another quantization."""
    ground = ground_of(left, paths)
    for way in _ways(work, ground, _of_the_family(work)):
        if (way.work.recipe, way.work.variant) != (work.recipe, work.variant):
            yield way


def _steps_down(work: Deployment) -> Iterator[tuple[int, int]]:
    """Users and context as planned, then fewer users, then less context."""
    users, context = work.slots * work.replicas, work.context
    yield users, context
    while users > 1:
        users //= 2
        yield users, context
    while context // 2 >= _LEAST_CONTEXT:
        context //= 2
        yield users, context


def _of_the_family(work: Deployment) -> Wish:
    reference = parse_reference(work.variant)
    family = reference.model if isinstance(reference, CatalogReference) else work.variant
    return Wish(model=family, users=1, context=min(work.context, 2 * _LEAST_CONTEXT))


def _ways(work: Deployment, ground: Ground, wish: Wish) -> Iterator[Way]:
    for choice in _choices(ground, wish):
        if way := _way(work, choice, ground):
            yield way


def _choices(ground: Ground, wish: Wish) -> Iterator[Choice]:
    try:
        plan = make_plan(wish, ground)
    except ApplianceError:
        return
    yield from (c for c in plan.choices if c.fits and ground.startable(c.recipe))


def _way(work: Deployment, choice: Choice, ground: Ground) -> Way | None:
    """`choice` under the name of `work`; never from a card to the processor unasked."""
    stored = stored_model(parse_reference(choice.variant), ground)
    if stored is None or (choice.cards == ["cpu"]) != (work.cards == ["cpu"]):
        return None
    found = deployment_of(choice, str(stored.entry), ground.catalogue)
    return Way(
        work=msgspec.structs.replace(found, id=work.id, adapt=work.adapt, served_as=work.served_as),
        same_model=choice.variant == work.variant,
    )


def _mib(choice: Choice) -> float:
    return sum(card.total_mib for card in choice.memory.per_card)

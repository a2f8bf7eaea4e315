"""The catalogue and the store, side by side."""

from __future__ import annotations

import msgspec

from appliance.catalog.models import load_catalogue
from appliance.core.inventory import Document, Inventory
from appliance.core.paths import Paths
from appliance.core.plan import Plan, Wish
from appliance.core.reference import parse_reference
from appliance.ops.planning import DEFAULT_USERS, ground_of, make_plan
from appliance.weights.pull import request_for
from appliance.weights.store import Store, StoredModel


class ModelRow(Document, frozen=True, kw_only=True):
    """One variant of the catalogue, or one model of the store that is in no catalogue."""

    id: str
    title: str
    format: str | None
    bytes: int | None
    stored: bool
    licence: str | None = None
    kind: str = "deepseek"
    fits: bool | None = None
    """Whether it runs on this server; `None` where that was not looked at."""
    reason: str | None = None
    """Why it does not fit, or why it was chosen."""


def model_rows(paths: Paths, inventory: Inventory | None = None) -> list[ModelRow]:
    """Every variant of the catalogue, then what else is in the store.

    With `inventory`: what fits that server first, best first, and why the rest does not.
    """
    rows = _all_rows(paths)
    return (
        _judged(rows, make_plan(Wish(users=DEFAULT_USERS), ground_of(inventory, paths)))
        if inventory
        else rows
    )


def _judged(rows: list[ModelRow], plan: Plan) -> list[ModelRow]:
    """A variant that was not looked at is too big where a smaller one of its family is."""
    chosen = {choice.variant: (n, choice.why) for n, choice in reversed([*enumerate(plan.choices)])}
    rejected = {_family(one.variant): one.reason for one in plan.rejected}
    served = {_family(variant) for variant in chosen}
    judged = []
    for row in rows:
        fits, reason = None, None
        if row.id in chosen:
            fits, reason = True, next(iter(chosen[row.id][1]), None)
        elif _family(row.id) in rejected and _family(row.id) not in served:
            fits, reason = False, rejected[_family(row.id)]
        judged.append(msgspec.structs.replace(row, fits=fits, reason=reason))
    return sorted(judged, key=lambda row: chosen.get(row.id, (len(plan.choices),))[0])


def _family(variant: str) -> str:
    return variant.partition(":")[0]


def _all_rows(paths: Paths) -> list[ModelRow]:
    stored = {model.id: model for model in Store(paths.models).models()}
    catalogue = load_catalogue()
    rows = []
    for family in catalogue.families:
        for variant in family.variants:
            kept = stored.pop(request_for(parse_reference(variant.id), catalogue).model, None)
            rows.append(
                ModelRow(
                    id=variant.id,
                    title=family.title,
                    format=variant.format,
                    bytes=variant.bytes,
                    stored=kept is not None,
                    licence=family.licence,
                    kind=family.kind,
                )
            )
    return rows + [_other(model) for model in stored.values()]


def _other(model: StoredModel) -> ModelRow:
    size = sum(file.bytes for file in model.files)
    return ModelRow(
        id=model.reference, title=model.id, format=None, bytes=size, stored=True, kind="other"
    )

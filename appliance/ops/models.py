"""The catalogue and the store, side by side."""

from __future__ import annotations

import sys

import msgspec

from appliance.catalog.models import load_catalogue
from appliance.core.inventory import Document, Inventory
from appliance.core.paths import Paths
from appliance.core.plan import Wish
from appliance.core.reference import parse_reference
from appliance.ops.planning import DEFAULT_USERS, ground_of
from appliance.planner.survey import Verdict, survey
from appliance.weights.pull import request_for
from appliance.weights.store import Store, StoredModel


class ModelRow(Document, frozen=True, kw_only=True):
    """One variant of the catalogue, or one model of the store that is in no catalogue.

    `whole`: whether the files of one that is stored are all there, as far as is known without
    reading them; `None` for one that is not stored.
    The fields after `kind` say how it does on this server; `None` where that was not looked at.
    """

    id: str
    title: str
    format: str | None
    bytes: int | None
    stored: bool
    whole: bool | None = None
    licence: str | None = None
    kind: str = "deepseek"
    fits: bool | None = None
    meets_wish: bool | None = None
    engine: str | None = None
    cards: int | None = None
    decode_tps_one: float | None = None
    code: str | None = None
    reason: str | None = None
    """Why it does not run here."""
    advice: str | None = None
    mark: str | None = None
    sources: list[str] = []


def model_rows(paths: Paths, inventory: Inventory | None = None) -> list[ModelRow]:
    """Every variant of the catalogue, then what else is in the store.

    With `inventory`: what fits that server first, best first, and why the rest does not.
    """
    rows = _all_rows(paths)
    if inventory is None:
        return rows
    known = verdicts(paths, inventory)
    judged = [(known.get(row.id), row) for row in rows]
    judged.sort(key=lambda pair: pair[0].rank if pair[0] else sys.maxsize)
    return [_judged(row, verdict) for verdict, row in judged]


def verdicts(paths: Paths, inventory: Inventory) -> dict[str, Verdict]:
    """How each variant of the catalogue would run on this server, or why it does not; the best
    first, those that do not run last.
    """
    ground = ground_of(inventory, paths)
    found = survey(
        Wish(users=DEFAULT_USERS),
        inventory,
        ground.catalogue,
        ground.recipes,
        ground.facts,
        **ground.keywords(),
    )
    return dict(sorted(found.items(), key=lambda each: each[1].rank))


def _judged(row: ModelRow, verdict: Verdict | None) -> ModelRow:
    if verdict is None:
        return row
    if verdict.choice:
        return msgspec.structs.replace(
            row,
            fits=True,
            meets_wish=verdict.meets_wish,
            engine=verdict.choice.engine,
            cards=len([card for card in verdict.choice.cards if card != "cpu"]),
            decode_tps_one=verdict.choice.speed.decode_tps_one,
        )
    reason = verdict.rejection
    return msgspec.structs.replace(
        row,
        fits=False,
        code=reason and reason.code,
        reason=reason and reason.reason,
        advice=reason and reason.advice,
    )


def _all_rows(paths: Paths) -> list[ModelRow]:
    store = Store(paths.models)
    stored = {model.id: model for model in store.models()}
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
                    whole=None if kept is None else store.is_whole(kept),
                    licence=family.licence,
                    kind=family.kind,
                    mark=variant.mark,
                    sources=list(variant.sources),
                )
            )
    return rows + [_other(model, store) for model in stored.values()]


def _other(model: StoredModel, store: Store) -> ModelRow:
    return ModelRow(
        id=model.reference,
        title=model.id,
        format=None,
        bytes=model.bytes,
        stored=True,
        whole=store.is_whole(model),
        kind="other",
    )

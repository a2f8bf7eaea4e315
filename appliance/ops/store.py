"""The store as the settings let it be, and what is put into it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from appliance.catalog.models import load_catalogue
from appliance.core.config import load_config
from appliance.core.errors import UsageError, VerificationFailed
from appliance.core.i18n import say
from appliance.core.paths import Paths
from appliance.core.progress import Cancel
from appliance.core.pull import Pull
from appliance.core.reference import parse_reference
from appliance.ops.sources import permitted
from appliance.weights.disk import disk_errors
from appliance.weights.export import exports_in
from appliance.weights.limit import parse_limit
from appliance.weights.pull import FetchOptions, pull, request_for
from appliance.weights.seal import Verdict, judge
from appliance.weights.store import Store, StoredModel

_GIB = 1 << 30


def open_store(paths: Paths) -> Store:
    """The store of this server, as large as the settings let it be."""
    settings = load_config(paths).store
    quota = settings.quota_gib
    return Store(
        paths.models,
        floor_bytes=int(settings.free_gib * _GIB),
        quota_bytes=None if quota is None else int(quota * _GIB),
    )


def check_pull(reference: str, limit: str | None) -> None:
    """Raise `UsageError` for a reference or a limit that cannot be meant."""
    parse_reference(reference)
    if limit is not None:
        parse_limit(limit)


def pull_model(
    reference: str,
    paths: Paths,
    on_progress: Callable[[Any], None],
    cancel: Cancel,
    *,
    limit: str | None = None,
) -> Pull:
    """Fetch what `reference` names into the store, no faster than `limit` or the settings say."""
    wanted = request_for(parse_reference(reference), load_catalogue())
    config = load_config(paths)
    request = permitted(wanted, config.hubs.order)
    options = FetchOptions(limit=limit or config.store.limit)
    return pull(request, open_store(paths), on_progress=on_progress, cancel=cancel, options=options)


def seals(places: Sequence[Path], paths: Paths, *, require: bool) -> list[Verdict]:
    """What the signatures of the exported models in `places` are worth here.

    With `require`, raises `VerificationFailed` where one is not signed by a site that is known.
    """
    exports = [export for place in places for export in exports_in(place)]
    if require and (plain := [place for place in places if not exports_in(place)]):
        raise VerificationFailed(
            say("{path} is not an exported model: nobody signed it", path=plain[0]),
            hint=say("leave --require-signature out, or export it where it comes from"),
            code="UNSIGNED",
        )
    with disk_errors(paths.config):
        return [judge(export.absolute(), paths, require=require) for export in exports]


def stored_model_named(name: str, store: Store) -> StoredModel:
    """A model of the store by its id or its reference. Raises `UsageError` for an unknown one."""
    for model in store.models():
        if name in (model.id, model.reference):
            return model
    try:
        wanted = request_for(parse_reference(name), load_catalogue()).model
    except UsageError:
        wanted = None
    found = store.find(wanted) if wanted else None
    if found is None:
        raise UsageError(
            say("{name} is not in the store", name=name),
            hint=say("`appliance models list` shows what is"),
            code="NOT-STORED",
        )
    return found

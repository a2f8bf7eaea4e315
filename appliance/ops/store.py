"""The store as the settings let it be, and what is put into it."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from appliance.catalog.models import load_catalogue
from appliance.core.config import load_config
from appliance.core.disk_faults import disk_errors
from appliance.core.errors import UsageError, VerificationFailed
from appliance.core.i18n import say
from appliance.core.paths import Paths
from appliance.core.progress import Cancel
from appliance.core.pull import Pull
from appliance.core.reference import FileReference, parse_reference
from appliance.core.status import DeploymentStatus
from appliance.ops.sources import permitted
from appliance.weights.export import exports_in
from appliance.weights.limit import parse_limit
from appliance.weights.pull import FetchOptions, PullRequest, pull, request_for
from appliance.weights.seal import Verdict, judge
from appliance.weights.sources.exported import is_export
from appliance.weights.store import Store, StoredModel

log = logging.getLogger(__name__)
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


def fetch_options(
    paths: Paths, limit: str | None = None, *, patience_s: float = 0.0, reach_s: float = 0.0
) -> FetchOptions:
    """How to fetch: no faster than `limit`, else than the settings say."""
    speed = limit or load_config(paths).store.limit
    return FetchOptions(limit=speed, patience_s=patience_s, reach_s=reach_s)


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
    begun: bool = False,
) -> Pull:
    """Fetch what `reference` names into the store, no faster than `limit` or the settings say.

    A network that goes away meanwhile is waited for without end; one that is not there at first
    only for a pull that was `begun` before.
    """
    wanted = request_for(parse_reference(reference), load_catalogue())
    request = permitted(wanted, load_config(paths).hubs.order)
    judge_disks(request, paths)
    return pull(
        request,
        open_store(paths),
        on_progress=on_progress,
        cancel=cancel,
        options=fetch_options(
            paths, limit, patience_s=math.inf, reach_s=math.inf if begun else 0.0
        ),
    )


def judge_disks(request: PullRequest, paths: Paths) -> None:
    """Look at the signatures of the exported models among the sources.

    Raises `VerificationFailed` for one that does not hold, or is not by whom it says.
    """
    places = [Path(s.path) for s in request.sources if isinstance(s, FileReference)]
    for verdict in seals([place for place in places if is_export(place)], paths, require=False):
        log.info("%s", verdict.text)


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


def pulled_models(references: Sequence[str]) -> list[str]:
    """The ids that pulls of these references have, or will have, in the store."""
    catalogue = load_catalogue()
    return [request_for(parse_reference(text), catalogue).model for text in references]


def removable(
    name: str,
    store: Store,
    deployments: Sequence[DeploymentStatus],
    pulled: Sequence[str],
    *,
    beginning: bool,
) -> str:
    """The id of a model, whole or not, that nothing needs.

    Raises `UsageError` for one that is served or on its way, for any while an `up` is `beginning`,
    which may be about to serve it, and for an unknown one.
    """
    model = _find_stored(name, store)
    model_id = model.id if model else pulled_models([name])[0]
    names = {model_id, name, model.reference if model else ""}
    served = {name for d in deployments if d.state != "stopped" for name in (d.variant, d.model)}
    if names & served:
        raise UsageError(
            say("{model} is being served", model=model_id),
            hint=say("stop it first: `appliance down`"),
            code="IN-USE",
        )
    if beginning:
        raise UsageError(
            say("`appliance up` is under way and may need {model}", model=model_id),
            hint=say("wait until it has ended: `appliance models jobs`"),
            code="IN-USE",
        )
    if model_id in pulled:
        raise UsageError(
            say("{model} is being fetched", model=model_id),
            hint=say("end that first: `appliance models cancel {model}`", model=name),
            code="IN-USE",
        )
    return model_id


def stored_model_named(name: str, store: Store) -> StoredModel:
    """A model of the store by its id or its reference. Raises `UsageError` for an unknown one."""
    found = _find_stored(name, store)
    if found is None:
        raise UsageError(
            say("{name} is not in the store", name=name),
            hint=say("`appliance models list` shows what is"),
            code="NOT-STORED",
        )
    return found


def _find_stored(name: str, store: Store) -> StoredModel | None:
    for model in store.models():
        if name in (model.id, model.reference):
            return model
    try:
        wanted = request_for(parse_reference(name), load_catalogue()).model
    except UsageError:
        return None
    return store.find(wanted)

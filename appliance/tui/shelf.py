"""The store of this server, for the screens: each call says in a sentence what came of it."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from appliance.core.i18n import _
from appliance.core.paths import Paths
from appliance.core.progress import Cancel, OnProgress
from appliance.tui.words import size


class StoreShelf:
    """Implements `appliance.tui.backend.Shelf` on the store itself, as the command line does."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths

    def verify(self, model: str, tell: OnProgress, cancel: Cancel) -> str:
        """Hash its files again. Raises `VerificationFailed` with file and range."""
        from appliance.ops.store import open_store, stored_model_named

        store = open_store(self._paths)
        found = store.verify(stored_model_named(model, store).id, False, tell, cancel)
        return _("{model}: whole, {size} read").format(model=model, size=size(found.bytes))

    def export(self, model: str, directory: Path, tell: OnProgress, cancel: Cancel) -> str:
        """Write it to a disk, with its hashes."""
        from appliance.core.signature import site_key
        from appliance.ops.store import open_store, stored_model_named
        from appliance.weights.export import export_model

        store = open_store(self._paths)
        kept = stored_model_named(model, store)
        key = site_key(self._paths)
        done = export_model(store, kept.id, directory, key=key, on_progress=tell, cancel=cancel)
        return _("{model} is in {directory}").format(model=model, directory=done.directory)

    def take(self, place: Path, tell: OnProgress, cancel: Cancel) -> str:
        """Take in whatever models a disk or a file holds."""
        from appliance.catalog.models import load_catalogue
        from appliance.core.reference import FileReference
        from appliance.ops.store import open_store, seals
        from appliance.weights.disk import place_of
        from appliance.weights.export import import_requests
        from appliance.weights.pull import pull, request_for

        place = place_of(place)
        if place.is_dir():
            requests = import_requests([place])
        else:
            file = FileReference(str(place.absolute()))
            requests = [request_for(file, load_catalogue())]
        vouched = [str(verdict.text) for verdict in seals([place], self._paths, require=False)]
        for request in requests:
            pull(request, open_store(self._paths), on_progress=tell, cancel=cancel)
        names = ", ".join(request.model for request in requests)
        return "; ".join([_("{model}: imported and verified").format(model=names), *vouched])

    def remove(self, model: str, *, in_use: Collection[str]) -> str:
        """Remove it. Raises `UsageError` for one that is served."""
        from appliance.ops.store import open_store, stored_model_named

        store = open_store(self._paths)
        kept = stored_model_named(model, store)
        served = [kept.id] if {kept.id, kept.reference} & set(in_use) else []
        freed = store.remove(kept.id, in_use=served)
        return _("{size} are free again").format(size=size(freed.bytes))

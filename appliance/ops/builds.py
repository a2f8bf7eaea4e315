"""Building an engine for this server's own cards."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from appliance.catalog.models import load_catalogue
from appliance.core.inventory import Inventory
from appliance.core.paths import Paths
from appliance.core.progress import Cancel, OnProgress
from appliance.engines.native.builds import Build
from appliance.engines.native.making import BuildProgress, build
from appliance.ops.store import pull_model
from appliance.weights.store import Store


def build_engine(
    backend: str,
    inventory: Inventory,
    paths: Paths,
    *,
    source: Path | None,
    on_pull: OnProgress,
    on_build: Callable[[BuildProgress], None],
    cancel: Cancel,
) -> Build:
    """Build llama.cpp with `backend` for the architectures of this server's cards.

    The self-test model is fetched first where it is not in the store: the build has to serve it
    before it is used. Raises what `making.build` and `pull` raise.
    """
    self_test = load_catalogue().self_test[1].id
    pulled = pull_model(self_test, paths, on_pull, cancel)
    stored = Store(paths.models).find(pulled.model)
    model = Path(stored.entry) if stored else Path(pulled.files[0].path)
    archs = [card.arch for card in inventory.accelerators() if card.arch]
    return build(
        backend, model=model, archs=archs, source=source, on_progress=on_build, cancel=cancel
    )

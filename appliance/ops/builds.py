"""Building an engine for this server's own cards."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from appliance.catalog.models import load_catalogue
from appliance.core.errors import ApplianceError
from appliance.core.i18n import say
from appliance.core.inventory import Inventory
from appliance.core.paths import Paths
from appliance.core.progress import Cancel, OnProgress
from appliance.engines.native.builds import Build
from appliance.engines.native.making import BuildProgress, build, take_over
from appliance.engines.recipes import load_recipes
from appliance.ops.store import pull_model
from appliance.weights.store import Store


def build_engine(
    backend: str,
    inventory: Inventory,
    paths: Paths,
    *,
    source: Path | None,
    made: Path | None = None,
    on_pull: OnProgress,
    on_build: Callable[[BuildProgress], None],
    cancel: Cancel,
) -> Build:
    """Build llama.cpp with `backend` for the architectures of this server's cards.

    `made` is the archive of a build from another server, to be used instead of compiling. The
    self-test model is fetched first where it is not in the store: the build has to serve it before
    it is used. Raises what `making.build` and `pull` raise, and `ApplianceError` (`NO-CARD`) when
    no card here could run it.
    """
    _require_card(backend, inventory)
    self_test = load_catalogue().self_test[1].id
    pulled = pull_model(self_test, paths, on_pull, cancel)
    stored = Store(paths.models).find(pulled.model)
    model = Path(stored.entry) if stored else Path(pulled.files[0].path)
    if made:
        return take_over(backend, made, model=model, on_progress=on_build, cancel=cancel)
    archs = [card.arch for card in inventory.accelerators() if card.arch]
    return build(
        backend, model=model, archs=archs, source=source, on_progress=on_build, cancel=cancel
    )


def _require_card(backend: str, inventory: Inventory) -> None:
    """Every build is proven on the card it is for, so there must be one."""
    vendors = {v for one in load_recipes() if one.build == backend for v in one.vendors} - {"cpu"}
    usable = {card.vendor for card in inventory.accelerators() if card.state in ("ok", "degraded")}
    if not vendors or vendors & usable:
        return
    raise ApplianceError(
        say(
            "the backend {backend} computes on cards of {vendors}, and no such card answers here",
            backend=backend,
            vendors=", ".join(sorted(vendors)),
        ),
        hint=say("`appliance detect` shows the cards; without one, build with --backend cpu"),
        code="NO-CARD",
    )

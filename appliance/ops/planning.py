"""From a wish to a plan: brings catalogue, recipes, card facts and store to the planner."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from appliance.catalog.from_config import SafetensorsSet
from appliance.catalog.gguf import GgufHeader, read_header_of
from appliance.catalog.models import Catalogue, load_catalogue
from appliance.core.cards import CardFacts
from appliance.core.config import load_config
from appliance.core.errors import UsageError
from appliance.core.holds import without_held
from appliance.core.i18n import say
from appliance.core.inventory import Card, Host, Inventory
from appliance.core.measurement import Measurement, load_measurements
from appliance.core.paths import Paths
from appliance.core.plan import Plan, Wish
from appliance.core.reference import (
    CatalogReference,
    FileReference,
    HubReference,
    PeerReference,
    Reference,
    parse_reference,
)
from appliance.core.sample import Sample
from appliance.engines.environments.places import is_installed
from appliance.engines.native.builds import is_built
from appliance.engines.recipes import Recipe, load_recipes
from appliance.hardware.cards import facts as card_facts
from appliance.ops.engine_images import recipes_with_images
from appliance.ops.environments import offered
from appliance.ops.sources import permitted
from appliance.ops.store import open_store
from appliance.planner.exact import Exactly, plan_exact
from appliance.planner.plan import plan, plan_files
from appliance.supervisor.memory import read_memory
from appliance.weights.pull import request_for
from appliance.weights.repository import Look, look
from appliance.weights.store import Store, StoredModel

DEFAULT_USERS = 4


class Ground(msgspec.Struct, frozen=True, kw_only=True):
    """All a plan for one server rests on."""

    inventory: Inventory
    catalogue: Catalogue
    recipes: list[Recipe]
    facts: dict[str, CardFacts]
    stored: list[StoredModel]
    disk_free_mib: float | None
    host_memory_free_mib: float | None
    hubs: tuple[str, ...]
    """Hubs that may be asked, best first."""
    cache: Path
    with_images: frozenset[str] = frozenset()
    """Container recipes whose image is here."""
    used_mib: dict[str, float] = {}
    """What others than us use of each card."""
    measurements: list[Measurement] = []
    here: bool = True
    """Whether it is this very server: what is built and installed counts for no other."""

    def startable(self, recipe_id: str) -> bool:
        """Whether this appliance can start engines of that recipe by itself."""
        recipe = next((r for r in self.recipes if r.id == recipe_id), None)
        if recipe is None or recipe.start == "container":
            return recipe_id in self.with_images
        if not self.here:
            return recipe.start == "process"
        if recipe.environment:
            return is_installed(recipe.environment)
        return recipe.build is None or is_built(recipe.build)

    def buildable(self) -> list[str]:
        """Backends that engines for this server's cards could be built with, and are not yet."""
        vendors = {card.vendor for card in self.inventory.accelerators()}
        backends = [r.build for r in self.recipes if r.build and vendors & set(r.vendors)]
        return [backend for backend in dict.fromkeys(backends) if not is_built(backend)]

    def installable(self) -> list[str]:
        """Environments with an engine for this server's cards, that are not installed yet."""
        cards = self.inventory.accelerators()
        able = [r for r in self.recipes if r.environment and any(r.takes(card) for card in cards)]
        names = dict.fromkeys(r.environment for r in able if r.environment)
        return [name for name in names if not is_installed(name)]

    def keywords(self) -> dict[str, Any]:
        """The planner's optional arguments."""
        return {
            "stored": [model.id for model in self.stored],
            "disk_free_mib": self.disk_free_mib,
            "host_memory_free_mib": self.host_memory_free_mib,
            "used_mib": self.used_mib,
            "measurements": self.measurements,
        }


def ground_of(
    inventory: Inventory, paths: Paths, *, here: bool = True, sample: Sample | None = None
) -> Ground:
    """The ground for `inventory`; `here=False` for another server's (no store, no free memory).

    Cards that are held here are not stood on. `sample` (with processes) tells what of each card
    others use.
    """
    inventory = without_held(inventory, paths) if here else inventory
    store = open_store(paths)
    with_images = recipes_with_images(inventory) if here else frozenset()
    return Ground(
        inventory=inventory,
        catalogue=load_catalogue(),
        recipes=offered(
            load_recipes(),
            inventory.accelerators(),
            with_images or frozenset(),
            containers=with_images is not None,
            here=here,
        ),
        facts=_facts(inventory),
        stored=[model for model in store.models() if store.is_whole(model)] if here else [],
        disk_free_mib=store.free_bytes() / 2**20 if here else None,
        host_memory_free_mib=_free_memory_mib() if here else None,
        hubs=load_config(paths).hubs.order,
        cache=paths.cache,
        with_images=with_images or frozenset(),
        used_mib=used_by_others(sample) if sample else {},
        measurements=load_measurements(paths) if here else [],
        here=here,
    )


def _facts(inventory: Inventory) -> dict[str, CardFacts]:
    """What is known about each card, and about the processors beside them."""
    processors = Card(id="cpu", vendor="cpu", name=inventory.host.cpu.model)
    every = {card.id: card for card in (processors, *inventory.cards)}
    return {name: found for name, card in every.items() if (found := card_facts(card))}


def used_by_others(sample: Sample) -> dict[str, float]:
    """MiB that processes which are no engine of ours hold, by the card's id."""
    return {
        card.id: sum(each.memory_mib or 0.0 for each in card.processes if each.replica is None)
        for card in sample.cards
        if card.processes
    }


def empty_ground(paths: Paths) -> Ground:
    """The ground of questions that no server's cards matter for."""
    return Ground(
        inventory=Inventory(host=Host(), cards=[]),
        catalogue=load_catalogue(),
        recipes=[],
        facts={},
        stored=Store(paths.models).models(),
        disk_free_mib=None,
        host_memory_free_mib=None,
        hubs=load_config(paths).hubs.order,
        cache=paths.cache,
    )


def _free_memory_mib() -> float:
    import psutil

    memory = read_memory()
    return memory.available_mib if memory else float(psutil.virtual_memory().available) / 2**20


def make_plan(wish: Wish, ground: Ground) -> Plan:
    """Choices for `wish`, best first. `wish.model` may be any reference, `None` lets us choose.

    Raises `UsageError` for an unknown model, `Unreachable` when a hub has to be asked and is not
    within reach.
    """
    reference = parse_reference(wish.model) if wish.model else None
    if reference is None or isinstance(reference, CatalogReference):
        if reference:
            ground.catalogue.variant(reference)
        return plan(
            wish,
            ground.inventory,
            ground.catalogue,
            ground.recipes,
            ground.facts,
            cache=ground.cache,
            startable=[one.id for one in ground.recipes if ground.startable(one.id)],
            **ground.keywords(),
        )
    found, size = described(reference, ground)
    return plan_files(
        wish,
        found,
        str(reference),
        ground.inventory,
        ground.recipes,
        ground.facts,
        all_bytes=size,
        cache=ground.cache,
        **ground.keywords(),
    )


def make_exact_plan(
    ground: Ground,
    *,
    variant: str,
    quant: str,
    total_context: int,
    slots: int,
    kv_type: str,
    ubatch: int,
    flash_attn: bool,
) -> Plan:
    """Memory and speed of exactly this; `total_context` is the engine's n_ctx over all slots."""
    asked = Exactly(
        variant=variant,
        quant=quant,
        total_context=total_context,
        slots=slots,
        kv_type=kv_type,
        ubatch=ubatch,
        flash_attention=flash_attn,
    )
    return plan_exact(
        asked,
        ground.inventory,
        ground.catalogue,
        ground.recipes,
        ground.facts,
        host_memory_free_mib=ground.host_memory_free_mib,
        cache=ground.cache,
    )


def described(
    reference: Reference, ground: Ground
) -> tuple[GgufHeader | SafetensorsSet, int | None]:
    """What a plan is made of that `reference` names, and the size of all its files where known."""
    kept = stored_model(reference, ground)
    if kept and kept.entry.is_file():
        return read_header_of(kept.entry), kept.bytes
    if not kept and isinstance(reference, FileReference) and not Path(reference.path).is_dir():
        return read_header_of(_file_at(Path(reference.path))), None
    seen = look_at(reference, ground)
    return seen.safetensors or _header_in(seen), seen.bytes


def _header_in(seen: Look) -> GgufHeader:
    assert isinstance(seen.about, GgufHeader)  # noqa: S101 - there are two forms
    return seen.about


def look_at(reference: Reference, ground: Ground) -> Look:
    """What `reference` names, without its weights: from the store, the disk, or the hub."""
    kept = stored_model(reference, ground)
    if kept:
        return look(FileReference(kept.directory))
    if isinstance(reference, HubReference | PeerReference):
        permitted(request_for(reference, ground.catalogue), ground.hubs)
        return look(reference)
    if isinstance(reference, FileReference):
        return look(reference)
    raise _not_stored(reference)


def _not_stored(reference: Reference) -> UsageError:
    return UsageError(
        say("{reference} is not in the store yet", reference=reference),
        hint=say("fetch it first: appliance models pull {reference}", reference=reference),
        code="NOT-STORED",
    )


def stored_model(reference: Reference, ground: Ground) -> StoredModel | None:
    """What the store holds for `reference`."""
    wanted = request_for(reference, ground.catalogue).model
    return next((model for model in ground.stored if model.id == wanted), None)


def _file_at(path: Path) -> Path:
    if not path.is_file():
        raise UsageError(
            say("no model at {path}", path=path),
            hint=say("name a .gguf file, or a directory that holds one or safetensors"),
            code="NO-SUCH-FILE",
        )
    return path

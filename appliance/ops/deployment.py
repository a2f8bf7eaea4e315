"""A deployment: what was chosen to run here, complete enough to start it again after a reboot."""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

from appliance.catalog.models import Catalogue
from appliance.core.inventory import Card, Document
from appliance.core.plan import Choice
from appliance.core.reference import CatalogReference, parse_reference
from appliance.engines.recipes import recipe
from appliance.engines.request import EngineRequest


class Deployment(Document, frozen=True, kw_only=True):
    """`context` is one conversation's tokens.

    `served_as` is the model name that clients ask for (`None`: the `id`); deployments of one name
    answer in turn, each on cards of its own kind.
    `adapt` is the operator's leave to serve a smaller plan where this one cannot run.
    """

    id: str
    model: str
    variant: str
    engine: str
    recipe: str
    cards: list[str]
    model_path: str
    context: int
    slots: int
    kv_type: str = "f16"
    ubatch: int = 512
    threads: int | None = None
    tensor_parallel: int = 1
    pipeline_parallel: int = 1
    replicas: int = 1
    host_layers: int = 0
    family: str | None = None
    architecture: str | None = None
    quant: str | None = None
    model_class: str | None = None
    cache_mib: int | None = None
    self_test: bool = False
    adapt: bool = False
    served_as: str | None = None

    @property
    def name(self) -> str:
        """The model name that clients ask for."""
        return self.served_as or self.id

    def replica_cards(self) -> dict[str, list[str]]:
        """Every replica by its id, with its own share of the cards."""
        share = len(self.cards) // self.replicas
        return {
            f"{self.id}-{number}": self.cards[number * share : (number + 1) * share] or self.cards
            for number in range(self.replicas)
        }


def same_engine(one: Deployment, other: Deployment, replica_id: str) -> bool:
    """Whether a replica's engine does for one deployment just what it does for the other."""
    cards = [work.replica_cards().get(replica_id) for work in (one, other)]
    plain = [msgspec.structs.replace(work, cards=[], adapt=False) for work in (one, other)]
    return plain[0] == plain[1] and cards[0] == cards[1]


def deployment_of(choice: Choice, model_path: str, catalogue: Catalogue) -> Deployment:
    """The deployment that carries out `choice` with the weights at `model_path`."""
    plain = Deployment(
        id=deployment_id(choice.model),
        model=choice.model,
        variant=choice.variant,
        engine=choice.engine,
        recipe=choice.recipe,
        cards=choice.cards,
        model_path=model_path,
        context=choice.context,
        slots=choice.slots,
        kv_type=choice.kv_type,
        ubatch=choice.ubatch,
        tensor_parallel=choice.tensor_parallel,
        pipeline_parallel=choice.pipeline_parallel,
        replicas=choice.replicas,
        host_layers=choice.host_layers,
        cache_mib=_cache_mib(choice),
    )
    if form := choice.form:
        return msgspec.structs.replace(
            plain, architecture=form.architecture, quant=form.quant, model_class=form.model_class
        )
    reference = parse_reference(choice.variant)
    if not isinstance(reference, CatalogReference):
        return plain
    family, variant = catalogue.variant(reference)
    return msgspec.structs.replace(
        plain,
        family=family.id,
        architecture=family.architecture.gguf,
        quant=variant.quant,
        self_test=family.kind == "self-test",
    )


def _cache_mib(choice: Choice) -> int | None:
    """What was planned for the context of a replica, where its engine has to be told."""
    if not recipe(choice.recipe).limits.told_cache:
        return None
    return math.ceil(max(card.kv_mib for card in choice.memory.per_card))


def request_of(
    work: Deployment,
    cards: Sequence[Card],
    port: int,
    log_path: str | None = None,
    cpus: Sequence[int] = (),
) -> EngineRequest:
    """What one replica of `work`, on `cards`, asks of its engine."""
    return EngineRequest(
        recipe=work.recipe,
        model_path=work.model_path,
        alias=work.name,
        port=port,
        context=work.context,
        slots=work.slots,
        kv_type=work.kv_type,
        ubatch=work.ubatch,
        threads=work.threads,
        cards=list(cards),
        tensor_parallel=work.tensor_parallel,
        pipeline_parallel=work.pipeline_parallel,
        host_layers=work.host_layers,
        cpus=list(cpus),
        log_path=log_path,
        family=work.family,
        architecture=work.architecture,
        quant=work.quant,
        model_class=work.model_class,
        cache_mib=work.cache_mib,
    )


def deployment_id(model: str) -> str:
    """A name that is short, stable and safe in URLs and file names."""
    last = model.rsplit("/", 1)[-1]
    safe = "".join(c if c.isalnum() or c in "._-" else "-" for c in last.lower())
    return safe.strip("-.") or "model"

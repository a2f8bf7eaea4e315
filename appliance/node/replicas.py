"""All replicas of this server: which are wanted, which are kept, and who serves now."""

from __future__ import annotations

import logging
import threading
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from appliance.core.errors import ApplianceError
from appliance.core.i18n import Text, say
from appliance.core.inventory import Card, Inventory
from appliance.core.paths import Paths
from appliance.core.status import SERVING, Hold
from appliance.gateway.routes import ModelRoute
from appliance.node.adoption import adopt_replicas
from appliance.node.evidence import case_of, keep_evidence
from appliance.node.gateway import GatewayKeeper, model_route
from appliance.node.holds import CardHolds
from appliance.node.recent import RecentSamples
from appliance.node.replica import DRAIN_S, ReplicaKeeper
from appliance.node.state import ReplicaRecord, State, now
from appliance.ops.deployment import Deployment, same_engine
from appliance.supervisor.running import Marked
from appliance.telemetry.sampler import Sampler

log = logging.getLogger(__name__)
_EVIDENCE_LINES = 400
_AT_AN_END = ("failed", "degraded")


class Replicas:
    """The table of keepers. Implements `appliance.node.surroundings.Surroundings`."""

    def __init__(
        self,
        paths: Paths,
        state: State,
        sampler: Sampler,
        gateway: GatewayKeeper,
        holds: CardHolds,
    ) -> None:
        self.paths = paths
        self.state = state
        self.changing = threading.RLock()  # one change of the table at a time
        self.recent = RecentSamples(sampler)
        self._sampler = sampler
        self._gateway = gateway
        self._holds = holds
        self._keepers: dict[str, ReplicaKeeper] = {}
        self._ending: list[ReplicaKeeper] = []
        self._lock = threading.Lock()  # of the table; never held while one is stopped

    # -- what is there ----------------------------------------------------------------------

    def wanted(self) -> dict[str, Deployment]:
        """The deployments that should run, by id."""
        return {d.deployment.id: d.deployment for d in self.state.deployments() if d.wanted}

    def kept(self, deployment_id: str | None = None) -> dict[str, ReplicaKeeper]:
        """The keepers of a deployment, or all, by replica."""
        with self._lock:
            return {
                replica_id: keeper
                for replica_id, keeper in self._keepers.items()
                if deployment_id in (None, keeper.deployment.id)
            }

    def cards_in_use(self) -> set[str]:
        """Ids of the accelerators that deployments are to run on, held ones too."""
        return {card for work in self.wanted().values() for card in work.cards} - {"cpu"}

    # -- making it so -----------------------------------------------------------------------

    def adopt(self, ours: Collection[Marked]) -> None:
        """Go on with what an earlier daemon started."""
        wanted = self._wanted_replicas()
        records = adopt_replicas(self.state, wanted, ours)
        for replica_id, work in wanted.items():
            self._add(replica_id, work, records.get(replica_id))

    def reconcile(self, restart_failed: str | None = None, *, drain_s: float = DRAIN_S) -> None:
        """End what is not wanted (any more, or in this way), start what is."""
        with self.changing:
            wanted = self._wanted_replicas()
            kept = self.kept()
            for replica_id in wanted.keys() & kept.keys():
                if same_engine(wanted[replica_id], kept[replica_id].deployment, replica_id):
                    kept[replica_id].deployment = wanted[replica_id]
            self.drop(
                [
                    replica_id
                    for replica_id, keeper in kept.items()
                    if wanted.get(replica_id) != keeper.deployment
                    or (
                        keeper.deployment.id == restart_failed and keeper.record.state in _AT_AN_END
                    )
                ],
                drain_s=drain_s,
            )
            for replica_id in wanted.keys() - self.kept().keys():
                self._add(replica_id, wanted[replica_id])
        self.publish()

    def drop(self, replica_ids: Collection[str], *, drain_s: float) -> None:
        """Take replicas from the gateway first, then end them, all at once."""
        if not replica_ids:
            return
        with self._lock:
            keepers = [self._keepers.pop(replica_id) for replica_id in replica_ids]
            self._ending += keepers
        self.publish()
        try:
            with ThreadPoolExecutor(len(keepers)) as pool:
                list(pool.map(partial(ReplicaKeeper.stop, drain_s=drain_s), keepers))
        finally:
            with self._lock:
                self._ending = [keeper for keeper in self._ending if keeper not in keepers]

    def hurry(self, deployment_id: str | None = None) -> None:
        """Let nobody who is being ended wait for running answers."""
        with self._lock:
            ending = [*self._ending, *self._keepers.values()]
        for keeper in ending:
            if deployment_id in (None, keeper.deployment.id):
                keeper.hurry()

    def _wanted_replicas(self) -> dict[str, Deployment]:
        return {rid: work for work in self.wanted().values() for rid in work.replica_cards()}

    def _add(self, replica_id: str, work: Deployment, record: ReplicaRecord | None = None) -> None:
        fresh = ReplicaRecord(id=replica_id, work=work, since=now())
        keeper = ReplicaKeeper(record or fresh, work, self)
        with self._lock:
            self._keepers[replica_id] = keeper
        keeper.start()

    # -- what keepers need ------------------------------------------------------------------

    def cards_of(self, card_ids: Collection[str]) -> list[Card]:
        """The cards to start on. Raises `ApplianceError` (`CARD-LOST`) unless all are there."""
        if list(card_ids) == ["cpu"]:
            return [Card(id="cpu", vendor="cpu")]
        cards = _present(card_ids, self._sampler.inventory())
        if len(cards) < len(card_ids):
            cards = _present(card_ids, self._sampler.inventory(fresh=True))
        if missing := set(card_ids) - {card.id for card in cards}:
            raise ApplianceError(
                say("these cards are not there: {cards}", cards=", ".join(sorted(missing))),
                hint=say("see `appliance detect`; `appliance up` plans with what is there"),
                code="CARD-LOST",
            )
        return cards

    def hold_on(self, card_ids: Collection[str]) -> tuple[str, Hold] | None:
        """The first of these cards that must not be used, and why."""
        return self._holds.on(card_ids)

    def keep_evidence(self, code: str, cards: Collection[str], reason: Text) -> str | None:
        """Keep what can be seen now; returns where, or nothing where the disk is full."""
        concerned = [k for k in self.kept().values() if set(k.record.cards) & set(cards)]
        try:
            directory = keep_evidence(
                self.paths,
                case_of(code, sorted(cards), str(reason)),
                samples=self.recent.samples(),
                inventory=self._sampler.inventory(),
                engine_logs={k.record.id: k.log_file.tail(_EVIDENCE_LINES) for k in concerned},
            )
        except OSError as error:
            log.warning("no evidence of %s is kept: %s", code, error)
            return None
        return str(directory)

    def publish(self) -> None:
        """Tell the gateway who serves. A wanted model without a ready replica stays: requests wait.

        A replica with a held card is left out at once, whatever its keeper is busy with.
        Deployments that are served under one name are one model with the workers of them all.
        """
        named: dict[str, list[Deployment]] = {}
        for work in self.wanted().values():
            named.setdefault(work.name, []).append(work)
        with self._lock:
            self._gateway.route([self._route(name, works) for name, works in named.items()])

    def _route(self, name: str, works: Sequence[Deployment]) -> ModelRoute:
        ports: dict[str, int] = {}
        for work in works:
            ports |= self._ports_of(work.id)
        coming = any(self._is_coming(work) for work in works)
        return model_route(name, shared_names(works), ports, coming=coming)

    def _is_coming(self, work: Deployment) -> bool:
        """Whether a replica of it ends in order to be replaced, or loads for the first time."""
        ending = {keeper.record.id for keeper in self._ending}
        kept = [k for k in self._keepers.values() if k.deployment.id == work.id]
        return bool(ending & work.replica_cards().keys()) or any(k.coming for k in kept)

    def _ports_of(self, deployment_id: str) -> dict[str, int]:
        ports = {}
        for replica_id, keeper in self._keepers.items():
            record, mine = keeper.record, keeper.deployment.id == deployment_id
            serves = record.state in SERVING and self._holds.on(record.cards) is None
            if mine and serves and record.identity:
                ports[replica_id] = record.identity.port
        return ports


def shared_names(works: Sequence[Deployment]) -> list[str]:
    """What else clients may call deployments of one name: only what is true of each of them."""
    first, *others = works
    names = ("variant", "model")
    return [
        getattr(first, kind)
        for kind in names
        if all(getattr(work, kind) == getattr(first, kind) for work in others)
    ]


def _present(card_ids: Collection[str], inventory: Inventory) -> list[Card]:
    """The cards of these ids that a driver answers for."""
    found = [inventory.card(card_id) for card_id in card_ids]
    return [card for card in found if card and card.state in ("ok", "degraded")]

"""One server's daemon: makes what runs match what is wanted, and keeps it so."""

from __future__ import annotations

import logging
import threading
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor

from appliance.core.documents import from_json, to_json
from appliance.core.errors import ApplianceError, UsageError
from appliance.core.i18n import say
from appliance.core.inventory import Card, Inventory
from appliance.core.paths import Paths
from appliance.core.progress import Cancel
from appliance.core.status import SERVING, DeploymentStatus
from appliance.gateway.keys import KeyStore
from appliance.gateway.process import KEYS_FILE
from appliance.node.adoption import adopt_gateway, adopt_replicas
from appliance.node.gateway import GatewayKeeper, model_route
from appliance.node.jobs import Jobs
from appliance.node.pulls import Pulls
from appliance.node.replica import ReplicaKeeper, log_file_of
from appliance.node.start import state_file
from appliance.node.state import ReplicaRecord, State, now
from appliance.node.statuses import deployment_status
from appliance.node.traffic import Traffic
from appliance.ops.deployment import Deployment
from appliance.supervisor.logs import LogFile
from appliance.supervisor.running import marked
from appliance.telemetry.sampler import Sampler

log = logging.getLogger(__name__)
_RECONCILE_S = 5.0
_DEATHS_TO_GIVE_UP = 2
_JOB_GRACE_S = 5.0
_LEAVE_S = 2.0
_FIRST_KEY = "first"
_ON_TRIAL = "deployment.on_trial"


class Node:
    """Owns the state, the keepers and the jobs. Implements `appliance.ops.up.Services`."""

    def __init__(self, paths: Paths) -> None:
        self.paths = paths
        self.since = now()
        self.state = State(state_file(paths))
        self.jobs = Jobs()
        self.pulls = Pulls(self.jobs, self.state, paths)
        self.up_lock = threading.Lock()
        self.sampler = Sampler(paths.state)
        self.gateway = GatewayKeeper(paths, self.state)
        self._traffic = Traffic(paths.gateway_socket)
        self.keys = KeyStore(paths.state / KEYS_FILE)
        self._keepers: dict[str, ReplicaKeeper] = {}
        self._lock = threading.Lock()  # the table of keepers; never held while one is stopped
        self._reconciling = threading.RLock()  # one change of the table at a time
        self._stopping = False
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="reconcile", daemon=True)

    def start(self) -> None:
        """Adopt what runs already, then keep everything that is wanted."""
        self.state.record("info", "DAEMON-START", "daemon", say("the daemon started"))
        self._end_trial()
        self._adopt()
        self._reconcile()
        self.gateway.start()
        self.sampler.start()
        self.pulls.restore()
        self._thread.start()

    def close(self) -> None:
        """Leave: engines and gateway go on serving."""
        self._end.set()
        self.pulls.close()
        self.jobs.cancel_all()
        keepers = [self.gateway, *self._snapshot().values()]
        for keeper in keepers:
            keeper.leave()
        for keeper in keepers:
            keeper.join(_LEAVE_S)
        self.sampler.stop()
        self._traffic.close()
        self.keys.close()
        self.state.close()

    def stop_all(self) -> None:
        """Stop everything of ours but this daemon, and want nothing any more."""
        self.pulls.close(pause=True)
        self.jobs.cancel_all()
        self.up_lock.acquire(timeout=_JOB_GRACE_S)
        with self._reconciling:
            self._stopping = True
            self.state.unwant()
            self._reconcile()
        self._end.set()
        self.gateway.stop()
        self.state.record("info", "STOPPED", "daemon", say("everything was stopped"))

    # -- what the main job needs ------------------------------------------------------------

    def inventory(self) -> Inventory:
        """What is in this server, looked at afresh."""
        return self.sampler.inventory(fresh=True)

    def statuses(self) -> list[DeploymentStatus]:
        """What is deployed, stopped deployments too."""
        endpoint = self.gateway.known_endpoint()
        keepers = self._snapshot()
        traffic = self._traffic.read()
        return [
            deployment_status(
                d.deployment, d.wanted, keepers, endpoint, traffic.get(d.deployment.id)
            )
            for d in self.state.deployments()
        ]

    def deploy(self, deployment: Deployment) -> Deployment | None:
        """Make `deployment` run from now on; returns what ran under its name before.

        Raises `ApplianceError` while everything is being stopped.
        """
        with self._reconciling:
            self.refuse_when_stopping()
            before = self._wanted().get(deployment.id)
            self.state.want(deployment)
            text = say("{variant} is to run on {cards}", variant=deployment.variant,
                       cards=", ".join(deployment.cards))  # fmt: skip
            self.state.record("info", "WANTED", deployment.id, text)
            self._reconcile(restart_failed=deployment.id)
        return before

    def refuse_when_stopping(self) -> None:
        """Raise when a `down` of everything has begun."""
        if self._stopping:
            raise ApplianceError(
                say("everything here is being stopped"),
                hint=say("run the same command again in a moment"),
                code="STOPPING",
            )

    def withdraw(self, deployment_id: str, before: Deployment | None) -> None:
        """Undo `deploy`: what ran before runs again, or nothing does."""
        with self._reconciling:
            if before and not self._stopping:
                self.state.want(before)
            else:
                self.state.unwant(deployment_id)
            self._reconcile()

    def on_trial(self, before: Deployment | None) -> None:
        """`before` is what to go back to should this daemon die while settings are tried."""
        self.state.set_setting(_ON_TRIAL, to_json(before) if before else "")

    def _end_trial(self) -> None:
        if before := self.state.setting(_ON_TRIAL):
            self.state.want(from_json(before, Deployment))
            self.on_trial(None)

    def await_ready(self, deployment_id: str, cancel: Cancel) -> None:
        """Return when every replica serves. Raises, with its last words, when one does not."""
        while True:
            cancel.check()
            keepers = [k for k in self._snapshot().values() if k.deployment.id == deployment_id]
            if not keepers:
                raise ApplianceError(
                    say("{id} was stopped while it started", id=deployment_id),
                    hint=say("run `appliance up` again"),
                )
            if all(k.record.state in SERVING for k in keepers):
                return
            for keeper in keepers:
                if keeper.deaths >= _DEATHS_TO_GIVE_UP and keeper.record.state == "failed":
                    raise _does_not_start(keeper)
            cancel.wait(0.05)

    def endpoint(self) -> str:
        """The base URL people use."""
        return self.gateway.endpoint()

    def first_key(self, name: str | None = None) -> str | None:
        """A new key, called `name`, when there has never been one."""
        if self.keys.list():
            return None
        return self.keys.add(name or _FIRST_KEY).key

    # -- what front ends ask for ------------------------------------------------------------

    def stop_deployment(self, name: str) -> None:
        """Stop one deployment. Raises `UsageError` for an unknown one."""
        deployment = self.known(name)
        self.state.unwant(deployment.id)
        self._reconcile()
        self.state.record("info", "STOPPED", deployment.id, say("stopped"))

    def restart_deployment(self, name: str) -> None:
        """Stop the engines of a deployment and start them afresh."""
        with self._reconciling:
            self.refuse_when_stopping()
            deployment = self.known(name)
            keepers = self._snapshot().items()
            self._drop([rid for rid, k in keepers if k.deployment.id == deployment.id])
            self.state.want(deployment)
            self.state.record("info", "RESTARTED", deployment.id, say("restarted"))
            self._reconcile()

    def known(self, name: str) -> Deployment:
        """The deployment with this id, model or variant. Raises `UsageError` for an unknown one."""
        known = [d.deployment for d in self.state.deployments()]
        for deployment in known:
            if name in (deployment.id, deployment.model, deployment.variant):
                return deployment
        raise UsageError(
            say("no such deployment: {id}", id=name),
            hint=say("there are: {ids}", ids=", ".join(d.id for d in known) or "-"),
            code="NO-SUCH-DEPLOYMENT",
        )

    def log_of(self, name: str) -> LogFile:
        """The log of a deployment's first replica."""
        return log_file_of(next(iter(self.known(name).replica_cards())), self.paths)

    # -- reconciling ------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._end.wait(_RECONCILE_S):
            try:
                self._reconcile()
            except Exception:
                log.exception("reconciling failed")

    def _adopt(self) -> None:
        ours = marked(self.paths.state)
        wanted = self._wanted_replicas()
        records = adopt_replicas(self.state, wanted, ours)
        adopt_gateway(self.gateway, ours)
        for replica_id, deployment in wanted.items():
            self._add(replica_id, deployment, records.get(replica_id))

    def _reconcile(self, restart_failed: str | None = None) -> None:
        with self._reconciling:
            wanted = self._wanted_replicas()
            self._drop(
                [
                    replica_id
                    for replica_id, keeper in self._snapshot().items()
                    if wanted.get(replica_id) != keeper.deployment
                    or (keeper.deployment.id == restart_failed and keeper.record.state == "failed")
                ]
            )
            for replica_id in wanted.keys() - self._snapshot().keys():
                self._add(replica_id, wanted[replica_id])
        self._publish()

    def _wanted(self) -> dict[str, Deployment]:
        return {d.deployment.id: d.deployment for d in self.state.deployments() if d.wanted}

    def _wanted_replicas(self) -> dict[str, Deployment]:
        return {rid: d for d in self._wanted().values() for rid in d.replica_cards()}

    def _snapshot(self) -> dict[str, ReplicaKeeper]:
        with self._lock:
            return dict(self._keepers)

    def _add(
        self, replica_id: str, deployment: Deployment, record: ReplicaRecord | None = None
    ) -> None:
        keeper = ReplicaKeeper(
            record or ReplicaRecord(id=replica_id, work=deployment, since=now()),
            deployment,
            cards=self._cards_of,
            paths=self.paths,
            state=self.state,
            on_change=self._publish,
        )
        with self._lock:
            self._keepers[replica_id] = keeper
        keeper.start()

    def _drop(self, replica_ids: Collection[str]) -> None:
        """Take replicas from the gateway first, then end them, all at once."""
        if not replica_ids:
            return
        with self._lock:
            keepers = [self._keepers.pop(replica_id) for replica_id in replica_ids]
        self._publish()
        with ThreadPoolExecutor(len(keepers)) as pool:
            list(pool.map(ReplicaKeeper.stop, keepers))

    def _cards_of(self, card_ids: Collection[str]) -> list[Card]:
        """The cards to start on. Raises `ApplianceError` (`CARD-LOST`) unless all are there."""
        if list(card_ids) == ["cpu"]:
            return [Card(id="cpu", vendor="cpu")]
        cards = _present(card_ids, self.sampler.inventory())
        if len(cards) < len(card_ids):
            cards = _present(card_ids, self.sampler.inventory(fresh=True))
        if missing := set(card_ids) - {card.id for card in cards}:
            raise ApplianceError(
                say("these cards are not there: {cards}", cards=", ".join(sorted(missing))),
                hint=say("see `appliance detect`; `appliance up` plans with what is there"),
                code="CARD-LOST",
            )
        return cards

    def _publish(self) -> None:
        """Tell the gateway who is ready. A model without a ready replica stays: requests wait."""
        with self._lock:
            ports: dict[str, dict[str, int]] = {}
            deployments: dict[str, Deployment] = {}
            for keeper in self._keepers.values():
                record, deployment = keeper.record, keeper.deployment
                deployments[deployment.id] = deployment
                serving = ports.setdefault(deployment.id, {})
                if record.state in SERVING and record.identity:
                    serving[record.id] = record.identity.port
            routes = [
                model_route(i, [d.variant, d.model], ports[i]) for i, d in deployments.items()
            ]
            self.gateway.route(routes)


def _present(card_ids: Collection[str], inventory: Inventory) -> list[Card]:
    """The cards of these ids that a driver answers for."""
    found = [inventory.card(card_id) for card_id in card_ids]
    return [card for card in found if card and card.state in ("ok", "degraded")]


def _does_not_start(keeper: ReplicaKeeper) -> ApplianceError:
    cause = keeper.last_death
    words = [line for line in keeper.log_file.tail(40) if line.strip()]
    last = words[-1] if words else "-"
    why = str(cause or keeper.record.reason or "-")
    name = keeper.deployment.id
    return ApplianceError(
        say(
            "the engine of {id} does not start: {why} (its last words: {last})",
            id=name,
            why=why,
            last=last[-200:],
        ),
        hint=cause.hint if cause else say("see `appliance logs {id}`", id=name),
        code=cause.code if cause else "ENGINE-DEAD",
    )

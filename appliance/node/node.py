"""One server's daemon: makes what runs match what is wanted, and keeps it so."""

from __future__ import annotations

import logging
import threading

import msgspec

from appliance.core.errors import ApplianceError, UsageError
from appliance.core.i18n import say
from appliance.core.inventory import Card, Inventory
from appliance.core.paths import Paths
from appliance.core.progress import Cancel
from appliance.core.status import SERVING, DeploymentStatus
from appliance.gateway.keys import KeyStore
from appliance.gateway.process import KEYS_FILE
from appliance.node.gateway import GatewayKeeper, model_route
from appliance.node.jobs import Jobs
from appliance.node.orphans import identity_of, marked_processes
from appliance.node.replica import ReplicaKeeper
from appliance.node.start import state_file
from appliance.node.state import ReplicaRecord, State, now
from appliance.node.statuses import deployment_status
from appliance.ops.deployment import Deployment
from appliance.supervisor.process import ProcessIdentity, alive, stop
from appliance.telemetry.sampler import Sampler

log = logging.getLogger(__name__)
_RECONCILE_S = 5.0
_DEATHS_TO_GIVE_UP = 2
_JOB_GRACE_S = 5.0
_FIRST_KEY = "first"


class Node:
    """Owns the state, the keepers and the jobs. Implements `appliance.ops.up.Services`."""

    def __init__(self, paths: Paths) -> None:
        self.paths = paths
        self.since = now()
        self.state = State(state_file(paths))
        self.jobs = Jobs()
        self.up_lock = threading.Lock()
        self.sampler = Sampler(paths.state)
        self.gateway = GatewayKeeper(paths, self.state)
        self.keys = KeyStore(paths.state / KEYS_FILE)
        self._keepers: dict[str, ReplicaKeeper] = {}
        self._lock = threading.Lock()  # the table of keepers; never held while one is stopped
        self._reconciling = threading.RLock()  # one change of the table at a time
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="reconcile", daemon=True)

    def start(self) -> None:
        """Adopt what runs already, then keep everything that is wanted."""
        self.state.record("info", "DAEMON-START", "daemon", say("the daemon started"))
        self._adopt()
        self._reconcile()
        self.gateway.start()
        self.sampler.start()
        self._thread.start()

    def close(self) -> None:
        """Leave: engines and gateway go on serving."""
        self._end.set()
        self.jobs.cancel_all()
        self.sampler.stop()
        self.state.close()

    def stop_all(self) -> None:
        """Stop everything of ours but this daemon, and want nothing any more."""
        self.jobs.cancel_all()
        self.up_lock.acquire(timeout=_JOB_GRACE_S)
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
        return [
            deployment_status(d.deployment, d.wanted, keepers, endpoint)
            for d in self.state.deployments()
        ]

    def deploy(self, deployment: Deployment) -> Deployment | None:
        """Make `deployment` run from now on; returns what ran under its name before."""
        wanted = [d.deployment for d in self.state.deployments() if d.wanted]
        before = next((d for d in wanted if d.id == deployment.id), None)
        self.state.want(deployment)
        text = say("{variant} is to run on {cards}", variant=deployment.variant,
                   cards=", ".join(deployment.cards))  # fmt: skip
        self.state.record("info", "WANTED", deployment.id, text)
        self._reconcile(restart_failed=deployment.id)
        return before

    def withdraw(self, deployment_id: str, before: Deployment | None) -> None:
        """Undo `deploy`: what ran before runs again, or nothing does."""
        if before:
            self.state.want(before)
        else:
            self.state.unwant(deployment_id)
        self._reconcile()

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

    def first_key(self) -> str | None:
        """A new key when there has never been one."""
        if self.keys.list():
            return None
        return self.keys.add(_FIRST_KEY).key

    # -- what front ends ask for ------------------------------------------------------------

    def stop_deployment(self, deployment_id: str) -> None:
        """Stop one deployment. Raises `UsageError` for an unknown one."""
        self.known(deployment_id)
        self.state.unwant(deployment_id)
        self._reconcile()
        self.state.record("info", "STOPPED", deployment_id, say("stopped"))

    def restart_deployment(self, deployment_id: str) -> None:
        """Stop the engines of a deployment and start them afresh."""
        deployment = self.known(deployment_id)
        with self._lock:
            for replica_id in [
                r for r, k in self._keepers.items() if k.deployment.id == deployment_id
            ]:
                self._drop(replica_id)
        self.state.want(deployment)
        self.state.record("info", "RESTARTED", deployment_id, say("restarted"))
        self._reconcile()

    def known(self, deployment_id: str) -> Deployment:
        """The deployment with this id, model or variant. Raises `UsageError` for an unknown one."""
        known = [d.deployment for d in self.state.deployments()]
        for deployment in known:
            if deployment_id in (deployment.id, deployment.model, deployment.variant):
                return deployment
        raise UsageError(
            say("no such deployment: {id}", id=deployment_id),
            hint=say("there are: {ids}", ids=", ".join(d.id for d in known) or "-"),
            code="NO-SUCH-DEPLOYMENT",
        )

    def log_of(self, deployment_id: str) -> ReplicaKeeper:
        """The keeper whose log tells of the deployment's first replica."""
        deployment = self.known(deployment_id)
        for keeper in self._snapshot().values():
            if keeper.deployment.id == deployment.id:
                return keeper
        return self._keeper(_replica_ids(deployment)[0], deployment, None)

    # -- reconciling ------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._end.wait(_RECONCILE_S):
            try:
                self._reconcile()
            except Exception:
                log.exception("reconciling failed")

    def _adopt(self) -> None:
        """Match remembered replicas with live processes; end processes that nobody wants."""
        marked = marked_processes(self.paths.state)
        records = {r.id: r for r in self.state.replicas()}
        wanted = {
            rid: d.deployment
            for d in self.state.deployments()
            if d.wanted
            for rid in _replica_ids(d.deployment)
        }
        for pid, replica_id in marked.items():
            if replica_id == "gateway":
                continue
            record = records.get(replica_id)
            identity = identity_of(pid, (record.port if record else None) or 0)
            if identity is None:
                continue
            known = bool(record and record.identity and alive(record.identity))
            if replica_id not in wanted or (known and record and record.identity != identity):
                log.warning("ending process %s of %s: nobody wants it", pid, replica_id)
                stop(identity, grace_s=5.0)
            elif record and not known:
                records[replica_id] = _adopted(record, identity)
                self.state.save_replica(records[replica_id])
        self._adopt_gateway(marked)
        for replica_id, deployment in wanted.items():
            record = records.get(replica_id)
            if record and record.identity and record.work != deployment:
                stop(record.identity, grace_s=5.0)
            elif record and record.identity and alive(record.identity):
                log.info("adopted %s, pid %s", replica_id, record.identity.pid)
            self._add(self._keeper(replica_id, deployment, record))
        self._publish()

    def _adopt_gateway(self, marked: dict[int, str]) -> None:
        known = self.gateway.identity
        for pid, replica_id in marked.items():
            if replica_id != "gateway" or (known and known.pid == pid):
                continue
            port = int(self.state.setting("endpoint_port") or 0)
            identity = identity_of(pid, port)
            if identity and (known is None or not alive(known)):
                self.gateway.adopt(identity)
                known = identity
            elif identity:
                stop(identity, grace_s=5.0)

    def _reconcile(self, restart_failed: str | None = None) -> None:
        with self._reconciling:
            wanted: dict[str, Deployment] = {}
            for d in self.state.deployments():
                if d.wanted:
                    wanted.update(dict.fromkeys(_replica_ids(d.deployment), d.deployment))
            for replica_id, keeper in self._snapshot().items():
                changed = wanted.get(replica_id) != keeper.deployment
                tired = keeper.deployment.id == restart_failed and keeper.record.state == "failed"
                if changed or tired:
                    self._drop(replica_id)
            for replica_id, deployment in wanted.items():
                if replica_id not in self._snapshot():
                    self._add(self._keeper(replica_id, deployment, None))
        self._publish()

    def _snapshot(self) -> dict[str, ReplicaKeeper]:
        with self._lock:
            return dict(self._keepers)

    def _add(self, keeper: ReplicaKeeper) -> None:
        with self._lock:
            self._keepers[keeper.record.id] = keeper
        keeper.start()

    def _drop(self, replica_id: str) -> None:
        """Take a replica from the gateway first, then end it."""
        with self._lock:
            keeper = self._keepers.pop(replica_id)
        self._publish()
        keeper.stop()

    def _keeper(
        self, replica_id: str, deployment: Deployment, record: ReplicaRecord | None
    ) -> ReplicaKeeper:
        cards = self._cards_of(deployment)
        fresh = ReplicaRecord(
            id=replica_id, deployment=deployment.id, cards=deployment.cards, since=now()
        )
        same = record if record and record.work == deployment else None
        return ReplicaKeeper(
            same or msgspec.structs.replace(fresh, work=deployment),
            deployment,
            cards,
            paths=self.paths,
            state=self.state,
            on_change=self._publish,
        )

    def _cards_of(self, deployment: Deployment) -> list[Card]:
        if deployment.cards == ["cpu"]:
            return [Card(id="cpu", vendor="cpu")]
        found = [self.sampler.inventory().card(card_id) for card_id in deployment.cards]
        return [card for card in found if card]

    def _publish(self) -> None:
        """Tell the gateway who is ready. A model without a ready replica stays: requests wait."""
        with self._lock:
            ports: dict[str, dict[str, int]] = {}
            deployments: dict[str, Deployment] = {}
            for keeper in self._keepers.values():
                record = keeper.record
                deployments[record.deployment] = keeper.deployment
                serving = ports.setdefault(record.deployment, {})
                if record.state in SERVING and record.identity:
                    serving[record.id] = record.identity.port
            routes = [
                model_route(i, [d.variant, d.model], ports[i]) for i, d in deployments.items()
            ]
            self.gateway.route(routes)


def _replica_ids(deployment: Deployment) -> list[str]:
    return [f"{deployment.id}-{number}" for number in range(deployment.replicas)]


def _adopted(record: ReplicaRecord, identity: ProcessIdentity) -> ReplicaRecord:
    return msgspec.structs.replace(record, identity=identity, state="starting", reason=None)


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

"""One server's daemon: makes what runs match what is wanted, and keeps it so."""

from __future__ import annotations

import logging
import threading

import msgspec

from appliance.core.documents import from_json, to_json
from appliance.core.errors import ApplianceError, UsageError
from appliance.core.i18n import Text, say
from appliance.core.inventory import Card, Inventory
from appliance.core.paths import Paths
from appliance.core.progress import Cancel
from appliance.core.sample import Sample
from appliance.core.status import SERVING, DeploymentStatus, Hold
from appliance.gateway.keys import KeyStore
from appliance.gateway.process import KEYS_FILE
from appliance.node import observed
from appliance.node.adoption import adopt_gateway
from appliance.node.card_watch import CardWatch
from appliance.node.gateway import GatewayKeeper
from appliance.node.holds import CardHolds
from appliance.node.jobs import Jobs
from appliance.node.memory_guard import MemoryGuard
from appliance.node.peers import Sharing
from appliance.node.pulls import Pulls
from appliance.node.replanner import Replanner
from appliance.node.replica import DRAIN_S, ReplicaKeeper, log_file_of
from appliance.node.replicas import Replicas
from appliance.node.start import state_file
from appliance.node.state import State, now
from appliance.node.statuses import deployment_status
from appliance.node.traffic import Traffic
from appliance.ops.deployment import Deployment
from appliance.ops.store import open_store
from appliance.supervisor.diagnosis import Diagnosis
from appliance.supervisor.logs import LogFile
from appliance.supervisor.running import marked
from appliance.telemetry.sampler import Sampler
from appliance.weights.cleanup import clean_up_leftovers

log = logging.getLogger(__name__)
_RECONCILE_S = 5.0
_DEATHS_TO_GIVE_UP = 2
_JOB_GRACE_S = 5.0
_LEAVE_S = 2.0
_FIRST_KEY = "first"
_ON_TRIAL = "deployment.on_trial"


class Node:
    """Owns the state, the keepers and the jobs. Implements `appliance.ops.services.Services`."""

    def __init__(self, paths: Paths) -> None:
        self.paths = paths
        self.since = now()
        self.state = State(state_file(paths))
        self.jobs = Jobs()
        self.pulls = Pulls(self.jobs, self.state, paths)
        self.up_lock = threading.Lock()
        self.sampler = Sampler(paths.state)
        self.gateway = GatewayKeeper(paths, self.state)
        self.sharing = Sharing(paths, self.state)
        self._traffic = Traffic(paths.gateway_socket)
        self.keys = KeyStore(paths.state / KEYS_FILE)
        self.holds = CardHolds(paths)
        self.replicas = Replicas(paths, self.state, self.sampler, self.gateway, self.holds)
        self._minders = [
            CardWatch(self.replicas, self.holds, self.sampler),
            MemoryGuard(self.replicas),
            Replanner(self.replicas, self.holds, self.sampler),
        ]
        self._stopping = False
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="reconcile", daemon=True)

    def start(self) -> None:
        """Adopt what runs already, then keep everything that is wanted."""
        self.state.record("info", "DAEMON-START", "daemon", say("the daemon started"))
        self._end_trial()
        ours = marked(self.paths.state)
        self.replicas.adopt(ours)
        adopt_gateway(self.gateway, ours)
        self.replicas.reconcile()
        self.gateway.start()
        self.sharing.start()
        self.sampler.start()
        for minder in self._minders:
            minder.start()
        clean_up_leftovers(open_store(self.paths))
        self.pulls.restore()
        self._thread.start()

    def close(self) -> None:
        """Leave: engines and gateway go on serving."""
        self._end.set()
        self.pulls.close()
        self.jobs.cancel_all()
        keepers = [self.gateway, *self._minders, *self.replicas.kept().values()]
        for keeper in keepers:
            keeper.leave()
        for keeper in keepers:
            keeper.join(_LEAVE_S)
        self.sampler.stop()
        self._traffic.close()
        self.sharing.stop()
        self.keys.close()
        self.state.close()

    def stop_all(self, *, drain: bool = True) -> None:
        """Stop everything of ours but this daemon, and want nothing any more.

        Running answers get a minute to end, unless `drain` is false.
        """
        self._end_hurriedly(drain)
        self.pulls.close(pause=True)
        self.jobs.cancel_all()
        self.up_lock.acquire(timeout=_JOB_GRACE_S)
        with self.replicas.changing:
            self._stopping = True
            self.state.unwant()
            self.replicas.reconcile(drain_s=_drain_s(drain))
        self._end.set()
        self.gateway.stop()
        self.state.record("info", "STOPPED", "daemon", say("everything was stopped"))

    # -- what the main job needs ------------------------------------------------------------

    def inventory(self) -> Inventory:
        """What is in this server, looked at afresh."""
        return self.sampler.inventory(fresh=True)

    def sample(self, *, processes: bool = False) -> Sample:
        """The newest readings; each process is told by the replica that it belongs to."""
        return observed.sample(self, processes=processes)

    def statuses(self) -> list[DeploymentStatus]:
        """What is deployed, stopped deployments too."""
        endpoint = self.gateway.known_endpoint()
        keepers = self.replicas.kept()
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
        with self.replicas.changing:
            self.refuse_when_stopping()
            before = self.replicas.wanted().get(deployment.id)
            self.state.want(deployment)
            self.state.forget_displaced(deployment.id)
            text = say("{variant} is to run on {cards}", variant=deployment.variant,
                       cards=", ".join(deployment.cards))  # fmt: skip
            self.state.record("info", "WANTED", deployment.id, text)
            self.replicas.reconcile(restart_failed=deployment.id)
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
        with self.replicas.changing:
            if before and not self._stopping:
                self.state.want(before)
            else:
                self.state.unwant(deployment_id)
            self.replicas.reconcile(drain_s=0.0)

    def let_adapt(self, deployment_id: str) -> None:
        """From now on a smaller plan may take its place where this one cannot run."""
        if work := self.replicas.wanted().get(deployment_id):
            self.state.want(msgspec.structs.replace(work, adapt=True))

    def load_seconds(self, deployment_id: str) -> float | None:
        """How long its slowest replica took to load; `None` where this daemon did not see it."""
        took = [keeper.load_s for keeper in self.replicas.kept(deployment_id).values()]
        return max((seconds for seconds in took if seconds is not None), default=None)

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
            keepers = list(self.replicas.kept(deployment_id).values())
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
                if keeper.record.state == "degraded" or self.holds.on(keeper.record.cards):
                    raise _must_not_serve(keeper)
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

    def stop_deployment(self, name: str, *, drain: bool = True) -> None:
        """Stop what is served under a model name, or one deployment of that name by its own id.

        Raises `UsageError` for an unknown one.
        """
        ending = self._to_stop(name)
        for deployment in ending:
            self._end_hurriedly(drain, deployment.id)
            self.state.unwant(deployment.id)
            self.state.forget_displaced(deployment.id)
        self.replicas.reconcile(drain_s=_drain_s(drain))
        for deployment in ending:
            self.state.record("info", "STOPPED", deployment.id, say("stopped"))

    def _to_stop(self, name: str) -> list[Deployment]:
        named = self.known(name)
        if named.served_as and name == named.id:
            return [named]
        others = self.replicas.wanted().values()
        return [named, *(w for w in others if w.name == named.name and w.id != named.id)]

    def restart_deployment(self, name: str) -> None:
        """Stop the engines of a deployment and start them afresh."""
        with self.replicas.changing:
            self.refuse_when_stopping()
            deployment = self.known(name)
            self.replicas.drop(self.replicas.kept(deployment.id), drain_s=DRAIN_S)
            self.state.want(deployment)
            self.state.record("info", "RESTARTED", deployment.id, say("restarted"))
            self.replicas.reconcile()

    def hold_card(self, name: str, reason: str) -> None:
        """Take a card out of service until it is released. Raises `UsageError`."""
        card = self._accelerator(name)
        hold = Hold(kind="maintenance", since=now(), code="CARD-HELD", reason=reason)
        self.holds.hold(card.id, hold)
        self.state.record("info", "CARD-HELD", card.id, say("held: {reason}", reason=reason))
        self.replicas.publish()

    def release_card(self, name: str) -> None:
        """Let a card be used again, by what ran on it before too. Raises `UsageError`."""
        held = {card.id: card for card in self.sampler.inventory().cards}
        card = next((c.id for c in held.values() if name in _names_of(c)), name)
        self.holds.release(card)
        self.state.record("info", "CARD-RELEASED", card, say("released"))

    def _accelerator(self, name: str) -> Card:
        cards = self.sampler.inventory().accelerators()
        for card in cards:
            if name in _names_of(card):
                return card
        raise UsageError(
            say("no such card: {id}", id=name),
            hint=say("there are: {ids}", ids=", ".join(card.id for card in cards))
            if cards
            else say("only accelerators can be held, and this server has none"),
            code="NO-SUCH-CARD",
        )

    def _end_hurriedly(self, drain: bool, deployment_id: str | None = None) -> None:
        """Somebody who was asked to wait does so no longer; asked before any lock is taken."""
        if not drain:
            self.replicas.hurry(deployment_id)

    def known(self, name: str) -> Deployment:
        """The deployment with this id, else of this model or variant.

        Raises `UsageError` for an unknown one.
        """
        known = [d.deployment for d in self.state.deployments()]
        for deployment in sorted(known, key=lambda each: each.id != name):
            if name in (deployment.id, deployment.model, deployment.variant):
                return deployment
        raise UsageError(
            say("no such deployment: {id}", id=name),
            hint=say("there are: {ids}", ids=", ".join(d.id for d in known))
            if known
            else say("nothing is served here; `appliance up` begins"),
            code="NO-SUCH-DEPLOYMENT",
        )

    def log_of(self, name: str) -> LogFile:
        """The log of a deployment's first replica."""
        return log_file_of(next(iter(self.known(name).replica_cards())), self.paths)

    # -- reconciling ------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._end.wait(_RECONCILE_S):
            try:
                self.replicas.reconcile()
            except Exception:
                log.exception("reconciling failed")


def _drain_s(drain: bool) -> float:
    return DRAIN_S if drain else 0.0


def _names_of(card: Card) -> tuple[str, ...]:
    """What people call a card: its id, or maker and number as `detect` shows them."""
    return (card.id, f"{card.vendor}{card.index}") if card.index is not None else (card.id,)


def _hint(cause: Diagnosis) -> Text:
    if cause.way_out != "smaller":
        return cause.hint
    return say("{hint}; `appliance up --adapt` takes a smaller plan by itself", hint=cause.hint)


def _must_not_serve(keeper: ReplicaKeeper) -> ApplianceError:
    record = keeper.record
    return ApplianceError(
        say("{id} must not serve: {why}", id=keeper.deployment.id, why=record.reason or "-"),
        hint=say("see `appliance status`; `appliance up` plans with what is well"),
        code="ENGINE-WRONG-ANSWER" if record.state == "degraded" else "CARD-HELD",
    )


def _does_not_start(keeper: ReplicaKeeper) -> ApplianceError:
    if refusal := keeper.refusal:
        return ApplianceError(
            say(
                "the engine of {id} does not start: {why}",
                id=keeper.deployment.id,
                why=refusal.what,
            ),
            hint=refusal.hint,
            code=refusal.code,
        )
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
        hint=_hint(cause) if cause else say("see `appliance logs {id}`", id=name),
        code=cause.code if cause else "ENGINE-DEAD",
    )

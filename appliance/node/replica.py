"""Keeping one replica: start it, see that it answers, start it again when it does not."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection

import msgspec

from appliance.core.errors import ApplianceError
from appliance.core.i18n import Text, say
from appliance.core.inventory import Card
from appliance.core.paths import Paths
from appliance.core.status import SERVING, ReplicaState
from appliance.engines.build import command_for
from appliance.engines.command import EngineCommand
from appliance.engines.metrics import EngineMetrics, Meter
from appliance.node.keeper import Keeper
from appliance.node.state import ReplicaRecord, State, now
from appliance.ops.deployment import Deployment, request_of
from appliance.supervisor.backoff import Backoff
from appliance.supervisor.diagnosis import Diagnosis, diagnose, oom_kills, way_of_death
from appliance.supervisor.logs import LogFile
from appliance.supervisor.ports import free_port
from appliance.supervisor.probe import Pulse, Signs, answers, cpu_ticks, ready
from appliance.supervisor.running import (
    Identity,
    Mark,
    alive,
    attend,
    exit_status,
    memory_killed,
    start,
    stop,
)

log = logging.getLogger(__name__)
_TICK_S = 0.2
_WATCH_S = 2.0
_STOP_GRACE_S = 10.0
_STILL_S = 20.0  # and one round of probes that time out: found within 30 s
_STILL_LOADING_S = 120.0  # a network file system may stand still for as long


class ReplicaKeeper(Keeper):
    """Keeps one engine process running until it is told to `stop`.

    `cards` gives the cards to start on; it raises while one is missing.
    """

    def __init__(
        self,
        record: ReplicaRecord,
        deployment: Deployment,
        *,
        cards: Callable[[Collection[str]], list[Card]],
        paths: Paths,
        state: State,
        on_change: Callable[[], None],
    ) -> None:
        super().__init__(f"keep-{record.id}", every_s=_TICK_S)
        self.deployment = deployment
        self.log_file = log_file_of(record.id, paths)
        self.metrics: EngineMetrics | None = None
        self.last_death: Diagnosis | None = None
        self._record = record
        self._cards = cards
        self._paths = paths
        self._state = state
        self._on_change = on_change
        self._backoff = Backoff()
        self._start_at = 0.0
        self._watch_at = 0.0
        self._meter: Meter | None = None
        self._pulse = Pulse(still_s=_STILL_S)
        self._oom_kills = oom_kills()
        if record.identity:
            attend(record.identity, self.log_file.path)

    @property
    def record(self) -> ReplicaRecord:
        """What is known of the replica now."""
        return self._record

    @property
    def deaths(self) -> int:
        """Deaths since it last answered somebody."""
        return self._backoff.deaths

    def stop(self) -> None:
        """End the engine, for good."""
        self.leave()
        self._stop_engine()  # whoever waits for its first token need not
        self.join()
        self._stop_engine()
        self._become("stopped", None, identity=None, port=None)

    def _stop_engine(self) -> None:
        if self._record.identity:
            stop(self._record.identity, grace_s=_STOP_GRACE_S)

    def tick(self) -> None:
        """Start it, bury it, ask whether it is ready, or see how it is doing."""
        identity = self._record.identity
        if identity is None:
            if time.monotonic() >= self._start_at:
                self._launch()
        elif not alive(identity):
            self._bury(identity)
        elif self._record.state == "starting":
            self._try(identity)
        elif time.monotonic() >= self._watch_at:
            self._watch_at = time.monotonic() + _WATCH_S
            self._watch(identity)

    def failed(self, error: ApplianceError) -> None:
        """It could not be started or buried; one that runs is none the worse for our faults."""
        identity = self._record.identity
        if identity is None or not alive(identity):
            self._died(error.code, say("{what}", what=str(error)), error.code)

    def _launch(self) -> None:
        port = free_port()
        self._become("starting", None, port=port)
        self._oom_kills = oom_kills()
        command = self._command(port)
        self.log_file.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.log_file.mark(f"start {self._record.id} on port {port}")
        self._pulse = Pulse(still_s=_STILL_LOADING_S)
        mark = Mark(self._paths.state, self._record.id)
        self._become("starting", None, identity=start(command, self.log_file.path, mark))

    def _command(self, port: int) -> EngineCommand:
        cards = self._cards(self._record.cards)
        request = request_of(self.deployment, cards, port, str(self.log_file.path))
        return command_for(request)

    def _bury(self, identity: Identity) -> None:
        if self.leaving:
            return  # we ended it ourselves
        status = exit_status(identity)
        killed = memory_killed(identity)
        stop(identity, grace_s=0.5)
        if killed is None:
            killed = self._memory_killed_somebody()
        cause = diagnose(self._own_log(), status, memory_killed=killed)
        self.last_death = cause
        why = say("{cause}", cause=str(cause)) if cause else say("the engine ended by itself")
        self._died(way_of_death(cause, status), why, "ENGINE-DEAD")

    def _memory_killed_somebody(self) -> bool | None:
        kills = oom_kills()
        return None if None in (kills, self._oom_kills) else kills != self._oom_kills

    def _own_log(self) -> list[str]:
        """The log since the last start; what an earlier try wrote explains nothing."""
        lines = self.log_file.tail(400)
        starts = [i for i, line in enumerate(lines) if " appliance: start " in line]
        return lines[starts[-1] + 1 :] if starts else lines

    def _died(self, way: str, why: Text, code: str) -> None:
        delay = self._backoff.died(way)
        self._start_at = time.monotonic() + delay
        self._meter = None
        self.metrics = None
        self._state.record("fail", code, self._record.id, why)
        self._become("failed", why, identity=None, restarts=self._record.restarts + 1)

    def _try(self, identity: Identity) -> None:
        """Ask a starting engine for one token; loading may take minutes, standing still may not."""
        if answers(identity.port):
            result = ready(identity.port, self.deployment.id)
            if result.ok:
                self._serve(identity)
                return
        if self._pulse.hung(Signs(answers=False, cpu_ticks=cpu_ticks(identity.pid))):
            self._hang(identity, say("it stood still while it loaded the model"))

    def _serve(self, identity: Identity) -> None:
        self._backoff.answered()
        self._pulse = Pulse(still_s=_STILL_S)
        self._meter = Meter(identity.port)
        self._become("ready", None)
        self._state.record("info", "ENGINE-READY", self._record.id, say("ready"))

    def _watch(self, identity: Identity) -> None:
        self._meter = self._meter or Meter(identity.port)
        metrics = self.metrics = self._meter.read()
        running = metrics.requests_running if metrics else None
        progress = (metrics.tokens_total or 0) + (metrics.steps_total or 0) if metrics else None
        signs = Signs(
            answers=metrics is not None or answers(identity.port),
            progress=progress,
            working=None if running is None else running > 0,
            cpu_ticks=cpu_ticks(identity.pid) if running != 0 else None,
        )
        if self._pulse.hung(signs):
            self._hang(identity, say("it stood still for {seconds} seconds", seconds=_STILL_S))
            return
        if metrics:
            self._become_if_new("busy" if running else "ready")
        self.log_file.rotate()

    def _hang(self, identity: Identity, why: Text) -> None:
        log.warning("%s hangs: %s", self._record.id, why)
        stop(identity, grace_s=2.0)
        exit_status(identity)
        self._died("ENGINE-HUNG", why, "ENGINE-HUNG")

    def _become_if_new(self, state: ReplicaState) -> None:
        if state != self._record.state:
            self._become(state, None)

    def _become(self, state: ReplicaState, reason: Text | None, **changes: object) -> None:
        before = self._record
        since = before.since if before.state == state else now()
        self._record = msgspec.structs.replace(
            before, state=state, reason=reason, since=since, **changes
        )
        busy_flip = {before.state, state} <= SERVING and not changes
        if not busy_flip:
            self._remember()
            self._on_change()

    def _remember(self) -> None:
        """A process that cannot be written down (a full disk) still bears our mark."""
        try:
            self._state.save_replica(self._record)
        except ApplianceError as error:
            log.warning("%s is not remembered: %s", self._record.id, error)


def log_file_of(replica_id: str, paths: Paths) -> LogFile:
    """What the engine of a replica writes."""
    return LogFile(paths.logs / f"{replica_id}.log")

"""Keeping one replica: start it, see that it answers, start it again when it does not."""

from __future__ import annotations

import logging
import threading
import time
from pathlib import Path

import msgspec

from appliance.core.errors import ApplianceError
from appliance.core.i18n import Text, say
from appliance.core.inventory import Severity
from appliance.core.paths import Paths
from appliance.core.status import SERVING, Hold, ReplicaState
from appliance.engines.build import command_for
from appliance.engines.command import EngineCommand
from appliance.engines.metrics import EngineMetrics, Meter
from appliance.engines.recipes import recipe
from appliance.node.canary import Canary, culprit
from appliance.node.keeper import Keeper
from appliance.node.restarts import Restarts, again_after, next_try
from appliance.node.state import ReplicaRecord, now
from appliance.node.surroundings import Surroundings
from appliance.ops.deployment import Deployment, request_of
from appliance.ops.pinning import near_cpus
from appliance.supervisor.diagnosis import (
    Diagnosis,
    diagnose,
    known,
    oom_kills,
    way_of_death,
)
from appliance.supervisor.loading import Loading, size_of
from appliance.supervisor.logs import LogFile
from appliance.supervisor.memory import read_memory, resident_mib
from appliance.supervisor.ports import first_free, is_free
from appliance.supervisor.probe import (
    Pulse,
    Readiness,
    Refusals,
    Signs,
    answers,
    cpu_ticks,
    ready,
)
from appliance.supervisor.running import (
    Identity,
    Mark,
    alive,
    attend,
    end_strays,
    exit_status,
    memory_killed,
    start,
    stop,
)

log = logging.getLogger(__name__)
DRAIN_S = 60.0
"""How long running answers may take to end when an engine is stopped in order."""
_TICK_S = 0.2
_WATCH_S = 2.0
_STOP_GRACE_S = 10.0
_STILL_S = 18.0  # and one round of probes that time out: found within 30 s
_STILL_LOADING_S = 120.0  # a network file system may stand still for as long
_SPINNING_LOADING_S = 3600.0  # kernels are compiled for as long, with nothing else to be seen
_REFUSAL_S = 60.0
_LOADING_LOOK_S = 1.0
_DRAIN_LOOK_S = 0.1
_CANARY_PATIENCE_S = 300.0
_LOADING_LINES = 2000
_SERVING_LINES = 200


class ReplicaKeeper(Keeper):
    """Keeps one engine process running until it is told to `stop`."""

    def __init__(self, record: ReplicaRecord, work: Deployment, around: Surroundings) -> None:
        super().__init__(f"keep-{record.id}", every_s=_TICK_S)
        self.deployment = work
        self.log_file = log_file_of(record.id, around.paths)
        self.metrics: EngineMetrics | None = None
        self.last_death: Diagnosis | None = None
        self.refusal: ApplianceError | None = None
        """Why it could not be started (or buried), the last time."""
        self.stuck = False
        """Whether it died three times the same way."""
        self._record = record
        self._around = around
        self._mark = Mark(around.paths.state, record.id)
        self._restarts = Restarts(Path(work.model_path))
        self.load_s: float | None = None
        """Seconds from the last start to the first answer."""
        self._launched_at: float | None = None
        self._watch_at = self._ready_at = 0.0
        self._meter: Meter | None = None
        self._pulse = _pulse_of(record)
        self._refusals = Refusals(patience_s=_REFUSAL_S)
        self._oom_kills = self._oom_kills_lately = oom_kills()
        """How many the kernel had killed at the last look but one: while one is being killed, a
        look may still find it alive."""
        self._loading: Loading | None = None
        self._loading_look_at = 0.0
        self._canary = Canary(work, around.state, around.paths)
        self._hurry = threading.Event()
        self._ended_for_memory = False
        self._needs_mib = 0.0
        self._offer: str | None = None
        if record.identity:
            attend(record.identity, self.log_file.path)

    @property
    def record(self) -> ReplicaRecord:
        """What is known of the replica now."""
        return self._record

    @property
    def deaths(self) -> int:
        """Deaths since it last answered somebody."""
        return self._restarts.deaths

    @property
    def coming(self) -> bool:
        """Whether it loads, and has not died of it."""
        return self._record.state == "starting" and not self.deaths

    @property
    def loading(self) -> Loading | None:
        """How far it is, while it starts."""
        return self._loading if self._record.state == "starting" else None

    # -- ending it --------------------------------------------------------------------------

    def stop(self, drain_s: float = 0.0) -> None:
        """End the engine, for good, once the running answers have ended or `drain_s` is over."""
        self.leave()
        self._drain(drain_s)
        self._stop_engine()  # whoever waits for its first token need not
        self.join()
        self._stop_engine()
        self._become("stopped", None, identity=None, port=None)

    def hurry(self) -> None:
        """Wait for no running answers any more."""
        self._hurry.set()

    def end_for_memory(self) -> None:
        """End it in order, before the kernel or the server's standstill does worse."""
        if identity := self._record.identity:
            self._ended_for_memory = True
            self._needs_mib = resident_mib(identity.pid)
            stop(identity, grace_s=2.0)

    def _drain(self, within_s: float) -> None:
        deadline = time.monotonic() + within_s
        while time.monotonic() < deadline and not self._hurry.wait(_DRAIN_LOOK_S):
            identity = self._record.identity
            if identity is None or not alive(identity):
                return
            metrics = self._new_meter(identity).read()
            if not metrics or not (metrics.requests_running or metrics.requests_waiting):
                return

    def _stop_engine(self) -> None:
        if self._record.identity:
            self._end_engine(self._record.identity)

    def _end_engine(self, identity: Identity, grace_s: float = _STOP_GRACE_S) -> None:
        """End it and what it left outside of its session; nothing of it may hold a card."""
        stop(identity, grace_s=grace_s)
        end_strays(self._mark)

    # -- one look ---------------------------------------------------------------------------

    def tick(self) -> None:
        """Start it, bury it, ask whether it is ready, or see how it is doing."""
        identity = self._record.identity
        held = self._around.hold_on(self._record.cards)
        if held:
            self._quarantine(*held)
        elif identity is None:
            if self._record.state == "quarantined" or self._may_start():
                self._launch()
        elif not alive(identity):
            self._bury(identity)
        elif self._record.state in ("starting", "quarantined"):
            self._try(identity)
        elif time.monotonic() >= self._watch_at:
            self._watch_at = time.monotonic() + _WATCH_S
            self._watch(identity)

    def failed(self, error: ApplianceError) -> None:
        """It could not be started or buried; one that runs is none the worse for our faults."""
        identity = self._record.identity
        if identity is None or not alive(identity):
            self.refusal = error
            self._died(error.code, say("{what}", what=error.what), error.code)

    # -- starting ---------------------------------------------------------------------------

    def _may_start(self) -> bool:
        """Whether it is time, and one that was ended for want of memory would now find some."""
        if not self._restarts.due():
            return False
        memory = read_memory() if self._ended_for_memory else None
        return memory is None or memory.has_room_for(self._needs_mib)

    def _launch(self) -> None:
        port = self._port()
        self.refusal = None
        self._become("starting", None, port=port)
        self._oom_kills = self._oom_kills_lately = oom_kills()
        command = self._command(port)
        log_path = self.log_file.path
        log_path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.log_file.rotate()
        self.log_file.mark(f"start {self._record.id} on port {port}")
        self._loading = self._loading_from(log_path.stat().st_size)
        self._ended_for_memory = False
        self._launched_at = time.monotonic()
        self._become("starting", None, identity=start(command, log_path, self._mark))
        self._pulse = _pulse_of(self._record)
        self._refusals = Refusals(patience_s=_REFUSAL_S)
        self._canary.started_afresh()
        cards = ", ".join(self._record.cards)
        self._event("info", "ENGINE-START", say("started on {cards}", cards=cards))

    def _port(self) -> int:
        """The port it had before: the gateway then need not be told, which a full disk forbids."""
        before = self._record.port
        taken = self.last_death is not None and self.last_death.code == "PORT-TAKEN"
        count = recipe(self.deployment.recipe).ports
        free = before is not None and not taken and is_free(before, count)
        return before if before and free else first_free(count)

    def _command(self, port: int) -> EngineCommand:
        cards = self._around.cards_of(self._record.cards)
        log_path, cpus = str(self.log_file.path), near_cpus(cards)
        return command_for(request_of(self.deployment, cards, port, log_path, cpus))

    def _answers(self, identity: Identity) -> bool:
        return answers(identity.port, recipe(self.deployment.recipe).readiness)

    def _new_meter(self, identity: Identity) -> Meter:
        return Meter(identity.port, recipe(self.deployment.recipe).metrics)

    def _loading_from(self, log_start: int) -> Loading:
        model = Path(self.deployment.model_path)
        return Loading(self.log_file.path, log_start, size_of(model))

    def _try(self, identity: Identity) -> None:
        """Ask a starting engine for one token; loading may take minutes, standing still may not."""
        self._look_at_loading(identity)
        asked = ready(identity.port, self.deployment.name) if self._answers(identity) else None
        if asked and asked.ok:
            self._serve_if_right(identity)
        elif asked and asked.refused:
            self._bear_with(identity, asked)
        elif self._pulse.hung(self._signs_of_loading(identity)):
            self._hang(identity, say("it stood still while it loaded the model"))

    def _bear_with(self, identity: Identity, asked: Readiness) -> None:
        """It says that it is well and answers nobody: for a minute that may pass."""
        why = say("it does not answer a question: {why}", why=asked.why or "-")
        if self._refusals.too_long(asked):
            self._end_engine(identity)
            exit_status(identity)
            self._died("ENGINE-REFUSES", why, "ENGINE-DEAD")
        elif str(self._record.reason) != str(why):
            self._become("starting", why)

    def _look_at_loading(self, identity: Identity) -> None:
        if self._loading is None:  # an earlier daemon started it
            self._loading = self._loading_from(self.log_file.size())
        if time.monotonic() >= self._loading_look_at:
            self._loading_look_at = time.monotonic() + _LOADING_LOOK_S
            self._loading.look(identity.pid)
            self.log_file.rotate()

    def _signs_of_loading(self, identity: Identity) -> Signs:
        progress = self._loading.progress if self._loading else None
        return Signs(answers=False, progress=progress, cpu_ticks=cpu_ticks(identity.pid))

    def _serve_if_right(self, identity: Identity) -> None:
        """One that answered wrongly before serves nobody until its canary is right."""
        fault = self._canary.ask(identity.port) if self._canary.suspected else None
        if fault:
            self._degrade(fault)
        elif not self._canary.suspected:
            self._serve()

    def _serve(self) -> None:
        self._restarts.answered()
        self.stuck = False
        self._offer = None
        self._pulse = Pulse(still_s=_STILL_S)
        self._meter = None
        self._ready_at = time.monotonic()
        if self._launched_at is not None:
            self.load_s = self._ready_at - self._launched_at
            self._launched_at = None
        self._watch_at = self._ready_at + _WATCH_S
        self._event("info", "ENGINE-READY", say("ready"))
        self._become("ready", None)

    # -- watching ---------------------------------------------------------------------------

    def _watch(self, identity: Identity) -> None:
        self._oom_kills, self._oom_kills_lately = self._oom_kills_lately, oom_kills()
        self._meter = self._meter or self._new_meter(identity)
        metrics = self.metrics = self._meter.read()
        running = metrics.requests_running if metrics else None
        progress = (metrics.tokens_total or 0) + (metrics.steps_total or 0) if metrics else None
        signs = Signs(
            answers=metrics is not None or self._answers(identity),
            progress=progress,
            working=None if running is None else running > 0,
            cpu_ticks=cpu_ticks(identity.pid) if running != 0 else None,
        )
        if self._pulse.hung(signs):
            self._hang(identity, say("it stood still for {seconds} seconds", seconds=_STILL_S))
            return
        if metrics and self._record.state in SERVING:
            self._become_if_new("busy" if running else "ready")
        self.log_file.rotate()
        self._mind_the_canary(identity, idle=not running)

    def _become_if_new(self, state: ReplicaState) -> None:
        if state != self._record.state:
            self._become(state, None)

    def _mind_the_canary(self, identity: Identity, *, idle: bool) -> None:
        """Nobody waits for a canary, unless there is always somebody."""
        waited_s = time.monotonic() - self._ready_at
        if self._canary.due() and (idle or waited_s > _CANARY_PATIENCE_S):
            self._canary.begin(identity.port)
        fault = self._canary.take_fault()
        if fault and self._record.state in SERVING:
            self._start_afresh(identity, fault)
        elif self._record.state == "degraded" and self._canary.file_changed:
            self._read_again(identity)
        elif self._record.state == "degraded" and self._canary.cleared:
            self._serve()

    def _read_again(self, identity: Identity) -> None:
        """An engine keeps the file that it has read: one in its place takes a fresh start."""
        self._end_engine(identity)
        exit_status(identity)
        text = say("the model's files have changed: it is started anew")
        self._event("info", "MODEL-CHANGED", text)
        self._become("starting", text, identity=None)

    def _start_afresh(self, identity: Identity, fault: Text) -> None:
        """A fresh load heals what a stray bit did; the canary then decides."""
        why = say("it computes wrongly: {fault}", fault=fault)
        self._around.keep_evidence("ENGINE-WRONG-ANSWER", self._record.cards, why)
        self._end_engine(identity)
        self._died("ENGINE-WRONG-ANSWER", why, "ENGINE-WRONG-ANSWER")

    def _degrade(self, fault: Text) -> None:
        why = say("it computes wrongly, also after a restart: {fault}", fault=fault)
        self._event("fail", "ENGINE-WRONG-ANSWER", why)
        self._become("degraded", why)
        threading.Thread(target=self._name_the_culprit, args=(why,), daemon=True).start()

    def _name_the_culprit(self, why: Text) -> None:
        who = culprit(self.deployment, self._record.cards, self._around.paths)
        self._event("fail", "ENGINE-WRONG-ANSWER", who)
        if self._record.state == "degraded":
            self._become("degraded", say("{why}; {who}", why=why, who=who))

    def _hang(self, identity: Identity, why: Text) -> None:
        log.warning("%s hangs: %s", self._record.id, why)
        self._end_engine(identity, grace_s=2.0)
        exit_status(identity)
        self._died("ENGINE-HUNG", why, "ENGINE-HUNG")

    # -- deaths -----------------------------------------------------------------------------

    def _bury(self, identity: Identity) -> None:
        if self.leaving:
            return  # we ended it ourselves
        status = exit_status(identity)
        killed = memory_killed(identity)
        self._end_engine(identity, grace_s=0.5)
        if killed is None:
            killed = self._memory_killed_somebody()
        cause = (
            known("MEMORY-FORESEEN")
            if self._ended_for_memory
            else diagnose(self._own_log(), status, memory_killed=killed)
        )
        why = cause.text if cause else say("the engine ended by itself")
        self._died(way_of_death(cause, status), why, "ENGINE-DEAD", cause)

    def _memory_killed_somebody(self) -> bool | None:
        kills = oom_kills()
        return None if None in (kills, self._oom_kills) else kills != self._oom_kills

    def _own_log(self) -> list[str]:
        """The log since the last start; what an earlier try wrote explains nothing.

        When it dies as it loads, each of its workers says at length what the first one died of.
        """
        loading = self._record.state == "starting"
        lines = self.log_file.tail(_LOADING_LINES if loading else _SERVING_LINES)
        starts = [i for i, line in enumerate(lines) if " appliance: start " in line]
        return lines[starts[-1] + 1 :] if starts else lines

    def _died(self, way: str, why: Text, code: str, cause: Diagnosis | None = None) -> None:
        """Note it; the third time the same way the history gets the diagnosis."""
        self.last_death = cause
        self._meter = None
        self.metrics = None
        self._event("fail", code, why)
        again = cause.again if cause else again_after(code)
        was_stuck, self.stuck = self.stuck, self._restarts.died(way, again)
        if self.stuck:
            hint = cause.hint if cause else say("see `appliance logs {id}`", id=self.deployment.id)
            why = next_try(why, hint, again)
            if not was_stuck:
                self._event("fail", "ENGINE-STUCK", why)
        restarts = self._record.restarts + 1
        self._become("failed", self._with_offer(why), identity=None, restarts=restarts)

    def offer(self, command: str) -> None:
        """Another plan is known to fit: from now on the reason says how to take it."""
        self._offer = command
        if reason := self._record.reason:
            self._become(self._record.state, self._with_offer(reason))

    def _with_offer(self, why: Text) -> Text:
        if self._offer is None:
            return why
        return say("{why}. What fits: `{command}`", why=why, command=self._offer)

    # -- cards that are held ----------------------------------------------------------------

    def _quarantine(self, card_id: str, hold: Hold) -> None:
        """Serve nobody from a card that is held. A person who holds one lets answers end."""
        if self._record.state != "quarantined":
            why = say("card {card} is held: {reason}", card=card_id, reason=hold.reason)
            self._event("fail" if hold.kind == "quarantine" else "info", hold.code, why)
            self._become("quarantined", why)
        if identity := self._record.identity:
            self._drain(DRAIN_S if hold.kind == "maintenance" else 0.0)
            self._end_engine(identity)
            exit_status(identity)
            self._become("quarantined", self._record.reason, identity=None)

    # -- what is remembered -----------------------------------------------------------------

    def _event(self, severity: Severity, code: str, text: Text) -> None:
        self._around.state.record(severity, code, self._record.id, text)

    def _become(self, state: ReplicaState, reason: Text | None, **changes: object) -> None:
        before = self._record
        since = before.since if before.state == state else now()
        self._record = msgspec.structs.replace(
            before, state=state, reason=reason, since=since, **changes
        )
        busy_flip = {before.state, state} <= SERVING and not changes
        if not busy_flip:
            self._remember()
            self._around.publish()

    def _remember(self) -> None:
        """A process that cannot be written down (a full disk) still bears our mark."""
        try:
            self._around.state.save_replica(self._record)
        except ApplianceError as error:
            log.warning("%s is not remembered: %s", self._record.id, error)


def _pulse_of(record: ReplicaRecord) -> Pulse:
    """While it loads it may stand still for longer, and longest where no process can be seen."""
    if record.state in SERVING:
        return Pulse(still_s=_STILL_S)
    unseen = record.identity is not None and not record.identity.started
    still_s = _SPINNING_LOADING_S if unseen else _STILL_LOADING_S
    return Pulse(still_s=still_s, spinning_s=_SPINNING_LOADING_S)


def log_file_of(replica_id: str, paths: Paths) -> LogFile:
    """What the engine of a replica writes."""
    return LogFile(paths.logs / f"{replica_id}.log")

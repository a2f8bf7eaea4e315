"""A simulated fleet for training and pictures, always marked DEMO. Nothing is touched."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import cached_property, partial
from typing import Any

from msgspec.structs import replace

from appliance.core.errors import Interrupted
from appliance.core.history import History
from appliance.core.i18n import _, say
from appliance.core.inventory import Inventory
from appliance.core.sample import CardSample, Sample
from appliance.core.status import (
    DaemonStatus,
    DeploymentStatus,
    Hold,
    JobStatus,
    ReplicaState,
    ReplicaStatus,
    Status,
    card_statuses,
)
from appliance.core.topology import Topology
from appliance.node.observed import span_named
from appliance.node.wishes import Event, PullOptions, TuneOptions, UpOptions
from appliance.ops.conversation import AS_IT_IS, Finish, Manner, Message, Piece
from appliance.tui.backend import Backend
from appliance.tui.simulated import Fleet, processes_of, server

_MODEL = "deepseek-r1-distill-qwen-32b"
_PORT = 8480
_BYTES = 19_851_335_840
_BPS = 8e8


class DemoNode:
    """`nodes` servers with `count` cards each, of a kind or of all kinds (`mixed`), under a load
    that wanders.

    `clock` gives seconds; a fixed one gives a fixed picture. With `trouble` one card is lost, one
    throttles, one falls silent.
    """

    def __init__(
        self,
        count: int = 8,
        kind: str = "nvidia",
        *,
        nodes: int = 1,
        trouble: bool = True,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._make = partial(Fleet, count, kind, nodes, trouble=trouble)
        self._clock = clock
        self._stopped: set[str] = set()
        self._holds: dict[str, Hold] = {}
        self._ended = threading.Event()

    @cached_property
    def _fleet(self) -> Fleet:
        """Read when it is first needed: the first picture does not wait for it."""
        return self._make()

    def inventory(self) -> Inventory:
        """All cards."""
        return self._fleet.inventory()

    def sample(self, *, processes: bool = False) -> Sample:
        """The readings of this second."""
        busy = _MODEL not in self._stopped
        found = self._fleet.sample(self._clock(), busy=busy, processes=processes)
        if not processes:
            return found
        replicas = self._replicas()
        cards = [_with_replica(card, replicas) for card in found.cards]
        return Sample(time=found.time, cards=cards, host=found.host)

    def history(self, card: str, span: str) -> History:
        """What it would have done. Raises `UsageError` for an unknown span."""
        return self._fleet.history(card, span_named(span), self._clock())

    def topology(self) -> Topology:
        """How the cards are linked."""
        return self._fleet.topology()

    def hold_card(self, card: str, reason: str) -> None:
        """Pretends."""
        since = _moment(self._clock())
        self._holds[card] = Hold(kind="maintenance", since=since, code="HELD", reason=reason)

    def release_card(self, card: str) -> None:
        """Pretends."""
        self._holds.pop(card, None)

    def status(self) -> Status:
        """One deployment, in two replicas or in one on every server."""
        cards = card_statuses(self.inventory(), self.sample(), self._holds)
        return Status(
            daemon=DaemonStatus(pid=4121, version="demo", since=_moment(self._clock() - 86_000)),
            listeners=[],
            deployments=[self._deployment()],
            cards=cards,
        )

    def _deployment(self) -> DeploymentStatus:
        stopped = _MODEL in self._stopped
        state: ReplicaState = "stopped" if stopped else "busy"
        return DeploymentStatus(
            id=_MODEL,
            model=_MODEL,
            variant=f"{_MODEL}:q4_k_m",
            engine="llama.cpp",
            state=state,
            reason=None,
            replicas=[] if stopped else self._replicas(),
            endpoint=None if stopped else f"http://127.0.0.1:{_PORT}/v1",
            context=16384,
            slots=8,
        )

    def _replicas(self) -> list[ReplicaStatus]:
        if self._fleet.nodes > 1:
            placed = [self._fleet.ids(node) for node in range(self._fleet.nodes)]
        else:
            ids = self._fleet.ids()
            half = (len(ids) + 1) // 2
            placed = [ids[:half], ids[half:]]
        return [self._replica(n, cards) for n, cards in enumerate(placed) if cards]

    def _replica(self, index: int, cards: list[str]) -> ReplicaStatus:
        now = self._clock()
        name = _MODEL if self._fleet.nodes == 1 else f"{server(index)}/{_MODEL}"
        return ReplicaStatus(
            id=f"{name}-{index}" if self._fleet.nodes == 1 else name,
            pid=4200 + index,
            cards=cards,
            state="busy",
            port=40001 + index,
            since=_moment(now - 4120),
            requests_running=round(4 + 2 * math.sin(now / 11 + index)),
            requests_waiting=0,
            decode_tps=round(118 + 9 * math.sin(now / 5 + index), 1),
        )

    def events(self, after: int = 0) -> list[Event]:
        """What happened since the simulated server was started."""
        told = _events(self._clock(), self._fleet.label(-2), self._fleet.label(3))
        return [event for event in told if event.number > after]

    def logs(self, deployment: str, lines: int = 200) -> list[str]:
        """Lines as an engine writes them."""
        return [_log_line(number) for number in range(lines)]

    def follow_logs(self, deployment: str, lines: int = 50) -> Iterator[str]:
        """Lines as an engine writes them, one a second."""
        yield from self.logs(deployment, lines)
        number = lines
        while True:
            time.sleep(1)
            yield _log_line(number)
            number += 1

    def up(self, options: UpOptions) -> Iterator[dict[str, Any]]:
        """Pretends: phases, a fetch with its progress, an answer."""
        model = options.model or _MODEL
        yield self._begin()
        for phase, text, seconds in _PHASES:
            told = str(text).format(model=model)
            yield {"schema": "appliance.phase/1", "phase": phase, "done": False, "text": told}
            yield from self._fetch(model) if phase == "fetch" else self._pause(seconds)
            yield {"schema": "appliance.phase/1", "phase": phase, "done": True, "text": told}
        self._stopped.clear()
        yield {**_UP, "deployment": _MODEL, "endpoint": f"http://127.0.0.1:{_PORT}/v1"}

    def pull(self, options: PullOptions) -> Iterator[dict[str, Any]]:
        """Pretends."""
        yield self._begin()
        yield from self._fetch(options.model)
        yield {"schema": "appliance.pull/1", "model": options.model, "files": []}

    def tune(self, deployment: str, options: TuneOptions) -> Iterator[dict[str, Any]]:
        """Pretends."""
        yield self._begin()
        trials = []
        for ubatch, speed in ((512, 118.0), (1024, 131.0), (256, 104.0)):
            yield from self._pause(1.5)
            trials.append({
                "schema": "appliance.trial/1", "settings": {"ubatch": str(ubatch)},
                "decode_tps_one": speed / 4, "decode_tps_all": speed, "first_token_s": 60 / speed,
                "seconds": 1.5,
            })  # fmt: skip
            yield trials[-1]
        yield {
            "schema": "appliance.tune/1", "deployment": deployment, "variant": deployment,
            "goal": options.goal, "users": 8, "trials": trials, "kept": {"ubatch": "1024"},
            "changed": True, "seconds": 4.5,
        }  # fmt: skip

    def jobs(self) -> list[JobStatus]:
        """None but those that this screen began."""
        return []

    def pause_job(self, job_id: str) -> None:
        """Pretends."""

    def resume_job(self, job_id: str) -> None:
        """Pretends."""

    def cancel_job(self, job_id: str) -> None:
        """End what pretends to work."""
        self._ended.set()

    def _begin(self) -> dict[str, Any]:
        self._ended.clear()
        return {
            "schema": "appliance.job/1", "id": "demo", "kind": "up", "subject": _MODEL,
            "state": "running", "since": _moment(self._clock()),
        }  # fmt: skip

    def _fetch(self, model: str) -> Iterator[dict[str, Any]]:
        for done in range(0, _BYTES, int(_BPS)):
            yield {
                "schema": "appliance.progress/1", "phase": "fetch", "file": f"{model}.gguf",
                "done": done, "total": _BYTES, "bps": _BPS, "eta_s": (_BYTES - done) / _BPS,
                "source": "demo",
            }  # fmt: skip
            yield from self._pause(0.5)

    def _pause(self, seconds: float) -> Iterator[dict[str, Any]]:
        if self._ended.wait(seconds):
            raise Interrupted(say("ended at your wish"), hint=say("nothing was changed: DEMO"))
        yield from ()

    def down(self, deployment: str | None = None) -> None:
        """Pretends."""
        self._stopped.add(deployment or _MODEL)

    def restart(self, deployment: str) -> None:
        """Pretends."""
        self._stopped.discard(deployment)


_PHASES = (
    ("detect", say("looking at this server"), 0.8),
    ("plan", say("choosing what to serve"), 0.6),
    ("fetch", say("fetching the model"), 0.0),
    ("load", say("loading {model}", model="{model}"), 2.0),
    ("prove", say("asking {model} a question", model="{model}"), 0.8),
)
_UP = {
    "schema": "appliance.up/1",
    "key": None,
    "proof": {
        "prompt": "What is a stent?",
        "answer": "A small mesh tube that holds an artery open.",
        "first_token_s": 0.21,
        "decode_tps": 38.4,
    },
}


def _with_replica(card: CardSample, replicas: Sequence[ReplicaStatus]) -> CardSample:
    for replica in replicas:
        if card.id in replica.cards and replica.pid is not None:
            found = processes_of(replica.pid, replica.id, card.processes)
            return replace(card, processes=found)
    return card


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()


def _events(now: float, lost: str, hot: str) -> list[Event]:
    told = (
        (4200, "info", "DAEMON-START", "daemon", _("the daemon started")),
        (4190, "info", "REPLICA-STARTING", f"{_MODEL}-0", _("loading on cards 0 to 3")),
        (4120, "pass", "REPLICA-READY", f"{_MODEL}-0", _("answers after 68 s")),
        (960, "fail", "CARD-LOST", lost, _("gone from the bus")),
        (955, "warn", "REPLICA-RESTARTED", f"{_MODEL}-1", _("moved to cards 4 and 5")),
        (640, "warn", "THROTTLE-THERMAL", hot, _("slowed down by heat")),
    )
    base = datetime.fromtimestamp(now, UTC)
    return [
        Event(
            number=number,
            time=(base - timedelta(seconds=ago)).isoformat(),
            severity=severity,  # type: ignore[arg-type]
            code=code,
            subject=subject,
            text=text,
        )
        for number, (ago, severity, code, subject, text) in enumerate(told, 1)
    ]


def _log_line(number: int) -> str:
    if number % 40 == 7:
        return "srv  log_server_r: warning: request cancelled by the client"
    return (
        f"slot print_timing: id {number % 8} | task {number} | eval time = "
        f"{1000 + number * 7 % 400:.2f} ms / {40 + number % 9} tokens"
    )


def demo(count: int = 8, kind: str = "nvidia", *, nodes: int = 1) -> Backend:
    """A backend to look at and to press every key on."""
    return Backend(
        node=DemoNode(count, kind, nodes=nodes), converse=_converse, offers=_offers, mark="DEMO"
    )


def _offers(inventory: Inventory | None) -> object:
    """The catalogue against the simulated cards of one server; no store is looked at."""
    from pathlib import Path

    from appliance.core.paths import Paths
    from appliance.ops.models import model_rows, verdicts
    from appliance.tui.views.models import offers

    nowhere = Path("/nonexistent")
    paths = Paths(config=nowhere, data=nowhere, state=nowhere, cache=nowhere, logs=nowhere)
    rows = model_rows(paths)
    return offers(rows, verdicts(paths, inventory) if inventory else {})


def _converse(
    messages: Sequence[Message], model: str | None, manner: Manner = AS_IT_IS
) -> Iterator[Piece | Finish]:
    """Words at the pace of a model, that say what they are."""
    started = time.monotonic()
    time.sleep(0.3)
    first = time.monotonic() - started
    thought = _("The operator asks something. This is a simulation, so I say so and stay short.")
    answer = _(
        "DEMO: there is no model behind these words. A served model would answer here, word by "
        "word, at the speed that is shown above; Esc stops it, F4 asks again."
    )
    pieces = [Piece("reasoning", word) for word in _words(thought)]
    pieces += [Piece("answer", word) for word in _words(answer)]
    for piece in pieces:
        time.sleep(0.03)
        yield piece
    yield Finish(reason="stop", first_token_s=first, tokens=len(pieces), decode_tps=33.0)


def _words(text: str) -> list[str]:
    """Words with their blank; two characters at a time where a language has no blanks."""
    if text.isascii():
        return [f"{word} " for word in text.split(" ")]
    return [text[at : at + 2] for at in range(0, len(text), 2)]

"""A daemon of frozen documents, and ways to look at what the screens drew."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from textual.app import App

from appliance.core.errors import ApplianceError, Unreachable
from appliance.core.history import STEPS, History, HistoryPoint, Range
from appliance.core.inventory import Card, Cpu, Disk, Host, Inventory, Problem
from appliance.core.sample import CardProcess, CardSample, HostSample, Sample
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
from appliance.core.topology import CardPlace, Topology
from appliance.node.observed import span_named
from appliance.node.wishes import Event, PullOptions, TuneOptions, UpOptions
from appliance.ops.conversation import AS_IT_IS, Finish, Manner, Message, Piece
from appliance.tui.app import ApplianceApp
from appliance.tui.backend import Backend


def wave(number: int) -> dict[str, Range]:
    """Readings that rise and fall."""
    share = abs(number % 48 - 24) / 24
    most = {"util_pct": 90.0, "memory_used_mib": 40000.0, "temp_c": 80.0, "power_w": 300.0}
    return {
        name: Range(min=value * share * 0.8, mean=value * share, max=value * share)
        for name, value in most.items()
    }


MODEL = "deepseek-r1-distill-qwen-7b"


def card(index: int, state: str = "ok") -> Card:
    return msgspec.convert(
        {
            "id": f"GPU-{index:04}",
            "vendor": "nvidia",
            "index": index,
            "name": "NVIDIA L40S",
            "pci": f"0000:{index:02x}:00.0",
            "memory_mib": 46068,
            "driver": "570.1",
            "state": state,
            "source": "library",
        },
        Card,
    )


def reading(index: int, **values: Any) -> CardSample:
    known: dict[str, Any] = {
        "util_pct": 50.0 + index,
        "memory_used_mib": 30000.0,
        "memory_total_mib": 46068.0,
        "temp_c": 60.0 + index,
        "power_w": 210.0,
        "power_limit_w": 350.0,
        "clock_mhz": 2000.0,
        "throttle": [],
        "health": "ok",
    }
    return CardSample(id=f"GPU-{index:04}", **{**known, **values})


def deployment(name: str = MODEL, state: ReplicaState = "ready", **values: Any) -> DeploymentStatus:
    replica = ReplicaStatus(
        id=f"{name}-0",
        pid=4321,
        cards=["GPU-0000", "GPU-0001"],
        state=state,
        port=40001,
        requests_running=2,
        requests_waiting=0,
        decode_tps=41.25,
    )
    known: dict[str, Any] = {
        "id": name,
        "model": name,
        "variant": f"{name}:q4_k_m",
        "engine": "llama.cpp",
        "state": state,
        "reason": None,
        "replicas": [replica],
        "endpoint": "http://127.0.0.1:8080/v1",
        "context": 8192,
        "slots": 4,
    }
    return DeploymentStatus(**{**known, **values})


class FakeNode:
    """Answers with what a test puts in; `silent` makes it not answer, `hang` never."""

    def __init__(self, cards: int = 4) -> None:
        self.cards = [card(index) for index in range(cards)]
        self.readings = [reading(index) for index in range(cards)]
        self.deployments = [deployment()]
        self.problems: list[Problem] = []
        self.happened = [
            Event(
                number=1,
                time="2025-03-04T05:06:07Z",
                severity="info",
                code="DAEMON-START",
                subject="daemon",
                text="the daemon started",
            )
        ]
        self.lines = [f"line {number}" for number in range(30)]
        self.silent: ApplianceError | None = None
        self.hang = threading.Event()
        self.hang.set()
        self.calls: list[tuple[str, str | None]] = []
        self.job: list[dict[str, Any]] = []
        self.under_way: list[JobStatus] = []
        self.wished = UpOptions()
        self.sampled_at: str | None = None
        self.holds: dict[str, Hold] = {}
        self.processes: list[CardProcess] | None = None
        self.wants_consent = False
        self.job_goes_on = threading.Event()

    def _answer(self) -> None:
        self.hang.wait()
        if self.silent:
            raise self.silent

    def go_silent(self) -> None:
        self.silent = Unreachable("the appliance daemon does not answer", code="DAEMON-DOWN")

    def status(self) -> Status:
        self._answer()
        cards = card_statuses(
            Inventory(host=Host(), cards=list(self.cards)),
            Sample(time="t", cards=list(self.readings)),
            self.holds,
        )
        daemon = DaemonStatus(pid=1, version="0", since="2025-03-04T05:06:07Z")
        return Status(daemon=daemon, listeners=[], deployments=list(self.deployments), cards=cards)

    def inventory(self) -> Inventory:
        self._answer()
        self.calls.append(("inventory", None))
        host = Host(
            hostname="ward-3",
            os="Debian GNU/Linux 12",
            arch="x86_64",
            cpu=Cpu(model="Kunpeng-920", sockets=2, cores=96),
            memory_mib=524288,
            disks=[Disk(mount="/", total_mib=953_674, free_mib=476_837)],
        )
        return Inventory(host=host, cards=list(self.cards), problems=list(self.problems))

    def history(self, card: str, span: str) -> History:
        self._answer()
        steps = STEPS[span_named(span)]
        waves = [HistoryPoint(**wave(number)) for number in range(steps.count)]
        until = datetime.fromtimestamp(1_741_064_400, UTC).isoformat()
        points = [*[None] * (steps.count // 4), *waves[steps.count // 4 :]]
        return History(
            card=card, span=span_named(span), step_s=steps.step_s, until=until, points=points
        )

    def topology(self) -> Topology:
        self._answer()
        places = [CardPlace(id=c.id, vendor=c.vendor, index=c.index, numa=0) for c in self.cards]
        words = [["X" if a is b else "NV4" for b in places] for a in places]
        return Topology(cards=places, matrix=[[*row] for row in words])

    def hold_card(self, card: str, reason: str) -> None:
        self._answer()
        self.calls.append(("hold", card))
        self.holds[card] = Hold(
            kind="maintenance", since="2025-03-04T05:06:07Z", code="HELD", reason=reason
        )

    def release_card(self, card: str) -> None:
        self._answer()
        self.calls.append(("release", card))
        self.holds.pop(card, None)

    def sample(self, *, processes: bool = False) -> Sample:
        self._answer()
        self.calls.append(("sample", None))
        moment = self.sampled_at or datetime.now(UTC).isoformat()
        host = HostSample(cpu_pct=12.0, memory_used_mib=65536.0)
        told = self.processes if processes else None
        cards = [msgspec.structs.replace(card, processes=told) for card in self.readings]
        return Sample(time=moment, cards=cards, host=host)

    def events(self, after: int = 0) -> list[Event]:
        self._answer()
        return [event for event in self.happened if event.number > after]

    def logs(self, deployment: str, lines: int = 200) -> list[str]:
        self._answer()
        return self.lines[-lines:]

    def follow_logs(self, deployment: str, lines: int = 50) -> Iterator[str]:
        self.calls.append(("follow", deployment))
        yield from self.lines
        at = len(self.lines)
        while True:
            time.sleep(0.01)
            yield from self.lines[at:]
            at = len(self.lines)

    def up(self, options: UpOptions) -> Iterator[dict[str, Any]]:
        self._answer()
        self.calls.append(("up", options.model))
        self.wished = options
        if self.wants_consent and not options.allow_cpu:
            raise ApplianceError("it would run on the processor", code="ENGINE-ON-CPU")
        yield from self.job

    def pull(self, options: PullOptions) -> Iterator[dict[str, Any]]:
        self._answer()
        self.calls.append(("pull", options.model))
        yield from self.job
        while self.job_goes_on.is_set():
            time.sleep(0.01)

    def tune(self, deployment: str, options: TuneOptions) -> Iterator[dict[str, Any]]:
        self.calls.append(("tune", deployment))
        yield from self.job
        while self.job_goes_on.is_set():
            time.sleep(0.01)

    def jobs(self) -> list[JobStatus]:
        self._answer()
        return list(self.under_way)

    def pause_job(self, job_id: str) -> None:
        self.calls.append(("pause", job_id))

    def resume_job(self, job_id: str) -> None:
        self.calls.append(("resume", job_id))

    def cancel_job(self, job_id: str) -> None:
        self.calls.append(("cancel", job_id))
        self.job_goes_on.clear()

    def down(self, deployment: str | None = None) -> None:
        self._answer()
        self.calls.append(("down", deployment))

    def restart(self, deployment: str) -> None:
        self._answer()
        self.calls.append(("restart", deployment))

    def asked(self, name: str) -> list[str | None]:
        return [subject for call, subject in self.calls if call == name]


class FakeModel:
    """Answers word by word; `gate` holds it back after the first word of the answer."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.questions: list[list[Message]] = []
        self.models: list[str | None] = []
        self.manners: list[Manner] = []
        self.closed = threading.Event()
        self.fault: ApplianceError | None = None

    def __call__(
        self, messages: Sequence[Message], model: str | None, manner: Manner = AS_IT_IS
    ) -> Iterator[Piece | Finish]:
        self.questions.append([*manner.opening(), *messages])
        self.manners.append(manner)
        self.models.append(model)
        try:
            yield Piece("reasoning", "Let me think about it.")
            if self.fault:
                raise self.fault
            yield Piece("answer", "An answer")
            self.gate.wait(10)
            yield Piece("answer", f" number {len(self.questions)}.")
            yield Finish(reason="stop", first_token_s=0.25, tokens=12, decode_tps=40.0)
        finally:
            self.closed.set()


def app_of(node: FakeNode, model: FakeModel | None = None, **options: Any) -> ApplianceApp:
    parts = ("start", "offers", "command", "setup", "shelf", "mark")
    backend = {key: options.pop(key) for key in parts if key in options}
    return ApplianceApp(Backend(node=node, converse=model or FakeModel(), **backend), **options)


def drawn(app: App[int]) -> list[str]:
    """The text of the screen in front, line by line."""
    strips = app.screen._compositor.render_strips()
    return [strip.text.rstrip() for strip in strips]


def shown(app: App[int]) -> str:
    return "\n".join(drawn(app))


async def until(pilot: Any, holds: Callable[[], object], what: str = "") -> None:
    """Let the application run until something holds; fails after ten seconds."""
    deadline = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < deadline, what or shown(pilot.app)
        await pilot.pause(0.02)

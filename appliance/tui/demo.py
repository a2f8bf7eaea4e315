"""A simulated server for training and pictures, always marked DEMO. Nothing is touched."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from appliance.core.inventory import Card, Cpu, Disk, Host, Inventory, Problem, VendorName
from appliance.core.sample import CardSample, HostSample, Pcie, Sample
from appliance.core.status import (
    CardStatus,
    DaemonStatus,
    DeploymentStatus,
    ReplicaState,
    ReplicaStatus,
    Status,
)
from appliance.node.wishes import Event, PullOptions, UpOptions
from appliance.ops.conversation import Finish, Message, Piece
from appliance.tui.backend import Backend

_MODEL = "deepseek-r1-distill-qwen-32b"
_PORT = 8080


class Kind(NamedTuple):
    """A kind of card, as far as a picture needs it."""

    vendor: VendorName
    name: str
    memory_mib: int
    power_w: float
    idle_c: float


KINDS = {
    "nvidia": Kind("nvidia", "NVIDIA H100 80GB HBM3", 81559, 700, 34),
    "ascend": Kind("ascend", "Ascend 910B2", 65536, 400, 38),
    "amd": Kind("amd", "AMD Instinct MI300X", 196592, 750, 40),
    "hygon": Kind("hygon", "Hygon K100 AI", 65536, 350, 41),
    "metax": Kind("metax", "MetaX C500", 65536, 350, 40),
    "mthreads": Kind("mthreads", "MTT S4000", 49152, 450, 42),
}


class DemoNode:
    """`count` cards of `kind` (or of all kinds in turn: `mixed`) under a load that wanders.

    `clock` gives seconds; a fixed one gives a fixed picture. With `trouble` one card throttles
    and one is lost.
    """

    def __init__(
        self, count: int = 8, kind: str = "nvidia", *, trouble: bool = True, clock: Any = time.time
    ) -> None:
        kinds = list(KINDS.values()) if kind == "mixed" else [KINDS[kind]]
        self._kinds = [kinds[index % len(kinds)] for index in range(count)]
        self._trouble = trouble and count > 3
        self._clock = clock
        self._stopped: set[str] = set()

    def inventory(self) -> Inventory:
        """A server with its cards."""
        problems = []
        if self._trouble:
            problems.append(
                Problem(
                    code="CARD-LOST",
                    severity="fail",
                    card=self._id(self._lost),
                    text="the card was here at the last start and is gone from the bus",
                    advice="look at its power and seat; the kernel log names the slot",
                )
            )
        return Inventory(host=_host(), cards=list(map(self._card, self._range)), problems=problems)

    @property
    def _range(self) -> range:
        return range(len(self._kinds))

    @property
    def _lost(self) -> int:
        return len(self._kinds) - 2

    def _id(self, index: int) -> str:
        return f"{self._kinds[index].vendor}-0000:{index + 16:02x}:00.0"

    def _card(self, index: int) -> Card:
        kind = self._kinds[index]
        return Card(
            id=self._id(index),
            vendor=kind.vendor,
            index=index,
            name=kind.name,
            pci=f"0000:{index + 16:02x}:00.0",
            memory_mib=kind.memory_mib,
            driver="demo 1.0",
            numa=index * 2 // max(1, len(self._kinds)),
            source="library",
            state="lost" if self._trouble and index == self._lost else "ok",
        )

    def sample(self) -> Sample:
        """The readings of this second."""
        cards = [self._reading(i) for i in self._range if self._card(i).state == "ok"]
        used = 88_000 + 900 * math.sin(self._clock() / 31)
        return Sample(
            time=_moment(self._clock()),
            cards=cards,
            host=HostSample(
                cpu_pct=12 + 6 * math.sin(self._clock() / 9), memory_used_mib=used, temp_c=52
            ),
        )

    def _reading(self, index: int) -> CardSample:
        kind, now = self._kinds[index], self._clock()
        wave = math.sin(now / (17 + index)) + 0.5 * math.sin(now / 3.7 + index * 2.1)
        busy = 0.0 if _MODEL in self._stopped else min(99.0, max(4.0, 62 + 22 * wave))
        hot = self._trouble and index == 3
        return CardSample(
            id=self._id(index),
            util_pct=round(busy),
            memory_used_mib=kind.memory_mib * (0.78 + 0.02 * math.sin(now / 40 + index)),
            memory_total_mib=kind.memory_mib,
            temp_c=round(kind.idle_c + busy * 0.38 + (16 if hot else index % 3)),
            power_w=round(kind.power_w * (0.14 + busy / 135)),
            power_limit_w=kind.power_w,
            clock_mhz=1305 if hot else 1755,
            throttle=["thermal"] if hot else [],
            ecc_uncorrected=0,
            pcie=Pcie(gen=5, width=16, gen_max=5, width_max=16),
            health="ok",
        )

    def status(self) -> Status:
        """One deployment in two replicas, and an embedding model."""
        readings = {card.id: card for card in self.sample().cards}
        cards = [
            CardStatus(
                id=c.id, vendor=c.vendor, name=c.name, state=c.state, sample=readings.get(c.id)
            )
            for c in self.inventory().cards
        ]
        return Status(
            daemon=DaemonStatus(pid=4121, version="demo", since=_moment(self._clock() - 86_000)),
            listeners=[],
            deployments=[self._deployment()],
            cards=cards,
        )

    def _deployment(self) -> DeploymentStatus:
        stopped = _MODEL in self._stopped
        half = max(1, len(self._kinds) // 2)
        ids = list(map(self._id, self._range))
        replicas = [self._replica(0, ids[:half]), self._replica(1, ids[half : half * 2 - 2])]
        state: ReplicaState = "stopped" if stopped else "busy"
        return DeploymentStatus(
            id=_MODEL,
            model=_MODEL,
            variant=f"{_MODEL}:q4_k_m",
            engine="llama.cpp",
            state=state,
            reason=None,
            replicas=[] if stopped else [r for r in replicas if r.cards],
            endpoint=None if stopped else f"http://127.0.0.1:{_PORT}/v1",
            context=16384,
            slots=8,
        )

    def _replica(self, index: int, cards: list[str]) -> ReplicaStatus:
        now = self._clock()
        return ReplicaStatus(
            id=f"{_MODEL}-{index}",
            pid=4200 + index,
            cards=cards,
            state="busy",
            port=40001 + index,
            requests_running=round(4 + 2 * math.sin(now / 11 + index)),
            requests_waiting=0,
            decode_tps=round(118 + 9 * math.sin(now / 5 + index), 1),
        )

    def events(self, after: int = 0) -> list[Event]:
        """What happened since the simulated server was started."""
        return [event for event in _events(self._clock()) if event.number > after]

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
        """Pretends."""
        for phase, text in _PHASES:
            yield {"schema": "appliance.phase/1", "phase": phase, "done": False, "text": text}
            time.sleep(0.6)
            yield {"schema": "appliance.phase/1", "phase": phase, "done": True, "text": text}
        self._stopped.clear()
        yield _UP

    def pull(self, options: PullOptions) -> Iterator[dict[str, Any]]:
        """Pretends."""
        total = 19_851_335_840
        for step in range(0, 101, 4):
            done = total * step // 100
            yield {
                "schema": "appliance.progress/1", "phase": "fetch", "file": "model.gguf",
                "done": done, "total": total, "bps": 8e8, "eta_s": (total - done) / 8e8,
            }  # fmt: skip
            time.sleep(0.5)
        yield {"schema": "appliance.pull/1", "model": options.model, "files": []}

    def cancel_job(self, job_id: str) -> None:
        """Pretends."""

    def down(self, deployment: str | None = None) -> None:
        """Pretends."""
        self._stopped.add(deployment or _MODEL)

    def restart(self, deployment: str) -> None:
        """Pretends."""
        self._stopped.discard(deployment)


_PHASES = (
    ("detect", "looking at this server"),
    ("plan", "choosing what to serve"),
    ("fetch", "fetching the model"),
    ("load", f"loading {_MODEL}"),
    ("prove", f"asking {_MODEL} a question"),
)
_UP = {
    "schema": "appliance.up/1",
    "deployment": _MODEL,
    "endpoint": f"http://127.0.0.1:{_PORT}/v1",
    "key": None,
    "proof": {
        "prompt": "What is a stent?",
        "answer": "A small mesh tube that holds an artery open.",
        "first_token_s": 0.21,
        "decode_tps": 38.4,
    },
}


def _host() -> Host:
    return Host(
        hostname="demo-server",
        os="Debian GNU/Linux 12",
        kernel="6.1.0",
        arch="x86_64",
        cpu=Cpu(model="2 x 32-core processor", sockets=2, cores=64),
        memory_mib=1_031_000,
        disks=[Disk(mount="/", total_mib=1_800_000, free_mib=1_204_000)],
    )


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()


def _events(now: float) -> list[Event]:
    told = (
        (4200, "info", "DAEMON-STARTED", "daemon", "the daemon started"),
        (4190, "info", "REPLICA-STARTING", f"{_MODEL}-0", "loading on cards 0 to 3"),
        (4120, "pass", "REPLICA-READY", f"{_MODEL}-0", "answers after 68 s"),
        (960, "fail", "CARD-LOST", "6", "gone from the bus"),
        (955, "warn", "REPLICA-RESTARTED", f"{_MODEL}-1", "moved to cards 4 and 5"),
        (640, "warn", "THROTTLE-THERMAL", "3", "slowed down by heat"),
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


def demo(count: int = 8, kind: str = "nvidia") -> Backend:
    """A backend to look at and to press every key on."""
    return Backend(node=DemoNode(count, kind), converse=_converse, mark="DEMO")


def _converse(messages: Sequence[Message], model: str | None) -> Iterator[Piece | Finish]:
    started = time.monotonic()
    time.sleep(0.3)
    first = time.monotonic() - started
    thought = "The operator asks something. This is a simulation, so I say so and stay short. "
    answer = "This server is simulated: there is no model behind these words.\n" * 2
    pieces = [Piece("reasoning", f"{word} ") for word in thought.split(" ")]
    pieces += [Piece("answer", f"{word} ") for word in answer.split(" ")]
    for piece in pieces:
        time.sleep(0.03)
        yield piece
    yield Finish(reason="stop", first_token_s=first, tokens=len(pieces), decode_tps=33.0)

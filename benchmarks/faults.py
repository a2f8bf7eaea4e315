"""Break everything that can break, many times, and count what comes back by itself and how fast.

    python benchmarks/faults.py [--kills 100] [--hangs 20] [--daemon-kills 100] [--others 5]
                                [--only NAME …] [--seed 1]

An appliance of its own in a temporary home serves a tiny model of this benchmark's making, whose
loading takes no time: what is measured is the supervision. Cards and memory are staged: the daemon
reads them from files that are changed under it (tests/stage.py). Ends with 1 where a bound is
broken.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import socket
import statistics
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from staged_server import LIMIT_S, Server, alive, server, until

from appliance.core.errors import ApplianceError
from appliance.node.orphans import marked_processes

BOUNDS = {"restart begun": 1.0, "hang found": 30.0, "traffic off": 5.0, "service back": 60.0}
NAME = "parrot0.gguf"
REPLICA = f"{NAME}-0"


@dataclass
class Tally:
    """What one kind of fault did."""

    name: str
    times: dict[str, list[float]] = field(default_factory=dict)
    tried: int = 0
    recovered: int = 0
    faults: list[str] = field(default_factory=list)
    needs_a_person: bool = False

    def timed(self, what: str, condition: Callable[[], object], since: float) -> bool:
        """Wait until it comes about, and note how long after `since`."""
        came = until(condition)
        if came:
            self.times.setdefault(what, []).append(time.monotonic() - since)
        else:
            self.faults.append(f"{what}: not within {LIMIT_S:.0f} s")
        return came

    def served_again(self, box: Server, since: float, name: str = NAME) -> None:
        """The end of one fault."""
        self.tried += 1
        self.recovered += self.timed(
            "service back", lambda: box.serves(name) and box.ask(name), since
        )

    def lines(self) -> Iterator[str]:
        yield f"{self.name}: {self.recovered} of {self.tried} recovered"
        for what, values in self.times.items():
            bound = BOUNDS.get(what)
            late = sum(value > bound for value in values) if bound else 0
            told = f"; {late} past the bound of {bound:.0f} s" if bound else ""
            yield (
                f"  {what}: median {statistics.median(values):.2f} s, "
                f"worst {max(values):.2f} s of {len(values)}{told}"
            )
        yield from (f"  FAULT {fault}" for fault in self.faults)


@contextmanager
def load(box: Server, users: int = 4) -> Iterator[Counter[bool]]:
    """People who ask one thing after the other."""
    outcomes: Counter[bool] = Counter()
    done = threading.Event()

    def ask() -> None:
        while not done.is_set():
            outcomes[box.ask(NAME)] += 1

    threads = [threading.Thread(target=ask) for _ in range(users)]
    for thread in threads:
        thread.start()
    try:
        yield outcomes
    finally:
        done.set()
        for thread in threads:
            thread.join()


def engine_killed(tally: Tally, count: int) -> None:
    """Four people keep asking."""
    with server() as box:
        box.up(box.models[0])
        with load(box) as outcomes:
            for _ in range(count):
                _kill_engine(box, tally, outcomes)
        print(f"  {outcomes.total()} requests, {outcomes[False]} failed")
        _one_copy(box, tally)


def _kill_engine(box: Server, tally: Tally, outcomes: Counter[bool]) -> None:
    old = box.engine_of(REPLICA)
    killed = time.monotonic()
    os.kill(old, signal.SIGKILL)
    tally.timed("restart begun", lambda: box.engine_of(REPLICA) not in (0, old), killed)
    tally.served_again(box, killed)
    enough = outcomes[True] + 8
    until(lambda: outcomes[True] >= enough)


def engine_hangs(tally: Tally, count: int) -> None:
    """Several at a time, each a deployment of its own: finding a hang takes its time."""
    at_once = min(count, 5)
    with server(models=at_once) as box:
        names = [box.up(model) for model in box.models]
        for _ in range(-(-count // at_once)):
            _stop_all(box, tally, names)
        _one_copy(box, tally)


def _stop_all(box: Server, tally: Tally, names: list[str]) -> None:
    old = {name: box.engine_of(f"{name}-0") for name in names}
    for pid in old.values():
        os.kill(pid, signal.SIGSTOP)
    stopped = time.monotonic()

    def watch(name: str) -> None:
        tally.timed("hang found", lambda: not alive(old[name]), stopped)

    watchers = [threading.Thread(target=watch, args=(name,)) for name in names]
    for watcher in watchers:
        watcher.start()
    for watcher in watchers:
        watcher.join()
    for name in names:
        tally.served_again(box, stopped, name)


def port_stolen(tally: Tally, count: int) -> None:
    """Somebody takes the port while its engine is dead."""
    with server() as box:
        box.up(box.models[0])
        for _ in range(count):
            with socket.socket() as thief:
                _steal_port(box, tally, thief)


def _steal_port(box: Server, tally: Tally, thief: socket.socket) -> None:
    old, port = box.engine_of(REPLICA), box.port_of(NAME)
    thief.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    killed = time.monotonic()
    os.kill(old, signal.SIGKILL)
    if not until(lambda: _bound(thief, port), 5):
        tally.faults.append("the port could not be stolen")
    thief.listen()
    until(lambda: box.engine_of(REPLICA) not in (0, old))
    tally.served_again(box, killed)
    if box.port_of(NAME) == port:
        tally.faults.append("two programs at one port")


def _bound(thief: socket.socket, port: int) -> bool:
    with suppress(OSError):
        thief.bind(("127.0.0.1", port))
        return True
    return False


def model_truncated(tally: Tally, count: int) -> None:
    """The service cannot come back before the file does: that is a person's doing."""
    tally.needs_a_person = True
    with server() as box:
        box.up(box.models[0])
        (document,) = box.documents("deployments")
        stored = Path(document["model_path"])
        whole = stored.read_bytes()
        for _ in range(count):
            _truncate(box, tally, stored, whole)


def _truncate(box: Server, tally: Tally, stored: Path, whole: bytes) -> None:
    _rewrite(stored, whole[: len(whole) // 2])
    cut = time.monotonic()
    box.ask(NAME, 1)
    tally.timed("diagnosis told", lambda: "three times" in box.reason(NAME), cut)
    _rewrite(stored, whole)
    tally.served_again(box, time.monotonic())


def _rewrite(path: Path, content: bytes) -> None:
    path.chmod(0o600)
    with path.open("r+b") as file:
        file.truncate(len(content))
        file.write(content)


def memory_exhausted(tally: Tally, count: int) -> None:
    """The engine goes before anything else has to, and comes back when there is room."""
    with server() as box:
        box.up(box.models[0])
        for _ in range(count):
            _starve(box, tally)


def _starve(box: Server, tally: Tally) -> None:
    old = box.engine_of(REPLICA)
    box.stage.memory(available_mib=100)
    tally.timed("engine ended", lambda: not alive(old), time.monotonic())
    time.sleep(2)
    if box.engine_of(REPLICA):
        tally.faults.append("it was started again without memory")
    box.stage.memory(available_mib=32 * 1024)
    tally.served_again(box, time.monotonic())


def card_vanishes(tally: Tally, count: int) -> None:
    """Lost from the bus, and uncorrectable errors, in turn; each time the card is repaired."""
    with server(cards=2) as box:
        box.up(box.models[0])
        for number in range(count):
            fault = ({"lost": True}, {"ecc_uncorrected": 1 + number})[number % 2]
            _spoil(box, tally, fault)
        _one_copy(box, tally)


def _spoil(box: Server, tally: Tally, fault: Mapping[str, int]) -> None:
    until(lambda: box.workers(NAME))  # told a moment after it serves
    before = set(box.workers(NAME))
    card = box.card_of(NAME)
    index = next(c.index for c in box.stage.cards if c.id == card)
    spoiled = time.monotonic()
    box.stage.change(index, **fault)
    tally.timed("traffic off", lambda: not before & set(box.workers(NAME)), spoiled)
    tally.served_again(box, spoiled)
    box.stage.change(index, lost=False)
    with box.client() as client:
        client.release_card(card)
    if not until(lambda: box.card_of(NAME) == card and box.serves(NAME)):
        tally.faults.append("a released card is not used again")


def daemon_killed(tally: Tally, count: int) -> None:
    """In the middle of whatever it does; what was acknowledged must hold."""
    with server(models=2) as box, _copies_watched(box, tally):
        box.up(box.models[0])
        for number in range(count):
            _kill_daemon(box, tally, ("none", "engine", "up", "down", "restart")[number % 5])


def _kill_daemon(box: Server, tally: Tally, change: str) -> None:
    told = _begin(box, change)
    time.sleep(random.uniform(0.0, 1.5))
    box.kill_daemon()
    killed = time.monotonic()
    acknowledged = told()
    if change == "none" and not box.ask(NAME, 10):
        tally.faults.append("it did not serve without its daemon")
    box.start()
    tally.timed("next daemon answers", box.answers, killed)
    tally.served_again(box, killed)
    if (
        acknowledged
        and change in ("up", "down")
        and box.wants(box.models[1].name) != (change == "up")
    ):
        tally.faults.append(f"an acknowledged {change} was lost")


def _begin(box: Server, change: str) -> Callable[[], bool]:
    """Begin a transition; the function waits for its end and tells whether it was acknowledged."""
    done = threading.Event()

    def work() -> None:
        with suppress(ApplianceError, httpx.HTTPError), box.client() as client:
            if change == "up":
                box.up(box.models[1])
            elif change == "down":
                client.down(box.models[1].name)
            elif change == "restart":
                client.restart(NAME)
            done.set()

    if change == "engine" and (engine := box.engine_of(REPLICA)):
        os.kill(engine, signal.SIGKILL)
    thread = threading.Thread(target=work)
    thread.start()

    def told() -> bool:
        thread.join()
        return done.is_set()

    return told


@contextmanager
def _copies_watched(box: Server, tally: Tally) -> Iterator[None]:
    """No replica ever has two engines at a time."""
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.1):
            _one_copy(box, tally)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def rebooted(tally: Tally, count: int) -> None:
    """Every process is gone at once, the disk stays; the daemon is what a boot would start."""
    with server() as box:
        box.up(box.models[0])
        for _ in range(count):
            gone = list(marked_processes(box.paths.state))
            box.kill_daemon()
            for pid in gone:
                os.kill(pid, signal.SIGKILL)
            until(lambda: not any(map(alive, gone)))  # noqa: B023
            booted = time.monotonic()
            box.start()
            tally.served_again(box, booted)
        _one_copy(box, tally)


def _one_copy(box: Server, tally: Tally) -> None:
    twice = [name for name, n in Counter(box.engines().values()).items() if n > 1]
    text = f"a second copy: {', '.join(twice)}"
    if twice and text not in tally.faults:
        tally.faults.append(text)


FAULTS: dict[str, tuple[Callable[[Tally, int], None], str]] = {
    "engine-killed": (engine_killed, "kills"),
    "engine-hangs": (engine_hangs, "hangs"),
    "port-stolen": (port_stolen, "others"),
    "model-truncated": (model_truncated, "others"),
    "memory-exhausted": (memory_exhausted, "others"),
    "card-vanishes": (card_vanishes, "others"),
    "daemon-killed": (daemon_killed, "daemon_kills"),
    "rebooted": (rebooted, "others"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--hangs", type=int, default=20)
    parser.add_argument("--daemon-kills", type=int, default=100)
    parser.add_argument("--others", type=int, default=5)
    parser.add_argument("--only", nargs="*", choices=FAULTS, default=list(FAULTS))
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    random.seed(options.seed)
    tallies = []
    for name in options.only:
        fault, counter = FAULTS[name]
        tally = Tally(name)
        started = time.monotonic()
        fault(tally, getattr(options, counter))
        tallies.append(tally)
        print("\n".join(tally.lines()), f"({time.monotonic() - started:.0f} s)", flush=True)
    alone = [tally for tally in tallies if not tally.needs_a_person]
    tried, recovered = sum(t.tried for t in alone), sum(t.recovered for t in alone)
    print(f"recovered without a person: {recovered} of {tried}")
    faults = [fault for tally in tallies for fault in tally.faults]
    sys.exit(1 if faults or recovered < 0.9 * tried else 0)


if __name__ == "__main__":
    main()

"""Deaths of every kind: the engine comes back, the daemon is not needed to serve."""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
import time
from functools import partial
from pathlib import Path

import httpx
import pytest
from appliance_box import Appliance, ask, is_zombie, wait_for


def new_engine(appliance: Appliance, old: int) -> int:
    """The pid of the engine that took the place of `old`."""
    return int(wait_for(lambda: [pid for pid in appliance.engines() if pid != old], 30)[0])


def _engines_or_end(appliance: Appliance, daemon: int) -> bool:
    return bool(appliance.engines()) or is_zombie(daemon)


def test_a_killed_engine_comes_back_at_the_same_endpoint(
    appliance: Appliance, parrot: Path
) -> None:
    up = appliance.up("--model", f"file:{parrot}")
    (engine,) = appliance.engines()

    os.kill(engine, signal.SIGKILL)

    assert new_engine(appliance, engine) != engine
    assert ask(up["endpoint"], up["key"]).status_code == 200
    assert len(appliance.engines()) == 1
    assert wait_for(lambda: appliance.replica()["state"] in ("ready", "busy"))
    assert appliance.replica()["restarts"] == 1


def test_the_engine_answers_without_the_daemon_and_is_adopted(
    appliance: Appliance, parrot: Path
) -> None:
    up = appliance.up("--model", f"file:{parrot}")
    before = appliance.processes()
    daemon = appliance.status()["daemon"]["pid"]

    os.kill(daemon, signal.SIGKILL)
    wait_for(lambda: is_zombie(daemon))

    assert ask(up["endpoint"], up["key"]).status_code == 200
    status = appliance.status()
    assert status["daemon"]["pid"] not in (None, daemon)
    assert appliance.processes() == before
    assert status["deployments"][0]["replicas"][0]["pid"] in before


def test_daemon_and_engine_killed_together(appliance: Appliance, parrot: Path) -> None:
    up = appliance.up("--model", f"file:{parrot}")
    daemon = appliance.status()["daemon"]["pid"]
    (engine,) = appliance.engines()

    for pid in (daemon, engine):
        os.kill(pid, signal.SIGKILL)
    wait_for(lambda: is_zombie(daemon))
    appliance.run("status")

    new_engine(appliance, engine)
    assert ask(up["endpoint"], up["key"]).status_code == 200


def test_after_a_reboot_everything_is_as_it_was(appliance: Appliance, parrot: Path) -> None:
    up = appliance.up("--model", f"file:{parrot}")
    everything = [*appliance.processes(), appliance.status()["daemon"]["pid"]]

    for pid in everything:
        os.kill(pid, signal.SIGKILL)
    for pid in everything:
        wait_for(partial(is_zombie, pid))
    appliance.run("status")

    wait_for(lambda: appliance.status()["deployments"][0]["state"] in ("ready", "busy"))
    assert ask(up["endpoint"], up["key"]).status_code == 200


def test_a_daemon_killed_while_it_started_an_engine_leaves_one_engine(
    appliance: Appliance, parrot: Path
) -> None:
    up = appliance.up("--model", f"file:{parrot}")
    for _ in range(4):
        daemon = appliance.status()["daemon"]["pid"]
        for engine in appliance.engines():
            os.kill(engine, signal.SIGKILL)
        wait_for(partial(_engines_or_end, appliance, daemon))
        os.kill(daemon, signal.SIGKILL)
        wait_for(partial(is_zombie, daemon))
    appliance.run("status")

    wait_for(lambda: appliance.status()["deployments"][0]["state"] in ("ready", "busy"))
    assert len(appliance.engines()) == 1
    assert ask(up["endpoint"], up["key"]).status_code == 200


def test_requests_that_had_not_begun_survive_the_death_of_an_engine(
    appliance: Appliance, parrot: Path
) -> None:
    up = appliance.up("--model", f"file:{parrot}")
    codes: list[int] = []
    done = threading.Event()

    def load() -> None:
        while not done.is_set():
            codes.append(ask(up["endpoint"], up["key"]).status_code)

    workers = [threading.Thread(target=load) for _ in range(2)]
    for worker in workers:
        worker.start()
    (engine,) = appliance.engines()
    os.kill(engine, signal.SIGKILL)
    fresh = new_engine(appliance, engine)
    answered = len(codes)
    wait_for(lambda: len(codes) > answered + 10)
    done.set()
    for worker in workers:
        worker.join()

    assert fresh != engine
    assert set(codes) == {200}


@pytest.mark.slow
def test_a_hung_engine_is_found_and_replaced(appliance: Appliance, parrot: Path) -> None:
    up = appliance.up("--model", f"file:{parrot}")
    (engine,) = appliance.engines()

    os.kill(engine, signal.SIGSTOP)
    stopped_at = time.monotonic()
    with socket.create_connection(("127.0.0.1", httpx.URL(up["endpoint"]).port or 0)):
        fresh = int(wait_for(lambda: [p for p in appliance.engines() if p != engine], 60)[0])

    assert time.monotonic() - stopped_at < 40
    assert fresh != engine
    assert ask(up["endpoint"], up["key"]).status_code == 200
    events = json.dumps(appliance.status())
    assert "ready" in events or "busy" in events

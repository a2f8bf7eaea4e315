"""Cards, memory, files, disks and daemons that fail while people are served."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from appliance_box import ANSWER, Appliance, ask, is_zombie, wait_for
from stage import Stage
from tiny_models import build

PHASES = ("detect", "plan", "fetch", "load", "prove")


class Staged:
    """An appliance whose cards and memory are what the test says."""

    def __init__(self, appliance: Appliance) -> None:
        self.appliance = appliance
        self.stage: Stage
        self._daemons: list[subprocess.Popen[bytes]] = []

    def open(self, *, cards: int) -> Stage:
        self.stage = Stage(self.appliance.home / "stage", cards=cards)
        if cards:
            self.stage.build_engine(self.appliance.home)
        self.start()
        return self.stage

    def start(self) -> None:
        self._daemons.append(self.stage.daemon(self.appliance.environment))
        wait_for((self.appliance.home / "state/node.sock").exists)
        wait_for(lambda: self.appliance.run("status").returncode in (0, 1))

    def kill(self) -> None:
        self._daemons[-1].kill()
        self._daemons[-1].wait()
        (self.appliance.home / "state/node.sock").unlink()

    def close(self) -> None:
        self.appliance.run("down", "--now")
        for daemon in self._daemons:
            daemon.kill()
            daemon.wait()


@pytest.fixture
def staged(appliance: Appliance) -> Iterator[Staged]:
    box = Staged(appliance)
    yield box
    box.close()


@pytest.fixture(scope="module")
def talker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that talks until it is stopped."""
    return build("qwen2", tmp_path_factory.mktemp("talker") / "talker.gguf")


def card_of(appliance: Appliance) -> str:
    replicas = appliance.status()["deployments"][0]["replicas"]
    return str(replicas[0]["cards"][0]) if replicas else ""


def serves(appliance: Appliance) -> bool:
    return appliance.status()["deployments"][0]["state"] in ("ready", "busy")


class Stream:
    """Somebody who listens to a long answer."""

    def __init__(self, up: Any, tokens: int = 3000) -> None:
        self.begun = threading.Event()
        self.text = ""
        self._up, self._tokens = up, tokens
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()
        assert self.begun.wait(30)

    def _listen(self) -> None:
        body = {
            "messages": [{"role": "user", "content": "Hello"}],
            "max_tokens": self._tokens,
            "ignore_eos": True,
            "stream": True,
        }
        headers = {"Authorization": f"Bearer {self._up['key']}"}
        url = f"{self._up['endpoint']}/chat/completions"
        with httpx.stream(
            "POST", url, json=body, headers=headers, timeout=60, trust_env=False
        ) as response:
            for part in response.iter_text():
                self.text += part
                self.begun.set()

    def end(self) -> str:
        self._thread.join(60)
        return self.text


@contextmanager
def slowed(engine: int) -> Iterator[None]:
    """An engine that is held nearly all of the time: a long answer takes minutes."""
    done = threading.Event()

    def hold() -> None:
        with suppress(ProcessLookupError):
            while not done.wait(0.02):
                os.kill(engine, signal.SIGSTOP)
                done.wait(1.0)
                os.kill(engine, signal.SIGCONT)

    holding = threading.Thread(target=hold)
    holding.start()
    try:
        yield
    finally:
        done.set()
        holding.join()


def test_a_card_that_falls_off_the_bus(staged: Staged, parrot: Path) -> None:
    appliance, stage = staged.appliance, staged.open(cards=2)
    up = appliance.up("--model", f"file:{parrot}")
    card = card_of(appliance)
    other = next(c.id for c in stage.cards if c.id != card)

    stage.change(0 if stage.cards[0].id == card else 1, lost=True)

    wait_for(lambda: card_of(appliance) == other and serves(appliance), 30)
    assert ask(up["endpoint"], up["key"]).status_code == 200
    held = {c["id"]: c["hold"] for c in appliance.status()["cards"] if c["hold"]}
    assert held[card]["kind"] == "quarantine"
    assert held[card]["code"] == "CARD-LOST"
    evidence = Path(held[card]["evidence"])
    assert "Xid" in (evidence / "kernel.log").read_text()
    assert (evidence / "parrot.gguf-0.log").read_text()
    assert (evidence / "samples.jsonl").read_text()

    staged.kill()
    staged.start()
    assert card in appliance.run("cards", "list").stdout
    assert serves(appliance)

    stage.change(0 if stage.cards[0].id == card else 1, lost=False)
    assert appliance.run("cards", "release", card).returncode == 0
    wait_for(lambda: card_of(appliance) == card and serves(appliance), 30)
    assert ask(up["endpoint"], up["key"]).status_code == 200


def test_a_person_takes_a_card_out_and_the_answer_that_runs_on_it_ends_first(
    staged: Staged, talker: Path
) -> None:
    appliance, _ = staged.appliance, staged.open(cards=1)
    up = appliance.up("--model", f"file:{talker}")
    stream = Stream(up)

    held = appliance.run("cards", "hold", "nvidia0", "--reason", "the fan is replaced")

    assert held.returncode == 0, held.stderr
    assert stream.end().rstrip().endswith("data: [DONE]")
    wait_for(lambda: appliance.engines() == [])
    status = appliance.status()
    assert status["deployments"][0]["state"] == "quarantined"
    assert "the fan is replaced" in status["deployments"][0]["reason"]
    refused = appliance.run("up", "--model", f"file:{talker}")
    assert refused.returncode == 6
    assert "cards release" in refused.stderr

    assert appliance.run("cards", "release", "nvidia0").returncode == 0
    wait_for(lambda: serves(appliance), 30)
    assert appliance.run("cards", "release", "nvidia0").returncode == 2
    assert appliance.run("cards", "hold", "nvidia7").returncode == 2


def test_memory_that_runs_out_costs_the_engine_and_nothing_else(
    staged: Staged, parrot: Path
) -> None:
    appliance, stage = staged.appliance, staged.open(cards=0)
    up = appliance.up("--model", f"file:{parrot}")
    (engine,) = appliance.engines()

    stage.memory(available_mib=100)

    wait_for(lambda: is_zombie(engine), 20)
    wait_for(lambda: "memory" in (appliance.status()["deployments"][0]["reason"] or ""))
    assert appliance.engines() == []
    stage.memory(available_mib=16 * 1024)
    wait_for(lambda: serves(appliance), 30)
    assert ask(up["endpoint"], up["key"]).status_code == 200


def test_a_file_cut_short_under_it_is_named_and_a_whole_one_heals_it(
    appliance: Appliance, parrot: Path
) -> None:
    up = appliance.up("--model", f"file:{parrot}")
    (stored,) = appliance.home.glob("data/models/blobs/sha256-*")
    whole = stored.read_bytes()
    stored.chmod(0o600)
    os.truncate(stored, len(whole) // 2)
    for engine in appliance.engines():
        os.kill(engine, signal.SIGKILL)

    def reason() -> str:
        return str(appliance.status()["deployments"][0]["reason"])

    wait_for(lambda: "three times the same way" in reason())
    assert "appliance models verify" in reason()

    with stored.open("r+b") as file:
        file.write(whole)
    wait_for(lambda: serves(appliance), 30)
    assert ask(up["endpoint"], up["key"]).status_code == 200


def test_running_answers_end_before_the_engine_does(appliance: Appliance, talker: Path) -> None:
    stream = Stream(appliance.up("--model", f"file:{talker}"))

    down = appliance.run("down")

    assert down.returncode == 0, down.stderr
    assert stream.end().rstrip().endswith("data: [DONE]")
    assert appliance.processes() == {}


def test_down_now_waits_for_nobody_and_ends_a_down_that_waits(
    appliance: Appliance, talker: Path
) -> None:
    up = appliance.up("--model", f"file:{talker}")
    (engine,) = appliance.engines()
    with slowed(engine):
        stream = Stream(up)
        waiting = appliance.start("down", "talker.gguf")
        wait_for(lambda: appliance.status()["deployments"][0]["state"] == "stopped")
        assert appliance.engines() == [engine]

        down = appliance.run("down", "--now", timeout_s=45)  # a minute is what answers get

        waiting.communicate(timeout=15)
    stream.end()
    assert down.returncode == 0, down.stderr
    assert appliance.processes() == {}


def test_a_daemon_killed_while_it_waits_for_answers_leaves_no_orphan(
    appliance: Appliance, talker: Path
) -> None:
    up = appliance.up("--model", f"file:{talker}")
    daemon = appliance.status()["daemon"]["pid"]
    (engine,) = appliance.engines()
    with slowed(engine):
        stream = Stream(up)
        down = appliance.start("down", "talker.gguf")
        wait_for(lambda: appliance.status()["deployments"][0]["state"] == "stopped")
        assert appliance.engines() == [engine]

        os.kill(daemon, signal.SIGKILL)
        down.communicate(timeout=30)
        assert appliance.run("status").returncode == 0

        wait_for(lambda: appliance.engines() == [])
    stream.end()


def _during(appliance: Appliance, phase: str, parrot: Path, act: Callable[[Any], None]) -> Any:
    """`up`, and `act` as soon as the phase is told to have begun; returns the process."""
    process = appliance.start("up", "--yes", "--json", "--model", f"file:{parrot}")
    assert process.stderr
    for line in process.stderr:
        if line.startswith(phase):
            act(process)
            break
    process.communicate(timeout=60)
    return process


@pytest.mark.parametrize("phase", PHASES)
def test_a_daemon_killed_in_any_phase_costs_a_second_up(
    appliance: Appliance, parrot: Path, phase: str
) -> None:
    assert appliance.run("logs", "nothing").returncode == 2  # starts the daemon
    daemon = json.loads(appliance.run("status", "--json").stdout)["daemon"]["pid"]

    killed = _during(appliance, phase, parrot, lambda _: os.kill(daemon, signal.SIGKILL))

    assert killed.returncode == 3
    up = appliance.up("--model", f"file:{parrot}")
    assert up["proof"]["answer"] == ANSWER
    assert len(appliance.engines()) == 1


def _was_done(appliance: Appliance) -> bool:
    """Whether Ctrl-C came when `up` had nothing more to do: what is served stays then."""

    def ended() -> list[Any]:
        found = [job for job in appliance.json("models", "jobs")["jobs"] if job["kind"] == "up"]
        return found if all(job["state"] == "ended" for job in found) else []

    return wait_for(ended)[-1].get("why") is None


@pytest.mark.parametrize("phase", [phase for phase in PHASES if phase not in ("fetch", "load")])
def test_ctrl_c_in_any_phase_leaves_nothing_half_done(
    appliance: Appliance, parrot: Path, phase: str
) -> None:
    process = _during(appliance, phase, parrot, lambda p: p.send_signal(signal.SIGINT))

    assert process.returncode in (0, 130)
    if process.returncode == 130 and not _was_done(appliance):
        wait_for(lambda: appliance.engines() == [])
    assert appliance.up("--model", f"file:{parrot}")["proof"]["answer"] == ANSWER
    assert len(appliance.engines()) == 1


def test_a_disk_that_fills_up_does_not_stop_what_is_served(
    appliance: Appliance, parrot: Path, tmp_path: Path
) -> None:
    """State and logs are on the disk that fills; the store asks for more room than that."""
    small = _small_disk(tmp_path / "small", mib=64)
    home, appliance.home = appliance.home, small / "h"
    appliance.home.mkdir()
    (home / "elsewhere").mkdir()
    (appliance.home / "data").symlink_to(home / "elsewhere")
    appliance.environment["APPLIANCE_HOME"] = str(appliance.home)
    try:
        up = appliance.up("--model", f"file:{parrot}")
        _fill(small / "filler")

        (engine,) = appliance.engines()
        os.kill(engine, signal.SIGKILL)
        wait_for(lambda: [pid for pid in appliance.engines() if pid != engine], 30)
        assert ask(up["endpoint"], up["key"]).status_code == 200

        (small / "filler").unlink()
        wait_for(lambda: serves(appliance), 30)
        assert len(appliance.engines()) == 1
    finally:
        appliance.run("down", "--now")
        subprocess.run(["umount", "-l", str(small)], check=True)
        appliance.home, appliance.environment["APPLIANCE_HOME"] = home, str(home)


def _fill(path: Path) -> None:
    """Write until the disk takes no more."""
    with path.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(b"x" * 4096)


def _small_disk(where: Path, *, mib: int) -> Path:
    where.mkdir()
    if os.geteuid() != 0 or not shutil.which("mount"):
        pytest.skip("needs root to mount a small disk")
    command = ["mount", "-t", "tmpfs", "-o", f"size={mib}m", "none", str(where)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("mounting is not allowed here")
    return where

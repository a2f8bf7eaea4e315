"""Engines as systemd units, at programs that check what they are asked and start real processes."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_engines import FAKE, Command, until
from systemd_stand_in import end_for_memory, install, properties_of

from appliance.core.errors import ApplianceError
from appliance.core.loopback import free_port
from appliance.supervisor import process, units
from appliance.supervisor.identity import Identity, Mark
from appliance.supervisor.table import entry_of
from appliance.supervisor.units import alive, exit_status, memory_killed, start, stop


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    programs = install(tmp_path / "systemd")
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setattr(units, "_RUNNING", programs)
    monkeypatch.setattr(units, "_lingers", lambda: True)
    return programs


class Starter:
    def __init__(self, directory: Path) -> None:
        self.log = directory / "logs" / "engine.log"
        self.mark = Mark(directory / "state", "tiny-0")
        self.note = directory / "note"
        self.started: list[Identity] = []

    def __call__(self, mode: str = "good", **changes: object) -> Identity:
        port = free_port()
        argv = [sys.executable, "-u", str(FAKE), mode, f"--port={port}", f"--note={self.note}"]
        values = {"argv": argv, "port": port, **changes}
        identity = start(Command(**values), self.log, self.mark)  # type: ignore[arg-type]
        self.started.append(identity)
        return identity

    def serving(self, mode: str = "good") -> Identity:
        identity = self(mode)
        until(lambda: "serving" in self.log.read_text())
        return identity


@pytest.fixture
def run(systemd: Path, tmp_path: Path) -> Iterator[Starter]:
    starter = Starter(tmp_path)
    yield starter
    for identity in starter.started:
        stop(identity, grace_s=0.0)


def test_an_engine_runs_limited_and_hardened(run: Starter, systemd: Path) -> None:
    identity = run(cpus=[0])

    assert (identity.kept_as, identity.name) == ("unit", run.mark.name)
    assert alive(identity)
    assert exit_status(identity) is None
    told = properties_of(systemd, run.mark.name)
    assert told["StandardOutput"] == told["StandardError"] == f"append:{run.log}"
    assert told["OOMScoreAdjust"] == "500"
    assert int(told["MemoryMax"]) < os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert os.sched_getaffinity(identity.pid) == {0}
    assert run.log.stat().st_mode & 0o777 == 0o600


def test_the_environment_reaches_it_and_nobody_else(run: Starter) -> None:
    odd = "a\"b $HOME `x` \\ 'q'\ntwo"
    identity = run(env={"ODD": odd})

    until(lambda: f"ODD={odd}".encode() in environment_of(identity))
    assert f"APPLIANCE_REPLICA={run.mark.text}".encode() in environment_of(identity)
    assert f"HOME={os.environ['HOME']}".encode() in environment_of(identity)
    assert list((run.mark.state / "units").iterdir()) == []


def environment_of(identity: Identity) -> list[bytes]:
    return Path(f"/proc/{identity.pid}/environ").read_bytes().split(b"\0")


def test_words_are_taken_as_they_are(run: Starter) -> None:
    run(argv=["sh", "-c", 'echo "$0"; sleep 60', "$HOME 100% %h"])

    until(lambda: run.log.read_text() == "$HOME 100% %h\n")


def test_it_is_found_again_by_its_unit(
    run: Starter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    identity = run()
    until(lambda: [one.identity.pid for one in process.marked(run.mark.state)] == [identity.pid])
    assert units.marked(run.mark.state) == []
    monkeypatch.setattr(units, "_unit_of", lambda pid: run.mark.name)

    (found,) = units.marked(run.mark.state)

    assert found.replica == "tiny-0"
    assert (found.identity.kept_as, found.identity.name) == ("unit", run.mark.name)
    assert (found.identity.pid, found.identity.started) == (identity.pid, identity.started)


@pytest.mark.parametrize(
    ("groups", "name"),
    [
        ("0::/system.slice/appliance-1-tiny-0.service\n", "appliance-1-tiny-0"),
        ("4:memory:/x\n1:name=systemd:/system.slice/a.service/sub\n0::/\n", "a"),
        ("0::/user.slice/user-0.slice/user@0.service/app.slice/a.service", "a"),
        ("0::/init.scope\n", None),
    ],
)
def test_the_unit_of_a_process(
    groups: str, name: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "7").mkdir()
    (tmp_path / "7" / "cgroup").write_text(groups)
    monkeypatch.setattr(units, "_PROC", tmp_path)

    assert units._unit_of(7) == name
    assert units._unit_of(8) is None


def test_stop_asks_first(run: Starter) -> None:
    identity = run.serving()

    stop(identity, grace_s=10.0)

    assert not alive(identity)
    assert stop(identity, grace_s=0.0) is None


def test_stop_insists(run: Starter) -> None:
    identity = run.serving("ignore-term")

    assert stop(identity, grace_s=0.2) == -signal.SIGKILL


def test_stop_ends_one_that_was_stopped_by_a_signal(run: Starter) -> None:
    identity = run.serving()
    os.kill(identity.pid, signal.SIGSTOP)

    stop(identity, grace_s=10.0)

    assert not alive(identity)


def test_nothing_is_left_of_one_that_crashed(run: Starter) -> None:
    identity = run("orphans")
    until(lambda: run.note.exists() and run.note.read_text().endswith("]"))
    workers = json.loads(run.note.read_text())

    until(lambda: exit_status(identity) == 3)

    until(lambda: not any((e := entry_of(pid)) and not e.dead for pid in workers))
    assert memory_killed(identity) is False
    assert stop(identity, grace_s=0.0) == 3
    assert exit_status(identity) is None


def test_one_that_took_too_much_memory_is_told(run: Starter, systemd: Path) -> None:
    identity = run.serving()
    end_for_memory(systemd, run.mark.name)
    until(lambda: not alive(identity))

    assert exit_status(identity) == -signal.SIGKILL
    assert memory_killed(identity) is True


def test_who_killed_it_is_unknown_where_nobody_says(run: Starter) -> None:
    identity = run.serving()
    os.kill(identity.pid, signal.SIGKILL)
    until(lambda: exit_status(identity) == -signal.SIGKILL)

    assert memory_killed(identity) is None


def test_a_second_copy_cannot_be(run: Starter) -> None:
    first = run.serving()

    second = run()

    assert (alive(first), alive(second)) == (False, True)


def test_a_missing_program_is_one_clear_error(run: Starter) -> None:
    with pytest.raises(ApplianceError, match="no-such-engine") as caught:
        run(argv=["no-such-engine"])

    assert caught.value.code == "ENGINE-MISSING"


def test_a_refusal_of_systemd_is_told(run: Starter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(units, "_PROPERTIES", ("NoSuchProperty=yes",))

    with pytest.raises(ApplianceError, match="NoSuchProperty") as caught:
        run()

    assert caught.value.code == "ENGINE-NOT-STARTED"


def test_systemd_is_used_where_it_runs(
    systemd: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    available = units.available.__wrapped__

    assert available()
    monkeypatch.setattr(units, "_OLDEST", 300)
    assert not available()
    monkeypatch.setattr(units, "_OLDEST", 243)
    monkeypatch.setattr(units, "_RUNNING", tmp_path / "nothing")
    assert not available()


def test_a_users_own_systemd_must_outlive_the_login(
    systemd: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(units, "_LINGER", tmp_path)
    assert not units._lingers()

    import pwd

    (tmp_path / pwd.getpwuid(os.geteuid()).pw_name).touch()
    assert units._lingers()

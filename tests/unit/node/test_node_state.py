"""What the daemon remembers survives whatever happens to it."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from node_fakes import deployment

from appliance.core.errors import ApplianceError, DoesNotFit
from appliance.core.i18n import say, use_language
from appliance.node import state as state_module
from appliance.node.state import ReplicaRecord, State, anything_to_see_to
from appliance.node.statuses import disk_notes
from appliance.supervisor.identity import Identity

WRITER = """
import sys
from pathlib import Path
from node_fakes import deployment
from appliance.node.state import State
state = State(Path(sys.argv[1]))
number = 0
while True:
    state.want(deployment(f"m{number}"))
    print(number, flush=True)
    number += 1
"""


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A tmpfs of one MiB; skips where mounting is not allowed."""
    where = tmp_path / "small"
    where.mkdir()
    if os.geteuid() != 0 or not shutil.which("mount"):
        pytest.skip("needs root to mount a small disk")
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(where)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("mounting is not allowed here")
    yield where
    subprocess.run(["umount", "-l", str(where)], check=True)


def fill(disk: Path) -> Path:
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"x" * 4096)
    return filler


def test_a_disk_that_takes_no_more_is_in_the_status(small_disk: Path) -> None:
    assert disk_notes(small_disk) == []

    filler = fill(small_disk)
    (full,) = disk_notes(small_disk)
    assert full.code == "DISK-FULL"
    assert str(small_disk) in full.text
    filler.unlink()
    assert disk_notes(small_disk) == []

    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    assert [note.code for note in disk_notes(small_disk)] == ["DISK-READONLY"]


def remember_much(state: State) -> None:
    for number in range(2000):
        state.set_setting(f"key{number}", "value" * 100)


def test_what_was_told_survives_kill_9(tmp_path: Path) -> None:
    path = tmp_path / "node.sqlite3"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, env=environment
    )
    assert writer.stdout
    told = [int(writer.stdout.readline()) for _ in range(20)][-1]
    writer.send_signal(signal.SIGKILL)
    writer.communicate()

    again = State(path)

    assert [d.deployment.id for d in again.deployments()][: told + 1] == [
        f"m{number}" for number in range(told + 1)
    ]
    assert anything_to_see_to(path)
    again.close()


def test_a_full_disk_is_said_and_space_makes_it_work_again(small_disk: Path) -> None:
    state = State(small_disk / "node.sqlite3")
    filler = fill(small_disk)

    with pytest.raises(DoesNotFit) as full:
        remember_much(state)
    assert full.value.code == "DISK-FULL"
    state.record("info", "TEST", "test", say("nobody hears this, nothing breaks"))

    filler.unlink()
    state.want(deployment())
    assert [d.deployment.id for d in state.deployments()] == ["tiny"]
    state.close()


def test_the_state_of_a_newer_appliance_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "node.sqlite3"
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA user_version=99")
    database.close()
    before = path.read_bytes()

    with pytest.raises(ApplianceError) as refused:
        State(path)

    assert refused.value.code == "STATE-NEWER"
    assert path.read_bytes() == before


@pytest.mark.parametrize("content", [b"not a database at all" * 100, b"SQLite format 3\0broken"])
def test_a_broken_file_is_said(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "node.sqlite3"
    path.write_bytes(content)

    with pytest.raises(ApplianceError) as refused:
        State(path)

    assert refused.value.code == "STATE-BROKEN"
    assert not anything_to_see_to(path)


def test_replicas_and_wishes_come_back_as_they_were(tmp_path: Path) -> None:
    path = tmp_path / "node.sqlite3"
    record = ReplicaRecord(
        id="tiny-0",
        work=deployment(),
        identity=Identity(pid=7, started="1", port=9),
        reason=say("because of {what}", what="x"),
    )
    first = State(path)
    first.want(deployment())
    first.want(deployment("other"))
    first.unwant("tiny")
    first.save_replica(record)
    first.close()

    again = State(path)

    assert again.replicas() == [record]
    assert [(d.deployment.id, d.wanted) for d in again.deployments()] == [
        ("tiny", False),
        ("other", True),
    ]
    again.unwant()
    assert anything_to_see_to(path), "an engine may still run that nobody wants"
    again.save_replica(msgspec.structs.replace(record, identity=None))
    assert not anything_to_see_to(path)
    again.close()


def test_old_events_go_and_numbers_go_on(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state_module, "_MOST_EVENTS", 10)
    for number in range(25):
        state.record("info", "TEST", "test", say("event {number}", number=number))

    kept = state.events()

    assert [event.text for event in kept] == [f"event {number}" for number in range(15, 25)]
    assert [event.number for event in state.events(after=kept[-2].number)] == [kept[-1].number]


def test_events_are_told_in_the_language_of_the_reader(state: State) -> None:
    state.record("info", "DAEMON-START", "daemon", say("the daemon started"))

    use_language("zh")
    (event,) = state.events()
    use_language("en")

    assert event.text != "the daemon started"
    assert state.events()[0].text == "the daemon started"


def test_each_replica_has_its_own_share_of_the_cards() -> None:
    work = deployment(cards=["a", "b", "c", "d"], replicas=2)

    assert work.replica_cards() == {"tiny-0": ["a", "b"], "tiny-1": ["c", "d"]}
    assert ReplicaRecord(id="tiny-1", work=work).cards == ["c", "d"]
    assert deployment(replicas=2).replica_cards() == {"tiny-0": ["cpu"], "tiny-1": ["cpu"]}

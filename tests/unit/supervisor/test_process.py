from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from fake_engines import FAKE, Command, Fakes, until

from appliance.core.errors import ApplianceError
from appliance.core.loopback import free_port
from appliance.supervisor.identity import Identity, Mark
from appliance.supervisor.process import alive, end_strays, exit_status, start, stop
from appliance.supervisor.table import entry_of


def runs(pid: int) -> bool:
    entry = entry_of(pid)
    return entry is not None and not entry.dead


def noted_pids(fakes: Fakes) -> list[int]:
    until(lambda: fakes.note.exists() and fakes.note.read_text().endswith("]"))
    return [int(pid) for pid in json.loads(fakes.note.read_text())]


@pytest.fixture
def fakes(tmp_path: Path) -> Iterator[Fakes]:
    with Fakes(tmp_path) as running:
        yield running


def test_an_engine_leads_its_own_session_and_reads_nothing(fakes: Fakes) -> None:
    identity = fakes.serving("tell")

    told = json.loads(fakes.note.read_text())
    assert told == {"sid": identity.pid, "stdin": "/dev/null"}
    assert alive(identity)
    assert exit_status(identity) is None


def test_output_is_appended_and_private(fakes: Fakes, tmp_path: Path) -> None:
    log = tmp_path / "logs" / "engine.log"
    fakes.start("tell", log=log)
    until(lambda: log.exists() and "serving" in log.read_text())
    fakes.start("tell", log=log)
    until(lambda: log.read_text().count("serving") == 2)

    assert log.read_text().count("to stdout") == log.read_text().count("to stderr") == 2
    assert log.stat().st_mode & 0o777 == 0o600


def test_the_kernel_would_end_an_engine_before_the_server(fakes: Fakes) -> None:
    identity = fakes.start("good")

    assert Path(f"/proc/{identity.pid}/oom_score_adj").read_text().strip() == "500"


def test_an_engine_outlives_a_killed_daemon_and_is_adopted(tmp_path: Path) -> None:
    port = free_port()
    daemon = f"""
import sys, time
sys.path.insert(0, {str(FAKE.parent)!r})
import msgspec
from pathlib import Path
from fake_engines import Command
from appliance.supervisor.process import start
command = Command(argv=[sys.executable, {str(FAKE)!r}, "good", "--port={port}"], port={port})
identity = start(command, Path({str(tmp_path / "log")!r}))
print(msgspec.json.encode(identity).decode(), flush=True)
time.sleep(300)
"""
    process = subprocess.Popen([sys.executable, "-c", daemon], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    identity = msgspec.json.decode(process.stdout.readline(), type=Identity)
    process.kill()
    process.communicate()

    until(lambda: "serving" in (tmp_path / "log").read_text())
    assert alive(identity)
    assert exit_status(identity) is None
    stop(identity, grace_s=5.0)
    assert not runs(identity.pid)


def test_the_pid_of_another_process_is_not_the_engine(fakes: Fakes) -> None:
    identity = fakes.start("good")
    stranger = msgspec.structs.replace(identity, started="another-boot/1")

    assert not alive(stranger)
    assert exit_status(stranger) is None
    assert stop(stranger, grace_s=0.0) is None
    assert alive(identity)


def test_a_zombie_is_dead_and_tells_how_it_ended_once(tmp_path: Path) -> None:
    identity = start(Command(argv=["sh", "-c", "exit 3"]), tmp_path / "log")
    until(lambda: not alive(identity))

    assert entry_of(identity.pid) is not None
    assert exit_status(identity) == 3
    assert exit_status(identity) is None
    assert not alive(identity)


def test_a_signal_is_told_as_a_negative_number(fakes: Fakes) -> None:
    identity = fakes.start("good")
    os.kill(identity.pid, signal.SIGKILL)
    until(lambda: not alive(identity))

    assert exit_status(identity) == -signal.SIGKILL


def test_stop_asks_first(fakes: Fakes) -> None:
    identity = fakes.start("good")

    assert stop(identity, grace_s=10.0) == -signal.SIGTERM


def test_stop_insists(fakes: Fakes) -> None:
    identity = fakes.serving("ignore-term")

    assert stop(identity, grace_s=0.2) == -signal.SIGKILL


def test_stop_ends_the_whole_family(fakes: Fakes) -> None:
    identity = fakes.start("family")
    workers = noted_pids(fakes)
    assert all(runs(pid) for pid in workers)

    stop(identity, grace_s=0.2)

    assert [pid for pid in [identity.pid, *workers] if runs(pid)] == []


def ignores_term(pid: int) -> bool:
    status = Path(f"/proc/{pid}/status").read_text()
    ignored = next(line.split()[1] for line in status.splitlines() if line.startswith("SigIgn"))
    return bool(int(ignored, 16) & 1 << signal.SIGTERM - 1)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads /proc")
def test_stop_ends_a_worker_that_its_leader_left_on_the_way(fakes: Fakes) -> None:
    identity = fakes.start("leader-first")
    (worker,) = noted_pids(fakes)
    until(lambda: ignores_term(worker))

    stop(identity, grace_s=0.5)

    assert not runs(worker)


def test_stop_ends_the_workers_of_an_engine_that_crashed(fakes: Fakes) -> None:
    identity = fakes.start("orphans")
    workers = noted_pids(fakes)
    until(lambda: not alive(identity))
    assert all(runs(pid) for pid in workers)

    assert stop(identity, grace_s=0.2) == 3
    assert [pid for pid in workers if runs(pid)] == []


def test_what_a_dead_engine_left_elsewhere_is_known_by_its_mark(
    fakes: Fakes, tmp_path: Path
) -> None:
    mine, other = Mark(tmp_path, "r-0"), Mark(tmp_path, "r-1")
    neighbour = fakes.start("good", mark=other)
    identity = fakes.start("strays", mark=mine)
    (stray,) = noted_pids(fakes)
    until(lambda: not alive(identity))
    stop(identity, grace_s=0.2)
    assert runs(stray)

    end_strays(mine, grace_s=0.2)

    assert not runs(stray)
    assert alive(neighbour)


def test_stop_ends_an_engine_that_was_stopped_by_a_signal(fakes: Fakes) -> None:
    identity = fakes.serving("good")
    os.kill(identity.pid, signal.SIGSTOP)

    assert stop(identity, grace_s=10.0) == -signal.SIGTERM


def test_stopping_twice_is_fine(fakes: Fakes) -> None:
    identity = fakes.start("good")
    stop(identity, grace_s=5.0)

    assert stop(identity, grace_s=5.0) is None


def test_files_are_written_before_the_start(tmp_path: Path) -> None:
    config = tmp_path / "conf" / "engine.json"
    command = Command(argv=["cat", str(config)], files={str(config): '{"cards": 8}'})
    identity = start(command, tmp_path / "log")
    until(lambda: not alive(identity))

    assert exit_status(identity) == 0
    assert (tmp_path / "log").read_text() == '{"cards": 8}'
    assert [path.name for path in config.parent.iterdir()] == ["engine.json"]


def test_the_environment_is_added_to_ours(tmp_path: Path) -> None:
    command = Command(argv=["sh", "-c", "echo $CARDS $HOME"], env={"CARDS": "0,1"})
    identity = start(command, tmp_path / "log")
    until(lambda: not alive(identity))

    assert (tmp_path / "log").read_text() == f"0,1 {os.environ['HOME']}\n"
    exit_status(identity)


def test_a_missing_program_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(ApplianceError, match="no-such-engine") as caught:
        start(Command(argv=["no-such-engine"]), tmp_path / "log")

    assert caught.value.code == "ENGINE-MISSING"


def test_a_log_that_cannot_be_written_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(ApplianceError) as caught:
        start(Command(argv=["true"]), tmp_path / "file" / "log")

    assert caught.value.code == "ENGINE-NOT-STARTED"

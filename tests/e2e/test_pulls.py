"""Pulls carried by the daemon: over a closed terminal, a killed daemon, a pause, a restart."""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from appliance_box import Appliance, wait_for
from hub import LoopbackHub

MIB = 1 << 20
SIZE = 96 * MIB
MODEL = "hf:tests/large"


def safetensors(size: int) -> bytes:
    """A whole file of this size that does not compress."""
    room = size - 8 - 92
    entry = {"w": {"dtype": "U8", "shape": [room], "data_offsets": [0, room]}}
    header = json.dumps(entry).encode().ljust(92)
    return len(header).to_bytes(8, "little") + header + random.Random(1).randbytes(room)


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """The directory of a hub with one large model."""
    repo = tmp_path / "hub/tests/large"
    repo.mkdir(parents=True)
    (repo / "model.safetensors").write_bytes(safetensors(SIZE))
    (repo / "config.json").write_text("{}")
    return tmp_path / "hub"


@pytest.fixture
def online(appliance: Appliance, hub: LoopbackHub, large: Path) -> Appliance:
    """An appliance, and a hub on a line of 24 MiB a second with one large model.

    The line is slower while a command has its say: on a busy machine that takes seconds.
    """
    assert hub.root == large
    hub.bps = 24 * MIB
    appliance.environment["HF_ENDPOINT"] = hub.hf_endpoint
    return appliance


def jobs(box: Appliance) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = box.json("models", "jobs")["jobs"]
    return found


def state(box: Appliance) -> str:
    return next((job["state"] for job in jobs(box) if job["subject"] == MODEL), "none")


def final(process: subprocess.Popen[str]) -> dict[str, Any]:
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    document: dict[str, Any] = json.loads(out.splitlines()[-1])
    return document


def check_stored(box: Appliance, hub: LoopbackHub) -> None:
    stored = list(box.home.glob("data/models/models/*/model.safetensors"))
    assert len(stored) == 1
    expected = hub.sha256(hub.root / "tests/large/model.safetensors")
    assert hashlib.sha256(stored[0].read_bytes()).hexdigest() == expected
    left = [path.name for path in box.home.glob("data/models/blobs/*") if path.suffix]
    assert left == []


def test_a_pull_goes_on_when_its_terminal_is_closed(online: Appliance, hub: LoopbackHub) -> None:
    inherited = signal.signal(signal.SIGHUP, signal.SIG_DFL)  # who runs the tests may ignore it
    process = online.start("models", "pull", MODEL)
    signal.signal(signal.SIGHUP, inherited)
    wait_for(lambda: hub.bytes_sent > 8 * MIB)
    hub.bps = MIB
    process.send_signal(signal.SIGHUP)
    process.communicate()
    assert process.returncode == -signal.SIGHUP
    assert state(online) == "running"

    hub.bps = 24 * MIB
    wait_for(lambda: state(online) == "ended")

    check_stored(online, hub)
    assert hub.bytes_sent < SIZE + 4 * MIB


def test_a_killed_daemon_costs_a_chunk_and_the_next_goes_on(
    online: Appliance, hub: LoopbackHub
) -> None:
    hub.bps = MIB
    process = online.start("models", "pull", MODEL)
    wait_for(lambda: hub.bytes_sent > 0)
    daemon = online.status()["daemon"]["pid"]
    hub.bps = 24 * MIB
    wait_for(lambda: hub.bytes_sent > SIZE // 2)
    os.kill(daemon, signal.SIGKILL)
    process.communicate()
    assert process.returncode == 3
    sent = hub.bytes_sent

    done = final(online.start("models", "pull", MODEL, "--json"))

    assert done["bytes_reused"] >= sent - SIZE // 100 - 16 * MIB - 2 * MIB
    assert hub.bytes_sent <= SIZE + SIZE // 100 + 16 * MIB + 2 * MIB
    check_stored(online, hub)


def test_a_pull_whose_hub_goes_away_waits_says_so_and_goes_on(
    appliance: Appliance, large: Path
) -> None:
    with LoopbackHub(large, bps=24 * MIB) as hub:
        appliance.environment["HF_ENDPOINT"] = hub.hf_endpoint
        process = appliance.start("models", "pull", MODEL, "--json")
        wait_for(lambda: hub.bytes_sent > SIZE // 2)

    wait_for(lambda: jobs(appliance)[0]["waiting"])
    assert jobs(appliance)[0]["state"] == "running"
    assert "does not answer" in appliance.status()["jobs"][0]["waiting"]
    said = appliance.run("status").stdout
    assert "WAITING" in said
    assert f":{hub.port} does not answer" in said
    assert "waiting" in appliance.run("models", "jobs").stdout
    began = time.monotonic()
    assert appliance.run("models", "pause").returncode == 0
    wait_for(lambda: state(appliance) == "paused")
    assert time.monotonic() - began < 20
    assert appliance.run("models", "resume").returncode == 0
    wait_for(lambda: jobs(appliance)[0]["waiting"])

    with LoopbackHub(large, port=hub.port) as back:
        done = final(process)
        assert hub.bytes_sent + back.bytes_sent <= SIZE + SIZE // 100 + 16 * MIB + 2 * MIB
        assert done["bytes_fetched"] + done["bytes_reused"] == SIZE + 2
        check_stored(appliance, back)


def test_a_paused_pull_survives_a_restart_of_the_daemon(
    online: Appliance, hub: LoopbackHub
) -> None:
    process = online.start("models", "pull", MODEL)
    wait_for(lambda: hub.bytes_sent > SIZE // 3)
    hub.bps = MIB
    assert "paused" in online.run("models", "pause").stdout
    wait_for(lambda: state(online) == "paused")
    paused_at = hub.bytes_sent
    assert online.run("down").returncode == 0
    _, err = process.communicate()
    assert "paused; `appliance models resume` goes on" in err

    assert state(online) == "paused"
    assert online.run("models", "gc").returncode == 0
    refused = online.run("models", "rm", MODEL, "--yes")
    assert (refused.returncode, "models cancel" in refused.stderr) == (2, True)
    assert hub.bytes_sent <= paused_at + MIB
    hub.bps = 24 * MIB
    assert online.run("models", "resume", MODEL).returncode == 0

    wait_for(lambda: state(online) == "ended")
    check_stored(online, hub)
    assert hub.bytes_sent <= SIZE + SIZE // 100 + 16 * MIB + 2 * MIB


def test_a_cancelled_pull_can_be_removed(online: Appliance, hub: LoopbackHub) -> None:
    process = online.start("models", "pull", MODEL)
    wait_for(lambda: hub.bytes_sent > 8 * MIB)
    hub.bps = MIB
    assert online.run("models", "cancel", MODEL).returncode == 0
    process.communicate()
    assert process.returncode == 130

    no_terminal = online.run("models", "rm", MODEL)
    assert (no_terminal.returncode, "--yes" in no_terminal.stderr) == (2, True)
    assert online.run("models", "rm", MODEL, "--yes").returncode == 0
    blobs = online.home / "data/models/blobs"
    assert [path.name for path in blobs.iterdir() if path.suffix] == []
    gone = online.run("models", "cancel", MODEL)
    assert (gone.returncode, "is under way" in gone.stderr) == (2, True)


def test_a_limit_holds_from_the_command_and_from_the_settings(
    online: Appliance, hub: LoopbackHub, tmp_path: Path
) -> None:
    assert online.run("models", "pull", MODEL, "--limit", "fast").returncode == 2
    online.start("models", "pull", MODEL, "--limit", "2M")
    wait_for(lambda: hub.bytes_sent > MIB)
    wait_for(lambda: jobs(online)[0]["done"])
    assert jobs(online)[0]["done"] < 30 * MIB
    assert online.run("models", "cancel").returncode == 0

    config = online.home / "config/config.toml"
    config.parent.mkdir(exist_ok=True)
    config.write_text('[store]\nlimit = "1M"\nquota_gib = 0.05\n')
    online.run("down")
    refused = online.run("models", "pull", MODEL)
    assert refused.returncode == 6, refused.stderr
    assert "needs" in refused.stderr

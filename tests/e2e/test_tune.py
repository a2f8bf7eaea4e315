"""Tuning a real engine, and losing the daemon in the middle of it."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from appliance_box import Appliance, is_zombie, wait_for

pytestmark = pytest.mark.slow


def _command_of(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/cmdline").read_text().split("\0")


def _ubatch(appliance: Appliance) -> str | None:
    """Of the one engine that runs, once it does."""
    engines = appliance.engines()
    command = _command_of(engines[0]) if len(engines) == 1 else []
    return command[command.index("--ubatch") + 1] if "--ubatch" in command else None


def test_what_is_served_is_measured_and_goes_on_being_served(
    appliance: Appliance, parrot: Path
) -> None:
    up = appliance.up("--model", f"file:{parrot}", "--users", "2")
    result = appliance.json("tune", "--minutes", "0.5")
    assert result["schema"] == "appliance.tune/1"
    first = result["trials"][0]
    assert first["fault"] is None
    assert first["decode_tps_one"] > 0
    assert first["decode_tps_all"] > 0
    assert result["users"] == 2
    assert appliance.status()["deployments"][0]["state"] in ("ready", "busy")
    assert appliance.up()["endpoint"] == up["endpoint"]


def test_a_daemon_killed_in_the_middle_leaves_the_settings_as_they_were(
    appliance: Appliance, parrot: Path
) -> None:
    appliance.up("--model", f"file:{parrot}")
    before = _ubatch(appliance)
    appliance.start("tune", "--minutes", "5")
    wait_for(lambda: _ubatch(appliance) not in (None, before), 120)

    daemon = appliance.status()["daemon"]["pid"]
    os.kill(daemon, signal.SIGKILL)
    wait_for(lambda: is_zombie(daemon))

    wait_for(lambda: appliance.status()["deployments"][0]["state"] in ("ready", "busy"))
    assert wait_for(lambda: _ubatch(appliance)) == before


def test_a_second_run_is_told_of_the_first_and_ctrl_c_leaves_the_settings_as_they_were(
    appliance: Appliance, parrot: Path
) -> None:
    appliance.up("--model", f"file:{parrot}")
    before = _ubatch(appliance)
    first = appliance.start("tune")
    wait_for(lambda: _ubatch(appliance) not in (None, before), 120)

    other = appliance.run("tune", "--for", "first-token")
    assert other.returncode == 1
    assert "something else is being measured" in other.stderr
    same = appliance.start("tune")
    assert same.stderr
    assert "it is being measured already" in same.stderr.readline()
    first.send_signal(signal.SIGINT)

    assert first.wait(120) == 130
    assert same.wait(120) == 130
    assert all("measures anew" in run.stderr.read() for run in (first, same) if run.stderr)
    wait_for(lambda: appliance.status()["deployments"][0]["state"] in ("ready", "busy"))
    assert wait_for(lambda: _ubatch(appliance)) == before


def test_nothing_served_is_nothing_to_tune(appliance: Appliance) -> None:
    result = appliance.run("tune")
    assert result.returncode == 2
    assert "nothing is served here" in result.stderr
    assert "appliance up" in result.stderr

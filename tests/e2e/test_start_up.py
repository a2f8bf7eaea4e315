"""What a command costs before it does anything."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("textual", "rich", "httpx", "xllamacpp", "psutil", "gpustack_runtime", "pynvml", "uvicorn")


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_and_version_import_nothing_heavy(option: str) -> None:
    program = (
        "import sys\n"
        "from appliance.cli.main import run\n"
        f"code = run([{option!r}])\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)\n"
        "sys.exit(code)\n"
    )

    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )

    assert result.returncode == 0
    assert result.stderr.strip() == "[]"
    assert "appliance" in result.stdout


def test_help_is_there_in_chinese() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "appliance.cli.main", "--lang", "zh", "up", "--help"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert result.returncode == 0
    assert any("一" <= letter <= "鿿" for letter in result.stdout)


@pytest.mark.parametrize("place", ["before", "after"])
def test_global_options_are_taken_on_both_sides(place: str) -> None:
    words = ["--no-color", "-q", "config", "path"]
    if place == "after":
        words = ["config", "path", "--no-color", "-q"]

    result = subprocess.run(
        [sys.executable, "-m", "appliance.cli.main", *words],
        capture_output=True,
        text=True,
        check=False,
    )

    assert result.returncode == 0
    assert result.stdout.strip().endswith("config.toml")

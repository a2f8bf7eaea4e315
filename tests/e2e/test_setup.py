"""The three faces of setup on a real daemon, a hub and a real engine."""

from __future__ import annotations

import re
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from appliance_box import ANSWER, THOUGHT, Appliance, wait_for
from hub import LoopbackHub
from textual.pilot import Pilot
from tiny_models import build_parrot
from tui_pty import Terminal

from appliance.core.config import load_config
from appliance.core.paths import Paths, find_paths
from appliance.ops.setup.draft import load_draft
from appliance.tui.app import ApplianceApp
from appliance.tui.real import backend
from appliance.tui.screens.setup import SetupScreen

REPO = "tests/Tiny-qwen2-GGUF"
MODEL = f"hf:{REPO}"
APPLIANCE = [sys.executable, "-m", "appliance.cli.main"]


@pytest.fixture
def online(appliance: Appliance, hub: LoopbackHub, monkeypatch: pytest.MonkeyPatch) -> Appliance:
    """An appliance with a hub that has one small model; this process shares its home."""
    path = hub.root / REPO / "tiny-qwen2-Q4_0.gguf"
    path.parent.mkdir(parents=True)
    build_parrot("qwen2", path, f"{THOUGHT}</think>{ANSWER}")
    appliance.environment["HF_ENDPOINT"] = hub.hf_endpoint
    appliance.environment["MODELSCOPE_ENDPOINT"] = hub.ms_endpoint
    for name, value in appliance.environment.items():
        monkeypatch.setenv(name, value)
    return appliance


class Console:
    """A terminal that cannot draw, and what was read of it so far."""

    def __init__(self, terminal: Terminal) -> None:
        self.terminal = terminal
        self._read = 0

    def expect(self, text: str) -> None:
        """Wait until `text` is told after all that was waited for before."""
        self.terminal.until(lambda: text in self.terminal.text()[self._read :], 60)
        self._read = self.terminal.text().index(text, self._read) + len(text)

    def answer(self, question: str, typed: str) -> None:
        self.expect(question)
        self.terminal.send(f"{typed}\n".encode())

    def number_of(self, text: str) -> str:
        """The number before the newest row with `text`."""
        found: list[str] = re.findall(rf"(\d+)  {re.escape(text)}", self.terminal.text())
        return found[-1]


@contextmanager
def opened(online: Appliance, **environment: str) -> Iterator[Console]:
    terminal = Terminal(APPLIANCE, env={**online.environment, **environment})
    try:
        yield Console(terminal)
    finally:
        terminal.close()


@pytest.fixture
def console(online: Appliance) -> Iterator[Console]:
    with opened(online, TERM="dumb") as console:
        yield console


@pytest.fixture
def paths(online: Appliance) -> Paths:
    return find_paths()


def shown(app: ApplianceApp) -> str:
    strips = app.screen._compositor.render_strips()
    return "\n".join(strip.text.rstrip() for strip in strips)


async def until(pilot: Pilot[int], holds: Callable[[], Any], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, shown(pilot.app)  # type: ignore[arg-type]
        await pilot.pause(0.05)


@pytest.fixture
def wizard_of(paths: Paths) -> Iterator[Callable[[], ApplianceApp]]:
    apps: list[ApplianceApp] = []

    def make() -> ApplianceApp:
        apps.append(ApplianceApp(backend(paths), place="setup"))
        return apps[-1]

    yield make
    for app in apps:
        app.feed.stop()
        wait_for(lambda: not [t for t in threading.enumerate() if t.name.startswith("feed")])
        app.backend.node.close()  # type: ignore[attr-defined]


def page(app: ApplianceApp) -> str:
    front: object = app.screen
    return front.wizard.page if isinstance(front, SetupScreen) else ""


async def press_until(pilot: Pilot[int], app: ApplianceApp, key: str, wanted: str) -> None:
    await pilot.press(key)
    await until(pilot, lambda: page(app) == wanted)


async def test_the_wizard_from_the_language_to_the_answer(
    online: Appliance, paths: Paths, wizard_of: Callable[[], ApplianceApp]
) -> None:
    app = wizard_of()
    async with app.run_test(size=(100, 36)) as pilot:
        await until(pilot, lambda: page(app) == "language")
        await press_until(pilot, app, "enter", "found")
        await until(pilot, lambda: "answers in" in shown(app) or "no hub" in shown(app))
        await press_until(pilot, app, "enter", "people")
        await pilot.press("left", "left")
        await press_until(pilot, app, "enter", "choice")
        await until(pilot, lambda: "another: a catalogue id" in shown(app))
        await pilot.press(*["down"] * 5, "enter", *MODEL, "enter")
        await until(pilot, lambda: f"(*) fits            {MODEL}" in shown(app))
        await press_until(pilot, app, "enter", "source")
        await until(pilot, lambda: "has it, answers in" in shown(app))
        await press_until(pilot, app, "enter", "access")
        await press_until(pilot, app, "enter", "summary")
        await until(pilot, lambda: "Enter applies it" in shown(app) and MODEL in shown(app))
        assert online.engines() == []
        await pilot.press("A", "y")
        await until(pilot, lambda: "PROOF" in shown(app), 120)
        text = shown(app)

    assert ANSWER in text
    assert "sk-" in text
    assert load_draft(paths) is None
    assert load_config(paths).ui.language == "en"
    assert online.status()["deployments"][0]["slots"] >= 1


async def test_whoever_quits_goes_on_at_the_same_page_and_nothing_was_changed(
    online: Appliance, wizard_of: Callable[[], ApplianceApp]
) -> None:
    app = wizard_of()
    async with app.run_test(size=(100, 36)) as pilot:
        await until(pilot, lambda: page(app) == "language")
        await press_until(pilot, app, "enter", "found")
        await press_until(pilot, app, "enter", "people")
        await pilot.press("right")
        await press_until(pilot, app, "enter", "choice")
        await pilot.press("q")

    again = wizard_of()
    async with again.run_test(size=(100, 36)) as pilot:
        await until(pilot, lambda: page(again) == "choice")
        await press_until(pilot, again, "escape", "people")
        await until(pilot, lambda: "People at once" in shown(again))
        users = again.screen.wizard.answers.users  # type: ignore[attr-defined]

    assert users == 8
    assert online.status()["deployments"] == []
    assert not (online.home / "config" / "config.toml").exists()


def test_the_unattended_twin_serves_what_the_file_says(online: Appliance, tmp_path: Path) -> None:
    answers = tmp_path / "answers.toml"
    answers.write_text(f'language = "zh"\nusers = 2\nmodel = "{MODEL}"\nkey_name = "ward-3"\n')

    up = online.json("setup", "--answers", str(answers), "--yes")

    assert up["proof"]["answer"] == ANSWER
    assert online.json("keys", "list")["keys"][0]["name"] == "ward-3"
    assert online.status()["deployments"][0]["slots"] == 2
    assert 'language = "zh"' in (online.home / "config" / "config.toml").read_text()
    again = online.json("up", "--answers", str(answers), "--yes")
    assert again["key"] is None


def test_weights_from_a_disk_need_no_hub(
    online: Appliance, hub: LoopbackHub, tmp_path: Path
) -> None:
    disk = tmp_path / "usb"
    disk.mkdir()
    path = next((hub.root / REPO).iterdir()).rename(disk / "tiny-qwen2-Q4_0.gguf")

    up = online.json("setup", "--model", f"file:{path}", "--users", "1", "--yes")

    assert up["proof"]["answer"] == ANSWER


def test_a_dry_run_touches_nothing(online: Appliance) -> None:
    result = online.run("setup", "--dry-run", "--users", "3", "--json")

    assert result.returncode == 0, result.stderr
    assert '"schema": "appliance.setup/1"' in result.stdout
    assert [path for path in online.home.rglob("*") if path.is_file()] == []
    assert online.processes() == {}


def test_line_prompts_do_all_of_it(online: Appliance, console: Console) -> None:
    console.answer("Number [1]: ", "")
    console.answer("Enter goes on: ", "")
    console.answer("People at once [4]: ", "1")
    console.answer("Number [1]: ", "2")
    console.answer("Tokens of one talk [as the model needs]: ", "2048")
    console.answer("Number [1]: ", "")
    console.expect("another: a catalogue id")
    console.answer("Number [1]: ", console.number_of("another: a catalogue id"))
    console.answer("Model: ", MODEL)
    console.expect(f"  {MODEL}: ")
    console.answer("]: ", "")
    console.expect("Hugging Face: has it, answers in")
    console.answer("Number [1]: ", "")
    console.answer("First key [first]: ", "ward 3")
    console.expect(f"serve: {MODEL} by llama.cpp")
    console.expect('key_name = "ward 3"')
    console.answer("Number [1]: ", "")
    assert online.engines() == []
    console.answer("Apply it now? [y/N] ", "y")
    console.expect(f"answer   {ANSWER}")
    console.expect("Key, shown this once: sk-")
    console.answer("Number: ", "0")

    assert console.terminal.wait() == 0
    assert b"\x1b" not in console.terminal.written
    assert online.json("keys", "list")["keys"][0]["name"] == "ward 3"


def test_the_end_of_the_input_ends_it_and_the_next_start_goes_on_there(
    online: Appliance, console: Console
) -> None:
    console.answer("Number [1]: ", "")
    console.answer("Enter goes on: ", "")
    console.answer("People at once [4]: ", "7")
    console.answer("Number [1]: ", "b")
    console.expect("What is here (step 2 of 8)")
    console.answer("Enter goes on: ", "")
    console.expect("People at once [7]: ")
    console.terminal.send(b"\x04")
    assert console.terminal.wait() == 0

    with opened(online, TERM="dumb") as again:
        again.expect("Who will use it (step 3 of 8)")
        again.answer("People at once [7]: ", "q")
        again.answer("Number: ", "0")
        assert again.terminal.wait() == 0


def test_a_console_without_chinese_is_spoken_to_in_ascii(online: Appliance) -> None:
    plain = {"LC_ALL": "C", "APPLIANCE_LANG": "zh", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    with opened(online, TERM="vt220", **plain) as console:
        console.answer("Number [1]: ", "")
        console.answer("Enter goes on: ", "q")
        console.expect("Number: ")
        console.terminal.send(b"\x04")
        assert console.terminal.wait() == 0
        assert console.terminal.written.isascii()

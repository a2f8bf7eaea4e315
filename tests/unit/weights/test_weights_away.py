"""A network or a hub that goes away for a while: waited for, said, and no byte is lost."""

from __future__ import annotations

import math
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hub import LoopbackHub
from shelf import CHUNK, IMPATIENT, MIB, Shelf, some_bytes

from appliance.core.errors import ApplianceError, Interrupted, Unreachable
from appliance.core.exit_codes import ExitCode
from appliance.core.i18n import use_language
from appliance.core.progress import Cancel
from appliance.core.pull import Progress, Pull
from appliance.weights.chain import pause_s
from appliance.weights.pull import pull

SIZE = 12 * CHUNK + 4321
DATA = some_bytes(SIZE, seed=5)
NAME = "model.safetensors"
PATIENT = msgspec.structs.replace(
    IMPATIENT, stall_s=20.0, attempts=2, backoff_s=0.05, patience_s=math.inf
)


@pytest.fixture
def shelf(hub: LoopbackHub, tmp_path: Path) -> Shelf:
    shelf = Shelf(hub, tmp_path)
    shelf.add(NAME, DATA)
    return shelf


class Passing:
    """The hub of a shelf, which goes away and comes back when told to."""

    def __init__(self, shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root = shelf.hub.root
        self.stack = ExitStack()
        self.hub = self._start(0)
        monkeypatch.setenv("HF_ENDPOINT", self.hub.hf_endpoint)
        self.sent = 0
        self.gone = False

    def _start(self, port: int) -> LoopbackHub:
        hub = self.stack.enter_context(LoopbackHub(self.root, port=port, bps=40 * MIB))
        hub.hf_endpoint = hub.cdn = f"http://127.0.0.1:{hub.port}"
        return hub

    def leave(self) -> None:
        """Nobody listens there any more, and what was under way is cut."""
        self.stack.close()
        self.sent, self.gone = self.sent + self.hub.bytes_sent, True

    def come_back(self) -> None:
        """The same place answers again."""
        self.hub = self._start(self.hub.port)


@pytest.fixture
def passing(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> Iterator[Passing]:
    found = Passing(shelf, monkeypatch)
    yield found
    found.stack.close()


def pulled(shelf: Shelf, act: Callable[[Progress], None], cancel: Cancel | None = None) -> Pull:
    request = shelf.request("hf:deepseek-ai/tiny")
    return pull(request, shelf.store, on_progress=act, cancel=cancel, options=PATIENT)


def test_a_hub_that_goes_away_is_waited_for_and_no_byte_comes_twice(
    shelf: Shelf, passing: Passing
) -> None:
    reasons: set[str] = set()

    def act(now: Progress) -> None:
        if now.waiting and now.waiting not in reasons:
            reasons.add(now.waiting)
            assert now.bps is None
            passing.come_back()
        elif not passing.gone and passing.hub.bytes_sent > SIZE // 2:
            passing.leave()

    done = pulled(shelf, act)

    assert shelf.content(done, NAME) == DATA
    assert [reason for reason in reasons if "does not answer" in reason]
    in_the_sockets = 8 * MIB
    assert passing.sent + passing.hub.bytes_sent <= SIZE + in_the_sockets
    assert done.bytes_fetched == SIZE
    assert shelf.leftovers() == []


@contextmanager
def nobody_answers(port: int) -> Iterator[None]:
    """A place where packets get lost: whoever connects is left without a word."""
    with socket.socket() as deaf, ExitStack() as queue:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        deaf.bind(("127.0.0.1", port))
        deaf.listen(0)
        for _ in range(3):
            caller = queue.enter_context(socket.socket())
            caller.setblocking(False)
            caller.connect_ex(("127.0.0.1", port))
        yield


def test_who_waits_ends_at_once_when_told_to(shelf: Shelf, passing: Passing) -> None:
    cancel = Cancel()
    told_at = [0.0]

    def act(now: Progress) -> None:
        if now.waiting and not cancel.is_set():
            told_at[0] = time.monotonic()
            cancel.set()
        elif not passing.gone and passing.hub.bytes_sent > SIZE // 2:
            passing.leave()
            stack.enter_context(nobody_answers(passing.hub.port))

    with ExitStack() as stack, pytest.raises(Interrupted):
        pulled(shelf, act, cancel)
    assert time.monotonic() - told_at[0] < 4.0

    passing.come_back()
    done = shelf.pull()
    assert shelf.content(done, NAME) == DATA
    assert done.bytes_reused > SIZE // 4


@pytest.mark.parametrize(
    ("kind", "options", "exit_code"),
    [
        ("status", {"status": 404}, ExitCode.USAGE),
        ("status", {"status": 401, "where": "resolve"}, ExitCode.NEEDS_RIGHTS),
        ("html", {}, ExitCode.UNREACHABLE),
        ("empty", {}, ExitCode.UNREACHABLE),
        ("status", {"status": 403}, ExitCode.UNREACHABLE),
        ("corrupt", {"start": 99, "length": 1}, ExitCode.VERIFICATION_FAILED),
        ("lie", {"where": "api"}, ExitCode.VERIFICATION_FAILED),
    ],
)
def test_what_does_not_end_by_itself_is_never_waited_for(
    shelf: Shelf, kind: str, options: dict[str, Any], exit_code: ExitCode
) -> None:
    shelf.hub.faults.add(kind, path=NAME, **options)
    with pytest.raises(ApplianceError) as caught:
        shelf.pull(options=PATIENT)
    assert caught.value.exit_code == exit_code
    assert [now.waiting for now in shelf.shown if now.waiting] == []


def test_a_busy_hub_is_waited_for_in_the_language_of_who_asked(shelf: Shelf) -> None:
    shelf.hub.faults.add("status", path=NAME, status=503, times=12)
    use_language("zh")
    assert shelf.content(shelf.pull(options=PATIENT), NAME) == DATA
    reasons = {now.waiting for now in shelf.shown if now.waiting}
    assert [reason for reason in reasons if "状态" in reason]


def test_a_hub_that_was_never_there_is_an_error_unless_it_is_known_to_be(
    shelf: Shelf, passing: Passing
) -> None:
    passing.leave()
    with pytest.raises(Unreachable) as caught:
        shelf.pull(options=PATIENT)
    assert caught.value.code == "NO-HUB"

    began = threading.Event()

    def act(now: Progress) -> None:
        if now.waiting and not began.is_set():
            began.set()
            passing.come_back()

    options = msgspec.structs.replace(PATIENT, reach_s=math.inf)
    request = shelf.request("hf:deepseek-ai/tiny")
    done = pull(request, shelf.store, on_progress=act, options=options)
    assert began.is_set()
    assert shelf.content(done, NAME) == DATA


def test_patience_has_an_end_where_one_is_named(shelf: Shelf) -> None:
    shelf.hub.faults.add("status", path=NAME, status=503)
    options = msgspec.structs.replace(PATIENT, patience_s=0.5)
    began = time.monotonic()
    with pytest.raises(Unreachable):
        shelf.pull(options=options)
    assert time.monotonic() - began >= 0.5


def test_pauses_double_to_a_minute_however_long_it_takes() -> None:
    pauses = [pause_s(1.0, count) for count in (1, 2, 3, 6, 7, 8, 5000)]
    assert pauses == [1.0, 2.0, 4.0, 32.0, 60.0, 60.0, 60.0]

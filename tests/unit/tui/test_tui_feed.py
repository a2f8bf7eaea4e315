from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import msgspec
from tui_fakes import FakeNode, card

from appliance.core.history import History
from appliance.core.sample import CardProcess, Sample
from appliance.core.status import Status
from appliance.node.wishes import Event, UpOptions
from appliance.tui import jobs
from appliance.tui.feed import Feed, Interest
from appliance.tui.jobs import JobState, advance
from appliance.tui.snapshot import Snapshot


def wait_for(holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_it_looks_again_and_again_and_recovers() -> None:
    node = FakeNode()
    seen: list[Snapshot] = []
    feed = Feed(node, seen.append, interval_s=0.01)
    feed.start()
    wait_for(lambda: len(seen) >= 2)
    node.go_silent()
    wait_for(lambda: seen[-1].down_s is not None)
    node.silent = None
    wait_for(lambda: seen[-1].down_s is None)
    feed.stop()

    assert seen[-1].status is not None


def test_a_hanging_daemon_hangs_only_its_thread() -> None:
    node = FakeNode()
    node.hang.clear()
    seen: list[Snapshot] = []
    feed = Feed(node, seen.append, interval_s=0.01)
    feed.start()
    feed.stop()

    assert seen == []
    assert all(t.daemon for t in threading.enumerate() if t.name == "feed")
    node.hang.set()


def test_the_inventory_is_asked_for_again_when_a_card_changes() -> None:
    node = FakeNode()
    feed = Feed(node, lambda snapshot: None)
    feed.look()
    feed.look()
    assert len(node.asked("inventory")) == 1

    node.cards[0] = card(0, state="lost")
    snapshot = feed.look()

    assert len(node.asked("inventory")) == 2
    assert snapshot.cards()[0].state == "lost"


def test_events_add_up_and_are_asked_for_from_the_last_one() -> None:
    node = FakeNode()
    feed = Feed(node, lambda snapshot: None)
    feed.look()
    node.happened.append(
        Event(number=2, time="", severity="warn", code="X", subject="s", text="second")
    )

    assert [event.number for event in feed.look().events] == [1, 2]
    assert [event.number for event in feed.look().events] == [1, 2]


def test_a_daemon_of_another_version_is_an_error_that_says_so() -> None:
    class Strange(FakeNode):
        def status(self) -> Status:
            return msgspec.json.decode(b'{"schema": "appliance.status/2"}', type=Status)

    snapshot = Feed(Strange(), lambda snapshot: None).look()

    assert "another version" in str(snapshot.error)


def test_the_history_in_view_is_asked_for_and_no_other() -> None:
    asked: list[tuple[str, str]] = []

    class Telling(FakeNode):
        def history(self, card: str, span: str) -> History:
            asked.append((card, span))
            return super().history(card, span)

    feed = Feed(Telling(), lambda snapshot: None)
    assert feed.look().history is None
    feed.care_for(Interest("GPU-0001", "1d"))
    for _ in range(3):
        found = feed.look().history
        assert found is not None
        assert (found.card, found.span) == ("GPU-0001", "1d")
    feed.care_for(Interest("GPU-0001", "1m"))
    feed.look()
    feed.look()
    feed.care_for(Interest())

    assert feed.look().history is None
    assert asked == [("GPU-0001", "1d"), ("GPU-0001", "1m")]


def test_a_fault_of_our_own_is_said_and_the_feed_goes_on() -> None:
    class Faulty(FakeNode):
        def sample(self, *, processes: bool = False) -> Sample:
            raise ZeroDivisionError

    seen: list[Snapshot] = []
    feed = Feed(Faulty(), seen.append, interval_s=0.01)
    feed.start()
    wait_for(lambda: len(seen) > 1)
    feed.stop()

    assert "ZeroDivisionError" in str(seen[-1].error)
    assert seen[-1].down_s is not None


def test_processes_are_asked_for_only_where_they_are_shown() -> None:
    node = FakeNode()
    node.processes = [CardProcess(pid=7)]
    feed = Feed(node, lambda snapshot: None)

    assert [card.processes for card in feed.look().sample.cards] == [None] * 4  # type: ignore[union-attr]
    feed.care_for(Interest(processes=True))
    assert feed.look().sample.cards[0].processes == [CardProcess(pid=7)]  # type: ignore[union-attr]


PHASE = {"schema": "appliance.phase/1", "phase": "fetch", "done": False, "text": "fetching"}
PROGRESS = {
    "schema": "appliance.progress/1",
    "phase": "fetch",
    "file": "m.gguf",
    "done": 5,
    "total": 10,
    "bps": 2.5,
    "eta_s": 2,
}


def test_a_job_follows_its_stream() -> None:
    state = JobState("up", "the main job")
    for document in (PHASE, PROGRESS):
        state = advance(state, document)

    assert state.running
    assert state.phases == (("fetch", "fetching", False),)
    assert state.progress is not None
    assert state.progress.done == 5

    state = advance(state, {**PHASE, "done": True})
    assert state.phases == (("fetch", "fetching", True),)
    assert state.progress is None

    state = advance(state, {"schema": "appliance.note/1", "note": {"code": "NO-HUB", "text": "t"}})
    assert state.notes == (("NO-HUB", "t"),)
    assert advance(state, {"schema": "appliance.up/1", "endpoint": "u"}).running is False
    assert advance(state, {"schema": "appliance.unheard-of/9"}) == state


def run(documents: list[dict[str, Any]]) -> JobState:
    node = FakeNode()
    node.job = documents
    seen: list[JobState] = []
    jobs.start(JobState("up", ""), lambda: node.up(UpOptions()), seen.append)
    wait_for(lambda: seen and not seen[-1].running)
    return seen[-1]


def test_a_job_that_ends_without_a_result_has_failed() -> None:
    assert "without a result" in str(run([PHASE]).error)


def test_a_job_that_speaks_nonsense_has_failed() -> None:
    assert run([{**PROGRESS, "phase": 7}]).error is not None

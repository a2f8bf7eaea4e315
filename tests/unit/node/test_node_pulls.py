"""Pulls are on record: they outlive the daemon, running or paused."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from node_fakes import until

from appliance.core.errors import UsageError
from appliance.core.inventory import Document
from appliance.core.paths import Paths
from appliance.core.progress import Cancel
from appliance.core.pull import Pull
from appliance.node import pulls as pulls_module
from appliance.node.jobs import Jobs
from appliance.node.pulls import Pulls, read_records, recorded_pulls
from appliance.node.start import state_file
from appliance.node.state import State
from appliance.node.wishes import PullOptions

DONE = Pull(model="m", files=[], bytes_fetched=1, bytes_reused=0, seconds=0.1)
ONE = PullOptions(model="hf:a/one")


class Fetching:
    """Stands for the fetching: begun with these limits, of pulls known before, done at `go`."""

    def __init__(self) -> None:
        self.begun: list[tuple[str, str | None]] = []
        self.go = threading.Event()
        self.known: list[bool] = []

    def __call__(
        self,
        model: str,
        _paths: Paths,
        _tell: Callable[[Any], None],
        cancel: Cancel,
        *,
        limit: str | None,
        begun: bool,
    ) -> Document:
        self.begun.append((model, limit))
        self.known.append(begun)
        while not self.go.is_set():
            cancel.wait(0.02)
            cancel.check()
        return DONE


@pytest.fixture
def fetching(monkeypatch: pytest.MonkeyPatch) -> Iterator[Fetching]:
    found = Fetching()
    monkeypatch.setattr(pulls_module, "pull_model", found)
    yield found
    found.go.set()


def recorded(paths: Paths) -> list[tuple[str, str]]:
    return [(record.options.model, record.state) for record in recorded_pulls(state_file(paths))]


def test_a_pull_is_on_record_until_it_ends(paths: Paths, state: State, fetching: Fetching) -> None:
    pulls = Pulls(Jobs(), state, paths)
    job = pulls.start(ONE)
    assert recorded(paths) == [("hf:a/one", "running")]
    job.pause()
    until(lambda: recorded(paths) == [("hf:a/one", "paused")])
    fetching.go.set()
    assert pulls.start(ONE) is job
    until(lambda: recorded(paths) == [])


@pytest.mark.parametrize("way", ["killed", "left", "stopped"])
def test_the_next_daemon_goes_on(paths: Paths, state: State, fetching: Fetching, way: str) -> None:
    jobs = Jobs()
    pulls = Pulls(jobs, state, paths)
    running, paused = pulls.start(ONE), pulls.start(PullOptions(model="hf:a/two", limit="1M"))
    paused.pause()
    until(lambda: paused.state == "paused")
    if way != "killed":
        pulls.close(pause=way == "stopped")
        jobs.cancel_all()
        until(lambda: running.ended and paused.ended)
    fetching.begun.clear()

    after = Jobs()
    Pulls(after, state, paths).restore()

    expected = "paused" if way == "stopped" else "running"
    states = {job.id: job.state for job in after.list()}
    assert states == {running.id: expected, paused.id: "paused"}
    after.find(paused.id).resume()
    until(lambda: ("hf:a/two", "1M") in fetching.begun)
    assert (("hf:a/one", None) in fetching.begun) == (way != "stopped")
    after.cancel_all()
    until(lambda: recorded(paths) == [])


def test_a_network_that_is_not_there_is_waited_for_once_a_pull_has_begun(
    paths: Paths, state: State, fetching: Fetching
) -> None:
    pulls = Pulls(Jobs(), state, paths)
    job = pulls.start(ONE)
    until(lambda: fetching.known == [False])
    job.pause()
    until(lambda: job.state == "paused")
    job.resume()
    until(lambda: fetching.known == [False, True])
    pulls.start(PullOptions(model=ONE.model, limit="1M"))
    until(lambda: fetching.known == [False, True, True])
    after = Jobs()
    Pulls(after, state, paths).restore()
    until(lambda: fetching.known == [False, True, True, True])
    after.cancel_all()


def test_a_new_limit_holds_at_once_and_none_leaves_it(
    paths: Paths, state: State, fetching: Fetching
) -> None:
    pulls = Pulls(Jobs(), state, paths)
    job = pulls.start(PullOptions(model="m", limit="1M"))
    assert pulls.start(PullOptions(model="m")) is job
    assert pulls.start(PullOptions(model="m", limit="2M")) is job
    until(lambda: fetching.begun[-1] == ("m", "2M"))
    assert ("m", None) not in fetching.begun


def test_a_limit_that_is_none_is_refused_before_anything_begins(
    paths: Paths, state: State, fetching: Fetching
) -> None:
    with pytest.raises(UsageError, match="not a speed limit"):
        Pulls(Jobs(), state, paths).start(PullOptions(model="m", limit="fast"))
    assert fetching.begun == []
    assert recorded(paths) == []


@pytest.mark.parametrize("text", [None, "", "{}", "[{}]", "not json"])
def test_a_record_that_cannot_be_read_is_no_record(text: str | None) -> None:
    assert read_records(text) == []

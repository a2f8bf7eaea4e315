"""Long work: shared by who asks for the same, followed late, cancelled, failed."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any

import pytest
from node_fakes import until

from appliance.core.errors import DoesNotFit, UsageError
from appliance.core.i18n import say, use_language
from appliance.core.inventory import Document
from appliance.core.progress import Cancel
from appliance.core.pull import Progress, Pull
from appliance.core.status import Note
from appliance.node.jobs import Job, Jobs
from appliance.ops.events import Notice

DONE = Pull(model="m", files=[], bytes_fetched=1, bytes_reused=0, seconds=0.1)
Tell = Callable[[Any], None]


def lines_of(job: Job, cancel: Cancel | None = None) -> list[dict[str, Any]]:
    raw = b"".join(job.follow(cancel or Cancel()))
    return [json.loads(line) for line in raw.splitlines() if line.strip()]


def error_of(job: Job) -> dict[str, Any]:
    """The error with which it ended."""
    error: dict[str, Any] = lines_of(job)[-1]["error"]
    return error


def kinds(job: Job) -> list[str]:
    return [line["schema"].split(".")[1].split("/")[0] for line in lines_of(job)]


def test_a_job_tells_its_id_its_news_and_its_end() -> None:
    def work(tell: Tell, _cancel: Cancel) -> Document:
        tell(Notice(note=Note(code="X", text="x")))
        return DONE

    job = Jobs().run("key", work, kind="up")

    assert kinds(job) == ["job", "note", "pull"]
    assert lines_of(job)[0]["id"] == job.id


@pytest.mark.parametrize(
    ("fault", "exit_code", "words"),
    [
        (PermissionError(13, "Permission denied", "/models/a"), 5, "/models/a"),
        (OSError(30, "Read-only file system", "/models/a"), 5, "/models/a is read-only"),
        (OSError(28, "No space left on device"), 6, "is full"),
        (FileNotFoundError(2, "No such file", "podman"), 1, "internal fault"),
    ],
)
def test_a_fault_of_the_disk_is_not_reported_as_ours(
    fault: OSError, exit_code: int, words: str
) -> None:
    def work(_tell: Tell, _cancel: Cancel) -> Document:
        raise fault

    error = error_of(Jobs().run("key", work, kind="up"))

    assert error["exit_code"] == exit_code
    assert words in error["text"]


def test_the_same_question_joins_and_another_one_does_not() -> None:
    go = threading.Event()

    def work(_tell: Tell, _cancel: Cancel) -> Document:
        assert go.wait(30)
        return DONE

    jobs = Jobs()
    first, same, other = (jobs.run(key, work, kind="up") for key in ("a", "a", "b"))
    go.set()

    assert first is same
    assert first is not other
    assert kinds(same) == kinds(other) == ["job", "pull"]
    until(lambda: first.ended)
    assert jobs.run("a", work, kind="up") is not first


def test_who_asks_after_a_cancel_gets_a_job_of_its_own() -> None:
    def work(_tell: Tell, cancel: Cancel) -> Document:
        assert cancel.wait(30)
        cancel.check()
        return DONE

    jobs = Jobs()
    first = jobs.run("a", work, kind="up")
    jobs.cancel(first.id)
    jobs.cancel("no-such-job")
    second = jobs.run("a", work, kind="up")

    assert lines_of(first)[-1]["error"]["exit_code"] == 130
    assert second is not first
    jobs.cancel_all()
    assert lines_of(second)[-1]["error"]["code"] == "INTERRUPTED"


def test_what_a_job_waits_for_is_in_its_status_while_it_waits() -> None:
    news = [
        Progress(phase="fetch", done=1, total=2, waiting="nobody there"),
        Progress(phase="fetch", done=1, total=2),
    ]
    go = threading.Semaphore(0)

    def work(tell: Tell, _cancel: Cancel) -> Document:
        for each in news:
            tell(each)
            assert go.acquire(timeout=30)
        return DONE

    job = Jobs().run("key", work, kind="pull")
    until(lambda: job.status().waiting == "nobody there")
    assert job.status().state == "running"
    go.release()
    until(lambda: job.status().waiting is None)
    go.release()
    until(lambda: job.ended)


def test_a_late_follower_is_spared_old_progress_but_no_news() -> None:
    def work(tell: Tell, _cancel: Cancel) -> Document:
        for number in range(1000):
            tell(Progress(phase="fetch", done=number, total=1000))
            if number == 500:
                tell(Notice(note=Note(code="X", text="x")))
        return DONE

    job = Jobs().run("key", work, kind="up")
    until(lambda: job.ended)
    lines = lines_of(job)

    progress = [line["done"] for line in lines if line["schema"] == "appliance.progress/1"]
    assert lines[0]["schema"] == "appliance.job/1"
    assert [line["schema"] for line in lines].count("appliance.note/1") == 1
    assert progress == list(range(900, 1000))
    assert lines[-1]["schema"] == "appliance.pull/1"


def test_a_follower_that_goes_away_lets_go() -> None:
    go, cancel = threading.Event(), Cancel()

    def work(_tell: Tell, _cancel: Cancel) -> Document:
        assert go.wait(60)
        return DONE

    job = Jobs().run("key", work, kind="up")
    follower = threading.Thread(target=lines_of, args=(job, cancel))
    follower.start()
    cancel.set()
    follower.join(10)

    assert not follower.is_alive()
    go.set()


@pytest.mark.parametrize(
    ("error", "code", "exit_code"),
    [
        (DoesNotFit("too big", hint="smaller", code="TOO-BIG"), "TOO-BIG", 6),
        (RuntimeError("a bug"), "INTERNAL", 1),
    ],
)
def test_a_fault_is_the_last_line(error: Exception, code: str, exit_code: int) -> None:
    def work(_tell: Tell, _cancel: Cancel) -> Document:
        raise error

    last = lines_of(Jobs().run("key", work, kind="up"))[-1]["error"]

    assert (last["code"], last["exit_code"]) == (code, exit_code)
    assert last["text"]
    assert last["hint"]


def test_a_job_speaks_the_language_of_who_asked() -> None:
    def work(tell: Tell, _cancel: Cancel) -> Document:
        tell(Notice(note=Note(code="X", text=str(say("cancelled")))))
        return DONE

    use_language("zh")
    job = Jobs().run("key", work, kind="up")
    use_language("en")

    assert lines_of(job)[1]["note"]["text"] != "cancelled"


def pullable(jobs: Jobs, steps: list[str], go: threading.Event) -> Job:
    """A pull that notes each beginning, and is done when `go` is set."""

    def work(tell: Tell, cancel: Cancel) -> Document:
        steps.append("begin")
        tell(Progress(phase="fetch", done=len(steps), total=9))
        while not go.is_set():
            cancel.wait(0.02)
            cancel.check()
        return DONE

    return jobs.run(("pull", "m"), work, kind="pull", subject="m", pausable=True)


def test_a_paused_job_keeps_its_followers_and_goes_on() -> None:
    jobs, steps, go = Jobs(), list[str](), threading.Event()
    changes: list[list[str]] = []
    jobs.on_change = lambda: changes.append([job.state for job in jobs.list()])
    job = pullable(jobs, steps, go)
    until(lambda: steps)

    job.pause()
    until(lambda: job.state == "paused")
    assert job.status().done == 1
    jobs.find(job.id).resume()
    until(lambda: len(steps) == 2)
    go.set()

    lines = lines_of(job)
    states = [line["state"] for line in lines if line["schema"] == "appliance.job/1"]
    assert states == ["running", "paused", "running"]
    assert lines[-1]["schema"] == "appliance.pull/1"
    until(lambda: changes[-1] == ["ended"])
    assert ["paused"] in changes


def test_who_asks_for_a_paused_job_lets_it_go_on() -> None:
    jobs, steps, go = Jobs(), list[str](), threading.Event()
    job = pullable(jobs, steps, go)
    job.pause()
    until(lambda: job.state == "paused")

    assert pullable(jobs, steps, go) is job
    go.set()
    assert lines_of(job)[-1]["schema"] == "appliance.pull/1"


def test_a_paused_job_can_be_ended() -> None:
    jobs, steps, go = Jobs(), list[str](), threading.Event()
    job = pullable(jobs, steps, go)
    job.pause()
    until(lambda: job.state == "paused")

    jobs.cancel(job.id)

    assert lines_of(job)[-1]["error"]["code"] == "INTERRUPTED"
    assert job.status().state == "ended"
    job.resume()
    assert job.ended


def test_a_pause_and_a_second_thought_before_it_stopped() -> None:
    """The work is asked to stop, and to go on before it noticed: it begins once more."""
    jobs, steps, go, slow = Jobs(), list[str](), threading.Event(), threading.Event()

    def work(_tell: Tell, cancel: Cancel) -> Document:
        steps.append("begin")
        if len(steps) == 1:
            assert slow.wait(30)
            cancel.check()
        assert go.wait(30)
        return DONE

    job = jobs.run("k", work, kind="pull", pausable=True)
    until(lambda: steps)
    job.pause()
    job.resume()
    slow.set()
    until(lambda: len(steps) == 2)
    go.set()
    assert lines_of(job)[-1]["schema"] == "appliance.pull/1"


def test_work_that_is_done_before_it_noticed_the_pause_is_done() -> None:
    slow = threading.Event()

    def work(_tell: Tell, _cancel: Cancel) -> Document:
        assert slow.wait(30)
        return DONE

    job = Jobs().run("k", work, kind="pull", pausable=True)
    job.pause()
    slow.set()
    assert lines_of(job)[-1]["schema"] == "appliance.pull/1"


def test_what_cannot_be_paused_says_so() -> None:
    go = threading.Event()

    def work(_tell: Tell, _cancel: Cancel) -> Document:
        assert go.wait(30)
        return DONE

    jobs = Jobs()
    job = jobs.run("k", work, kind="up")
    with pytest.raises(UsageError, match="cannot be paused"):
        job.pause()
    with pytest.raises(UsageError, match="no such job"):
        jobs.find("nothing")
    go.set()
    assert lines_of(job)[-1]["schema"] == "appliance.pull/1"

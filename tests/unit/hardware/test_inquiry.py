"""Several questions to one tool, and the one report they make."""

from __future__ import annotations

from threading import Barrier
from types import SimpleNamespace

import pytest
from tool_answers import asking, failing

from appliance.core.inventory import Link
from appliance.core.sample import Pcie
from appliance.hardware.vendors import inquiry as inquiry_module
from appliance.hardware.vendors.base import Reading, ToolAnswer
from appliance.hardware.vendors.inquiry import Inquiry, fill, merged, pcie_generation


def test_what_is_not_known_comes_from_the_next() -> None:
    first = Reading(index=0, util_pct=0.0, pcie=Pcie(gen=3), notes=["a"])
    second = Reading(index=1, util_pct=50.0, temp_c=40.0, pcie=Pcie(gen=4, width=16), notes=["b"])
    third = Reading(temp_c=90.0, links=[Link(kind="HCCS")])
    filled = fill(first, second, None, third)
    assert (filled.index, filled.util_pct, filled.temp_c) == (0, 0.0, 40.0)
    assert filled.pcie == Pcie(gen=3, width=16)
    assert (filled.notes, filled.links) == (["a", "b"], [Link(kind="HCCS")])


def test_no_processes_is_an_answer() -> None:
    assert fill(Reading(processes=[]), Reading(processes=None)).processes == []


def test_readings_of_the_same_device_are_put_together() -> None:
    devices = merged([(0, Reading(temp_c=1.0)), (1, Reading()), (0, Reading(power_w=2.0))])
    assert list(devices) == [0, 1]
    assert (devices[0].temp_c, devices[0].power_w) == (1.0, 2.0)


def test_readings_make_a_report_whatever_else_failed() -> None:
    inquiry = Inquiry(failing("tool", stderr="driver not loaded"))
    inquiry("tool")
    assert inquiry.report([Reading(index=0)]).answer == "ok"


@pytest.mark.parametrize(
    ("stderr", "exit_status", "answer"),
    [
        ("ERROR: driver not loaded", 1, "no_driver"),
        ("frobnication failed", 1, "no_driver"),
        ("segmentation fault", 139, "no_answer"),
        ("", None, "no_answer"),
        ("No devices were found", 0, "ok"),
    ],
)
def test_why_there_are_no_readings(stderr: str, exit_status: int | None, answer: str) -> None:
    ask = failing("tool", stderr=stderr, exit_status=exit_status)
    inquiry = Inquiry(ask, no_driver="frobnication failed")
    assert inquiry("tool", "list") == ""
    report = inquiry.report([])
    assert (report.answer, report.message) == (answer, stderr or None)


def test_a_tool_that_is_not_there() -> None:
    inquiry = Inquiry(asking({}))
    assert inquiry("tool") == ""
    assert inquiry.report([]).answer == "absent"


def test_what_rounds_off_is_not_asked_of_a_slow_tool(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = iter([0.0, 0.6, 1.0, 1.6, 2.0, 2.1])
    monkeypatch.setattr(inquiry_module, "time", SimpleNamespace(monotonic=lambda: next(ticks)))

    def ask(*argv: str) -> ToolAnswer:
        return ToolAnswer(argv=argv, exit=0, stdout="answer")

    inquiry = Inquiry(ask)
    assert inquiry("tool", "first") == "answer"
    assert inquiry.pace_s == pytest.approx(0.6)
    assert inquiry.besides("tool", "second") == "answer"
    assert inquiry.besides("tool", "third") == ""
    assert inquiry("tool", "needed") == "answer"


@pytest.mark.parametrize(
    ("printed", "whole"),
    [
        ("a : 1\nb : 23\n", "a : 1\nb : 23\n"),
        ("a : 1\nb : 2", "a : 1\nb : N/A"),
        ("1, 5 W, 655", "1, 5 W, N/A"),
        ("1, 5 W, 97 %", "1, 5 W, 97 %"),
        ("0  3.2/192 ", "0  3.2/N/A"),
        ("| 0 | 5 |\n| 1 | 6", "| 0 | 5 |\n"),
        ("| 0 | 5 |\n| 1 | 6 |", "| 0 | 5 |\n| 1 | 6 |"),
        ("Driver 1.2.3", "Driver N/A"),
        ('{"a": 1}', '{"a": 1}'),
    ],
)
def test_an_answer_that_stops_within_a_line(printed: str, whole: str) -> None:
    assert Inquiry(asking({"tool": printed}))("tool") == whole


def test_questions_at_once_are_asked_in_parallel_and_answered_in_order() -> None:
    both = Barrier(2, timeout=20)

    def ask(*argv: str) -> ToolAnswer | None:
        both.wait()
        return None if argv[1] == "none" else ToolAnswer(argv=argv, exit=0, stdout=argv[1])

    inquiry = Inquiry(ask)
    assert inquiry.at_once(("tool", "none"), ("tool", "some")) == ["", "some"]


def test_link_speeds() -> None:
    assert [pcie_generation(speed) for speed in (2.5, 8.0, 32.0)] == [1, 3, 5]
    assert pcie_generation(None) is None
    assert pcie_generation(7.0) is None

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from fake_engines import until
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from appliance.core.progress import Cancel
from appliance.supervisor.logs import LogFile


def test_a_log_that_is_not_there_is_empty(tmp_path: Path) -> None:
    assert LogFile(tmp_path / "none").tail(10) == []


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    text=st.text(alphabet=st.sampled_from("ab\n\r\u2028\u00e9"), max_size=300),
    lines=st.integers(0, 40),
)
def test_the_tail_is_the_last_lines(tmp_path: Path, text: str, lines: int) -> None:
    path = tmp_path / "log"
    path.write_bytes(text.encode())

    whole = text.removesuffix("\n").split("\n") if text else []
    assert LogFile(path).tail(lines) == whole[len(whole) - min(lines, len(whole)) :]


def test_the_tail_of_a_huge_log_is_read_from_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "log"
    path.write_text("".join(f"line {n}\n" for n in range(300_000)))
    log = LogFile(path)
    reads: list[int] = []
    real = log._read

    def read(position: int) -> bytes:
        reads.append(position)
        return real(position)

    monkeypatch.setattr(log, "_read", read)

    assert log.tail(3) == ["line 299997", "line 299998", "line 299999"]
    assert len(reads) == 1


def test_bytes_that_are_no_text_do_not_hurt(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"\xff\xfe ok\n")

    assert LogFile(path).tail(1) == ["\ufffd\ufffd ok"]


def follow(log: LogFile, cancel: Cancel) -> list[str]:
    seen: list[str] = []

    def read() -> None:
        seen.extend(log.follow(2, cancel=cancel))

    threading.Thread(target=read, daemon=True).start()
    return seen


def test_following_shows_the_last_lines_and_every_new_whole_one_once(tmp_path: Path) -> None:
    path, cancel = tmp_path / "log", Cancel()
    path.write_text("one\ntwo\nthree\nfo")
    seen = follow(LogFile(path), cancel)
    until(lambda: seen == ["two", "three"])
    with path.open("a") as file:
        file.write("ur\nfive\nsi")
    until(lambda: len(seen) == 4)
    cancel.set()

    assert seen == ["two", "three", "four", "five"]


def test_following_goes_on_after_the_log_was_rotated(tmp_path: Path) -> None:
    path, cancel = tmp_path / "log", Cancel()
    path.write_text("old\n")
    log = LogFile(path, max_bytes=2)
    seen = follow(log, cancel)
    until(lambda: seen == ["old"])
    assert log.rotate()
    with path.open("a") as file:
        file.write("a\n")
    until(lambda: seen == ["old", "a"])
    cancel.set()


def test_rotation_cuts_the_file_that_the_engine_holds_open(tmp_path: Path) -> None:
    path = tmp_path / "log"
    log = LogFile(path, max_bytes=10, keep=2)
    with path.open("a") as engine:
        for generation in ("first", "second", "third"):
            engine.write(f"{generation} generation\n")
            engine.flush()
            assert log.rotate()
        engine.write("new\n")

    assert path.read_text() == "new\n"
    assert (tmp_path / "log.1").read_text() == "third generation\n"
    assert (tmp_path / "log.2").read_text() == "second generation\n"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["log", "log.1", "log.2"]


def test_a_small_log_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("small")

    assert not LogFile(path).rotate()
    assert not LogFile(tmp_path / "none").rotate()


def test_a_mark_tells_one_start_from_the_next(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "log")
    log.mark("start 1")

    assert log.tail(1)[0].endswith("Z appliance: start 1")

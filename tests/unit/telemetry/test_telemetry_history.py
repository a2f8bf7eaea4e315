"""The history of cards: fixed size, gaps are gaps, whole after kills, quiet on a full disk."""

from __future__ import annotations

import math
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.core.history import SPANS, STEPS, HistoryPoint, Span
from appliance.core.sample import CardSample, HostSample, Sample
from appliance.telemetry.history import CardHistory
from appliance.telemetry.rings import FILE_BYTES, RECORD_BYTES, RingFile

NOON = 1_750_000_000 // 3600 * 3600.0


def sample(util: float | None = 50.0, card: str = "a", **readings: Any) -> Sample:
    return Sample(time="t", cards=[CardSample(id=card, util_pct=util, **readings)])


def utils(history: CardHistory, span: Span, at: float) -> list[float | None]:
    points = history.read("a", span, at).points
    return [point.util_pct.mean if point and point.util_pct else None for point in points]


@pytest.mark.parametrize("span", SPANS)
def test_a_span_has_its_steps_and_the_last_is_under_way(span: Span, tmp_path: Path) -> None:
    history = CardHistory(tmp_path)
    history.add(sample(temp_c=61.0), NOON)
    read = history.read("a", span, NOON)

    assert (len(read.points), read.step_s) == (STEPS[span].count, STEPS[span].step_s)
    last = read.points[-1]
    assert last is not None
    assert last.util_pct is not None
    assert (last.util_pct.min, last.util_pct.mean, last.util_pct.max) == (50, 50, 50)
    assert last.temp_c is not None
    assert last.power_w is None
    assert read.points[:-1] == [None] * (STEPS[span].count - 1)


def test_a_step_keeps_least_mean_and_most(tmp_path: Path) -> None:
    history = CardHistory(tmp_path)
    for second, util in enumerate((10, 20, 60, None)):
        history.add(sample(util, power_w=100), NOON + second)
    point = history.read("a", "1h", NOON + 3).points[-1]

    assert point is not None
    assert point.util_pct is not None
    assert (point.util_pct.min, point.util_pct.mean, point.util_pct.max) == (10, 30, 60)


def test_what_was_not_read_is_a_gap(tmp_path: Path) -> None:
    history = CardHistory(tmp_path)
    history.add(sample(), NOON)
    history.add(Sample(time="t", cards=[CardSample(id="a")]), NOON + 15)
    history.add(sample(), NOON + 45)

    assert utils(history, "1h", NOON + 45)[-4:] == [50, None, None, 50]


def test_a_ring_forgets_what_it_has_come_round_to(tmp_path: Path) -> None:
    history = CardHistory(tmp_path)
    history.add(sample(10), NOON)
    late = NOON + STEPS["1h"].seconds
    history.add(sample(20), late)

    assert [u for u in utils(history, "1h", late) if u] == [20]
    assert [u for u in utils(history, "1d", late) if u] == [10, 20]


def test_a_reading_stands_until_the_next_is_overdue(tmp_path: Path) -> None:
    history = CardHistory(tmp_path)
    history.add(sample(10), NOON)
    history.add(sample(20), NOON + 5)

    assert utils(history, "1m", NOON + 14)[-15:] == [10] * 5 + [20] * 6 + [None] * 4


def test_the_server_and_all_cards_have_a_history_too(tmp_path: Path) -> None:
    history = CardHistory(tmp_path)
    cards = [CardSample(id="a", util_pct=10), CardSample(id="b", util_pct=30), CardSample(id="c")]
    history.add(Sample(time="t", cards=cards, host=HostSample(cpu_pct=7)), NOON)

    for subject, mean in (("all", 20), ("host", 7), ("b", 30)):
        point = history.read(subject, "30d", NOON).points[-1]
        assert point is not None
        assert point.util_pct is not None
        assert point.util_pct.mean == mean
    assert not any(history.read("stranger", "1d", NOON).points)


def test_the_size_on_disk_is_fixed(tmp_path: Path) -> None:
    history = CardHistory(tmp_path)
    history.add(sample(), NOON)
    history.close()
    (card,) = (path for path in tmp_path.iterdir() if path == history._path("a"))
    before = card.stat()
    history = CardHistory(tmp_path)
    for step in range(1000):
        history.add(sample(), NOON + step * 3600)
    history.close()

    assert card.stat().st_size == before.st_size == FILE_BYTES
    assert card.stat().st_blocks == before.st_blocks
    assert FILE_BYTES * 160 < 16 * 2**20


_DAEMON = """
import sys, time
from pathlib import Path
from typing import Any
from appliance.core.sample import CardSample, Sample
from appliance.telemetry.history import CardHistory
history = CardHistory(Path(sys.argv[1]))
at, first = float(sys.argv[2]), float(sys.argv[3])
for second in range(10**6):
    history.add(Sample(time="t", cards=[CardSample(id="a", util_pct=first + second)]), at + second)
    print(second, flush=True)
    time.sleep(0.001)
"""


def test_a_killed_daemon_loses_seconds_and_the_next_takes_its_step_up(tmp_path: Path) -> None:
    told = []
    for first in (0.0, 100.0):
        start = NOON + 100 * (first > 0)
        argv = [sys.executable, "-c", _DAEMON, str(tmp_path), str(start), str(first)]
        daemon = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
        assert daemon.stdout is not None
        while int(line := daemon.stdout.readline()) < 60:
            told.append(line)
        daemon.send_signal(signal.SIGKILL)
        daemon.wait()
        daemon.stdout.close()

    at = NOON + 3599
    point = CardHistory(tmp_path).read("a", "30d", at).points[-1]
    assert point is not None
    assert point.util_pct is not None
    assert point.util_pct.min == 0
    assert point.util_pct.max >= 155
    assert 50 < point.util_pct.mean < 110
    known = utils(CardHistory(tmp_path), "1h", at)
    assert [round(u or 0) for u in known[-240:][:4]] == [7, 22, 37, 50 if known[3] == 50 else 52]


def test_a_torn_record_is_a_gap_and_its_neighbours_stay(tmp_path: Path) -> None:
    history = CardHistory(tmp_path)
    for step in range(3):
        history.add(sample(10 + step), NOON + 300 * step)
    history.close()
    path = history._path("a")
    raw = bytearray(path.read_bytes())
    whole = utils(CardHistory(tmp_path), "1d", NOON + 600)
    place = 512 + (60 + 240 + int(NOON + 300) // 300 % 288) * RECORD_BYTES
    raw[place + 30] ^= 0xFF
    path.write_bytes(raw)

    assert whole[-3:] == [10, 11, 12]
    assert utils(CardHistory(tmp_path), "1d", NOON + 600)[-3:] == [10, None, 12]


@pytest.mark.parametrize("raw", [b"", b"junk", b"\0" * FILE_BYTES], ids=["empty", "junk", "zeros"])
def test_a_file_that_is_none_of_ours_is_made_anew(raw: bytes, tmp_path: Path) -> None:
    history = CardHistory(tmp_path)
    history._path("a").write_bytes(raw)
    history.add(sample(), NOON)
    history.close()

    assert utils(CardHistory(tmp_path), "1d", NOON)[-1] == 50


def test_a_full_disk_costs_the_history_and_nothing_else(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    history = CardHistory(tmp_path / "new")
    try:
        history.add(sample(), NOON)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)

    assert not any(history.read("a", "1d", NOON).points)
    assert list((tmp_path / "new").iterdir()) == []
    history._refused = -math.inf
    history.add(sample(), NOON + 1)
    assert utils(history, "1d", NOON + 1)[-1] == 50


def test_a_write_that_fails_is_survived_and_later_ones_arrive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    history = CardHistory(tmp_path)
    history.add(sample(), NOON)

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(os, "pwrite", full)
        history.add(sample(10), NOON + 15)
    history.add(sample(20), NOON + 30)
    history.close()

    assert utils(CardHistory(tmp_path), "1h", NOON + 30)[-1] == 20


def test_cards_that_left_long_ago_are_forgotten(tmp_path: Path) -> None:
    history = CardHistory(tmp_path)
    history.add(sample(card="old"), NOON)
    history.close()
    old = history._path("old")
    os.utime(old, (time.time() - 31 * 86400,) * 2)
    (tmp_path / "x.part").write_bytes(b"")
    CardHistory(tmp_path).add(sample(), NOON)

    assert not old.exists()
    assert not (tmp_path / "x.part").exists()
    assert history._path("a").exists()


@given(
    values=st.lists(st.one_of(st.none(), st.floats(0, 1e6, width=32)), min_size=5, max_size=5),
    number=st.integers(1, 2**32 - 1),
)
def test_what_is_written_is_read(
    values: list[float | None], number: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    file = RingFile(tmp_path_factory.mktemp("ring") / "a.ring")
    record = tuple((0, 0.0, 0.0, 0.0) if v is None else (3, v, v, v) for v in values)
    file.write("1h", number, record)

    assert file.read("1h") == {number: record}
    file.close()


def test_a_point_is_named_like_the_readings() -> None:
    assert set(HistoryPoint.__struct_fields__) <= set(CardSample.__struct_fields__)

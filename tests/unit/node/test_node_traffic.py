"""Requests and first words, from a real gateway's page."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from appliance.gateway.metrics import Metrics
from appliance.node import traffic
from appliance.node.traffic import ModelTraffic, Traffic


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def read_with(source: Traffic, metrics: Metrics, monkeypatch: pytest.MonkeyPatch) -> object:
    monkeypatch.setattr(source, "_page", metrics.text)
    return source.read()


def test_the_last_minute_is_averaged_and_everything_is_counted(
    tmp_path: Path, clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    source, metrics = Traffic(tmp_path / "gateway.sock"), Metrics()
    name = 'a "quoted" one'
    assert read_with(source, metrics, monkeypatch) == {}
    metrics.answer("m", 200, 9.0)
    metrics.answer("m", 502, None)
    metrics.answer(name, 200, 1.0)
    clock[0] += 3
    first = read_with(source, metrics, monkeypatch)
    assert first["m"] == ModelTraffic(requests=2, first_token_s=None)  # type: ignore[index]
    metrics.answer("m", 200, 0.5)
    metrics.answer("m", 200, 0.7)
    clock[0] += 3
    later = read_with(source, metrics, monkeypatch)
    assert later["m"].first_token_s == pytest.approx(0.6)  # type: ignore[index]
    clock[0] += 200
    read_with(source, metrics, monkeypatch)
    clock[0] += 3
    quiet = read_with(source, metrics, monkeypatch)
    assert quiet["m"] == ModelTraffic(requests=4, first_token_s=None)  # type: ignore[index]


def test_a_new_gateway_counts_anew(
    tmp_path: Path, clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    source, metrics = Traffic(tmp_path / "gateway.sock"), Metrics()
    for _ in range(5):
        metrics.answer("m", 200, 1.0)
    read_with(source, metrics, monkeypatch)
    clock[0] += 3
    fresh = Metrics()
    fresh.answer("m", 200, 4.0)
    assert read_with(source, fresh, monkeypatch) == {
        "m": ModelTraffic(requests=1, first_token_s=None)
    }


def test_it_is_asked_no_more_than_every_two_seconds_and_may_be_silent(
    tmp_path: Path, clock: list[float]
) -> None:
    source = Traffic(tmp_path / "nobody.sock")
    assert source.read() == {}
    assert traffic._EVERY_S == 2.0
    source.close()

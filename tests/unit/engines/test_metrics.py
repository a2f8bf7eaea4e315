from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.engines.metrics import (
    EngineMetrics,
    Meter,
    metrics_from,
    parse_prometheus,
    scrape,
)

LLAMACPP = """\
# HELP llamacpp:prompt_tokens_total Number of prompt tokens processed
# TYPE llamacpp:prompt_tokens_total counter
llamacpp:prompt_tokens_total 100
llamacpp:tokens_predicted_total 40
llamacpp:n_decode_total 77
llamacpp:prompt_tokens_seconds 433.676
llamacpp:predicted_tokens_seconds 78.5
llamacpp:requests_processing 2
llamacpp:requests_deferred 1
"""
VLLM = """\
vllm:num_requests_running{engine="0",model_name="a{b}"} 3.0
vllm:num_requests_waiting{engine="0",model_name="a{b}"} 0.0
vllm:kv_cache_usage_perc{engine="0",model_name="m"} 0.25
vllm:generation_tokens_total{engine="0",model_name="m"} 1000.0
vllm:generation_tokens_total{engine="1",model_name="m"} 500.0
vllm:prompt_tokens_total{engine="0",model_name="m"} 2.5e+03
"""
SGLANG = """\
sglang:num_running_reqs{model_name="m"} 4.0
sglang:num_queue_reqs{model_name="m"} 7.0
sglang:token_usage{model_name="m"} 0.5
sglang:gen_throughput{model_name="m"} 86.5
"""


def slot(*, busy: bool, tokens: int, decoded: int) -> dict[str, object]:
    return {
        "n_ctx": 1000,
        "is_processing": busy,
        "n_prompt_tokens": tokens,
        "next_token": [{"n_decoded": decoded, "n_remain": 5}],
        "params": {"temperature": 0.8},
    }


SLOTS = [slot(busy=True, tokens=500, decoded=20), slot(busy=False, tokens=900, decoded=7)]


def test_llamacpp() -> None:
    assert metrics_from(LLAMACPP) == EngineMetrics(
        requests_running=2,
        requests_waiting=1,
        tokens_total=40,
        prompt_tokens_total=100,
        steps_total=77,
        decode_tps=78.5,
        prompt_tps=433.676,
    )


def test_llamacpp_slots_add_what_is_being_said_now() -> None:
    metrics = metrics_from(LLAMACPP, SLOTS)

    assert metrics.tokens_total == 60
    assert metrics.kv_used_pct == 25.0


def test_vllm_sums_its_engines() -> None:
    metrics = metrics_from(VLLM)

    assert metrics == EngineMetrics(
        requests_running=3,
        requests_waiting=0,
        tokens_total=1500,
        prompt_tokens_total=2500,
        kv_used_pct=25.0,
    )


def test_sglang() -> None:
    metrics = metrics_from(SGLANG)

    assert metrics == EngineMetrics(
        requests_running=4, requests_waiting=7, kv_used_pct=50.0, decode_tps=86.5
    )


def test_what_is_not_told_is_unknown_and_not_zero() -> None:
    assert metrics_from("") == EngineMetrics()
    assert metrics_from("llamacpp:requests_processing NaN\n") == EngineMetrics()
    assert metrics_from("<html>not found</html>", {"error": 1}) == EngineMetrics()


@given(st.text(max_size=300))
def test_no_text_is_too_strange(text: str) -> None:
    assert all(isinstance(value, float) for value in parse_prometheus(text).values())
    metrics_from(text, slots=text)


@given(
    st.dictionaries(
        st.from_regex(r"[a-z_:][a-z0-9_:]{0,20}", fullmatch=True),
        st.floats(allow_nan=False, allow_infinity=False, width=32),
        max_size=8,
    )
)
def test_every_sample_is_read(samples: dict[str, float]) -> None:
    text = "".join(f'{name}{{a="b c"}} {value!r} 1700000000\n' for name, value in samples.items())

    assert parse_prometheus(text) == samples


class Engine:
    """A server whose metrics the test sets."""

    def __init__(self) -> None:
        self.text: str | None = LLAMACPP
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = json.dumps(SLOTS) if self.path == "/slots" else outer.text
                self.send_response(200 if body is not None else 501)
                self.end_headers()
                self.wfile.write((body or "").encode())

            def log_message(self, format: str, *args: object) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.port = int(self.server.server_address[1])


@pytest.fixture
def engine() -> Iterator[Engine]:
    engine = Engine()
    yield engine
    engine.server.shutdown()
    engine.server.server_close()


def test_scraping_asks_for_slots_too(engine: Engine) -> None:
    metrics = scrape(engine.port)

    assert metrics is not None
    assert metrics.tokens_total == 60


def test_an_engine_without_metrics_has_none(engine: Engine) -> None:
    engine.text = None

    assert scrape(engine.port) is None
    assert scrape(engine.port, None) is None


def test_nobody_there_has_no_metrics(engine: Engine) -> None:
    engine.server.shutdown()
    engine.server.server_close()

    assert scrape(engine.port) is None


def test_the_meter_tells_speed_from_how_far_the_counters_moved(engine: Engine) -> None:
    meter = Meter(engine.port)
    first = meter.read()
    engine.text = LLAMACPP.replace("predicted_total 40", "predicted_total 90")
    second = meter.read()
    third = meter.read()

    assert first is not None
    assert first.decode_tps == 78.5, "the engine's own average until there is a second reading"
    assert second is not None
    assert second.decode_tps is not None
    assert second.decode_tps > 0
    assert third is not None
    assert third.decode_tps == 0.0


def test_an_engine_that_started_anew_has_no_speed_yet(engine: Engine) -> None:
    meter = Meter(engine.port)
    meter.read()
    engine.text = LLAMACPP.replace("predicted_total 40", "predicted_total 0")
    metrics = meter.read()

    assert metrics is not None
    assert metrics.decode_tps is None

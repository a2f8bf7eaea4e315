"""What an engine says about itself while it serves, whatever its maker calls it.

Names: llama.cpp tools/server README; vLLM docs "Production Metrics"; SGLang docs "Production
Metrics". llama.cpp counts a request's tokens when the request ends; its `/slots` knows them before.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from typing import Any

import msgspec

from appliance.core.documents import prepare
from appliance.core.inventory import Document
from appliance.core.loopback import no_tls

_NAMES: Mapping[str, tuple[str, ...]] = {
    "requests_running": (
        "llamacpp:requests_processing",
        "vllm:num_requests_running",
        "sglang:num_running_reqs",
    ),
    "requests_waiting": (
        "llamacpp:requests_deferred",
        "vllm:num_requests_waiting",
        "sglang:num_queue_reqs",
    ),
    "tokens_total": (
        "llamacpp:tokens_predicted_total",
        "vllm:generation_tokens_total",
        "sglang:generation_tokens_total",
    ),
    "prompt_tokens_total": (
        "llamacpp:prompt_tokens_total",
        "vllm:prompt_tokens_total",
        "sglang:prompt_tokens_total",
    ),
    "steps_total": ("llamacpp:n_decode_total", "vllm:iteration_tokens_total_count"),
    "decode_tps": ("llamacpp:predicted_tokens_seconds", "sglang:gen_throughput"),
    "prompt_tps": ("llamacpp:prompt_tokens_seconds",),
    "kv_used_ratio": (
        "vllm:kv_cache_usage_perc",
        "vllm:gpu_cache_usage_perc",
        "sglang:token_usage",
    ),
}
_LINE = re.compile(r"(?P<name>[a-zA-Z_:][\w:]*)(?:\{.*\})?\s+(?P<value>\S+)(?:\s+-?\d+)?\s*")


class EngineMetrics(Document, frozen=True, kw_only=True):
    """One reading. Counters grow while the engine works; a `None` was not told.

    `steps_total` counts passes through the model: the earliest sign of progress there is.
    """

    requests_running: int | None = None
    requests_waiting: int | None = None
    tokens_total: int | None = None
    prompt_tokens_total: int | None = None
    steps_total: int | None = None
    decode_tps: float | None = None
    prompt_tps: float | None = None
    kv_used_pct: float | None = None


def parse_prometheus(text: str) -> dict[str, float]:
    """Samples by name, summed over their labels; lines that are none are skipped."""
    samples: dict[str, float] = {}
    for line in text.splitlines():
        match = _LINE.fullmatch(line)
        if match and (value := _number(match["value"])) is not None:
            samples[match["name"]] = samples.get(match["name"], 0.0) + value
    return samples


def metrics_from(text: str, slots: object = None) -> EngineMetrics:
    """Read an engine's Prometheus text, with llama.cpp's `/slots` where there is one."""
    samples = parse_prometheus(text)
    values = {
        field: next((samples[name] for name in names if name in samples), None)
        for field, names in _NAMES.items()
    }
    ratio = values.pop("kv_used_ratio")
    readings: dict[str, Any] = {
        field: int(value) if value is not None and not field.endswith("_tps") else value
        for field, value in values.items()
    }
    readings["kv_used_pct"] = round(ratio * 100, 2) if ratio is not None else None
    return _with_slots(EngineMetrics(**readings), slots)


def scrape(
    port: int, path: str | None = "/metrics", *, timeout_s: float = 2.0
) -> EngineMetrics | None:
    """Ask the engine on loopback `port`; `None` when it gives no metrics now."""
    import httpx

    if path is None:
        return None
    try:
        with httpx.Client(timeout=timeout_s, trust_env=False, verify=no_tls()) as client:
            answer = client.get(f"http://127.0.0.1:{port}{path}")
            if answer.status_code != 200:
                return None
            slots = _slots(client, port) if "llamacpp:" in answer.text else None
            return metrics_from(answer.text, slots)
    except httpx.HTTPError:
        return None


class Meter:
    """Speed over all requests now, from how far the counters moved between two readings."""

    def __init__(self, port: int, path: str | None = "/metrics") -> None:
        self.port = port
        self.path = path
        self._last: tuple[float, EngineMetrics] | None = None

    def read(self) -> EngineMetrics | None:
        """The newest reading with `decode_tps` and `prompt_tps` since the reading before."""
        metrics = scrape(self.port, self.path)
        now = time.monotonic()
        before, self._last = self._last, (now, metrics) if metrics else None
        if metrics is None or before is None:
            return metrics
        then, old = before
        return msgspec.structs.replace(
            metrics,
            decode_tps=_rate(old.tokens_total, metrics.tokens_total, now - then),
            prompt_tps=_rate(old.prompt_tokens_total, metrics.prompt_tokens_total, now - then),
        )


def _slots(client: Any, port: int) -> object:
    answer = client.get(f"http://127.0.0.1:{port}/slots")
    try:
        return answer.json() if answer.status_code == 200 else None
    except ValueError:
        return None


def _with_slots(metrics: EngineMetrics, slots: object) -> EngineMetrics:
    try:
        table = msgspec.convert(slots, list[_Slot])
    except msgspec.ValidationError:
        return metrics
    busy = [slot for slot in table if slot.is_processing]
    decoding = sum(token.n_decoded for slot in busy for token in slot.next_token)
    capacity = sum(slot.n_ctx for slot in table)
    used = sum(slot.n_prompt_tokens for slot in busy)
    return msgspec.structs.replace(
        metrics,
        tokens_total=(metrics.tokens_total or 0) + decoding,
        kv_used_pct=round(100 * used / capacity, 2) if capacity else None,
    )


class _NextToken(msgspec.Struct):
    n_decoded: int = 0


class _Slot(msgspec.Struct):
    n_ctx: int = 0
    is_processing: bool = False
    n_prompt_tokens: int = 0
    next_token: list[_NextToken] = []


prepare(_Slot)


def _rate(before: int | None, after: int | None, seconds: float) -> float | None:
    if before is None or after is None or after < before or seconds <= 0:
        return None
    return round((after - before) / seconds, 2)


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if abs(value) < float("inf") else None

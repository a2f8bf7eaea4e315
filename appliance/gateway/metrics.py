"""What the gateway counts, in the text format of Prometheus."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping

_PREFIX = "appliance_gateway_"


class Metrics:
    """Counters of one gateway process; they start at 0 with it."""

    def __init__(self) -> None:
        self.answered: Counter[tuple[str, int]] = Counter()
        self.refused: Counter[int] = Counter()
        self.retries = 0
        self.broken_streams = 0
        self.in_flight = 0
        self.first_bytes: Counter[str] = Counter()
        self.first_byte_seconds: defaultdict[str, float] = defaultdict(float)

    def answer(self, model: str, status: int | None, waited_s: float | None) -> None:
        """Count a request that ended; one without a status was left by its client."""
        if status is not None:
            self.answered[model, status] += 1
        if waited_s is not None:
            self.first_bytes[model] += 1
            self.first_byte_seconds[model] += waited_s

    def text(self) -> str:
        """The page that a Prometheus server reads."""
        answered = {
            f'{{model="{_escaped(model)}",status="{status}"}}': number
            for (model, status), number in sorted(self.answered.items())
        }
        refused = {f'{{status="{status}"}}': n for status, n in sorted(self.refused.items())}
        waited = {
            f'_{part}{{model="{_escaped(model)}"}}': round(number, 6)
            for part, numbers in (("sum", self.first_byte_seconds), ("count", self.first_bytes))
            for model, number in sorted(numbers.items())
        }
        return (
            _family("requests_total", "counter", "Answers by model and status", answered)
            + _family("refused_total", "counter", "Requests refused at the door", refused)
            + _family("retries_total", "counter", "Requests sent again", {"": self.retries})
            + _family(
                "broken_streams_total",
                "counter",
                "Streams that lost their engine",
                {"": self.broken_streams},
            )
            + _family(
                "requests_in_flight", "gauge", "Requests being answered", {"": self.in_flight}
            )
            + _family("first_byte_seconds", "summary", "From request to first byte", waited)
        )


def _family(name: str, kind: str, meaning: str, samples: Mapping[str, float]) -> str:
    rows = "".join(f"{_PREFIX}{name}{suffix} {value}\n" for suffix, value in samples.items())
    return f"# HELP {_PREFIX}{name} {meaning}\n# TYPE {_PREFIX}{name} {kind}\n{rows}"


def _escaped(label: str) -> str:
    return label.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")

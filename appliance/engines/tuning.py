"""Which settings of an engine are worth measuring (`tuning.toml`)."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import Literal

import msgspec

from appliance.engines.llamacpp.threads import usable_threads

_FILE = Path(__file__).with_name("tuning.toml")


class Knob(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One setting and the values to try, the likely ones first."""

    setting: Literal["threads", "ubatch", "kv_type"]
    values: tuple[int | str, ...]
    where: Literal["cpu", "card"] | None = None

    def trials(self, now: int | str | None) -> list[int | str]:
        """The values to try beside `now`, each once."""
        meant = [_threads(v) if self.setting == "threads" else v for v in self.values]
        current = (now or usable_threads()) if self.setting == "threads" else now
        return [value for value in dict.fromkeys(meant) if value != current]


def knobs(engine: str, *, on_cpu: bool) -> list[Knob]:
    """What can be turned on this engine there; nothing for an engine whose settings are its own."""
    place = "cpu" if on_cpu else "card"
    return [knob for knob in _table().get(engine, []) if knob.where in (None, place)]


@cache
def _table() -> dict[str, list[Knob]]:
    return msgspec.toml.decode(_FILE.read_bytes(), type=dict[str, list[Knob]])


def _threads(word: int | str) -> int:
    cores = usable_threads()
    named = {"cores": cores, "logical": os.cpu_count() or cores, "half": max(1, cores // 2)}
    return named.get(str(word)) or int(word)

"""Deployments whose engines are scripts, and waiting for what they do."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import pytest

from appliance.core.i18n import Text
from appliance.core.inventory import Card
from appliance.core.paths import Paths
from appliance.core.status import Hold
from appliance.engines.command import EngineCommand
from appliance.engines.request import EngineRequest
from appliance.node import replica
from appliance.node.replica import ReplicaKeeper
from appliance.node.state import ReplicaRecord, State
from appliance.ops.deployment import Deployment

BAD_ENGINE = Path(__file__).with_name("bad_engine.py")
CPU = [Card(id="cpu", vendor="cpu")]


def until(condition: Callable[[], Any], within_s: float = 30.0) -> Any:
    """The first truthy value of `condition`."""
    deadline = time.monotonic() + within_s
    while not (value := condition()):
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.02)
    return value


def deployment(name: str = "tiny", **changes: Any) -> Deployment:
    values: dict[str, Any] = {
        "id": name,
        "model": name,
        "variant": f"{name}:q4_0",
        "engine": "llama.cpp",
        "recipe": "llama.cpp-prebuilt-cpu",
        "cards": ["cpu"],
        "model_path": "/nowhere/tiny.gguf",
        "context": 4096,
        "slots": 1,
    }
    return Deployment(**{**values, **changes})


class EngineMode:
    """What the next engine that is started will do."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.mode = "good"
        self.requests: list[EngineRequest] = []
        monkeypatch.setattr(replica, "command_for", self._command)

    def _command(self, request: EngineRequest) -> EngineCommand:
        self.requests.append(request)
        argv = [sys.executable, str(BAD_ENGINE), self.mode, str(request.port)]
        return EngineCommand(engine="fake", argv=argv, port=request.port)


class Around:
    """The server of one replica: cards from a function, holds from a table."""

    def __init__(
        self, paths: Paths, state: State, cards: Callable[[Collection[str]], list[Card]]
    ) -> None:
        self.paths = paths
        self.state = state
        self.holds: dict[str, Hold] = {}
        self.published = 0
        self.evidence: list[str] = []
        self._cards = cards

    def cards_of(self, card_ids: Collection[str]) -> list[Card]:
        return self._cards(card_ids)

    def hold_on(self, card_ids: Collection[str]) -> tuple[str, Hold] | None:
        return next(((card, self.holds[card]) for card in card_ids if card in self.holds), None)

    def publish(self) -> None:
        self.published += 1

    def keep_evidence(self, code: str, cards: Collection[str], reason: Text) -> str:
        self.evidence.append(f"{code}: {reason}")
        return "/evidence"


def keeper_of(
    paths: Paths,
    state: State,
    record: ReplicaRecord | None = None,
    cards: Callable[[Collection[str]], list[Card]] = lambda ids: CPU,
    work: Deployment | None = None,
    around: Around | None = None,
) -> ReplicaKeeper:
    work = work or deployment()
    around = around or Around(paths, state, cards)
    return ReplicaKeeper(record or ReplicaRecord(id="tiny-0", work=work), work, around)

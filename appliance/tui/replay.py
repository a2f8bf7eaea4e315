"""A capture of another server in place of the daemon: looked at, never touched."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from appliance.core.errors import ApplianceError
from appliance.core.history import STEPS, History
from appliance.core.i18n import say
from appliance.core.inventory import Inventory
from appliance.core.sample import Sample
from appliance.core.status import DaemonStatus, JobStatus, Status, card_statuses
from appliance.core.topology import Topology
from appliance.hardware.box import Box, open_box
from appliance.node.observed import span_named
from appliance.node.wishes import Event, PullOptions, TuneOptions, UpOptions
from appliance.ops.conversation import AS_IT_IS, Finish, Manner, Message, Piece
from appliance.tui.backend import Backend


class Replay:
    """A node whose readings come from a capture directory."""

    def __init__(self, directory: Path) -> None:
        self._box: Box = open_box(directory)
        self._lock = threading.Lock()
        self._inventory: Inventory | None = None

    def inventory(self) -> Inventory:
        """The captured server."""
        with self._lock:
            if self._inventory is None:
                self._inventory = self._box.inventory()
            return self._inventory

    def sample(self, *, processes: bool = False) -> Sample:
        """The captured readings, as if they were of now."""
        with self._lock:
            sample = self._box.sample(processes=processes)
        return replace(sample, time=datetime.now(UTC).isoformat())

    def history(self, card: str, span: str) -> History:
        """A capture is of one moment: all gaps."""
        name = span_named(span)
        steps = STEPS[name]
        until = datetime.now(UTC).isoformat()
        points = [None] * steps.count
        return History(card=card, span=name, step_s=steps.step_s, until=until, points=[*points])

    def topology(self) -> Topology:
        """The links of the captured server."""
        with self._lock:
            return self._box.topology()

    def hold_card(self, card: str, reason: str) -> None:
        """A capture has no card to hold."""
        raise _only_a_capture()

    def release_card(self, card: str) -> None:
        """A capture has no card to release."""
        raise _only_a_capture()

    def status(self) -> Status:
        """Cards, and nothing that runs."""
        cards = card_statuses(self.inventory(), self.sample(), {})
        return Status(daemon=DaemonStatus(), listeners=[], deployments=[], cards=cards)

    def events(self, after: int = 0) -> list[Event]:
        """Nothing happens in a capture."""
        return []

    def logs(self, deployment: str, lines: int = 200) -> list[str]:
        """Nothing runs in a capture."""
        raise _only_a_capture()

    def follow_logs(self, deployment: str, lines: int = 50) -> Iterator[str]:
        """Nothing runs in a capture."""
        raise _only_a_capture()

    def up(self, options: UpOptions) -> Iterator[dict[str, Any]]:
        """Nothing can be served in a capture."""
        raise _only_a_capture()

    def pull(self, options: PullOptions) -> Iterator[dict[str, Any]]:
        """Nothing can be fetched into a capture."""
        raise _only_a_capture()

    def tune(self, deployment: str, options: TuneOptions) -> Iterator[dict[str, Any]]:
        """Nothing runs in a capture."""
        raise _only_a_capture()

    def jobs(self) -> list[JobStatus]:
        """Nothing runs in a capture."""
        return []

    def pause_job(self, job_id: str) -> None:
        """Nothing runs in a capture."""
        raise _only_a_capture()

    def resume_job(self, job_id: str) -> None:
        """Nothing runs in a capture."""
        raise _only_a_capture()

    def cancel_job(self, job_id: str) -> None:
        """Nothing runs in a capture."""
        raise _only_a_capture()

    def down(self, deployment: str | None = None) -> None:
        """Nothing runs in a capture."""
        raise _only_a_capture()

    def restart(self, deployment: str) -> None:
        """Nothing runs in a capture."""
        raise _only_a_capture()


def replayed(directory: Path) -> Backend:
    """The backend of a capture. Raises `UsageError` for a directory that is none."""
    return Backend(node=Replay(directory), converse=_silent, mark=f"REPLAY {directory.name}")


def _silent(
    messages: Sequence[Message], model: str | None, manner: Manner = AS_IT_IS
) -> Iterator[Piece | Finish]:
    raise _only_a_capture()


def _only_a_capture() -> ApplianceError:
    return ApplianceError(
        say("this is a capture of another server"), hint=say("leave --replay out"), code="REPLAY"
    )

"""Seeing the end of the server's memory before the kernel, or whoever is logged in, does."""

from __future__ import annotations

import logging
import time

from appliance.core.errors import ApplianceError
from appliance.core.i18n import say
from appliance.node.keeper import Keeper
from appliance.node.replica import ReplicaKeeper
from appliance.node.replicas import Replicas
from appliance.supervisor.memory import HostMemory, read_memory, resident_mib

log = logging.getLogger(__name__)
_EVERY_S = 1.0
_LOOKS = 2
_WORTH_MIB = 32.0
_TELL_EVERY_S = 600.0


class MemoryGuard(Keeper):
    """Ends the largest engine in order when the memory runs out twice in a row."""

    def __init__(self, replicas: Replicas) -> None:
        super().__init__("memory-guard", every_s=_EVERY_S)
        self._replicas = replicas
        self._short = 0
        self._told_at = float("-inf")

    def tick(self) -> None:
        """Look, and act when it cannot wait."""
        memory = read_memory()
        self._short = self._short + 1 if memory and memory.running_out else 0
        if memory and self._short >= _LOOKS:
            self._short = 0
            self._relieve(memory)

    def failed(self, error: ApplianceError) -> None:
        """Look again in a second."""
        log.warning("the memory cannot be guarded: %s", error)

    def _relieve(self, memory: HostMemory) -> None:
        sizes = {keeper: _size(keeper) for keeper in self._replicas.kept().values()}
        largest = max(sizes, key=lambda keeper: sizes[keeper], default=None)
        if largest is None or sizes[largest] < _WORTH_MIB:
            self._tell(memory, "server")
            return
        largest.end_for_memory()
        self._tell(memory, largest.record.id, always=True)
        self._replicas.keep_evidence(
            "MEMORY-LOW", largest.record.cards, say("{mib:.0f} MiB left", mib=memory.available_mib)
        )

    def _tell(self, memory: HostMemory, subject: str, *, always: bool = False) -> None:
        if always or time.monotonic() - self._told_at >= _TELL_EVERY_S:
            self._told_at = time.monotonic()
            text = say(
                "the server has {left:.0f} of {total:.0f} MiB memory left",
                left=memory.available_mib,
                total=memory.total_mib,
            )
            self._replicas.state.record("fail", "MEMORY-LOW", subject, text)


def _size(keeper: ReplicaKeeper) -> float:
    identity = keeper.record.identity
    return resident_mib(identity.pid) if identity else 0.0

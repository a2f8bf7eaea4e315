"""Looks at the daemon once a second, in a thread, and tells what it saw."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec

from appliance.core.errors import ApplianceError
from appliance.core.history import History, Span
from appliance.core.i18n import say
from appliance.core.inventory import Inventory
from appliance.core.status import Status
from appliance.node.wishes import Event
from appliance.tui.backend import Node
from appliance.tui.snapshot import Snapshot

EVENTS_KEPT = 1000
_INVENTORY_EVERY_S = 60.0
_HISTORY_EVERY_S: dict[Span, float] = {"1m": 1.5, "1h": 15.0, "1d": 60.0, "30d": 300.0}


@dataclass(frozen=True)
class Interest:
    """What else the screen in front draws: the history of a card, the processes on the cards."""

    card: str | None = None
    span: Span = "1m"
    processes: bool = False


class Feed:
    """One thread that nobody waits for: a daemon that hangs costs pictures, never the exit."""

    def __init__(
        self,
        node: Node,
        tell: Callable[[Snapshot], object],
        *,
        interval_s: float = 1.0,
        start_s: float = 0.0,
    ) -> None:
        self._node = node
        self._tell = tell
        self._interval_s = interval_s
        self._start_s = start_s
        self._wake = threading.Event()
        self._ended = False
        self._afresh = False
        self._inventory: Inventory | None = None
        self._inventory_at = 0.0
        self._events: deque[Event] = deque(maxlen=EVENTS_KEPT)
        self._answered_at = time.monotonic()
        self._last: Snapshot | None = None
        self._interest = Interest()
        self._history: History | None = None
        self._history_at = 0.0

    def start(self) -> None:
        """Begin to look."""
        threading.Thread(target=self._run, daemon=True, name="feed").start()

    def stop(self) -> None:
        """Look no more."""
        self._ended = True
        self._wake.set()

    def look_now(self, *, afresh: bool = False) -> None:
        """Do not wait for the next second; `afresh` asks for everything again."""
        self._afresh = self._afresh or afresh
        self._wake.set()

    def care_for(self, interest: Interest) -> None:
        """Ask for this too; at once where it is something new."""
        if interest != self._interest:
            self._interest = interest
            self._wake.set()

    def _run(self) -> None:
        while not self._ended:
            self._tell(self.look())
            self._wake.wait(self._interval_s)
            self._wake.clear()

    def look(self) -> Snapshot:
        """One picture; a daemon that does not answer gives one that says so."""
        try:
            snapshot = self._ask()
        except ApplianceError as error:
            return self._silent(error)
        except msgspec.MsgspecError as error:
            return self._silent(
                ApplianceError(
                    say("the daemon speaks another version of this program: {error}", error=error),
                    hint=say("restart it with `appliance down` and `appliance up`"),
                )
            )
        except Exception as error:  # a thread that dies would leave the screens without a word
            return self._silent(
                ApplianceError(
                    say("this program has a fault: {error}", error=repr(error)),
                    hint=say("leave with q and start it again; the daemon goes on"),
                )
            )
        self._answered_at = time.monotonic()
        self._last = snapshot
        return snapshot

    def _ask(self) -> Snapshot:
        if self._afresh:
            self._afresh = False
            self._inventory_at = -_INVENTORY_EVERY_S
            self._events.clear()
        status = self._node.status()
        sample = self._node.sample(processes=self._interest.processes)
        after = self._events[-1].number if self._events else 0
        self._events.extend(self._node.events(after))
        return Snapshot(
            taken=datetime.now(UTC),
            status=status,
            inventory=self._inventory_for(status),
            sample=sample,
            jobs=tuple(self._node.jobs()),
            events=tuple(self._events),
            stale_after_s=2 * self._interval_s + 1,
            history=self._history_for(self._interest),
        )

    def _history_for(self, interest: Interest) -> History | None:
        """The history of interest, asked for as often as it has something new."""
        known = self._history
        if interest.card is None:
            return None
        age = time.monotonic() - self._history_at
        same = known and (known.card, known.span) == (interest.card, interest.span)
        if not same or age >= _HISTORY_EVERY_S[interest.span]:
            self._history = self._node.history(interest.card, interest.span)
            self._history_at = time.monotonic()
        return self._history

    def _inventory_for(self, status: Status) -> Inventory:
        """The inventory, asked for again when a card came, went or changed its state."""
        known = {c.id: c.state for c in self._inventory.cards} if self._inventory else {}
        seen = {c.id: c.state for c in status.cards}
        late = time.monotonic() > self._inventory_at + _INVENTORY_EVERY_S
        if self._inventory is None or known != seen or late:
            self._inventory = self._node.inventory()
            self._inventory_at = time.monotonic()
        return self._inventory

    def _silent(self, error: ApplianceError) -> Snapshot:
        return Snapshot(
            taken=datetime.now(UTC),
            status=self._last.status if self._last else None,
            inventory=self._inventory,
            events=tuple(self._events),
            error=error,
            down_s=time.monotonic() - self._answered_at,
            start_s=self._start_s,
        )

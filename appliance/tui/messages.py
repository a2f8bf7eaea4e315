"""What threads tell the screens: frozen contents; the newest picture replaces a waiting one."""

from __future__ import annotations

from collections.abc import Callable

from textual.message import Message

from appliance.core.errors import ApplianceError
from appliance.ops.conversation import Finish, Piece
from appliance.tui.jobs import JobState
from appliance.tui.snapshot import Snapshot


class Looked(Message):
    """A new picture of the daemon."""

    def __init__(self, snapshot: Snapshot) -> None:
        super().__init__()
        self.snapshot = snapshot

    def can_replace(self, message: Message) -> bool:
        """A terminal that is behind gets the newest picture only."""
        return isinstance(message, Looked)


class Advanced(Message):
    """A job went on."""

    def __init__(self, job: JobState) -> None:
        super().__init__()
        self.job = job

    def can_replace(self, message: Message) -> bool:
        """Only the newest state of a job matters."""
        return isinstance(message, Advanced) and message.job.id == self.job.id


class Heard(Message):
    """Pieces of the answer to the question number `turn`; `end` or `error` comes last."""

    def __init__(
        self,
        turn: int,
        pieces: tuple[Piece, ...] = (),
        end: Finish | None = None,
        error: ApplianceError | None = None,
    ) -> None:
        super().__init__()
        self.turn = turn
        self.pieces = pieces
        self.end = end
        self.error = error


class Read(Message):
    """Lines of the log that the reader number `reader` follows; `error` ends it."""

    def __init__(
        self, reader: int, lines: tuple[str, ...], error: ApplianceError | None = None
    ) -> None:
        super().__init__()
        self.reader = reader
        self.lines = lines
        self.error = error


class Ended(Message):
    """A call to the daemon ended; `then` runs on the screens' side when it ended well."""

    def __init__(
        self, then: Callable[[object], None], value: object, error: ApplianceError | None
    ) -> None:
        super().__init__()
        self.then = then
        self.value = value
        self.error = error

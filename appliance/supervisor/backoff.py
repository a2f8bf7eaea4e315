"""When to start a dead engine again, and when the same try has failed often enough."""

from __future__ import annotations

FIRST_DELAY_S = 0.2
LONGEST_DELAY_S = 60.0
SAME_WAY = 3


class Backoff:
    """The restarts of one replica since it last answered.

    The first restart begins at once (within a second of the death), then 1, 2, 4 … 60 s apart. It
    never gives up. An answered request makes it forget.
    """

    def __init__(self) -> None:
        self._deaths: list[str] = []

    def died(self, way: str) -> float:
        """Note a death; `way` names how (a diagnosis code, an exit status). Seconds to wait."""
        self._deaths.append(way)
        earlier = len(self._deaths) - 1
        return min(2.0 ** (min(earlier, 16) - 1), LONGEST_DELAY_S) if earlier else FIRST_DELAY_S

    def answered(self) -> None:
        """A person's request was answered: what was before does not count any more."""
        self._deaths.clear()

    @property
    def deaths(self) -> int:
        """Deaths since the last answer."""
        return len(self._deaths)

    @property
    def hopeless(self) -> bool:
        """Whether it died three times the same way without an answer in between."""
        last = self._deaths[-SAME_WAY:]
        return len(last) == SAME_WAY and len(set(last)) == 1

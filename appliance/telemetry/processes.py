"""Who started a process."""

from __future__ import annotations

from collections.abc import Iterator


def parents_of(pid: int) -> Iterator[int]:
    """The process itself, then its parent, and so on, as far as they can be seen."""
    import psutil

    yield pid
    try:
        yield from (parent.pid for parent in psutil.Process(pid).parents())
    except psutil.Error:
        return

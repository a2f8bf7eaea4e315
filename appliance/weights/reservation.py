"""Room on the disk for every file of a pull, taken before the first byte comes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from appliance.core.progress import Cancel
from appliance.weights.partial import JournalHeader, Partial, is_locked, journal_of, parse_journal


@contextmanager
def reserved(files: Sequence[tuple[Path, JournalHeader]]) -> Iterator[None]:
    """Hold room for these partial files; what has not been begun is given back at the end.

    Raises `OSError` (ENOSPC) where there is none.
    """
    try:
        for path, header in files:
            if not is_locked(journal_of(path)):  # another pull brings that one
                Partial.open(path, header, Cancel()).close()
        yield
    finally:
        for path, _ in files:
            _give_back(path)


def _give_back(path: Path) -> None:
    journal = journal_of(path)
    if journal.exists() and not is_locked(journal) and not parse_journal(journal.read_bytes())[1]:
        path.unlink(missing_ok=True)
        journal.unlink(missing_ok=True)

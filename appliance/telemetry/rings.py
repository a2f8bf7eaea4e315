"""The file of one card's history: a ring of fixed records for every span, of one size for ever.

The place of a record is its step's number modulo the length of its ring, and the record carries
that number and a checksum. So there is no head to lose: what a kill or a power cut leaves behind is
a whole record or a gap, and what an earlier round left is told from what belongs there. The blocks
are taken when the file is made: a disk that fills up later costs nothing.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path

from appliance.core.history import READINGS, STEPS, Span

_BODY = struct.Struct(f"<I{len(READINGS)}H{3 * len(READINGS)}f")
_SUM = struct.Struct("<I")
RECORD_BYTES = _BODY.size + _SUM.size
_HEAD = b"appliance history 1\n".ljust(512, b"\0")
_STARTS = dict(
    zip(
        STEPS,
        accumulate((s.count * RECORD_BYTES for s in STEPS.values()), initial=len(_HEAD)),
        strict=False,
    )
)
FILE_BYTES = len(_HEAD) + sum(steps.count for steps in STEPS.values()) * RECORD_BYTES
"""What the history of one card takes on disk."""

Reading = tuple[int, float, float, float]
"""How many values a step has of a reading; their least, mean and most."""
Record = tuple[Reading, ...]
"""One `Reading` for each of `READINGS`."""


class RingFile:
    """The rings of one card. Raises `OSError` where it can be neither opened nor made."""

    def __init__(self, path: Path) -> None:
        if not _whole(path):
            _make(path)
        self._file = os.open(path, os.O_RDWR | os.O_CLOEXEC)

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)

    def write(self, span: Span, number: int, record: Record) -> None:
        """Put the step with this number into its place."""
        counts = (min(reading[0], 0xFFFF) for reading in record)
        values = (value for reading in record for value in reading[1:])
        body = _BODY.pack(number, *counts, *values)
        place = _STARTS[span] + number % STEPS[span].count * RECORD_BYTES
        os.pwrite(self._file, body + _SUM.pack(zlib.crc32(body)), place)

    def read(self, span: Span) -> dict[int, Record]:
        """Every whole record of a ring by its step's number, those of earlier rounds too."""
        size = STEPS[span].count * RECORD_BYTES
        return dict(_records(os.pread(self._file, size, _STARTS[span])))


def _records(raw: bytes) -> Iterator[tuple[int, Record]]:
    for start in range(0, len(raw) - RECORD_BYTES + 1, RECORD_BYTES):
        body = raw[start : start + _BODY.size]
        (told,) = _SUM.unpack_from(raw, start + _BODY.size)
        number, *fields = _BODY.unpack(body)
        if number and told == zlib.crc32(body):
            counts, values = fields[: len(READINGS)], fields[len(READINGS) :]
            yield (
                number,
                tuple((n, *values[3 * i : 3 * i + 3]) for i, n in enumerate(counts)),
            )


def _whole(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(_HEAD)) == _HEAD and path.stat().st_size == FILE_BYTES
    except FileNotFoundError:
        return False


def _make(path: Path) -> None:
    """Write it out, zeros and all; half of it never gets the name."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    temporary = path.with_suffix(".part")
    try:
        temporary.write_bytes(_HEAD.ljust(FILE_BYTES, b"\0"))
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
